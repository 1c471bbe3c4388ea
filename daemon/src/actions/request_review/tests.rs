#![allow(clippy::unwrap_used)]

use chrono::DateTime;
use proptest::prelude::*;

use super::choice::{Candidate, plan};
use super::params::{By, Pick};
use super::*;
use crate::actions::reviews::Stand;
use crate::core::event::RepoName;
use crate::core::hand::{Hand, Thing};

fn who(name: &str) -> Reviewer {
    Reviewer::parse(name).unwrap()
}

fn all(names: &[&str]) -> Vec<Reviewer> {
    names.iter().map(|name| who(name)).collect()
}

fn candidate(name: &str) -> Candidate {
    Candidate { who: who(name), load: 0, stranger: false }
}

fn state(number: u64, candidates: &[&str]) -> State {
    State {
        stand: Stand::Open,
        number,
        requested: Vec::new(),
        reviewed: Vec::new(),
        candidates: candidates.iter().map(|name| candidate(name)).collect(),
        opened: Vec::new(),
        closed: Vec::new(),
        remarks: Vec::new(),
    }
}

fn some(count: usize, by: By) -> Pick {
    Pick::Some { count, by }
}

fn taken_off(name: &str, by: &str) -> HandChange {
    HandChange {
        repository: RepoName::parse("acme/app").unwrap(),
        number: 7,
        thing: Thing::Reviewer(name.to_owned()),
        hand: Hand::Taken,
        by: by.to_owned(),
        at: DateTime::from_timestamp(1, 0).unwrap(),
    }
}

fn asks(plan: Plan<Change>) -> Vec<String> {
    match plan {
        Plan::Change(change) | Plan::Part(change, _) => change.request.into_iter().map(String::from).collect(),
        other => panic!("somebody is asked, not {other:?}"),
    }
}

fn held(plan: Plan<Change>) -> String {
    match plan {
        Plan::Held(why) | Plan::Part(_, why) => why,
        other => panic!("something is held back, not {other:?}"),
    }
}

#[test]
fn in_turn_by_number_and_by_load() {
    let turn = |number| asks(plan(some(1, By::RoundRobin), &state(number, &["ann", "bob", "cat"]), &[]));
    assert_eq!((turn(3), turn(4), turn(5)), (vec!["ann".into()], vec!["bob".into()], vec!["cat".into()]));
    let mut busy = state(3, &["ann", "bob", "cat"]);
    busy.candidates[0].load = 2;
    busy.candidates[2].load = 1;
    assert_eq!(asks(plan(some(2, By::Load), &busy, &[])), ["bob", "cat"]);
}

#[test]
fn who_is_asked_or_has_reviewed_counts() {
    let mut some_asked = state(3, &["ann", "bob", "cat"]);
    some_asked.requested = all(&["Ann", "eve"]);
    assert!(
        matches!(plan(some(1, By::RoundRobin), &some_asked, &[]), Plan::Nothing(why) if why == "`ann` is asked already")
    );
    assert_eq!(asks(plan(some(2, By::RoundRobin), &some_asked, &[])), ["bob"]);
    some_asked.reviewed = all(&["bob"]);
    assert!(
        matches!(plan(some(2, By::RoundRobin), &some_asked, &[]), Plan::Nothing(why) if why.contains("`bob` has reviewed"))
    );
    assert_eq!(asks(plan(Pick::All, &some_asked, &[])), ["cat"]);
    // The team is asked, of which anybody would have been.
    let team = State { requested: all(&["acme/docs"]), opened: all(&["acme/docs"]), ..state(3, &["ann"]) };
    assert!(matches!(plan(some(1, By::RoundRobin), &team, &[]), Plan::Nothing(_)));
}

#[test]
fn invariant_7_whom_a_person_took_off_is_not_asked_again() {
    let one = state(3, &["ann", "bob"]);
    let by_alice = [taken_off("ANN", "alice")];
    let why = held(plan(some(1, By::RoundRobin), &one, &by_alice));
    assert_eq!(why, "the review request for `ANN` was removed by alice on 1970-01-01");
    assert_eq!(asks(plan(some(2, By::RoundRobin), &one, &by_alice)), ["bob"]);
    assert!(held(plan(some(2, By::RoundRobin), &one, &by_alice)).contains("removed by alice"));
    assert_eq!(asks(plan(Pick::All, &one, &by_alice)), ["bob"]);
    // She has no time herself: the next one is asked.
    assert_eq!(asks(plan(some(1, By::RoundRobin), &one, &[taken_off("ann", "ann")])), ["bob"]);
    let back = State { requested: all(&["ann"]), ..one };
    assert!(matches!(plan(some(1, By::RoundRobin), &back, &by_alice), Plan::Nothing(_)));
}

#[test]
fn whom_github_would_refuse_is_passed_over() {
    let mut one = state(2, &["ann", "zoe"]);
    one.candidates[0].stranger = true;
    assert_eq!(
        plan(some(1, By::RoundRobin), &one, &[]),
        Plan::Change(Change { request: all(&["zoe"]), remove: vec![] })
    );
    assert!(held(plan(Pick::All, &one, &[])).contains("`ann` is no collaborator"));
    one.candidates.truncate(1);
    assert!(held(plan(some(1, By::RoundRobin), &one, &[])).contains("`ann` is no collaborator"));
}

