//! App JWTs and installation tokens.
//!
//! A token is asked for once however many callers wait for it, kept until five minutes before it ends, and dropped
//! when GitHub says 401 to it.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use moka::Expiry;
use moka::future::Cache;
use moka::ops::compute::Op;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::GitHubError;
use crate::core::event::InstallationId;

/// How long before its end a token is no longer used.
const REFRESH_BEFORE: Duration = Duration::from_secs(5 * 60);
/// How long a JWT is used again. It is good for nine minutes.
const SERVES_FOR: TimeDelta = TimeDelta::minutes(1);
/// Tokens kept. An installation more only means a request more.
const MOST_TOKENS: u64 = 10_000;

/// The App's key, and the name it signs under.
pub(super) struct AppKey {
    issuer: String,
    key: EncodingKey,
    /// The last JWT, and when it was made: recovery asks a thousand times in a row, and a signature takes a millisecond.
    last: Mutex<Option<(DateTime<Utc>, SecretString)>>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iat: i64,
    exp: i64,
    iss: &'a str,
}

impl AppKey {
    pub(super) fn new(issuer: String, pem: &SecretString) -> Result<Self, GitHubError> {
        let key = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes())
            .map_err(|_| GitHubError::Credentials("the private key is not an RSA key in PEM form".to_owned()))?;
        Ok(Self { issuer, key, last: Mutex::default() })
    }

    /// A JWT that says who we are, for ten minutes at most. It starts a minute ago, for clocks that differ
    /// (docs.github.com, "Generating a JSON Web Token for a GitHub App").
    pub(super) fn jwt(&self, now: DateTime<Utc>) -> Result<SecretString, GitHubError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, jwt)) = last.as_ref().filter(|(made, _)| (now - made).abs() < SERVES_FOR) {
            return Ok(jwt.clone());
        }
        let jwt = self.sign(now)?;
        *last = Some((now, jwt.clone()));
        Ok(jwt)
    }

    fn sign(&self, now: DateTime<Utc>) -> Result<SecretString, GitHubError> {
        let claims = Claims { iat: now.timestamp() - 60, exp: now.timestamp() + 9 * 60, iss: &self.issuer };
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map(SecretString::from)
            .map_err(|_| GitHubError::Credentials("the private key cannot sign".to_owned()))
    }
}

/// A token that somebody gave us, which stands for the App's own signature wherever one would be needed: a workflow's, or a
/// person's.
#[derive(Clone, Debug)]
pub struct Bearer {
    pub token: SecretString,
    /// Of the App that it is a token of; `None`: it is a person's.
    pub slug: Option<String>,
}

/// The answer of `POST /app/installations/{id}/access_tokens`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Token {
    pub token: SecretString,
    expires_at: DateTime<Utc>,
}

struct UntilRefresh;

impl Expiry<InstallationId, Token> for UntilRefresh {
    fn expire_after_create(&self, _: &InstallationId, token: &Token, _: Instant) -> Option<Duration> {
        let left = (token.expires_at - Utc::now()).to_std().unwrap_or_default();
        Some(left.saturating_sub(REFRESH_BEFORE))
    }
}

/// The tokens at hand.
pub(super) struct Tokens(Cache<InstallationId, Token>);

