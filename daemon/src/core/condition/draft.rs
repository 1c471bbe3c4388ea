//! `draft`: whether a pull request is a draft.

use serde_json::{Value, json};

use super::sight::{Seen, Unseen, seen};
use super::written::{Parsed, boolean};
use super::{Look, Scene};

#[derive(Clone, Debug)]
pub(super) struct Draft(bool);

impl Look for Draft {
    const NAME: &'static str = "draft";
    const HELP: &'static str = "Whether the pull request is a draft.";
    const EXAMPLE: &'static str = "draft: false";

    fn parse(written: &Value) -> Parsed<Self> {
        boolean(written).map(Self)
    }

    fn schema() -> Value {
        json!({"type": "boolean"})
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let draft = scene.pull("draft state")?.draft;
        seen(draft == self.0, if draft { "is a draft" } else { "is not a draft" })
    }
}
