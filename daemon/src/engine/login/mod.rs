//! Signing in with GitHub: somebody leaves (`begin`), comes back (`finish`), and is somebody from then on.
//!
//! Owns what has to belong together: the browser that left, the `state` it comes back with, the PKCE verifier; and that
//! GitHub's tokens are encrypted before they are stored (`seal`), renewed once (`refresh`) and given up when GitHub takes
//! them no longer. Refuses to know HTTP: cookies and pages are others' affair.

mod refresh;
mod rotate;
pub mod seal;
pub mod token;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use uuid::Uuid;

use super::{Engine, JobError};
use crate::config::Config;
use crate::core::event::{Event, EventKind};
use crate::github::oauth::{OAuth, OAuthError, Settings, UserTokens};
use crate::store::pending_logins::PendingLogin;
use crate::store::sessions::NewSession;
use crate::store::users::{Person, SealedTokens, UserRow};
use crate::store::{Db, StoreError};

use self::seal::{Keyring, Place, SealError};
use self::token::Token;

pub use refresh::{TokenError, Turns, can_ask, fresh_token, give_up};
pub use rotate::{Rotation, rotate};

/// How long somebody may take at GitHub.
pub const LOGIN_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// Rows in one transaction of the upkeep.
const BATCH: u32 = 500;

/// What signing in takes, made of a config.
#[derive(Clone, Debug)]
pub struct Means {
    pub keyring: Keyring,
    pub oauth: OAuth,
    pub turns: Turns,
}

/// Why nobody can sign in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMeans {
    /// Keys of the config.
    #[error("the config lacks {}", .0.join(", "))]
    Missing(Vec<&'static str>),
    #[error("{0}")]
    Broken(String),
}

impl Means {
    /// # Errors
    /// When the config lacks something, or what it has cannot be used.
    pub fn of(config: &Config) -> Result<Self, NoMeans> {
        let (github, public_url) = (&config.github, &config.server.public_url);
        let parts = (&github.client_id, &github.client_secret, public_url, config.login.keys.first());
        let (Some(client_id), Some(client_secret), Some(public_url), Some(_)) = parts else {
            let there = [parts.0.is_some(), parts.1.is_some(), parts.2.is_some(), parts.3.is_some()];
            let keys = ["github.client_id", "github.client_secret", "server.public_url", "login.keys"];
            let missing = keys.into_iter().zip(there).filter(|(_, there)| !there).map(|(key, _)| key);
            return Err(NoMeans::Missing(missing.collect()));
        };
        let settings = Settings {
            api_url: github.api_url.clone(),
            web_url: config.login.web_url.clone(),
            client_id: client_id.clone(),
            client_secret: client_secret.clone(),
            redirect_url: format!("{public_url}/login/callback"),
            timeout: github.timeout,
        };
        let oauth = OAuth::new(settings).map_err(|error| NoMeans::Broken(error.to_string()))?;
        Ok(Self { keyring: Keyring::of(&config.login.keys), oauth, turns: Turns::default() })
    }
}

/// The means of the config in use: made once for each config, since TLS takes long to set up.
#[derive(Debug, Default)]
pub struct Desk {
    made: Mutex<Option<Made>>,
    /// The same with every config: what one renews another must not renew after a reload.
    turns: Turns,
}

#[derive(Debug)]
struct Made {
    of: Arc<Config>,
    means: Result<Means, NoMeans>,
}

impl Desk {
    /// # Errors
    /// As [`Means::of`].
    pub fn means(&self, config: &Arc<Config>) -> Result<Means, NoMeans> {
        let mut known = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(made) if Arc::ptr_eq(&made.of, config) => made.means.clone(),
            _ => {
                let means = Means::of(config).map(|means| Means { turns: self.turns.clone(), ..means });
                *known = Some(Made { of: Arc::clone(config), means: means.clone() });
                means
            }
        }
    }
}

