//! `orchd effects`: list and show.

use clap::Subcommand;
use serde_json::Value;
use uuid::Uuid;

use super::daemon::Daemon;
use super::failure::Failure;
use super::output::{self, Rows, or_dash, word};
use crate::actions;
use crate::core::event::RepoName;
use crate::core::intent::ActionKind;
use crate::core::rule::RuleName;
use crate::core::text;
use crate::store::effects::{EffectRow, EffectState};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List effects, newest first.
    List {
        /// On this repository.
        #[arg(long, value_name = "OWNER/REPO", value_parser = RepoName::parse)]
        repo: Option<RepoName>,
        /// On this issue or pull request.
        #[arg(long, value_name = "N")]
        number: Option<u64>,
        /// Of this rule.
        #[arg(long, value_name = "NAME", value_parser = RuleName::parse)]
        rule: Option<RuleName>,
        /// Of this event.
        #[arg(long, value_name = "ID")]
        event: Option<Uuid>,
        /// In this state.
        #[arg(long, value_parser = EffectState::WORDS)]
        state: Option<String>,
        /// Effects at most, up to 1000.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only effects older than this one: where the last list ended.
        #[arg(long, value_name = "ID")]
        after: Option<Uuid>,
    },
    /// Show an effect with its receipt: the state before and after.
    Show {
        /// The effect's id.
        id: Uuid,
    },
}

impl Command {
    pub(super) async fn run(&self, daemon: &Daemon, json: bool) -> Result<(), Failure> {
        match self {
            Self::List { repo, number, rule, event, state, limit, after } => {
                let parameters = vec![
                    ("repo", repo.as_ref().map(ToString::to_string)),
                    ("number", number.map(|number| number.to_string())),
                    ("rule", rule.as_ref().map(ToString::to_string)),
                    ("event", event.map(|id| id.to_string())),
                    ("state", state.clone()),
                    ("limit", Some(limit.to_string())),
                    ("after", after.map(|id| id.to_string())),
                ];
                output::print_page(daemon.get("/api/effects", parameters).await?, json, table)
            }
            Self::Show { id } => show(daemon.get(&format!("/api/effects/{id}"), vec![]).await?, json),
        }
    }
}

fn table(effects: &[EffectRow]) -> Rows {
    let mut rows = Rows::new(["created (UTC)", "rule", "action", "target", "state", "note", "id"]);
    for effect in effects {
        rows.push([
            text::time(effect.created_at),
            effect.intent.rule.to_string(),
            effect.intent.action.clone(),
            effect.intent.target.to_string(),
            word(&effect.state),
            or_dash(effect.note.as_ref()),
            effect.intent.id.to_string(),
        ]);
    }
    rows
}

fn show(effect: Value, json: bool) -> Result<(), Failure> {
    if json {
        return output::print_json(&effect);
    }
    let effect: EffectRow = output::read(effect)?;
    let mut facts = vec![
        ("effect", effect.intent.id.to_string()),
        ("rule", effect.intent.rule.to_string()),
        ("event", effect.intent.event.to_string()),
        ("target", effect.intent.target.to_string()),
        ("action", effect.intent.action.clone()),
        ("parameters", effect.intent.params.to_string()),
        ("state", word(&effect.state)),
    ];
    let kind = actions::kinds().iter().find(|kind| kind.name == effect.intent.action);
    if kind.is_some_and(|kind| !kind.undoable) {
        facts.push(("undo", "what this action did cannot be taken back".to_owned()));
    }
    facts.extend(effect.intent.undoes.map(|id| ("undoes", id.to_string())));
    facts.extend(effect.rollback.map(|id| ("rollback", id.to_string())));
    facts.extend(effect.note.map(|note| ("note", note)));
    if effect.state == EffectState::Quarantined {
        facts.push(("to settle it", format!(
            "look at GitHub; `orchd jobs list --state dead --event {}` names the job: `orchd jobs discard` it if the effect \
             happened, `orchd jobs retry` it to have it done",
            effect.intent.event
        )));
    }
    facts.extend(effect.before.map(|before| ("before", before.to_string())));
    facts.extend(effect.change.map(|change| ("change", change.to_string())));
    facts.extend(effect.after.map(|after| ("after", after.to_string())));
    let is_final = |kind: &ActionKind| kind.name == effect.intent.action && !kind.undoable;
    if effect.state == EffectState::Applied && actions::kinds().iter().any(is_final) {
        facts.push(("undo", "cannot be taken back".to_owned()));
    }
    facts.push(("config", effect.config_revision));
    facts.push(("created", text::time(effect.created_at)));
    facts.extend(effect.started_at.map(|at| ("started", text::time(at))));
    facts.extend(effect.finished_at.map(|at| ("finished", text::time(at))));
    output::print(&output::facts(&facts))
}
