//! `milestone`: the milestone the item is in.

use serde_json::Value;

use super::phrase::{Quoted, one_of};
use super::sight::{Seen, Unseen, seen};
use super::written::{NamesOrPresence, Parsed};
use super::{Look, Scene};

#[derive(Clone, Debug)]
pub(super) struct Milestone(NamesOrPresence);

impl Look for Milestone {
    const NAME: &'static str = "milestone";
    const HELP: &'static str = "The milestone's title fits a glob, or one of a list; `{present: true}` asks for any, `{present: false}` for none. Letters' case does not matter.";
    const EXAMPLE: &'static str = "milestone: \"v2.*\"";

    fn parse(written: &Value) -> Parsed<Self> {
        NamesOrPresence::parse(written, "a milestone").map(Self)
    }

    fn schema() -> Value {
        NamesOrPresence::schema()
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let milestone = scene.item()?.milestone.as_deref();
        let phrase = match milestone {
            Some(title) => format!("milestone is {}", Quoted(title)),
            None => "has no milestone".to_owned(),
        };
        match &self.0 {
            NamesOrPresence::Present(wanted) => seen(milestone.is_some() == *wanted, phrase),
            NamesOrPresence::Names(globs) => match milestone.filter(|title| globs.selects(title)) {
                Some(_) => seen(true, phrase),
                None => seen(false, format!("{phrase}, not {}", one_of(globs.texts()))),
            },
        }
    }
}