/// Somebody is sent to GitHub.
#[derive(Clone, Debug)]
pub struct Begun {
    pub url: String,
    /// For a cookie of the browser that leaves.
    pub browser: Token,
}

/// Somebody is back, with what the browser brought.
#[derive(Clone, Debug)]
pub struct Return {
    pub state: Option<Token>,
    pub browser: Option<Token>,
    /// Of the session it had before, which ends.
    pub before: Option<Token>,
    /// The code, or GitHub's word for why there is none.
    pub answer: Result<SecretString, String>,
    pub address: Option<String>,
    pub agent: Option<String>,
}

/// Somebody is signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub user: UserRow,
    /// For the session's cookie.
    pub token: Token,
    pub ends_at: DateTime<Utc>,
    pub return_to: String,
}

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Without use.
    pub session: Duration,
    /// However much they are used.
    pub cap: Duration,
}

/// Why somebody who came back is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Nobody left with this `state`, they took too long, or they have been back: forged, replayed, or a page of yesterday.
    #[error("nobody is expected back with this `state`")]
    NotExpected,
    #[error("another browser left than the one that came back")]
    AnotherBrowser,
    #[error("the person did not agree")]
    Denied,
    #[error("GitHub sent them back with `{0}`")]
    SentBack(String),
    #[error(transparent)]
    GitHub(#[from] OAuthError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sends somebody to GitHub. `return_to` is where they want to be afterwards: a path of our own, checked before.
///
/// # Errors
/// When nothing can be sealed or stored.
pub async fn begin(db: &Db, means: &Means, return_to: &str, now: DateTime<Utc>) -> Result<Begun, SignInError> {
    let (state, browser) = (Token::random(), Token::random());
    let departure = means.oauth.depart(state.secret());
    let state_hash = state.hash();
    let verifier = means.keyring.seal(verifier_of(&state_hash), &departure.verifier)?;
    let pending = PendingLogin {
        verifier,
        state_hash,
        browser_hash: browser.hash(),
        return_to: return_to.to_owned(),
        expires_at: now + LOGIN_WITHIN,
    };
    db.store_pending_login(&pending).await?;
    Ok(Begun { url: departure.url, browser })
}

/// Somebody came back from GitHub: is it who left, and who are they?
///
/// # Errors
/// [`SignInError`]; whoever is to be signed in starts anew.
pub async fn finish(
    db: &Db,
    means: &Means,
    back: Return,
    terms: Terms,
    now: DateTime<Utc>,
) -> Result<SignedIn, SignInError> {
    let state = back.state.ok_or(SignInError::NotExpected)?;
    let pending = db.take_pending_login(&state.hash(), now).await?.ok_or(SignInError::NotExpected)?;
    let browser = back.browser.ok_or(SignInError::AnotherBrowser)?;
    if !same(browser.hash().as_bytes(), pending.browser_hash.as_bytes()) {
        return Err(SignInError::AnotherBrowser);
    }
    let code = back.answer.map_err(|word| match word.as_str() {
        "access_denied" => SignInError::Denied,
        _ => SignInError::SentBack(word),
    })?;
    let verifier = means.keyring.open(verifier_of(&pending.state_hash), &pending.verifier)?;
    let tokens = means.oauth.exchange(code.expose_secret(), &verifier).await?;
    let account = means.oauth.account(&tokens.access).await?;
    let person = Person {
        github_id: account.github_id,
        login: account.login,
        email: account.email,
        avatar_url: account.avatar_url,
    };
    let token = Token::random();
    let ends_at = now + TimeDelta::from_std(terms.cap).unwrap_or(TimeDelta::MAX);
    let session = NewSession {
        id: Uuid::now_v7(),
        token_hash: token.hash(),
        expires_at: now + TimeDelta::from_std(terms.session.min(terms.cap)).unwrap_or(TimeDelta::MAX),
        ends_at,
        address: back.address,
        agent: back.agent,
    };
    let sealing = |user| {
        let sealed = seal_tokens(&means.keyring, user, &tokens, now);
        sealed.map_err(|error| StoreError::Failed(error.to_string()))
    };
    let before = back.before.as_ref().map(Token::hash);
    let user = db.sign_in(&person, sealing, &session, before.as_deref(), now).await?;
    Ok(SignedIn { user, token, ends_at, return_to: pending.return_to })
}

fn verifier_of(state_hash: &str) -> Place<'_> {
    Place { row: state_hash.as_bytes(), column: "pending_logins.verifier" }
}

