#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::core::condition::Condition;
use crate::core::condition::table::event;
use crate::core::event::RepoName;
use crate::core::intent::ActionSpec;
use crate::core::pattern::{Case, Globs};
use crate::core::rule::{Limits, Mode, Repositories, RuleName, Trigger};
use crate::core::subject::SubjectKind;

fn review(reviewer: &str, state: ReviewState) -> Review {
    Review { reviewer: reviewer.to_owned(), state }
}

fn check(name: &str, state: CheckState) -> Check {
    Check { name: name.to_owned(), state }
}

/// One that may be merged.
fn ready() -> Candidate {
    Candidate {
        line: Line { base: "main".to_owned(), head: "c0ffee11".to_owned() },
        standing: Standing::Open,
        draft: false,
        author: "alice".to_owned(),
        labels: vec!["merge".to_owned()],
        reviews: vec![review("bob", ReviewState::Approved)],
        checks: vec![check("build", CheckState::Passing), check("lint", CheckState::Passing)],
        mergeable: Mergeable::Yes,
        behind: false,
    }
}

fn terms() -> Terms {
    Terms { approvals: 1, checks: Required::All, update: false, stop: vec!["do-not-merge".to_owned()] }
}

fn named(names: &[&str]) -> Terms {
    Terms { checks: Required::Named(names.iter().map(|&name| name.to_owned()).collect()), ..terms() }
}

/// What a person reads: `ready`, `behind`, `stopped: …` or `waits: …`, with `…` before what keeps others waiting.
fn told(now: &Candidate, terms: &Terms) -> String {
    match judge(now, terms) {
        Readiness::Merged(merged) => format!("merged by {}", merged.by),
        Readiness::Stopped(stop) => format!("stopped: {stop}"),
        Readiness::Waits(wait) if wait.holds_place => format!("holds: {}", wait.reason),
        Readiness::Waits(wait) => format!("waits: {}", wait.reason),
        Readiness::Behind => "behind".to_owned(),
        Readiness::Ready => "ready".to_owned(),
    }
}

