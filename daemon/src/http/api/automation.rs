//! `/api/github/automation`: run, config, status.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::OwnedMutexGuard;

use super::call::Call;
use super::params::ParamKind::{Flag, Time};
use super::params::{Param, param};
use crate::config::diff::{self, RuleChange, ValueChange};
use crate::core::audit::{Cause, Entry, Kind};
use crate::engine::config_file::{self, Author, Draft, Unwritten};
use crate::engine::recover::{Order, Report};
use crate::http::App;
use crate::http::error::HttpError;
use crate::http::health::{ConfigHealth, GitHubHealth, Queue, RecoveryHealth};

pub(super) const RUN: &[Param] =
    &[param("since", Time, "How far back; as far as GitHub keeps deliveries unless it is said.")];
pub(super) const CONFIG: &[Param] = &[param("dry_run", Flag, "Only check, and tell what would change.")];

/// Looks for what never arrived, then sweeps where the config says so. Answers when that has ended.
pub(super) async fn run(mut call: Call) -> Result<Report, HttpError> {
    let order = Order { since: call.query.parsed("since")?, sweep: true, ..Order::default() };
    call.no_query()?;
    let asked = json!({"since": order.since, "sweep": true});
    let entry = Entry::new(Kind::RecoveryAsked, call.by(), Utc::now()).states(None, Some(asked));
    call.app.db.audit(vec![entry]).await?;
    let report: Report = tokio::select! {
        report = call.app.recovery.look(order) => report?,
        () = call.app.stopping.cancelled() => return Err(super::config::stopping()),
    };
    Ok(report)
}

/// Whether orchd works, and on what.
#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::http) struct Standing {
    /// Rules that may act.
    pub(in crate::http) active_rules: usize,
    pub(in crate::http) rules: usize,
    /// Everything is decided, nothing written.
    pub(in crate::http) dry_run: bool,
    pub(in crate::http) read_only: bool,
    pub(in crate::http) config: ConfigHealth,
    pub(in crate::http) queue: Queue,
    pub(in crate::http) recovery: RecoveryHealth,
    pub(in crate::http) github: GitHubHealth,
    pub(in crate::http) started_at: DateTime<Utc>,
}

