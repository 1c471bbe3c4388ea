//! `checks`: how the checks on the head commit stand.

use serde_json::{Value, json};

use super::phrase::{listed, one_of};
use super::sight::{Seen, Unseen, seen};
use super::written::{Parsed, key, missing, names, texts_schema, unknown_keys, word};
use super::{Look, Scene};
use crate::core::facts::{CheckState, FactKind};
use crate::core::pattern::Globs;

const STATES: [(&str, CheckState); 3] =
    [("passing", CheckState::Passing), ("failing", CheckState::Failing), ("pending", CheckState::Pending)];

#[derive(Clone, Debug)]
pub(super) struct Checks {
    state: CheckState,
    names: Option<Globs>,
}

impl Look for Checks {
    const NAME: &'static str = "checks";
    const HELP: &'static str = "Check runs and commit statuses of the head commit. `passing`: there is at least one \
        and all pass; `failing`: any fails; `pending`: any is not finished. `names` looks only at checks that fit the \
        globs.";
    const EXAMPLE: &'static str = "checks: {state: passing, names: [build, \"test *\"]}";

    fn parse(written: &Value) -> Parsed<Self> {
        let Value::Object(map) = written else {
            return word(written, &STATES).map(|state| Self { state, names: None });
        };
        let mut errors = unknown_keys(map, &["state", "names"]);
        let state = key(map, "state", &mut errors, |value| word(value, &STATES));
        let names = key(map, "names", &mut errors, |value| names(value, "a check's name"));
        match state {
            Some(state) if errors.is_empty() => Ok(Self { state, names }),
            _ => Err(missing(errors, "`state` is missing: write `state: passing`, `failing` or `pending`")),
        }
    }

    fn schema() -> Value {
        let states = STATES.map(|(word, _)| word);
        json!({"anyOf": [
            {"enum": states},
            {
                "type": "object",
                "properties": {"state": {"enum": states}, "names": texts_schema()},
                "required": ["state"],
                "additionalProperties": false,
            },
        ]})
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let checks = scene.of_pull(&scene.facts.checks, FactKind::Checks, "checks")?;
        let looked_at = || checks.iter().filter(|check| self.names.as_ref().is_none_or(|g| g.selects(&check.name)));
        let of = looked_at().count();
        let which = self.names.as_ref().map(|globs| format!(" of {}", one_of(globs.texts()))).unwrap_or_default();
        if of == 0 {
            return seen(false, format!("there are no checks{which}"));
        }
        let in_state = |state: CheckState| looked_at().filter(move |check| check.state == state);
        let holds = match self.state {
            CheckState::Passing => in_state(CheckState::Passing).count() == of,
            state => in_state(state).next().is_some(),
        };
        let mut phrase = format!("{} of {of} checks{which} passing", in_state(CheckState::Passing).count());
        for (word, state) in [("failing", CheckState::Failing), ("pending", CheckState::Pending)] {
            let names = listed(in_state(state).map(|check| check.name.as_str()));
            if !names.is_empty() {
                phrase.push_str(&format!(", {word}: {names}"));
            }
        }
        seen(holds, phrase)
    }
}
