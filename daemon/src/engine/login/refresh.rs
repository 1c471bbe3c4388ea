//! People's GitHub tokens, kept fresh: a token ends after eight hours, and what renews it is good for one use.
//!
//! Whoever needs a token may ask at the same moment, in this daemon and in others on the same database. In the process one
//! renews and the others wait for it; between daemons a lease in the person's row says who does.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use uuid::Uuid;

use super::seal::{Keyring, SealError};
use super::{access_of, refresh_of, same, seal_tokens};
use crate::core::audit::{Actor, Entry, Kind};
use crate::github::oauth::{OAuth, OAuthError, UserTokens};
use crate::store::users::SealedTokens;
use crate::store::{Db, StoreError};

/// A token that ends so soon is renewed before it is used: what it is used for takes time, and clocks differ.
const RENEWED_BEFORE: TimeDelta = TimeDelta::minutes(5);

/// How long a daemon may take to renew tokens before another tries. Longer than any request to GitHub is let.
const LEASE: TimeDelta = TimeDelta::seconds(60);

/// How often it is looked whether another daemon has renewed them.
const LOOK: Duration = Duration::from_millis(100);

/// How long that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// People in one read of a rotation.
const BATCH: u32 = 100;

/// Why there is no token to ask GitHub with as a person.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There is none, or GitHub takes it no longer.
    #[error("the person has to sign in again")]
    SignInAgain,
    /// GitHub does not answer, or another daemon takes long: later it may work.
    #[error("the person's GitHub token could not be renewed: {0}")]
    Unavailable(String),
    /// Whoever runs orchd has to mend the config.
    #[error("the person's GitHub token could not be renewed: {0}")]
    Refused(String),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A person's GitHub token, renewed when it has ended or ends within minutes.
///
/// # Errors
/// [`TokenError`].
pub async fn fresh_token(
    db: &Db,
    keyring: &Keyring,
    oauth: &OAuth,
    user: Uuid,
    now: DateTime<Utc>,
) -> Result<SecretString, TokenError> {
    let tokens = db.tokens_of(user).await?.ok_or(TokenError::SignInAgain)?;
    if is_fresh(&tokens, now) {
        return Ok(keyring.open(access_of(&user), &tokens.access)?);
    }
    let renewal = Renewal { db: db.clone(), keyring: keyring.clone(), oauth: oauth.clone(), user, now };
    // A task of its own: whoever asks may go away, and the refresh token would be used up for nothing.
    let renewed = tokio::spawn(renewal.in_turn()).await;
    renewed.map_err(|error| TokenError::Unavailable(error.to_string()))?
}

fn is_fresh(tokens: &SealedTokens, now: DateTime<Utc>) -> bool {
    tokens.access_expires_at.is_none_or(|end| end > now + RENEWED_BEFORE)
}

/// Turns at renewing in this process, by person. People's ids are random: no two databases share one.
static TURNS: LazyLock<Mutex<HashMap<Uuid, Weak<tokio::sync::Mutex<()>>>>> = LazyLock::new(Mutex::default);

fn turn_of(user: Uuid) -> Arc<tokio::sync::Mutex<()>> {
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(turn) = turns.get(&user).and_then(Weak::upgrade) {
        return turn;
    }
    turns.retain(|_, turn| turn.strong_count() > 0);
    let turn = Arc::default();
    turns.insert(user, Arc::downgrade(&turn));
    turn
}

struct Renewal {
    db: Db,
    keyring: Keyring,
    oauth: OAuth,
    user: Uuid,
    now: DateTime<Utc>,
}

