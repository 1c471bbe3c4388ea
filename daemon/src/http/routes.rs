//! The whole URL map.
//!
//! | listener | URL | what |
//! |---|---|---|
//! | public | `POST /webhooks/github` | a delivery from GitHub |
//! | public | `POST /events/forward` | what a running workflow tells |
//! | both | `GET /health`, `GET /metrics` | for monitoring |
//! | admin | `GET /` | says what this is |
//! | public | `GET /`, `/events…`, … | the dashboard: the table of `pages` |
//! | public | `GET /live/…` | what happens, as it happens |
//! | public | `/login…`, `/logout…`, `/account…`, `GET /assets/…` | signing in and out, one's own sessions |
//! | public | `GET /api` | the API, to read |
//! | both | `/api/…` | what [`OPERATIONS`](crate::core::access::OPERATIONS) lists |
//!
//! A rejection only ever means "not my URL, method or body"; everything else is an answer.

use std::convert::Infallible;

use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::error::HttpError;
use super::{App, api, assets, forward, headers, health, live, login, metrics, pages, reference, reply, webhook};

/// One area's routes, or all of them.
pub type Routes = BoxedFilter<(Response,)>;

/// What the world sees. The webhook comes first: it is the one that must be fast.
pub fn public(app: &App) -> Routes {
    let seen_by_all = health::routes(app).or(metrics::routes(app)).unify();
    let areas = webhook::routes(app)
        .or(forward::routes(app))
        .unify()
        // Before the API, which answers for everything below its path.
        .or(reference::routes())
        .unify()
        .or(api::routes(app))
        .unify()
        .or(seen_by_all)
        .unify()
        .or(login::routes(app))
        .unify()
        .or(assets::routes())
        .unify()
        .or(live::routes(app))
        .unify()
        // Last, for its table is looked through.
        .or(pages::routes(app))
        .unify();
    rooted(areas).map(headers::on_answers(app)).boxed()
}

/// What the owner of the machine sees, on the admin socket.
pub fn admin(app: &App) -> Routes {
    let seen_by_all = health::routes(app).or(metrics::routes(app)).unify().or(front()).unify();
    rooted(api::routes(app).or(seen_by_all).unify()).boxed()
}

/// Gives a handler the site.
pub(super) fn with(app: &App) -> impl Filter<Extract = (App,), Error = Infallible> + Clone + Send + Sync + 'static {
    let app = app.clone();
    warp::any().map(move || app.clone())
}

fn front() -> Routes {
    warp::path::end().and(warp::get()).map(reply::front).boxed()
}

/// To be boxed once, at the root: a box is an allocation for every request.
pub(super) fn rooted<F>(
    areas: F,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static
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
