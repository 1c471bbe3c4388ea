//! Realistic webhook payloads from a seed, to train the payload dictionary, to benchmark and to fuzz.
//!
//! Owns the shape of GitHub's objects, which the fake GitHub answers with too. Refuses to know state: every function
//! shows what it is given. Invariant: the same seed gives the same payload, byte for byte, on every machine.

pub(crate) mod ci;
mod ci_events;
pub(crate) mod events;
pub(crate) mod items;
pub(crate) mod mergeable;
pub(crate) mod objects;
mod order;
pub(crate) mod random;

use chrono::Duration;
use serde_json::{Value, json};

pub use order::to_github_json;

use crate::model::{Item, Repository};
use crate::seed::Seed;
use events::{Envelope, Push};

/// Event names a sample may have; the position of a name follows how often GitHub sends it.
pub const EVENT_NAMES: [&str; 18] = [
    "pull_request",
    "issues",
    "issue_comment",
    "push",
    "check_run",
    "check_suite",
    "workflow_run",
    "status",
    "pull_request_review",
    "star",
    "create",
    "delete",
    "label",
    "release",
    "installation",
    "ping",
    "fork",
    "watch",
];

/// A payload and its event name.
pub fn sample(seed: u64) -> (&'static str, Value) {
    let mut seed = Seed::new(seed);
    let name = match seed.below(100) {
        0..=21 => "pull_request",
        22..=37 => "issues",
        38..=51 => "issue_comment",
        52..=61 => "push",
        62..=69 => "check_run",
        70..=74 => "check_suite",
        75..=79 => "workflow_run",
        80..=84 => "status",
        85..=89 => "pull_request_review",
        tail => EVENT_NAMES[9 + usize::try_from(tail - 90).unwrap_or(0).min(8)],
    };
    (name, of_kind(name, &mut seed))
}

/// A payload of the event `name`, which is one of [`EVENT_NAMES`]; an unknown name gives a `ping`.
pub fn sample_of(name: &str, seed: u64) -> Value {
    of_kind(name, &mut Seed::new(seed))
}

fn of_kind(name: &str, seed: &mut Seed) -> Value {
    let mut repo = random::repository(seed);
    let sender = random::person(seed);
    let installation = seed.chance(80).then(|| seed.id() >> 16);
    let at = repo.created_at + Duration::days(200);
    match name {
        "pull_request" | "pull_request_review" => {
            let item = random::pull(seed, &repo);
            repo.items.insert(item.number, item);
        }
        "issues" | "issue_comment" => {
            let item = if name == "issue_comment" && seed.chance(50) {
                random::pull(seed, &repo)
            } else {
                random::issue(seed, &repo)
            };
            repo.items.insert(item.number, item);
        }
        _ => {}
    }
    let end = Envelope { repository: &repo, sender: &sender, installation };
    let item = repo.items.values().next();
    match (name, item) {
        ("pull_request" | "issues", Some(item)) => changed(seed, &end, item),
        ("issue_comment", Some(item)) => end.comment("created", item, &random::comment(seed, at)).1,
        ("pull_request_review", Some(item)) => {
            let review = random::review(seed, at);
            end.review("submitted", item, &review).map_or(Value::Null, |(_, payload)| payload)
        }
        ("push", _) => pushed(seed, &end),
        ("installation", _) => installed(seed, &repo),
        _ => ci_events::of_kind(name, seed, &end, at),
    }
}

fn changed(seed: &mut Seed, end: &Envelope<'_>, item: &Item) -> Value {
    let common = ["opened", "edited", "labeled", "unlabeled", "assigned", "closed", "reopened", "milestoned"];
    let only_pulls = ["synchronize", "synchronize", "review_requested", "ready_for_review", "converted_to_draft"];
    let action = if item.is_pull() && seed.chance(40) { seed.pick(&only_pulls) } else { seed.pick(&common) };
    let extra = match action {
        "labeled" | "unlabeled" => {
            let labels: Vec<_> = end.repository.labels.values().collect();
            json!({"label": objects::label(end.repository, seed.pick(&labels))})
        }
        "assigned" => json!({"assignee": objects::user(&random::person(seed))}),
        "edited" => json!({"changes": {"title": {"from": random::title(seed)}}}),
        "synchronize" => json!({"before": seed.sha(), "after": seed.sha()}),
        "review_requested" => json!({"requested_reviewer": objects::user(&random::person(seed))}),
        _ => json!({}),
    };
    end.item(action, item, extra).1
}

fn pushed(seed: &mut Seed, end: &Envelope<'_>) -> Value {
    let count = seed.between(1, 6);
    let branch = random::branch(seed);
    let before = seed.sha();
    let paths = random::paths(seed);
    let push = Push {
        branch: &branch,
        before: &before,
        shas: (0..count).map(|_| seed.sha()).collect(),
        messages: (0..count).map(|_| random::title(seed)).collect(),
        paths: &paths,
        at: random::moment(seed),
    };
    end.push(&push).1
}

fn installed(seed: &mut Seed, repo: &Repository) -> Value {
    let (id, app_id) = (seed.id() >> 16, seed.id() >> 20);
    let shown = events::installation(id, app_id, "orchd", &repo.owner, repo.created_at);
    let action = seed.pick(&["created", "deleted", "suspend", "unsuspend"]);
    events::installed(action, shown, &random::person(seed), &[repo]).1
}

#[cfg(test)]
mod tests;
