#![allow(clippy::unwrap_used)]

use http::HeaderMap;
use proptest::prelude::*;

use super::budget::{Ask, Budget, Report, Why};
use super::*;

const NOW: i64 = 1_790_000_000_000;
const READ: Ask = Ask { resource: Resource::Core, cost: Cost::Read, priority: Priority::Command, count: 1 };

fn told(remaining: u32, reset_in: i64) -> Report {
    let told = Told { resource: None, limit: 5_000, remaining, reset_in: Some(reset_in * 1_000) };
    Report::Answered { resource: Resource::Core, told: Some(told), success: true }
}

fn refused(refusal: Refusal) -> Report {
    Report::Refused { resource: Resource::Core, refusal }
}

fn step(budget: &mut Budget, now: i64, reports: &[Report], ask: Ask) -> Reply {
    budget.step(now, &Terms::default(), reports, Some(ask))
}

fn granted(reply: Reply) -> u32 {
    match reply {
        Reply::Granted { count, .. } => count,
        Reply::Wait { .. } | Reply::Noted { .. } => 0,
    }
}

fn waits(reply: Reply) -> (i64, Why) {
    match reply {
        Reply::Wait { wait, why } => (wait, why),
        other => panic!("{other:?}"),
    }
}

/// A budget that GitHub has told this much.
fn knowing(remaining: u32, reset_in: i64) -> Budget {
    let mut budget = Budget::default();
    assert_eq!(granted(step(&mut budget, NOW, &[], READ)), 1);
    let _ = budget.step(NOW, &Terms::default(), &[told(remaining, reset_in)], None);
    budget
}

#[test]
fn the_first_request_finds_out_and_the_others_wait_for_it() {
    let mut budget = Budget::default();
    assert_eq!(step(&mut budget, NOW, &[], READ), Reply::Granted { count: 1, then: NOW, probe: true });
    assert_eq!(waits(step(&mut budget, NOW, &[], READ)).1, Why::Unknown);
    let several = Ask { count: 8, ..READ };
    assert_eq!(granted(step(&mut budget, NOW + 100, &[told(4_999, 3_600)], several)), 8);
}

#[test]
fn an_enterprise_server_without_limits_is_not_limited() {
    let mut budget = Budget::default();
    step(&mut budget, NOW, &[], READ);
    let silent = Report::Answered { resource: Resource::Core, told: None, success: true };
    assert_eq!(granted(step(&mut budget, NOW, &[silent], Ask { count: 40, ..READ })), 40);
}

#[test]
fn what_is_under_way_counts_as_used() {
    let mut budget = knowing(3, 1_800);
    for _ in 0..3 {
        assert_eq!(granted(step(&mut budget, NOW, &[], READ)), 1);
    }
    assert!(matches!(step(&mut budget, NOW, &[], READ), Reply::Wait { .. }));
    // One of them was a 304, which is free.
    assert_eq!(granted(step(&mut budget, NOW, &[told(3, 1_800)], READ)), 1);
    let (wait, why) = waits(step(&mut budget, NOW, &[told(2, 1_800), told(1, 1_800), told(0, 1_800)], READ));
    assert_eq!((wait, why), (1_801_000, Why::Exhausted));
}

#[test]
fn answers_that_overtake_each_other_open_nothing() {
    let mut budget = knowing(10, 1_800);
    let reports = [told(2, 1_800), told(4_000, 1_800), told(4_000, 1_801)];
    assert_eq!(granted(step(&mut budget, NOW, &reports, Ask { count: 16, ..READ })), 2);
}

#[test]
fn a_reset_in_the_past_opens_nothing() {
    let mut budget = Budget::default();
    step(&mut budget, NOW, &[], READ);
    let (wait, why) = waits(step(&mut budget, NOW, &[told(0, -900)], READ));
    assert_eq!((wait, why), (60_000, Why::Exhausted));
    // Then one may look, and not everybody.
    assert_eq!(granted(step(&mut budget, NOW + 60_000, &[], Ask { count: 16, ..READ })), 1);
    assert_eq!(waits(step(&mut budget, NOW + 60_000, &[], READ)).1, Why::Unknown);
}

#[test]
fn after_the_reset_one_request_looks_before_the_others_go() {
    let mut budget = knowing(0, 10);
    assert_eq!(waits(step(&mut budget, NOW + 10_000, &[], READ)), (1_000, Why::Exhausted));
    assert_eq!(granted(step(&mut budget, NOW + 11_000, &[], Ask { count: 16, ..READ })), 1);
    // It was not whole again: GitHub had moved the reset.
    assert_eq!(waits(step(&mut budget, NOW + 11_500, &[told(0, 30)], READ)).1, Why::Exhausted);
    assert_eq!(granted(step(&mut budget, NOW + 42_500, &[], READ)), 1);
    assert_eq!(granted(step(&mut budget, NOW + 42_600, &[told(4_999, 3_600)], Ask { count: 16, ..READ })), 16);
}

#[test]
fn a_refusal_is_obeyed_and_one_without_a_time_longer_each_time() {
    let mut budget = knowing(4_000, 1_800);
    assert_eq!(waits(step(&mut budget, NOW, &[refused(Refusal::After(30))], READ)), (30_000, Why::Refused));
    let mut now = NOW + 30_000;
    for seconds in [60, 120, 240, 480, 960, 960] {
        assert_eq!(granted(step(&mut budget, now, &[], READ)), 1);
        let reports = [told(3_000, 1_800), refused(Refusal::Unsaid)];
        assert_eq!(waits(step(&mut budget, now, &reports, READ)), (seconds * 1_000, Why::Refused));
        now += seconds * 1_000;
    }
    now += 3_600_000;
    let (wait, _) = waits(step(&mut budget, now, &[refused(Refusal::Unsaid)], READ));
    assert_eq!(wait, 60_000, "forgiven");
    let (wait, why) =
        waits(step(&mut budget, now + 60_000, &[refused(Refusal::Exhausted { reset_in: Some(90_000) })], READ));
    assert_eq!((wait, why), (91_000, Why::Exhausted));
}

