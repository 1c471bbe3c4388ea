//! `/api/people`: who signed in, what the config gives them, and ending their sessions.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::call::Call;
use super::params::{AFTER, LIMIT, Param};
use super::sessions::SessionsEnded;
use crate::config::{Access, Named};
use crate::core::access::Level;
use crate::http::error::HttpError;
use crate::store::people::PersonRow;

pub(super) const LIST: &[Param] = &[LIMIT, AFTER];

#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::http) struct People {
    pub(in crate::http) rows: Vec<PersonShown>,
    /// Pass as `after` to go on; absent on the last page.
    pub(in crate::http) next: Option<Uuid>,
    /// Teams that the config gives a level: whoever GitHub says is in one holds it, too.
    pub(in crate::http) teams: Vec<TeamShown>,
}

/// Somebody who signed in with GitHub.
#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::http) struct PersonShown {
    pub(in crate::http) id: Uuid,
    pub(in crate::http) github_id: i64,
    pub(in crate::http) login: String,
    /// The level on the site that the config gives this login; teams may give a higher one.
    pub(in crate::http) site: Option<Level>,
    /// When they signed in for the first time.
    pub(in crate::http) created_at: DateTime<Utc>,
    /// When they last signed in, had their tokens renewed, or used a session that has not ended; to the minute.
    pub(in crate::http) last_seen_at: DateTime<Utc>,
    /// Sessions that have not ended.
    pub(in crate::http) sessions: u64,
}

#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::http) struct TeamShown {
    /// `organisation/team`.
    pub(in crate::http) team: String,
    pub(in crate::http) level: Level,
}

pub(super) async fn list(call: Call) -> Result<People, HttpError> {
    let Call { app, mut query, .. } = call;
    let (limit, after) = (query.limit()?, query.parsed("after")?);
    query.finish()?;
    let page = app.db.people(after, limit, Utc::now()).await?;
    let config = app.config();
    let teams = config.access.named().filter_map(|(named, level)| match named {
        Named::Team { organisation, team } => Some(TeamShown { team: format!("{organisation}/{team}"), level }),
        Named::Login(_) => None,
    });
    let rows = page.rows.into_iter().map(|row| PersonShown::of(row, &config.access)).collect();
    Ok(People { rows, next: page.next, teams: teams.collect() })
}

impl PersonShown {
    fn of(row: PersonRow, access: &Access) -> Self {
        let PersonRow { id, github_id, login, created_at, last_seen_at, sessions } = row;
        let is_named = |named: &Named| matches!(named, Named::Login(named) if named.eq_ignore_ascii_case(&login));
        let site = access.named().filter(|(named, _)| is_named(named)).map(|(_, level)| level).max();
        Self { id, github_id, login, site, created_at, last_seen_at, sessions }
    }
}

pub(super) async fn sign_out(mut call: Call) -> Result<SessionsEnded, HttpError> {
    call.no_query()?;
    let id = call.id()?;
    match call.app.db.sign_out(id, call.by(), Utc::now()).await? {
        Some(ended) => Ok(SessionsEnded { ended }),
        None => Err(HttpError::NotFound(format!("nobody of the id {id} ever signed in"))),
    }
}
