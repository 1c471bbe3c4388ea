//! `orchd rollback`: plan, execute, status, list.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::daemon::Daemon;
use super::failure::Failure;
use super::output::{self, Rows, word};
use super::when;
use crate::core::event::RepoName;
use crate::core::rule::RuleName;
use crate::core::text;
use crate::store::rollbacks::{RollbackCounts, RollbackItem, RollbackRow, Verdict};

/// Between two looks at how far the daemon is.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say what would be taken back, what a person changed since, and what cannot be taken back. Changes nothing.
    ///
    /// Switch a rule off before its effects are taken back, or it may do the same again. What a rollback did is taken back
    /// in turn with --rollback ID.
    Plan(Plan),
    /// Carry out a plan, newest effect first. Each one is judged again right before it is taken back.
    Execute {
        /// The plan's id.
        id: Uuid,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Wait until everything is done.
        #[arg(long)]
        wait: bool,
    },
    /// How far a rollback is, what was left alone, and why.
    Status {
        /// The plan's id.
        id: Uuid,
    },
    /// List rollbacks, newest first.
    List {
        /// Rollbacks at most, up to 1000.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only rollbacks older than this one: where the last list ended.
        #[arg(long, value_name = "ID")]
        after: Option<Uuid>,
    },
}

/// What to take back: effects that fit everything given.
#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = true)]
pub(super) struct What {
    /// This effect.
    #[arg(long, value_name = "ID")]
    effect: Option<Uuid>,
    /// Effects of this rule.
    #[arg(long, value_name = "NAME", value_parser = RuleName::parse)]
    rule: Option<RuleName>,
    /// Effects of this event.
    #[arg(long, value_name = "ID")]
    event: Option<Uuid>,
    /// Effects that were decided with this config revision; how its hash begins is enough.
    #[arg(long, value_name = "REV")]
    config_revision: Option<String>,
    /// Effects decided from then on: 2h, 3d, 2026-03-01, 2026-03-01T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = when::from_argument)]
    since: Option<DateTime<Utc>>,
    /// Effects decided before then.
    #[arg(long, value_name = "TIME", value_parser = when::from_argument)]
    until: Option<DateTime<Utc>>,
    /// Effects on this repository.
    #[arg(long, value_name = "OWNER/REPO", value_parser = RepoName::parse)]
    repo: Option<RepoName>,
    /// What this rollback did: to have it back.
    #[arg(long, value_name = "ID")]
    rollback: Option<Uuid>,
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    what: What,
    /// Effects at most, the newest.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// A rollback as the API shows it.
#[derive(Deserialize)]
struct Shown {
    #[serde(flatten)]
    row: RollbackRow,
    counts: RollbackCounts,
    gate: Option<String>,
    #[serde(default)]
    still_active: Vec<RuleName>,
}

#[derive(Deserialize)]
struct ItemPage {
    rows: Vec<RollbackItem>,
    next: Option<Uuid>,
}

impl Command {
    pub(super) async fn run(&self, daemon: &Daemon, json: bool) -> Result<(), Failure> {
        match self {
            Self::Plan(plan) => plan.run(daemon, json).await,
            Self::Execute { id, yes, wait } => execute(daemon, *id, *yes, *wait, json).await,
            Self::Status { id } => status(daemon, *id, json).await,
            Self::List { limit, after } => {
                let parameters = vec![("limit", Some(limit.to_string())), ("after", after.map(|id| id.to_string()))];
                output::print_page(daemon.get("/api/rollbacks", parameters).await?, json, list)
            }
        }
    }
}

impl Plan {
    async fn run(&self, daemon: &Daemon, json: bool) -> Result<(), Failure> {
        let begun: Shown = output::read(daemon.post(&format!("/api/rollbacks?{}", self.query())).await?)?;
        let id = begun.row.id.0;
        let planned = follow(daemon, id, |shown| match shown.row.planned_at {
            Some(_) => Ok(()),
            None => Err((shown.counts.effects - shown.counts.unjudged, shown.counts.effects, "judged")),
        })
        .await?;
        let items = items(daemon, id).await?;
        if json {
            return print_document(&daemon.get(&path(id), vec![]).await?, &items);
        }
        table(&items, |_| true).print()?;
        output::note(&told(&planned));
        if planned.counts.undo > 0 {
            output::note(&format!("Carry it out: orchd rollback execute {id}"));
        }
        Ok(())
    }

