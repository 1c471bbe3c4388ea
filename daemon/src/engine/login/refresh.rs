//! People's GitHub tokens, kept fresh: a token ends after eight hours, and what renews it is good for one use.
//!
//! Whoever needs a token may ask at the same moment, in this daemon and in others on the same database. In the process one
//! renews and the others wait for it; between daemons a lease in the person's row says who does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use uuid::Uuid;

use super::seal::{Keyring, Place, SealError};
use super::{Means, access_of, refresh_of, same, seal_tokens};
use crate::github::oauth::{OAuthError, UserTokens};
use crate::store::users::SealedTokens;
use crate::store::{Db, StoreError};

/// A token that ends so soon is renewed before it is used: what it is used for takes time, and clocks differ.
const RENEWED_BEFORE: TimeDelta = TimeDelta::minutes(5);

/// How much longer than a request to GitHub is let a daemon may take to renew tokens before another tries: to store them,
/// and for clocks that differ.
const MARGIN: Duration = Duration::from_secs(60);

/// How often it is looked whether another daemon has renewed them.
const LOOK: Duration = Duration::from_millis(100);

/// How long that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why there is no token to ask GitHub with as a person.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There is none, it does not open any more, or GitHub takes it no longer.
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
pub async fn fresh_token(db: &Db, means: &Means, user: Uuid, now: DateTime<Utc>) -> Result<SecretString, TokenError> {
    let tokens = db.tokens_of(user).await?.ok_or(TokenError::SignInAgain)?;
    if is_fresh(&tokens, now) {
        return open(&means.keyring, access_of(&user), &tokens.access);
    }
    let renewal = Renewal { db: db.clone(), means: means.clone(), user, now };
    // A task of its own: whoever asks may go away, and the refresh token would be used up for nothing.
    let renewed = tokio::spawn(renewal.in_turn()).await;
    renewed.map_err(|error| TokenError::Unavailable(error.to_string()))?
}

fn is_fresh(tokens: &SealedTokens, now: DateTime<Utc>) -> bool {
    tokens.access_expires_at.is_none_or(|end| end > now + RENEWED_BEFORE)
}

/// Opens what was sealed. A key that is gone costs its people a sign-in; the operator is told, who may have lost it by
/// mistake: nothing is deleted.
fn open(keyring: &Keyring, place: Place<'_>, sealed: &str) -> Result<SecretString, TokenError> {
    keyring.open(place, sealed).map_err(|error| {
        tracing::warn!(%error, column = place.column, "a person has to sign in again: their token does not open");
        TokenError::SignInAgain
    })
}

/// Whether GitHub can be asked as this person, as far as it can be told without asking: they have tokens that open and
/// have not ended.
///
/// # Errors
/// When the store fails.
pub async fn can_ask(db: &Db, keyring: &Keyring, user: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let Some(tokens) = db.tokens_of(user).await? else { return Ok(false) };
    let lasts = |end: Option<DateTime<Utc>>| end.is_none_or(|end| end > now);
    let refresh = tokens.refresh.as_deref().filter(|_| lasts(tokens.refresh_expires_at));
    let is_renewable = refresh.is_some_and(|sealed| keyring.open(refresh_of(&user), sealed).is_ok());
    let opens = keyring.open(access_of(&user), &tokens.access).is_ok();
    Ok(opens && (lasts(tokens.access_expires_at) || is_renewable))
}

/// GitHub refused this token of the person: it goes, and all their sessions end. False: theirs is another by now, which
/// may be asked with.
///
/// # Errors
/// When the store fails, and when what is stored does not open.
pub async fn give_up(
    db: &Db,
    keyring: &Keyring,
    user: Uuid,
    refused: &SecretString,
    now: DateTime<Utc>,
) -> Result<bool, TokenError> {
    let Some(stored) = db.tokens_of(user).await? else { return Ok(true) };
    let access = open(keyring, access_of(&user), &stored.access)?;
    if !same(access.expose_secret().as_bytes(), refused.expose_secret().as_bytes()) {
        return Ok(false);
    }
    let ended = db.give_tokens_up(user, &stored, &OAuthError::TokenRefused.to_string(), now).await?;
    tracing::info!(%user, sessions = ended, "a person has to sign in again: GitHub refuses their token");
    Ok(ended.is_some())
}

/// Turns at renewing in this process, by person. Cheap to clone; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<Mutex<HashMap<Uuid, Turn>>>);

type Turn = Weak<tokio::sync::Mutex<()>>;

impl Turns {
    fn of(&self, user: Uuid) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&user).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(user, Arc::downgrade(&turn));
        turn
    }
}

struct Renewal {
    db: Db,
    means: Means,
    user: Uuid,
    now: DateTime<Utc>,
}

impl Renewal {
    async fn in_turn(self) -> Result<SecretString, TokenError> {
        let turn = self.means.turns.of(self.user);
        let _held = turn.lock().await;
        let began = Instant::now();
        loop {
            let tokens = self.db.tokens_of(self.user).await?.ok_or(TokenError::SignInAgain)?;
            let now = self.now + TimeDelta::from_std(began.elapsed()).unwrap_or_default();
            if is_fresh(&tokens, now) {
                return self.open(&tokens);
            }
            let until = now + TimeDelta::from_std(self.means.oauth.timeout() + MARGIN).unwrap_or_default();
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
        let sealed = seal_tokens(&self.means.keyring, self.user, &renewed, now)?;
        let mut stored = tokens.clone();
        while !self.db.replace_tokens(self.user, &stored, &sealed, Some(now)).await? {
            stored = self.db.tokens_of(self.user).await?.ok_or(TokenError::SignInAgain)?;
            // Unless a rotation encrypted them anew, they signed in anew, and what is stored counts.
            if !self.are_the_same(&stored, tokens)? {
                return self.open(&stored);
            }
        }
        Ok(renewed.access)
    }

    fn open(&self, tokens: &SealedTokens) -> Result<SecretString, TokenError> {
        open(&self.means.keyring, access_of(&self.user), &tokens.access)
    }

    fn are_the_same(&self, one: &SealedTokens, other: &SealedTokens) -> Result<bool, TokenError> {
        Ok(same(self.open(one)?.expose_secret().as_bytes(), self.open(other)?.expose_secret().as_bytes()))
    }

    async fn ask(&self, tokens: &SealedTokens, now: DateTime<Utc>) -> Result<UserTokens, Failed> {
        let refresh = tokens.refresh.as_deref().filter(|_| tokens.refresh_expires_at.is_none_or(|end| end > now));
        let Some(refresh) = refresh else {
            return match tokens.access_expires_at.filter(|end| *end > now) {
                Some(_) => Err(Failed::ForNow("nothing renews it".to_owned())),
                None => Err(Failed::ForGood("the GitHub token has ended, and nothing renews it".to_owned())),
            };
        };
        let refresh = open(&self.means.keyring, refresh_of(&self.user), refresh).map_err(Failed::Ours)?;
        self.means.oauth.refresh(&refresh).await.map_err(|error| match error {
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
            _ => self.open(tokens),
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
