//! The config: YAML on disk in, a whole and valid [`Config`] out, or every error with its place.
//!
//! A file becomes a tree in which everything knows its place (`marked`), is read against the one table of keys
//! (`table`, `fields`, `values`), and every problem is gathered (`findings`) before anyone is told. `extends` brings in
//! presets. `live` holds the config in use and swaps it, `watch` says when its files changed, `schema` and `reference`
//! describe it, `origins` tells where each value came from. `repository` reads the file that a repository keeps for
//! itself, `cases` one of tests, `rule_text` a rule that somebody tries, all with the same readers; `yaml` writes.
//!
//! Refuses to know the store, GitHub and HTTP. Invariant 9: a config that does not validate never replaces one that does.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::core::event::RepoName;
use crate::core::rule::{Repositories, Rule};

mod audit;
mod cases;
mod commands;
mod database;
#[cfg(feature = "server")]
pub mod diff;
mod extends;
mod fields;
mod findings;
mod forward;
mod guards;
#[cfg(feature = "server")]
pub mod hold;
mod include;
#[cfg(feature = "server")]
pub mod live;
mod load;
mod marked;
mod origins;
mod people;
#[cfg(feature = "server")]
pub mod reach;
pub mod reference;
pub mod repository;
mod repository_table;
mod revision;
mod rule_files;
#[cfg(feature = "server")]
mod rule_text;
mod rules;
mod schedule;
pub mod schema;
mod secret;
#[cfg(feature = "server")]
mod secret_places;
mod sections;
pub mod suggest;
mod table;
mod telemetry;
#[cfg(test)]
mod tests;
mod values;
#[cfg(feature = "server")]
pub mod watch;
#[cfg(feature = "server")]
pub mod yaml;

pub use cases::{Cases, NamedCase, read_cases};
pub use commands::Commands;
pub use extends::shipped::{ParameterDoc, PresetDoc, presets};
pub use forward::{Forward, ForwardSecret};
pub use guards::Guards;
pub use load::{Ruleset, load, load_in, load_rules, load_with_origins};
#[cfg(feature = "server")]
pub use load::{State, load_rules_text, load_state, load_text};
pub use origins::Origins;
pub use people::{Access, Api, Login, Named, Rate, SecretKey};
pub use revision::git_commit;
pub use rule_files::{Sources, sources};
#[cfg(feature = "server")]
pub use rule_text::{Quoted, read_rule_text, secrets_in_clear};
pub use schedule::Schedule;
pub use secret::CREDENTIALS;
#[cfg(feature = "server")]
pub use secret_places::{SecretPlace, SecretSource, secret_places};
pub use telemetry::{LogFile, Otlp, Rotate, Telemetry};
pub use values::parse_duration;

/// A loaded config. Whoever holds one holds a valid one.
#[derive(Clone, Debug)]
pub struct Config {
    pub revision: Revision,
    /// Whether only what makes it act is of its revision, and the rest of a later one.
    pub stands_in: bool,
    pub server: Server,
    pub database: Database,
    pub github: GitHub,
    pub retention: Retention,
    pub audit: Audit,
    pub queue: Queue,
    pub repository_config: RepositoryConfig,
    pub commands: Commands,
    pub schedule: Schedule,
    pub recovery: Recovery,
    pub forward: Forward,
    pub guards: Guards,
    pub access: Access,
    pub login: Login,
    pub api: Api,
    pub logging: Logging,
    pub telemetry: Telemetry,
    pub rules: Arc<[Rule]>,
    /// Where each of these is written, in the same order: `orchd.yaml:12:5`. Empty: they are those of an earlier revision.
    pub places: Arc<[String]>,
    /// The effective config with every default filled in and secrets masked: what `config show` prints.
    pub effective: serde_json::Value,
    /// Worth telling whoever wrote it, but no reason to refuse it.
    pub notes: Vec<Problem>,
}