    fn query(&self) -> String {
        let What { effect, rule, event, config_revision, since, until, repo, rollback } = &self.what;
        let time = |at: &Option<DateTime<Utc>>| at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true));
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("effect", effect.map(|id| id.to_string())),
            ("rule", rule.as_ref().map(ToString::to_string)),
            ("event", event.map(|id| id.to_string())),
            ("config", config_revision.clone()),
            ("since", time(since)),
            ("until", time(until)),
            ("repo", repo.as_ref().map(ToString::to_string)),
            ("rollback", rollback.map(|id| id.to_string())),
            ("limit", Some(self.limit.to_string())),
        ] {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        }
        query.finish()
    }
}

async fn execute(daemon: &Daemon, id: Uuid, yes: bool, wait: bool, json: bool) -> Result<(), Failure> {
    let planned = show(daemon, id).await?;
    if !yes {
        confirm(&planned)?;
    }
    let mut answer = daemon.post(&format!("{}/execute", path(id))).await?;
    if wait {
        follow(daemon, id, |shown| match shown.counts.left() {
            0 => Ok(()),
            left => Err((shown.counts.undo - left.min(shown.counts.undo), shown.counts.undo, "done")),
        })
        .await?;
        if !json {
            return status(daemon, id, false).await;
        }
        answer = daemon.get(&path(id), vec![]).await?;
    }
    if json {
        return output::print_json(&answer);
    }
    output::print(&format!(
        "Taking back {} effects. See how far it is: orchd rollback status {id}\n",
        planned.counts.undo
    ))
}

/// Asks on a terminal.
fn confirm(planned: &Shown) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::failed("nobody is there to ask: pass --yes to take the effects back".to_owned()));
    }
    output::note(&told(planned));
    let mut stderr = io::stderr().lock();
    // Whoever cannot see the question will not answer yes.
    let _ = write!(stderr, "Take back {} effects on GitHub? [y/N] ", planned.counts.undo).and_then(|()| stderr.flush());
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line);
    match (read, line.trim()) {
        (Ok(_), "y" | "Y" | "yes") => Ok(()),
        _ => Err(Failure::failed("nothing was taken back".to_owned())),
    }
}

async fn status(daemon: &Daemon, id: Uuid, json: bool) -> Result<(), Failure> {
    let answer = daemon.get(&path(id), vec![]).await?;
    let items = items(daemon, id).await?;
    if json {
        return print_document(&answer, &items);
    }
    let shown: Shown = output::read(answer)?;
    let row = &shown.row;
    let time = |at: Option<DateTime<Utc>>| at.map_or_else(|| "-".to_owned(), text::time);
    let mut facts = vec![
        ("rollback", row.id.to_string()),
        ("of", filter(row)),
        ("created", text::time(row.created_at)),
        ("planned", time(row.planned_at)),
        ("carried out", time(row.executed_at)),
        ("effects", shown.counts.effects.to_string()),
        ("to take back", shown.counts.undo.to_string()),
    ];
    facts.extend(shown.counts.undos.iter().map(|(state, count)| (state.as_str(), count.to_string())));
    output::print(&output::facts(&facts))?;
    output::note(&told(&shown));
    let left = |item: &RollbackItem| {
        item.verdict != Some(Verdict::Undo) || item.undo_state.is_some_and(|state| word(&state) != "applied")
    };
    if items.iter().any(left) { table(&items, left).print() } else { Ok(()) }
}

fn path(id: Uuid) -> String {
    format!("/api/rollbacks/{id}")
}

async fn show(daemon: &Daemon, id: Uuid) -> Result<Shown, Failure> {
    output::read(daemon.get(&path(id), vec![]).await?)
}