impl Renewal {
    async fn in_turn(self) -> Result<SecretString, TokenError> {
        let turn = turn_of(self.user);
        let _held = turn.lock().await;
        let began = Instant::now();
        loop {
            let tokens = self.db.tokens_of(self.user).await?.ok_or(TokenError::SignInAgain)?;
            let now = self.now + TimeDelta::from_std(began.elapsed()).unwrap_or_default();
            if is_fresh(&tokens, now) {
                return Ok(self.keyring.open(access_of(&self.user), &tokens.access)?);
            }
            let until = now + LEASE;
            if self.db.take_refresh_turn(self.user, &tokens, until, now).await? {
                return self.renew(&tokens, until, now).await;
            }
            if began.elapsed() > PATIENCE {
                return self.as_it_is(&tokens, now, "another daemon takes long".to_owned());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// With the turn taken, which ends at `until`.
    async fn renew(
        &self,
        tokens: &SealedTokens,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<SecretString, TokenError> {
        let renewed = match self.ask(tokens, now).await {
            Ok(renewed) => renewed,
            Err(Failed::ForGood(why)) => {
                let ended = self.db.give_tokens_up(self.user, tokens, &why, now).await?;
                tracing::info!(user = %self.user, sessions = ended, why, "a person has to sign in again");
                return Err(TokenError::SignInAgain);
            }
            Err(Failed::ForNow(why)) => {
                self.db.give_refresh_turn_back(self.user, until).await?;
                return self.as_it_is(tokens, now, why);
            }
            Err(Failed::Ours(error)) => {
                self.db.give_refresh_turn_back(self.user, until).await?;
                return Err(error);
            }
        };
        let sealed = seal_tokens(&self.keyring, self.user, &renewed, now)?;
        let mut stored = tokens.clone();
        while !self.db.replace_tokens(self.user, &stored, &sealed, Some(now)).await? {
            stored = self.db.tokens_of(self.user).await?.ok_or(TokenError::SignInAgain)?;
            // Unless a rotation encrypted them anew, they signed in anew, and what is stored counts.
            if !self.are_the_same(&stored, tokens)? {
                return Ok(self.keyring.open(access_of(&self.user), &stored.access)?);
            }
        }
        Ok(renewed.access)
    }

    fn are_the_same(&self, one: &SealedTokens, other: &SealedTokens) -> Result<bool, SealError> {
        let open = |tokens: &SealedTokens| self.keyring.open(access_of(&self.user), &tokens.access);
        Ok(same(open(one)?.expose_secret().as_bytes(), open(other)?.expose_secret().as_bytes()))
    }

    async fn ask(&self, tokens: &SealedTokens, now: DateTime<Utc>) -> Result<UserTokens, Failed> {
        let refresh = tokens.refresh.as_deref().filter(|_| tokens.refresh_expires_at.is_none_or(|end| end > now));
        let Some(refresh) = refresh else {
            return match tokens.access_expires_at.filter(|end| *end > now) {
                Some(_) => Err(Failed::ForNow("nothing renews it".to_owned())),
                None => Err(Failed::ForGood("the GitHub token has ended, and nothing renews it".to_owned())),
            };
        };
        let refresh = self.keyring.open(refresh_of(&self.user), refresh).map_err(|error| Failed::Ours(error.into()))?;
        self.oauth.refresh(&refresh).await.map_err(|error| match error {
            OAuthError::RefreshRefused | OAuthError::TokenRefused | OAuthError::CodeRefused => {
                Failed::ForGood(error.to_string())
            }
            OAuthError::Unavailable(_) | OAuthError::Unreadable(_) => Failed::ForNow(error.to_string()),
            OAuthError::CredentialsRefused | OAuthError::RedirectRefused(_) | OAuthError::Refused(_) => {
                Failed::Ours(TokenError::Refused(error.to_string()))
            }
        })
    }

    /// The token that could not be renewed, as long as it is still good.
    fn as_it_is(&self, tokens: &SealedTokens, now: DateTime<Utc>, why: String) -> Result<SecretString, TokenError> {
        match tokens.access_expires_at {
            Some(end) if end <= now => Err(TokenError::Unavailable(why)),
            _ => Ok(self.keyring.open(access_of(&self.user), &tokens.access)?),
        }
    }
}

/// Why tokens were not renewed.
enum Failed {
    /// Only the person can help.
    ForGood(String),
    ForNow(String),
    Ours(TokenError),
}

/// Encrypts everybody's tokens that are encrypted with another key with the first one; returns how many people's. Tokens
/// that change meanwhile are encrypted with the first key anyway.
///
/// # Errors
/// When a value does not open: its key is gone from `login.keys`, or it was changed. Those before it are done.
pub async fn rotate(db: &Db, keyring: &Keyring, by: Actor, now: DateTime<Utc>) -> Result<u64, TokenError> {
    let (mut after, mut rotated) = (Uuid::nil(), 0);
    let done = loop {
        let found = db.sealed_otherwise(keyring.first()?, after, BATCH).await?;
        let Some((last, _)) = found.last() else { break Ok(()) };
        after = *last;
        match reseal_all(db, keyring, &found).await {
            Ok(many) => rotated += many,
            Err(error) => break Err(error),
        }
    };
    if rotated > 0 {
        let note = format!("the tokens of {rotated} people, with key {}", keyring.first()?);
        db.audit(vec![Entry { note: Some(note), ..Entry::new(Kind::SecretsRotated, by, now) }]).await?;
    }
    done.map(|()| rotated)
}

async fn reseal_all(db: &Db, keyring: &Keyring, found: &[(Uuid, SealedTokens)]) -> Result<u64, TokenError> {
    let mut rotated = 0;
    for (user, old) in found {
        let access = keyring.open(access_of(user), &old.access)?;
        let refresh = old.refresh.as_deref().map(|sealed| keyring.open(refresh_of(user), sealed)).transpose()?;
        let new = SealedTokens {
            key: keyring.first()?.to_owned(),
            access: keyring.seal(access_of(user), &access)?,
            refresh: refresh.map(|token| keyring.seal(refresh_of(user), &token)).transpose()?,
            ..old.clone()
        };
        rotated += u64::from(db.replace_tokens(*user, old, &new, None).await?);
    }
    Ok(rotated)
}
