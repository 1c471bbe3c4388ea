//! `/api/config`: the config in use and those before it; letting a held one in, and putting an earlier one back.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::call::Call;
use super::config_file::{self, OnDisk};
use super::params::{LIMIT, Param};
use crate::actions;
use crate::config::diff::{self, RuleChange, ValueChange};
use crate::config::hold::Hold;
use crate::config::{Config, Revision};
use crate::engine::guards::reload::{Asked, RollBack};
use crate::http::App;
use crate::http::error::HttpError;
use crate::http::health::ConfigHealth;
use crate::store::config_revisions::ConfigRevisionRow;

/// Revisions among which one is looked for by the beginning of its name.
const LOOKED_THROUGH: u32 = 1_000;

/// Fewest characters that name a revision.
const SHORTEST_NAME: usize = 4;

/// The config in use.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "RunningConfig")]
pub(in crate::http) struct Running {
    pub(in crate::http) revision: String,
    pub(in crate::http) git_commit: Option<String>,
    pub(in crate::http) effective: Value,
    /// What is on disk, where that is not what runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) on_disk: Option<OnDisk>,
}

/// A config that ran.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "PastConfig")]
pub(in crate::http) struct Past {
    pub(in crate::http) revision: String,
    pub(in crate::http) git_commit: Option<String>,
    pub(in crate::http) path: String,
    /// When it was taken up last.
    pub(in crate::http) loaded_at: DateTime<Utc>,
    pub(in crate::http) rules: usize,
    /// What it changed of the one before it.
    pub(in crate::http) changes: Vec<RuleChange>,
    /// The same beside the rules; nothing where there is none before it.
    pub(in crate::http) values: Vec<ValueChange>,
    /// `running`, `held`, or nothing.
    pub(in crate::http) state: Option<&'static str>,
}

pub(super) async fn show(mut call: Call) -> Result<Running, HttpError> {
    call.no_query()?;
    let on_disk = config_file::on_disk(&call).await?;
    let config = call.app.config();
    let Revision { hash, git_commit, .. } = &config.revision;
    let (revision, git_commit, effective) = (hash.clone(), git_commit.clone(), config.effective.clone());
    Ok(Running { revision, git_commit, effective, on_disk })
}

/// Revisions are few: there is one page.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "ConfigHistory")]
pub(in crate::http) struct History {
    pub(in crate::http) rows: Vec<Past>,
    pub(in crate::http) next: Option<Uuid>,
}

pub(super) const REVISIONS: &[Param] = &[LIMIT];

/// Newest first. What each changed is told of the one before it in this list.
pub(super) async fn revisions(call: Call) -> Result<History, HttpError> {
    let Call { app, mut query, .. } = call;
    let limit = query.limit()?;
    query.finish()?;
    let rows = app.db.config_revisions(limit + 1).await?;
    let status = app.config.status();
    let held = status.held.map(|held| held.revision);
    let no_rules = Value::Null;
    let past = rows.iter().take(limit as usize).enumerate().map(|(at, row)| {
        let rules = |row: &ConfigRevisionRow| row.effective.get("rules").cloned().unwrap_or_default();
        let before = rows.get(at + 1).map_or(no_rules.clone(), rules);
        Past {
            revision: row.revision.clone(),
            git_commit: row.git_commit.clone(),
            path: row.path.clone(),
            loaded_at: row.loaded_at,
            rules: rules(row).as_array().map_or(0, Vec::len),
            changes: diff::rules(&before, &rules(row)),
            values: rows.get(at + 1).map(|old| diff::values(&old.effective, &row.effective)).unwrap_or_default(),
            state: match &row.revision {
                running if *running == status.revision.hash => Some("running"),
                waiting if Some(waiting) == held.as_ref() => Some("held"),
                _ => None,
            },
        }
    });
    Ok(History { rows: past.collect(), next: None })
}

/// Answers when the revision is in use.
pub(super) async fn confirm(mut call: Call) -> Result<ConfigHealth, HttpError> {
    call.no_query()?;
    let (revision, app) = (call.named(), &call.app);
    let _turn = app.config_turn().await;
    let held = app.config.status().held;
    if app.config().revision.hash == revision {
        return Ok(ConfigHealth::of(app));
    }
    match held {
        Some(held) if held.revision == revision => {}
        Some(held) => {
            return Err(HttpError::NotFound(format!("revision {revision} is not held, {} is", held.revision)));
        }
        None => return Err(HttpError::NotFound("no config is held".to_owned())),
    }
    app.db.confirm_config(revision, call.by(), Utc::now()).await?;
    take_up(app).await?;
    if app.config().revision.hash != revision {
        let told = "it is confirmed, and not in use: the files have changed since, see `orchd status`";
        return Err(HttpError::Conflict(told.to_owned()));
    }
    Ok(ConfigHealth::of(app))
}

