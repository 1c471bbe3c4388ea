//! `orchd health`: for what starts the daemon and asks whether it works, such as a container's health check.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::daemon::Daemon;
use super::failure::Failure;
use super::output;
use crate::core::text::harmless;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    Degraded,
    Failing,
}

/// What every part of the report has, and some have.
#[derive(Deserialize)]
struct Part {
    status: Status,
    error: Option<String>,
}

pub(super) async fn run(daemon: &Daemon, json: bool) -> Result<(), Failure> {
    let answer = daemon.get("/health", vec![]).await?;
    if json {
        output::print_json(&answer)?;
    }
    let report: Map<String, Value> = output::read(answer)?;
    let status = report.get("status").cloned().unwrap_or_default();
    match output::read::<Status>(status)? {
        Status::Failing => Err(Failure::failed(format!("the daemon does not work: {}", troubles(&report)))),
        Status::Degraded if !json => output::print(&format!("degraded: {}\n", harmless(&troubles(&report)))),
        Status::Ok if !json => output::print("ok\n"),
        Status::Ok | Status::Degraded => Ok(()),
    }
}

/// The parts that are not well, and why where they say so.
fn troubles(report: &Map<String, Value>) -> String {
    let mut told = String::new();
    for (name, part) in report {
        let Ok(part) = Part::deserialize(part) else { continue };
        if part.status == Status::Ok {
            continue;
        }
        let separator = if told.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(told, "{separator}{name}");
        if let Some(first) = part.error.as_deref().and_then(|error| error.lines().next()) {
            let _ = write!(told, " ({first})");
        }
    }
    format!("{told}; `orchd doctor` says more")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_well_is_named_with_its_reason() {
        let report = json!({
            "status": "failing",
            "database": {"status": "failing", "error": "the store does not answer"},
            "config": {"status": "degraded", "error": "orchd.yaml:1:1: one\norchd.yaml:2:1: two"},
            "disk": {"status": "degraded", "free_bytes": 7},
            "github": {"status": "ok"},
            "queue": null,
        });
        let told = troubles(report.as_object().unwrap_or(&Map::new()));
        for part in ["database (the store does not answer)", "config (orchd.yaml:1:1: one)", "disk"] {
            assert!(told.contains(part), "{told}");
        }
        assert!(!told.contains("github") && !told.contains("two") && told.ends_with("; `orchd doctor` says more"));
    }
}
