//! The sweep: GitHub's list has forgotten the deliveries, and the items themselves tell what changed.

use std::time::Duration;

use orchd_fake::NewItem;
use serde_json::Value;

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const RULES: &str = "
  - name: triage
    on: issues.opened
    then:
      - label: {add: [triage]}
  - name: done
    on: [issues.closed, pull_request.closed]
    then:
      - label: {add: [done]}
";

const HOUR: Duration = Duration::from_secs(3_600);

const SWEPT: &str = "orchd_recovery_recovered_total{how=\"swept\"} ";

/// What orchd knows (`told`) and what it missed, and will not get from GitHub's list any more.
struct Missed {
    opened: u64,
    closed: u64,
    edited: u64,
    pull: u64,
    untouched: u64,
}

async fn missed(story: &mut Story) -> Missed {
    let alice = story.github.person("alice");
    story.github.set_back(HOUR);
    let closed = alice.opens_issue(WEB, NewItem::titled("Will be closed"));
    let edited = alice.opens_issue(WEB, NewItem::titled("Will be edited"));
    let untouched = alice.opens_issue(WEB, NewItem::titled("Stays as it is"));
    let pull = alice.opens_pull(WEB, NewItem::titled("Will be merged").file("a.rs"));
    story.settles().await;
    story.kill();
    story.github.set_back(Duration::ZERO);
    story.github.hold_deliveries();
    alice.closes(WEB, closed).retitles(WEB, edited, "Edited").merges(WEB, pull);
    let opened = alice.opens_issue(WEB, NewItem::titled("New"));
    // A merge is told as the end of the pull request and as a push.
    assert_eq!(story.github.take_deliveries().len(), 5);
    story.github.age_deliveries(96 * HOUR);
    story.github.release_deliveries();
    Missed { opened, closed, edited, pull, untouched }
}

fn swept(story: &Story) -> Vec<Value> {
    let mut rows = story.json_lines(&["events", "list", "--limit", "1000"]);
    rows.retain(|row| row["source"] == "swept");
    rows
}

fn kind_on(rows: &[Value], number: u64) -> Vec<String> {
    let about = rows.iter().filter(|row| row["number"] == number);
    about
        .map(|row| format!("{}.{}", row["event_type"].as_str().unwrap(), row["event_action"].as_str().unwrap()))
        .collect()
}

on_both_databases!(changes_that_no_delivery_told_are_found_and_decided_on, |database: Database| async move {
    let mut story = Story::begin(database, RULES).await;
    for label in ["triage", "done"] {
        story.github.add_label(WEB, label);
    }
    let missed = missed(&mut story).await;
    story.recovery = "{every: 1s, grace: 0s, sweep: {repositories: \"acme/*\"}}".to_owned();
    story.write_rules(RULES);
    story.start();
    story.until_metric(SWEPT, |count| count == 4.0).await;
    story.settles().await;

    let rows = swept(&story);
    assert_eq!(rows.len(), 4);
    assert_eq!(kind_on(&rows, missed.opened), ["issues.opened"]);
    assert_eq!(kind_on(&rows, missed.closed), ["issues.closed"]);
    assert_eq!(kind_on(&rows, missed.edited), ["issues.edited"]);
    assert_eq!(kind_on(&rows, missed.pull), ["pull_request.closed"]);
    assert!(kind_on(&rows, missed.untouched).is_empty());
    assert!(rows.iter().all(|row| row["actor"].is_null()), "nobody knows who it was");

    assert_eq!(story.github.issue(WEB, missed.opened).labels(), ["triage"]);
    assert_eq!(story.github.issue(WEB, missed.closed).labels(), ["triage", "done"]);
    assert_eq!(story.github.issue(WEB, missed.pull).labels(), ["done"]);
    let payload = story.json(&["events", "show", "--payload", rows_id(&rows, missed.pull)]);
    assert_eq!(payload["payload"]["pull_request"]["merged"], true, "a pull request is told in whole");
    assert_eq!(payload["payload"]["repository"]["full_name"], WEB);
    assert!(!payload.to_string().contains("SECRET"), "what clones a private repository is not stored");
});

fn rows_id(rows: &[Value], number: u64) -> &str {
    rows.iter().find(|row| row["number"] == number).unwrap()["id"].as_str().unwrap()
}

#[tokio::test]
async fn sweeping_again_finds_nothing_new() {
    let no_rules = "  []";
    let mut story = Story::begin(Database::Sqlite, no_rules).await;
    missed(&mut story).await;
    story.recovery = "{every: 1s, grace: 0s, sweep: {repositories: \"acme/*\", every: 1s}}".to_owned();
    story.write_rules(no_rules);
    story.start();
    let sweeps = |github: &orchd_fake::GitHub| {
        github
            .requests()
            .iter()
            .filter(|request| request.path.contains("/issues?") && request.answered == Some(200))
            .count()
    };
    story.github.until("it was swept three times", |github| sweeps(github) >= 3).await;
    story.until_metric(SWEPT, |count| count == 4.0).await;
    assert_eq!(swept(&story).len(), 4);
}

#[tokio::test]
async fn repositories_that_are_not_chosen_are_not_looked_at() {
    let mut story = Story::begin(Database::Sqlite, RULES).await;
    missed(&mut story).await;
    story.recovery = "{every: 1s, grace: 0s, sweep: {repositories: [\"acme/*\", \"!acme/web\"]}}".to_owned();
    story.write_rules(RULES);
    story.start();
    story.until_metric("orchd_recovery_last_run_timestamp_seconds ", |_| true).await;
    story
        .github
        .until("GitHub's list was read twice", |github| {
            github.requests().iter().filter(|request| request.path.starts_with("/app/hook/deliveries?")).count() >= 2
        })
        .await;
    assert!(!story.github.requests().iter().any(|request| request.path.contains("/acme/web/issues?")));
}
