//! `/api/decisions`: what rules decided, list and show.

use super::call::Call;
use super::params::ParamKind::{Flag, Text};
use super::params::{EVENT, LIMIT, NUMBER, Param, REPO, RULE, SINCE, UNTIL, param};
use crate::core::decide::is_elsewhere;
use crate::core::event::EventId;
use crate::http::error::HttpError;
use crate::store::decided::{DecidedRow, DecisionFilter, DecisionKey};
use crate::store::{Among, Page};

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

pub(super) async fn list(mut call: Call) -> Result<Page<DecidedRow, DecisionKey>, HttpError> {
    let among = call.among();
    let mut query = std::mem::take(&mut call.query);
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
    let mut page = call.app.db.decisions(&filter).await?;
    page.rows.retain(|row| is_told(&call, row));
    Ok(page)
}

/// A decision tells what its rule saw of the event; one of a rule that is about other repositories tells its name.
fn is_told(call: &Call, row: &DecidedRow) -> bool {
    let names_others = is_elsewhere(row.decision.verdict, &row.decision.explanation);
    (!names_others || call.among() == Among::All)
        && call.is_told(row.on.split('.').next().unwrap_or(&row.on), row.repository.as_ref())
}

pub(super) async fn show(mut call: Call) -> Result<DecidedRow, HttpError> {
    call.no_query()?;
    let key: DecisionKey = call.named().parse().map_err(|error| HttpError::BadRequest(format!("{error}")))?;
    let missing = || HttpError::NotFound(format!("there is no decision {key}"));
    let row = call.app.db.decision(key).await?.ok_or_else(missing)?;
    call.check_event(key.event, row.repository.as_ref(), missing).await?;
    if !is_told(&call, &row) {
        return Err(missing());
    }
    Ok(row)
}
