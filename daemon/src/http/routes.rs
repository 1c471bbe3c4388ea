//! The whole URL map.
//!
//! | listener | URL | what |
//! |---|---|---|
//! | public | `POST /webhooks/github` | a delivery from GitHub |
//! | both | `GET /health`, `GET /metrics` | for monitoring |
//! | both | `GET /` | says what this is |
//! | public | `/login…`, `/logout…`, `/account…`, `GET /assets/…` | signing in and out, one's own sessions |
//! | admin | `GET /api/status` | the daemon at a glance |
//! | admin | `GET /api/events`, `GET /api/events/ID`, `GET /api/events/tail`, `POST /api/events/ID/replay` | events |
//! | admin | `GET /api/jobs`, `GET /api/jobs/ID`, `POST /api/jobs/ID/retry`, `POST /api/jobs/ID/discard` | jobs |
//! | admin | `GET /api/effects`, `GET /api/effects/ID` | effects |
//! | admin | `GET /api/audit`, `GET /api/audit/SEQ`, `GET /api/audit/verify?anchors=SEQ:HASH,…` | the audit chain |
//! | admin | `GET /api/installations`, `GET /api/installations/ID`, `POST /api/installations/refresh` | installations |
//! | admin | `GET /api/config`, `GET /api/config/revisions` | the config in use, and those that ran |
//! | admin | `POST /api/config/REVISION/confirm`, `POST /api/config/REVISION/rollback` | lets a held config in, puts an earlier one back |
//! | admin | `POST /api/backtests?since=TIME&until=TIME&repo=OWNER/REPO&gated=false` | what other rules would have done |
//! | admin | `GET /api/guards`, `POST /api/guards/ID/reset`, `POST /api/guards/reset` | breakers |
//! | admin | `POST /api/recover?since=TIME&dry_run=true` | looks for what never arrived |
//! | admin | `POST /api/rollbacks?rule=NAME&…`, `GET /api/rollbacks`, `GET /api/rollbacks/ID`, `GET /api/rollbacks/ID/items`, `POST /api/rollbacks/ID/execute` | rollbacks |
//! | admin | `GET /api/shadow/NAME?since=TIME` | what a rule in shadow would have done, and what people did |
//! | admin | `GET /api/why?event=ID`, `?item=OWNER/REPO%23N`, either with `&rule=NAME`, `?latest=N` | explanations |
//!
//! A rejection only ever means "not my URL, method or body"; everything else is an answer.

use std::convert::Infallible;

use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::error::HttpError;
use super::{App, api, headers, health, login, metrics, reply, webhook};

/// One area's routes, or all of them.
pub type Routes = BoxedFilter<(Response,)>;

/// What the world sees. The webhook comes first: it is the one that must be fast.
pub fn public(app: &App) -> Routes {
    let seen_by_all = health::routes(app).or(metrics::routes(app)).unify().or(front()).unify();
    rooted(webhook::routes(app).or(seen_by_all).unify().or(login::routes(app)).unify())
        .map(headers::on_answers(app))
        .boxed()
}

/// What the owner of the machine sees, on the admin socket.
pub fn admin(app: &App) -> Routes {
    let seen_by_all = health::routes(app).or(metrics::routes(app)).unify().or(front()).unify();
    rooted(api::routes(app).or(seen_by_all).unify()).boxed()
}

/// Routes of the first, then of the second.
pub(super) fn either(first: Routes, second: Routes) -> Routes {
    first.or(second).unify().boxed()
}

/// Gives a handler the site.
pub(super) fn with(app: &App) -> impl Filter<Extract = (App,), Error = Infallible> + Clone + Send + Sync + 'static {
    let app = app.clone();
    warp::any().map(move || app.clone())
}

fn front() -> Routes {
    warp::path::end()
        .and(warp::get())
        .map(|| reply::text("orchd: GitHub webhooks go to POST /webhooks/github; see GET /health.\n".to_owned()))
        .boxed()
}

/// To be boxed once, at the root: a box is an allocation for every request.
fn rooted<F>(areas: F) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static
where
    F: Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static,
    F::Future: Send + 'static,
{
    areas
        .recover(|rejection| {
            std::future::ready(Ok::<_, Infallible>(HttpError::from_rejection(&rejection).into_response()))
        })
        .unify()
}
