//! Conditions: the tree a rule's `if` is, and its evaluation.
//!
//! Owns `all`, `any`, `not`, three-valued evaluation (a leaf whose fact is missing is unknown, and unknown only matters
//! when nothing else settles the tree) and the registry of leaves. Each leaf is one file and one line of
//! the registry, and says in one phrase what it looked at and saw.

use serde_json::Value;

use super::event::Event;
use super::explain::Explanation;
use super::facts::{FactKinds, Facts};

/// What a condition is evaluated on.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub event: &'a Event,
    pub facts: &'a Facts,
}

/// A verdict with its trace, and which facts would settle it when it is unknown.
pub struct Evaluated {
    pub explanation: Explanation,
    pub needs: FactKinds,
}

/// A parsed condition.
#[derive(Clone, Debug)]
pub enum Condition {
    All(Vec<Condition>),
}

/// What is wrong with a written condition, and where: `at` is the path inside the condition (keys and indexes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionError {
    pub at: Vec<String>,
    pub message: String,
}

/// A leaf as docs and schema need to know it.
pub struct ConditionKind {
    pub name: &'static str,
    pub help: &'static str,
    pub example: &'static str,
    pub schema: fn() -> Value,
}

impl Condition {
    /// Parses the `if` of a rule (YAML already read into JSON's model). Reports every error, not just the first.
    pub fn parse(_written: &Value) -> Result<Self, Vec<ConditionError>> {
        unimplemented!()
    }

    pub fn evaluate(&self, _scene: Scene<'_>) -> Evaluated {
        unimplemented!()
    }
}

/// Every leaf there is.
pub fn kinds() -> &'static [ConditionKind] {
    &[]
}
