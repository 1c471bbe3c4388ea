//! What deliveries feel while what is over its age is dropped.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::load::{self, Example, Load};
use super::server::{self, Server};

/// Enough for a full batch now and then, few enough that a delivery's own time shows.
const CONNECTIONS: u32 = 64;

/// On the database that the footprint was measured on: all its events are over their age.
pub fn run(dir: &Path, examples: &[Example], seconds: u32) -> Result<String> {
    let requests = dir.join("requests-retention");
    load::write_requests(examples, "/webhooks/github", &requests)?;
    let place = dir.join("footprint");
    let url = format!("sqlite://{}", place.join("orchd.db").display());

    // Retention first looks after a minute, and by then this is over.
    let server = server::orchd(&place, &url, "", "")?;
    load::wrk(dir, &requests, server.port, CONNECTIONS, 2)?;
    let alone = load::wrk(dir, &requests, server.port, CONNECTIONS, seconds)?;
    server.stop()?;

    let server = server::orchd(&place, &url, "retention: {every: 1s}\n", "")?;
    load::wrk(dir, &requests, server.port, CONNECTIONS, 2)?;
    let before = dropped(&server)?;
    let beside = load::wrk(dir, &requests, server.port, CONNECTIONS, seconds)?;
    let meanwhile = dropped(&server)? - before;
    ensure!(meanwhile > 0, "nothing was dropped while deliveries came");
    server.stop()?;

    let mut text =
        String::from("| | deliveries/s | p50 ms | p99 ms | rows dropped meanwhile |\n|---|---|---|---|---|\n");
    let mut row = |name: &str, load: Load, dropped: u64| {
        writeln!(text, "| {name} | {:.0} | {:.1} | {:.1} | {dropped} |", load.rate(), load.p50_ms, load.p99_ms)
    };
    row("undisturbed", alone, 0)?;
    row("while expired rows are dropped", beside, meanwhile)?;
    writeln!(text, "\np99: {:.2} times the undisturbed one.", beside.p99_ms / alone.p99_ms)?;
    Ok(text)
}

/// Rows that retention has dropped: events, payloads and decisions.
fn dropped(server: &Server) -> Result<u64> {
    let page = metrics(server)?;
    let lines = page.lines().filter_map(|line| line.strip_prefix("orchd_retention_dropped_total{"));
    Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}

fn metrics(server: &Server) -> Result<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", server.port))?;
    connection.write_all(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).context("no metrics")?;
    Ok(answer)
}