fn access_of(user: &Uuid) -> Place<'_> {
    Place { row: user.as_bytes(), column: "users.access_token" }
}

fn refresh_of(user: &Uuid) -> Place<'_> {
    Place { row: user.as_bytes(), column: "users.refresh_token" }
}

fn seal_tokens(
    keyring: &Keyring,
    user: Uuid,
    tokens: &UserTokens,
    now: DateTime<Utc>,
) -> Result<SealedTokens, SealError> {
    let end =
        |lasts: Option<Duration>| lasts.and_then(|lasts| now.checked_add_signed(TimeDelta::from_std(lasts).ok()?));
    Ok(SealedTokens {
        key: keyring.first()?.to_owned(),
        access: keyring.seal(access_of(&user), &tokens.access)?,
        access_expires_at: end(tokens.access_lasts),
        refresh: tokens.refresh.as_ref().map(|token| keyring.seal(refresh_of(&user), token)).transpose()?,
        refresh_expires_at: end(tokens.refresh_lasts),
    })
}

/// The token that a form of this session has to carry: base64url of HMAC-SHA256(session token, "orchd csrf").
pub fn csrf_token(session: &Token) -> Result<SecretString, SealError> {
    let key = session.secret().expose_secret();
    // A key of any length is taken.
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|_| SealError::NoKey)?;
    mac.update(b"orchd csrf");
    let text = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    Ok(SecretString::from(text))
}

/// Whether two texts are the same, in a time that does not tell where they differ: both are hashed with a key that nobody
/// knows.
pub fn same(one: &[u8], other: &[u8]) -> bool {
    let key: [u8; 32] = rand::random();
    let digest = |text: &[u8]| Hmac::<Sha256>::new_from_slice(&key).map(|mac| mac.chain_update(text));
    match (digest(one), digest(other)) {
        (Ok(one), Ok(other)) => one.verify_slice(&other.finalize().into_bytes()).is_ok(),
        _ => false,
    }
}

/// Whether the event tells that a person took back what they had allowed the App.
pub(super) fn is_news(kind: &EventKind) -> bool {
    kind.name == "github_app_authorization"
}

/// A person took back what they had allowed the App: their tokens go, and their sessions end. May be done again.
///
/// # Errors
/// When the store fails.
pub(super) async fn follow(engine: &Engine, event: &Event) -> Result<(), JobError> {
    if !is_news(&event.kind) || event.kind.action.as_deref() != Some("revoked") {
        return Ok(());
    }
    let Some(person) = event.payload.pointer("/sender/id").and_then(serde_json::Value::as_i64) else { return Ok(()) };
    let why = "the authorisation was taken back on GitHub";
    let ended = engine.db.revoke_user(person, event.received_at, why, (engine.clock)()).await?;
    tracing::info!(event_id = %event.id, sessions = ended, "a person took back what they had allowed the App");
    Ok(())
}

/// Drops sessions and logins that have ended by themselves; returns how many of each.
///
/// # Errors
/// When the store fails.
pub async fn drop_ended(db: &Db, now: DateTime<Utc>) -> Result<(u64, u64), StoreError> {
    let (mut sessions, mut logins) = (0, 0);
    loop {
        let dropped = (db.drop_ended_sessions(now, BATCH).await?, db.drop_late_logins(now, BATCH).await?);
        sessions += dropped.0;
        logins += dropped.1;
        if dropped.0.max(dropped.1) < u64::from(BATCH) {
            return Ok((sessions, logins));
        }
    }
}
