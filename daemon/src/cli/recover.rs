//! `orchd recover`.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;

use super::daemon::Daemon;
use super::failure::Failure;
use super::output;
use super::when;
use crate::core::text;
use crate::engine::recover::{Outcome, Report};

pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  everything was looked through, and what was missing is stored or asked for
  1  not everything: GitHub asked to wait or failed, or something cannot be recovered (the text says which)";

/// Two thousand requests, the default of `recovery.max_requests`, at a slow two seconds each.
const PATIENCE: Duration = Duration::from_secs(4_000);

#[derive(Debug, Args)]
pub(super) struct Recover {
    /// Look from then on, not just since the last time: 2h, 3d, 2026-03-01, 2026-03-01T12:00:00Z. GitHub keeps deliveries for
    /// three days.
    #[arg(long, value_name = "TIME", value_parser = when::from_argument)]
    since: Option<DateTime<Utc>>,
    /// Tell what is missing, fetch nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Recover {
    pub(super) async fn run(&self, daemon: &Daemon, json: bool) -> Result<(), Failure> {
        let since = self.since.map(|since| format!("&since={}", since.to_rfc3339_opts(SecondsFormat::Secs, true)));
        let path = format!("/api/recover?dry_run={}{}", self.dry_run, since.unwrap_or_default());
        let answer = daemon.post_within(PATIENCE, &path).await?;
        let report: Report = output::read(answer.clone())?;
        if json {
            output::print_json(&answer)?
        } else {
            output::print(&shown(&report))?
        }
        if let Some(since) = self.since.filter(|since| (*since - report.looked.from).num_seconds() < 0) {
            output::note(&format!(
                "Looked through from {} on only: what is from {} on before that is kept no longer.",
                text::time(report.looked.from),
                text::time(since)
            ));
        }
        verdict(&report).map_or(Ok(()), |reason| Err(Failure::failed(reason)))
    }
}

fn shown(report: &Report) -> String {
    let (from, until) = (text::time(report.looked.from), text::time(report.looked.until));
    output::facts(&[
        ("looked through", format!("{from} to {until}; what is newer may still be on its way")),
        ("found", report.found.to_string()),
        ("missing", report.missing.to_string()),
        ("recovered", report.recovered.to_string()),
        ("arrived meanwhile", report.arrived.to_string()),
        ("asked again", report.redelivery_asked.to_string()),
        ("unrecoverable", report.unrecoverable.to_string()),
        ("left", report.left.to_string()),
        ("requests", report.requests.to_string()),
    ])
}

/// Why not all is well; `None`: it is.
fn verdict(report: &Report) -> Option<String> {
    match &report.outcome {
        Outcome::Complete => {}
        Outcome::Budget => {
            return Some("the budget of requests (recovery.max_requests) is used up: run it again".to_owned());
        }
        Outcome::Limited { wait_seconds } => {
            return Some(format!(
                "GitHub asked to wait {wait_seconds} s; the daemon goes on at its next run, or run it again then"
            ));
        }
        Outcome::Failed { reason } => return Some(reason.clone()),
        Outcome::NoApp => {
            return Some(
                "GitHub tells only the App what it delivered: set github.private_key and github.client_id".to_owned(),
            );
        }
        Outcome::Elsewhere => return Some("another daemon on this database is looking right now".to_owned()),
    }
    if report.unrecoverable > 0 {
        return Some(format!("{} deliveries cannot be recovered; the daemon's log names them", report.unrecoverable));
    }
    report.lost.map(|lost| {
        let (from, until) = (text::time(lost.from), text::time(lost.until));
        format!("deliveries from {from} to {until} can no longer be looked through")
    })
}
