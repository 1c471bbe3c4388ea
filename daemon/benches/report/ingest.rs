//! Durable ingest against the same server with HMAC only and against Probot, in one run.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::load::{self, Example, Load};
use super::server::{self, Server};

const CONNECTIONS: [u32; 2] = [64, 256];

/// Rules that wait for what most repositories send, and match none of it.
const RULES: &str = r#"rules:
  - {name: docs, mode: shadow, on: [pull_request.*], if: {title: "^never written"}, then: [{label: {add: [docs]}}]}
  - {name: triage, mode: shadow, on: [issues.opened, issues.edited], if: {body: "never written"}, then: [{label: {add: [x]}}]}
  - {name: answer, mode: shadow, on: [issue_comment.created], if: {comment: "^/never"}, then: [{label: {add: [x]}}]}
  - {name: ship, mode: shadow, on: [push], if: {author: nobody-at-all}, then: [{dispatch: {event_type: ship}}]}
"#;

struct Row {
    name: &'static str,
    connections: u32,
    load: Load,
    /// Of the server process, microseconds a delivery.
    cpu_us: f64,
}

pub fn run(dir: &Path, examples: &[Example], postgres: &str, seconds: u32) -> Result<String> {
    let hooks = dir.join("requests-orchd");
    let probot_hooks = dir.join("requests-probot");
    load::write_requests(examples, "/webhooks/github", &hooks)?;
    load::write_requests(examples, "/api/github/webhooks", &probot_hooks)?;
    let sqlite = format!("sqlite://{}", dir.join("ingest/orchd.db").display());

    let mut rows = Vec::new();
    for connections in CONNECTIONS {
        let mut measure = |name, server: Server, requests: &Path| -> Result<()> {
            // A short run first, so that no server pays for its caches and connections in the figure.
            load::wrk(dir, requests, server.port, connections, 2)?;
            let before = server.cpu()?;
            let load = load::wrk(dir, requests, server.port, connections, seconds)?;
            let cpu_us = (server.cpu()? - before) * 1e6 / load.requests as f64;
            eprintln!("{name} {connections}: {:.0}/s p99 {:.1} ms cpu {cpu_us:.1} us", load.rate(), load.p99_ms);
            rows.push(Row { name, connections, load, cpu_us });
            server.stop()
        };
        measure("HMAC only", server::hmac_only(dir)?, &hooks)?;
        measure("orchd, SQLite", server::orchd(&dir.join("ingest"), &sqlite, RULES, "")?, &hooks)?;
        measure("orchd, PostgreSQL", server::orchd(&dir.join("ingest-pg"), postgres, RULES, "")?, &hooks)?;
        measure("Probot", server::probot(dir)?, &probot_hooks)?;
    }
    table(&rows)
}

fn table(rows: &[Row]) -> Result<String> {
    let mut text = String::from(
        "| server | connections | deliveries/s | of HMAC only | times Probot | p50 ms | p99 ms | CPU µs a delivery |\n|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let rate_of =
            |name| rows.iter().find(|r| r.name == name && r.connections == row.connections).map(|r| r.load.rate());
        let share = rate_of("HMAC only").map_or(0.0, |rate| row.load.rate() / rate * 100.0);
        let times = rate_of("Probot").map_or(0.0, |rate| row.load.rate() / rate);
        writeln!(
            text,
            "| {} | {} | {:.0} | {share:.0} % | {times:.1} | {:.1} | {:.1} | {:.1} |",
            row.name,
            row.connections,
            row.load.rate(),
            row.load.p50_ms,
            row.load.p99_ms,
            row.cpu_us
        )?;
    }
    Ok(text)
}
