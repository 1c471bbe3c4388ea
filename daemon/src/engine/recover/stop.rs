//! Why a run of recovery stopped before its end.

use chrono::TimeDelta;

use super::Outcome;
use crate::engine::ingest::IngestError;
use crate::github::GitHubError;
use crate::store::StoreError;

/// Deliveries, or repositories, that fail one after the other before the run gives up: it is not them, then, but GitHub.
pub(in crate::engine) const FAILURES_IN_A_ROW: u32 = 3;

/// Why a run stopped before its end.
pub(in crate::engine) enum Stop {
    Budget,
    Limited(u64),
    Failed(String),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<IngestError> for Stop {
    fn from(error: IngestError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<GitHubError> for Stop {
    fn from(error: GitHubError) -> Self {
        match error {
            GitHubError::Limited { retry_after, .. } => Self::Limited(retry_after.as_secs().max(1)),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Budget => Self::Budget,
            Stop::Limited(wait_seconds) => Self::Limited { wait_seconds },
            Stop::Failed(reason) => Self::Failed { reason },
        }
    }
}

/// A span of the config, to reckon with.
pub(in crate::engine) fn delta(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_says_how_long_and_any_other_failure_why() {
        let limit = GitHubError::Limited { retry_after: std::time::Duration::from_millis(10), message: String::new() };
        assert_eq!(Outcome::from(Stop::from(limit)), Outcome::Limited { wait_seconds: 1 });
        let down = GitHubError::Unavailable("down".to_owned());
        assert!(matches!(Outcome::from(Stop::from(down)), Outcome::Failed { reason } if reason.contains("down")));
    }
}
