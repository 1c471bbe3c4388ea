//! Backups as somebody meets them: a real daemon, the real binary, both databases.

mod migrate;
mod refused;
mod taken;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use orchd_fake::NewItem;
use serde_json::Value;

use crate::postgres;
use crate::story::{Database, Story, WEB};

const RULES: &str = "
  - name: triage
    on: issues.opened
    then: [{label: {add: [triage]}}]
";

/// A daemon that has labelled an issue of more than 1 MiB and a small one.
async fn a_morning(database: Database) -> Story {
    let story = Story::begin(database, RULES).await;
    let alice = story.github.person("alice");
    alice.opens_issue(WEB, NewItem::titled("Large").body(&"x".repeat(2 << 20)));
    alice.opens_issue(WEB, NewItem::titled("Small"));
    story.settles().await;
    story
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs the CLI while GitHub goes on; what it said, when it went as it should.
async fn runs(story: &Story, args: &[&str]) -> String {
    let output = story.cli_and_github(args).await;
    assert!(output.status.success(), "orchd {args:?}: {}", said(&output));
    said(&output)
}

/// What it said when it refused.
async fn refuses(story: &Story, args: &[&str]) -> String {
    let output = story.cli_and_github(args).await;
    assert_eq!(output.status.code(), Some(1), "orchd {args:?}: {}", said(&output));
    said(&output)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Makes a backup; where it is, and what was told of it.
async fn back_up(story: &Story, into: &Path) -> (PathBuf, Value) {
    let output = story.cli_and_github(&["--json", "backup", text(into)]).await;
    assert!(output.status.success(), "{}", said(&output));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    (told["path"].as_str().unwrap().into(), told)
}

/// Names in a directory; none when it is not there.
fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Every file below a directory, with its content.
fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push((path.clone(), fs::read(path).unwrap())),
        }
    }
    found.sort();
    found
}

/// The state goes; on PostgreSQL the config names a new database.
async fn lose_the_state(story: &mut Story, database: Database) {
    fs::create_dir(story.path("lost")).unwrap();
    for name in names(story.dir.path()) {
        if name.starts_with("orchd.db") || name == "objects" {
            fs::rename(story.path(&name), story.path("lost").join(&name)).unwrap();
        }
    }
    if database == Database::Postgres {
        story.keep_state_at(&postgres::Database::create().await.url);
        story.write_rules(RULES);
    }
}

/// GUIDs of all stored deliveries.
fn stored(story: &Story) -> BTreeSet<String> {
    let (mut stored, mut after) = (BTreeSet::new(), String::new());
    loop {
        let mut args = vec!["events", "list", "--limit", "1000"];
        if !after.is_empty() {
            args.extend(["--after", &after]);
        }
        let rows = story.json_lines(&args);
        let Some(last) = rows.last() else { return stored };
        after = last["id"].as_str().unwrap().to_owned();
        stored.extend(rows.iter().map(|row| row["delivery_id"].as_str().unwrap().to_owned()));
    }
}
