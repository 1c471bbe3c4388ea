//! `dispatch`: starts a workflow, or sends the repository an event of its own (`repository_dispatch`).
//!
//! GitHub takes no id of ours with either, so what was asked for cannot be recognised for certain. Of a workflow its list
//! of runs tells when exactly one by the App came since; all else is for a person to judge. It is never sent twice.

use std::collections::BTreeMap;

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled};
use crate::core::hand::HandChange;
use crate::core::intent::Target;
use crate::core::permission::Needs;
use crate::core::subject::SubjectKind;
use crate::github::client::{Reader, Writer};
use crate::github::{GitHubError, path};

/// Runs that the receipt keeps, the newest first.
const MOST_RUNS: usize = 10;
/// <https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event>
const MOST_INPUTS: usize = 25;
/// <https://docs.github.com/en/rest/repos/repos#create-a-repository-dispatch-event>
const LONGEST_EVENT_TYPE: usize = 100;
const MOST_PROPERTIES: usize = 10;
/// Of all inputs, and of a payload, as JSON.
const LARGEST: usize = 65_535;

/// What to start: `workflow` with `ref`, or `event_type`. It cannot be taken back.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// File in `.github/workflows` that has an `on: workflow_dispatch`.
    workflow: Option<String>,
    /// Branch or tag to run it on.
    #[serde(rename = "ref")]
    git_ref: Option<String>,
    /// Inputs of the workflow, at most 25: texts, numbers or booleans.
    inputs: Option<BTreeMap<String, Input>>,
    /// The word that workflows with an `on: repository_dispatch` wait for, 1 to 100 characters.
    event_type: Option<String>,
    /// What they find in `github.event.client_payload`, at most 10 keys.
    client_payload: Option<Map<String, Value>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Input {
    Text(String),
    Number(serde_json::Number),
    Boolean(bool),
}

/// What is sent. Also what is stored as the change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Dispatch {
    Workflow { file: String, git_ref: String, inputs: BTreeMap<String, String> },
    Event { event_type: String, client_payload: Map<String, Value> },
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub(super) struct Params(Dispatch);

/// A run by the App.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    id: u64,
    url: String,
}

/// A run as GitHub lists it.
#[derive(Deserialize)]
struct Listed {
    id: u64,
    html_url: String,
    /// Branch or tag.
    head_branch: Option<String>,
    /// Who asked for it first.
    actor: Option<User>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

fn as_text(input: Input) -> String {
    match input {
        Input::Text(text) => text,
        Input::Number(number) => number.to_string(),
        Input::Boolean(boolean) => boolean.to_string(),
    }
}

fn one_line(key: &str, text: &str, longest: usize) -> Result<(), String> {
    let fits = !text.trim().is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(format!("`{key}` must have 1 to {longest} characters on one line")) }
}

fn small_enough(key: &str, value: &impl Serialize) -> Result<(), String> {
    let length = serde_json::to_string(value).map_or(usize::MAX, |text| text.len());
    if length <= LARGEST { Ok(()) } else { Err(format!("`{key}` must have at most {LARGEST} bytes as JSON")) }
}

impl TryFrom<Written> for Params {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { workflow, git_ref, inputs, event_type, client_payload } = written;
        let sent = match (workflow, git_ref, event_type) {
            (Some(file), Some(git_ref), None) if client_payload.is_none() => {
                let inputs =
                    inputs.unwrap_or_default().into_iter().map(|(name, input)| (name, as_text(input))).collect();
                Dispatch::Workflow { file, git_ref, inputs }
            }
            (None, None, Some(event_type)) if inputs.is_none() => {
                Dispatch::Event { event_type, client_payload: client_payload.unwrap_or_default() }
            }
            (Some(_), None, None) => return Err("`workflow` needs `ref`, the branch or tag to run it on".to_owned()),
            _ => {
                let message = "pass `workflow` with `ref` and `inputs`, or `event_type` with `client_payload`";
                return Err(message.to_owned());
            }
        };
        Ok(Self(sent))
    }
}

/// `main` of `refs/heads/main`, as runs tell it.
fn short(git_ref: &str) -> &str {
    let bare = |prefix| git_ref.strip_prefix(prefix);
    bare("refs/heads/").or_else(|| bare("refs/tags/")).unwrap_or(git_ref)
}

