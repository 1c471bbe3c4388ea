//! Who asks, and what they may: of everything that follows, the only thing a handler knows about it.

use std::sync::Arc;

use chrono::Utc;
use http::HeaderMap;
use uuid::Uuid;

use super::App;
use super::arrival::{Arrival, Peer};
use super::bearer::{self, Bearer};
use super::error::HttpError;
use super::person;
use super::session::{self, Session};
use crate::core::access::{Level, Scopes, Sight};
use crate::core::audit::Actor;

/// Whoever asks.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// As the audit chain names them.
    pub(super) who: Actor,
    pub(super) sight: Arc<Sight>,
    /// What the key is for; `None`: everything.
    pub(super) scopes: Option<Scopes>,
    pub(super) via: Via,
}

/// How they proved who they are.
#[derive(Clone, Debug)]
pub(super) enum Via {
    /// They did not.
    Nothing,
    /// A process that may open the admin socket.
    Socket,
    /// A key or a token of it.
    Key(Box<Bearer>),
    /// A person in a browser.
    Session(Box<Session>),
}

impl Caller {
    /// Whoever sent the request.
    ///
    /// # Errors
    /// 401 when what is meant to prove it does not; whoever shows nothing is nobody.
    pub(super) async fn of(app: &App, arrival: &Arrival, headers: &HeaderMap) -> Result<Self, HttpError> {
        // Before the socket: whoever shows a key wants to be no more than that.
        if let Some(caller) = bearer::caller(app, arrival, headers).await? {
            return Ok(caller);
        }
        match arrival.peer {
            Peer::Local { uid } => Ok(Self::owner(Actor::Operator(uid))),
            Peer::Network(_) => match session::of(app, headers, Utc::now()).await? {
                Some(session) => Self::person(app, session).await,
                None => Ok(Self::nobody()),
            },
        }
    }

    /// As they stand now: while a long answer was waited for, a key may have been revoked, a session ended, a role changed.
    ///
    /// # Errors
    /// As [`Caller::of`].
    pub(super) async fn again(&self, app: &App) -> Result<Self, HttpError> {
        let over = || HttpError::Unauthorised("the session or the key has ended meanwhile".to_owned());
        match &self.via {
            Via::Nothing | Via::Socket => Ok(self.clone()),
            Via::Key(bearer) => bearer::again(app, bearer).await?.ok_or_else(over),
            Via::Session(session) => {
                let going_on = app.db.sessions_of(session.user.id, Utc::now()).await?;
                if !going_on.iter().any(|row| row.id == session.row.id) {
                    return Err(over());
                }
                Self::person(app, (**session).clone()).await
            }
        }
    }

    /// The owner of the machine: whoever may open the socket may do everything.
    fn owner(who: Actor) -> Self {
        Self { who, sight: Arc::new(Sight::everything()), scopes: None, via: Via::Socket }
    }

    async fn person(app: &App, mut session: Session) -> Result<Self, HttpError> {
        let sighted = person::sight_of(app, &session.user).await?;
        session.user.login = sighted.login;
        let sight = Arc::new(sighted.sight);
        let who = Actor::Person(session.user.login.clone());
        Ok(Self { who, sight, scopes: None, via: Via::Session(Box::new(session)) })
    }

    fn nobody() -> Self {
        Self { who: Actor::Operator(None), sight: Arc::default(), scopes: None, via: Via::Nothing }
    }

    pub(super) fn is_nobody(&self) -> bool {
        matches!(self.via, Via::Nothing)
    }

    /// The key they came with.
    pub(super) fn key(&self) -> Option<&Bearer> {
        match &self.via {
            Via::Key(bearer) => Some(bearer),
            Via::Nothing | Via::Socket | Via::Session(_) => None,
        }
    }

    /// Whether it is a key for some repositories only: then its owner's own affairs are none of its.
    pub(super) fn is_narrow_key(&self) -> bool {
        self.key().is_some_and(|bearer| bearer.terms.repositories.is_some())
    }

    /// The session they came in.
    pub(super) fn session(&self) -> Option<&Session> {
        match &self.via {
            Via::Session(session) => Some(session),
            Via::Nothing | Via::Socket | Via::Key(_) => None,
        }
    }

    /// The person that they are, or whose key it is.
    pub(super) fn user(&self) -> Option<Uuid> {
        match &self.via {
            Via::Session(session) => Some(session.user.id),
            Via::Key(bearer) => bearer.key.owner.as_ref().map(|owner| owner.id),
            Via::Nothing | Via::Socket => None,
        }
    }

    /// Names them among all that ask, and stays the same.
    pub(super) fn account(&self) -> String {
        match &self.via {
            Via::Nothing => "nobody".to_owned(),
            Via::Socket => "socket".to_owned(),
            Via::Key(bearer) => format!("key {}", bearer.key.id),
            Via::Session(session) => format!("person {}", session.user.id),
        }
    }

    /// Whether they hold the level on the site as a whole.
    pub(super) fn holds(&self, level: Level) -> bool {
        self.sight.site >= Some(level)
    }
}
