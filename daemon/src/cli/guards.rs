//! `orchd guards`: list and reset breakers.

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::daemon::Daemon;
use super::failure::Failure;
use super::output::{self, Rows, word};
use crate::core::text;
use crate::store::guards::TripRow;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List breakers that are tripped: rules that are stopped on an issue or pull request, and why.
    List {
        /// Breakers at most, up to 1000.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Let rules go on. What was held meanwhile is done when its event is replayed or another one comes.
    Reset(Reset),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Reset {
    /// The breaker's id.
    id: Option<Uuid>,
    /// All that are tripped.
    #[arg(long)]
    all: bool,
}

impl Command {
    pub(super) async fn run(&self, daemon: &Daemon, json: bool) -> Result<(), Failure> {
        match self {
            Self::List { limit } => {
                let answer = daemon.get("/api/guards", vec![("limit", Some(limit.to_string()))]).await?;
                output::print_page(answer, json, table)
            }
            Self::Reset(reset) => {
                let path = match reset.id {
                    Some(id) => format!("/api/guards/{id}/reset"),
                    None => "/api/guards/reset".to_owned(),
                };
                let answer = daemon.post(&path).await?;
                if json {
                    return output::print_json(&answer);
                }
                let count = answer.get("reset").and_then(serde_json::Value::as_u64).unwrap_or(0);
                output::print(&format!("{count} reset\n"))
            }
        }
    }
}

fn table(rows: &[TripRow]) -> Rows {
    let mut table = Rows::new(["tripped (UTC)", "rule", "on", "guard", "why", "ends (UTC)", "id"]);
    for row in rows {
        table.push([
            text::time(row.tripped_at),
            row.rule.to_string(),
            row.place(),
            word(&row.guard).replace('_', " "),
            row.note.clone(),
            row.ends_at.map_or_else(|| "when it is reset".to_owned(), text::time),
            row.id.to_string(),
        ]);
    }
    table
}