#[test]
fn what_hinders_is_said() {
    let missing = State { stand: Stand::NoPull, ..state(1, &[]) };
    assert!(held(plan(Pick::All, &missing, &[])).contains("no pull request"));
    let closed = State { stand: Stand::Closed, ..state(1, &["ann"]) };
    assert!(held(plan(Pick::All, &closed, &[])).contains("not open"));
    assert_eq!(
        plan(Pick::All, &state(1, &[]), &[]),
        Plan::Nothing("there is nobody to ask beside the author".to_owned())
    );
    let team = State { closed: all(&["acme/docs"]), ..state(1, &["acme/docs"]) };
    assert!(held(plan(some(1, By::Load), &team, &[])).contains("`Members: read`"));
}

#[test]
fn an_interrupted_request_is_judged_by_who_is_asked() {
    let params: Params = serde_json::from_value(json!({"from": ["ann", "bob"]})).unwrap();
    let before = state(1, &["ann", "bob"]);
    let change = Change { request: all(&["ann", "bob"]), remove: vec![] };
    let now = |requested: &[&str], reviewed: &[&str]| State {
        requested: all(requested),
        reviewed: all(reviewed),
        ..before.clone()
    };
    assert_eq!(params.settle(&before, &change, &now(&[], &[])), Settled::DidNot);
    assert_eq!(params.settle(&before, &change, &now(&["ann"], &[])), Settled::DidNot);
    assert_eq!(params.settle(&before, &change, &now(&["bob", "ann"], &[])), Settled::Happened);
    assert_eq!(params.settle(&before, &change, &now(&["ann"], &["bob"])), Settled::Happened);
    let back = Change { request: vec![], remove: all(&["ann"]) };
    assert_eq!(params.settle(&before, &back, &now(&["ann"], &[])), Settled::DidNot);
    assert_eq!(params.settle(&before, &back, &now(&["bob"], &[])), Settled::Happened);
}

#[test]
fn undo_takes_back_what_is_open_and_redo_asks_again() {
    let params: Params = serde_json::from_value(json!({"from": ["ann", "bob"]})).unwrap();
    let at = |requested: &[&str], reviewed: &[&str]| State {
        requested: all(requested),
        reviewed: all(reviewed),
        ..state(1, &["ann", "bob"])
    };
    let (before, after) = (at(&["eve"], &[]), at(&["eve", "ann", "bob"], &[]));
    let undo = |now: &State| params.undo(&before, &after, now);
    let removes = |names: &[&str]| Reversal::Change(Change { request: vec![], remove: all(names) });
    assert_eq!(undo(&after), removes(&["ann", "bob"]));
    assert_eq!(undo(&at(&["ann", "dan"], &["bob"])), removes(&["ann"]));
    assert_eq!(undo(&at(&["dan"], &[])), Reversal::Nothing);
    assert!(matches!(undo(&at(&[], &["ann"])), Reversal::Refused(why) if why.contains("`ann` has reviewed")));

    let redo = |now: &State| params.undo(&after, &before, now);
    assert_eq!(redo(&before), Reversal::Change(Change { request: all(&["ann", "bob"]), remove: vec![] }));
    assert_eq!(redo(&after), Reversal::Nothing);
}

proptest! {
    /// Whatever was read: nobody is asked twice, too many are not asked, and the plan that was carried out is a plan no more.
    #[test]
    fn what_was_asked_for_is_not_asked_for_again(
        number in 0_u64..50,
        candidates in prop::collection::btree_set("[a-e]", 0..5),
        requested in prop::collection::btree_set("[a-g]", 0..4),
        reviewed in prop::collection::btree_set("[a-g]", 0..3),
        loads in prop::collection::vec(0_u32..4, 5),
        count in 1_usize..4,
        by_load: bool,
        everybody: bool,
    ) {
        let mut read = state(number, &candidates.iter().map(String::as_str).collect::<Vec<_>>());
        read.candidates.iter_mut().zip(&loads).for_each(|(candidate, load)| candidate.load = *load);
        read.requested = requested.iter().map(|name| who(name)).collect();
        read.reviewed = reviewed.iter().map(|name| who(name)).collect();
        let pick = if everybody { Pick::All } else { some(count, if by_load { By::Load } else { By::RoundRobin }) };
        let planned = plan(pick, &read, &[]);
        prop_assert_eq!(&planned, &plan(pick, &read.clone(), &[]), "chosen without chance");
        if let Plan::Change(change) = planned {
            prop_assert!(change.request.iter().all(|who| !read.is_asked(who)));
            prop_assert!(everybody || change.request.len() <= count);
            read.requested.extend(change.request);
            prop_assert!(matches!(plan(pick, &read, &[]), Plan::Nothing(_)));
        }
    }
}
