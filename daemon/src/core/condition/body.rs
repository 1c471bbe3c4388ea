//! `body`: the item's description.

use regex::Regex;
use serde_json::Value;

use super::phrase::Quoted;
use super::sight::{Seen, Unseen, seen};
use super::written::{Parsed, regex, regex_schema};
use super::{Look, Scene};

#[derive(Clone, Debug)]
pub(super) struct Body(Regex);

impl Look for Body {
    const NAME: &'static str = "body";
    const HELP: &'static str = "The description matches a regular expression (anywhere in it; `(?i)` ignores letters' case, `(?m)` anchors at lines).";
    const EXAMPLE: &'static str = "body: \"(?i)closes #[0-9]+\"";

    fn parse(written: &Value) -> Parsed<Self> {
        regex(written).map(Self)
    }

    fn schema() -> Value {
        regex_schema()
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let body = &scene.item()?.body;
        let wanted = Quoted(self.0.as_str());
        match self.0.find(body) {
            Some(found) => seen(true, format!("body matches {wanted}: {}", Quoted(found.as_str()))),
            None if body.is_empty() => seen(false, format!("body is empty, so it does not match {wanted}")),
            None => seen(false, format!("body ({} bytes) does not match {wanted}", body.len())),
        }
    }
}
