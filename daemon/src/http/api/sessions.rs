//! `/api/sessions`: one's own sessions, and ending them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::call::Call;
use crate::http::error::HttpError;
use crate::store::sessions::SessionRow;

/// A session, and whether it is the one that asks.
#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::http) struct SessionShown {
    pub(in crate::http) id: Uuid,
    pub(in crate::http) created_at: DateTime<Utc>,
    pub(in crate::http) last_activity_at: DateTime<Utc>,
    /// When it ends if it is not used.
    pub(in crate::http) expires_at: DateTime<Utc>,
    /// When it ends however much it is used.
    pub(in crate::http) ends_at: DateTime<Utc>,
    pub(in crate::http) address: Option<String>,
    pub(in crate::http) agent: Option<String>,
    /// Whether it is the one that asks.
    pub(in crate::http) is_this: bool,
}

/// The thousand that were used last: there is one page.
#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::http) struct Sessions {
    pub(in crate::http) rows: Vec<SessionShown>,
    pub(in crate::http) next: Option<Uuid>,
}

#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::http) struct SessionsEnded {
    pub(in crate::http) ended: u64,
}

pub(super) async fn list(mut call: Call) -> Result<Sessions, HttpError> {
    call.no_query()?;
    let this = call.caller.session().map(|session| session.row.id);
    let rows = call.app.db.sessions_of(person(&call)?, Utc::now()).await?;
    let shown = |row: SessionRow| SessionShown {
        id: row.id,
        created_at: row.created_at,
        last_activity_at: row.last_activity_at,
        expires_at: row.expires_at,
        ends_at: row.ends_at,
        address: row.address,
        agent: row.agent,
        is_this: this == Some(row.id),
    };
    Ok(Sessions { rows: rows.into_iter().map(shown).collect(), next: None })
}

pub(super) async fn end(mut call: Call) -> Result<SessionsEnded, HttpError> {
    call.no_query()?;
    let id = call.id()?;
    match call.app.db.end_session(person(&call)?, id, call.by(), Utc::now()).await? {
        true => Ok(SessionsEnded { ended: 1 }),
        false => Err(HttpError::NotFound("you have no such session".to_owned())),
    }
}

pub(super) async fn end_all(mut call: Call) -> Result<SessionsEnded, HttpError> {
    call.no_query()?;
    Ok(SessionsEnded { ended: call.app.db.end_sessions(person(&call)?, call.by(), Utc::now()).await? })
}

/// Whose sessions are meant.
fn person(call: &Call) -> Result<Uuid, HttpError> {
    let nobody = || {
        HttpError::Forbidden("sessions are people's: neither the admin socket nor a key of nobody has one".to_owned())
    };
    if call.caller.is_narrow_key() {
        return Err(HttpError::Forbidden("a key that is cut to repositories is not for one's sessions".to_owned()));
    }
    call.caller.user().ok_or_else(nobody)
}