/// Every effect of a rollback, newest first.
async fn items(daemon: &Daemon, id: Uuid) -> Result<Vec<RollbackItem>, Failure> {
    let (mut items, mut after) = (Vec::new(), None::<Uuid>);
    loop {
        let parameters = vec![("limit", Some("1000".to_owned())), ("after", after.map(|id| id.to_string()))];
        let page: ItemPage = output::read(daemon.get(&format!("{}/items", path(id)), parameters).await?)?;
        items.extend(page.rows);
        after = page.next;
        if after.is_none() {
            return Ok(items);
        }
    }
}

/// Looks until it is so; on a terminal it shows how many of how many.
async fn follow(
    daemon: &Daemon,
    id: Uuid,
    look: impl Fn(&Shown) -> Result<(), (u64, u64, &'static str)>,
) -> Result<Shown, Failure> {
    let on_terminal = io::stderr().is_terminal();
    loop {
        let shown = show(daemon, id).await?;
        let Err((done, all, what)) = look(&shown) else {
            if on_terminal {
                // To the beginning of the line, and that empty.
                let _ = write!(io::stderr().lock(), "\r\x1b[K");
            }
            return Ok(shown);
        };
        if on_terminal {
            let note =
                shown.row.note.as_deref().map_or_else(String::new, |note| format!(" ({})", text::shortened(note)));
            let _ = write!(io::stderr().lock(), "\r\x1b[K{done} of {all} {what}{}", text::harmless(&note));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn print_document(rollback: &Value, items: &[RollbackItem]) -> Result<(), Failure> {
    output::print_json(&json!({"rollback": rollback, "items": items}))
}

/// In a sentence or three what a plan came to.
fn told(shown: &Shown) -> String {
    let RollbackCounts { effects, undo, as_before, changed, cannot, .. } = &shown.counts;
    let mut told = format!(
        "Of {effects} effects {undo} to take back, {} left alone ({as_before} as before, {changed} changed since), \
         {cannot} that cannot be taken back.",
        as_before + changed
    );
    if shown.row.cut_off {
        told.push_str(&format!("\nThere are more: only the newest {} are in it (--limit).", shown.row.most_effects));
    }
    if let Some(gate) = &shown.gate {
        told.push_str(&format!("\nNothing will be written to GitHub as it is: {gate}."));
    }
    for rule in &shown.still_active {
        told.push_str(&format!("\nThe rule {rule} is still active: switch it off first, or it may do the same again."));
    }
    told
}

fn table(items: &[RollbackItem], wanted: impl Fn(&RollbackItem) -> bool) -> Rows {
    let mut rows = Rows::new(["what", "effect", "item", "action", "rule", "why"]);
    for item in items.iter().filter(|item| wanted(item)) {
        let what = match (item.verdict, item.undo_state) {
            (_, Some(state)) => word(&state),
            (None, None) => "not judged".to_owned(),
            (Some(Verdict::Undo), None) => "undo".to_owned(),
            (Some(Verdict::AsBefore), None) => "as before".to_owned(),
            (Some(Verdict::Changed), None) => "left alone".to_owned(),
            (Some(Verdict::Cannot), None) => "cannot".to_owned(),
        };
        rows.push([
            what,
            item.effect.to_string(),
            format!("{}#{}", item.repository, item.number),
            item.action.clone(),
            item.rule.to_string(),
            output::or_dash(item.undo_note.as_ref().or(item.note.as_ref())),
        ]);
    }
    rows
}

fn list(rollbacks: &[RollbackRow]) -> Rows {
    let mut rows = Rows::new(["created (UTC)", "of", "state", "id"]);
    for row in rollbacks {
        let state = match (row.planned_at, row.executed_at) {
            (None, _) => "being planned",
            (Some(_), None) => "planned",
            (Some(_), Some(_)) => "carried out",
        };
        rows.push([text::time(row.created_at), filter(row), state.to_owned(), row.id.to_string()]);
    }
    rows
}

/// "rule=docs-label, repo=acme/web"
fn filter(row: &RollbackRow) -> String {
    let filter = json!(row.filter);
    let one = |(name, value): (&String, &Value)| format!("{name}={}", value.as_str().unwrap_or_default());
    filter.as_object().map(|all| all.iter().map(one).collect::<Vec<_>>().join(", ")).unwrap_or_default()
}
