//! `orchd audit`: list, show, verify, export.

use chrono::{DateTime, Utc};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::Value;

use super::daemon::{Daemon, Parameters};
use super::failure::{Code, Failure};
use super::output::{self, Rows, or_dash};
use super::when;
use crate::core::audit::{Anchor, Kind, Report};
use crate::core::event::RepoName;
use crate::core::text;
use crate::engine::audit::Step;
use crate::store::audit::AuditRow;

const EXIT_CODES: &str = "\
Exit codes:
  0  the chain holds, and so do the anchors there are
  1  it does not, and the text names the rows; or nothing could be proved";

/// Rows the daemon is asked for at once: what an export holds in memory.
const EXPORT_PAGE: u32 = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List rows, newest first.
    List {
        #[command(flatten)]
        filters: Filters,
        /// Rows at most, up to 1000.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only rows older than this one: where the last list ended.
        #[arg(long, value_name = "NUMBER")]
        after: Option<i64>,
    },
    /// Show a row, with the state before and after.
    Show {
        /// The row's number.
        number: i64,
    },
    /// Prove that no row was changed, removed or put elsewhere.
    #[command(after_help = EXIT_CODES)]
    Verify {
        /// Also compare with this head of the chain, from the log of an earlier day; may be repeated.
        #[arg(long = "anchor", value_name = "NUMBER:HASH")]
        anchors: Vec<Anchor>,
    },
    /// Write all rows, oldest first.
    Export {
        /// A JSON document a line, or a table for a spreadsheet [default: jsonl].
        #[arg(long)]
        format: Option<Format>,
        #[command(flatten)]
        filters: Filters,
        /// Rows at most.
        #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
        /// Only rows newer than this one: where the last export ended.
        #[arg(long, value_name = "NUMBER")]
        after: Option<i64>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Jsonl,
    Csv,
}

/// Which rows.
#[derive(Debug, Args)]
pub(super) struct Filters {
    /// Recorded at or after this time: 2h, 3d, 2026-03-01 or 2026-03-01T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = when::from_argument)]
    since: Option<DateTime<Utc>>,
    /// Recorded before this time.
    #[arg(long, value_name = "TIME", value_parser = when::from_argument)]
    until: Option<DateTime<Utc>>,
    /// About this repository.
    #[arg(long, value_name = "OWNER/REPO", value_parser = RepoName::parse)]
    repo: Option<RepoName>,
    /// By this actor: orchd, operator, or a name such as "uid 1000".
    #[arg(long)]
    actor: Option<String>,
    /// Of this kind.
    #[arg(long, value_parser = PossibleValuesParser::new(Kind::WORDS))]
    kind: Option<String>,
}

impl Filters {
    fn parameters(&self) -> Parameters<'_> {
        vec![
            ("since", self.since.map(|time| time.to_rfc3339())),
            ("until", self.until.map(|time| time.to_rfc3339())),
            ("repo", self.repo.as_ref().map(ToString::to_string)),
            ("actor", self.actor.clone()),
            ("kind", self.kind.clone()),
        ]
    }
}

impl Command {
    pub(super) async fn run(&self, daemon: &Daemon, json: bool) -> Result<(), Failure> {
        match self {
            Self::List { filters, limit, after } => {
                let after = after.map(|seq| seq.to_string());
                let page = daemon.get_page("/api/audit", *limit, after, || filters.parameters()).await?;
                output::print_page(page, json, table)
            }
            Self::Show { number } => show(daemon.get(&format!("/api/audit/{number}"), vec![]).await?, json),
            Self::Verify { anchors } => verify(daemon, anchors, json).await,
            Self::Export { format, filters, limit, after } => {
                let format = match (format, json) {
                    (Some(Format::Csv), true) => {
                        let message = "--json and --format csv exclude each other".to_owned();
                        return Err(Failure { code: Code::Usage, message });
                    }
                    (format, _) => format.unwrap_or(Format::Jsonl),
                };
                export(daemon, filters, format, limit.unwrap_or(u64::MAX), *after).await
            }
        }
    }
}

