//! `check`: a check run on a commit, one for each rule and name, kept up to date.
//!
//! `external_id` holds a sum of the rule's name and the intent that last wrote the run: by the first another rule's run of
//! the same name is told from ours. Nobody can change a check run by hand.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::check_runs::{self, Run};
use super::commit::commit_of;
use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled};
use crate::core::hand::HandChange;
use crate::core::intent::Target;
use crate::core::permission::Needs;
use crate::core::rule::RuleName;
use crate::core::subject::SubjectKind;
use crate::github::client::{Reader, Writer};
use crate::github::{GitHubError, path};

/// As long as a line that people read; GitHub names no limit.
const LONGEST_NAME: usize = 100;
const LONGEST_TITLE: usize = 255;
/// <https://docs.github.com/en/rest/checks/runs#create-a-check-run>
const LONGEST_SUMMARY: usize = 65_535;

/// How a check run ends. Of GitHub's words only `stale` is missing, which is GitHub's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Conclusion {
    Success,
    Failure,
    Neutral,
    Cancelled,
    Skipped,
    TimedOut,
    ActionRequired,
}

/// The check run to show on the commit.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// Name of the check, for branch protection: 1 to 100 characters on one line.
    name: String,
    /// How it ends. Branch protection lets `success`, `neutral` and `skipped` pass.
    conclusion: Conclusion,
    /// One line, 1 to 255 characters.
    title: String,
    /// Markdown, 1 to 65,535 characters.
    summary: String,
}

/// What a check run says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    conclusion: String,
    title: String,
    summary: String,
}

/// Our run on the commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ours {
    id: u64,
    external_id: String,
    said: Said,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    /// The run to change; `None`: a new one.
    id: Option<u64>,
    name: String,
    external_id: String,
    said: Said,
}

