//! `role`: what whoever caused the event may do in the repository.

use serde_json::{Value, json};

use super::phrase::Quoted;
use super::sight::{Seen, Unseen, inapplicable, seen};
use super::written::{Parsed, word};
use super::{Look, Scene};
use crate::core::facts::FactKind;
use crate::core::role::{ROLES, Role};

#[derive(Clone, Debug)]
pub(super) struct AtLeast(Role);

impl Look for AtLeast {
    const NAME: &'static str = "role";
    const HELP: &'static str = "The role in the repository of whoever caused the event is this or a higher one: `read`, \
        `triage`, `write`, `maintain` or `admin`. An organisation's own role counts as the one it is built on. Costs a \
        request.";
    const EXAMPLE: &'static str = "role: triage";

    fn parse(written: &Value) -> Parsed<Self> {
        word(written, &ROLES[1..]).map(Self)
    }

    fn schema() -> Value {
        json!({"enum": ROLES[1..].iter().map(|(word, _)| word).collect::<Vec<_>>()})
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let Some(actor) = &scene.event.actor else { return Err(inapplicable("the event names nobody who caused it")) };
        let role = *scene.known(&scene.facts.role, FactKind::Role)?;
        let holds = role >= self.0;
        let than = if holds { "at least" } else { "less than" };
        let role = if role == Role::None { "no role".to_owned() } else { format!("the role {role}") };
        seen(holds, format!("{} has {role}, {than} {}", Quoted(&actor.login), self.0))
    }
}