fn table(rows: &[AuditRow]) -> Rows {
    let mut table = Rows::new(["number", "at (UTC)", "kind", "actor", "rule", "action", "about", "note"]);
    for row in rows {
        table.push([
            row.seq.to_string(),
            text::time(row.at),
            row.kind.clone(),
            actor(row),
            or_dash(row.rule.as_ref()),
            or_dash(row.action.as_ref()),
            or_dash(about(row).as_ref()),
            row.note.as_deref().map_or_else(|| "-".to_owned(), text::shortened),
        ]);
    }
    table
}

/// `orchd`, or `operator uid 1000` as long as the name is kept.
fn actor(row: &AuditRow) -> String {
    row.actor_name.as_ref().map_or_else(|| row.actor.clone(), |name| format!("{} {name}", row.actor))
}

fn about(row: &AuditRow) -> Option<String> {
    let repository = row.repository.as_ref()?;
    Some(row.number.map_or_else(|| repository.clone(), |number| format!("{repository}#{number}")))
}

fn show(row: Value, json: bool) -> Result<(), Failure> {
    if json {
        return output::print_json(&row);
    }
    let row: AuditRow = output::read(row)?;
    let mut facts = vec![
        ("number", row.seq.to_string()),
        ("at", text::time(row.at)),
        ("kind", row.kind.clone()),
        ("actor", actor(&row)),
    ];
    facts.extend(about(&row).map(|about| ("about", about)));
    facts.extend(row.event.map(|id| ("event", id.to_string())));
    facts.extend(row.rule.map(|rule| ("rule", rule)));
    facts.extend(row.effect.map(|id| ("effect", id.to_string())));
    facts.extend(row.action.map(|action| ("action", action)));
    facts.extend(row.config_revision.map(|revision| ("config", revision)));
    facts.extend(row.before.map(|state| ("before", state.to_string())));
    facts.extend(row.after.map(|state| ("after", state.to_string())));
    facts.extend(row.note.map(|note| ("note", note)));
    if row.pseudonymised {
        facts.push(("pseudonymised", "names, states and the note were dropped by age".to_owned()));
    }
    facts.push(("hash", row.hash.to_string()));
    output::print(&output::facts(&facts))
}

async fn verify(daemon: &Daemon, anchors: &[Anchor], json: bool) -> Result<(), Failure> {
    let anchors = anchors.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let mut last = None;
    let heard = daemon
        .lines(&format!("/api/audit/verify?anchors={anchors}"), |line| {
            match Step::deserialize(&line) {
                Ok(Step::Progress { rows, of }) => output::progress(&format!("{rows} of {of} rows")),
                _ => last = Some(line),
            }
            Ok(())
        })
        .await;
    output::progress("");
    heard?;
    let last = last.ok_or_else(|| Failure::failed("the daemon stopped before it was done: run it again"))?;
    let report = match output::read(last.clone())? {
        Step::Report(report) => report,
        Step::Failed(reason) => return Err(Failure::failed(reason)),
        Step::Progress { .. } => return Err(Failure::failed("the daemon did not say what it found")),
    };
    if json {
        output::print_json(last.get("report").unwrap_or(&Value::Null))?;
    } else {
        output::print(&tell(&report))?;
    }
    if report.is_proved() {
        return Ok(());
    }
    let faults = match report.faults_in_all {
        1 => "1 fault".to_owned(),
        many => format!("{many} faults"),
    };
    Err(Failure::failed(format!("the audit chain does not hold: {faults}")))
}

