//! Whom to ask, given what was read. Pure, and without chance: two daemons choose the same.

use serde::{Deserialize, Serialize};

use super::params::{By, Pick};
use crate::actions::reviews::Stand;
use crate::actions::{Plan, hands};
use crate::core::hand::{Hand, HandChange, Thing};
use crate::core::reviewer::Reviewer;

/// Somebody who could be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::actions) struct Candidate {
    pub who: Reviewer,
    /// Open requests in this repository, where the strategy counts them.
    #[serde(default)]
    pub load: u32,
    /// No collaborator, or a team of another organisation: GitHub would refuse the whole request.
    #[serde(default)]
    pub stranger: bool,
}

/// What is read before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::actions) struct State {
    pub stand: Stand,
    pub number: u64,
    pub requested: Vec<Reviewer>,
    pub reviewed: Vec<Reviewer>,
    /// Sorted, without the author and those excluded.
    pub candidates: Vec<Candidate>,
    /// Teams whose members may be asked in their place, and are among the candidates.
    pub opened: Vec<Reviewer>,
    /// Teams whose members the App may not read; they are candidates themselves.
    pub closed: Vec<Reviewer>,
    /// Why there are fewer candidates than one might expect.
    pub remarks: Vec<String>,
}

/// Requests to make, and to take back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::actions) struct Change {
    #[serde(default)]
    pub request: Vec<Reviewer>,
    #[serde(default)]
    pub remove: Vec<Reviewer>,
}

impl State {
    /// Whether the review is requested or was given.
    pub(super) fn is_asked(&self, who: &Reviewer) -> bool {
        self.requested.contains(who) || self.reviewed.contains(who)
    }

    fn asked(&self) -> impl Iterator<Item = &Reviewer> {
        let candidates = self.candidates.iter().map(|candidate| &candidate.who);
        candidates.chain(&self.opened).filter(|who| self.is_asked(who))
    }

    /// Candidates in the order they would be asked in.
    pub(super) fn order(&self, by: By) -> Vec<&Candidate> {
        let mut order: Vec<&Candidate> = self.candidates.iter().collect();
        if let Some(turn) = self.number.checked_rem(order.len() as u64) {
            order.rotate_left(usize::try_from(turn).unwrap_or(0));
        }
        if by == By::Load {
            order.sort_by_key(|candidate| candidate.load);
        }
        order
    }
}

/// The change by which a person took this reviewer off.
fn taken<'a>(hands: &'a [HandChange], who: &Reviewer) -> Option<&'a HandChange> {
    hands::newest(hands, &Thing::Reviewer(who.to_string()), Hand::Taken)
}

/// Said of somebody whom GitHub would not let us ask.
fn stranger(who: &Reviewer) -> String {
    format!("`{who}` is no collaborator of the repository, so GitHub takes no review request for them")
}

fn closed_team(who: &Reviewer) -> String {
    format!(
        "the members of `{who}` could not be read, so the team itself is asked (to choose among them, grant the App \
         the organisation's permission `Members: read`)"
    )
}

pub(super) fn plan(pick: Pick, state: &State, hands: &[HandChange]) -> Plan<Change> {
    if let Some(why) = state.stand.hindrance() {
        return Plan::Held(why.to_owned());
    }
    let free: Vec<&Candidate> = match pick {
        Pick::All => state.candidates.iter().collect(),
        Pick::Some { by, .. } => state.order(by),
    };
    let free = free.into_iter().filter(|candidate| !state.is_asked(&candidate.who));
    let (off, free): (Vec<_>, Vec<_>) = free.partition(|candidate| taken(hands, &candidate.who).is_some());
    let (strangers, free): (Vec<_>, Vec<_>) = free.into_iter().partition(|candidate| candidate.stranger);
    let off: Vec<&HandChange> = off.iter().filter_map(|candidate| taken(hands, &candidate.who)).collect();
    let places = match pick {
        Pick::All => free.len(),
        Pick::Some { count, .. } => count.saturating_sub(state.asked().count() + kept_empty(&off)),
    };
    let request: Vec<Reviewer> = free.iter().take(places).map(|candidate| candidate.who.clone()).collect();

    let is_short = match pick {
        Pick::All => true,
        Pick::Some { count, .. } => state.asked().count() + request.len() < count,
    };
    let mut held: Vec<String> = Vec::new();
    if is_short {
        held.extend(off.iter().map(|change| hands::phrase(change)));
        held.extend(strangers.iter().map(|candidate| stranger(&candidate.who)));
    }
    if request.is_empty() && held.is_empty() && state.asked().next().is_none() {
        held.clone_from(&state.remarks);
    }
    let closed = request.iter().filter(|who| state.closed.contains(who));
    held.extend(closed.map(closed_team));
    match (request.is_empty(), held.is_empty()) {
        (true, true) => Plan::Nothing(as_wanted(state)),
        (true, false) => Plan::Held(held.join("; ")),
        (false, true) => Plan::Change(Change { request, remove: Vec::new() }),
        (false, false) => Plan::Part(Change { request, remove: Vec::new() }, held.join("; ")),
    }
}

/// Places that a person emptied and nobody fills: whom another took off is not replaced, who declined is.
fn kept_empty(off: &[&HandChange]) -> usize {
    let declined = |change: &HandChange| match &change.thing {
        Thing::Reviewer(name) => hands::same_name(name, &change.by),
        _ => false,
    };
    off.iter().filter(|change| !declined(change)).count()
}

fn as_wanted(state: &State) -> String {
    let asked = state.asked().map(|who| {
        let how = if state.requested.contains(who) { "is asked already" } else { "has reviewed" };
        format!("`{who}` {how}")
    });
    let said: Vec<String> = asked.collect();
    if said.is_empty() { "there is nobody to ask beside the author".to_owned() } else { said.join("; ") }
}
