//! `base`: the branch a pull request goes to.

use serde_json::Value;

use super::phrase::{Quoted, one_of};
use super::sight::{Seen, Unseen, seen};
use super::written::{Parsed, globs, texts_schema};
use super::{Look, Scene};
use crate::core::pattern::Globs;

#[derive(Clone, Debug)]
pub(super) struct Base(Globs);

impl Look for Base {
    const NAME: &'static str = "base";
    const HELP: &'static str = "The branch the pull request is to be merged into: a glob, or a list in which `!` negates and the last fit wins.";
    const EXAMPLE: &'static str = "base: [main, \"release/**\", \"!release/0.*\"]";

    fn parse(written: &Value) -> Parsed<Self> {
        globs(written, "a branch").map(Self)
    }

    fn schema() -> Value {
        texts_schema()
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let branch = &scene.pull("base branch")?.base;
        let holds = self.0.selects(branch);
        let (branch, wanted) = (Quoted(branch), one_of(self.0.texts()));
        seen(holds, format!("base branch {branch} is {}{wanted}", if holds { "" } else { "not " }))
    }
}
