//! What a run came to: for people, for the log, for metrics.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A time span, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Span {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// Everything was looked through; what was missing is stored, asked for, or told as lost.
    Complete,
    /// `recovery.max_requests` was used up: the next run goes on.
    Budget,
    /// GitHub asked to wait: the daemon goes on by itself after that.
    Limited { wait_seconds: u64 },
    /// GitHub or the store failed: the next run tries again.
    Failed { reason: String },
    /// No App is configured, so GitHub tells nobody what it delivered.
    NoApp,
    /// Another daemon on the same database is at it.
    Elsewhere,
}

impl Outcome {
    /// The word that JSON has for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Budget => "budget",
            Self::Limited { .. } => "limited",
            Self::Failed { .. } => "failed",
            Self::NoApp => "no_app",
            Self::Elsewhere => "elsewhere",
        }
    }

    /// Whether it is a failure that a person may have to do something about.
    pub fn failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Report {
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    #[serde(flatten)]
    pub outcome: Outcome,
    pub dry_run: bool,
    /// What was looked through.
    pub looked: Span,
    /// Requests sent to GitHub; those that the client had to send again count once.
    pub requests: u32,
    /// Deliveries in GitHub's list, each counted once however often GitHub tried.
    pub found: u64,
    /// Those that were not stored.
    pub missing: u64,
    /// Pulled and stored.
    pub recovered: u64,
    /// Arrived by themselves in between.
    pub arrived: u64,
    /// Without a payload to pull: GitHub was asked to deliver once more.
    pub redelivery_asked: u64,
    /// Cannot be had any more: GitHub dropped them, or what it has is not what a webhook may hold.
    pub unrecoverable: u64,
    /// Left for the next run.
    pub left: u64,
    /// A span in which something is lost, or could not be looked at because GitHub keeps deliveries no longer than that.
    pub lost: Option<Span>,
}

impl Report {
    pub(super) fn new(now: DateTime<Utc>, dry_run: bool) -> Self {
        Self {
            started_at: now,
            finished_at: now,
            outcome: Outcome::Complete,
            dry_run,
            looked: Span { from: now, until: now },
            requests: 0,
            found: 0,
            missing: 0,
            recovered: 0,
            arrived: 0,
            redelivery_asked: 0,
            unrecoverable: 0,
            left: 0,
            lost: None,
        }
    }

    /// Widens the span of what is lost.
    pub(super) fn lose(&mut self, from: DateTime<Utc>, until: DateTime<Utc>) {
        let lost = self.lost.get_or_insert(Span { from, until });
        lost.from = lost.from.min(from);
        lost.until = lost.until.max(until);
    }

    /// To the log and the metrics.
    pub(super) fn tell(&self) {
        let (missing, recovered, left) = (self.missing, self.recovered, self.left);
        match &self.outcome {
            Outcome::Failed { reason } => {
                tracing::warn!(reason, missing, recovered, left, "recovery could not finish; it is tried again");
            }
            Outcome::Limited { wait_seconds } => {
                tracing::warn!(
                    wait_seconds,
                    missing,
                    recovered,
                    left,
                    "GitHub asked recovery to wait; it goes on after that"
                );
            }
            Outcome::Complete | Outcome::Budget if missing > 0 => {
                let (asked, gone) = (self.redelivery_asked, self.unrecoverable);
                let (from, until) = (self.looked.from, self.looked.until);
                tracing::warn!(missing, recovered, asked, gone, left, %from, %until, "deliveries had not arrived");
            }
            Outcome::NoApp => tracing::debug!("no App is configured: GitHub cannot be asked what it delivered"),
            Outcome::Complete | Outcome::Budget | Outcome::Elsewhere => {
                tracing::debug!(found = self.found, requests = self.requests, outcome = ?self.outcome, "deliveries looked through");
            }
        }
        if !self.dry_run && matches!(self.outcome, Outcome::Complete | Outcome::Budget) {
            metrics::gauge!("orchd_recovery_last_run_timestamp_seconds").set(self.finished_at.timestamp() as f64);
        }
    }
}

/// How a missing delivery was had, as a label.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    Pulled,
    Redelivery,
    Swept,
}

impl How {
    const ALL: [Self; 3] = [Self::Pulled, Self::Redelivery, Self::Swept];

    fn word(self) -> &'static str {
        match self {
            Self::Pulled => "pulled",
            Self::Redelivery => "redelivery",
            Self::Swept => "swept",
        }
    }
}

/// One missing delivery is dealt with, one way or another: what is left for the next run is counted then.
pub(super) fn count_gap() {
    metrics::counter!("orchd_recovery_gaps_total").increment(1);
}

pub(super) fn count_unrecoverable() {
    metrics::counter!("orchd_recovery_unrecoverable_total").increment(1);
}

pub(super) fn show_missing(left: u64) {
    metrics::gauge!("orchd_recovery_missing").set(left as f64);
}

pub(super) fn count_recovered(how: How) {
    metrics::counter!("orchd_recovery_recovered_total", "how" => how.word()).increment(1);
}

/// `None`: nothing is known to be lost.
pub(super) fn show_lost(from: Option<DateTime<Utc>>, now: DateTime<Utc>) {
    let age = from.map_or(0.0, |from| (now - from).as_seconds_f64().max(0.0));
    metrics::gauge!("orchd_recovery_oldest_unrecoverable_seconds").set(age);
}

pub(super) fn describe_metrics() {
    metrics::describe_counter!("orchd_recovery_gaps_total", "Deliveries in GitHub's list that had not arrived");
    metrics::describe_counter!(
        "orchd_recovery_recovered_total",
        "What was missed by how it was had: pulled, asked of GitHub once more, or made up from an item (swept)"
    );
    metrics::describe_counter!(
        "orchd_recovery_unrecoverable_total",
        "Deliveries in GitHub's list that had not arrived and cannot be had any more"
    );
    metrics::describe_gauge!(
        "orchd_recovery_oldest_unrecoverable_seconds",
        "Age of the oldest moment for which something is lost or could not be looked at; 0 when there is none. Told for as long as GitHub keeps deliveries"
    );
    metrics::describe_gauge!("orchd_recovery_last_run_timestamp_seconds", "When GitHub's list was last looked through");
    metrics::describe_gauge!(
        "orchd_recovery_missing",
        "Deliveries known to be missing that the last run left for the next"
    );
    metrics::counter!("orchd_recovery_gaps_total").increment(0);
    metrics::counter!("orchd_recovery_unrecoverable_total").increment(0);
    for how in How::ALL {
        metrics::counter!("orchd_recovery_recovered_total", "how" => how.word()).increment(0);
    }
    show_missing(0);
    show_lost(None, Utc::now());
}
