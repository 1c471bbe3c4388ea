//! `/api/github/issues`: issues and pull requests, what was done to them, and letting the rules look again. An issue is
//! named `owner/name#12`, in a URL `owner%2Fname%2312`.

use chrono::Utc;

use super::call::Call;
use super::events::Replayed;
use super::params::{AFTER, LIMIT, NUMBER, Param, REPO};
use crate::core::event::RepoName;
use crate::http::error::HttpError;
use crate::store::Page;
use crate::store::decided::ItemFilter;
use crate::store::decided::ItemRow;
use crate::store::effects::EffectFilter;
use crate::store::effects::EffectRow;
use crate::store::events::{EventFilter, Replay};

pub(super) const LIST: &[Param] = &[REPO, NUMBER, LIMIT, AFTER];
pub(super) const ACTIONS: &[Param] = &[LIMIT, AFTER];

pub(super) async fn list(call: Call) -> Result<Page<ItemRow>, HttpError> {
    let among = call.among();
    let Call { app, mut query, .. } = call;
    let filter = ItemFilter {
        repository: query.repository("repo")?,
        number: query.parsed("number")?,
        limit: query.limit()?,
        after: query.parsed("after")?,
        among,
    };
    query.finish()?;
    Ok(app.db.items(&filter).await?)
}

pub(super) async fn actions(call: Call) -> Result<Page<EffectRow>, HttpError> {
    let (repository, number) = item(&call)?;
    let among = call.among();
    let Call { app, mut query, .. } = call;
    let (limit, after) = (query.limit()?, query.parsed("after")?);
    query.finish()?;
    let filter = EffectFilter {
        repository: Some(repository),
        number: Some(number),
        limit,
        after,
        among,
        ..EffectFilter::default()
    };
    Ok(app.db.effects(&filter).await?)
}

/// Lets the rules look again at the last event about the item, as `POST /api/events/ID/replay` does.
pub(super) async fn analyze(mut call: Call) -> Result<Replayed, HttpError> {
    call.no_query()?;
    let (repository, number) = item(&call)?;
    let missing = || HttpError::NotFound(format!("no event about {repository}#{number} is stored"));
    let filter =
        EventFilter { repository: Some(repository.clone()), number: Some(number), limit: 1, ..EventFilter::default() };
    let last = call.app.db.events(&filter).await?.rows.into_iter().next();
    let last = last.filter(|last| call.is_told(&last.event_type, Some(&repository))).ok_or_else(missing)?;
    match call.app.db.replay(last.id, call.by(), Utc::now()).await? {
        Replay::Queued => {}
        Replay::NoEvent => return Err(missing()),
        Replay::NoPayload => {
            let told = "the payload of its last event is no longer stored (`retention.payloads`)";
            return Err(HttpError::Conflict(told.to_owned()));
        }
    }
    call.app.wake.notify_one();
    Ok(Replayed::queued(last.id))
}

/// The item of the path, if whoever asks may do this with it.
fn item(call: &Call) -> Result<(RepoName, u64), HttpError> {
    let written = call.named();
    let (repository, number) = super::why::parse_item(written).ok_or_else(|| {
        HttpError::BadRequest("an issue is owner/name#number, in a URL owner%2Fname%23number".to_owned())
    })?;
    call.check(Some(&repository), || HttpError::NotFound(format!("no event about {written} is stored")))?;
    Ok((repository, number))
}
