//! Sets of names on an item (labels, assignees), of which an action puts some there and takes some away.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hands::{newest, phrase, same_name};
use super::{Plan, Reversal, Settled};
use crate::core::hand::{Hand, HandChange, Move, Thing};

/// The parameters of such an action, and a change of such a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Names {
    /// Names to put there.
    #[serde(default)]
    pub add: Vec<String>,
    /// Names to take away.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// What the names are of.
#[derive(Clone, Copy)]
pub(super) struct Sort {
    pub noun: &'static str,
    pub thing: fn(String) -> Thing,
    pub longest: usize,
}

fn has(set: &[String], name: &str) -> bool {
    set.iter().any(|each| same_name(each, name))
}

impl Names {
    pub(super) fn check(&self, sort: Sort) -> Result<(), String> {
        let noun = sort.noun;
        if self.add.is_empty() && self.remove.is_empty() {
            return Err(format!("name at least one {noun} in `add` or `remove`"));
        }
        for name in self.add.iter().chain(&self.remove) {
            let length = name.chars().count();
            if name.trim().is_empty() || length > sort.longest || name.chars().any(char::is_control) {
                return Err(format!("`{name}` is no {noun}: it has 1 to {} characters on one line", sort.longest));
            }
        }
        match self.add.iter().find(|name| has(&self.remove, name)) {
            Some(both) => Err(format!("{noun} `{both}` is in both `add` and `remove`")),
            None => Ok(()),
        }
    }

    /// What is left to do, without what a person did the other way.
    pub(super) fn plan(&self, sort: Sort, state: &[String], hands: &[HandChange]) -> Plan<Self> {
        let mut held = Vec::new();
        let mut free = |name: &&String, hand: Hand| match newest(hands, &(sort.thing)((*name).clone()), hand) {
            Some(change) => {
                held.push(phrase(change));
                false
            }
            None => true,
        };
        let missing = self.add.iter().filter(|name| !has(state, name));
        let add: Vec<String> = missing.filter(|name| free(name, Hand::Taken)).cloned().collect();
        let present = state.iter().filter(|name| has(&self.remove, name));
        let remove: Vec<String> = present.filter(|name| free(name, Hand::Put)).cloned().collect();
        match (add.is_empty() && remove.is_empty(), held.is_empty()) {
            (false, true) => Plan::Change(Self { add, remove }),
            (false, false) => Plan::Part(Self { add, remove }, held.join("; ")),
            (true, true) => Plan::Nothing(self.as_wanted(sort)),
            (true, false) => Plan::Held(held.join("; ")),
        }
    }

    fn as_wanted(&self, sort: Sort) -> String {
        let say = |names: &[String], how: &str| {
            names.iter().map(|name| format!("{} `{name}` is {how}", sort.noun)).collect::<Vec<_>>()
        };
        [say(&self.add, "there already"), say(&self.remove, "not there")].concat().join("; ")
    }

    fn shows_in(&self, state: &[String]) -> bool {
        self.add.iter().all(|name| has(state, name)) && !self.remove.iter().any(|name| has(state, name))
    }

    /// Adding and removing names is the same done twice: what shows only partly may be written again.
    pub(super) fn settle(change: &Self, now: &[String]) -> Settled {
        if change.shows_in(now) { Settled::Happened } else { Settled::DidNot }
    }

    /// Names of one state that the other lacks, of those this action was told to touch: which way it touched them is in
    /// the states, so that taking back an undo is the same.
    fn of_one<'a>(&self, one: &'a [String], other: &[String]) -> Vec<&'a String> {
        let ours = |name: &String| has(&self.add, name) || has(&self.remove, name);
        one.iter().filter(|name| ours(name) && !has(other, name)).collect()
    }

    /// The things that changed between two states by this action.
    pub(super) fn touched(&self, sort: Sort, before: &[String], after: &[String]) -> Vec<Thing> {
        let names = self.of_one(after, before).into_iter().chain(self.of_one(before, after));
        names.map(|name| (sort.thing)(name.clone())).collect()
    }

    pub(super) fn moves(&self, sort: Sort) -> Vec<Move> {
        let moved = |names: &[String], hand: Hand| {
            names.iter().map(|name| Move { thing: (sort.thing)(name.clone()), hand }).collect::<Vec<_>>()
        };
        [moved(&self.add, Hand::Put), moved(&self.remove, Hand::Taken)].concat()
    }

    /// Takes back only what this action was told to touch and what really changed: of names that others changed in
    /// the meantime it knows nothing.
    pub(super) fn undo(&self, sort: Sort, before: &[String], after: &[String], now: &[String]) -> Reversal<Self> {
        let (put, taken) = (self.of_one(after, before), self.of_one(before, after));
        let touched = put.iter().chain(&taken);
        let (as_after, back): (Vec<&&String>, Vec<&&String>) =
            touched.partition(|name| has(now, name) == has(after, name));
        if as_after.is_empty() {
            Reversal::Nothing
        } else if let Some(name) = back.first() {
            Reversal::Refused(format!("{} `{name}` was changed since", sort.noun))
        } else {
            let own = |names: Vec<&String>| names.into_iter().cloned().collect();
            Reversal::Change(Self { add: own(taken), remove: own(put) })
        }
    }
}
