//! Items that nobody touches: told of every day, marked, and closed when nobody comes back.

use std::time::Duration;

use orchd_fake::NewItem;

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const TIDY: &str = "
  - name: tidy
    repositories: acme/web
    on: [schedule.daily, issue_comment.created]
    if: {not: {label: pinned}}
    then:
      - stale: {days: 60, close_days: 14, comment: \"Is this still so?\"}
";

const DAY: Duration = Duration::from_secs(86_400);

on_both_databases!(what_nobody_touches_is_marked_and_closed, |database: Database| async move {
    // Its days are a second long.
    let mut story = Story::prepare(database, TIDY, "").await;
    story.replace_more("schedule: {every: 1s}");
    story.write_rules(TIDY);
    let alice = story.github.person("alice");
    story.github.add_label(WEB, "pinned");
    story.github.set_back(100 * DAY);
    let (forgotten, wanted) = (
        alice.opens_issue(WEB, NewItem::titled("Forgotten")),
        alice.opens_pull(WEB, NewItem::titled("Wanted").file("a.rs")),
    );
    let pinned = alice.opens_issue(WEB, NewItem::titled("Pinned").label("pinned"));
    let elsewhere = alice.opens_issue("acme/api", NewItem::titled("No rule looks here"));
    story.github.set_back(Duration::ZERO);
    let young = alice.opens_issue(WEB, NewItem::titled("Young"));

    // What the App does now was done ten days ago.
    story.github.set_back(10 * DAY);
    story.start();
    for number in [forgotten, wanted] {
        story.until("it is marked", |story| story.github.issue(WEB, number).has_label("stale")).await;
    }
    story.settles().await;

    // Somebody comes back, five days ago.
    story.github.set_back(5 * DAY);
    story.github.person("bob").comments(WEB, wanted, "I want it.");
    story.until("the mark is gone", |story| !story.github.issue(WEB, wanted).has_label("stale")).await;
    story.github.set_back(Duration::ZERO);
    assert!(story.github.issue(WEB, forgotten).is_open(), "ten days are fewer than fourteen");
    story.write_rules(&TIDY.replace("close_days: 14", "close_days: 7"));
    story.until("the other is closed", |story| !story.github.issue(WEB, forgotten).is_open()).await;
    story.settles().await;

    assert_eq!(story.github.issue(WEB, forgotten).state_reason(), Some("not_planned"));
    let comments = story.github.issue(WEB, wanted).comments();
    assert_eq!(comments.iter().map(|(by, _)| by.as_str()).collect::<Vec<_>>(), ["bob"], "our own went with the mark");
    assert!(story.github.issue(WEB, wanted).is_open());
    for (repository, number) in [(WEB, pinned), (WEB, young), ("acme/api", elsewhere)] {
        let issue = story.github.issue(repository, number);
        assert!(issue.is_open() && !issue.has_label("stale"), "{issue:?}");
    }
    // What the rule says no to by the list alone is not even an event.
    let told = story.json_lines(&["events", "list", "--type", "schedule", "--number", &pinned.to_string()]);
    assert!(told.is_empty(), "{told:?}");
    let why = String::from_utf8(story.cli(&["why", &format!("{WEB}#{forgotten}")]).stdout).unwrap();
    assert!(why.contains("schedule.daily on acme/web#"), "{why}");
    assert!(story.github.duplicate_effects().is_empty());
});
