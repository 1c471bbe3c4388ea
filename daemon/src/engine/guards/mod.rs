//! How much may happen before a person has to look: which events our own effects caused, and which rules are stopped on
//! which item because they run in circles.
//!
//! Owns what a guard looks at and what it says. Refuses to know how an effect is carried out: `apply` asks before it
//! writes. Invariant: what a guard stops was not written, and its note says why and what lets it go on.

mod breaker;
mod cause;
mod fight;
mod owner;
pub(super) mod person;
pub mod reload;

pub(super) use breaker::stopped;
pub(super) use cause::cause_of;
pub(super) use owner::learn;

use crate::actions::{Bound, Origin};
use crate::store::effects::EffectRow;

/// The action of a stored effect; `None`: this version cannot read it.
fn bound(effect: &EffectRow) -> Option<Bound> {
    let intent = &effect.intent;
    let origin = Origin { rule: intent.rule.clone(), intent: intent.id, at: effect.created_at };
    Bound::new(&intent.action, &intent.params, intent.target.clone(), origin).ok()
}
