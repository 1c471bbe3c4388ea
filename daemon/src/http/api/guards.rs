//! `/api/guards`: breakers that are tripped, and resetting them.

use chrono::Utc;
use serde::Serialize;
use warp::Filter;
use warp::reply::Response;

use super::operator;
use super::query::{self, Query};
use crate::core::audit::Actor;
use crate::http::error::{HttpError, answer};
use crate::http::routes::{Routes, either, with};
use crate::http::{App, reply};
use crate::store::guards::TripRow;

#[derive(Serialize)]
struct Tripped {
    rows: Vec<TripRow>,
}

#[derive(Serialize)]
struct Reset {
    reset: u64,
}

pub(super) fn routes(app: &App) -> Routes {
    let list_them = warp::path!("api" / "guards")
        .and(warp::get())
        .and(query::query())
        .and(with(app))
        .then(async |query, app| answer(list(query, app).await))
        .boxed();
    let reset_all = warp::path!("api" / "guards" / "reset")
        .and(warp::post())
        .and(operator())
        .and(with(app))
        .then(async |by, app| answer(reset_all(by, app).await))
        .boxed();
    let reset_one = warp::path!("api" / "guards" / String / "reset")
        .and(warp::post())
        .and(operator())
        .and(with(app))
        .then(async |id: String, by, app| answer(reset_one(&id, by, app).await))
        .boxed();
    either(list_them, either(reset_all, reset_one))
}

async fn list(mut query: Query, app: App) -> Result<Response, HttpError> {
    let limit = query.limit()?;
    query.finish()?;
    reply::json(&Tripped { rows: app.db.tripped(Utc::now(), &crate::store::Among::All, limit).await? })
}

async fn reset_all(by: Actor, app: App) -> Result<Response, HttpError> {
    reply::json(&Reset { reset: app.db.reset_trips(None, by, Utc::now()).await? })
}

async fn reset_one(id: &str, by: Actor, app: App) -> Result<Response, HttpError> {
    let id = query::id(id)?;
    match app.db.reset_trips(Some(id), by, Utc::now()).await? {
        0 => Err(HttpError::NotFound(format!("no breaker {id} is tripped: `orchd guards list` tells which are"))),
        reset => reply::json(&Reset { reset }),
    }
}
