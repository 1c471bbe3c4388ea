//! The admin API: JSON over the Unix socket, what the CLI speaks. Whoever may open the socket may do everything.

mod audit;
mod backtests;
mod config;
mod effects;
mod events;
mod guards;
mod installations;
mod jobs;
mod query;
mod recover;
mod rollbacks;
mod shadow;
mod status;
mod tail;
mod why;

use std::convert::Infallible;

use warp::Filter;

use super::App;
use super::arrival::Arrival;
use super::routes::{Routes, either};
use crate::core::audit::Actor;

pub(super) fn routes(app: &App) -> Routes {
    let areas = either(status::routes(app), tail::routes(app));
    let areas = either(areas, events::routes(app));
    let areas = either(areas, jobs::routes(app));
    let areas = either(areas, effects::routes(app));
    let areas = either(areas, installations::routes(app));
    let areas = either(areas, audit::routes(app));
    let areas = either(areas, recover::routes(app));
    let areas = either(areas, backtests::routes(app));
    let areas = either(areas, rollbacks::routes(app));
    let areas = either(areas, guards::routes(app));
    let areas = either(areas, config::routes(app));
    let areas = either(areas, shadow::routes(app));
    either(areas, why::routes(app))
}

/// Gives a handler whoever asks.
fn operator() -> impl Filter<Extract = (Actor,), Error = Infallible> + Clone + Send + Sync + 'static {
    warp::ext::optional::<Arrival>().map(Arrival::operator)
}
