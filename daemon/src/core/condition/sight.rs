//! What a leaf may look at, and what it says when it cannot.

use super::Scene;
use crate::core::facts::{FactKind, Item, ItemKind, Known, Pull, Run};

/// A leaf's answer: whether it holds, and the phrase with the value seen.
pub(super) struct Seen {
    pub(super) holds: bool,
    pub(super) phrase: String,
}

/// Why a leaf has no answer of its own.
pub(super) enum Unseen {
    /// The event or item has no such thing, so the leaf does not hold; the phrase says so.
    Inapplicable(String),
    /// The fact must be fetched first.
    NotYet(FactKind),
    /// The fact cannot be had; the text says why.
    Unavailable(FactKind, String),
}

pub(super) fn seen(holds: bool, phrase: impl Into<String>) -> Result<Seen, Unseen> {
    Ok(Seen { holds, phrase: phrase.into() })
}

pub(super) fn inapplicable(phrase: impl Into<String>) -> Unseen {
    Unseen::Inapplicable(phrase.into())
}

impl<'a> Scene<'a> {
    /// The issue or pull request.
    pub(super) fn item(self) -> Result<&'a Item, Unseen> {
        match &self.facts.item {
            Some(known) => had(known, FactKind::Item),
            None => Err(inapplicable("the event is about no issue or pull request")),
        }
    }

    /// What only a pull request has; `what` is the thing wanted of it ("base branch").
    pub(super) fn pull(self, what: &str) -> Result<&'a Pull, Unseen> {
        let item = self.item()?;
        match item.kind {
            ItemKind::Issue => Err(has_no(what)),
            ItemKind::PullRequest => had(&item.pull, FactKind::Item),
        }
    }

    /// A fact that costs a request, whatever the event is about.
    pub(super) fn known<T>(self, fact: &'a Known<T>, kind: FactKind) -> Result<&'a T, Unseen> {
        had(fact, kind)
    }

    /// The run of a workflow.
    pub(super) fn run(self) -> Result<&'a Run, Unseen> {
        match self.event.run() {
            Some(_) => had(&self.facts.run, FactKind::Run),
            None => Err(inapplicable("the event is about no workflow run")),
        }
    }

    /// A fact that only a pull request has and that costs a request.
    pub(super) fn of_pull<T>(self, fact: &'a Known<T>, kind: FactKind, what: &str) -> Result<&'a T, Unseen> {
        match &self.facts.item {
            None => Err(inapplicable("the event is about no issue or pull request")),
            Some(Known::Is(item)) if item.kind == ItemKind::Issue => Err(has_no(what)),
            Some(_) => had(fact, kind),
        }
    }
}

fn has_no(what: &str) -> Unseen {
    inapplicable(format!("it is an issue, so it has no {what}"))
}

fn had<T>(known: &Known<T>, kind: FactKind) -> Result<&T, Unseen> {
    match known {
        Known::Is(value) => Ok(value),
        Known::NotYet => Err(Unseen::NotYet(kind)),
        Known::Unavailable(reason) => Err(Unseen::Unavailable(kind, reason.clone())),
    }
}
