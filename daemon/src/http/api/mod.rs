//! The admin API: JSON over the Unix socket, what the CLI speaks. Whoever may open the socket may do everything.

mod config;
mod effects;
mod events;
mod guards;
mod installations;
mod jobs;
mod query;
mod recover;
mod status;
mod tail;
mod why;

use super::App;
use super::routes::{Routes, either};

pub(super) fn routes(app: &App) -> Routes {
    let areas = either(status::routes(app), tail::routes(app));
    let areas = either(areas, events::routes(app));
    let areas = either(areas, jobs::routes(app));
    let areas = either(areas, effects::routes(app));
    let areas = either(areas, installations::routes(app));
    let areas = either(areas, recover::routes(app));
    let areas = either(areas, guards::routes(app));
    let areas = either(areas, config::routes(app));
    either(areas, why::routes(app))
}
