//! `orchd installations`: list, show, refresh.

use clap::Subcommand;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::daemon::Daemon;
use super::failure::Failure;
use super::output::{self, Rows};
use crate::core::event::RepoName;
use crate::core::permission::Missing;
use crate::core::text;
use crate::store::installations::InstallationRow;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the App's installations, the latest known first; those that were deleted too.
    List {
        /// Installations at most, up to 1000.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only installations after this one: where the last list ended.
        #[arg(long, value_name = "ID")]
        after: Option<Uuid>,
    },
    /// Show an installation: its repositories, and the permissions that rules need and it lacks.
    Show {
        /// GitHub's number of it.
        id: i64,
    },
    /// Ask GitHub for the list anew.
    Refresh,
}

#[derive(Deserialize)]
struct Shown {
    installation: InstallationRow,
    repositories: Vec<RepoName>,
    missing: Vec<Missing>,
}

impl Command {
    pub(super) async fn run(&self, daemon: &Daemon, json: bool) -> Result<(), Failure> {
        match self {
            Self::List { limit, after } => {
                let parameters =
                    vec![("limit", Some(limit.to_string())), ("after", after.map(|after| after.to_string()))];
                output::print_page(daemon.get("/api/installations", parameters).await?, json, table)
            }
            Self::Show { id } => show(daemon.get(&format!("/api/installations/{id}"), vec![]).await?, json),
            Self::Refresh => {
                let answer = daemon.post("/api/installations/refresh").await?;
                if json { output::print_json(&answer) } else { output::print("GitHub is asked for the list.\n") }
            }
        }
    }
}

fn table(installations: &[InstallationRow]) -> Rows {
    let mut rows = Rows::new(["account", "type", "state", "repositories", "last event (UTC)", "id"]);
    for row in installations {
        rows.push([
            row.account_login.clone(),
            row.account_type.clone(),
            state(row),
            row.repositories.to_string(),
            row.last_event_at.map_or_else(|| "-".to_owned(), text::time),
            row.id.to_string(),
        ]);
    }
    rows
}

fn state(row: &InstallationRow) -> String {
    let since =
        |at: Option<chrono::DateTime<chrono::Utc>>| at.map(|at| format!(" {}", text::time(at))).unwrap_or_default();
    match (row.deleted_at, row.is_suspended) {
        (Some(at), _) => format!("deleted{}", since(Some(at))),
        (None, true) => format!("suspended{}", since(row.suspended_at)),
        (None, false) => "active".to_owned(),
    }
}

fn show(answer: Value, json: bool) -> Result<(), Failure> {
    if json {
        return output::print_json(&answer);
    }
    let Shown { installation: row, repositories, missing } = output::read(answer)?;
    let permissions: Vec<String> = row.permissions.iter().map(|(name, level)| format!("{name}: {level}")).collect();
    let names: Vec<String> = repositories.iter().map(ToString::to_string).collect();
    let more = row.repositories.saturating_sub(names.len() as u64);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let mut facts = vec![
        ("installation", row.id.to_string()),
        ("account", format!("{} ({})", row.account_login, row.account_type)),
        ("state", state(&row)),
        ("repositories", format!("{}{more}", names.join(", "))),
        ("permissions", permissions.join(", ")),
        ("events", row.events.join(", ")),
    ];
    for lack in missing {
        let rules: Vec<String> = lack.rules.iter().map(ToString::to_string).collect();
        facts.push(("missing", format!("{}: {}, for the rules {}", lack.permission, lack.level, rules.join(", "))));
    }
    facts.extend(row.last_event_at.map(|at| ("last event", text::time(at))));
    facts.extend(row.known_at.map(|at| ("as of", text::time(at))));
    output::print(&output::facts(&facts))
}