fn below_workflow(target: &Target, file: &str, rest: &str) -> String {
    path::repository(&target.repository, format_args!("/actions/workflows/{}{rest}", path::segment(file)))
}

impl Action for Params {
    /// The newest runs of the workflow on the ref that the App asked for. Of an event GitHub tells nothing.
    type State = Vec<Run>;
    type Change = Dispatch;

    const NAME: &'static str = "dispatch";
    const HELP: &'static str = "Starts a workflow (`workflow`, `ref`, `inputs`), or sends the repository an event of its \
        own (`event_type`, `client_payload`), once for each event. What was started cannot be taken back. When orchd is \
        interrupted and cannot tell whether GitHub was asked, the effect is `quarantined`: nothing is started twice.";
    const EXAMPLE: &'static str = "{workflow: release.yml, ref: main, inputs: {level: patch}}";
    const UNDOABLE: bool = false;
    const ACTS_ON: SubjectKind = SubjectKind::Repository;
    const NEEDS: Needs = Needs::Write("actions");

    /// <https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps>
    fn needs(&self) -> Needs {
        match self.0 {
            Dispatch::Workflow { .. } => Self::NEEDS,
            Dispatch::Event { .. } => Needs::Write("contents"),
        }
    }

    fn check(&self) -> Result<(), String> {
        match &self.0 {
            Dispatch::Workflow { file, git_ref, inputs } => {
                one_line("ref", git_ref, 255)?;
                one_line("workflow", file, 255)?;
                let is_yaml = [".yml", ".yaml"].iter().any(|end| file.ends_with(end));
                if !is_yaml || file.contains('/') {
                    return Err("`workflow` must be the name of a file in .github/workflows: release.yml".to_owned());
                }
                if inputs.len() > MOST_INPUTS {
                    return Err(format!("`inputs` has {} keys, at most {MOST_INPUTS}", inputs.len()));
                }
                small_enough("inputs", inputs)
            }
            Dispatch::Event { event_type, client_payload } => {
                one_line("event_type", event_type, LONGEST_EVENT_TYPE)?;
                if client_payload.len() > MOST_PROPERTIES {
                    return Err(format!(
                        "`client_payload` has {} keys, at most {MOST_PROPERTIES}",
                        client_payload.len()
                    ));
                }
                small_enough("client_payload", client_payload)
            }
        }
    }

    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<Vec<Run>, GitHubError> {
        let Dispatch::Workflow { file, git_ref, .. } = &self.0 else { return Ok(Vec::new()) };
        let bot = reader.own_login().await?;
        let path = below_workflow(target, file, "/runs?event=workflow_dispatch");
        // One page: they come newest first, and what matters is minutes old.
        let listed = reader.get_all::<Listed>(&path, Some("workflow_runs"), 1).await?;
        let is_ours = |run: &Listed| {
            let by_us = run.actor.as_ref().is_some_and(|actor| actor.login.eq_ignore_ascii_case(&bot));
            by_us && run.head_branch.as_deref() == Some(short(git_ref))
        };
        let ours = listed.items.into_iter().filter(is_ours).take(MOST_RUNS);
        Ok(ours.map(|run| Run { id: run.id, url: run.html_url }).collect())
    }

    fn plan(&self, _: &Origin, _: &Vec<Run>, _: &[HandChange]) -> Plan<Dispatch> {
        Plan::Change(self.0.clone())
    }

