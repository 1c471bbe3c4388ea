//! A changed config is tried on what is recorded, before a rule touches anything.

use std::ops::ControlFlow;

use chrono::{TimeDelta, Utc};
use orchd::core::backtest::Difference;
use orchd::engine::backtest::{self, Backtest};
use orchd::store::Db;
use orchd::store::recorded::Span;
use orchd_fake::NewItem;
use serde_json::Value;

use crate::on_both_databases;
use crate::store::{Place, processed_event};
use crate::story::{Database, Story, WEB};

/// What ran: rules over payloads, over facts that were asked for, in the shadow, on commits, and one that comments.
const RAN: &str = r#"
  - name: docs
    on: [pull_request.opened, pull_request.synchronize]
    if: {all: [{files: "docs/**"}, {not: {label: no-bot}}]}
    then: [label: {add: [documentation]}]
  - name: crash
    on: issues.opened
    if: {title: "(?i)crash"}
    then: [label: {add: [bug]}, comment: {body: "Thank you."}]
  - name: trusted
    on: issue_comment.created
    if: {all: [{role: write}, {expr: "comment.body.contains('take')"}]}
    then: [label: {add: [taken]}]
  - name: welcome
    on: issues.opened
    mode: shadow
    then: [label: {add: [new]}]
  - name: seen
    on: push
    then: [status: {context: orchd, state: success, description: "Seen"}]
"#;

/// An hour in the life of a repository.
async fn an_hour(database: Database) -> Story {
    let story = Story::begin(database, RAN).await;
    let (alice, bob) = (story.github.person("alice"), story.github.person("bob"));
    for n in 0..6 {
        let title = if n % 2 == 0 { format!("It crashes {n}") } else { format!("A wish {n}") };
        alice.opens_issue(WEB, NewItem::titled(&title));
        let path = if n % 3 == 0 { "docs/a.md" } else { "src/a.rs" };
        alice.opens_pull(WEB, NewItem::titled(&format!("Change {n}")).file(path).head(&format!("change-{n}")));
    }
    alice.opens_pull(WEB, NewItem::titled("No bots").file("docs/b.md").head("no-bots").label("no-bot"));
    // Rules look at the files as they are when the event is decided on.
    story.settles().await;
    alice.pushes(WEB, 4, &["docs/c.md"]);
    bob.comments(WEB, 3, "I take it");
    story.github.person("mallory").comments(WEB, 3, "I take it");
    story.settles().await;
    story
}

/// The difference lines and the summary of a backtest.
fn tried(story: &Story, candidate: &str, more: &[&str]) -> (Vec<Value>, Value) {
    let file = story.path("candidate.yaml");
    std::fs::write(&file, format!("rules:\n{candidate}\n")).unwrap();
    let file = file.to_str().unwrap();
    let socket = story.socket();
    let args = [&["backtest", "--config", file, "--socket", socket.to_str().unwrap()], more].concat();
    let mut lines = story.json_lines(&args);
    let summary = lines.pop().unwrap()["summary"].clone();
    assert_eq!(summary["complete"], true);
    (lines, summary)
}

fn words(lines: &[Value]) -> Vec<String> {
    let word = |line: &Value| {
        let (kind, about) = line.as_object().unwrap().iter().next().unwrap();
        let number = about["target"]["number"].as_u64().or(about["number"].as_u64()).unwrap_or(0);
        format!("{kind} {} #{number}", about["rule"].as_str().unwrap())
    };
    lines.iter().map(word).collect()
}

on_both_databases!(a_backtest_of_what_ran_tells_what_the_daemon_did, |database: Database| async move {
    let story = an_hour(database).await;
    let (asked, written) = (story.github.requests().len(), story.github.writes().len());
    let (lines, summary) = tried(&story, RAN, &[]);
    assert_eq!(lines, Vec::<Value>::new(), "{summary:#}");
    let counts = |rule: &str, what: &str| summary["rules"][rule][what].as_u64().unwrap();
    let done = |rule: &str| {
        let effects = story.json_lines(&["effects", "list", "--rule", rule, "--limit", "1000"]);
        effects.len() as u64
    };
    for rule in ["docs", "crash", "trusted", "seen"] {
        assert!(done(rule) > 0, "{rule}");
        assert_eq!((counts(rule, "unchanged"), counts(rule, "unknown")), (done(rule), 0), "{rule}");
    }
    assert_eq!((counts("welcome", "shadow"), counts("welcome", "unchanged")), (done("welcome"), 0));
    assert_eq!((story.github.requests().len(), story.github.writes().len()), (asked, written), "nobody was asked");
});

