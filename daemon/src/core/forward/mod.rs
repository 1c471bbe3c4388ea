//! What a running workflow tells orchd: whose run it is, and what it says of itself.
//!
//! Owns the body that is sent, the claims that GitHub makes of a run, what of both becomes the event
//! `workflow_context`, and which workflows a pattern means. Refuses to know how any of it is proved. Invariant: nothing
//! that a sender says stands in the payload outside `told`, but its name for the delivery and the status of its job.

mod allow;
mod claims;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use allow::{NotAWorkflow, Workflows};
pub use claims::{Context, RawContext};

use super::event::InstallationId;

/// Longest name of a delivery.
const LONGEST_NAME: usize = 100;
/// Characters that a summary may have.
pub const LONGEST_SUMMARY: usize = 64 * 1024;

/// Why something that was told is not taken: says what is wrong, never with text of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotTaken(pub String);

/// What the sender calls this delivery within its attempt at its run: a retry has the same, another step another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// # Errors
    /// When it is empty, too long, or has another character than letters, digits, `.`, `_` and `-`.
    pub fn parse(text: &str) -> Result<Self, NotTaken> {
        let fits = (1..=LONGEST_NAME).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        let refuse = || NotTaken(format!("`name` must be 1 to {LONGEST_NAME} letters, digits, `.`, `_` or `-`"));
        if fits { Ok(Self(text.to_owned())) } else { Err(refuse()) }
    }

    /// A name made of anything: what it may not have becomes `-`.
    pub fn of(text: &str) -> Self {
        let keep = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
        let name: String = text.chars().take(LONGEST_NAME).map(keep).collect();
        Self(if name.is_empty() { "forward".to_owned() } else { name })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = NotTaken;
    fn try_from(text: String) -> Result<Self, NotTaken> {
        Self::parse(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// How the job stands that sends, in its own word: the event's action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Success,
    Failure,
    Cancelled,
}

impl Status {
    pub const ALL: [Self; 3] = [Self::Success, Self::Failure, Self::Cancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How many tests there were, in the sender's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tests {
    #[serde(default)]
    pub passed: u64,
    #[serde(default)]
    pub failed: u64,
    #[serde(default)]
    pub skipped: u64,
}

/// What the sender says beside: nobody vouches for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Told {
    /// Id of the job that sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The `needs` context: of each job its `result` and `outputs`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub needs: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub outputs: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tests: Option<Tests>,
}

/// The body of `POST /events/forward`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    pub name: Name,
    pub status: Status,
    #[serde(default)]
    pub told: Told,
    /// With a shared secret only: in the place of the claims of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<RawContext>,
    /// With a shared secret only: when it was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<chrono::DateTime<chrono::Utc>>,
}

impl Body {
    /// Reads a body that is proved to be of whom it says.
    ///
    /// # Errors
    /// When it is no such JSON, or what it tells is longer than is kept.
    pub fn read(bytes: &[u8]) -> Result<Self, NotTaken> {
        let body: Self = serde_json::from_slice(bytes).map_err(|error| NotTaken(in_short(&error)))?;
        match &body.told.summary {
            Some(summary) if summary.chars().count() > LONGEST_SUMMARY => {
                Err(NotTaken(format!("`told.summary` has more than {LONGEST_SUMMARY} characters")))
            }
            _ => Ok(body),
        }
    }
}

/// What is wrong and where. Of the text itself only names of fields that are known or wanted: serde quotes those of others.
fn in_short(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let what = match error.classify() {
        serde_json::error::Category::Data if message.starts_with("unknown field") => {
            "there is a field that is not known: known are `name`, `status`, `context`, `sent_at` and `told` with `job`, \
             `needs`, `outputs`, `summary` and `tests`"
                .to_owned()
        }
        serde_json::error::Category::Data if message.starts_with("unknown variant") => {
            "`status` is `success`, `failure` or `cancelled`".to_owned()
        }
        serde_json::error::Category::Data if ["invalid type", "invalid length"].iter().any(|start| message.starts_with(start)) => {
            "a field is of another type than it should be".to_owned()
        }
        serde_json::error::Category::Data => message.split(" at line ").next().unwrap_or_default().to_owned(),
        _ => "it is not valid JSON".to_owned(),
    };
    format!("the body cannot be read at line {line} column {column}: {what}")
}

/// The repository of a run as it is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub description: Option<String>,
    pub url: String,
    pub is_private: bool,
    pub default_branch: String,
    pub installation: Option<InstallationId>,
}

/// Who vouches for a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// GitHub, by a token made out to us.
    Oidc,
    /// Whoever has the secret.
    Hmac,
}

impl Proof {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Oidc => "oidc",
            Self::Hmac => "hmac",
        }
    }
}

/// The delivery's id: what nobody else's run can have.
pub fn delivery_id(context: &Context, name: &Name) -> String {
    let Context { repository_id, run_id, run_attempt, .. } = context;
    format!("forward:{repository_id}:{run_id}:{run_attempt}:{}", name.as_str())
}

/// The payload of the event.
pub fn payload(context: &Context, proof: Proof, body: &Body, known: &Known) -> Value {
    let repository = &context.repository;
    let mut made = json!({
        "action": body.status.as_str(),
        "workflow_context": context.told(proof, &body.name),
        "repository": {
            "id": context.repository_id,
            "name": repository.name(),
            "full_name": repository,
            "owner": {"login": repository.owner()},
            "description": known.description,
            "html_url": known.url,
            "private": known.is_private,
            "default_branch": known.default_branch,
        },
        "sender": {
            "login": context.actor,
            "type": if context.actor.ends_with("[bot]") { "Bot" } else { "User" },
        },
        "told": body.told,
    });
    if let Some(installation) = known.installation {
        made["installation"] = json!({"id": installation});
    }
    made
}

/// What [`payload`] holds, in the letters of the vocabulary.
pub(super) const CONTEXT_FIELDS: [(&str, &str); 17] = [
    ("actor_id", "i?"),
    ("base_ref", "s?"),
    ("environment", "s?"),
    ("event_name", "s"),
    ("head_ref", "s?"),
    ("job_workflow_ref", "s?"),
    ("name", "s"),
    ("number", "i?"),
    ("proof", "s"),
    ("ref", "s"),
    ("run_attempt", "i"),
    ("run_id", "i"),
    ("run_number", "i?"),
    ("runner_environment", "s?"),
    ("sha", "s"),
    ("workflow", "s"),
    ("workflow_ref", "s"),
];
pub(super) const REPOSITORY_FIELDS: [(&str, &str); 8] = [
    ("default_branch", "s"),
    ("description", "s?"),
    ("full_name", "s"),
    ("html_url", "s"),
    ("id", "i"),
    ("name", "s"),
    ("owner", "<s>"),
    ("private", "b"),
];
/// Beside `tests`.
pub(super) const TOLD_FIELDS: [(&str, &str); 4] =
    [("job", "s?"), ("needs", "<*>"), ("outputs", "<*>"), ("summary", "s?")];
pub(super) const TESTS_FIELDS: [(&str, &str); 3] = [("failed", "i"), ("passed", "i"), ("skipped", "i")];

#[cfg(test)]
mod tests;
