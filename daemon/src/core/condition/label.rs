//! `label`: whether the item has a label.

use serde_json::Value;

use super::phrase::{in_brackets, one_of};
use super::sight::{Seen, Unseen, seen};
use super::written::{Parsed, names, texts_schema};
use super::{Look, Scene};
use crate::core::pattern::Globs;

#[derive(Clone, Debug)]
pub(super) struct Label(Globs);

impl Look for Label {
    const NAME: &'static str = "label";
    const HELP: &'static str = "The issue or pull request has a label that fits: a name or glob, or a list of them \
        of which one is enough. Letters' case does not matter.";
    const EXAMPLE: &'static str = "label: [bug, \"area/*\"]";

    fn parse(written: &Value) -> Parsed<Self> {
        names(written, "a label").map(Self)
    }

    fn schema() -> Value {
        texts_schema()
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let labels = &scene.item()?.labels;
        let fits = labels.iter().find(|label| self.0.selects(label));
        let wanted = one_of(self.0.texts());
        match fits {
            Some(label) if self.0.texts() == [label.as_str()] => seen(true, format!("label {wanted} is present")),
            Some(label) => seen(true, format!("label {} fits {wanted}", super::phrase::Quoted(label))),
            None => {
                let all = in_brackets("labels", labels.iter().map(String::as_str));
                seen(false, format!("label {wanted} is absent{all}"))
            }
        }
    }
}
