//! `files`: which paths a pull request changes.

use serde_json::{Value, json};

use super::phrase::{listed, one_of};
use super::sight::{Seen, Unseen, seen};
use super::written::{Parsed, globs, key, missing, texts_schema, unknown_keys};
use super::{Look, Scene};
use crate::core::facts::FactKind;
use crate::core::pattern::Globs;

#[derive(Clone, Debug)]
pub(super) struct Files {
    globs: Globs,
    /// Every changed file must be selected, not just one.
    all: bool,
}

impl Look for Files {
    const NAME: &'static str = "files";
    const HELP: &'static str = "A changed file is selected by the globs: `!` negates, the last one that fits decides, \
        `*` stops at `/` and `**` does not. With `{all: [...]}` every changed file must be selected. GitHub lists at \
        most 3,000 files of a pull request.";
    const EXAMPLE: &'static str = "files: [\"docs/**\", \"*.md\", \"!docs/generated/**\"]";

    fn parse(written: &Value) -> Parsed<Self> {
        let Value::Object(map) = written else {
            return globs(written, "a glob").map(|globs| Self { globs, all: false });
        };
        let mut errors = unknown_keys(map, &["all"]);
        match key(map, "all", &mut errors, |value| globs(value, "a glob")) {
            Some(globs) if errors.is_empty() => Ok(Self { globs, all: true }),
            _ => Err(missing(errors, "write a list of globs, or `{all: [...]}`")),
        }
    }

    fn schema() -> Value {
        json!({"anyOf": [
            texts_schema(),
            {
                "type": "object",
                "properties": {"all": texts_schema()},
                "required": ["all"],
                "additionalProperties": false,
            },
        ]})
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let files = scene.of_pull(&scene.facts.files, FactKind::Files, "changed files")?;
        let chosen = |wanted: bool| files.iter().filter(move |file| self.globs.selects(file) == wanted);
        let (fit, of) = (chosen(true).count(), files.len());
        let noun = if of == 1 { "file matches" } else { "files match" };
        let counted = format!("{fit} of {of} {noun} {}", one_of(self.globs.texts()));
        let holds = if self.all { of > 0 && fit == of } else { fit > 0 };
        // Shown are the files that settled it: those that fit, or with `all` those that spoil it.
        let shown = listed(chosen(holds || !self.all).map(String::as_str));
        match (shown.is_empty(), self.all && !holds) {
            (true, _) => seen(holds, counted),
            (false, true) => seen(holds, format!("{counted} (not {shown})")),
            (false, false) => seen(holds, format!("{counted} ({shown})")),
        }
    }
}