pub(super) async fn status(mut call: Call) -> Result<Standing, HttpError> {
    call.no_query()?;
    let (app, config) = (&call.app, call.app.config());
    let active = config.rules.iter().filter(|rule| rule.mode == crate::core::rule::Mode::Active);
    Ok(Standing {
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
    /// SHA-256 of the file that it was made from, as `config.file` tells it; refused when another file is there by now.
    file: Option<String>,
    /// Of the commit, where the file lies in a git checkout.
    message: Option<String>,
}

/// What a config file changes, and what became of it.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "ConfigWritten")]
pub(in crate::http) struct Written {
    pub(in crate::http) rules: Vec<RuleChange>,
    pub(in crate::http) values: Vec<ValueChange>,
    /// Worth knowing, and no reason to refuse it.
    pub(in crate::http) notes: Vec<String>,
    /// With `dry_run`: its rules as `config show` would show them, and as a backtest takes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) proposed: Option<Value>,
    /// Whether the file was written.
    pub(in crate::http) written: bool,
    /// The commit that was made; absent where the file lies in no checkout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) commit: Option<String>,
    /// Why no commit was made though the file lies in a checkout. It was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) not_committed: Option<String>,
    /// The config as it stands now: the new one may be held, see `held`.
    pub(in crate::http) config: ConfigHealth,
}

/// Checks, tells what changes, writes, commits, and has it taken up. The config stays a file.
pub(super) async fn config(mut call: Call) -> Result<Written, HttpError> {
    let dry_run = call.query.parsed::<bool>("dry_run")?.unwrap_or(false);
    call.no_query()?;
    let NewConfig { text, base, file, message } = call.document()?;
    // From the first look to the end: of two that were made from the same revision, one is written.
    let turn = call.app.config_turn().await;
    let running = call.app.config();
    if let Some(base) = base.as_ref().filter(|base| **base != running.revision.hash) {
        let detail = format!("it was made from revision {base}, and {} runs by now", running.revision.hash);
        return Err(HttpError::Conflict(detail));
    }
    let (runs, based) = (Arc::clone(&running), base.is_some());
    let drafted = off_thread(move || config_file::draft(&runs, text, based, Utc::now())).await?;
    let refused_for = drafted.as_ref().err().map(Unwritten::to_string);
    if dry_run {
        // Whoever tries many of them looks for something.
        tracing::info!(by = ?call.by(), refused = refused_for, "a config was tried over the API");
    }
    let draft = drafted.map_err(|error| refused(error, &call.app))?;
    if file.is_some_and(|file| !draft.replaces(&file)) {
        return Err(refused(Unwritten::Changed, &call.app));
    }
    let told = Written {
        rules: diff::rules(&running.effective["rules"], &draft.config.effective["rules"]),
        values: diff::values(&running.effective, &draft.config.effective),
        notes: draft.config.notes.iter().map(|note| note.message.clone()).collect(),
        proposed: dry_run.then(|| draft.config.effective["rules"].clone()),
        written: false,
        commit: None,
        not_committed: None,
        config: ConfigHealth::of(&call.app),
    };
    if dry_run {
        return Ok(told);
    }
    let message = message.filter(|message| !message.trim().is_empty());
    // In a task of its own: whoever hangs up changes nothing from here on.
    let done = tokio::spawn(write(call, draft, told, message, turn)).await;
    done.map_err(|error| HttpError::Internal { cause: format!("it ended early: {error}") })?
}

/// The chain tells of it before the file is another, so that no crash in between goes untold, and then how it ended. What
/// goes wrong after the file was replaced is no refusal: it is among the notes.
async fn write(
    call: Call,
    draft: Draft,
    mut told: Written,
    message: Option<String>,
    _turn: OwnedMutexGuard<()>,
) -> Result<Written, HttpError> {
    let app = &call.app;
    let cause = Cause { config_revision: Some(draft.config.revision.hash.clone()), ..Cause::default() };
    let row = |kind, after| {
        let entry = Entry::new(kind, call.by(), Utc::now()).states(None, Some(after));
        vec![Entry { cause: cause.clone(), ..entry }]
    };
    let change = json!({"rules": told.rules, "values": told.values});
    app.db.audit(row(Kind::ConfigWriting, change)).await?;
    let placed = off_thread(move || draft.put_in_place()).await?.map_err(|error| refused(error, app))?;
    told.written = true;
    told.notes.extend(placed.notes.iter().cloned());
    let author = Author::of(&call.by());
    let committed = off_thread(move || placed.commit(&author, message.as_deref())).await;
    match committed.unwrap_or_else(|error| Some(Err(format!("{error:?}")))) {
        Some(Ok(commit)) => told.commit = Some(commit),
        Some(Err(reason)) => told.not_committed = Some(reason),
        None => {}
    }
    let why = told.not_committed.as_deref().or(told.commit.is_none().then_some("it lies in no git checkout"));
    let after = json!({"commit": told.commit, "not_committed": why, "notes": told.notes});
    if let Err(error) = app.db.audit(row(Kind::ConfigWritten, after)).await {
        tracing::error!(%error, commit = told.commit, why, "the config was written, and the audit chain does not tell how it ended");
        told.notes.push("the audit chain tells that it was to be written, and not how it ended".to_owned());
    }
    if super::config::take_up(app).await.is_err() {
        told.notes.push("the daemon is stopping: it is taken up at the next start".to_owned());
    }
    told.config = ConfigHealth::of(app);
    Ok(told)
}

fn refused(error: Unwritten, app: &App) -> HttpError {
    match error {
        Unwritten::Invalid(problems) => HttpError::Invalid(problems),
        Unwritten::Redirected(keys) => HttpError::Unprocessable(format!(
            "{} says where secrets go: it is changed by an editor on the machine only",
            keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        )),
        Unwritten::NotWhatRuns(revision) => HttpError::Conflict(astray(revision.as_deref(), app)),
        Unwritten::Changed => HttpError::Conflict("the config file was changed meanwhile: look at it again".to_owned()),
        Unwritten::Disk(reason) => HttpError::Conflict(format!("the config file cannot be written: {reason}")),
    }
}

/// Why what is on disk is not what runs.
fn astray(on_disk: Option<&str>, app: &App) -> String {
    let status = app.config.status();
    let instead = "a config made from the one that runs would undo it. Leave `base` out to replace whatever is there";
    match on_disk {
        Some(revision) if status.held.as_ref().is_some_and(|held| held.revision == revision) => {
            format!("revision {revision} on disk is held (`orchd config confirm {revision}` takes it up): {instead}")
        }
        Some(revision) => format!("revision {revision} is on disk and does not run yet: {instead}"),
        None => format!("what is on disk does not validate: {instead}"),
    }
}

/// Files and git are waited for elsewhere.
pub(super) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, HttpError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| HttpError::Internal { cause: error.to_string() })
}
