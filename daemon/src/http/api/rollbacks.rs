//! `/api/rollbacks`: plan, list, show, carry out.

use serde::Serialize;
use uuid::Uuid;
use warp::Filter;
use warp::reply::Response;

use super::operator;
use super::query::{self, Query};
use crate::core::audit::Actor;
use crate::core::event::EventId;
use crate::core::intent::IntentId;
use crate::core::rule::{Mode, RuleName};
use crate::github::client::WriteTerms;
use crate::http::error::{HttpError, answer};
use crate::http::routes::{Routes, either, with};
use crate::http::{App, reply};
use crate::store::rollbacks::{RollbackCounts, RollbackFilter, RollbackId, RollbackRow};

/// Effects of a plan when nobody says how many.
const USUAL_EFFECTS: u32 = 10_000;

/// A rollback and how far it is.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    row: RollbackRow,
    counts: RollbackCounts,
    /// Why nothing would be written now.
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<String>,
    /// Rules that may do again what is to be taken back; told between planning and carrying out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    still_active: Vec<RuleName>,
}

pub(super) fn routes(app: &App) -> Routes {
    let plan_one = warp::path!("api" / "rollbacks")
        .and(warp::post())
        .and(query::query())
        .and(operator())
        .and(with(app))
        .then(async |query, by, app| answer(plan(query, by, app).await))
        .boxed();
    let list_them = warp::path!("api" / "rollbacks")
        .and(warp::get())
        .and(query::query())
        .and(with(app))
        .then(async |query, app| answer(list(query, app).await))
        .boxed();
    let show_one = warp::path!("api" / "rollbacks" / String)
        .and(warp::get())
        .and(with(app))
        .then(async |id: String, app| answer(show(&id, &app).await))
        .boxed();
    let show_items = warp::path!("api" / "rollbacks" / String / "items")
        .and(warp::get())
        .and(query::query())
        .and(with(app))
        .then(async |id: String, query, app| answer(items(&id, query, &app).await))
        .boxed();
    let carry_out = warp::path!("api" / "rollbacks" / String / "execute")
        .and(warp::post())
        .and(operator())
        .and(with(app))
        .then(async |id: String, by, app| answer(execute(&id, by, &app).await))
        .boxed();
    either(either(either(plan_one, list_them), either(show_one, show_items)), carry_out)
}

/// Answers at once: the plan is judged behind it, and `GET` tells how far that is.
async fn plan(mut query: Query, by: Actor, app: App) -> Result<Response, HttpError> {
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
    let id = app.db.begin_rollback(&filter, &crate::store::Among::All, most, by, chrono::Utc::now()).await?;
    app.rollbacks.notify_one();
    reply::json(&shown(id, &app).await?)
}

async fn list(mut query: Query, app: App) -> Result<Response, HttpError> {
    let (limit, after) = (query.limit()?, query.parsed("after")?);
    query.finish()?;
    reply::json(&app.db.rollbacks(&crate::store::Among::All, limit, after).await?)
}

async fn show(id: &str, app: &App) -> Result<Response, HttpError> {
    reply::json(&shown(RollbackId(query::id(id)?), app).await?)
}

async fn items(id: &str, mut query: Query, app: &App) -> Result<Response, HttpError> {
    let id = RollbackId(query::id(id)?);
    let (limit, after) = (query.limit()?, query.parsed::<Uuid>("after")?);
    query.finish()?;
    reply::json(&app.db.rollback_items(id, limit, after).await?)
}

async fn execute(id: &str, by: Actor, app: &App) -> Result<Response, HttpError> {
    let id = RollbackId(query::id(id)?);
    let before = shown(id, app).await?;
    let revision = app.config().revision.hash.clone();
    if app.db.execute_rollback(id, &revision, by, chrono::Utc::now()).await?.is_none() {
        return Err(HttpError::Conflict(match before.row.planned_at {
            None => format!("rollback {id} is still being planned"),
            Some(_) => format!("rollback {id} was carried out before: plan again for what is left"),
        }));
    }
    app.wake.notify_one();
    reply::json(&shown(id, app).await?)
}

async fn shown(id: RollbackId, app: &App) -> Result<Shown, HttpError> {
    let row = app.db.rollback(id).await?;
    let row = row.ok_or_else(|| HttpError::NotFound(format!("there is no rollback {id}")))?;
    let config = app.config();
    let terms = WriteTerms { dry_run: config.github.dry_run, read_only: config.github.read_only, mode: Mode::Active };
    let gate = app.github.load().open_gate(None, terms).err().map(|closed| closed.to_string());
    let mut still_active = Vec::new();
    if row.planned_at.is_some() && row.executed_at.is_none() {
        let active = |name: &RuleName| config.rules.iter().any(|rule| rule.name == *name && rule.mode == Mode::Active);
        still_active = app.db.rules_of_rollback(id).await?;
        still_active.retain(active);
    }
    Ok(Shown { row, counts: app.db.rollback_counts(id).await?, gate, still_active })
}
