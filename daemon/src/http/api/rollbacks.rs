//! `/api/rollbacks`: plan, list, show, carry out.

use serde::Serialize;
use uuid::Uuid;

use super::call::Call;
use super::params::ParamKind::{Count, Id, Text};
use super::params::{AFTER, EVENT, LIMIT, Param, REPO, RULE, SINCE, UNTIL, param};
use crate::core::access::Level;
use crate::core::event::{EventId, RepoName};
use crate::core::intent::IntentId;
use crate::core::rule::{Mode, RuleName};
use crate::github::client::WriteTerms;
use crate::http::App;
use crate::http::error::HttpError;
use crate::store::Among;
use crate::store::Page;
use crate::store::rollbacks::RollbackItem;
use crate::store::rollbacks::{RollbackCounts, RollbackFilter, RollbackId, RollbackRow};

/// Effects of a plan when nobody says how many.
const USUAL_EFFECTS: u32 = 10_000;

/// A rollback and how far it is.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "RollbackShown")]
pub(in crate::http) struct Shown {
    #[serde(flatten)]
    pub(in crate::http) row: RollbackRow,
    pub(in crate::http) counts: RollbackCounts,
    /// Why nothing would be written now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) gate: Option<String>,
    /// Rules that may do again what is to be taken back; told between planning and carrying out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::http) still_active: Vec<RuleName>,
    /// The repositories that it was asked for or touches; none: it touches nothing.
    pub(in crate::http) repositories: Vec<RepoName>,
}

pub(super) const PLAN: &[Param] = &[
    param("effect", Id, "This effect."),
    RULE,
    EVENT,
    param("config", Text, "What this config revision did."),
    SINCE,
    UNTIL,
    REPO,
    param("rollback", Id, "What this rollback did: to have it back."),
    param("limit", Count { least: 1, most: u32::MAX as u64 }, "Most effects; 10,000 unless it is said."),
];

pub(super) const LIST: &[Param] = &[LIMIT, AFTER];

/// Answers at once: the plan is judged behind it, and `GET` tells how far that is.
pub(super) async fn plan(call: Call) -> Result<Shown, HttpError> {
    let by = call.by();
    let (app, mut query) = (call.app.clone(), call.query.clone());
    let filter = RollbackFilter {
        effect: query.parsed("effect")?.map(IntentId),
        rule: query.rule("rule")?,
        event: query.parsed("event")?.map(EventId),
        config: query.text("config")?,
        since: query.parsed("since")?,
        until: query.parsed("until")?,
        repo: query.repository("repo")?,
        rollback: query.parsed("rollback")?.map(RollbackId),
    };
    let most = query.parsed("limit")?.unwrap_or(USUAL_EFFECTS);
    query.finish()?;
    if filter == RollbackFilter::default() {
        let detail = "say what to take back: effect, rule, event, config, since, until, repo or rollback";
        return Err(HttpError::BadRequest(detail.to_owned()));
    }
    if most == 0 {
        return Err(HttpError::BadRequest("`limit` must be at least 1".to_owned()));
    }
    may_plan(&call, &filter).await?;
    let within = Among::where_at_least(&call.caller.sight, Level::Operator);
    let id = app.db.begin_rollback(&filter, &within, most, by, chrono::Utc::now()).await?;
    app.rollbacks.notify_one();
    shown(id, &app).await
}

pub(super) async fn list(call: Call) -> Result<Page<RollbackRow>, HttpError> {
    let among = call.among();
    let Call { app, mut query, .. } = call;
    let (limit, after) = (query.limit()?, query.parsed("after")?);
    query.finish()?;
    Ok(app.db.rollbacks(&among, limit, after).await?)
}

pub(super) async fn show(mut call: Call) -> Result<Shown, HttpError> {
    call.no_query()?;
    let id = RollbackId(call.id()?);
    may_touch(&call, id).await?;
    shown(id, &call.app).await
}

pub(super) async fn items(call: Call) -> Result<Page<RollbackItem>, HttpError> {
    let id = RollbackId(call.id()?);
    may_touch(&call, id).await?;
    let Call { app, mut query, .. } = call;
    let (limit, after) = (query.limit()?, query.parsed::<Uuid>("after")?);
    query.finish()?;
    Ok(app.db.rollback_items(id, limit, after).await?)
}

pub(super) async fn execute(mut call: Call) -> Result<Shown, HttpError> {
    call.no_query()?;
    let id = RollbackId(call.id()?);
    may_touch(&call, id).await?;
    let app = &call.app;
    let before = shown(id, app).await?;
    let revision = app.config().revision.hash.clone();
    if app.db.execute_rollback(id, &revision, call.by(), chrono::Utc::now()).await?.is_none() {
        return Err(HttpError::Conflict(match before.row.planned_at {
            None => format!("rollback {id} is still being planned"),
            Some(_) => format!("rollback {id} was carried out before: plan again for what is left"),
        }));
    }
    app.wake.notify_one();
    shown(id, app).await
}

/// Refuses a plan that could reach where whoever asks may not take back.
async fn may_plan(call: &Call, filter: &RollbackFilter) -> Result<(), HttpError> {
    let db = &call.app.db;
    if let Some(id) = filter.effect {
        let missing = || HttpError::NotFound(format!("there is no effect {id}"));
        let effect = db.effect(id).await?.ok_or_else(missing)?;
        return call.check_made(Some(&effect.intent.target.repository), effect.created_at, missing).await;
    }
    if let Some(repository) = &filter.repo {
        return call.check(Some(repository), || HttpError::NotFound(format!("nothing of {repository} is stored")));
    }
    call.check(None, || HttpError::BadRequest("say which of your repositories: `repo`, or one `effect`".to_owned()))
}

/// Refuses whoever may not do this in every repository that the rollback touches.
async fn may_touch(call: &Call, id: RollbackId) -> Result<(), HttpError> {
    let missing = || no_rollback(id);
    let rollback = call.app.db.rollback(id).await?.ok_or_else(missing)?;
    let touched = call.app.db.rollback_repositories(id).await?;
    if touched.is_empty() {
        return call.check(None, missing);
    }
    for repository in &touched {
        call.check_made(Some(repository), rollback.created_at, missing).await?;
    }
    Ok(())
}

fn no_rollback(id: RollbackId) -> HttpError {
    HttpError::NotFound(format!("there is no rollback {id}"))
}

async fn shown(id: RollbackId, app: &App) -> Result<Shown, HttpError> {
    let row = app.db.rollback(id).await?;
    let row = row.ok_or_else(|| no_rollback(id))?;
    let config = app.config();
    let terms = WriteTerms { dry_run: config.github.dry_run, read_only: config.github.read_only, mode: Mode::Active };
    let gate = app.github.load().open_gate(None, terms).err().map(|closed| closed.to_string());
    let mut still_active = Vec::new();
    if row.planned_at.is_some() && row.executed_at.is_none() {
        let active = |name: &RuleName| config.rules.iter().any(|rule| rule.name == *name && rule.mode == Mode::Active);
        still_active = app.db.rules_of_rollback(id).await?;
        still_active.retain(active);
    }
    let (counts, repositories) = (app.db.rollback_counts(id).await?, app.db.rollback_repositories(id).await?);
    Ok(Shown { row, counts, gate, still_active, repositories })
}