on_both_databases!(a_changed_config_tells_what_is_added_removed_and_not_known, |database: Database| async move {
    let story = an_hour(database).await;
    let changed = RAN
        .replace("(?i)crash", "(?i)crashes 4")
        .replace("mode: shadow", "mode: active")
        .replace("name: docs", "name: documentation")
        .replace("    if: {all: [{role: write}, {expr: \"comment.body.contains('take')\"}]}\n", "");
    let changed = format!(
        "{changed}  - name: tested\n    on: pull_request.opened\n    if: {{checks: passing}}\n    then: [label: {{add: [tested]}}]\n"
    );
    let (lines, summary) = tried(&story, &changed, &[]);
    let words = words(&lines);
    let of = |word: &str| words.iter().filter(|line| line.starts_with(word)).count();
    // Two issues that crash lose a label and a comment; six issues are welcomed; mallory takes one too, and
    // so do our own three comments.
    assert_eq!((of("removed crash"), of("added welcome"), of("added trusted")), (4, 6, 4), "{words:#?}");
    // The checks of seven pull requests were never asked for; a rule by a new name does what the old one did.
    assert_eq!((of("unknown tested"), of("added documentation"), of("removed docs")), (7, 0, 0), "{words:#?}");
    assert_eq!(words.len(), 21, "{words:#?}");
    assert_eq!(summary["rules"]["documentation"]["unchanged"].as_u64(), Some(4));

    // The same question has the same answer, byte for byte; for a person it has numbers and items.
    assert_eq!(tried(&story, &changed, &[]).0, lines);
    let candidate = story.path("candidate.yaml");
    let told = story.cli(&[
        "backtest",
        "--config",
        candidate.to_str().unwrap(),
        "--socket",
        story.socket().to_str().unwrap(),
        "--items",
        "2",
    ]);
    let text = String::from_utf8(told.stdout).unwrap();
    for part in [
        "crash\t0\t4\t2\t0\t0\n",
        "\nwelcome\n  + acme/web#1  label {add: [new]}\n",
        "… and 4 more",
        "? acme/web#2  hangs on the checks, which nobody asked for",
    ] {
        assert!(text.contains(part), "{part:?} in:\n{text}");
    }

    // One repository, and a past in which nothing happened.
    assert_eq!(tried(&story, &changed, &["--repo", "acme/api"]).0, Vec::<Value>::new());
    assert_eq!(tried(&story, &changed, &["--until", "2026-01-01", "--since", "2025-12-01"]).1["events"], 0);
});

#[tokio::test]
async fn what_cannot_be_tried_is_refused_with_a_reason() {
    let story = Story::begin(Database::Sqlite, RAN).await;
    let file = story.path("candidate.yaml");
    std::fs::write(&file, "rules:\n  - {name: a, on: issues.opend, then: [label: {add: [x]}]}\n").unwrap();
    let args = ["backtest", "--config", file.to_str().unwrap(), "--socket", story.socket().to_str().unwrap()]
        .map(str::to_owned);
    let told = story.cli(&args.each_ref().map(String::as_str));
    let errors = String::from_utf8(told.stderr).unwrap();
    assert!(
        told.status.code() == Some(1) && errors.contains(":2:19: the event `issues` has no action `opend`"),
        "{errors}"
    );
}

