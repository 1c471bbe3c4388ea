//! `/api/audit`: list, show, and the proof of the chain.

use bytes::Bytes;
use tokio::sync::mpsc;
use warp::Filter;
use warp::reply::Response;

use super::query::{self, Query};
use crate::engine::audit::{Anchors, Step, verify};
use crate::http::error::{HttpError, answer};
use crate::http::routes::{Routes, either, with};
use crate::http::{App, reply};
use crate::store::audit::AuditFilter;

/// Lines that wait for who asked for a proof; it goes no faster than they are read.
const WAITING_LINES: usize = 16;

pub(super) fn routes(app: &App) -> Routes {
    let list_them = warp::path!("api" / "audit")
        .and(warp::get())
        .and(query::query())
        .and(with(app))
        .then(async |query, app| answer(list(query, app).await))
        .boxed();
    let prove_it = warp::path!("api" / "audit" / "verify")
        .and(warp::get())
        .and(query::query())
        .and(with(app))
        .then(async |query, app| answer(start_proof(query, app)))
        .boxed();
    let show_one = warp::path!("api" / "audit" / i64)
        .and(warp::get())
        .and(with(app))
        .then(async |seq, app| answer(show(seq, app).await))
        .boxed();
    either(list_them, either(prove_it, show_one))
}

async fn list(mut query: Query, app: App) -> Result<Response, HttpError> {
    let filter = AuditFilter {
        among: crate::store::Among::All,
        since: query.parsed("since")?,
        until: query.parsed("until")?,
        repository: query.repository("repo")?,
        actor: query.text("actor")?,
        kind: query.parsed("kind")?,
        limit: query.limit()?,
        after: query.parsed("after")?,
        oldest_first: query.parsed("oldest_first")?.unwrap_or(false),
    };
    query.finish()?;
    reply::json(&app.db.audit_rows(&filter).await?)
}

async fn show(seq: i64, app: App) -> Result<Response, HttpError> {
    let row = app.db.audit_row(seq).await?;
    reply::json(&row.ok_or_else(|| HttpError::NotFound(format!("there is no audit row {seq}")))?)
}

fn start_proof(mut query: Query, app: App) -> Result<Response, HttpError> {
    let given = query.text("anchors")?.unwrap_or_default();
    let given = given.split_terminator(',').map(|anchor| {
        anchor.parse().map_err(|error| HttpError::BadRequest(format!("`anchors` cannot be read: {error}")))
    });
    let given = given.collect::<Result<_, _>>()?;
    query.finish()?;
    let file = app.config().audit.anchor.clone();
    Ok(prove(app, Anchors { file, given }))
}

/// A line for each step, the last one with the verdict. Ends early when nobody reads it any more.
fn prove(app: App, anchors: Anchors) -> Response {
    let (lines, read) = mpsc::channel(WAITING_LINES);
    tokio::spawn(async move {
        let tell = |step: Step| {
            let lines = lines.clone();
            async move { lines.send(line(&step)).await.is_ok() }
        };
        let last = match verify(&app.db, &anchors, &tell).await {
            Ok(Some(report)) => Step::Report(report),
            Ok(None) => return,
            Err(error) => Step::Failed(error.to_string()),
        };
        tell(last).await;
    });
    reply::json_lines(read)
}

fn line(step: &Step) -> Bytes {
    // Numbers, texts and times always serialise.
    let mut line = serde_json::to_vec(step).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
