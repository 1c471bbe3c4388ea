//! Runs of workflows, as GitHub tells them.

use serde::Deserialize;

use super::client::Reader;
use super::facts::{NOBODY_TO_ASK_AS, known};
use super::{GitHubError, path};
use crate::core::event::{Event, RepoName};
use crate::core::facts::{Job, Known, Run};

/// 1,000 jobs: a matrix has 256 at most, and a run few matrices.
const MOST_PAGES: u32 = 10;

#[derive(Deserialize)]
struct Told {
    status: Option<String>,
    conclusion: Option<String>,
    event: String,
    head_sha: String,
    head_branch: Option<String>,
}

#[derive(Deserialize)]
struct ToldJob {
    name: String,
    status: String,
    conclusion: Option<String>,
}

/// The run that the event is about, in the attempt that it is about.
///
/// # Errors
/// What may work later; what GitHub will not tell is `Unavailable`.
pub(super) async fn of_event(reader: &Reader, event: &Event) -> Result<Known<Run>, GitHubError> {
    let (Some(repository), Some((id, attempt))) = (&event.repository, event.run()) else {
        return Ok(Known::Unavailable("the event is about no workflow run".to_owned()));
    };
    if event.installation.is_none() {
        return Ok(Known::Unavailable(NOBODY_TO_ASK_AS.to_owned()));
    }
    known(run(reader, repository, id, attempt).await)
}

async fn run(reader: &Reader, repository: &RepoName, id: u64, attempt: u64) -> Result<Run, GitHubError> {
    let at = path::repository(repository, format_args!("/actions/runs/{id}/attempts/{attempt}"));
    let told: Told = reader.get(&at).await?;
    let listed = reader.get_all::<ToldJob>(&format!("{at}/jobs"), Some("jobs"), MOST_PAGES).await?;
    if !listed.complete {
        let message = format!("the run has more than {} jobs", listed.items.len());
        return Err(GitHubError::Refused { status: 0, message });
    }
    let jobs = listed.items.into_iter();
    Ok(Run {
        status: told.status.unwrap_or_default(),
        conclusion: told.conclusion,
        event: told.event,
        head_sha: told.head_sha,
        head_branch: told.head_branch,
        attempt,
        jobs: jobs.map(|job| Job { name: job.name, status: job.status, conclusion: job.conclusion }).collect(),
    })
}
