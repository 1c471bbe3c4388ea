//! `status`: a commit status. GitHub keeps all that were ever set, and the latest of a context counts.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::commit::commit_of;
use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled};
use crate::core::hand::HandChange;
use crate::core::intent::Target;
use crate::core::permission::Needs;
use crate::core::subject::SubjectKind;
use crate::github::client::{Reader, Writer};
use crate::github::{GitHubError, path};

/// 1,000 contexts on one commit.
const MOST_PAGES: u32 = 10;
const LONGEST_CONTEXT: usize = 255;
/// GitHub refuses a longer one.
const LONGEST_DESCRIPTION: usize = 140;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    Error,
    Failure,
    Pending,
    Success,
}

/// The status to set on the commit.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// Which status: 1 to 255 characters on one line. GitHub does not tell upper from lower case in it.
    context: String,
    state: Word,
    /// One line, up to 140 characters.
    #[serde(default)]
    description: String,
    /// Where "Details" leads: an http or https URL.
    #[serde(default)]
    target_url: Option<String>,
}

/// The latest status of a context; also the one to set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Latest {
    state: String,
    description: String,
    target_url: String,
}

/// A status as GitHub lists it.
#[derive(Deserialize)]
struct Listed {
    context: String,
    state: String,
    description: Option<String>,
    target_url: Option<String>,
}

impl Action for Params {
    type State = Option<Latest>;
    type Change = Latest;

    const NAME: &'static str = "status";
    const HELP: &'static str = "Sets a commit status on the commit that the event is about: the head of a pull request, \
        what was pushed, what was tested. Nothing is written when the latest one of the context says so already. GitHub \
        lets nobody delete a status.";
    const EXAMPLE: &'static str = "{context: policy/docs, state: success, description: \"Only words changed\"}";
    const UNDOABLE: bool = false;
    const ACTS_ON: SubjectKind = SubjectKind::Commit;
    const NEEDS: Needs = Needs::Write("statuses");

    fn check(&self) -> Result<(), String> {
        let fits = |text: &str, longest| text.chars().count() <= longest && !text.chars().any(char::is_control);
        if self.context.trim().is_empty() || !fits(&self.context, LONGEST_CONTEXT) {
            return Err(format!("`context` must have 1 to {LONGEST_CONTEXT} characters on one line"));
        }
        if !fits(&self.description, LONGEST_DESCRIPTION) {
            return Err(format!("`description` must have up to {LONGEST_DESCRIPTION} characters on one line"));
        }
        let is_web = |url: &http::Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some();
        match self.target_url.as_ref().map(|url| url.parse().ok().as_ref().is_some_and(is_web)) {
            Some(false) => Err("`target_url` must be an http or https URL".to_owned()),
            _ => Ok(()),
        }
    }

    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<Option<Latest>, GitHubError> {
        let combined = path::repository(&target.repository, format_args!("/commits/{}/status", commit_of(target)?));
        let listed = reader.get_all::<Listed>(&combined, Some("statuses"), MOST_PAGES).await?;
        let same = |each: &&Listed| each.context.to_lowercase() == self.context.to_lowercase();
        match listed.items.iter().find(same) {
            Some(found) => Ok(Some(Latest {
                state: found.state.clone(),
                description: found.description.clone().unwrap_or_default(),
                target_url: found.target_url.clone().unwrap_or_default(),
            })),
            None => listed.whole("statuses").map(|_| None),
        }
    }

    fn plan(&self, _: &Origin, state: &Option<Latest>, _: &[HandChange]) -> Plan<Latest> {
        let word = match self.state {
            Word::Error => "error",
            Word::Failure => "failure",
            Word::Pending => "pending",
            Word::Success => "success",
        };
        let wanted = Latest {
            state: word.to_owned(),
            description: self.description.trim().to_owned(),
            target_url: self.target_url.clone().unwrap_or_default(),
        };
        if state.as_ref() == Some(&wanted) {
            Plan::Nothing(format!("the status `{}` says so already", self.context))
        } else {
            Plan::Change(wanted)
        }
    }

    /// Setting the same status twice is as setting it once: the latest counts.
    fn settle(&self, _: &Option<Latest>, change: &Latest, now: &Option<Latest>) -> Settled {
        if now.as_ref() == Some(change) { Settled::Happened } else { Settled::DidNot }
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Latest) -> Result<(), GitHubError> {
        let mut body = json!({"context": self.context, "state": change.state, "description": change.description});
        if !change.target_url.is_empty() {
            body["target_url"] = json!(change.target_url);
        }
        let below = format_args!("/statuses/{}", commit_of(target)?).to_string();
        writer.send::<Value>(Method::POST, &path::repository(&target.repository, below), &body).await?;
        Ok(())
    }

    fn undo(&self, _: &Option<Latest>, _: &Option<Latest>, _: &Option<Latest>) -> Reversal<Latest> {
        Reversal::Refused("GitHub lets nobody delete a commit status".to_owned())
    }

    fn told_by(_: &Latest) -> &'static [&'static str] {
        &["status"]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_github_would_refuse_is_refused_at_once() {
        let read = |params: Value| serde_json::from_value::<Params>(params).unwrap().check();
        assert!(read(json!({"context": "ci", "state": "success"})).is_ok());
        assert!(read(json!({"context": "ci", "state": "error", "target_url": "https://ci.example.com/7"})).is_ok());
        for refused in [
            json!({"context": " ", "state": "success"}),
            json!({"context": "ci", "state": "success", "description": "x".repeat(141)}),
            json!({"context": "ci", "state": "success", "target_url": "javascript:alert(1)"}),
            json!({"context": "ci", "state": "success", "target_url": "ci.example.com"}),
        ] {
            assert!(read(refused.clone()).is_err(), "{refused}");
        }
    }
}
