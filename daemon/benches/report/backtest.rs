//! How long it takes to try a hundred rules on a million recorded events, and what memory that takes.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use chrono::{TimeDelta, Utc};
use orchd::store::events::NewEvent;
use orchd::store::{Db, StoreOptions};
use serde_json::Value;

use super::footprint::new_event;
use super::load::Example;
use super::server::{self, Server};

/// Events stored in one transaction.
const BATCH: usize = 1_000;

/// How old the events are: within the time that is looked at.
const AGE: TimeDelta = TimeDelta::days(1);

pub fn run(dir: &Path, examples: &[Example], postgres: &str, events: usize) -> Result<String> {
    let dir = dir.join("backtest");
    std::fs::create_dir_all(&dir)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut text = String::from(
        "| events | rules | database | seconds | events a second | daemon's own memory before, most |\n|---|---|---|---|---|---|\n",
    );
    let pulls: Vec<&Example> = examples.iter().filter(|example| example.event == "pull_request").collect();
    let all: Vec<&Example> = examples.iter().collect();
    let spread = rules(&[
        "pull_request",
        "issues",
        "issue_comment",
        "push",
        "check_run",
        "workflow_run",
        "release",
        "star",
        "pull_request_review",
        "create",
    ]);
    let sqlite = |name: &str| format!("sqlite://{}", dir.join(format!("{name}.db")).display());
    for (what, examples, how, rules, database, url) in [
        ("the 329 published", &all, "10 for each of 10 kinds", &spread, "SQLite", sqlite("all")),
        ("published pull requests", &pulls, "100 for each", &rules(&["pull_request"]), "SQLite", sqlite("pulls")),
        (
            "published pull requests",
            &pulls,
            "100 for each",
            &rules(&["pull_request"]),
            "PostgreSQL",
            postgres.to_owned(),
        ),
    ] {
        runtime.block_on(fill(&url, &dir, examples, events))?;
        let server = server::orchd(&dir, &url, "", "")?;
        let before = own_memory(&server)?;
        let (began, over) = (Instant::now(), AtomicBool::new(false));
        let (seen, most) = std::thread::scope(|scope| {
            let watch = scope.spawn(|| most_memory(&server, &over));
            let seen = test(&dir, rules);
            over.store(true, Ordering::Relaxed);
            (seen, watch.join())
        });
        let took = began.elapsed().as_secs_f64();
        let (seen, most) = (seen?, most.map_err(|_| anyhow!("the watch over memory ended"))??);
        server.stop()?;
        writeln!(
            text,
            "| {events} ({what}) | {how} | {database} | {took:.1} | {:.0} ({seen} awaited) | {:.0} MiB, {:.0} MiB |",
            events as f64 / took,
            before as f64 / 1_048_576.0,
            most as f64 / 1_048_576.0
        )?;
    }
    Ok(text)
}

/// Runs the command as a person does; gives how many events the rules waited for.
fn test(dir: &Path, rules: &str) -> Result<u64> {
    let candidate = dir.join("candidate.yaml");
    std::fs::write(&candidate, rules)?;
    let out = Command::new(env!("CARGO_BIN_EXE_orchd"))
        .args(["backtest", "--json", "--since", "400d", "--config"])
        .arg(&candidate)
        .arg("--socket")
        .arg(dir.join("orchd.sock"))
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(out.status.success(), "the backtest failed");
    let last = out.stdout.split(|byte| *byte == b'\n').rev().find(|line| !line.is_empty()).context("no summary")?;
    let summary: Value = serde_json::from_slice(last)?;
    ensure!(summary["summary"]["complete"] == true, "{summary}");
    summary["summary"]["events"].as_u64().context("no number of events")
}

/// Memory of the process that is not the database's file: that much of SQLite's is mapped, and the system takes it back when it
/// likes.
fn own_memory(server: &Server) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()))?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).context("no RssAnon")?;
    Ok(line.split_whitespace().nth(1).context("no number")?.parse::<u64>()? * 1024)
}

/// The most of it until it is over.
fn most_memory(server: &Server, over: &AtomicBool) -> Result<u64> {
    let mut most = 0;
    while !over.load(Ordering::Relaxed) {
        most = most.max(own_memory(server)?);
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(most)
}

async fn fill(url: &str, dir: &Path, examples: &[&Example], events: usize) -> Result<()> {
    let db = Db::open(&StoreOptions { url: url.to_owned().into(), objects: dir.join("objects") }).await?;
    let mut cycle = examples.iter().cycle();
    let mut left = events;
    while left > 0 {
        let count = left.min(BATCH);
        let stored =
            |example: &&Example| anyhow::Ok(NewEvent { awaited: false, ..new_event(example, Utc::now() - AGE)? });
        let batch = cycle.by_ref().take(count).map(stored).collect::<Result<Vec<_>>>()?;
        db.ingest(batch).await?;
        left -= count;
    }
    db.close().await;
    Ok(())
}

/// A hundred rules as people write them, spread over kinds of event. They look at what payloads tell; few of them act.
fn rules(kinds: &[&str]) -> String {
    let conditions = [
        r#"{all: [{base: "release/**"}, {not: {label: no-bot}}, {draft: false}]}"#,
        r#"{all: [{author: ["dependabot[bot]", "renovate*"]}, {state: open}]}"#,
        r#"{title: "^(feat|fix|docs)(\\(.+\\))?: "}"#,
        r#"{all: [{head: "feature/**"}, {draft: false}, {label: ["ready", "merge"]}]}"#,
        r#"{any: [{label: ["regression", "area/*"]}, {body: "(?i)closes #[0-9]+"}]}"#,
        r#"{all: [{state: open}, {age: "> 36000d"}, {assignee: {present: false}}]}"#,
        r#"{author_association: [FIRST_TIME_CONTRIBUTOR, FIRST_TIMER]}"#,
        r#"{all: [{milestone: "v9*"}, {star: ">= 100"}]}"#,
        r#"{not: {any: [{state: closed}, {state: open}, {state: merged}]}}"#,
        r#"{all: [{label: regression}, {expr: "event.actor_is_bot && item.title.startsWith('chore')"}]}"#,
    ];
    let mut text = String::from("rules:\n");
    for n in 0..100 {
        let (kind, condition) = (kinds[n / 10 % kinds.len()], conditions[n % conditions.len()]);
        let acts = match kind {
            "push" | "release" | "star" | "create" | "workflow_run" => "dispatch: {workflow: nightly.yml, ref: main}",
            _ => "label: {add: [seen]}",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  - {{name: rule-{n}, on: {kind}, if: {condition}, then: [{acts}]}}");
    }
    text
}
