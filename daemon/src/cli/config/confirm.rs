//! `orchd config confirm`.

use clap::Args;

use super::super::daemon::Daemon;
use super::super::failure::Failure;
use super::super::{Global, ask, output};

#[derive(Debug, Args)]
pub(in crate::cli) struct Confirm {
    /// The revision that is held.
    revision: String,
}

impl Confirm {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        ask(async move { confirm(&Daemon::find(global)?, &self.revision, global.json).await })
    }
}

async fn confirm(daemon: &Daemon, revision: &str, json: bool) -> Result<(), Failure> {
    if revision.is_empty() || !revision.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Failure::failed(format!("`{revision}` is no revision: `orchd status` names the one that is held")));
    }
    let answer = daemon.post(&format!("/api/config/{revision}/confirm")).await?;
    if json { output::print_json(&answer) } else { output::print(&format!("revision {revision} is in use\n")) }
}
