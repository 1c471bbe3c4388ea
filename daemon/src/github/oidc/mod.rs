//! Tokens of GitHub Actions (OpenID Connect): whose run is asking, in GitHub's word.
//!
//! Owns the issuer's keys, as long as they may be believed, and the check of a token against them. Refuses to know which
//! repositories may send what. Invariants: a claim is not looked at before the signature fits; whoever sends tokens cannot
//! make orchd ask the issuer more than a few times a minute.
//!
//! Facts: <https://docs.github.com/en/actions/reference/security/oidc>.

mod keys;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;

pub use keys::Keys;

use super::forward::Proven;
use crate::core::forward::RawContext;

/// How far GitHub's clock and ours may be apart.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);

/// Longest id of a token that is remembered, and longest name of a key.
const LONGEST_ID: usize = 255;

/// What a token must be to be taken.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    pub issuer: &'a http::Uri,
    pub audience: &'a str,
    pub max_age: Duration,
    /// For one request to the issuer.
    pub timeout: Duration,
}

/// Why a token is not taken, by what the sender can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Another token may be taken.
    #[error("{0}")]
    Refused(String),
    /// The same token may be taken later.
    #[error("{0}")]
    Later(String),
}

/// The claims that are looked at. Never `sub`.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audiences,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    iat: i64,
    jti: String,
    #[serde(flatten)]
    context: RawContext,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Many(Vec<String>),
}

impl Audiences {
    fn name(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

/// A run, in GitHub's word, and the token that said so.
#[derive(Clone, Debug)]
pub struct Vouched {
    pub proven: Proven,
    pub jti: String,
    /// From then on the token is not taken any more.
    pub expires_at: DateTime<Utc>,
}

/// Checks a token: RS256 with a key of the issuer, then what it says of itself, then of the run.
///
/// # Errors
/// [`TokenError`]. No text of the token is in it.
pub async fn verify(
    keys: &Keys,
    terms: Terms<'_>,
    token: &str,
    now: DateTime<Utc>,
    moment: Instant,
) -> Result<Vouched, TokenError> {
    let refuse = |what: &str| TokenError::Refused(format!("the token {what}"));
    let header = jsonwebtoken::decode_header(token).map_err(|_| refuse("is not a JWT that is signed with RS256"))?;
    if header.alg != Algorithm::RS256 {
        return Err(refuse("is not signed with RS256"));
    }
    let kid = header.kid.filter(|kid| !kid.is_empty() && kid.len() <= LONGEST_ID);
    let kid = kid.ok_or_else(|| refuse("does not name the key it is signed with"))?;
    let key = keys.find(terms.issuer, &kid, terms.timeout, moment).await?;
    // The times are checked below, against the clock that is passed in.
    let mut rules = Validation::new(Algorithm::RS256);
    (rules.validate_exp, rules.validate_nbf, rules.validate_aud) = (false, false, false);
    rules.required_spec_claims.clear();
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &rules).map_err(|error| match error.kind() {
        jsonwebtoken::errors::ErrorKind::Json(_) => refuse("lacks claims that GitHub writes"),
        _ => refuse("is not signed by the key that it names"),
    })?;
    check(claims.claims, terms, now)
}

fn check(claims: Claims, terms: Terms<'_>, now: DateTime<Utc>) -> Result<Vouched, TokenError> {
    let refuse = |what: String| Err(TokenError::Refused(format!("the token {what}")));
    let issuer = terms.issuer.to_string();
    if claims.iss.trim_end_matches('/') != issuer.trim_end_matches('/') {
        return refuse("is of another issuer than `forward.issuer`".to_owned());
    }
    if !claims.aud.name(terms.audience) {
        return refuse(format!("is made out to somebody else: ask for the audience {}", terms.audience));
    }
    let time = |seconds: i64| DateTime::from_timestamp(seconds, 0);
    let (Some(expires), Some(issued)) = (time(claims.exp), time(claims.iat)) else {
        return refuse("has times that are none".to_owned());
    };
    if expires + LEEWAY <= now {
        return refuse("has expired".to_owned());
    }
    let begins = claims.nbf.and_then(time).map_or(issued, |begins| begins.max(issued));
    if begins - LEEWAY > now {
        return refuse("is not valid yet: do the clocks differ?".to_owned());
    }
    let max_age = TimeDelta::from_std(terms.max_age).unwrap_or(TimeDelta::MAX);
    if now - issued > max_age + LEEWAY {
        return refuse("is older than `forward.max_age`".to_owned());
    }
    if !(1..=LONGEST_ID).contains(&claims.jti.len()) || !claims.jti.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refuse("has no `jti`".to_owned());
    }
    match claims.context.check() {
        Ok(context) => Ok(Vouched { proven: Proven::by_token(context), jti: claims.jti, expires_at: expires + LEEWAY }),
        Err(error) => refuse(format!("is not one of a workflow: {error}")),
    }
}
