//! `assignee`: who is assigned.

use serde_json::Value;

use super::phrase::{Quoted, in_brackets, one_of};
use super::sight::{Seen, Unseen, seen};
use super::written::{NamesOrPresence, Parsed};
use super::{Look, Scene};

#[derive(Clone, Debug)]
pub(super) struct Assignee(NamesOrPresence);

impl Look for Assignee {
    const NAME: &'static str = "assignee";
    const HELP: &'static str = "Someone who fits is assigned: a login or glob, or a list of which one is enough; `{present: true}` asks for anyone, `{present: false}` for nobody.";
    const EXAMPLE: &'static str = "assignee: {present: false}";

    fn parse(written: &Value) -> Parsed<Self> {
        NamesOrPresence::parse(written, "a login").map(Self)
    }

    fn schema() -> Value {
        NamesOrPresence::schema()
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let assignees = &scene.item()?.assignees;
        let all = || in_brackets("assignees", assignees.iter().map(String::as_str));
        match &self.0 {
            NamesOrPresence::Present(wanted) => {
                let present = !assignees.is_empty();
                seen(present == *wanted, format!("{} is assigned{}", if present { "someone" } else { "nobody" }, all()))
            }
            NamesOrPresence::Names(globs) => match assignees.iter().find(|login| globs.selects(login)) {
                Some(login) => seen(true, format!("{} is assigned", Quoted(login))),
                None => seen(false, format!("{} is not assigned{}", one_of(globs.texts()), all())),
            },
        }
    }
}
