//! `/api/repositories`: list and show.

use serde::Serialize;

use super::call::Call;
use super::params::{LIMIT, Param, ParamKind, param};
use crate::core::access::Level;
use crate::core::event::RepoName;
use crate::core::rule::RuleName;
use crate::http::error::HttpError;
use crate::store::Page;
use crate::store::repositories::{RepositoryFilter, RepositoryRow};
use crate::store::repository_configs::RepositoryConfigRow;

pub(super) const LIST: &[Param] =
    &[LIMIT, param("after", ParamKind::Text, "Where the page begins: `next` of the one before.")];

/// A repository, and what one may do there.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "RepositoryShown")]
pub(in crate::http) struct Shown {
    #[serde(flatten)]
    pub(in crate::http) row: RepositoryRow,
    pub(in crate::http) level: Level,
    /// Rules of the server's config that cover it.
    pub(in crate::http) rules: Vec<RuleName>,
    /// Its own config file, where it keeps one.
    pub(in crate::http) config: Option<RepositoryConfigRow>,
}

pub(super) async fn list(call: Call) -> Result<Page<RepositoryRow, String>, HttpError> {
    let among = call.among();
    let Call { app, mut query, .. } = call;
    let filter = RepositoryFilter { limit: query.limit()?, after: query.text("after")?, among };
    query.finish()?;
    Ok(app.db.repositories_seen(&filter).await?)
}

pub(super) async fn show(mut call: Call) -> Result<Shown, HttpError> {
    call.no_query()?;
    let full = call.path.join("/");
    let name = RepoName::parse(&full).map_err(|error| HttpError::BadRequest(error.to_string()))?;
    let missing = || HttpError::NotFound(format!("nothing of a repository {name} is stored"));
    call.check(Some(&name), missing)?;
    let row = call.app.db.repository(&name).await?.ok_or_else(missing)?;
    let level = call.caller.sight.level_in(&name).ok_or_else(missing)?;
    let own = call.app.db.repository_config(&name).await?;
    let config = call.app.config();
    let covering = config.rules.iter().filter(|rule| rule.repositories.includes(&row.name));
    Ok(Shown { rules: covering.map(|rule| rule.name.clone()).collect(), row, level, config: own })
}
