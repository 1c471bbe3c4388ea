//! `/api/effects`: list and show.

use uuid::Uuid;

use super::call::Call;
use super::params::ParamKind::Words;
use super::params::{AFTER, EVENT, LIMIT, NUMBER, Param, REPO, RULE, param};
use crate::core::event::EventId;
use crate::core::intent::IntentId;
use crate::http::error::HttpError;
use crate::store::Page;
use crate::store::effects::EffectRow;
use crate::store::effects::{EffectFilter, EffectState};

pub(super) const LIST: &[Param] =
    &[REPO, NUMBER, RULE, EVENT, param("state", Words(&EffectState::WORDS), "In this state."), LIMIT, AFTER];

pub(super) async fn list(call: Call) -> Result<Page<EffectRow>, HttpError> {
    let among = call.among();
    let Call { app, mut query, .. } = call;
    let filter = EffectFilter {
        among,
        repository: query.repository("repo")?,
        number: query.parsed("number")?,
        rule: query.rule("rule")?,
        event: query.parsed::<Uuid>("event")?.map(EventId),
        state: query.word("state")?,
        limit: query.limit()?,
        after: query.parsed("after")?,
    };
    query.finish()?;
    Ok(app.db.effects(&filter).await?)
}

pub(super) async fn show(mut call: Call) -> Result<EffectRow, HttpError> {
    call.no_query()?;
    let id = IntentId(call.id()?);
    let missing = || HttpError::NotFound(format!("there is no effect {id}"));
    let effect = call.app.db.effect(id).await?.ok_or_else(missing)?;
    call.check_made(Some(&effect.intent.target.repository), effect.created_at, missing).await?;
    Ok(effect)
}
