//! How often an address may try to sign in, and what a failed attempt leaves behind.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use super::Asked;
use crate::core::audit::{Actor, Entry, Kind};
use crate::http::App;
use crate::http::error::HttpError;
use crate::http::failures::Failed;

/// Departures to GitHub that an address may make for each failure that it may have: each is a row until it is over.
const DEPARTURES: u32 = 3;

/// Refuses an address that failed too often, before anything is looked up for it.
///
/// # Errors
/// 429.
pub(super) fn admit(asked: &Asked) -> Result<(), HttpError> {
    asked.app.failures().turn_away(asked.address)
}

/// Refuses an address that leaves for GitHub too often, and counts this time.
///
/// # Errors
/// 429.
pub(super) fn depart(asked: &Asked) -> Result<(), HttpError> {
    admit(asked)?;
    let departures = asked.app.departures();
    departures.turn_away(asked.address)?;
    if let Some(address) = asked.address {
        departures.note(asked.app.config().login.failures_a_minute.saturating_mul(DEPARTURES), address);
    }
    Ok(())
}

/// Counts a failed attempt of an address, and records it: not each one of a flood. Who it was nobody knows: the daemon
/// tells of it.
///
/// # Errors
/// When it cannot be recorded.
pub(super) async fn note_failure(
    app: &App,
    address: Option<IpAddr>,
    why: &str,
    now: DateTime<Utc>,
) -> Result<(), HttpError> {
    metrics::counter!("orchd_sign_in_failures_total").increment(1);
    if let Some(address) = address {
        app.failures().note(app.config().login.failures_a_minute, address);
    }
    let Some(untold) = app.failures().to_be_told(Failed::SignIn) else { return Ok(()) };
    let from = address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
    let more = if untold > 0 { format!("; {untold} more failed before, untold") } else { String::new() };
    let note = Some(format!("from {from}: {why}{more}"));
    Ok(app.db.audit(vec![Entry { note, ..Entry::new(Kind::SignInFailed, Actor::Orchd, now) }]).await?)
}
