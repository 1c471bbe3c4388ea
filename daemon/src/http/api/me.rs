//! `/api/me`: who one is, and what one may.

use serde::Serialize;

use super::call::Call;
use crate::core::access::{Level, Scopes};
use crate::core::event::RepoName;
use crate::http::error::HttpError;

/// Repositories that are told.
const MOST_REPOSITORIES: usize = 1_000;

#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::http) struct Me {
    /// `operator` (the admin socket), `person` or `key`.
    pub(in crate::http) kind: &'static str,
    /// The login, or the name of the key.
    pub(in crate::http) name: Option<String>,
    /// The level in orchd as a whole.
    pub(in crate::http) site: Option<Level>,
    /// What a key is for; absent for people, who may use everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) scopes: Option<Scopes>,
    /// The first thousand, by name; absent for who sees all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) repositories: Option<Vec<Seen>>,
    /// One has more repositories on GitHub than are looked at.
    pub(in crate::http) is_short: bool,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "SeenRepository")]
pub(in crate::http) struct Seen {
    pub(in crate::http) name: RepoName,
    pub(in crate::http) level: Level,
}

pub(super) async fn show(mut call: Call) -> Result<Me, HttpError> {
    call.no_query()?;
    let (caller, sight) = (&call.caller, &call.caller.sight);
    let seen = |name: &RepoName| Some(Seen { name: name.clone(), level: sight.level_in(name)? });
    Ok(Me {
        kind: caller.who.word(),
        name: caller.who.name(),
        site: sight.site,
        scopes: caller.scopes.clone(),
        repositories: sight.only().map(|names| names.filter_map(seen).take(MOST_REPOSITORIES).collect()),
        is_short: sight.is_short,
    })
}