fn tell(report: &Report) -> String {
    let mut text: String = report.faults.iter().map(|fault| format!("{fault}\n")).collect();
    let more = report.faults_in_all - report.faults.len() as u64;
    if more > 0 {
        text += &format!("and {more} more faults\n");
    }
    let mut facts = vec![("rows", report.rows.to_string())];
    if let (Some(first), Some(last)) = (report.first, report.last) {
        facts.push(("numbers", format!("{first} to {last}")));
    }
    facts.extend(report.head.map(|hash| ("head", hash.to_string())));
    facts.push(("pseudonymised", report.pseudonymised.to_string()));
    if let Some(cut) = &report.cut {
        let (rows, days, at) = (cut.rows_in_all, cut.older_than_days, text::time(cut.at));
        facts.push((
            "dropped",
            format!("{rows} rows up to {}, the last ones on {at} as older than {days} days", cut.until),
        ));
    }
    let before = match report.anchors_before_the_cut {
        0 => String::new(),
        more => format!(", {more} more are of rows that were dropped"),
    };
    facts.push(("anchors", format!("{} compared{before}", report.anchors)));
    text + &output::facts(&facts)
}

#[derive(Deserialize)]
struct Page {
    rows: Vec<Value>,
    next: Option<i64>,
}

/// Page by page, so that neither side holds more than one.
async fn export(
    daemon: &Daemon,
    filters: &Filters,
    format: Format,
    mut left: u64,
    mut after: Option<i64>,
) -> Result<(), Failure> {
    if format == Format::Csv {
        output::print(&(COLUMNS.join(",") + "\n"))?;
    }
    loop {
        let limit = u32::try_from(left).unwrap_or(u32::MAX).min(EXPORT_PAGE);
        let mut parameters = filters.parameters();
        parameters.push(("limit", Some(limit.to_string())));
        parameters.push(("after", after.map(|seq| seq.to_string())));
        parameters.push(("oldest_first", Some("true".to_owned())));
        let page: Page = output::read(daemon.get("/api/audit", parameters).await?)?;
        left -= page.rows.len() as u64;
        match format {
            Format::Jsonl => output::print_json_lines(&page.rows)?,
            Format::Csv => output::print(&page.rows.iter().map(csv_line).collect::<String>())?,
        }
        after = page.next;
        if after.is_none() || left == 0 {
            return Ok(());
        }
    }
}

const COLUMNS: [&str; 17] = [
    "seq",
    "at",
    "kind",
    "actor",
    "actor_name",
    "event",
    "rule",
    "effect",
    "action",
    "config_revision",
    "repository",
    "number",
    "before",
    "after",
    "note",
    "pseudonymised",
    "hash",
];

fn csv_line(row: &Value) -> String {
    let cells: Vec<_> = COLUMNS.iter().map(|column| csv_cell(&row[column])).collect();
    cells.join(",") + "\n"
}

/// In quotes where it needs them. A spreadsheet takes a cell for a formula by its first character, and what stands here
/// came from outside: such a cell gets an apostrophe in front. <https://owasp.org/www-community/attacks/CSV_Injection>
fn csv_cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let text = text::harmless(&text);
    let formula = text.trim_start().starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let text = if formula { format!("'{text}") } else { text };
    if text.contains(['"', ',', ';', '\'']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_no_formula_and_stays_one_cell() {
        for (value, cell) in [
            (json!(null), ""),
            (json!(7), "7"),
            (json!("plain"), "plain"),
            (json!("a,b"), "\"a,b\""),
            (json!("say \"hi\""), "\"say \"\"hi\"\"\""),
            (json!("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\""),
            (json!("+1"), "\"'+1\""),
            (json!("-1"), "\"'-1\""),
            (json!("@SUM(A1)"), "\"'@SUM(A1)\""),
            (json!("\t=1"), "\"' =1\""),
            (json!("\r=1"), "\\u{d}=1"),
            (json!("two\nlines"), "two\\nlines"),
            (json!(["=1"]), "\"[\"\"=1\"\"]\""),
        ] {
            assert_eq!(csv_cell(&value), cell);
        }
    }
}
