//! `orchd config history`: the configs that ran.

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Deserialize;

use crate::cli::daemon::Daemon;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Rows, or_dash};
use crate::cli::{Global, ask};
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

#[derive(Debug, Args)]
pub(in crate::cli) struct History {
    /// Revisions at most, up to 1000.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

impl History {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        ask(async move {
            let parameters = vec![("limit", Some(self.limit.to_string()))];
            let answer = Daemon::find(global)?.get("/api/config/revisions", parameters).await?;
            output::print_page(answer, global.json, table)
        })
    }
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
