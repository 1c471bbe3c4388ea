//! `comment`: what the comment of the event says, and who wrote it.

use regex::Regex;
use serde_json::{Value, json};

use super::phrase::{Quoted, one_of};
use super::sight::{Seen, Unseen, inapplicable, seen};
use super::written::{Parsed, key, missing, names, regex, regex_schema, texts_schema, unknown_keys};
use super::{Look, Scene};
use crate::core::pattern::Globs;

#[derive(Clone, Debug)]
pub(super) struct Comment {
    body: Option<Regex>,
    author: Option<Globs>,
}

impl Look for Comment {
    const NAME: &'static str = "comment";
    const HELP: &'static str = "The comment (or the review) that the event brings matches a regular expression; with \
        `{body: ..., author: [...]}` also who wrote it. False for events that bring none.";
    const EXAMPLE: &'static str = "comment: {body: \"^/retest\", author: [octocat]}";

    fn parse(written: &Value) -> Parsed<Self> {
        let Value::Object(map) = written else {
            return regex(written).map(|body| Self { body: Some(body), author: None });
        };
        let mut errors = unknown_keys(map, &["body", "author"]);
        let body = key(map, "body", &mut errors, regex);
        let author = key(map, "author", &mut errors, |value| names(value, "a login"));
        if errors.is_empty() && (body.is_some() || author.is_some()) {
            Ok(Self { body, author })
        } else {
            Err(missing(errors, "write a `body`, an `author`, or both"))
        }
    }

    fn schema() -> Value {
        json!({"anyOf": [
            regex_schema(),
            {
                "type": "object",
                "properties": {"body": regex_schema(), "author": texts_schema()},
                "minProperties": 1,
                "additionalProperties": false,
            },
        ]})
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let payload = &scene.event.payload;
        let comment = payload.get("comment").or_else(|| payload.get("review"));
        let comment = comment.ok_or_else(|| inapplicable("the event brings no comment"))?;
        let text = |pointer: &str| comment.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let author = text("/user/login");
        if let Some(wanted) = self.author.as_ref().filter(|wanted| !wanted.selects(author)) {
            return seen(false, format!("comment is by {}, not {}", Quoted(author), one_of(wanted.texts())));
        }
        let by = Quoted(author);
        let Some(body) = &self.body else {
            return seen(true, format!("comment is by {by}"));
        };
        match body.find(text("/body")) {
            Some(found) => {
                let found = Quoted(found.as_str());
                seen(true, format!("comment by {by} matches {}: {found}", Quoted(body.as_str())))
            }
            None => seen(false, format!("comment by {by} does not match {}", Quoted(body.as_str()))),
        }
    }
}
