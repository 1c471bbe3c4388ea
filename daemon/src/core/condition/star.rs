//! `star`: how many stars the repository has.

use serde_json::{Value, json};

use super::comparison::Comparison;
use super::sight::{Seen, Unseen, inapplicable, seen};
use super::written::Parsed;
use super::{Look, Scene};

#[derive(Clone, Debug)]
pub(super) struct Star(Comparison);

impl Look for Star {
    const NAME: &'static str = "star";
    const HELP: &'static str = "How many stars the repository has, as the payload tells.";
    const EXAMPLE: &'static str = "star: \">= 100\"";

    fn parse(written: &Value) -> Parsed<Self> {
        Comparison::number(written).map(Self)
    }

    fn schema() -> Value {
        json!({"type": ["string", "integer"]})
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let repository = scene.event.payload.get("repository");
        let stars = repository.and_then(|repository| repository.get("stargazers_count")).and_then(Value::as_i64);
        let stars = stars.ok_or_else(|| inapplicable("the event does not tell the repository's stars"))?;
        let holds = self.0.holds(stars);
        seen(holds, format!("repository has {stars} stars, {}{}", if holds { "" } else { "not " }, self.0))
    }
}