    /// Never "it did not": GitHub may list a run late, and of an event it lists nothing.
    fn settle(&self, before: &Vec<Run>, change: &Dispatch, now: &Vec<Run>) -> Settled {
        let Dispatch::Workflow { file, .. } = change else {
            return Settled::CannotTell("GitHub does not tell whether a `repository_dispatch` was sent".to_owned());
        };
        // Ids only grow. Effects on a repository come one after the other, so no other of ours began meanwhile.
        let newest = before.iter().map(|run| run.id).max().unwrap_or(0);
        match now.iter().filter(|run| run.id > newest).count() {
            1 => Settled::Happened,
            0 => Settled::CannotTell(format!(
                "GitHub lists no new run of `{file}` by the App, and may have been asked for one"
            )),
            several => Settled::CannotTell(format!("GitHub lists {several} new runs of `{file}` by the App")),
        }
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Dispatch) -> Result<(), GitHubError> {
        let (path, body) = match change {
            Dispatch::Workflow { file, git_ref, inputs } => {
                (below_workflow(target, file, "/dispatches"), json!({"ref": git_ref, "inputs": inputs}))
            }
            Dispatch::Event { event_type, client_payload } => (
                path::repository(&target.repository, "/dispatches"),
                json!({"event_type": event_type, "client_payload": client_payload}),
            ),
        };
        writer.send::<Value>(Method::POST, &path, &body).await?;
        Ok(())
    }

    fn undo(&self, _: &Vec<Run>, _: &Vec<Run>, _: &Vec<Run>) -> Reversal<Dispatch> {
        Reversal::Refused("what was started cannot be taken back; a run can be cancelled on GitHub".to_owned())
    }

    fn told_by(_: &Dispatch) -> &'static [&'static str] {
        &["repository_dispatch", "workflow_dispatch", "workflow_run", "workflow_job"]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(params: Value) -> Result<Params, String> {
        let params: Params = serde_json::from_value(params).map_err(|error| error.to_string())?;
        params.check().map(|()| params)
    }

    fn run(id: u64) -> Run {
        Run { id, url: String::new() }
    }

    #[test]
    fn it_is_a_workflow_or_an_event_and_not_both() {
        let workflow = read(json!({"workflow": "ci.yml", "ref": "main", "inputs": {"n": 7, "dry": true, "to": "x"}}));
        let Dispatch::Workflow { inputs, .. } = workflow.unwrap().0 else { panic!("a workflow") };
        assert_eq!(inputs.into_values().collect::<Vec<_>>(), ["true", "7", "x"], "GitHub takes texts");
        let event = read(json!({"event_type": "deploy", "client_payload": {"to": "production"}})).unwrap();
        assert_eq!(event.needs(), Needs::Write("contents"));
        let many: Map<String, Value> = (0..11).map(|n| (format!("k{n}"), json!(n))).collect();
        for (refused, why) in [
            (json!({}), "pass `workflow`"),
            (json!({"workflow": "ci.yml"}), "needs `ref`"),
            (json!({"workflow": "ci.yml", "ref": "main", "event_type": "x"}), "pass `workflow`"),
            (json!({"event_type": "x", "inputs": {}}), "pass `workflow`"),
            (json!({"workflow": "../ci.yml", "ref": "main"}), "must be the name of a file"),
            (json!({"workflow": "ci", "ref": "main"}), "must be the name of a file"),
            (json!({"event_type": "x".repeat(101)}), "1 to 100 characters"),
            (json!({"event_type": "x", "client_payload": many}), "has 11 keys, at most 10"),
            (json!({"event_type": "x", "client_payload": {"a": "b".repeat(65_536)}}), "at most 65535 bytes"),
        ] {
            let told = read(refused.clone()).unwrap_err();
            assert!(told.contains(why), "{refused}: {told}");
        }
    }

    #[test]
    fn an_interrupted_write_is_never_made_again_unseen() {
        let workflow = read(json!({"workflow": "ci.yml", "ref": "refs/heads/main"})).unwrap();
        let settle = |before: &[u64], now: &[u64]| {
            let runs = |ids: &[u64]| ids.iter().map(|id| run(*id)).collect::<Vec<_>>();
            workflow.settle(&runs(before), &workflow.0, &runs(now))
        };
        assert_eq!(settle(&[5, 4], &[6, 5, 4]), Settled::Happened);
        assert_eq!(settle(&[], &[6]), Settled::Happened);
        assert!(matches!(settle(&[5], &[5]), Settled::CannotTell(_)));
        assert!(matches!(settle(&[5], &[7, 6, 5]), Settled::CannotTell(_)));
        let event = read(json!({"event_type": "deploy"})).unwrap();
        assert!(matches!(event.settle(&vec![], &event.0, &vec![]), Settled::CannotTell(_)));
        assert_eq!(short("refs/heads/a/b"), "a/b");
    }
}