/// Which config this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// First 16 hexadecimal digits of the SHA-256 over all loaded files (names and contents, in order).
    pub hash: String,
    /// Commit of the checkout the config lies in.
    pub git_commit: Option<String>,
    pub path: PathBuf,
    pub loaded_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub listen: SocketAddr,
    pub public_url: Option<String>,
    pub admin_socket: Option<PathBuf>,
    /// Empty: webhooks from anywhere (the signature is what counts).
    pub webhook_allow: Vec<Allow>,
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Bytes of a webhook body; default and most 25 MiB (GitHub's cap).
    pub max_body: u64,
    /// For a whole request to arrive; default 10 s.
    pub read_timeout: Duration,
    /// Payloads at once in ingest before 503; default 4,096.
    pub max_pending: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allow {
    /// The `hooks` list of `GET /meta`.
    GitHub,
    Net(ipnet::IpNet),
}

#[derive(Clone, Debug)]
pub struct Database {
    pub url: SecretString,
    /// Payloads over 1 MiB; default `objects` beside the SQLite file, else `/var/lib/orchd/objects`.
    pub objects: PathBuf,
}

#[derive(Clone, Debug)]
pub struct GitHub {
    pub app_id: Option<u64>,
    pub client_id: Option<String>,
    pub private_key: Option<SecretString>,
    /// At least one.
    pub webhook_secrets: Vec<SecretString>,
    pub client_secret: Option<SecretString>,
    pub api_url: http::Uri,
    /// For one request; default 10 s.
    pub timeout: Duration,
    /// Default 1 h.
    pub refresh_installations: Duration,
    /// Bytes of memory for answers; default 64 MiB, 0: off.
    pub cache: u64,
    pub limits: GitHubLimits,
    pub breaker: Breaker,
    pub dry_run: bool,
    pub read_only: bool,
}

/// What GitHub allows beside the hour's quota; zero: no such limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitHubLimits {
    /// Default 900; a read is one point, a change five.
    pub points_a_minute: u32,
    /// Default 80.
    pub content_a_minute: u32,
    /// Default 500.
    pub content_an_hour: u32,
    /// Between two changes in the long run; default 1 s.
    pub write_spacing: Duration,
    /// Requests under way at once; default 50.
    pub at_once: u32,
}

/// When GitHub is left alone because it does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// In a row; default 5.
    pub failures: u32,
    /// The first time, doubled each time; default 5 s.
    pub open: Duration,
    /// Default 1 min.
    pub open_cap: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Default 365 days.
    pub events: Duration,
    /// Default 90 days. At most as long as events.
    pub payloads: Duration,
    /// Default 365 days. At most as long as events.
    pub decisions: Duration,
    /// How often what is over its age is looked for; default an hour.
    pub every: Duration,
}

/// The audit chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Of rows; default 1095 days.
    pub retention: Duration,
    /// Default 365 days.
    pub pseudonymise_after: Duration,
    /// The file that the chain's head is appended to.
    pub anchor: Option<PathBuf>,
}

/// How jobs are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Lanes at work at once; default 8.
    pub workers: u32,
    /// Default 8.
    pub max_attempts: u32,
    /// Of a claimed job; renewed at a third of it; default 30 s.
    pub lease: Duration,
    /// First wait after a failed attempt, doubled each time; default 1 s.
    pub backoff: Duration,
    /// Longest wait; default 5 min.
    pub backoff_cap: Duration,
}

/// Rules that repositories keep in a file of their own.
#[derive(Clone, Debug)]
pub struct RepositoryConfig {
    /// Default off.
    pub enabled: bool,
    /// Within the repository, without a slash before it.
    pub path: String,
    /// Default 1 h.
    pub refresh: Duration,
    pub repositories: Repositories,
    pub terms: FileTerms,
}

impl RepositoryConfig {
    /// Whether the repository's own file counts.
    pub fn covers(&self, repository: &RepoName) -> bool {
        self.enabled && self.repositories.includes(repository)
    }
}

/// What a repository's own file may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileTerms {
    /// Names of actions.
    pub actions: Vec<String>,
    pub max_rules: usize,
    /// Bytes.
    pub max_size: u64,
}

/// How what never arrived is found.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// `None`: only when asked; default 5 min.
    pub every: Option<Duration>,
    /// How long GitHub keeps deliveries; default 3 days.
    pub window: Duration,
    /// Younger deliveries are left alone; default 1 min.
    pub grace: Duration,
    /// Requests in one run; default 2,000.
    pub max_requests: u32,
    /// `None`: no repository is swept.
    pub sweep: Option<Sweep>,
}

/// Which repositories are looked through for changes that no delivery told.
#[derive(Clone, Debug)]
pub struct Sweep {
    pub repositories: Repositories,
    /// Default 1 day.
    pub every: Duration,
}

/// What is logged, and in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    pub format: LogFormat,
    /// Targets and their levels, as `tracing-subscriber`'s `Targets` reads them; default `info`.
    pub level: String,
    /// Where the log goes beside its usual place.
    pub file: Option<LogFile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// The journal under systemd, text on a terminal, JSON elsewhere.
    Auto,
    Json,
    Text,
}

/// One thing wrong, and where. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, JsonSchema)]
#[schemars(rename = "ConfigProblem")]
pub struct Problem {
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// Everything that is wrong with a config, in the order of the files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|p| format!("{}:{}:{}: {}", p.file.display(), p.line, p.column, p.message)).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);
