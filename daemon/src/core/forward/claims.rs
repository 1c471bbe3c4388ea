//! What GitHub says of a run: the claims of its token, checked one by one. `sub` is not among them: its form changes, and
//! repositories choose it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Name, NotTaken, Proof};
use crate::core::event::RepoName;
use crate::core::subject::CommitId;

/// Longest text of a claim: a ref, a path.
const LONGEST: usize = 1_024;

/// The claims as they are written: GitHub gives numbers as texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawContext {
    pub repository: String,
    pub repository_id: String,
    pub event_name: String,
    #[serde(rename = "ref")]
    pub git_ref: String,
    pub sha: String,
    pub run_id: String,
    pub run_attempt: String,
    pub run_number: String,
    pub workflow: String,
    pub workflow_ref: String,
    pub job_workflow_ref: String,
    pub actor: String,
    pub actor_id: String,
    pub head_ref: String,
    pub base_ref: String,
    pub environment: String,
    pub runner_environment: String,
}

/// A run, as GitHub describes it. Texts are bounded and hold no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    pub repository: RepoName,
    pub repository_id: i64,
    pub event_name: String,
    pub git_ref: String,
    pub sha: CommitId,
    pub run_id: u64,
    pub run_attempt: u64,
    pub run_number: Option<u64>,
    pub workflow: String,
    pub workflow_ref: String,
    pub job_workflow_ref: Option<String>,
    pub actor: String,
    pub actor_id: Option<u64>,
    pub head_ref: Option<String>,
    pub base_ref: Option<String>,
    pub environment: Option<String>,
    pub runner_environment: Option<String>,
}

impl RawContext {
    /// # Errors
    /// The first claim that is missing or not of its form.
    pub fn check(&self) -> Result<Context, NotTaken> {
        let refuse = |name: &str| NotTaken(format!("`{name}` is missing, or is not what GitHub would write"));
        let text = |name: &str, text: &str| optional(text).filter(|text| fits(text)).ok_or_else(|| refuse(name));
        let maybe = |name: &str, text: &str| match optional(text) {
            Some(text) if !fits(&text) => Err(refuse(name)),
            text => Ok(text),
        };
        let number = |name: &str, text: &str| above_zero(text).ok_or_else(|| refuse(name));
        let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let login =
            |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'[' | b']'));
        let repository_id = number("repository_id", &self.repository_id)?;
        Ok(Context {
            repository: RepoName::parse(&self.repository).map_err(|_| refuse("repository"))?,
            repository_id: i64::try_from(repository_id).map_err(|_| refuse("repository_id"))?,
            event_name: text("event_name", &self.event_name)
                .and_then(|name| if word(&name) { Ok(name) } else { Err(refuse("event_name")) })?,
            git_ref: text("ref", &self.git_ref)?,
            sha: CommitId::parse(&self.sha).map_err(|_| refuse("sha"))?,
            run_id: number("run_id", &self.run_id)?,
            run_attempt: number("run_attempt", &self.run_attempt)?,
            run_number: above_zero(&self.run_number),
            workflow: text("workflow", &self.workflow)?,
            workflow_ref: text("workflow_ref", &self.workflow_ref)?,
            job_workflow_ref: maybe("job_workflow_ref", &self.job_workflow_ref)?,
            actor: text("actor", &self.actor)
                .and_then(|actor| if login(&actor) { Ok(actor) } else { Err(refuse("actor")) })?,
            actor_id: above_zero(&self.actor_id),
            head_ref: maybe("head_ref", &self.head_ref)?,
            base_ref: maybe("base_ref", &self.base_ref)?,
            environment: maybe("environment", &self.environment)?,
            runner_environment: maybe("runner_environment", &self.runner_environment)?,
        })
    }
}

fn optional(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn fits(text: &str) -> bool {
    text.len() <= LONGEST && !text.chars().any(char::is_control)
}

fn above_zero(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && (1..=i64::MAX as u64).contains(number))
}

impl Context {
    /// Number of the pull request whose merge commit the run is about.
    pub fn number(&self) -> Option<u64> {
        let (number, rest) = self.git_ref.strip_prefix("refs/pull/")?.split_once('/')?;
        above_zero(number).filter(|_| matches!(rest, "merge" | "head"))
    }

    /// As the payload has it.
    pub(super) fn told(&self, proof: Proof, name: &Name) -> Value {
        json!({
            "proof": proof.as_str(),
            "name": name,
            "number": self.number(),
            "event_name": self.event_name,
            "ref": self.git_ref,
            "sha": self.sha,
            "run_id": self.run_id,
            "run_attempt": self.run_attempt,
            "run_number": self.run_number,
            "workflow": self.workflow,
            "workflow_ref": self.workflow_ref,
            "job_workflow_ref": self.job_workflow_ref,
            "actor_id": self.actor_id,
            "head_ref": self.head_ref,
            "base_ref": self.base_ref,
            "environment": self.environment,
            "runner_environment": self.runner_environment,
        })
    }
}
