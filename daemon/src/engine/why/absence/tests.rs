//! What is said for each reason, and in which order.

#![allow(clippy::unwrap_used)]

use chrono::TimeDelta;
use uuid::Uuid;

use super::*;
use crate::core::intent::ActionSpec;
use crate::core::pattern::{Case, Globs};
use crate::core::rule::{Limits, Repositories, Trigger};

fn at(day: u32) -> DateTime<Utc> {
    format!("2026-03-{day:02}T12:00:00Z").parse().unwrap()
}

fn came(kind: &str, awaited: bool, status: EventStatus) -> Arrived {
    let event = EventId(Uuid::from_u128(7));
    let error = (status == EventStatus::Failed).then(|| "facts were asked for again and again".to_owned());
    Arrived { kind: kind.to_owned(), awaited, count: 2, event, at: at(10), status, error }
}

fn there(mode: Mode, leaves_out: Option<&str>) -> Standing {
    Standing::There {
        mode,
        leaves_out: leaves_out.map(|name| RepoName::parse(name).unwrap()),
        waits_for: vec!["pull_request.opened".to_owned(), "push.*".to_owned()],
    }
}

fn absence(standing: Standing, arrived: Vec<Arrived>) -> Absence {
    Absence { about: "acme/web#12".to_owned(), standing, arrived, kept: TimeDelta::days(365), now: at(20) }
}

#[test]
fn each_reason_has_its_sentence_and_what_explains_it_comes_first() {
    let id = "00000000-0000-0000-0000-000000000007";
    let when = format!("pull_request.opened came 2026-03-10 12:00:00 UTC (event {id})");
    let labeled = || came("issues.labeled", false, EventStatus::Processed);
    let opened = |status| came("pull_request.opened", true, status);
    let active = || there(Mode::Active, None);
    let off = "it is `mode: off` in the running config: set `mode: active`, or `shadow` to try it".to_owned();
    let waits = |and: &str| format!("it waits for pull_request.opened, push.*, and {and}");
    let arrived = waits("what arrived about acme/web#12 is issues.labeled (2)");
    let left_out = "its `repositories` leave acme/web out".to_owned();
    let replay = |said: &str| format!("{when}{said}");
    let table: Vec<(Standing, Vec<Arrived>, Vec<String>)> = vec![
        (active(), vec![], vec![waits("nothing about acme/web#12 arrived")]),
        (active(), vec![labeled()], vec![arrived.clone()]),
        (there(Mode::Off, None), vec![labeled()], vec![off.clone(), arrived.clone()]),
        (there(Mode::Active, Some("acme/web")), vec![labeled()], vec![left_out.clone(), arrived]),
        (
            there(Mode::Off, Some("acme/web")),
            vec![labeled(), opened(EventStatus::Processed)],
            vec![
                off,
                left_out,
                replay(&format!(
                    ", before the rule was in the config or waited for it: `orchd events replay {id}` decides on it again"
                )),
            ],
        ),
        (active(), vec![opened(EventStatus::Received)], vec![replay(" and is still queued: see `orchd status`")]),
        (active(), vec![opened(EventStatus::Processing)], vec![replay(" and is being decided on now")]),
        (
            active(),
            vec![opened(EventStatus::Failed)],
            vec![replay(&format!(
                " and could not be decided on: facts were asked for again and again; `orchd events replay {id}` tries again"
            ))],
        ),
        (
            Standing::Unknown { near: vec!["docs".to_owned()], once: true },
            vec![],
            vec![
                "it is not in the running config: it was renamed or removed since it acted; did you mean `docs`?"
                    .to_owned(),
            ],
        ),
        (
            Standing::Elsewhere(RepoName::parse("acme/api").unwrap()),
            vec![labeled()],
            vec!["it is a rule of acme/api's own file, which is about acme/api only".to_owned()],
        ),
        (
            Standing::Ours,
            vec![labeled()],
            vec!["it is one of orchd's own rules, and nothing about acme/web#12 called for it".to_owned()],
        ),
    ];
    for (standing, arrived, expected) in table {
        let absence = absence(standing, arrived);
        assert_eq!(sentences(&absence, false), expected, "{absence:?}");
    }
}

#[test]
fn a_decision_that_is_over_its_age_is_told_from_one_that_never_was() {
    let mut absence = absence(there(Mode::Active, None), vec![came("push", true, EventStatus::Processed)]);
    absence.kept = TimeDelta::days(5);
    let told = sentences(&absence, false);
    assert!(told[0].ends_with("decisions are kept for 5 days (`retention.decisions`): this one is gone"), "{told:?}");
    absence.kept = TimeDelta::MAX;
    assert!(sentences(&absence, false)[0].contains("before the rule was in the config"));
}

#[test]
fn what_the_rule_decided_on_is_not_told_again() {
    let known = absence(
        there(Mode::Active, None),
        vec![came("push", true, EventStatus::Processed), came("pull_request.opened", true, EventStatus::Failed)],
    );
    let told = sentences(&known, true);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("could not be decided on"), "{told:?}");
    assert_eq!(sentences(&absence(there(Mode::Active, None), vec![]), true), Vec::<String>::new());
}

fn rule(name: &str) -> Rule {
    Rule {
        name: RuleName::parse(name).unwrap(),
        repositories: Repositories(Globs::parse::<&str>(&[], Case::Insensitive).unwrap()),
        on: vec![Trigger::parse("push").unwrap()],
        when: None,
        then: Vec::<ActionSpec>::new(),
        mode: Mode::Active,
        limits: Limits::default(),
    }
}

#[test]
fn a_mistyped_name_finds_its_rule_and_a_bare_one_that_of_the_repository() {
    let rules = ["docs-label", "triage", "acme/web:welcome"].map(rule);
    for (asked, meant) in [
        ("doc-label", vec!["docs-label"]),
        ("Triage", vec!["triage"]),
        ("welcome", vec!["acme/web:welcome"]),
        ("acme/web:docs-label", vec!["docs-label"]),
        ("wellcome", vec!["acme/web:welcome"]),
        ("nothing-like-it", vec![]),
    ] {
        assert_eq!(near_names(&RuleName::parse(asked).unwrap(), &rules), meant, "{asked}");
    }
}
