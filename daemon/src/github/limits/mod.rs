//! Never refused: what may be asked of GitHub when, so that it has no reason to say no.
//!
//! Owns the budget of each identity (the hour's quota, and the windows of the secondary limits), the breaker that stops
//! asking a GitHub that does not answer, and who waits for whom. Refuses to know where budgets are kept ([`Ledger`]) and
//! what a request is for. `budget`, `quota`, `window`, `told` and `breaker` are pure: they are told the time.
//!
//! Invariant: a request is counted before it is sent, and what is not known is taken to be used.

mod admission;
mod breaker;
mod budget;
mod ledger;
mod quota;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod told;
mod window;

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};

pub(super) use admission::Limits;
pub use admission::{PartyState, Trouble};
pub use breaker::BreakerTerms;
pub(super) use budget::Ask;
pub use budget::Reply;
pub use ledger::{Budgets, Change, Ledger, LedgerError};
pub(super) use told::{Refusal, Told};

/// Who goes first when there is not enough for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Looking through what may have been missed: nobody waits for it.
    Sweep,
    /// An event's job.
    Event,
    /// A person waits for the answer.
    Command,
}

impl Priority {
    pub(super) const ALL: [Self; 3] = [Self::Sweep, Self::Event, Self::Command];
}

/// What a request costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    Read,
    /// A change that makes nothing new that people are told of.
    Write,
    /// Makes an issue, a comment, a review, …: GitHub counts these apart.
    Content,
}

impl Cost {
    /// Points of the limit by the minute: docs.github.com, "Calculating points for the secondary rate limit".
    fn points(self) -> u32 {
        match self {
            Self::Read => 1,
            Self::Write | Self::Content => 5,
        }
    }

    /// GitHub does not list what it counts as making content. Labels tell nobody; every other POST, and a merge, may.
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let last = path.split('?').next().unwrap_or(path).rsplit('/').next().unwrap_or_default();
        match *method {
            Method::GET | Method::HEAD => Self::Read,
            // Signing in changes nothing.
            Method::POST if last == "access_tokens" => Self::Read,
            Method::POST if last != "labels" => Self::Content,
            Method::PUT if last == "merge" => Self::Content,
            _ => Self::Write,
        }
    }
}

/// A quota of its own at GitHub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Resource {
    Core,
    Search,
    Graphql,
}

impl Resource {
    /// Of a path below `api_url`.
    pub(super) fn of(path: &str) -> Self {
        match path.trim_start_matches('/').split(['/', '?']).next() {
            Some("search") => Self::Search,
            Some("graphql") => Self::Graphql,
            _ => Self::Core,
        }
    }

    /// As `x-ratelimit-resource` names it.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "core" => Some(Self::Core),
            "search" => Some(Self::Search),
            "graphql" => Some(Self::Graphql),
            _ => None,
        }
    }

    /// How long GitHub's window is, in milliseconds.
    fn window(self) -> i64 {
        match self {
            Self::Core | Self::Graphql => 3_600_000,
            Self::Search => 60_000,
        }
    }
}

/// What GitHub allows beside the hour's quota. Zero: no such limit. orchd stays a tenth below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub points_a_minute: u32,
    pub content_a_minute: u32,
    pub content_an_hour: u32,
    /// Between two changes in the long run; a few may follow each other at once.
    pub write_spacing: Duration,
    /// Requests under way at once.
    pub at_once: u32,
    /// A request without an answer by then has none coming, and counts as under way no more.
    pub answer_within: Duration,
}

impl Default for Terms {
    /// docs.github.com, "Rate limits for the REST API".
    fn default() -> Self {
        Self {
            points_a_minute: 900,
            content_a_minute: 80,
            content_an_hour: 500,
            write_spacing: Duration::from_secs(1),
            at_once: 50,
            answer_within: Duration::from_secs(25),
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
