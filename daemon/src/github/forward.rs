//! What a workflow's run proved, and the event that becomes of it.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;

use super::webhook::{self, BadEnvelope, Encoding, Envelope, Headers, Signature, SignatureError, Verified};
use crate::core::event_names::WORKFLOW_CONTEXT;
use crate::core::forward::{self, Body, Context, Known, NotTaken, Proof};
use crate::core::rule::Repositories;

/// How far the sender's clock and ours may be apart.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);

/// A run that somebody vouches for. Only a token or a signature that fits makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    context: Context,
    proof: Proof,
}

/// Why a signed body is not taken, by what the sender can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("the body was signed longer ago than `forward.max_age` allows, or in the future")]
    TooOld,
    #[error(transparent)]
    Unreadable(#[from] NotTaken),
    /// The secret is good, and not for this repository.
    #[error("the secret does not speak for this repository (forward.secrets)")]
    NotItsRepository,
}

impl Proven {
    pub(super) fn by_token(context: Context) -> Self {
        Self { context, proof: Proof::Oidc }
    }

    pub fn context(&self) -> &Context {
        &self.context
    }

    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// The event's headers, envelope and payload, as a webhook has them.
    ///
    /// # Errors
    /// When what the sender told does not make a payload.
    pub fn event(&self, body: &Body, known: &Known) -> Result<(Headers, Envelope, Bytes), BadEnvelope> {
        let payload = forward::payload(&self.context, self.proof, body, known).to_string();
        let verified = Verified::made_of_what_was_proved(Bytes::from(payload));
        let (envelope, payload) = webhook::read_envelope(&verified, Encoding::Json)?;
        let delivery_id = forward::delivery_id(&self.context, &body.name);
        Ok((Headers::named(&delivery_id, WORKFLOW_CONTEXT)?, envelope, payload))
    }
}

/// Checks a body's signature against every secret, then reads it, then whether a secret that fits speaks for the repository.
///
/// # Errors
/// [`SignedError`], in that order.
pub fn signed<'s>(
    secrets: impl Iterator<Item = (&'s SecretString, &'s Repositories)>,
    signature: Signature,
    bytes: &Bytes,
    max_age: Duration,
    now: DateTime<Utc>,
) -> Result<(Proven, Body), SignedError> {
    // Every secret is tried, also after one has fitted.
    let fitting = secrets.fold(Vec::new(), |mut fitting, (secret, repositories)| {
        if webhook::verify(std::slice::from_ref(secret), signature, bytes.clone()).is_ok() {
            fitting.push(repositories);
        }
        fitting
    });
    if fitting.is_empty() {
        return Err(SignatureError::Wrong.into());
    }
    let body = Body::read(bytes)?;
    let missing = |name: &str| NotTaken(format!("what is signed with a secret needs `{name}`"));
    let context = body.context.as_ref().ok_or_else(|| missing("context"))?.check()?;
    let sent_at = body.sent_at.ok_or_else(|| missing("sent_at"))?;
    if !fitting.iter().any(|repositories| repositories.includes(&context.repository)) {
        return Err(SignedError::NotItsRepository);
    }
    let max_age = TimeDelta::from_std(max_age).unwrap_or(TimeDelta::MAX);
    if now - sent_at > max_age + LEEWAY || sent_at - LEEWAY > now {
        return Err(SignedError::TooOld);
    }
    Ok((Proven { context, proof: Proof::Hmac }, body))
}