impl Tokens {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MOST_TOKENS).expire_after(UntilRefresh).build())
    }

    /// The token at hand, or the one that `ask` gets; callers that come while it is asked for wait for it.
    pub(super) async fn get(
        &self,
        id: InstallationId,
        ask: impl Future<Output = Result<Token, GitHubError>>,
    ) -> Result<SecretString, GitHubError> {
        let token = self.0.try_get_with(id, ask).await.map_err(|error| (*error).clone())?;
        Ok(token.token)
    }

    /// Drops a token that GitHub refused, unless another has taken its place already.
    pub(super) async fn forget(&self, id: InstallationId, refused: &SecretString) {
        let refused = refused.expose_secret();
        let drop_it = |entry: Option<moka::Entry<InstallationId, Token>>| {
            let same = entry.is_some_and(|entry| entry.into_value().token.expose_secret() == refused);
            std::future::ready(if same { Op::Remove } else { Op::Nop })
        };
        self.0.entry(id).and_compute_with(drop_it).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::{Value, json};

    use super::*;
    use crate::github::client::GitHub;
    use crate::github::stand_in::{self, StandIn, reply, test_key};

    #[test]
    fn the_jwt_says_who_we_are_for_nine_minutes() {
        let app = AppKey::new("Iv1.abc".to_owned(), &test_key().private_pem).unwrap();
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let jwt = app.jwt(now).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        let key = DecodingKey::from_rsa_der(&test_key().public_der);
        let claims = jsonwebtoken::decode::<Value>(jwt.expose_secret(), &key, &validation).unwrap().claims;
        assert_eq!(claims, json!({"iat": 1_699_999_940, "exp": 1_700_000_540, "iss": "Iv1.abc"}));
    }

    #[test]
    fn a_jwt_serves_for_a_minute() {
        let app = AppKey::new("1".to_owned(), &test_key().private_pem).unwrap();
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let jwt_after = |seconds| app.jwt(now + TimeDelta::seconds(seconds)).unwrap().expose_secret().to_owned();
        let first = jwt_after(0);
        assert_eq!(jwt_after(59), first);
        let second = jwt_after(60);
        assert_ne!(second, first);
        assert_eq!(jwt_after(0), first, "the clock was set back: signed anew, and the same for the same moment");
    }

    #[test]
    fn a_bad_key_is_refused_without_showing_it() {
        let refused = AppKey::new("1".to_owned(), &SecretString::from("hush")).err().unwrap().to_string();
        assert!(refused.contains("not an RSA key in PEM form") && !refused.contains("hush"));
    }

    #[tokio::test]
    async fn fifty_callers_ask_for_one_token() {
        let server = StandIn::start(stand_in::with_tokens(|_| reply(200, &json!([])))).await;
        let github = GitHub::new(server.settings()).unwrap();
        let reader = github.reader(Some(InstallationId(5)));
        let calls = (0..50).map(|_| reader.get::<Value>("/repos/a/b/labels"));
        for result in futures_util::future::join_all(calls).await {
            result.unwrap();
        }
        let seen = server.seen();
        assert_eq!(seen.iter().filter(|line| line.ends_with("/access_tokens")).count(), 1);
        assert_eq!(seen.len(), 51);
    }

    #[tokio::test]
    async fn a_refused_token_is_dropped_and_the_request_sent_once_more() {
        let refuse = Arc::new(AtomicUsize::new(1));
        let left = refuse.clone();
        let server = StandIn::start(stand_in::with_tokens(move |_| {
            let refused = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
            if refused { reply(401, &json!({"message": "Bad credentials"})) } else { reply(200, &json!(1)) }
        }))
        .await;
        let reader = GitHub::new(server.settings()).unwrap().reader(Some(InstallationId(5)));
        assert_eq!(reader.get::<u8>("/x").await.unwrap(), 1);
        let token = "POST /app/installations/5/access_tokens";
        assert_eq!(server.seen(), [token, "GET /x", token, "GET /x"]);

        refuse.store(2, Ordering::SeqCst);
        let refused = reader.get::<u8>("/x").await.unwrap_err();
        assert!(matches!(refused, GitHubError::Credentials(_)), "a clock or a key to mend, not the request: {refused}");
    }

    #[tokio::test]
    async fn a_key_that_github_does_not_know_is_for_a_person_to_mend() {
        let server = StandIn::start(|_| reply(401, &json!({"message": "A JSON web token could not be decoded"}))).await;
        let reader = GitHub::new(server.settings()).unwrap().reader(Some(InstallationId(5)));
        assert!(matches!(reader.get::<Value>("/x").await.unwrap_err(), GitHubError::Credentials(_)));
        let without = super::super::client::Settings { private_key: None, ..server.settings() };
        let reader = GitHub::new(without).unwrap().reader(Some(InstallationId(5)));
        assert!(matches!(reader.get::<Value>("/x").await.unwrap_err(), GitHubError::Credentials(_)));
    }
}
