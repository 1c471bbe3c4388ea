//! The keys that an issuer publishes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderValue, Request, StatusCode, Uri};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use octocrab::OctoBody;
use serde::Deserialize;
use tokio::sync::Mutex as Turns;

use super::TokenError;
use crate::github::connection::{AGENT, Connection, connection, whole};

/// For how long keys are taken without asking again.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// For how long they are still taken when the issuer does not answer.
const ALIVE: Duration = Duration::from_secs(6 * 3_600);

/// The issuer is asked so often at most within a minute, whatever tokens come.
const MOST_ASKS: usize = 4;
const MINUTE: Duration = Duration::from_secs(60);

/// Keys of one issuer that are kept. GitHub has a handful.
const MOST_KEYS: usize = 64;

/// The least length of a modulus: 2,048 bits, as base64.
const LEAST_MODULUS: usize = 342;

const WHERE: &str = "/.well-known/openid-configuration";

/// The keys of an issuer, as it last told. Cheap to clone; clones share.
#[derive(Clone, Default)]
pub struct Keys(Arc<Inner>);

#[derive(Default)]
struct Inner {
    told: Mutex<Option<Arc<Told>>>,
    /// One asks at a time.
    turn: Turns<Asks>,
}

struct Told {
    issuer: Uri,
    at: Instant,
    keys: HashMap<String, DecodingKey>,
}

/// When the issuer was asked, and over what.
#[derive(Default)]
struct Asks {
    lately: VecDeque<Instant>,
    connection: Option<(Uri, Connection)>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Told {
    fn is_younger(&self, than: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < than
    }
}

impl Keys {
    /// The key of that name. Asks the issuer when the keys are not fresh or the name is not among them, and not too often.
    ///
    /// # Errors
    /// `Refused` when the issuer has no such key, `Later` when that cannot be known now.
    pub(super) async fn find(
        &self,
        issuer: &Uri,
        kid: &str,
        timeout: Duration,
        now: Instant,
    ) -> Result<DecodingKey, TokenError> {
        if let Some(key) = self.known(issuer, kid, FRESH, now) {
            return Ok(key);
        }
        let alive = self.known(issuer, kid, ALIVE, now);
        let mut turn = match (self.0.turn.try_lock(), &alive) {
            (Ok(turn), _) => turn,
            // Somebody asks already, and this key is still good.
            (Err(_), Some(key)) => return Ok(key.clone()),
            (Err(_), None) => self.0.turn.lock().await,
        };
        // Whoever had the turn before may have found it.
        if let Some(key) = self.known(issuer, kid, FRESH, now) {
            return Ok(key);
        }
        if !turn.may_ask(now) {
            let detail = "the key that the token is signed with is not known, and its issuer was asked just now; send it again in a minute";
            return alive.ok_or_else(|| TokenError::Later(detail.to_owned()));
        }
        match turn.ask(issuer, timeout).await {
            Ok(keys) => {
                metrics::counter!("orchd_oidc_key_fetches_total", "outcome" => "ok").increment(1);
                let found = keys.get(kid).cloned();
                let told = Told { issuer: issuer.clone(), at: now, keys };
                *self.0.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(told));
                found.ok_or_else(|| {
                    TokenError::Refused("the token is signed with a key that its issuer does not have".to_owned())
                })
            }
            Err(cause) => {
                metrics::counter!("orchd_oidc_key_fetches_total", "outcome" => "failed").increment(1);
                tracing::warn!(%issuer, cause, "the keys of workflows' tokens could not be fetched");
                let detail = "the keys of the token's issuer cannot be had now; send it again later";
                alive.ok_or_else(|| TokenError::Later(detail.to_owned()))
            }
        }
    }

    fn known(&self, issuer: &Uri, kid: &str, within: Duration, now: Instant) -> Option<DecodingKey> {
        let told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let counts = told.issuer == *issuer && told.is_younger(within, now);
        told.keys.get(kid).filter(|_| counts).cloned()
    }
}

impl Asks {
    /// Counts what it allows.
    fn may_ask(&mut self, now: Instant) -> bool {
        while self.lately.front().is_some_and(|at| now.saturating_duration_since(*at) >= MINUTE) {
            self.lately.pop_front();
        }
        if self.lately.len() >= MOST_ASKS {
            return false;
        }
        self.lately.push_back(now);
        true
    }

    async fn ask(&mut self, issuer: &Uri, timeout: Duration) -> Result<HashMap<String, DecodingKey>, String> {
        let is_https = issuer.scheme_str() == Some("https");
        let connection = match &self.connection {
            Some((of, connection)) if of == issuer => connection.clone(),
            _ => {
                let made = connection(is_https).map_err(|error| error.to_string())?;
                self.connection.insert((issuer.clone(), made)).1.clone()
            }
        };
        let base = issuer.to_string();
        let base = base.trim_end_matches('/');
        let found: Discovery = read(&connection, &format!("{base}{WHERE}"), timeout).await?;
        if found.issuer.trim_end_matches('/') != base {
            return Err("it calls itself by another name than `forward.issuer`".to_owned());
        }
        let keys_at: Uri = found.jwks_uri.parse().map_err(|_| "its `jwks_uri` is no URL".to_owned())?;
        if is_https && keys_at.scheme_str() != Some("https") {
            return Err("its `jwks_uri` is not https".to_owned());
        }
        let listed: Listed = read(&connection, &found.jwks_uri, timeout).await?;
        let keys: HashMap<_, _> = listed.keys().take(MOST_KEYS).collect();
        if keys.is_empty() { Err("it has no key for RS256".to_owned()) } else { Ok(keys) }
    }
}

/// Of keys that are of no use here nothing is expected.
#[derive(Deserialize)]
struct Listed {
    keys: Vec<serde_json::Value>,
}

impl Listed {
    fn keys(self) -> impl Iterator<Item = (String, DecodingKey)> {
        let set = JwkSet { keys: self.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect() };
        set.keys.into_iter().filter_map(|jwk| Some((jwk.common.key_id.clone()?, usable(&jwk)?)))
    }
}

/// An RSA key to check RS256 with, of at least 2,048 bits.
fn usable(jwk: &Jwk) -> Option<DecodingKey> {
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let fits = matches!(jwk.common.key_algorithm, None | Some(KeyAlgorithm::RS256));
    let AlgorithmParameters::RSA(rsa) = &jwk.algorithm else { return None };
    if !signs || !fits || rsa.n.trim_end_matches('=').len() < LEAST_MODULUS {
        return None;
    }
    DecodingKey::from_jwk(jwk).ok()
}

async fn read<T: serde::de::DeserializeOwned>(
    connection: &Connection,
    url: &str,
    timeout: Duration,
) -> Result<T, String> {
    let request = Request::get(url)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .body(OctoBody::empty())
        .map_err(|error| error.to_string())?;
    let answer = whole(connection, request, timeout).await?;
    if answer.status() != StatusCode::OK {
        return Err(format!("it answered {}", answer.status()));
    }
    serde_json::from_slice(answer.body()).map_err(|error| format!("its answer cannot be read: {error}"))
}
