//! `/api/decisions`: what rules decided, list and show.

use super::call::Call;
use super::params::ParamKind::{Flag, Text};
use super::params::{EVENT, LIMIT, NUMBER, Param, REPO, RULE, SINCE, UNTIL, param};
use crate::core::event::EventId;
use crate::http::error::HttpError;
use crate::http::reply::{self, Reply};
use crate::store::decided::{DecisionFilter, DecisionKey};

pub(super) const LIST: &[Param] = &[
    REPO,
    NUMBER,
    RULE,
    EVENT,
    param("matched", Flag, "That matched, or that did not."),
    SINCE,
    UNTIL,
    LIMIT,
    param("after", Text, "Where the page begins: `next` of the one before."),
];

pub(super) async fn list(call: Call) -> Result<Reply, HttpError> {
    let among = call.among();
    let Call { app, mut query, .. } = call;
    let filter = DecisionFilter {
        repository: query.repository("repo")?,
        number: query.parsed("number")?,
        rule: query.rule("rule")?,
        event: query.parsed("event")?.map(EventId),
        matched: query.parsed("matched")?,
        since: query.parsed("since")?,
        until: query.parsed("until")?,
        limit: query.limit()?,
        after: query.parsed("after")?,
        among,
    };
    query.finish()?;
    reply::json(&app.db.decisions(&filter).await?)
}

pub(super) async fn show(mut call: Call) -> Result<Reply, HttpError> {
    call.no_query()?;
    let key: DecisionKey = call.named().parse().map_err(|error| HttpError::BadRequest(format!("{error}")))?;
    let missing = || HttpError::NotFound(format!("there is no decision {key}"));
    let row = call.app.db.decision(key).await?.ok_or_else(missing)?;
    call.check_event(key.event, row.repository.as_ref(), missing).await?;
    reply::json(&row)
}
