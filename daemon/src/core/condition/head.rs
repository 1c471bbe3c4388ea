//! `head`: the branch a pull request comes from.

use serde_json::Value;

use super::phrase::{Quoted, one_of};
use super::sight::{Seen, Unseen, seen};
use super::written::{Parsed, globs, texts_schema};
use super::{Look, Scene};
use crate::core::pattern::Globs;

#[derive(Clone, Debug)]
pub(super) struct Head(Globs);

impl Look for Head {
    const NAME: &'static str = "head";
    const HELP: &'static str =
        "The branch the pull request comes from: a glob, or a list in which `!` negates and the last fit wins.";
    const EXAMPLE: &'static str = "head: \"dependabot/**\"";

    fn parse(written: &Value) -> Parsed<Self> {
        globs(written, "a branch").map(Self)
    }

    fn schema() -> Value {
        texts_schema()
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let branch = &scene.pull("head branch")?.head;
        let holds = self.0.selects(branch);
        let (branch, wanted) = (Quoted(branch), one_of(self.0.texts()));
        seen(holds, format!("head branch {branch} is {}{wanted}", if holds { "" } else { "not " }))
    }
}
