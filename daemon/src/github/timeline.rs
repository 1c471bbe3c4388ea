//! What happened on an issue or pull request, the oldest first.
//! <https://docs.github.com/en/rest/issues/timeline>

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::client::{Listed, Reader};
use super::{GitHubError, path};
use crate::core::event::RepoName;

/// 3,000 moments.
const MOST_PAGES: u32 = 30;

/// One of them, as far as it is known who did it and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// GitHub's word: `labeled`, `commented`, `committed`, …
    pub what: String,
    pub at: Option<DateTime<Utc>>,
    pub by: Option<Author>,
    /// The label, of `labeled` and `unlabeled`.
    pub label: Option<String>,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Author {
    pub login: String,
    #[serde(rename = "type", default)]
    kind: String,
}

impl Author {
    /// An App, which is no person.
    pub fn is_bot(&self) -> bool {
        self.kind == "Bot" || self.login.ends_with("[bot]")
    }
}

/// Reads up to 3,000 moments; says so when there are more.
///
/// # Errors
/// As [`Reader::get_all`].
pub async fn timeline(reader: &Reader, repository: &RepoName, number: u64) -> Result<Listed<Moment>, GitHubError> {
    let path = path::repository(repository, format_args!("/issues/{number}/timeline"));
    let told = reader.get_all::<Value>(&path, None, MOST_PAGES).await?;
    Ok(Listed { items: told.items.iter().map(moment).collect(), complete: told.complete })
}

/// Every kind of moment has another shape: what is not there is absent.
fn moment(told: &Value) -> Moment {
    let text = |pointer: &str| told.pointer(pointer).and_then(Value::as_str);
    let time = |pointer: &str| Some(DateTime::parse_from_rfc3339(text(pointer)?).ok()?.with_timezone(&Utc));
    let who = |field: &str| Author::deserialize(told.get(field)?).ok();
    Moment {
        what: text("/event").unwrap_or_default().to_owned(),
        at: time("/created_at").or_else(|| time("/submitted_at")).or_else(|| time("/committer/date")),
        by: who("actor").or_else(|| who("user")),
        label: text("/label/name").map(str::to_owned),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::core::condition::properties::any_json;

    #[test]
    fn moments_of_several_shapes() {
        let person = json!({"login": "alice", "type": "User"});
        let labeled = moment(
            &json!({"event": "labeled", "created_at": "2026-01-02T00:00:00Z", "actor": {"login": "orchd[bot]", "type": "Bot"}, "label": {"name": "stale"}}),
        );
        assert!(labeled.by.unwrap().is_bot());
        assert_eq!((labeled.label.as_deref(), labeled.at.is_some()), (Some("stale"), true));
        let reviewed = moment(&json!({"event": "reviewed", "submitted_at": "2026-01-02T00:00:00Z", "user": person}));
        assert_eq!((reviewed.by.unwrap().login.as_str(), reviewed.at.is_some()), ("alice", true));
        let committed =
            moment(&json!({"event": "committed", "committer": {"name": "Alice", "date": "2026-01-02T00:00:00Z"}}));
        assert_eq!((committed.by, committed.at.is_some()), (None, true));
    }

    proptest! {
        #[test]
        fn any_moment_is_read(told in any_json()) {
            moment(&told);
        }
    }
}
