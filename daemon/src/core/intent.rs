//! Intents: what a matched rule wants done, and the catalogue of actions a rule may name.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha1::{Digest, Sha1};
use uuid::{Builder, Uuid};

use super::command::Command;
use super::event::{EventId, InstallationId, RepoName};
use super::permission::Needs;
use super::rule::RuleName;
use super::subject::{Subject, SubjectKind};
use super::text::shortened;

/// Stable id of an intent: the same event, rule, action, target and parameters always give the same id, so a crash, a
/// redelivery or a second daemon can never turn one intent into two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct IntentId(pub Uuid);

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Namespace of intent ids (a UUIDv5 namespace of our own; never change it: ids in every database depend on it).
const INTENT_NAMESPACE: Uuid = Uuid::from_u128(0x6f72_6368_642d_8e9b_9c1a_696e_7465_6e74);

/// The thing an action is carried out on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Target {
    pub repository: RepoName,
    pub installation: Option<InstallationId>,
    /// The issue or pull request: the subject itself, or the one that the event was about. 0, which GitHub gives to none,
    /// when there is none; `null` in JSON. An action whose subject is an item always has one.
    #[serde(default, serialize_with = "number_or_null", deserialize_with = "null_or_number")]
    pub number: u64,
    /// What of the repository the action acts on.
    #[serde(default, skip_serializing_if = "Subject::is_item")]
    pub subject: Subject,
}

impl Target {
    /// An issue or pull request.
    pub fn item(repository: RepoName, installation: Option<InstallationId>, number: u64) -> Self {
        Self { repository, installation, number, subject: Subject::Item }
    }
}

/// `owner/name#7`, `owner/name@COMMIT` or `owner/name`. Ids of intents are made of it: it must never change.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Item => write!(f, "{}#{}", self.repository, self.number),
            Subject::Commit(id) => write!(f, "{}@{id}", self.repository),
            Subject::Repository => self.repository.fmt(f),
        }
    }
}

// serde wants the reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn number_or_null<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    (*number > 0).then_some(number).serialize(serializer)
}

fn null_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(0))
}

/// An action as a rule names it: checked against the catalogue when the config was loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ActionSpec {
    pub name: String,
    pub params: Value,
    /// What it acts on, as the catalogue says.
    #[serde(default)]
    pub acts_on: SubjectKind,
}

/// An action name, a target, parameters, and the event and rule that want it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Intent {
    pub id: IntentId,
    pub event: EventId,
    pub rule: RuleName,
    pub action: String,
    pub target: Target,
    pub params: Value,
    /// The effect that it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<IntentId>,
}

impl Intent {
    pub fn new(event: EventId, rule: &RuleName, spec: &ActionSpec, target: Target) -> Self {
        let params = Canonical(&spec.params);
        // Room for most names at once. Writing to a `String` cannot fail.
        let mut name = String::with_capacity(256);
        let _ = write!(name, "{event}\n{rule}\n{}\n{target}\n{params}", spec.name);
        Self {
            id: intent_id(name.as_bytes()),
            event,
            rule: rule.clone(),
            action: spec.name.clone(),
            target,
            params: spec.params.clone(),
            undoes: None,
        }
    }

    /// To take back what an earlier intent came to, because `rule` says so at `event`.
    pub fn undo(event: EventId, rule: &RuleName, of: &Self) -> Self {
        Self {
            id: intent_id(format!("{event}\n{rule}\nundo\n{}", of.id).as_bytes()),
            event,
            rule: rule.clone(),
            undoes: Some(of.id),
            ..of.clone()
        }
    }
}

/// The UUIDv5 of a name, hashed by a crate that uses the processor's instructions: `uuid`'s own takes three times as long.
fn intent_id(name: &[u8]) -> IntentId {
    let hash = Sha1::new().chain_update(INTENT_NAMESPACE.as_bytes()).chain_update(name).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    IntentId(Builder::from_sha1_bytes(bytes).into_uuid())
}

/// A value as compact JSON with its keys sorted, so that equal parameters print equally. `Value` sorts them itself only
/// as long as no crate of the build turns on `preserve_order` of serde_json, and ids must not depend on that.
pub(super) struct Canonical<'a>(pub(super) &'a Value);

impl fmt::Display for Canonical<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                f.write_str("{")?;
                for (index, (key, value)) in entries.into_iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{}:{}", Value::from(key.as_str()), Self(value))?;
                }
                f.write_str("}")
            }
            Value::Array(list) => {
                f.write_str("[")?;
                for (index, value) in list.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{}", Self(value))?;
                }
                f.write_str("]")
            }
            plain => plain.fmt(f),
        }
    }
}

/// An action as a rule has it: `label {add: [documentation]}`, `close`.
pub fn written(action: &str, params: &Value) -> String {
    match as_written(params).as_str() {
        "" | "{}" => action.to_owned(),
        params => format!("{action} {params}"),
    }
}