/// Has what is on disk taken up, and waits until that is over.
///
/// # Errors
/// When the daemon is stopping.
pub(super) async fn take_up(app: &App) -> Result<(), HttpError> {
    let (asked, over) = oneshot::channel();
    app.reload.send(Asked::Reload(asked)).await.map_err(|_| stopping())?;
    over.await.map_err(|_| stopping())
}

pub(super) fn stopping() -> HttpError {
    HttpError::NotYet("the daemon is stopping; what was decided counts at its next start".to_owned())
}

/// Answers when the earlier revision is in use. What is on disk is held until it changes or a person confirms it.
pub(super) async fn roll_back(mut call: Call) -> Result<ConfigHealth, HttpError> {
    call.no_query()?;
    let (name, app) = (call.named(), &call.app);
    let _turn = app.config_turn().await;
    let (running, now) = (app.config(), Utc::now());
    let row = find(name, app).await?;
    if row.revision == running.revision.hash {
        return Err(HttpError::Conflict(format!("revision {} is in use", row.revision)));
    }
    let status = app.config.status();
    if status.held.as_ref().is_some_and(|held| held.revision == row.revision) {
        return Err(HttpError::Conflict(format!("revision {0} is held: `orchd config confirm {0}`", row.revision)));
    }
    let earlier = acting_as(&running, &row)?;
    // What runs and what waits are put aside, so that neither comes back unasked when the files become so again.
    let aside = |revision: &str, git_commit: &Option<String>| {
        let revision =
            Revision { hash: revision.to_owned(), git_commit: git_commit.clone(), ..running.revision.clone() };
        Hold::rolled_back(&revision, &row.revision, now)
    };
    let runs = aside(&running.revision.hash, &running.revision.git_commit);
    let waits = status.held.as_ref().map(|held| aside(&held.revision, &held.git_commit));
    for hold in std::iter::once(&runs).chain(&waits) {
        let told = serde_json::to_value(hold).map_err(|error| HttpError::Internal { cause: error.to_string() })?;
        app.db.roll_back_config(&hold.revision, &told, call.by(), now).await?;
    }
    // What is on disk: what waits, what is in use, or something that is refused.
    let hold = waits.or_else(|| status.refused.is_none().then_some(runs));
    let (done, over) = oneshot::channel();
    let wish = Box::new(RollBack { from: running.revision.hash.clone(), earlier, hold, done });
    app.reload.send(Asked::RollBack(wish)).await.map_err(|_| stopping())?;
    over.await.map_err(|_| stopping())?.map_err(HttpError::Conflict)?;
    Ok(ConfigHealth::of(app))
}

fn acting_as(running: &Config, row: &ConfigRevisionRow) -> Result<Config, HttpError> {
    let revision = Revision {
        hash: row.revision.clone(),
        git_commit: row.git_commit.clone(),
        loaded_at: Utc::now(),
        ..running.revision.clone()
    };
    running.acting_as(revision, &row.effective, actions::kinds()).map_err(|problems| {
        HttpError::Conflict(format!("this version of orchd cannot read the rules of {}: {problems}", row.revision))
    })
}

/// A revision by the beginning of its name, or of its commit's.
async fn find(name: &str, app: &App) -> Result<ConfigRevisionRow, HttpError> {
    if name.len() < SHORTEST_NAME {
        return Err(HttpError::BadRequest(format!("name a revision by at least {SHORTEST_NAME} characters")));
    }
    let fits = |row: &ConfigRevisionRow| {
        row.revision.starts_with(name) || row.git_commit.as_ref().is_some_and(|commit| commit.starts_with(name))
    };
    let mut found = app.db.config_revisions(LOOKED_THROUGH).await?.into_iter().filter(fits);
    match (found.next(), found.next()) {
        (Some(row), None) => Ok(row),
        (Some(one), Some(other)) => Err(HttpError::BadRequest(format!(
            "`{name}` may be {} or {}: write more of it",
            one.revision, other.revision
        ))),
        (None, _) => Err(HttpError::NotFound(format!("no revision `{name}` ever ran: see `orchd config history`"))),
    }
}
