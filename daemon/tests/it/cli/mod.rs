//! The command line as somebody meets it: a real daemon with a day's events in it, and the real binary.

mod daemon;
mod files;

use std::process::{Command, Output, Stdio};

use chrono::{DateTime, Utc};
use orchd_fake::{Fault, NewItem};
use serde_json::Value;

use crate::story::{Database, Story, WEB};

const RULES: &str = "
  - name: welcome
    on: issues.opened
    if: {title: \"(?i)breaks\"}
    then:
      - label: {add: [triage]}
      - comment: {body: \"Thank you. Somebody will look at this soon.\"}
  - name: docs-label
    on: pull_request.opened
    if: {files: [\"docs/**\"]}
    then:
      - label: {add: [documentation]}
";

/// An issue, a comment, a star and two pull requests, one of which GitHub will not tell the files of.
async fn a_day() -> Story {
    let mut story = Story::prepare(Database::Sqlite, RULES, "").await;
    let config = std::fs::read_to_string(story.config()).unwrap();
    std::fs::write(story.config(), config.replace("queue: {", "queue: {max_attempts: 1, ")).unwrap();
    story.start();
    let (alice, bob) = (story.github.person("alice"), story.github.person("bob"));
    let issue = alice.opens_issue(WEB, NewItem::titled("It breaks"));
    story.settles().await;
    bob.comments(WEB, issue, "It does.");
    bob.stars("acme/api");
    alice.opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    story.settles().await;
    story.github.fault(Fault::on("GET", "/repos/acme/api/pulls/1/files").times(100).status(500));
    bob.opens_pull("acme/api", NewItem::titled("More docs").file("docs/b.md"));
    story.settles().await;
    story.github.clear_faults();
    story
}

fn orchd(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchd"));
    command.args(args).env_remove("ORCHD_CONFIG").stdin(Stdio::null());
    command
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What it prints when it works.
fn says(story: &Story, args: &[&str]) -> String {
    let output = story.cli(args);
    assert_eq!(output.status.code(), Some(0), "orchd {args:?}: {}", err(&output));
    out(&output)
}

/// What it complains about, and its exit code.
fn fails(story: &Story, args: &[&str]) -> (i32, String) {
    let output = story.cli(args);
    (output.status.code().unwrap(), err(&output))
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

#[tokio::test]
async fn every_filter_of_events_list_filters() {
    let story = a_day().await;
    let all = story.json_lines(&["events", "list"]);
    assert!(all.len() >= 6, "{all:#?}");
    let received = |row: &Value| text(row, "received_at").parse::<DateTime<Utc>>().unwrap();
    let noon = received(&all[all.len() / 2]);
    let noon_written = noon.to_rfc3339();
    type Keeps<'a> = &'a dyn Fn(&Value) -> bool;
    let filters: [(&[&str], Keeps<'_>); 11] = [
        (&["--repo", "ACME/api"], &|row| text(row, "repository") == "acme/api"),
        (&["--type", "pull_request"], &|row| text(row, "event_type") == "pull_request"),
        (&["--action", "opened"], &|row| text(row, "event_action") == "opened"),
        (&["--actor", "bob"], &|row| text(row, "actor") == "bob"),
        (&["--status", "failed"], &|row| text(row, "processing_status") == "failed"),
        (&["--status", "processed"], &|row| text(row, "processing_status") == "processed"),
        (&["--number", "2"], &|row| row["number"] == 2),
        (&["--since", &noon_written], &|row| received(row) >= noon),
        (&["--until", &noon_written], &|row| received(row) < noon),
        (&["--repo", WEB, "--type", "issues", "--actor", "alice"], &|row| {
            text(row, "repository") == WEB && text(row, "event_type") == "issues" && text(row, "actor") == "alice"
        }),
        (&["--number", "1", "--repo", "acme/api"], &|row| row["number"] == 1 && text(row, "repository") == "acme/api"),
    ];
    for (filter, keeps) in filters {
        let listed = story.json_lines(&[&["events", "list"], filter].concat());
        let expected: Vec<Value> = all.iter().filter(|row| keeps(row)).cloned().collect();
        assert!(!expected.is_empty() && expected.len() < all.len(), "{filter:?} would show nothing of its work");
        assert_eq!(listed, expected, "{filter:?}");
    }
    assert_eq!(story.json_lines(&["events", "list", "--since", "1h"]), all);
    assert!(story.json_lines(&["events", "list", "--until", "1h"]).is_empty());
}

#[tokio::test]
async fn a_long_list_goes_on_where_it_ended() {
    let story = a_day().await;
    let all = story.json_lines(&["events", "list"]);
    let mut pages = Vec::new();
    let mut more: Vec<String> = Vec::new();
    loop {
        let mut args = vec!["--json", "events", "list", "--limit", "2"];
        args.extend(more.iter().map(String::as_str));
        let page = story.cli(&args);
        pages.extend(out(&page).lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        let hint = err(&page);
        let Some(next) = hint.trim().strip_prefix("There is more: ") else { break };
        more = next.split(' ').map(str::to_owned).collect();
    }
    assert_eq!(pages, all);
}

#[tokio::test]
async fn lists_are_lines_with_tabs_for_a_pipe() {
    let story = a_day().await;
    let events = says(&story, &["events", "list", "--type", "issues", "--action", "opened"]);
    let columns: Vec<&str> = events.trim_end().split('\t').collect();
    assert_eq!(columns[1..5], ["issues.opened", "acme/web#1", "alice", "processed"]);
    let star = says(&story, &["events", "list", "--type", "star"]);
    assert_eq!(star.split('\t').nth(2), Some("acme/api"), "about a repository, not an item: {star}");

    let effects = says(&story, &["effects", "list", "--number", "1", "--rule", "welcome"]);
    let rows: Vec<Vec<&str>> = effects.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows[0][1..6], ["welcome", "comment", "acme/web#1", "applied", "-"]);
    assert_eq!(rows[1][1..6], ["welcome", "label", "acme/web#1", "applied", "-"]);

    let jobs = says(&story, &["jobs", "list", "--state", "dead"]);
    let columns: Vec<&str> = jobs.trim_end().split('\t').collect();
    assert_eq!(columns[1..5], ["process", "acme/api", "dead", "1/1"]);
    assert!(columns[5].contains("500"), "the error is in the list: {jobs}");
}

#[tokio::test]
async fn an_event_its_effects_and_the_reasons_can_be_looked_at() {
    let story = a_day().await;
    let event = story.json_lines(&["events", "list", "--type", "issues", "--action", "opened"]).remove(0);
    let id = text(&event, "id");
    let why = says(&story, &["why", id]);
    assert!(why.starts_with("issues.opened on acme/web#1 by alice, "), "{why}");
    assert!(why.contains("  rule welcome: matched\n    ✓ "), "{why}");
    assert!(why.contains("    → label {add: [triage]}: applied\n"), "{why}");
    assert!(why.contains("    → comment {body: Thank you. Somebody will look at this soon.}: applied\n"), "{why}");
    assert_eq!(says(&story, &["events", "show", id]), why);
    assert_eq!(says(&story, &["why", "acme/web#1"]), why, "what no rule waits for is left out");
    let shown = says(&story, &["events", "show", id, "--payload"]);
    assert!(shown.contains("\"title\": \"It breaks\""), "{shown}");
    let untriggered = story.json_lines(&["events", "list", "--type", "star"]).remove(0);
    assert!(says(&story, &["why", text(&untriggered, "id")]).contains("no rule was triggered"));

    let effect = story.json_lines(&["effects", "list", "--event", id]).remove(1);
    let receipt = says(&story, &["effects", "show", text(&effect["intent"], "id")]);
    for line in [
        "rule        welcome",
        "target      acme/web#1",
        "state       applied",
        "before      []",
        "after       [\"triage\"]",
    ] {
        assert!(receipt.contains(line), "`{line}` in\n{receipt}");
    }
    let status = says(&story, &["status"]);
    assert!(status.contains("0 queued, 0 running, 1 dead letter"), "{status}");
    assert!(status.contains("may write") && status.contains("rules"), "{status}");
}

#[tokio::test]
async fn json_is_one_document_or_a_line_a_row() {
    let story = a_day().await;
    let id = |args: &[&str], key: &str| {
        let row = story.json_lines(args).remove(0);
        row.pointer(key).and_then(Value::as_str).unwrap().to_owned()
    };
    let event = id(&["events", "list"], "/id");
    let effect = id(&["effects", "list"], "/intent/id");
    let job = id(&["jobs", "list"], "/id");
    for args in [
        &["status"][..],
        &["events", "show", &event, "--payload"],
        &["effects", "show", &effect],
        &["jobs", "show", &job],
        &["why", &event],
        &["why", "acme/web#1"],
        &["config", "check"],
        &["config", "show"],
        &["config", "schema"],
    ] {
        assert!(story.json(args).is_object(), "{args:?}");
    }
    for list in ["events", "effects", "jobs"] {
        assert!(story.json_lines(&[list, "list"]).iter().all(Value::is_object), "{list}");
    }
}

#[tokio::test]
async fn a_dead_letter_is_shown_discarded_or_retried_by_hand() {
    let story = a_day().await;
    let dead = story.json_lines(&["jobs", "list", "--state", "dead", "--lane", "acme/api"]).remove(0);
    let id = text(&dead, "id");
    let shown = says(&story, &["jobs", "show", id]);
    assert!(shown.contains("state       dead") && shown.contains("last error"), "{shown}");
    assert!(says(&story, &["jobs", "retry", id]).contains("acme/api"));
    story.settles().await;
    assert_eq!(story.github.issue("acme/api", 1).labels(), ["documentation"], "GitHub is well again");
    assert_eq!(story.json(&["jobs", "show", id])["state"], "done");
    for verb in ["retry", "discard"] {
        let (code, complaint) = fails(&story, &["jobs", verb, id]);
        assert_eq!(
            (code, complaint.as_str()),
            (1, "orchd: the job is done: only a dead letter can be retried or discarded\n")
        );
    }

    story.github.fault(Fault::on("POST", "/repos/acme/web/issues/").times(9).status(422));
    story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks too"));
    story.settles().await;
    let dead = story.json_lines(&["jobs", "list", "--state", "dead"]).remove(0);
    assert!(says(&story, &["jobs", "discard", text(&dead, "id")]).contains("state       discarded"));
}

#[tokio::test]
async fn a_replay_decides_again_and_does_nothing_twice() {
    let story = a_day().await;
    let event = story.json_lines(&["events", "list", "--type", "issues", "--action", "opened"]).remove(0);
    let id = text(&event, "id");
    let (writes, effects) = (story.github.writes().len(), story.json_lines(&["effects", "list"]).len());
    assert_eq!(says(&story, &["events", "replay", id]), format!("{id} is queued again\n"));
    story.settles().await;
    assert_eq!(story.github.writes().len(), writes);
    assert_eq!(story.json_lines(&["effects", "list"]).len(), effects);
    assert!(says(&story, &["why", id]).contains("rule welcome: matched"));

    let failed = story.json_lines(&["events", "list", "--status", "failed"]).remove(0);
    assert_eq!(story.json(&["events", "replay", text(&failed, "id")])["status"], "queued");
    story.settles().await;
    assert!(story.json_lines(&["events", "list", "--status", "failed"]).is_empty(), "this time it worked");
    assert_eq!(story.github.issue("acme/api", 1).labels(), ["documentation"]);
}
