//! `state`: open, closed or merged.

use serde_json::{Value, json};

use super::sight::{Seen, Unseen, seen};
use super::written::{Parsed, word, wrong};
use super::{Look, Scene};
use crate::core::facts::ItemState;

const STATES: [(&str, ItemState); 3] =
    [("open", ItemState::Open), ("closed", ItemState::Closed), ("merged", ItemState::Merged)];

#[derive(Clone, Debug)]
pub(super) struct State(Vec<ItemState>);

impl Look for State {
    const NAME: &'static str = "state";
    const HELP: &'static str = "The state: `open`, `closed` or `merged`, or a list of which one is enough. `closed` \
        means closed without being merged.";
    const EXAMPLE: &'static str = "state: [closed, merged]";

    fn parse(written: &Value) -> Parsed<Self> {
        let Value::Array(list) = written else {
            return word(written, &STATES).map(|state| Self(vec![state]));
        };
        if list.is_empty() {
            return Err(wrong("the list needs at least one state"));
        }
        let mut states = Vec::new();
        let mut errors = Vec::new();
        for (index, each) in list.iter().enumerate() {
            match word(each, &STATES) {
                Ok(state) => states.push(state),
                Err(more) => errors.extend(more.into_iter().map(|error| error.under(&index.to_string()))),
            }
        }
        if errors.is_empty() { Ok(Self(states)) } else { Err(errors) }
    }

    fn schema() -> Value {
        let states = STATES.map(|(word, _)| word);
        json!({"anyOf": [{"enum": states}, {"type": "array", "items": {"enum": states}, "minItems": 1}]})
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let state = scene.item()?.state;
        let said = |state: ItemState| STATES.iter().find(|(_, known)| *known == state).map_or("", |(word, _)| *word);
        if self.0.contains(&state) {
            seen(true, format!("state is `{}`", said(state)))
        } else {
            let wanted: Vec<&str> = self.0.iter().map(|state| said(*state)).collect();
            seen(false, format!("state is `{}`, not `{}`", said(state), wanted.join("` or `")))
        }
    }
}
