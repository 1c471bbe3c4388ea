//! `orchd jobs`: list, show, retry, discard.

use clap::Subcommand;
use serde_json::Value;
use uuid::Uuid;

use super::daemon::Daemon;
use super::failure::Failure;
use super::output::{self, Rows, word};
use crate::core::text;
use crate::store::jobs::{JobRow, Work};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List jobs, newest first.
    List {
        /// In this state; dead ones are dead letters.
        #[arg(long, value_parser = ["queued", "running", "done", "dead", "discarded"])]
        state: Option<String>,
        /// Of this lane: a repository.
        #[arg(long, value_name = "OWNER/REPO")]
        lane: Option<String>,
        /// Of this event.
        #[arg(long, value_name = "ID")]
        event: Option<Uuid>,
        /// Jobs at most, up to 1000.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only jobs older than this one: where the last list ended.
        #[arg(long, value_name = "ID")]
        after: Option<Uuid>,
    },
    /// Show a job.
    Show {
        /// The job's id.
        id: Uuid,
    },
    /// Put a dead letter back into the queue, with fresh attempts.
    ///
    /// Where its effect is `quarantined`, GitHub is looked at once more; unless it shows there that it happened, it is done.
    /// So look yourself first: what cannot be told apart from here may happen a second time.
    Retry {
        /// The job's id.
        id: Uuid,
    },
    /// Put a dead letter away.
    ///
    /// Where its effect is `quarantined`, it stays so, and nothing more is done: right when it happened, or is not wanted.
    Discard {
        /// The job's id.
        id: Uuid,
    },
}

impl Command {
    pub(super) async fn run(&self, daemon: &Daemon, json: bool) -> Result<(), Failure> {
        match self {
            Self::List { state, lane, event, limit, after } => {
                let parameters = vec![
                    ("state", state.clone()),
                    ("lane", lane.clone()),
                    ("event", event.map(|id| id.to_string())),
                    ("limit", Some(limit.to_string())),
                    ("after", after.map(|id| id.to_string())),
                ];
                output::print_page(daemon.get("/api/jobs", parameters).await?, json, table)
            }
            Self::Show { id } => show(daemon.get(&format!("/api/jobs/{id}"), vec![]).await?, json),
            Self::Retry { id } => show(daemon.post(&format!("/api/jobs/{id}/retry")).await?, json),
            Self::Discard { id } => show(daemon.post(&format!("/api/jobs/{id}/discard")).await?, json),
        }
    }
}

fn table(jobs: &[JobRow]) -> Rows {
    let mut rows = Rows::new(["created (UTC)", "kind", "lane", "state", "attempts", "last error", "id"]);
    for job in jobs {
        rows.push([
            text::time(job.created_at),
            kind(&job.work).to_owned(),
            job.lane.clone(),
            word(&job.state),
            format!("{}/{}", job.attempts, job.max_attempts),
            job.last_error.as_deref().map_or_else(|| "-".to_owned(), text::shortened),
            job.id.0.to_string(),
        ]);
    }
    rows
}

fn kind(work: &Work) -> &'static str {
    match work {
        Work::Process { .. } => "process",
        Work::Apply { .. } => "apply",
    }
}

fn show(job: Value, json: bool) -> Result<(), Failure> {
    if json {
        return output::print_json(&job);
    }
    let job: JobRow = output::read(job)?;
    let mut facts = vec![("job", job.id.0.to_string()), ("kind", kind(&job.work).to_owned())];
    match job.work {
        Work::Process { event } => facts.push(("event", event.to_string())),
        Work::Apply { event, intent } => facts.extend([("event", event.to_string()), ("effect", intent.to_string())]),
    }
    facts.extend([
        ("lane", job.lane),
        ("state", word(&job.state)),
        ("attempts", format!("{} of {}", job.attempts, job.max_attempts)),
        ("runs at", text::time(job.run_at)),
    ]);
    facts.extend(job.lease_owner.map(|owner| ("worker", owner)));
    facts.extend(job.lease_until.map(|until| ("lease until", text::time(until))));
    facts.extend(job.last_error.map(|error| ("last error", error)));
    facts.push(("created", text::time(job.created_at)));
    facts.extend(job.finished_at.map(|at| ("finished", text::time(at))));
    output::print(&output::facts(&facts))
}
