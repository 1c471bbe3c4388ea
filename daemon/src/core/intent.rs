//! Intents: what a matched rule wants done, and the catalogue of actions a rule may name.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha1::{Digest, Sha1};
use uuid::{Builder, Uuid};

use super::command::Command;
use super::event::{EventId, InstallationId, RepoName};
use super::permission::Needs;
use super::rule::RuleName;

/// Stable id of an intent: the same event, rule, action, target and parameters always give the same id, so a crash, a
/// redelivery or a second daemon can never turn one intent into two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    pub repository: RepoName,
    pub installation: Option<InstallationId>,
    /// Issue or pull request.
    pub number: u64,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.repository, self.number)
    }
}

/// An action as a rule names it: checked against the catalogue when the config was loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionSpec {
    pub name: String,
    pub params: Value,
}

/// An action name, a target, parameters, and the event and rule that want it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    pub id: IntentId,
    pub event: EventId,
    pub rule: RuleName,
    pub action: String,
    pub target: Target,
    pub params: Value,
}

impl Intent {
    pub fn new(event: EventId, rule: &RuleName, spec: &ActionSpec, target: Target) -> Self {
        let params = Canonical(&spec.params);
        // Room for most names at once. Writing to a `String` cannot fail.
        let mut name = String::with_capacity(256);
        let _ = write!(name, "{event}\n{rule}\n{}\n{}#{}\n{params}", spec.name, target.repository, target.number);
        Self {
            id: intent_id(name.as_bytes()),
            event,
            rule: rule.clone(),
            action: spec.name.clone(),
            target,
            params: spec.params.clone(),
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
struct Canonical<'a>(&'a Value);

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
    /// The permission it takes.
    pub needs: Needs,
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

    fn intent(event: u128, rule: &str, name: &str, params: Value, number: u64) -> IntentId {
        let spec = ActionSpec { name: name.to_owned(), params };
        let repository = RepoName::parse("acme/site").unwrap();
        let target = Target { repository, installation: Some(InstallationId(1)), number };
        Intent::new(EventId(Uuid::from_u128(event)), &RuleName::parse(rule).unwrap(), &spec, target).id
    }

    /// Ids in every database depend on it: when this fails, the code is wrong, not the test.
    #[test]
    fn the_id_is_the_same_for_ever() {
        let id = intent(7, "docs-label", "label", json!({"remove": ["b"], "add": ["a"]}), 7);
        assert_eq!(id.to_string(), "0df7167f-7328-585b-a930-977f3513ad4d");
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
