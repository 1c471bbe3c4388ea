//! The commit that an action acts on.

use crate::core::intent::Target;
use crate::core::subject::{CommitId, Subject};
use crate::github::GitHubError;

/// # Errors
/// `Refused`, status 0, when the target is no commit: an effect that an older or newer orchd stored.
pub(super) fn commit_of(target: &Target) -> Result<&CommitId, GitHubError> {
    match &target.subject {
        Subject::Commit(id) => Ok(id),
        Subject::Item | Subject::Repository => {
            Err(GitHubError::Refused { status: 0, message: format!("{target} is not a commit") })
        }
    }
}
