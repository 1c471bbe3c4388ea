//! `orchd config history` and `rollback`: the configs that ran, and putting one of them back.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::daemon::Daemon;
use super::failure::Failure;
use super::output::{self, Rows, or_dash};
use crate::config::diff::{Change, RuleChange};
use crate::core::text;

/// Characters of a commit that are shown.
const COMMIT: usize = 12;

#[derive(Deserialize)]
struct Past {
    revision: String,
    git_commit: Option<String>,
    loaded_at: DateTime<Utc>,
    rules: usize,
    changes: Vec<RuleChange>,
    state: Option<String>,
}

pub(super) async fn history(daemon: &Daemon, limit: u32, json: bool) -> Result<(), Failure> {
    let answer = daemon.get("/api/config/revisions", vec![("limit", Some(limit.to_string()))]).await?;
    output::print_page(answer, json, table)
}

fn table(rows: &[Past]) -> Rows {
    let mut table = Rows::new(["taken up (UTC)", "revision", "commit", "rules", "changed", "state"]);
    for row in rows {
        table.push([
            text::time(row.loaded_at),
            row.revision.clone(),
            or_dash(row.git_commit.as_ref().map(|commit| commit.chars().take(COMMIT).collect::<String>()).as_ref()),
            row.rules.to_string(),
            changed(&row.changes),
            or_dash(row.state.as_ref()),
        ]);
    }
    table
}

/// `+welcome -crash ~docs`.
fn changed(changes: &[RuleChange]) -> String {
    let words: Vec<String> = changes.iter().map(|change| format!("{}{}", mark(&change.how), change.rule)).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

/// How a change is marked in a list.
pub(super) fn mark(how: &Change) -> char {
    match how {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Changed { .. } => '~',
    }
}

pub(super) async fn roll_back(daemon: &Daemon, revision: &str, json: bool) -> Result<(), Failure> {
    if revision.is_empty() || !revision.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Failure::failed(format!("`{revision}` is no revision: see `orchd config history`")));
    }
    let answer = daemon.post(&format!("/api/config/{revision}/rollback")).await?;
    if json {
        return output::print_json(&answer);
    }
    let now = answer.get("revision").and_then(serde_json::Value::as_str).unwrap_or(revision);
    output::print(&format!(
        "revision {now} is in use: its rules, its guards, and whether it writes\n\
         the files are as they were, and are held: mend them, or `orchd config confirm` takes them up again\n"
    ))
}
