//! `make bench`: measures what the README claims and writes `docs/benchmarks.md`. Every ratio comes from one run.
//!
//! `--hmac-only PORT` serves the webhook route with nothing behind the signature: what ingest is compared with.
//! `--quick` measures for two seconds each and prints instead of writing; so does `--only=SECTION` (`ingest`, `latency`,
//! `footprint`, `audit`, `backtest`, `reads`, `pages`, `live`), which measures in full.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a report for a person")]
#![allow(unreachable_pub, reason = "nothing outside sees a benchmark")]

mod audit;
mod backtest;
mod dashboard;
mod footprint;
mod hmac_only;
mod ingest;
mod latency;
mod load;
mod reads;
mod retention;
mod server;

use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--hmac-only") {
        return hmac_only::serve(args.get(at + 1).context("--hmac-only PORT")?.parse()?);
    }
    let quick = args.iter().any(|arg| arg == "--quick");
    let only =
        |name: &str| !args.iter().any(|arg| arg.starts_with("--only=")) || args.contains(&format!("--only={name}"));
    let dir =
        tempfile::Builder::new().prefix("orchd-bench").tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../target"))?;
    let seconds = if quick { 4 } else { 15 };

    let mut report = format!("{HEAD}\n{}\n", machine()?);
    if only("ingest") {
        let database = std::env::var("ORCHD_BENCH_POSTGRES").context("run this through `make bench`")?;
        report += "## Durable ingest\n\n";
        report += INGEST;
        report += &ingest::run(dir.path(), &load::examples()?, &database, seconds)?;
    }
    if only("latency") {
        report += "\n## From 202 to the first GitHub request\n\n";
        report += &latency::run(dir.path(), if quick { 50 } else { 500 })?;
    }
    if only("footprint") {
        report += "\n## Footprint\n\n";
        let events = if quick { 20_000 } else { 1_000_000 };
        report += &footprint::run(dir.path(), events)?;
        report += "\n## Retention\n\n";
        report += RETENTION;
        report += &retention::run(dir.path(), &load::examples()?, seconds)?;
    }
    if only("audit") {
        let database = std::env::var("ORCHD_BENCH_POSTGRES").context("run this through `make bench`")?;
        report += "\n## Audit chain\n\n";
        report += AUDIT;
        report +=
            &audit::run(dir.path(), &database, if quick { 20_000 } else { 1_000_000 }, if quick { 2 } else { 10 })?;
    }
    if only("backtest") {
        let database = std::env::var("ORCHD_BENCH_POSTGRES").context("run this through `make bench`")?;
        report += "\n## Backtest\n\n";
        report += BACKTEST;
        let events = if quick { 20_000 } else { 1_000_000 };
        report += &backtest::run(dir.path(), &load::examples()?, &database, events)?;
    }
    if only("reads") {
        let database = std::env::var("ORCHD_BENCH_POSTGRES").context("run this through `make bench`")?;
        let events = if quick { 20_000 } else { 1_000_000 };
        writeln!(report, "\n## Reads\n\nWhat the API asks of a database of {events} events. {READS}")?;
        report += &told(reads::run(dir.path(), &database, events)?);
    }
    if only("pages") {
        let database = std::env::var("ORCHD_BENCH_POSTGRES").context("run this through `make bench`")?;
        let events = if quick { 20_000 } else { 1_000_000 };
        writeln!(report, "\n## Pages\n\nThe dashboard on that database of {events} events. {PAGES}")?;
        report += &told(dashboard::pages(dir.path(), &database, events)?);
    }
    if only("live") {
        report += "\n## Live readers\n\n";
        report += LIVE;
        report += &told(dashboard::live(dir.path(), &load::examples()?, seconds)?);
    }
    println!("{report}");
    // A part is no report.
    if !quick && !args.iter().any(|arg| arg.starts_with("--only=")) {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md"), report)?;
    }
    Ok(())
}

/// Shown as soon as it is there: a later section may fail.
fn told(section: String) -> String {
    eprintln!("{section}");
    section
}

const HEAD: &str = "# Benchmarks

Written by `make bench`; every ratio comes from one run on one machine, with the load generator on the same cores. Decisions are
measured apart: `cargo bench --bench decide`. Profile `bench`, all of it built for speed; in packages (profile `dist`) what no delivery passes
through is built to be small.
";

const INGEST: &str = "The 329 published example payloads, each request with a new delivery id, signed, sent by `wrk -t1` for a quarter of a minute
after a two-second warm-up. orchd answers 202 only when the event is on disk (`synchronous=FULL`, `fsync=on`); workers are on, and
four rules wait for pull requests, issues, comments and pushes and match none. \"HMAC only\" is the same server without anything
behind the signature. Probot is the npm release with a handler that does nothing: it holds events in memory only. PostgreSQL has its
defaults but `max_wal_size=4GB` and `min_wal_size=3GB`, and log files to use again, as a server in use has: making them under load
takes the slowest answers from 20 ms to 65. The CPU is that of the server's process: PostgreSQL's own comes on top.

";

const RETENTION: &str = "The same deliveries at 64 connections on that SQLite database, all of whose events are over their age: once while they are left alone, once
while they are dropped (payloads first, then events with all that belongs to them). On PostgreSQL whole months are dropped instead.

";

const AUDIT: &str = "Proof: `orchd audit verify` without its way through the socket; the last rows were just written. Appending: transactions with nothing in
them but one row, of the chain or of a table that nothing ties together, by several tasks at once. Those that append to one chain commit one after another.

";

const BACKTEST: &str = "`orchd backtest --json` of 100 rules against recorded events, from the start of the command to its end, the daemon doing nothing else.
The rules look at what payloads tell; events of kinds that no rule waits for are not read.

";

const READS: &str = "Pages of 50, each asked for a hundred times; a fifth of the events is
decided, two decisions each, in 2,000 repositories of 20 installations, few of which have most of the events. Lists by who asks, that
is, which repositories they see. This section alone: `packaging/dev/bench.sh --only=reads`.
";

const PAGES: &str = "Every page, a hundred times each, one after the other over one connection, as an
admin of the site who signed in; from the request to the last byte of the answer.
";

const LIVE: &str = "Deliveries as above at 64 connections on SQLite, with and without pages that listen to all events, in turn, three times each. The readers
are on the same cores.

";

fn machine() -> Result<String> {
    let read = |program: &str, args: &[&str]| -> String {
        let out = Command::new(program).args(args).output();
        out.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default()
    };
    let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown CPU").to_owned();
    let cores = std::thread::available_parallelism()?;
    let kernel = read("uname", &["-sr"]);
    let rust = read("rustc", &["--version"]);
    let node = read("node", &["--version"]);
    Ok(format!("Machine: {cores} cores of {model}, {kernel}; {rust}; Node {node}; {}.\n", load::PROBOT))
}