/// What the `external_id` of a rule's runs begins with. A rule's name may be longer than GitHub takes there.
fn mark(rule: &RuleName) -> String {
    Sha256::digest(rule.as_str()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// GitHub may keep line ends as `\r\n`, and drops white space around a text.
fn plain(text: &str) -> String {
    text.replace("\r\n", "\n").trim().to_owned()
}

fn as_ours(run: Run) -> Ours {
    let text = |text: Option<String>| text.map(|text| plain(&text)).unwrap_or_default();
    let said = Said {
        conclusion: run.conclusion.unwrap_or_default(),
        title: text(run.output.title),
        summary: text(run.output.summary),
    };
    Ours { id: run.id, external_id: run.external_id.unwrap_or_default(), said }
}

impl Params {
    fn said(&self) -> Said {
        let conclusion = match self.conclusion {
            Conclusion::Success => "success",
            Conclusion::Failure => "failure",
            Conclusion::Neutral => "neutral",
            Conclusion::Cancelled => "cancelled",
            Conclusion::Skipped => "skipped",
            Conclusion::TimedOut => "timed_out",
            Conclusion::ActionRequired => "action_required",
        };
        Said { conclusion: conclusion.to_owned(), title: plain(&self.title), summary: plain(&self.summary) }
    }
}

impl Action for Params {
    type State = Option<Ours>;
    type Change = Change;

    const NAME: &'static str = "check";
    const HELP: &'static str = "Shows a check run on the commit that the event is about: the head of a pull request, what \
        was pushed, what was tested. A rule has one of a name on a commit, and changes it when it says something new. \
        GitHub lets nobody delete a check run.";
    const EXAMPLE: &'static str =
        "{name: docs, conclusion: success, title: \"Nothing to build\", summary: \"Only words changed.\"}";
    const UNDOABLE: bool = false;
    const ACTS_ON: SubjectKind = SubjectKind::Commit;
    const NEEDS: Needs = Needs::Write("checks");

    fn check(&self) -> Result<(), String> {
        for (key, text, longest) in [("name", &self.name, LONGEST_NAME), ("title", &self.title, LONGEST_TITLE)] {
            let length = text.chars().count();
            if text.trim().is_empty() || length > longest || text.chars().any(char::is_control) {
                return Err(format!("`{key}` must have 1 to {longest} characters on one line"));
            }
        }
        if self.summary.trim().is_empty() || self.summary.chars().count() > LONGEST_SUMMARY {
            return Err(format!("`summary` must have 1 to {LONGEST_SUMMARY} characters"));
        }
        Ok(())
    }

    async fn read(&self, target: &Target, origin: &Origin, reader: &Reader) -> Result<Option<Ours>, GitHubError> {
        let mark = mark(&origin.rule);
        let of_rule = |run: &Run| run.external_id.as_deref().is_some_and(|id| id.starts_with(&mark));
        let found = check_runs::ours(target, commit_of(target)?.as_str(), &self.name, reader, of_rule).await?;
        Ok(found.map(as_ours))
    }

    fn plan(&self, origin: &Origin, state: &Option<Ours>, _: &[HandChange]) -> Plan<Change> {
        let said = self.said();
        if state.as_ref().is_some_and(|ours| ours.said == said) {
            return Plan::Nothing(format!("the check `{}` says so already", self.name));
        }
        let external_id = format!("{}.{}", mark(&origin.rule), origin.intent);
        Plan::Change(Change { id: state.as_ref().map(|ours| ours.id), name: self.name.clone(), external_id, said })
    }

    /// Planning again finds the run that is there and changes it, so writing again makes no second one.
    fn settle(&self, _: &Option<Ours>, change: &Change, now: &Option<Ours>) -> Settled {
        let shows = |ours: &Ours| ours.external_id == change.external_id && ours.said == change.said;
        if now.as_ref().is_some_and(shows) { Settled::Happened } else { Settled::DidNot }
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Change) -> Result<(), GitHubError> {
        let Said { conclusion, title, summary } = &change.said;
        let mut body = json!({
            "external_id": change.external_id,
            "status": "completed",
            "conclusion": conclusion,
            "output": {"title": title, "summary": summary},
        });
        let (method, below) = match change.id {
            Some(id) => (Method::PATCH, format!("/check-runs/{id}")),
            None => {
                body["name"] = json!(change.name);
                body["head_sha"] = json!(commit_of(target)?);
                (Method::POST, "/check-runs".to_owned())
            }
        };
        writer.send::<Value>(method, &path::repository(&target.repository, below), &body).await?;
        Ok(())
    }

    fn undo(&self, _: &Option<Ours>, _: &Option<Ours>, _: &Option<Ours>) -> Reversal<Change> {
        Reversal::Refused("GitHub lets nobody delete a check run".to_owned())
    }

    fn told_by(_: &Change) -> &'static [&'static str] {
        &["check_run", "check_suite"]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::core::intent::IntentId;

    fn params(title: &str) -> Params {
        let (name, summary) = ("docs".to_owned(), "Only words changed.\n".to_owned());
        Params { name, conclusion: Conclusion::Success, title: title.to_owned(), summary }
    }

    fn origin(rule: &str, nth: u128) -> Origin {
        Origin { intent: IntentId(uuid::Uuid::from_u128(nth)), ..Origin::of(rule) }
    }

    fn planned(params: &Params, origin: &Origin, state: &Option<Ours>) -> Change {
        match params.plan(origin, state, &[]) {
            Plan::Change(change) => change,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_rule_has_one_run_and_changes_it_when_it_says_something_new() {
        let made = planned(&params("Well"), &origin("r", 1), &None);
        let ours = Some(Ours { id: 7, external_id: made.external_id.clone(), said: made.said.clone() });
        assert_eq!(params("Well").settle(&None, &made, &ours), Settled::Happened);
        assert_eq!(params("Well").settle(&None, &made, &None), Settled::DidNot);
        assert!(matches!(params("Well").plan(&origin("r", 2), &ours, &[]), Plan::Nothing(_)));
        let changed = planned(&params("Better"), &origin("r", 2), &ours);
        assert_eq!(changed.id, Some(7));
        assert_eq!(params("Better").settle(&ours, &changed, &ours), Settled::DidNot);
        assert_ne!(mark(&RuleName::parse("r").unwrap()), mark(&RuleName::parse("acme/web:r").unwrap()));
        assert!(made.external_id.len() < 64, "{}", made.external_id);
    }

    #[test]
    fn what_github_would_refuse_is_refused_at_once() {
        assert!(params("Well").check().is_ok());
        assert!(params("").check().is_err());
        assert!(params("a\nb").check().is_err());
        assert!(Params { name: "x".repeat(101), ..params("Well") }.check().is_err());
        assert!(Params { summary: " ".to_owned(), ..params("Well") }.check().is_err());
    }
}
