//! The App's own check runs on a commit, which `check` and `check_config` read.

use serde::Deserialize;

use crate::core::intent::Target;
use crate::github::client::Reader;
use crate::github::{GitHubError, path};

/// 200 runs of a name on one commit, by all Apps.
const MOST_PAGES: u32 = 2;

/// A check run as GitHub lists it.
#[derive(Deserialize)]
pub(super) struct Run {
    pub id: u64,
    name: String,
    pub external_id: Option<String>,
    /// `None`: it is not completed.
    pub conclusion: Option<String>,
    #[serde(default)]
    pub output: Output,
    /// Null when the App is gone.
    app: Option<App>,
}

#[derive(Default, Deserialize)]
pub(super) struct Output {
    pub title: Option<String>,
    pub summary: Option<String>,
}

#[derive(Deserialize)]
struct App {
    slug: Option<String>,
}

/// Our run of that name on a commit, which `fits`. `commit` holds nothing but hexadecimal digits.
///
/// # Errors
/// As the requests fail; `Refused`, status 0, when ours may stand among those that were not listed.
pub(super) async fn ours(
    target: &Target,
    commit: &str,
    name: &str,
    reader: &Reader,
    fits: impl Fn(&Run) -> bool,
) -> Result<Option<Run>, GitHubError> {
    let slug = reader.app_slug().await?;
    let below = format!("/commits/{commit}/check-runs?check_name={}&filter=all", path::segment(name));
    let runs =
        reader.get_all::<Run>(&path::repository(&target.repository, below), Some("check_runs"), MOST_PAGES).await?;
    let complete = runs.complete;
    let count = runs.items.len();
    let is_ours = |run: &Run| {
        let app = run.app.as_ref().and_then(|app| app.slug.as_deref());
        run.name == name && app.is_some_and(|app| app.eq_ignore_ascii_case(&slug)) && fits(run)
    };
    match runs.items.into_iter().find(is_ours) {
        None if !complete => {
            let message = format!("GitHub lists only the first {count} check runs, and there may be more");
            Err(GitHubError::Refused { status: 0, message })
        }
        found => Ok(found),
    }
}
