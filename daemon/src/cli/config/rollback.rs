//! `orchd config rollback`: puts an earlier config back.

use clap::Args;
use serde_json::Value;

use crate::cli::daemon::Daemon;
use crate::cli::failure::Failure;
use crate::cli::{Global, ask, output};

#[derive(Debug, Args)]
pub(in crate::cli) struct Rollback {
    /// The revision, or the beginning of it or of its commit.
    revision: String,
}

impl Rollback {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        ask(async move { roll_back(&Daemon::find(global)?, &self.revision, global.json).await })
    }
}

async fn roll_back(daemon: &Daemon, revision: &str, json: bool) -> Result<(), Failure> {
    if revision.is_empty() || !revision.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Failure::failed(format!("`{revision}` is no revision: see `orchd config history`")));
    }
    let answer = daemon.post(&format!("/api/config/{revision}/rollback")).await?;
    if json {
        return output::print_json(&answer);
    }
    let now = answer.get("revision").and_then(Value::as_str).unwrap_or(revision);
    output::print(&format!(
        "revision {now} is in use: its rules, its guards, and whether it writes\n\
         the files are as they were, and wait: mend them, or `orchd config confirm` takes them up again\n"
    ))
}
