//! `review`: how many reviewers approve, or ask for changes.

use serde_json::{Value, json};

use super::comparison::Comparison;
use super::phrase::listed;
use super::sight::{Seen, Unseen, seen};
use super::written::{Parsed, key, missing, unknown_keys, word};
use super::{Look, Scene};
use crate::core::facts::{FactKind, ReviewState};

const STATES: [(&str, ReviewState); 2] =
    [("approved", ReviewState::Approved), ("changes_requested", ReviewState::ChangesRequested)];

#[derive(Clone, Debug)]
pub(super) struct Reviewed {
    state: ReviewState,
    count: Comparison,
}

impl Look for Reviewed {
    const NAME: &'static str = "review";
    const HELP: &'static str = "How many reviewers' latest review is `approved` or `changes_requested`. The word alone \
        means at least one; `{state: approved, count: \">= 2\"}` counts.";
    const EXAMPLE: &'static str = "review: {state: approved, count: \">= 2\"}";

    fn parse(written: &Value) -> Parsed<Self> {
        let Value::Object(map) = written else {
            return word(written, &STATES).map(|state| Self { state, count: Comparison::at_least_one() });
        };
        let mut errors = unknown_keys(map, &["state", "count"]);
        let state = key(map, "state", &mut errors, |value| word(value, &STATES));
        let count = key(map, "count", &mut errors, Comparison::number);
        match state {
            Some(state) if errors.is_empty() => {
                Ok(Self { state, count: count.unwrap_or_else(Comparison::at_least_one) })
            }
            _ => Err(missing(errors, "`state` is missing: write `state: approved` or `state: changes_requested`")),
        }
    }

    fn schema() -> Value {
        let states = STATES.map(|(word, _)| word);
        json!({"anyOf": [
            {"enum": states},
            {
                "type": "object",
                "properties": {"state": {"enum": states}, "count": {"type": ["string", "integer"]}},
                "required": ["state"],
                "additionalProperties": false,
            },
        ]})
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let reviews = scene.of_pull(&scene.facts.reviews, FactKind::Reviews, "reviews")?;
        let reviewers = || reviews.iter().filter(|review| review.state == self.state);
        let count = reviewers().count();
        let verb = if self.state == ReviewState::Approved { "approved" } else { "changes requested" };
        let who = match count {
            0 => String::new(),
            _ => format!(" ({})", listed(reviewers().map(|review| review.reviewer.as_str()))),
        };
        let holds = self.count.holds(i64::try_from(count).unwrap_or(i64::MAX));
        let wanted = if holds { String::new() } else { format!(", needs {}", self.count) };
        seen(holds, format!("{verb} by {count}{who}{wanted}"))
    }
}
