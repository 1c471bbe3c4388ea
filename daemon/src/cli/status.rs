//! `orchd status`.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::daemon::Daemon;
use super::failure::Failure;
use super::output;
use crate::config::hold::Hold;
use crate::core::text;
use crate::github::limits::PartyState;
use crate::store::guards::TripRow;
use crate::store::installations::InstallationCount;
use crate::store::jobs::QueueDepth;
use crate::store::repository_configs::RepositoryConfigRow;

#[derive(Deserialize)]
struct Status {
    version: String,
    uptime_seconds: i64,
    listen: String,
    config_path: String,
    config: Config,
    rules: usize,
    dry_run: bool,
    read_only: bool,
    queue: QueueDepth,
    github: GitHub,
    recovery: Recovery,
    repositories: usize,
    installations: InstallationCount,
    guards: Vec<TripRow>,
    repository_configs: Vec<RepositoryConfigRow>,
}

#[derive(Deserialize)]
struct GitHub {
    troubles: Vec<PartyState>,
}

#[derive(Deserialize)]
struct Config {
    revision: String,
    git_commit: Option<String>,
    loaded_at: DateTime<Utc>,
    error: Option<String>,
    held: Option<Hold>,
    needs_restart: Vec<String>,
}

#[derive(Deserialize)]
struct Recovery {
    runs: String,
    #[serde(flatten)]
    last: Option<LastRun>,
}

#[derive(Deserialize)]
struct LastRun {
    last_run_at: DateTime<Utc>,
    outcome: String,
    left: u64,
}
/// Of one repository's file: its check run and `--json` tell them all.
const MOST_PROBLEMS: usize = 3;

pub(super) async fn run(daemon: &Daemon, json: bool) -> Result<(), Failure> {
    let answer = daemon.get("/api/status", vec![]).await?;
    if json {
        return output::print_json(&answer);
    }
    let status: Status = output::read(answer)?;
    let commit = status.config.git_commit.map(|commit| format!(", commit {commit}")).unwrap_or_default();
    let mut facts = vec![
        ("version", status.version),
        ("up for", duration(status.uptime_seconds)),
        ("listens on", status.listen),
        ("config", status.config_path),
        ("revision", format!("{}{commit}, loaded {}", status.config.revision, text::time(status.config.loaded_at))),
    ];
    if let Some(error) = status.config.error {
        facts.extend(config_error(&error).map(|line| ("config error", line)));
    }
    if let Some(hold) = &status.config.held {
        facts.push(("config held", held(hold)));
    }
    if !status.config.needs_restart.is_empty() {
        facts.push(("after restart", format!("new values of {}", status.config.needs_restart.join(", "))));
    }
    let writes = match (status.dry_run, status.read_only) {
        (true, _) => "no: github.dry_run is on",
        (_, true) => "no: github.read_only is on",
        _ => "yes",
    };
    let troubles = status.github.troubles.iter().map(|each| {
        let what = each.trouble;
        ("jobs wait", format!("{}: {what}, {} more", each.who, duration(i64::try_from(each.seconds_left).unwrap_or(0))))
    });
    let troubles: Vec<_> = troubles.collect();
    let queue = status.queue;
    let oldest = queue.oldest_queued.map(|at| format!(", oldest from {}", text::time(at))).unwrap_or_default();
    facts.extend([
        ("rules", status.rules.to_string()),
        ("may write", writes.to_owned()),
        ("queue", format!("{} queued{oldest}, {} running, {} dead letters", queue.queued, queue.running, queue.dead)),
        ("recovery", recovery(&status.recovery)),
        ("knows", format!("{} repositories in {}", status.repositories, installations(status.installations))),
    ]);
    facts.extend(troubles);
    for trip in &status.guards {
        facts.push(("stopped", format!("{} on {}: {}", trip.rule, trip.place(), trip.note)));
    }
    for row in &status.repository_configs {
        for problem in row.problems.iter().take(MOST_PROBLEMS) {
            let (at, message) = (format!("{}:{}:{}", row.path, problem.line, problem.column), &problem.message);
            facts.push(("own config", format!("{}: {at}: {message}", row.repository)));
        }
    }
    output::print(&output::facts(&facts))
}

/// The first lines of it, and what it means.
fn config_error(error: &str) -> impl Iterator<Item = String> {
    let lines: Vec<_> = error.lines().map(str::to_owned).collect();
    let more = lines.len().saturating_sub(MOST_PROBLEMS);
    let more = (more > 0).then(|| format!("and {more} more: `orchd config check` lists them all"));
    let rest = more.into_iter().chain(["the revision above keeps running".to_owned()]);
    lines.into_iter().take(MOST_PROBLEMS).chain(rest)
}

/// What waits, why, and what to do.
fn held(hold: &Hold) -> String {
    if let Some(to) = &hold.rolled_back_to {
        return format!(
            "revision {} is on disk, and was rolled back to {to}: mend the files, or `orchd config confirm {}`",
            hold.revision, hold.revision
        );
    }
    let rules: Vec<String> = hold.rules.iter().map(|each| format!("{} on {}", each.rule, each.items)).collect();
    let least = if hold.complete { "" } else { "at least " };
    format!(
        "revision {} would have acted on {least}{} issues and pull requests in the last day, more than {} \
         (guards.hold_reload_over): {}; the revision above keeps running until `orchd config confirm {}`",
        hold.revision,
        hold.items,
        hold.most,
        rules.join(", "),
        hold.revision
    )
}

/// `every 300 s; last 2026-03-01 12:00:00: complete`.
fn recovery(recovery: &Recovery) -> String {
    let last = recovery.last.as_ref().map(|last| {
        let left = if last.left > 0 { format!(", {} still missing", last.left) } else { String::new() };
        format!("; last {}: {}{left}", text::time(last.last_run_at), last.outcome)
    });
    format!("{}{}", recovery.runs, last.unwrap_or_default())
}

/// Those that may act, and the others by what keeps them from it.
fn installations(count: InstallationCount) -> String {
    let stopped = [(count.suspended, "suspended"), (count.deleted, "deleted")];
    let stopped: String =
        stopped.iter().filter(|(count, _)| *count > 0).map(|(n, how)| format!(", {n} {how}")).collect();
    format!("{} installations{stopped}", count.active)
}

/// `3d 4h`, `5m 6s`: the two largest units.
fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m {}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_have_two_units() {
        let shown = [0, 59, 61, 3_661, 90_061].map(duration);
        assert_eq!(shown, ["0s", "59s", "1m 1s", "1h 1m", "1d 1h"]);
    }
}
