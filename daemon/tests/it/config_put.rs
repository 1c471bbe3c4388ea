//! `PUT /api/github/automation/config`: the config is written from afar, and stays a file that is in git.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use orchd_fake::NewItem;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const QUIET: &str = "
  - {name: bugs, on: issues.opened, if: {title: \"(?i)crash\"}, then: [{label: {add: [bug]}}]}";

/// Somebody who writes the config with a key.
#[derive(Clone)]
struct Writer {
    url: String,
    key: String,
}

impl Writer {
    fn of(story: &Story) -> Self {
        let made = story.json(&["keys", "create", "--scope", "config:write", "ci"]);
        let url = format!("{}/api/github/automation/config", story.url());
        Self { url, key: made["key"].as_str().unwrap().to_owned() }
    }

    async fn puts(&self, query: &str, body: Value) -> (StatusCode, Value) {
        let request = reqwest::Client::new().put(format!("{}{query}", self.url)).bearer_auth(&self.key);
        let answer = request.json(&body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// What a text is refused for.
    async fn is_refused(&self, body: Value, status: StatusCode) -> String {
        let (said, answer) = self.puts("", body).await;
        assert_eq!(said, status, "{answer}");
        answer["detail"].as_str().unwrap().to_owned()
    }
}

fn git(story: &Story, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(story.dir.path()).args(["-c", "user.name=a", "-c", "user.email=a@localhost"]);
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A daemon whose config lies in a checkout.
async fn in_a_checkout(database: Database) -> Story {
    let mut story = Story::prepare(database, QUIET, "guards: {hold_reload_over: 1}\n").await;
    git(&story, &["init", "--quiet"]);
    git(&story, &["add", "orchd.yaml"]);
    git(&story, &["commit", "--quiet", "--message", "By hand"]);
    story.start();
    story
}

fn text(story: &Story) -> String {
    std::fs::read_to_string(story.config()).unwrap()
}

fn running(story: &Story) -> String {
    story.json(&["status"])["config"]["revision"].as_str().unwrap().to_owned()
}

fn told(story: &Story, kind: &str) -> Vec<Value> {
    let mut rows = story.json_lines(&["audit", "export", "--kind", kind]);
    for row in &mut rows {
        if let Some(after) = row["after"].as_str() {
            row["after"] = serde_json::from_str(after).unwrap();
        }
    }
    rows
}

on_both_databases!(a_config_is_tried_written_committed_and_taken_up, |database: Database| async move {
    let story = in_a_checkout(database).await;
    let writer = Writer::of(&story);
    let (first, old) = (running(&story), text(&story));
    let new = format!(
        "retention: {{payloads: 30d}}\n{old}  - {{name: docs, mode: shadow, on: issues.opened, then: [{{label: {{add: [docs]}}}}]}}\n"
    );
    let body = json!({"text": new, "base": first, "message": "Keep payloads for a month"});

    let (status, tried) = writer.puts("?dry_run=true", body.clone()).await;
    assert_eq!((status, &tried["written"]), (StatusCode::OK, &json!(false)), "{tried}");
    assert_eq!(tried["rules"], json!([{"rule": "docs", "change": "added"}]));
    let values: Vec<_> = tried["values"].as_array().unwrap().iter().map(|it| &it["key"]).collect();
    assert_eq!(values, [&json!("retention.payloads")]);
    assert_eq!((text(&story), running(&story)), (old.clone(), first.clone()), "nothing is written");
    assert!(told(&story, "config_writing").is_empty() && story.log().contains("a config was tried over the API"));

    let (status, written) = writer.puts("", body.clone()).await;
    assert_eq!((status, &written["written"]), (StatusCode::OK, &json!(true)), "{written}");
    let commit = git(&story, &["log", "-1", "--format=%H|%an|%s"]);
    assert_eq!(commit, format!("{}|ci|Keep payloads for a month", written["commit"].as_str().unwrap()));
    assert_eq!(text(&story), new);
    let second = running(&story);
    assert!(second != first && written["config"]["revision"] == second.as_str(), "{written}");
    let [begun, ended] = ["config_writing", "config_written"].map(|kind| told(&story, kind));
    assert_eq!((begun.len(), ended.len()), (1, 1));
    assert_eq!((&begun[0]["after"]["rules"], &begun[0]["actor"]), (&tried["rules"], &json!("key")));
    assert_eq!((&ended[0]["after"]["commit"], &ended[0]["config_revision"]), (&written["commit"], &json!(second)));
    assert!(story.cli(&["audit", "verify"]).status.success());

    let stale = writer.is_refused(body, StatusCode::CONFLICT).await;
    assert_eq!(stale, format!("it was made from revision {first}, and {second} runs by now"));
});

#[tokio::test]
async fn a_wrong_one_changes_nothing_and_says_where() {
    let story = in_a_checkout(Database::Sqlite).await;
    let writer = Writer::of(&story);
    let (first, old, commit) = (running(&story), text(&story), git(&story, &["rev-parse", "HEAD"]));
    let config = story.config().display().to_string();
    let api_url = format!("api_url: {}", story.github.url());
    for (wrong, why) in [
        (format!("retentoin: {{payloads: 30d}}\n{old}"), format!("{config}:1:1: unknown key `retentoin`")),
        (format!("include: [/etc/*.yaml]\n{old}"), format!("{config}:1:11: `/etc/*.yaml` leads outside")),
        (format!("login: {{keys: [{{file: ../secret}}]}}\n{old}"), format!("{config}:1:23: `../secret` leads outside")),
        (
            old.replace(&api_url, "api_url: https://evil.example.com"),
            "`github.api_url` says where secrets go".to_owned(),
        ),
        (format!("login: {{web_url: https://evil.example.com}}\n{old}"), "`login.web_url` says where".to_owned()),
        (old.replace("/orchd.db\"", "/other.db\""), "`database` says where secrets go".to_owned()),
    ] {
        let said = writer.is_refused(json!({"text": wrong, "base": first}), StatusCode::UNPROCESSABLE_ENTITY).await;
        assert!(said.contains(&why), "{said}\nlacks {why}");
    }
    assert_eq!((running(&story), text(&story), git(&story, &["rev-parse", "HEAD"])), (first, old, commit));
    assert!(told(&story, "config_writing").is_empty());
}

#[tokio::test]
async fn one_that_is_held_says_so_and_is_not_undone_by_who_does_not_know_it() {
    let story = in_a_checkout(Database::Sqlite).await;
    let writer = Writer::of(&story);
    for n in 0..3 {
        story.github.person("alice").opens_issue(WEB, NewItem::titled(&format!("Number {n}")));
    }
    story.settles().await;
    let (first, old) = (running(&story), text(&story));
    let broad = old.replace("(?i)crash", "Number");
    let (status, written) = writer.puts("", json!({"text": broad, "base": first})).await;
    let held = written["config"]["held"]["revision"].as_str().map(str::to_owned);
    assert_eq!((status, &written["written"], held.is_some()), (StatusCode::OK, &json!(true), true), "{written}");
    assert_eq!((written["config"]["revision"].as_str(), text(&story)), (Some(first.as_str()), broad));

    // It was made from what runs, and something else is on disk.
    let other = format!("retention: {{payloads: 30d}}\n{old}");
    let said = writer.is_refused(json!({"text": other, "base": first}), StatusCode::CONFLICT).await;
    assert!(said.contains(&format!("revision {} on disk is held", held.unwrap())), "{said}");
    let (status, written) = writer.puts("", json!({"text": other})).await;
    assert_eq!((status, &written["config"]["held"]), (StatusCode::OK, &Value::Null), "{written}");
    assert_ne!(running(&story), first);
}

#[tokio::test]
async fn whoever_hangs_up_changes_nothing_and_the_next_one_waits_for_its_turn() {
    let story = in_a_checkout(Database::Sqlite).await;
    let hook = story.path(".git/hooks/pre-commit");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\ntouch begun\nuntil [ -e go ]; do sleep 0.01; done\n").unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (writer, first, old) = (Writer::of(&story), running(&story), text(&story));
    let body = |days| json!({"text": format!("retention: {{payloads: {days}d}}\n{old}"), "base": first});
    let puts = |days| {
        let (writer, body) = (writer.clone(), body(days));
        tokio::spawn(async move { writer.puts("", body).await })
    };
    let one = puts(31);
    story.until("it is being committed", |story| story.path("begun").exists()).await;
    let two = puts(32);
    one.abort();
    assert!(one.await.unwrap_err().is_cancelled());
    std::fs::write(story.path("go"), "").unwrap();
    let (status, said) = two.await.unwrap();
    assert_eq!(status, StatusCode::CONFLICT, "{said}");
    assert!(said["detail"].as_str().unwrap().contains("it was made from revision"), "{said}");
    assert!(text(&story).contains("31d"), "{}", text(&story));
    let ended = told(&story, "config_written");
    assert_eq!((ended.len(), &ended[0]["after"]["commit"]), (1, &json!(git(&story, &["rev-parse", "HEAD"]))));
}