/// Deterministic: the same events and the same config give the same bytes, whichever database holds them.
#[tokio::test]
async fn the_same_events_and_rules_give_the_same_bytes_on_both_databases() {
    let (sqlite, postgres) = (Place::sqlite().await, Place::postgres().await);
    let events: Vec<_> = (0..700).map(processed_event).collect();
    let shown = serde_json::json!([
        {"name": "a", "on": "issues.opened", "if": {"title": "[05]$"}, "then": [{"label": {"add": ["x"]}}]},
        {"name": "b", "on": "issues", "if": {"role": "write"}, "then": [{"label": {"add": ["y"]}}]},
    ]);
    let rules = orchd::config::hold::rules_of(&shown, orchd::actions::kinds()).unwrap();
    let span =
        Span { since: Utc::now() - TimeDelta::days(2), until: Utc::now() + TimeDelta::hours(1), repository: None };
    let trial = Backtest { rules, span, gated_counts: true };
    let mut told = Vec::new();
    for place in [&sqlite, &postgres] {
        let db = place.open().await;
        db.ingest(events.clone()).await.unwrap();
        told.push(serde_json::to_vec(&all(&db, &trial).await).unwrap());
        db.close().await;
    }
    assert!(told[0].len() > 10_000);
    assert!(told[0] == told[1]);
    sqlite.drop().await;
    postgres.drop().await;
}

/// Differences in order of arrival, and the summary.
async fn all(db: &Db, trial: &Backtest) -> (Vec<Difference>, backtest::Summary) {
    let mut all = Vec::new();
    let summary = backtest::run(db, trial, |part| {
        all.extend(part.differences);
        std::future::ready(ControlFlow::Continue(()))
    });
    let summary = summary.await.unwrap();
    (all, summary)
}

/// A backtest that is broken off in the middle leaves the turn to the next, and the daemon as it was.
#[tokio::test]
async fn a_backtest_can_be_interrupted() {
    let place = Place::sqlite().await;
    let db = place.open().await;
    for part in 0..4 {
        db.ingest((part * 700..(part + 1) * 700).map(processed_event).collect()).await.unwrap();
    }
    let shown = serde_json::json!([{"name": "a", "on": "issues", "then": [{"label": {"add": ["x"]}}]}]);
    let rules = orchd::config::hold::rules_of(&shown, orchd::actions::kinds()).unwrap();
    let span =
        Span { since: Utc::now() - TimeDelta::days(2), until: Utc::now() + TimeDelta::hours(1), repository: None };
    let trial = Backtest { rules, span, gated_counts: true };
    let mut parts = 0;
    let summary = backtest::run(&db, &trial, |part| {
        parts += 1;
        assert!(part.differences.len() <= 256, "a part is a batch");
        std::future::ready(if parts == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    let summary = summary.await.unwrap();
    assert_eq!((parts, summary.events, summary.complete), (2, 512, false));
    assert_eq!(all(&db, &trial).await.1.events, 2800);
    place.drop().await;
}

/// What was done is read in parts too: memory does not grow with it, and nothing is lost between two parts.
#[tokio::test]
async fn what_was_done_is_told_in_parts() {
    let place = Place::sqlite().await;
    let db = place.open().await;
    // One event in the middle has more effects than a part has room for.
    crate::store::store_effects(&db, 1_500, |n| if n == 700 { 2_100 } else { 2 }).await;
    let span =
        Span { since: Utc::now() - TimeDelta::days(2), until: Utc::now() + TimeDelta::hours(1), repository: None };
    let wanting = serde_json::json!([{"name": "a", "on": "issues", "then": [{"label": {"add": ["l-0"]}}]}]);
    for (shown, unchanged) in [(serde_json::json!([]), 0), (wanting, 1_500)] {
        let rules = orchd::config::hold::rules_of(&shown, orchd::actions::kinds()).unwrap();
        let trial = Backtest { rules, span: span.clone(), gated_counts: true };
        let mut removed = Vec::new();
        let summary = backtest::run(&db, &trial, |part| {
            assert!(part.differences.len() <= 2_200, "{}", part.differences.len());
            removed.extend(part.differences.into_iter().map(|it| it.about()));
            std::future::ready(ControlFlow::Continue(()))
        });
        let summary = summary.await.unwrap();
        assert_eq!(removed.len() as u64, 1_499 * 2 + 2_100 - unchanged);
        assert_eq!(summary.rules.values().map(|counts| counts.unchanged).sum::<u64>(), unchanged);
        assert!(removed.is_sorted_by_key(|about| about.rsplit('#').next().unwrap().parse::<u64>().unwrap()));
    }
    db.close().await;
    place.drop().await;
}
