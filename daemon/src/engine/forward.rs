//! A running workflow tells what it is at: who may, and what is stored.
//!
//! What the event is about comes from what was proved; what the sender says beside is kept apart, under `told`.

use std::time::Instant;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::ingest::{Ingest, IngestError, new_event};
use crate::config::{Config, Forward};
use crate::core::forward::{self, Body, Known, Proof};
use crate::github::forward::{Proven, SignedError, signed};
use crate::github::oidc::{self, Keys, Terms, TokenError, Vouched};
use crate::github::webhook::Signature;
use crate::store::events::{Ingested, Source};
use crate::store::forward::Use;
use crate::store::{Db, StoreError};

/// Why nothing was stored, by what the sender can do.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Prove who you are, in another way or anew.
    #[error("{0}")]
    Unproved(String),
    /// Whoever runs orchd must allow it.
    #[error("{0}")]
    NotAllowed(String),
    /// Send something else.
    #[error("{0}")]
    Unreadable(String),
    /// Send the same later.
    #[error("{0}")]
    Later(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

/// A sender who proved whose run it is.
#[derive(Clone, Debug)]
pub enum Sender {
    /// By a token, which does not cover the body.
    Vouched(Vouched),
    /// By a signature over the body, which is read by now.
    Signed(Proven, Box<Body>),
}

/// Checks a token, and whether what it says may send anything.
///
/// # Errors
/// `Unproved`, `NotAllowed` or `Later`.
pub async fn by_token(config: &Config, keys: &Keys, token: &str, now: DateTime<Utc>) -> Result<Sender, Refused> {
    let Forward { repositories, audience, .. } = &config.forward;
    let (Some(repositories), Some(audience)) = (repositories, audience) else {
        let detail = "no workflow may prove itself by a token here (forward.repositories)";
        return Err(Refused::NotAllowed(detail.to_owned()));
    };
    let terms = Terms {
        issuer: &config.forward.issuer,
        audience,
        max_age: config.forward.max_age,
        timeout: config.github.timeout,
    };
    let vouched = oidc::verify(keys, terms, token, now, Instant::now()).await?;
    let context = vouched.proven.context();
    if !repositories.includes(&context.repository) {
        return Err(Refused::NotAllowed("this repository may not forward here (forward.repositories)".to_owned()));
    }
    check_workflow(&config.forward, &vouched.proven)?;
    Ok(Sender::Vouched(vouched))
}

/// Checks a body's signature, and whether the secret may speak for what it says.
///
/// # Errors
/// `Unproved`, `Unreadable` or `NotAllowed`.
pub fn by_signature(
    config: &Config,
    signature: Signature,
    bytes: &Bytes,
    now: DateTime<Utc>,
) -> Result<Sender, Refused> {
    let forward = &config.forward;
    let secrets = forward.secrets.iter().map(|each| (&each.secret, &each.repositories));
    let (proven, body) = signed(secrets, signature, bytes, forward.max_age, now)?;
    check_workflow(forward, &proven)?;
    Ok(Sender::Signed(proven, Box::new(body)))
}

fn check_workflow(forward: &Forward, proven: &Proven) -> Result<(), Refused> {
    let refused = || Refused::NotAllowed("this workflow may not forward here (forward.workflows)".to_owned());
    if forward.workflows.allow(proven.context()) { Ok(()) } else { Err(refused()) }
}

/// Stores what a sender tells.
///
/// # Errors
/// [`Refused`]; then nothing is stored, but that a token was used.
pub async fn take(
    db: &Db,
    ingest: &Ingest,
    sender: Sender,
    bytes: &Bytes,
    now: DateTime<Utc>,
) -> Result<Ingested, Refused> {
    let proven = match &sender {
        Sender::Vouched(vouched) => &vouched.proven,
        Sender::Signed(proven, _) => proven,
    };
    let known = known(db, proven).await?;
    let body = match &sender {
        Sender::Signed(_, body) => (**body).clone(),
        Sender::Vouched(vouched) => {
            let body = Body::read(bytes).map_err(|error| Refused::Unreadable(error.to_string()))?;
            if body.context.is_some() {
                let detail = "with a token its claims count: leave `context` out";
                return Err(Refused::Unreadable(detail.to_owned()));
            }
            let delivery = forward::delivery_id(proven.context(), &body.name);
            if db.use_token(&vouched.jti, &delivery, vouched.expires_at).await? == Use::Spent {
                let detail = "the token was used before, for another delivery: ask for a new one";
                return Err(Refused::Unproved(detail.to_owned()));
            }
            body
        }
    };
    let (named, envelope, payload) =
        proven.event(&body, &known).map_err(|error| Refused::Unreadable(error.to_string()))?;
    Ok(ingest.submit(new_event(named, envelope, payload, Source::Forwarded, now)).await?)
}

/// The repository by its id, which nobody else ever has. A name can go from one to another: by a token GitHub says whose it
/// is now; by a signature it must be the one that is known.
async fn known(db: &Db, proven: &Proven) -> Result<Known, Refused> {
    let context = proven.context();
    let is_it = |name: &crate::core::event::RepoName| {
        proven.proof() == Proof::Oidc || name.as_str().eq_ignore_ascii_case(context.repository.as_str())
    };
    match db.repository_by_github_id(context.repository_id).await? {
        Some((name, known)) if is_it(&name) => Ok(known),
        Some(_) => Err(Refused::NotAllowed("the repository with this id has another name".to_owned())),
        None => {
            let detail = "the repository with this id is not known here: install the GitHub App on it";
            Err(Refused::NotAllowed(detail.to_owned()))
        }
    }
}

impl From<TokenError> for Refused {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Refused(detail) => Self::Unproved(detail),
            TokenError::Later(detail) => Self::Later(detail),
        }
    }
}

impl From<SignedError> for Refused {
    fn from(error: SignedError) -> Self {
        let detail = match &error {
            SignedError::Signature(_) => "the signature does not fit any secret of `forward.secrets`".to_owned(),
            other => other.to_string(),
        };
        match error {
            SignedError::Signature(_) | SignedError::TooOld => Self::Unproved(detail),
            SignedError::Unreadable(_) => Self::Unreadable(detail),
            SignedError::NotItsRepository => Self::NotAllowed(detail),
        }
    }
}
