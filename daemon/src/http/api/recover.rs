//! `/api/recover`: look for what never arrived, now.

use chrono::Utc;
use serde_json::json;
use warp::Filter;
use warp::reply::Response;

use super::operator;
use super::query::{self, Query};
use crate::core::audit::{Actor, Entry, Kind};
use crate::engine::recover::{NotTaken, Order};
use crate::http::error::{HttpError, answer};
use crate::http::routes::{Routes, with};
use crate::http::{App, reply};

pub(super) fn routes(app: &App) -> Routes {
    warp::path!("api" / "recover")
        .and(warp::post())
        .and(query::query())
        .and(operator())
        .and(with(app))
        .then(async |query, by, app| answer(recover(query, by, app).await))
        .boxed()
}

/// Answers when the run has ended. It goes on when whoever asked has hung up.
async fn recover(mut query: Query, by: Actor, app: App) -> Result<Response, HttpError> {
    let order =
        Order { since: query.parsed("since")?, dry_run: query.parsed("dry_run")?.unwrap_or(false), ..Order::default() };
    query.finish()?;
    let asked = json!({"since": order.since, "dry_run": order.dry_run});
    app.db.audit(vec![Entry::new(Kind::RecoveryAsked, by, Utc::now()).states(None, Some(asked))]).await?;
    let report = tokio::select! {
        report = app.recovery.look(order) => report?,
        () = app.stopping.cancelled() => return Err(NotTaken::Stopping.into()),
    };
    reply::json(&report)
}

impl From<NotTaken> for HttpError {
    fn from(error: NotTaken) -> Self {
        Self::NotYet(error.to_string())
    }
}
