//! `POST /audit/verify`: whether the audit chain is whole, asked for by a person who waits for the answer.

use std::time::Duration;

use askama::Template;
use http::StatusCode;
use tokio::time::{Instant, timeout_at};
use warp::reply::Response;

use super::super::api::endpoints::AuditVerify;
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::super::reply::Lines;
use super::parts::thousands;
use super::{Layout, Visit};
use crate::core::audit::{Fault, Report};
use crate::core::text::harmless;
use crate::engine::audit::Step;

/// How long a person is left waiting: proxies give up on an answer after a minute, or half of one.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of it.
enum Proof {
    Report(Report),
    /// There was no time for so many rows.
    TooLong {
        rows: u64,
        of: u64,
    },
    Failed(String),
}

#[derive(Template)]
#[template(path = "pages/audit_proof.html")]
struct ProofPage {
    layout: Layout,
    class: &'static str,
    sign: &'static str,
    title: &'static str,
    told: String,
    facts: Vec<(&'static str, String)>,
    faults: Vec<FaultLine>,
    more_faults: u64,
    /// The shell can do what a page has no time for.
    needs_shell: bool,
}

/// Something that is wrong, and the row to look at.
struct FaultLine {
    told: String,
    seq: i64,
}

pub(super) async fn verify(visit: Visit) -> Result<Response, HttpError> {
    let lines = visit.ask(AuditVerify, &[], Vec::new()).await?;
    let proof = read(lines, Instant::now() + PATIENCE).await;
    page::html(StatusCode::OK, &ProofPage::of(visit.layout("Audit"), &proof))
}

/// Reads to the verdict, or as far as there is time: the proof ends when nobody reads it.
async fn read(mut lines: Lines, until: Instant) -> Proof {
    let (mut rows, mut of) = (0, 0);
    loop {
        match timeout_at(until, lines.recv()).await {
            Err(_) => return Proof::TooLong { rows, of },
            Ok(None) => return Proof::Failed("the proof ended without a verdict".to_owned()),
            Ok(Some(line)) => match serde_json::from_slice(&line) {
                Ok(Step::Progress { rows: now, of: all }) => (rows, of) = (now, all),
                Ok(Step::Report(report)) => return Proof::Report(report),
                Ok(Step::Failed(why)) => return Proof::Failed(why),
                Err(error) => return Proof::Failed(format!("the proof cannot be read: {error}")),
            },
        }
    }
}

impl ProofPage {
    fn of(layout: Layout, proof: &Proof) -> Self {
        let page = |class, sign, title, told| Self {
            layout,
            class,
            sign,
            title,
            told,
            facts: Vec::new(),
            faults: Vec::new(),
            more_faults: 0,
            needs_shell: false,
        };
        match proof {
            Proof::Report(report) => {
                let rows = thousands(report.rows);
                let told = page;
                let page = match (report.is_proved(), report.rows) {
                    (true, 0) => told("good", "✓", "The chain is empty", "There is nothing to verify yet.".to_owned()),
                    (true, _) => told(
                        "good",
                        "✓",
                        "The chain is whole",
                        format!("All {rows} rows are what was written, one after the other."),
                    ),
                    (false, _) => told(
                        "bad",
                        "✗",
                        "The chain is broken",
                        format!("{rows} rows were looked at. Somebody, or something, changed what was written."),
                    ),
                };
                let faults: Vec<_> = report.faults.iter().map(FaultLine::of).collect();
                let more_faults = report.faults_in_all.saturating_sub(faults.len() as u64);
                Self { facts: facts(report), faults, more_faults, ..page }
            }
            Proof::TooLong { rows, of } => {
                let told = format!(
                    "{} of {} rows were looked at in {} seconds, and a page waits no longer: there is no verdict.",
                    thousands(*rows),
                    thousands(*of),
                    PATIENCE.as_secs()
                );
                Self { needs_shell: true, ..page("look", "!", "The chain is too long to verify here", told) }
            }
            Proof::Failed(why) => {
                let page = page("bad", "✗", "Nothing could be verified", harmless(why));
                Self { needs_shell: true, ..page }
            }
        }
    }
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let number = |seq: Option<i64>| seq.map(|seq| seq.to_string());
    let range = number(report.first).zip(number(report.last)).map(|(first, last)| format!("{first} to {last}"));
    let cut = report.cut.as_ref().map(|cut| {
        format!(
            "after row {}: {} older than {} days were dropped by plan",
            cut.until, cut.rows_in_all, cut.older_than_days
        )
    });
    let some = |count: u64| (count > 0).then(|| thousands(count));
    let anchors = match report.anchors {
        0 => Some("none: set `audit.anchor` in the config, and a chain that is written anew is found out".to_owned()),
        count => Some(format!("{} compared", thousands(count))),
    };
    [
        ("Rows", range),
        ("Head", report.head.map(|head| head.to_string())),
        ("Begins", cut),
        ("Without personal data", some(report.pseudonymised)),
        ("Anchors", anchors),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

impl FaultLine {
    fn of(fault: &Fault) -> Self {
        let seq = match fault {
            Fault::Changed { seq } | Fault::Erased { seq } | Fault::Rewritten { seq, .. } => *seq,
            // The one before is there.
            Fault::Missing { from, .. } => from.saturating_sub(1),
            Fault::Swapped { first, .. } => *first,
            Fault::CutOff { last, .. } => *last,
        };
        Self { told: fault.to_string(), seq }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn line(step: &Step) -> bytes::Bytes {
        serde_json::to_vec(step).unwrap_or_default().into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_proof_that_takes_too_long_is_left_at_the_deadline() {
        let (lines, read_end) = mpsc::channel(4);
        let reading = tokio::spawn(read(read_end, Instant::now() + PATIENCE));
        let sent = lines.send(line(&Step::Progress { rows: 4_096, of: 1_000_000 })).await;
        assert!(sent.is_ok());
        assert!(matches!(reading.await, Ok(Proof::TooLong { rows: 4_096, of: 1_000_000 })));
        assert!(lines.send(bytes::Bytes::new()).await.is_err(), "nobody reads any more");
    }

    #[tokio::test]
    async fn what_fails_is_told() {
        let (lines, read_end) = mpsc::channel(4);
        let sent = lines.send(line(&Step::Failed("the anchor file is gone".to_owned()))).await;
        assert!(sent.is_ok());
        let until = Instant::now() + PATIENCE;
        assert!(matches!(read(read_end, until).await, Proof::Failed(why) if why == "the anchor file is gone"));
        let (_, nothing) = mpsc::channel(1);
        assert!(matches!(read(nothing, until).await, Proof::Failed(_)));
    }
}
