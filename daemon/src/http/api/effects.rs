//! `/api/effects`: list and show.

use uuid::Uuid;
use warp::Filter;
use warp::reply::Response;

use super::query::{self, Query};
use crate::core::event::EventId;
use crate::core::intent::IntentId;
use crate::http::error::{HttpError, answer};
use crate::http::routes::{Routes, either, with};
use crate::http::{App, reply};
use crate::store::effects::EffectFilter;

pub(super) fn routes(app: &App) -> Routes {
    let list_them = warp::path!("api" / "effects")
        .and(warp::get())
        .and(query::query())
        .and(with(app))
        .then(async |query, app| answer(list(query, app).await))
        .boxed();
    let show_one = warp::path!("api" / "effects" / String)
        .and(warp::get())
        .and(with(app))
        .then(async |id: String, app| answer(show(&id, app).await))
        .boxed();
    either(list_them, show_one)
}

async fn list(mut query: Query, app: App) -> Result<Response, HttpError> {
    let filter = EffectFilter {
        among: crate::store::Among::All,
        repository: query.repository("repo")?,
        number: query.parsed("number")?,
        rule: query.rule("rule")?,
        event: query.parsed::<Uuid>("event")?.map(EventId),
        state: query.word("state")?,
        limit: query.limit()?,
        after: query.parsed("after")?,
    };
    query.finish()?;
    reply::json(&app.db.effects(&filter).await?)
}

async fn show(id: &str, app: App) -> Result<Response, HttpError> {
    let id = IntentId(query::id(id)?);
    let effect = app.db.effect(id).await?;
    reply::json(&effect.ok_or_else(|| HttpError::NotFound(format!("there is no effect {id}")))?)
}
