//! `/api/config`: letting a held config in.

use chrono::Utc;
use tokio::sync::oneshot;
use warp::Filter;
use warp::reply::Response;

use super::operator;
use crate::core::audit::Actor;
use crate::http::error::{HttpError, answer};
use crate::http::health::ConfigHealth;
use crate::http::routes::{Routes, with};
use crate::http::{App, reply};

pub(super) fn routes(app: &App) -> Routes {
    warp::path!("api" / "config" / String / "confirm")
        .and(warp::post())
        .and(operator())
        .and(with(app))
        .then(async |revision: String, by, app| answer(confirm(&revision, by, app).await))
        .boxed()
}

/// Answers when the revision is in use.
async fn confirm(revision: &str, by: Actor, app: App) -> Result<Response, HttpError> {
    let held = app.config.status().held;
    if app.config().revision.hash == revision {
        return reply::json(&ConfigHealth::of(&app));
    }
    match held {
        Some(held) if held.revision == revision => {}
        Some(held) => {
            return Err(HttpError::NotFound(format!("revision {revision} is not held, {} is", held.revision)));
        }
        None => return Err(HttpError::NotFound("no config is held".to_owned())),
    }
    app.db.confirm_config(revision, by, Utc::now()).await?;
    let stopping = || HttpError::NotYet("the daemon is stopping; the confirmation counts at its next start".to_owned());
    let (asked, over) = oneshot::channel();
    app.reload.send(asked).await.map_err(|_| stopping())?;
    over.await.map_err(|_| stopping())?;
    if app.config().revision.hash != revision {
        let told = "it is confirmed, and not in use: the files have changed since, see `orchd status`";
        return Err(HttpError::Conflict(told.to_owned()));
    }
    reply::json(&ConfigHealth::of(&app))
}
