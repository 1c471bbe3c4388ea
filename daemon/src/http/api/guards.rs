//! `/api/guards`: breakers that are tripped, and resetting them.

use chrono::Utc;
use serde::Serialize;
use uuid::Uuid;

use super::call::Call;
use super::params::{LIMIT, Param};
use crate::http::error::HttpError;
use crate::store::guards::TripRow;

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "TrippedBreakers")]
pub(in crate::http) struct Tripped {
    pub(in crate::http) rows: Vec<TripRow>,
    /// Those that are tripped are few: there is one page.
    pub(in crate::http) next: Option<Uuid>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "BreakersReset")]
pub(in crate::http) struct Reset {
    pub(in crate::http) reset: u64,
}

pub(super) const LIST: &[Param] = &[LIMIT];

pub(super) async fn list(call: Call) -> Result<Tripped, HttpError> {
    let among = call.among();
    let Call { app, mut query, .. } = call;
    let limit = query.limit()?;
    query.finish()?;
    Ok(Tripped { rows: app.db.tripped(Utc::now(), &among, limit).await?, next: None })
}

pub(super) async fn reset_all(mut call: Call) -> Result<Reset, HttpError> {
    call.no_query()?;
    Ok(Reset { reset: call.app.db.reset_trips(None, call.by(), Utc::now()).await? })
}

pub(super) async fn reset(mut call: Call) -> Result<Reset, HttpError> {
    call.no_query()?;
    let id = call.id()?;
    let missing = || HttpError::NotFound(format!("no breaker {id} is tripped: `orchd guards list` tells which are"));
    let trip = call.app.db.trip_row(id).await?.ok_or_else(missing)?;
    call.check_made(Some(&trip.repository), trip.tripped_at, missing).await?;
    match call.app.db.reset_trips(Some(id), call.by(), Utc::now()).await? {
        0 => Err(missing()),
        reset => Ok(Reset { reset }),
    }
}
