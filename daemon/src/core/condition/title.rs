//! `title`: what the item is called.

use regex::Regex;
use serde_json::Value;

use super::phrase::Quoted;
use super::sight::{Seen, Unseen, seen};
use super::written::{Parsed, regex, regex_schema};
use super::{Look, Scene};

#[derive(Clone, Debug)]
pub(super) struct Title(Regex);

impl Look for Title {
    const NAME: &'static str = "title";
    const HELP: &'static str = "The title matches a regular expression (anywhere in it; anchor with `^` and `$`; `(?i)` ignores letters' case).";
    const EXAMPLE: &'static str = "title: \"^(feat|fix)(\\\\(.+\\\\))?: \"";

    fn parse(written: &Value) -> Parsed<Self> {
        regex(written).map(Self)
    }

    fn schema() -> Value {
        regex_schema()
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let title = &scene.item()?.title;
        let holds = self.0.is_match(title);
        let verb = if holds { "matches" } else { "does not match" };
        seen(holds, format!("title {} {verb} {}", Quoted(title), Quoted(self.0.as_str())))
    }
}
