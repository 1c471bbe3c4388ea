//! One request to the API, as a handler sees it: who asks was found out, and may.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::query::{self, Query};
use crate::core::access::{Level, Needs, Operation, level_to_see};
use crate::core::audit::Actor;
use crate::core::event::{EventId, RepoName};
use crate::http::App;
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::store::Among;

pub(in crate::http) struct Call {
    pub(super) app: App,
    pub(super) caller: Caller,
    pub(super) operation: &'static Operation,
    pub(super) query: Query,
    pub(super) body: Bytes,
    /// The path's parameters, decoded.
    pub(super) path: Vec<String>,
}

impl Call {
    /// The path's first parameter.
    pub(super) fn named(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// The path's first parameter, which is an id.
    pub(super) fn id(&self) -> Result<Uuid, HttpError> {
        query::id(self.named())
    }

    /// Whether whoever asks may be told of an event of this kind there. Not all that happens in a repository is for all
    /// who see it.
    pub(super) fn is_told(&self, kind: &str, repository: Option<&RepoName>) -> bool {
        let sight = &self.caller.sight;
        let held = repository.map_or(sight.site, |repository| sight.level_in(repository));
        held >= Some(level_to_see(kind))
    }

    /// For the audit chain.
    pub(super) fn by(&self) -> Actor {
        self.caller.who.clone()
    }

    /// Refuses whoever may not do this where the thing is. To who does not see the repository the thing is not there:
    /// `missing` is what is said of one that does not exist. `None`: it is of no repository.
    pub(super) fn check(
        &self,
        repository: Option<&RepoName>,
        missing: impl FnOnce() -> HttpError,
    ) -> Result<(), HttpError> {
        let sight = &self.caller.sight;
        let held = repository.map_or(sight.site, |repository| sight.level_in(repository));
        match (held, self.needed()) {
            (None, _) => Err(missing()),
            (Some(held), needed) if held < needed => Err(HttpError::Forbidden(format!(
                "it takes the level {needed}, and yours is {held} in {}",
                repository.map_or("orchd as a whole", RepoName::as_str)
            ))),
            (Some(_), _) => Ok(()),
        }
    }

    /// The same of something that was made at `made_at` and holds the repository's name: one that was freed since goes with
    /// nothing of who had it before.
    pub(super) async fn check_made(
        &self,
        repository: Option<&RepoName>,
        made_at: DateTime<Utc>,
        missing: impl Fn() -> HttpError,
    ) -> Result<(), HttpError> {
        self.check(repository, &missing)?;
        match (self.among(), repository) {
            (Among::Only(_), Some(name)) if !self.app.db.is_since_named(name, made_at).await? => Err(missing()),
            _ => Ok(()),
        }
    }

    /// The same of an event, which is of a repository and not only of its name.
    pub(super) async fn check_event(
        &self,
        event: EventId,
        repository: Option<&RepoName>,
        missing: impl Fn() -> HttpError,
    ) -> Result<(), HttpError> {
        self.check(repository, &missing)?;
        match self.among() {
            Among::Only(_) if !self.app.db.is_of_named_now(event).await? => Err(missing()),
            _ => Ok(()),
        }
    }

    fn needed(&self) -> Level {
        match self.operation.needs {
            Needs::Nothing | Needs::Oneself => Level::Viewer,
            Needs::Repository(level) | Needs::Site(level) => level,
        }
    }

    /// The repositories to which a list is cut.
    pub(super) fn among(&self) -> Among {
        Among::of(&self.caller.sight)
    }

    /// The body, which is JSON.
    pub(super) fn document<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| HttpError::BadRequest(format!("the body cannot be read: {error}")))
    }

    /// Refuses query parameters where there are none.
    pub(super) fn no_query(&mut self) -> Result<(), HttpError> {
        std::mem::take(&mut self.query).finish()
    }
}