#[test]
fn a_headerless_answer_is_known_by_its_text_only() {
    let mut headers = HeaderMap::new();
    assert_eq!(Refusal::read(&headers), Refusal::Unsaid);
    headers.insert("x-ratelimit-remaining", "17".parse().unwrap());
    assert_eq!(Refusal::read(&headers), Refusal::Unsaid, "a secondary limit says what is left of the primary one");
    headers.insert("x-ratelimit-remaining", "0".parse().unwrap());
    headers.insert("x-ratelimit-reset", "1790000090".parse().unwrap());
    assert_eq!(Refusal::read(&headers), Refusal::Exhausted { reset_in: None }, "no Date to judge it by");
    headers.insert("date", "Mon, 21 Sep 2026 14:13:20 GMT".parse().unwrap());
    assert_eq!(Refusal::read(&headers), Refusal::Exhausted { reset_in: Some(90_000) });
    headers.insert("retry-after", "7".parse().unwrap());
    assert_eq!(Refusal::read(&headers), Refusal::After(7));
}

#[test]
fn a_person_goes_before_an_event_and_an_event_before_a_sweep() {
    // Half an hour before the reset with a quarter left: only what cannot wait goes now.
    let mut budget = knowing(1_250, 1_800);
    let at = |priority| Ask { priority, ..READ };
    assert!(waits(step(&mut budget, NOW, &[], at(Priority::Sweep))).0 > 240_000);
    assert_eq!(granted(step(&mut budget, NOW, &[], at(Priority::Event))), 1);
    let mut budget = knowing(700, 1_800);
    let (wait, why) = waits(step(&mut budget, NOW, &[], at(Priority::Event)));
    assert!(why == Why::Paced && wait < 200_000, "{wait}");
    let write = Ask { cost: Cost::Write, ..at(Priority::Event) };
    assert_eq!(granted(step(&mut budget, NOW, &[], write)), 1, "reads are slowed first");
    assert_eq!(granted(step(&mut budget, NOW, &[], at(Priority::Command))), 1);
}

#[test]
fn changes_are_spaced_after_a_few() {
    let mut budget = knowing(4_000, 1_800);
    let write = Ask { cost: Cost::Write, priority: Priority::Event, ..READ };
    for _ in 0..7 {
        assert_eq!(granted(step(&mut budget, NOW, &[], write)), 1);
    }
    assert_eq!(waits(step(&mut budget, NOW, &[], write)), (1_000, Why::Spacing));
    assert_eq!(granted(step(&mut budget, NOW, &[], Ask { priority: Priority::Command, ..write })), 1);
    assert_eq!(granted(step(&mut budget, NOW, &[], READ)), 1, "a read need not wait for them");
}

#[test]
fn a_budget_is_the_same_after_it_was_kept() {
    let mut budget = knowing(4_000, 1_800);
    step(&mut budget, NOW, &[], Ask { cost: Cost::Content, ..READ });
    let text = serde_json::to_string(&budget).unwrap();
    assert_eq!(serde_json::from_str::<Budget>(&text).unwrap(), budget);
}

#[test]
fn the_cost_of_a_request() {
    let of = |method: Method, path: &str| Cost::of(&method, path);
    assert_eq!(of(Method::GET, "/repos/a/b/issues"), Cost::Read);
    assert_eq!(of(Method::POST, "/repos/a/b/issues/1/comments"), Cost::Content);
    assert_eq!(of(Method::POST, "/repos/a/b/issues/1/labels"), Cost::Write);
    assert_eq!(of(Method::PATCH, "/repos/a/b/issues/1"), Cost::Write);
    assert_eq!(of(Method::PUT, "/repos/a/b/pulls/1/merge"), Cost::Content);
    assert_eq!(of(Method::POST, "/app/installations/5/access_tokens"), Cost::Read);
}

proptest! {
    /// However the clock jumps and whatever GitHub claims: a wait ends within the hour, and what remains is never overdrawn.
    #[test]
    fn no_clock_and_no_header_stops_it_or_overdraws(
        steps in prop::collection::vec((-7_200_000_i64..7_200_000, 0_u32..6_000, -9_000_i64..9_000, 0_u8..6), 1..60)
    ) {
        let mut budget = Budget::default();
        let mut now = NOW;
        for (jump, remaining, reset_in, what) in steps {
            let reports = match what {
                0 => vec![],
                1 => vec![refused(Refusal::Unsaid)],
                2 => vec![refused(Refusal::Exhausted { reset_in: Some(reset_in * 1_000) })],
                3 => vec![Report::Lost { resource: Resource::Core }],
                _ => vec![told(remaining, reset_in)],
            };
            now += jump;
            match step(&mut budget, now, &reports, Ask { count: 16, ..READ }) {
                Reply::Granted { count, .. } => {
                    prop_assert!((1..=16).contains(&count));
                    if what > 3 && reset_in > 0 {
                        prop_assert!(count <= remaining.max(1));
                    }
                }
                Reply::Wait { wait, .. } => prop_assert!(wait > 0 && wait <= 3_602_000, "{}", wait),
                Reply::Noted { .. } => prop_assert!(false),
            }
        }
    }
}
