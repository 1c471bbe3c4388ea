//! What holds for any condition on any payload.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::table::{event, facts, pull_request, scene_of};
use super::{Condition, kinds};
use crate::core::explain::{Explanation, Truth};
use crate::core::facts::{Facts, Known};

/// Any JSON, with words that payloads and conditions use among the keys.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let keys = "action|pull_request|issue|number|title|labels|name|user|login|head|base|ref|all|any|not|label|files|\
                comment|body|state|milestone|repository|full_name|review|[a-z]{1,4}";
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    plain.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(keys, inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A condition that parses: leaves of the examples, and some that hold on the example pull request.
pub(crate) fn any_condition() -> impl Strategy<Value = Value> {
    let mut leaves: Vec<Value> = kinds().iter().map(|kind| serde_yaml::from_str(kind.example).unwrap()).collect();
    leaves.extend([
        json!({"label": "bug"}),
        json!({"files": {"all": "**"}}),
        json!({"review": "approved"}),
        json!({"checks": "failing"}),
        json!({"expr": "size(files) > 1"}),
        json!({"expr": "pull_request.labels.exists(l, l.name == 'bug')"}),
    ]);
    prop::sample::select(leaves).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| json!({"all": parts})),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| json!({"any": parts})),
            inner.prop_map(|part| json!({"not": part})),
        ]
    })
}

/// The example's facts, of which some are not known yet and some cannot be had.
pub(crate) fn any_facts() -> impl Strategy<Value = Facts> {
    (0..3u8, 0..3u8, 0..3u8, 0..3u8).prop_map(|(files, reviews, checks, role)| {
        let mut some = facts();
        dim(&mut some.files, files);
        dim(&mut some.reviews, reviews);
        dim(&mut some.checks, checks);
        dim(&mut some.role, role);
        some
    })
}

fn dim<T>(fact: &mut Known<T>, how: u8) {
    match how {
        0 => {}
        1 => *fact = Known::NotYet,
        _ => *fact = Known::Unavailable("GitHub answered 404".to_owned()),
    }
}

/// What the parts of a tree come to, by the meaning of the condition alone.
fn again(condition: &Condition, explanation: &Explanation) -> Truth {
    let parts = |conditions: &[Condition]| -> Vec<Truth> {
        assert_eq!(conditions.len(), explanation.parts.len());
        conditions.iter().zip(&explanation.parts).map(|(condition, part)| again(condition, part)).collect()
    };
    let settle = |parts: Vec<Truth>, settling: Truth| match parts {
        parts if parts.contains(&settling) => settling,
        parts if parts.contains(&Truth::Unknown) => Truth::Unknown,
        _ => settling.flipped(),
    };
    match condition {
        Condition::All(conditions) => settle(parts(conditions), Truth::False),
        Condition::Any(conditions) => settle(parts(conditions), Truth::True),
        Condition::Not(condition) => again(condition, &explanation.parts[0]).flipped(),
        Condition::Leaf(_) => explanation.truth,
    }
}

proptest! {
    #[test]
    fn parsing_any_json_never_panics(written in any_json()) {
        Condition::parse(&written).ok();
        for kind in kinds().iter().filter(|kind| kind.name != "expr") {
            Condition::parse(&json!({kind.name: written})).ok();
        }
    }

    #[test]
    fn any_condition_on_any_payload_is_evaluated(written in any_condition(), payload in any_json()) {
        let condition = Condition::parse(&written).unwrap();
        let event = event("pull_request", payload);
        condition.evaluate(scene_of(&event, &Facts::from_event(&event)));
    }

    #[test]
    fn an_explanation_comes_to_its_own_verdict(written in any_condition(), facts in any_facts()) {
        let condition = Condition::parse(&written).unwrap();
        let event = pull_request();
        let evaluated = condition.evaluate(scene_of(&event, &facts));
        prop_assert_eq!(again(&condition, &evaluated.explanation), evaluated.explanation.truth);
        prop_assert!(evaluated.needs.is_empty() || evaluated.explanation.truth == Truth::Unknown);
    }

    #[test]
    fn more_facts_never_turn_a_settled_verdict(written in any_condition(), less in any_facts()) {
        let condition = Condition::parse(&written).unwrap();
        let event = pull_request();
        let before = condition.evaluate(scene_of(&event, &less)).explanation.truth;
        let after = condition.evaluate(scene_of(&event, &facts())).explanation.truth;
        prop_assert!(before == Truth::Unknown || before == after);
        prop_assert!(after != Truth::Unknown);
    }
}
