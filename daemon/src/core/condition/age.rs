//! `age`: how long ago the item was opened or last changed, as seen from the event.

use serde_json::{Value, json};

use super::comparison::{Comparison, spoken};
use super::sight::{Seen, Unseen, inapplicable, seen};
use super::written::{Parsed, key, missing, unknown_keys, word};
use super::{Look, Scene};

#[derive(Clone, Copy, Debug)]
enum Since {
    Created,
    Updated,
}

const SINCE: [(&str, Since); 2] = [("created", Since::Created), ("updated", Since::Updated)];

#[derive(Clone, Debug)]
pub(super) struct Age {
    since: Since,
    is: Comparison,
}

impl Look for Age {
    const NAME: &'static str = "age";
    const HELP: &'static str = "How long before the event the issue or pull request was created, or with `since: \
        updated` last changed. Units: m, h, d, w; at most 36500d.";
    const EXAMPLE: &'static str = "age: {since: updated, is: \"> 7d\"}";

    fn parse(written: &Value) -> Parsed<Self> {
        let Value::Object(map) = written else {
            return Comparison::duration(written).map(|is| Self { since: Since::Created, is });
        };
        let mut errors = unknown_keys(map, &["since", "is"]);
        let since = key(map, "since", &mut errors, |value| word(value, &SINCE));
        let is = key(map, "is", &mut errors, Comparison::duration);
        match is {
            Some(is) if errors.is_empty() => Ok(Self { since: since.unwrap_or(Since::Created), is }),
            _ => Err(missing(errors, "`is` is missing: write `is: \"> 7d\"`")),
        }
    }

    fn schema() -> Value {
        let pattern = "^ *(>=|<=|>|<) *[0-9]+ *[mhdw] *$";
        json!({"anyOf": [
            {"type": "string", "pattern": pattern},
            {
                "type": "object",
                "properties": {
                    "since": {"enum": SINCE.map(|(word, _)| word)},
                    "is": {"type": "string", "pattern": pattern},
                },
                "required": ["is"],
                "additionalProperties": false,
            },
        ]})
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let item = scene.item()?;
        let (word, at) = match self.since {
            Since::Created => ("created", item.created_at),
            Since::Updated => ("updated", item.updated_at),
        };
        let at = at.ok_or_else(|| inapplicable(format!("when it was {word} is not told")))?;
        let age = scene.event.received_at.signed_duration_since(at).num_seconds();
        let holds = self.is.holds(age);
        let wanted = if holds { "" } else { "not " };
        seen(holds, format!("{word} {} before the event, {wanted}{}", spoken(age), self.is))
    }
}
