//! `/api/github/automation`: run, config, status.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::oneshot;

use super::call::Call;
use super::params::ParamKind::{Flag, Time};
use super::params::{Param, param};
use crate::config::diff::{self, RuleChange, ValueChange};
use crate::core::audit::{Entry, Kind};
use crate::engine::config_file::{self, Author, Unwritten};
use crate::engine::guards::reload::Asked;
use crate::engine::recover::{Order, Report};
use crate::http::error::HttpError;
use crate::http::health::{ConfigHealth, GitHubHealth, Queue, RecoveryHealth};
use crate::http::reply::{self, Reply};

pub(super) const RUN: &[Param] =
    &[param("since", Time, "How far back; as far as GitHub keeps deliveries unless it is said.")];
pub(super) const CONFIG: &[Param] = &[param("dry_run", Flag, "Only check, and tell what would change.")];

/// Looks for what never arrived, then sweeps where the config says so. Answers when that has ended.
pub(super) async fn run(mut call: Call) -> Result<Reply, HttpError> {
    let order = Order { since: call.query.parsed("since")?, sweep: true, ..Order::default() };
    call.no_query()?;
    let asked = json!({"since": order.since, "sweep": true});
    let entry = Entry::new(Kind::RecoveryAsked, call.by(), Utc::now()).states(None, Some(asked));
    call.app.db.audit(vec![entry]).await?;
    let report: Report = tokio::select! {
        report = call.app.recovery.look(order) => report?,
        () = call.app.stopping.cancelled() => return Err(stopping()),
    };
    reply::json(&report)
}

/// Whether orchd works, and on what.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Standing {
    /// Rules that may act.
    active_rules: usize,
    rules: usize,
    /// Everything is decided, nothing written.
    dry_run: bool,
    read_only: bool,
    config: ConfigHealth,
    queue: Queue,
    recovery: RecoveryHealth,
    github: GitHubHealth,
    started_at: DateTime<Utc>,
}

pub(super) async fn status(mut call: Call) -> Result<Reply, HttpError> {
    call.no_query()?;
    let (app, config) = (&call.app, call.app.config());
    let active = config.rules.iter().filter(|rule| rule.mode == crate::core::rule::Mode::Active);
    reply::json(&Standing {
        active_rules: active.count(),
        rules: config.rules.len(),
        dry_run: config.github.dry_run,
        read_only: config.github.read_only,
        config: ConfigHealth::of(app),
        queue: Queue::of(app.db.queue_depth().await?),
        recovery: RecoveryHealth::of(app),
        github: GitHubHealth::of(app),
        started_at: app.started_at,
    })
}

/// A config file to take the place of the one on disk.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewConfig {
    /// The whole text of the config file: YAML.
    text: String,
    /// The revision that it was made from; refused when another one runs by now.
    base: Option<String>,
    /// Of the commit, where the file lies in a git checkout.
    message: Option<String>,
}

/// What a config file changes, and what became of it.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "ConfigWritten")]
pub(super) struct Written {
    rules: Vec<RuleChange>,
    values: Vec<ValueChange>,
    /// Worth knowing, and no reason to refuse it.
    notes: Vec<String>,
    /// Whether the file was written.
    written: bool,
    /// The commit that was made; absent where the file lies in no checkout.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// Why no commit was made though the file lies in a checkout. It was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_committed: Option<String>,
    /// The config as it stands now: the new one may be held, see `held`.
    config: ConfigHealth,
}

/// Checks, tells what changes, writes, commits, and has it taken up. The config stays a file.
pub(super) async fn config(mut call: Call) -> Result<Reply, HttpError> {
    let dry_run = call.query.parsed::<bool>("dry_run")?.unwrap_or(false);
    call.no_query()?;
    let new: NewConfig = call.document()?;
    let running = call.app.config();
    if let Some(base) = new.base.as_ref().filter(|base| **base != running.revision.hash) {
        let detail = format!("it was made from revision {base}, and {} runs by now", running.revision.hash);
        return Err(HttpError::Conflict(detail));
    }
    let (path, text) = (running.revision.path.clone(), new.text);
    let draft = off_thread(move || config_file::draft(&path, &text, Utc::now())).await?.map_err(refused)?;
    let mut told = Written {
        rules: diff::rules(&running.effective["rules"], &draft.config.effective["rules"]),
        values: diff::values(&running.effective, &draft.config.effective),
        notes: draft.config.notes.iter().map(|note| note.message.clone()).collect(),
        written: false,
        commit: None,
        not_committed: None,
        config: ConfigHealth::of(&call.app),
    };
    if dry_run {
        return reply::json(&told);
    }
    let author = Author::of(&call.by());
    let message = new.message.filter(|message| !message.trim().is_empty());
    let placed = off_thread(move || draft.put_in_place(&author, message.as_deref())).await?.map_err(refused)?;
    let (commit, not_committed) = match placed {
        Some(Ok(commit)) => (Some(commit), None),
        Some(Err(reason)) => (None, Some(reason)),
        None => (None, None),
    };
    let after = json!({"rules": told.rules, "values": told.values, "commit": commit});
    let entry = Entry::new(Kind::ConfigWritten, call.by(), Utc::now()).states(None, Some(after));
    call.app.db.audit(vec![entry]).await?;
    take_up(&call).await?;
    (told.written, told.commit, told.not_committed) = (true, commit, not_committed);
    told.config = ConfigHealth::of(&call.app);
    reply::json(&told)
}

async fn take_up(call: &Call) -> Result<(), HttpError> {
    let (asked, over) = oneshot::channel();
    call.app.reload.send(Asked::Reload(asked)).await.map_err(|_| stopping())?;
    over.await.map_err(|_| stopping())
}

fn stopping() -> HttpError {
    HttpError::NotYet("the daemon is stopping".to_owned())
}

fn refused(error: Unwritten) -> HttpError {
    match error {
        Unwritten::Invalid(problems) => HttpError::Unprocessable(format!("the config has errors:\n{problems}")),
        Unwritten::Disk(reason) => HttpError::Conflict(format!("the config file cannot be written: {reason}")),
    }
}

/// Files and git are waited for elsewhere.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, HttpError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| HttpError::Internal { cause: error.to_string() })
}
