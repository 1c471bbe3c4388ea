//! `author`: who opened the item.

use serde_json::Value;

use super::phrase::{Quoted, one_of};
use super::sight::{Seen, Unseen, seen};
use super::written::{Parsed, names, texts_schema};
use super::{Look, Scene};
use crate::core::pattern::Globs;

#[derive(Clone, Debug)]
pub(super) struct Author(Globs);

impl Look for Author {
    const NAME: &'static str = "author";
    const HELP: &'static str = "Who opened the issue or pull request: a login or glob, or a list of them of which one \
        is enough. Letters' case does not matter; `[bot]` is written as it is.";
    const EXAMPLE: &'static str = "author: [\"dependabot[bot]\", \"renovate*\"]";

    fn parse(written: &Value) -> Parsed<Self> {
        names(written, "a login").map(Self)
    }

    fn schema() -> Value {
        texts_schema()
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let author = &scene.item()?.author;
        let holds = self.0.selects(author);
        let (author, wanted) = (Quoted(author), one_of(self.0.texts()));
        seen(holds, format!("author {author} is {}{wanted}", if holds { "" } else { "not " }))
    }
}