/// Parameters as a rule has them, long texts shortened.
pub fn as_written(params: &Value) -> String {
    match params {
        Value::Null => String::new(),
        Value::String(text) => shortened(text.lines().next().unwrap_or_default()),
        Value::Array(items) => format!("[{}]", items.iter().map(as_written).collect::<Vec<_>>().join(", ")),
        Value::Object(keys) => {
            let pairs: Vec<String> = keys.iter().map(|(key, value)| format!("{key}: {}", as_written(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

/// A kind of action as the config loader and the docs need to know it. The registry in `actions` provides the list.
#[derive(Clone, Copy, Debug)]
pub struct ActionKind {
    /// The key in a rule's `then`.
    pub name: &'static str,
    /// One sentence for the docs and the schema.
    pub help: &'static str,
    /// An example of the parameters, as YAML.
    pub example: &'static str,
    pub undoable: bool,
    /// How people ask for it in a comment.
    pub commands: &'static [Command],
    /// What it acts on: an event that names none is none for it.
    pub acts_on: SubjectKind,
    /// The permission it takes with these parameters.
    pub needs: fn(&Value) -> Needs,
    /// Permissions that it reads by, beside those it writes with.
    pub reads: fn(&Value) -> &'static [&'static str],
    /// Events that its effects wait for, beside that of the rule.
    pub hears: &'static [&'static str],
    /// Checks parameters; the text says what is wrong and what to write.
    pub check: fn(&Value) -> Result<(), String>,
    /// JSON Schema of the parameters.
    pub schema: fn() -> Value,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::core::condition::properties::any_json;
    use crate::core::subject::CommitId;

    const SHA: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

    fn target(number: u64) -> Target {
        Target::item(RepoName::parse("acme/site").unwrap(), Some(InstallationId(1)), number)
    }

    fn intent(event: u128, rule: &str, name: &str, params: Value, number: u64) -> IntentId {
        intent_on(event, rule, name, params, target(number))
    }

    fn intent_on(event: u128, rule: &str, name: &str, params: Value, target: Target) -> IntentId {
        let spec = ActionSpec { name: name.to_owned(), params, acts_on: SubjectKind::Item };
        Intent::new(EventId(Uuid::from_u128(event)), &RuleName::parse(rule).unwrap(), &spec, target).id
    }

    /// Ids in every database depend on it: when this fails, the code is wrong, not the test.
    #[test]
    fn the_id_is_the_same_for_ever() {
        let id = intent(7, "docs-label", "label", json!({"remove": ["b"], "add": ["a"]}), 7);
        assert_eq!(id.to_string(), "0df7167f-7328-585b-a930-977f3513ad4d");
        for (subject, expected) in [
            (Subject::Repository, "76292918-43f8-54c1-a84f-e2ea68d65e17"),
            (Subject::Commit(CommitId::parse(SHA).unwrap()), "3b524a13-6dbd-5cc5-aaf4-0681832f189e"),
        ] {
            let id = intent_on(7, "nightly", "x", json!({}), Target { subject, ..target(0) });
            assert_eq!(id.to_string(), expected);
        }
    }

    #[test]
    fn a_target_reads_and_prints_as_what_it_is() {
        let commit = || Subject::Commit(CommitId::parse(SHA).unwrap());
        let (item, nowhere) = (json!({"repository": "acme/site", "installation": 1, "number": 7}), json!(null));
        for (target, printed, number, subject) in [
            (target(7), "acme/site#7".to_owned(), json!(7), nowhere.clone()),
            (Target { subject: commit(), ..target(7) }, format!("acme/site@{SHA}"), json!(7), json!({"commit": SHA})),
            (Target { subject: commit(), ..target(0) }, format!("acme/site@{SHA}"), nowhere, json!({"commit": SHA})),
            (
                Target { subject: Subject::Repository, ..target(0) },
                "acme/site".to_owned(),
                json!(null),
                json!("repository"),
            ),
        ] {
            assert_eq!(target.to_string(), printed);
            let written = serde_json::to_value(&target).unwrap();
            assert_eq!((&written["number"], &written["subject"]), (&number, &subject));
            assert_eq!(serde_json::from_value::<Target>(written).unwrap(), target);
        }
        assert_eq!(serde_json::to_value(target(7)).unwrap(), item, "as it always was");
    }

    #[test]
    fn the_order_of_keys_does_not_matter_and_all_else_does() {
        let read = |text: &str| serde_json::from_str(text).unwrap();
        let one = intent(7, "r", "label", read(r#"{"a":1,"b":2}"#), 7);
        assert_eq!(one, intent(7, "r", "label", read(r#"{"b":2,"a":1}"#), 7));
        for other in [
            intent(8, "r", "label", read(r#"{"a":1,"b":2}"#), 7),
            intent(7, "s", "label", read(r#"{"a":1,"b":2}"#), 7),
            intent(7, "r", "assign", read(r#"{"a":1,"b":2}"#), 7),
            intent(7, "r", "label", read(r#"{"a":1,"b":3}"#), 7),
            intent(7, "r", "label", read(r#"{"a":1,"b":2}"#), 8),
        ] {
            assert_ne!(one, other);
        }
    }

    proptest! {
        /// Without `preserve_order`, as in every build so far, that is how serde_json prints: ids stay what they were.
        #[test]
        fn the_canonical_form_is_compact_json_with_sorted_keys(value in any_json()) {
            prop_assert_eq!(Canonical(&value).to_string(), value.to_string());
        }
    }
}
