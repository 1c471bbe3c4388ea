//! Who asks, and what they may: of everything that follows, the only thing a handler knows about it.

use std::sync::Arc;

use http::HeaderMap;

use super::App;
use super::arrival::{Arrival, Peer};
use super::error::HttpError;
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
}

impl Caller {
    /// Whoever sent the request.
    ///
    /// # Errors
    /// 401 when what is meant to prove it does not; whoever shows nothing is nobody.
    pub(super) async fn of(_app: &App, arrival: &Arrival, _headers: &HeaderMap) -> Result<Self, HttpError> {
        match arrival.peer {
            Peer::Local { uid } => Ok(Self::owner(Actor::Operator(uid))),
            Peer::Network(_) => Ok(Self::nobody()),
        }
    }

    /// The owner of the machine: whoever may open the socket may do everything.
    fn owner(who: Actor) -> Self {
        Self { who, sight: Arc::new(Sight::everything()), scopes: None, via: Via::Socket }
    }

    fn nobody() -> Self {
        Self { who: Actor::Operator(None), sight: Arc::default(), scopes: None, via: Via::Nothing }
    }

    pub(super) fn is_nobody(&self) -> bool {
        matches!(self.via, Via::Nothing)
    }

    /// Whether they hold the level on the site as a whole.
    pub(super) fn holds(&self, level: Level) -> bool {
        self.sight.site >= Some(level)
    }
}
