//! The one evaluator: rules, an event and facts in; decisions out.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::explain::Explanation;
use super::facts::{FactKinds, Facts};
use super::intent::Intent;
use super::rule::{Mode, Rule, RuleName};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Matched,
    NotMatched,
    /// Triggered, but not to be decided on: the rule is off, the repository is not selected, the event is about no
    /// item, or a fact it needs cannot be had.
    Skipped,
}

/// A rule met an event: whether it matched, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub rule: RuleName,
    pub mode: Mode,
    pub verdict: Verdict,
    pub explanation: Explanation,
    /// What a matched rule wants done, in the order it was written. Filled for shadow rules too: what would be done.
    pub intents: Vec<Intent>,
}

/// Either every rule is decided, or these facts are still needed.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Decided(Vec<Decision>),
    Needs(FactKinds),
}

/// Decides every rule that the event triggers, in the order of the config.
pub fn decide(_rules: &[Rule], _event: &Event, _facts: &Facts) -> Outcome {
    unimplemented!()
}
