//! What a failed attempt to sign in leaves behind.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use crate::core::audit::{Actor, Entry, Kind};
use crate::http::App;
use crate::http::error::HttpError;

/// Counts a failed attempt of an address, and records it. Who it was nobody knows: the daemon tells of it.
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
    let from = address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
    let told = Entry { note: Some(format!("from {from}: {why}")), ..Entry::new(Kind::SignInFailed, Actor::Orchd, now) };
    Ok(app.db.audit(vec![told]).await?)
}
