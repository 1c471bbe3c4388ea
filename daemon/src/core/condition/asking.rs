//! What a condition may ask GitHub for, whatever happens: the permissions of an App follow from it.

use chrono::DateTime;
use serde_json::json;
use uuid::Uuid;

use super::sight::Unseen;
use super::{Condition, Leaf, Scene};
use crate::core::event::{Actor, Event, EventId};
use crate::core::facts::{FactKind, FactKinds, Facts, Known, Run, item_from_issue, item_from_pull};
use crate::core::role::Role;

impl Condition {
    /// The facts that it may ask for about a pull request, of which there is the most to ask.
    pub fn may_ask_for(&self) -> FactKinds {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::may_ask_for).collect(),
            Self::Not(part) => part.may_ask_for(),
            Self::Leaf(leaf) => asked(leaf),
        }
    }
}

/// Looks, and answers what is asked for, until nothing more is.
fn asked(leaf: &Leaf) -> FactKinds {
    let of_run = json!({"workflow_context": {"run_id": 1}});
    let event = Event {
        actor: Some(Actor { login: String::new(), is_bot: false }),
        item: Some(1),
        ..Event::from_payload(EventId(Uuid::nil()), "pull_request", DateTime::UNIX_EPOCH, of_run)
    };
    // As payloads have it at the least: described, but for its branches.
    let seen_as_issue = Known::Is(item_from_issue(&json!({"pull_request": {}})));
    let mut facts = Facts { item: Some(seen_as_issue), ..Facts::default() };
    let mut asked = FactKinds::new();
    while let Err(Unseen::NotYet(kind)) = leaf.0.look(Scene { event: &event, facts: &facts }) {
        // Asked for again it would be for ever.
        if !asked.insert(kind) {
            break;
        }
        match kind {
            FactKind::Item => facts.item = Some(Known::Is(item_from_pull(&json!({})))),
            FactKind::Files => facts.files = Known::Is(Vec::new()),
            FactKind::Reviews => facts.reviews = Known::Is(Vec::new()),
            FactKind::Checks => facts.checks = Known::Is(Vec::new()),
            FactKind::Role => facts.role = Known::Is(Role::None),
            FactKind::Run => facts.run = Known::Is(Run::default()),
        }
    }
    asked
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn of(written: &Value) -> Vec<FactKind> {
        Condition::parse(written).unwrap().may_ask_for().into_iter().collect()
    }

    #[test]
    fn every_fact_that_some_leaf_looks_at_is_named() {
        use FactKind::{Checks, Files, Item, Reviews, Role, Run};
        assert_eq!(of(&json!({"files": "docs/**"})), [Files]);
        assert_eq!(of(&json!({"draft": true})), [Item]);
        assert_eq!(of(&json!({"label": "bug"})), []);
        assert_eq!(of(&json!({"comment": "hello"})), []);
        assert_eq!(of(&json!({"all": [{"checks": "passing"}, {"not": {"role": "write"}}]})), [Checks, Role]);
        let all = "size(files) > 1 && size(reviews) > 1 && size(checks) > 1 && item.draft && role == 'read' && run.attempt > 1";
        assert_eq!(of(&json!({"expr": all})), [Item, Files, Reviews, Checks, Role, Run]);
    }
}
