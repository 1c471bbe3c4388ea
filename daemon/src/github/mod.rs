//! GitHub as orchd meets it: authentication, the client with its budgets, its memory and its write gate, webhooks, facts,
//! files, the App's installations.
//!
//! Refuses to know the store and what a rule means. Invariants: a body is not parsed before its signature was verified,
//! unless we asked GitHub for it ourselves (2); nothing but a [`client::Writer`] can send anything that changes GitHub, and only the gate makes one (4); no token
//! reaches a log or an error (11).

mod answer;
#[cfg(feature = "server")]
pub mod app;
pub mod auth;
mod cache;
pub mod checkup;
pub mod client;
pub mod connection;
pub mod contents;
#[cfg(feature = "server")]
pub mod deliveries;
pub mod facts;
#[cfg(feature = "server")]
pub mod forward;
mod gate;
mod graphql;
pub mod heard;
pub mod installations;
#[cfg(feature = "server")]
pub mod items;
mod layers;
pub mod limits;
pub mod meta;
#[cfg(feature = "server")]
pub mod oauth;
#[cfg(feature = "server")]
pub mod oidc;
pub mod path;
#[cfg(feature = "server")]
pub mod registration;
pub mod roles;
pub mod rounds;
mod runs;
mod send;
#[cfg(feature = "server")]
pub mod sight;
#[cfg(test)]
pub(crate) mod stand_in;
pub mod timeline;
mod transport;
pub mod webhook;

use std::time::Duration;

/// Why a request to GitHub did not give an answer, by what the caller can do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GitHubError {
    /// 404 or 410: it does not exist or the App may not see it.
    #[error("GitHub has no {0}, or the App may not see it")]
    NotFound(String),
    /// 401, 403 (not a limit), 422, …: asking again gives the same answer. Status 0: orchd itself refused.
    #[error("{}refused{}: {message}", if *status == 0 { "" } else { "GitHub " }, in_brackets(*status))]
    Refused { status: u16, message: String },
    /// A limit: try again not before `retry_after` has passed.
    #[error("GitHub asked to wait {}s: {message}", retry_after.as_secs())]
    Limited { retry_after: Duration, message: String },
    /// GitHub does not answer anybody: try again not before `retry_after` has passed. A write may or may not have happened.
    #[error("GitHub does not answer ({cause}); asking again in {}s", retry_after.as_secs_f64().ceil())]
    Down { retry_after: Duration, cause: String },
    /// 5xx, time-out, connection: the same request may work later, and a write may or may not have happened.
    #[error("GitHub could not be reached or failed: {0}")]
    Unavailable(String),
    /// An answer that is not what GitHub documents.
    #[error("GitHub's answer could not be read: {0}")]
    Unreadable(String),
    /// The App's key does not work, or is missing: a person must mend the config.
    #[error("the GitHub App cannot sign in: {0}")]
    Credentials(String),
}

fn in_brackets(status: u16) -> String {
    if status == 0 { String::new() } else { format!(" ({status})") }
}

impl GitHubError {
    /// One word for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not_found",
            Self::Refused { .. } => "refused",
            Self::Limited { .. } => "limited",
            Self::Down { .. } => "down",
            Self::Unavailable(_) => "unavailable",
            Self::Unreadable(_) => "unreadable",
            Self::Credentials(_) => "credentials",
        }
    }
}

/// Why the write gate is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateClosed {
    #[error("dry run: `github.dry_run` is on")]
    DryRun,
    #[error("the config says `github.read_only`")]
    ReadOnly,
    #[error("the rule is in shadow mode")]
    Shadow,
    #[error("the rule is off")]
    Off,
}
