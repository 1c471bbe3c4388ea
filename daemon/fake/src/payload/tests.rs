#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use super::{EVENT_NAMES, sample, sample_of, to_github_json};

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in 0..50 {
        assert_eq!(to_github_json(&sample(seed).1), to_github_json(&sample(seed).1));
    }
}

#[test]
fn samples_have_the_sizes_and_the_variety_of_real_traffic() {
    let samples: Vec<_> = (0..600).map(sample).collect();
    let kinds: BTreeSet<&str> = samples.iter().map(|(name, _)| *name).collect();
    assert!(kinds.len() >= 15, "only {kinds:?}");
    let mut sizes: Vec<usize> = samples.iter().map(|(_, payload)| to_github_json(payload).len()).collect();
    sizes.sort_unstable();
    let (p50, p90) = (sizes[300], sizes[540]);
    assert!((6_000..14_000).contains(&p50), "p50 is {p50}");
    assert!((18_000..32_000).contains(&p90), "p90 is {p90}");
}

#[test]
fn every_named_event_has_a_sample_with_its_subject() {
    for name in EVENT_NAMES {
        let payload = sample_of(name, 7);
        assert!(payload.is_object(), "{name} gave {payload}");
    }
    let payload = sample_of("pull_request", 3);
    assert!(payload["pull_request"]["base"]["repo"]["contents_url"].as_str().unwrap().contains("{+path}"));
    assert_eq!(payload["number"], payload["pull_request"]["number"]);
}

#[test]
fn ordered_json_is_the_same_value_with_users_beginning_at_the_login() {
    let (_, payload) = sample(11);
    let text = to_github_json(&payload);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), payload);
    assert!(text.contains(r#""sender":{"login":"#) || !text.contains("sender"));
}