#[test]
fn what_is_ready_what_waits_and_what_is_stopped() {
    type Case = (fn(&mut Candidate), &'static str);
    let cases: [Case; 21] = [
        (|_| {}, "ready"),
        (|now| now.standing = Standing::Closed, "stopped: it is closed"),
        (
            |now| now.standing = Standing::Merged(Merged { by: "bob".to_owned(), ours: false, commit: None }),
            "merged by bob",
        ),
        (|now| now.labels.push("Do-Not-Merge".to_owned()), "stopped: label `Do-Not-Merge` says stop"),
        (|now| now.reviews.push(review("carol", ReviewState::ChangesRequested)), "stopped: carol requests changes"),
        (|now| now.mergeable = Mergeable::No, "stopped: it conflicts with `main`"),
        (|now| now.checks[1].state = CheckState::Failing, "stopped: check `lint` failed"),
        (
            |now| now.checks.iter_mut().for_each(|check| check.state = CheckState::Failing),
            "stopped: checks `build`, `lint` failed",
        ),
        (|now| now.draft = true, "waits: it is a draft"),
        (|now| now.reviews.clear(), "waits: 0 of 1 approvals are there"),
        (|now| now.reviews[0].reviewer = "Alice".to_owned(), "waits: 0 of 1 approvals are there"),
        (|now| now.reviews[0].state = ReviewState::Dismissed, "waits: 0 of 1 approvals are there"),
        (|now| now.reviews[0].state = ReviewState::Commented, "waits: 0 of 1 approvals are there"),
        (|now| now.checks[0].state = CheckState::Pending, "holds: check `build` is on commit c0ffee1 not finished"),
        (|now| now.checks.clear(), "holds: no check has reported on commit c0ffee1 yet (`checks: []` asks for none)"),
        (|now| now.mergeable = Mergeable::Unknown, "holds: GitHub works out whether the branches can be merged"),
        (|now| now.mergeable = Mergeable::Blocked, "waits: the rules of `main` are not met yet"),
        (|now| now.behind = true, "ready"),
        (
            |now| (now.behind, now.mergeable) = (true, Mergeable::Blocked),
            "waits: the rules of `main` ask for a branch that is up to date; `update: true` would see to that",
        ),
        // What stops it is told before what it waits for.
        (|now| (now.draft, now.mergeable) = (true, Mergeable::No), "stopped: it conflicts with `main`"),
        (
            |now| {
                now.reviews.clear();
                now.checks[0].state = CheckState::Pending;
            },
            "waits: 0 of 1 approvals are there",
        ),
    ];
    for (change, expected) in cases {
        let mut now = ready();
        change(&mut now);
        assert_eq!(told(&now, &terms()), expected);
    }
}

#[test]
fn only_the_checks_that_are_named_count() {
    let mut now = ready();
    now.checks[1].state = CheckState::Failing;
    assert_eq!(told(&now, &named(&["build"])), "ready");
    assert_eq!(told(&now, &named(&["lint"])), "stopped: check `lint` failed");
    assert_eq!(told(&now, &named(&["test"])), "holds: check `test` is yet to report on commit c0ffee1");
    assert_eq!(told(&now, &named(&[])), "ready");
    // Two Apps may give their checks the same name: all of that name count.
    now.checks.push(check("build", CheckState::Pending));
    assert_eq!(told(&now, &named(&["build"])), "holds: check `build` is on commit c0ffee1 not finished");
}

#[test]
fn a_branch_that_is_behind_is_updated_before_its_checks_are_waited_for() {
    let update = Terms { update: true, ..terms() };
    let mut now = Candidate { behind: true, ..ready() };
    now.checks[0].state = CheckState::Pending;
    assert_eq!(told(&now, &update), "behind");
    now.reviews.clear();
    assert_eq!(told(&now, &update), "waits: 0 of 1 approvals are there", "not before it could be merged");
    assert_eq!(told(&ready(), &update), "ready");
}

fn hand(label: &str, hand: Hand, minute: u32) -> HandChange {
    HandChange {
        repository: RepoName::parse("acme/site").unwrap(),
        number: 7,
        thing: Thing::Label(label.to_owned()),
        hand,
        by: "bob".to_owned(),
        at: format!("2026-01-01T12:{minute:02}:00Z").parse().unwrap(),
    }
}

#[test]
fn a_label_that_asked_for_it_is_taken_back_by_a_persons_hand() {
    let pull = json!({"number": 7, "updated_at": "2026-01-01T12:30:00Z", "head": {}});
    let asked = event("pull_request", json!({"action": "labeled", "label": {"name": "merge"}, "pull_request": pull}));
    let always = rule(&Value::Null);
    let back = |hands: &[HandChange]| taken_back(&asked, &always, hands).map(|stop| stop.to_string());
    let said = Some("label `merge`, which asked for it, was removed by bob".to_owned());
    assert_eq!(back(&[hand("Merge", Hand::Taken, 31)]), said);
    assert_eq!(back(&[hand("merge", Hand::Taken, 29)]), None, "that was before");
    assert_eq!(back(&[hand("merge", Hand::Taken, 31), hand("merge", Hand::Put, 32)]), None, "and put there again");
    assert_eq!(back(&[hand("bug", Hand::Taken, 31)]), None);
    let opened = event("pull_request", json!({"action": "opened", "label": {"name": "merge"}, "pull_request": pull}));
    assert_eq!(taken_back(&opened, &always, &[hand("merge", Hand::Taken, 31)]), None, "no label asked for it");
}

fn rule(when: &Value) -> Rule {
    Rule {
        name: RuleName::parse("merge-it").unwrap(),
        repositories: Repositories(Globs::parse(&["**"], Case::Insensitive).unwrap()),
        on: vec![Trigger::parse("*").unwrap()],
        when: (!when.is_null()).then(|| Condition::parse(when).unwrap()),
        then: vec![ActionSpec { name: "merge".to_owned(), params: json!({}), acts_on: SubjectKind::Item }],
        mode: Mode::Active,
        limits: Limits::default(),
    }
}

#[test]
fn a_rule_that_labels_no_longer_meet_asks_for_nothing() {
    let labels = json!([{"name": "Merge"}]);
    let pull = json!({"number": 7, "updated_at": "2026-01-01T12:30:00Z", "head": {}, "labels": labels});
    let site = json!({"full_name": "acme/site"});
    let asked = event("pull_request_review", json!({"action": "submitted", "pull_request": pull, "repository": site}));
    let when = json!({"all": [{"label": "merge"}, {"not": {"label": "wip"}}, {"checks": "passing"}]});
    let back = |hands: &[HandChange]| taken_back(&asked, &rule(&when), hands).map(|stop| stop.to_string());
    let no_longer = |hands: &[HandChange], why: &str| {
        let said = back(hands).unwrap();
        assert!(said.starts_with(&format!("the rule no longer matches: {why}")), "{said}");
    };
    assert_eq!(back(&[]), None);
    no_longer(&[hand("merge", Hand::Taken, 31)], "label `merge` is absent");
    assert_eq!(back(&[hand("merge", Hand::Taken, 29)]), None, "that was before");
    no_longer(&[hand("wip", Hand::Put, 31)], "label `wip` is present");
    assert_eq!(back(&[hand("other", Hand::Put, 31)]), None);
}

#[test]
fn which_merges_an_event_is_about() {
    let told = |name: &str, payload: Value| news(&event(name, payload));
    let about = |number| Some(News { number: Some(number), ..News::default() });
    let pull = json!({"number": 7});
    assert_eq!(told("pull_request", json!({"action": "labeled", "pull_request": pull})), about(7));
    assert_eq!(told("pull_request_review", json!({"action": "dismissed", "pull_request": pull})), about(7));
    let at = |head: &str| Some(News { head: Some(head.to_owned()), ..News::default() });
    assert_eq!(told("status", json!({"sha": "abc", "state": "success"})), at("abc"));
    assert_eq!(told("status", json!({"sha": "abc", "state": "pending"})), None);
    assert_eq!(told("check_run", json!({"action": "completed", "check_run": {"head_sha": "abc"}})), at("abc"));
    assert_eq!(told("check_run", json!({"action": "created", "check_run": {"head_sha": "abc"}})), None);
    let base = Some(News { base: Some("release/1".to_owned()), ..News::default() });
    assert_eq!(told("push", json!({"ref": "refs/heads/release/1"})), base);
    assert_eq!(told("push", json!({"ref": "refs/tags/v1"})), Some(News::default()));
    assert_eq!(told("issues", json!({"action": "labeled", "issue": {"number": 7}})), None);
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let review_state = prop::sample::select(vec![
        ReviewState::Approved,
        ReviewState::ChangesRequested,
        ReviewState::Commented,
        ReviewState::Dismissed,
    ]);
    let check_state = prop::sample::select(vec![CheckState::Passing, CheckState::Pending, CheckState::Failing]);
    let merged = Merged { by: "bob".to_owned(), ours: true, commit: None };
    let standing = prop::sample::select(vec![
        Standing::Open,
        Standing::Open,
        Standing::Open,
        Standing::Closed,
        Standing::Merged(merged),
    ]);
    let mergeable = prop::sample::select(vec![
        Mergeable::Yes,
        Mergeable::Yes,
        Mergeable::No,
        Mergeable::Unknown,
        Mergeable::Blocked,
    ]);
    let reviews = prop::collection::vec((prop::sample::select(vec!["alice", "bob", "carol"]), review_state), 0..3);
    let checks = prop::collection::vec((prop::sample::select(vec!["build", "lint"]), check_state), 0..3);
    let labels = prop::collection::vec(prop::sample::select(vec!["merge", "do-not-merge"]), 0..2);
    (standing, any::<bool>(), labels, reviews, checks, mergeable, any::<bool>()).prop_map(
        |(standing, draft, labels, reviews, checks, mergeable, behind)| Candidate {
            standing,
            draft,
            labels: labels.into_iter().map(str::to_owned).collect(),
            reviews: reviews.into_iter().map(|(by, state)| review(by, state)).collect(),
            checks: checks.into_iter().map(|(name, state)| check(name, state)).collect(),
            mergeable,
            behind,
            ..ready()
        },
    )
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let checks =
        prop::sample::select(vec![Required::All, named(&[]).checks, named(&["build"]).checks, named(&["lint"]).checks]);
    (0..3_u32, checks, any::<bool>()).prop_map(|(approvals, checks, update)| Terms {
        approvals,
        checks,
        update,
        ..terms()
    })
}

proptest! {
    /// Said once more, and otherwise than the judgement says it.
    #[test]
    fn nothing_is_merged_that_lacks_anything(now in any_candidate(), terms in any_terms()) {
        let by_others = now.reviews.iter().filter(|review| review.reviewer != "alice");
        let approvals = by_others.filter(|review| review.state == ReviewState::Approved).count();
        let passes = |name: &str| {
            let mut of_name = now.checks.iter().filter(|check| check.name == name).peekable();
            of_name.peek().is_some() && of_name.all(|check| check.state == CheckState::Passing)
        };
        let checks = match &terms.checks {
            Required::All => !now.checks.is_empty() && now.checks.iter().all(|check| passes(&check.name)),
            Required::Named(names) => names.iter().all(|name| passes(name)),
        };
        let may = now.standing == Standing::Open
            && !now.draft
            && !now.labels.iter().any(|label| label == "do-not-merge")
            && !now.reviews.iter().any(|review| review.state == ReviewState::ChangesRequested)
            && approvals >= terms.approvals as usize
            && checks
            && now.mergeable == Mergeable::Yes
            && !(terms.update && now.behind);
        prop_assert_eq!(judge(&now, &terms) == Readiness::Ready, may);
    }

    #[test]
    fn a_stop_is_heard_whatever_else_is_so(mut now in any_candidate(), terms in any_terms()) {
        now.labels.push("do-not-merge".to_owned());
        let over = matches!(judge(&now, &terms), Readiness::Stopped(_) | Readiness::Merged(_));
        prop_assert!(over);
    }
}
