//! Short-lived tokens: JWTs that a key makes for itself, to do what it may do or less.
//!
//! A token is signed with what follows from `login.keys`, so it needs no row of its own; but the row of its key is looked
//! at whenever it is used, and a revoked key's tokens are good for nothing. RFC 7519 and RFC 8725 say what to check: the
//! algorithm is ours and never the token's choice, and a token without an end, a beginning, an issuer or an audience is none.

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::config::SecretKey;
use crate::core::access::{Scope, Scopes};
use crate::core::event::RepoName;

const ISSUER: &str = "orchd";

/// Of a daemon without a public URL.
const USUAL_AUDIENCE: &str = "orchd";

/// By how much the clocks of two daemons on one database may differ.
const CLOCKS_DIFFER_BY: TimeDelta = TimeDelta::seconds(5);

/// Longest token, in bytes. A request may have 16 KiB of headers, and a hundred repositories fit.
pub const LONGEST_TOKEN: usize = 8 << 10;

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTerms {
    /// Whose token it is.
    pub key: Uuid,
    pub scopes: Scopes,
    /// `None`: those of the key.
    pub repositories: Option<Vec<RepoName>>,
    /// Whole seconds.
    pub expires_at: DateTime<Utc>,
}

/// Why there is no token, or why one is not taken. Tells nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("tokens need `login.keys` in the config: `openssl rand -base64 32` makes one")]
    NoKeys,
    #[error("a token has no room for so many repositories: name fewer")]
    TooLong,
    #[error("the token cannot be signed")]
    Unsigned,
    #[error("not a token of this daemon")]
    Foreign,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not good yet")]
    Early,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    /// With spaces between them, as RFC 8693 has it.
    scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repositories: Option<Vec<RepoName>>,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
}

/// The site for which tokens are made: its public URL.
pub fn audience(public_url: Option<&str>) -> &str {
    public_url.unwrap_or(USUAL_AUDIENCE)
}

/// Makes a token with the first of `login.keys`.
pub fn issue(
    keys: &[SecretKey],
    audience: &str,
    terms: &TokenTerms,
    now: DateTime<Utc>,
) -> Result<SecretString, TokenError> {
    let key = keys.first().ok_or(TokenError::NoKeys)?;
    let scopes: Vec<&str> = terms.scopes.iter().map(Scope::word).collect();
    let claims = Claims {
        iss: ISSUER.to_owned(),
        aud: audience.to_owned(),
        sub: terms.key,
        scope: scopes.join(" "),
        repositories: terms.repositories.clone(),
        iat: now.timestamp(),
        nbf: now.timestamp(),
        exp: terms.expires_at.timestamp(),
        jti: Uuid::now_v7(),
    };
    let header = Header { kid: Some(key_id(key)?), ..Header::new(Algorithm::HS256) };
    let signing = EncodingKey::from_secret(&derive(key, SIGNING)?);
    let token = jsonwebtoken::encode(&header, &claims, &signing).map_err(|_| TokenError::Unsigned)?;
    if token.len() > LONGEST_TOKEN { Err(TokenError::TooLong) } else { Ok(token.into()) }
}

/// What a token says, when one of `login.keys` signed it for this site, and it is good now.
pub fn verify(
    keys: &[SecretKey],
    audience: &str,
    token: &SecretString,
    now: DateTime<Utc>,
) -> Result<TokenTerms, TokenError> {
    let token = token.expose_secret();
    if token.len() > LONGEST_TOKEN {
        return Err(TokenError::Foreign);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Foreign)?;
    // The id is no secret: it names the one key that is tried.
    let signed_with = header.kid.filter(|_| header.alg == Algorithm::HS256).ok_or(TokenError::Foreign)?;
    let mut known = keys.iter().filter(|key| key_id(key).is_ok_and(|id| id == signed_with));
    let key = known.next().ok_or(TokenError::Foreign)?;

    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&[audience]);
    // Both are checked below, against the clock that is passed in.
    (rules.validate_exp, rules.validate_nbf) = (false, false);
    let verifying = DecodingKey::from_secret(&derive(key, SIGNING)?);
    let claims = jsonwebtoken::decode::<Claims>(token, &verifying, &rules).map_err(|_| TokenError::Foreign)?.claims;

    let time = |seconds| DateTime::from_timestamp(seconds, 0).ok_or(TokenError::Foreign);
    let (begins, expires_at) = (time(claims.nbf)?, time(claims.exp)?);
    if expires_at <= now {
        return Err(TokenError::Expired);
    }
    if begins > now + CLOCKS_DIFFER_BY {
        return Err(TokenError::Early);
    }
    // A scope that a newer daemon knows is none of ours.
    let scopes = claims.scope.split(' ').filter_map(|word| word.parse::<Scope>().ok()).collect();
    Ok(TokenTerms { key: claims.sub, scopes, repositories: claims.repositories, expires_at })
}

/// What each derived key is for. Another meaning takes another text.
const SIGNING: &[u8] = b"orchd token v1";
const NAMING: &[u8] = b"orchd token key id v1";

/// HMAC-SHA256 as a pseudo-random function, so that what signs tokens tells nothing of what encrypts.
fn derive(key: &SecretKey, purpose: &[u8]) -> Result<[u8; 32], TokenError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.0.expose_secret().as_slice()).map_err(|_| TokenError::Unsigned)?;
    mac.update(purpose);
    Ok(mac.finalize().into_bytes().into())
}

/// Names a key of `login.keys` in tokens, and tells nothing of it.
fn key_id(key: &SecretKey) -> Result<String, TokenError> {
    let bytes = derive(key, NAMING)?;
    Ok(bytes[..8].iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use secrecy::SecretBox;
    use serde_json::{Value, json};

    use super::*;

    const SITE: &str = "https://orchd.example.com";

    fn key(byte: u8) -> SecretKey {
        SecretKey(Arc::new(SecretBox::new(Box::new([byte; 32]))))
    }

    fn noon() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn terms() -> TokenTerms {
        TokenTerms {
            key: Uuid::from_u128(7),
            scopes: [Scope::EventsRead, Scope::JobsWrite].into_iter().collect(),
            repositories: Some(vec![RepoName::parse("acme/web").unwrap()]),
            expires_at: noon() + TimeDelta::minutes(15),
        }
    }

    /// What a sane maker says.
    fn claims() -> Value {
        let now = noon().timestamp();
        json!({
            "iss": "orchd", "aud": SITE, "sub": Uuid::from_u128(7), "scope": "events:read", "iat": now, "nbf": now,
            "exp": now + 900, "jti": Uuid::from_u128(8),
        })
    }

    fn without(claim: &str) -> Value {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(claim);
        claims
    }

    fn with(claim: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[claim] = value;
        claims
    }

    /// Signed as tokens are, but for what a test spoils.
    fn forge(algorithm: Algorithm, kid: Option<String>, claims: &Value, secret: &[u8]) -> SecretString {
        let header = Header { kid, ..Header::new(algorithm) };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap().into()
    }

    fn ours(claims: &Value) -> SecretString {
        forge(Algorithm::HS256, key_id(&key(1)).ok(), claims, &derive(&key(1), SIGNING).unwrap())
    }

    fn read(token: &SecretString) -> Result<TokenTerms, TokenError> {
        verify(&[key(1)], SITE, token, noon())
    }

    #[test]
    fn a_token_says_what_was_put_into_it_until_it_expires() {
        let token = issue(&[key(1), key(2)], SITE, &terms(), noon()).unwrap();
        assert_eq!(read(&token), Ok(terms()));
        let at = |seconds| verify(&[key(1)], SITE, &token, noon() + TimeDelta::seconds(seconds));
        assert_eq!(at(899), Ok(terms()));
        assert_eq!(at(900), Err(TokenError::Expired));
        assert_eq!(at(-5), Ok(terms()), "the other daemon's clock is a little behind");
        assert_eq!(at(-6), Err(TokenError::Early));
        assert_eq!(issue(&[], SITE, &terms(), noon()).err(), Some(TokenError::NoKeys));
    }

    #[test]
    fn keys_rotate_and_tokens_live_on() {
        let token = issue(&[key(1)], SITE, &terms(), noon()).unwrap();
        assert_eq!(verify(&[key(2), key(1)], SITE, &token, noon()), Ok(terms()));
        assert_eq!(verify(&[key(2)], SITE, &token, noon()), Err(TokenError::Foreign));
        assert_eq!(verify(&[], SITE, &token, noon()), Err(TokenError::Foreign));
    }

    #[test]
    fn what_signs_tells_nothing_of_what_encrypts() {
        let (signs, names) = (derive(&key(1), SIGNING).unwrap(), derive(&key(1), NAMING).unwrap());
        assert!(signs != [1; 32] && signs[..8] != names[..8]);
    }

    #[test]
    fn another_algorithm_is_refused_whatever_it_is_signed_with() {
        assert_eq!(read(&ours(&claims())).map(|terms| terms.key), Ok(Uuid::from_u128(7)), "the forge is a good one");
        let (kid, secret) = (key_id(&key(1)).ok(), derive(&key(1), SIGNING).unwrap());
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            let token = forge(algorithm, kid.clone(), &claims(), &secret);
            assert_eq!(read(&token), Err(TokenError::Foreign), "{algorithm:?}");
        }
        let signature = ours(&claims()).expose_secret().rsplit('.').next().unwrap().to_owned();
        for name in ["none", "None", "nOnE", "RS256", "ES256", "PS256", "EdDSA", "HS384", ""] {
            let header = json!({"alg": name, "typ": "JWT", "kid": kid});
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            for signature in ["", &signature] {
                let token = format!("{}.{}.{signature}", part(&header), part(&claims())).into();
                assert_eq!(read(&token), Err(TokenError::Foreign), "{name} {signature}");
            }
        }
    }

    #[test]
    fn the_key_of_the_id_is_tried_and_no_other() {
        let secret = derive(&key(1), SIGNING).unwrap();
        for kid in [None, Some(String::new()), key_id(&key(2)).ok(), Some("../../dev/null".to_owned())] {
            let token = forge(Algorithm::HS256, kid.clone(), &claims(), &secret);
            assert_eq!(verify(&[key(1), key(2)], SITE, &token, noon()), Err(TokenError::Foreign), "{kid:?}");
        }
        let guessed = forge(Algorithm::HS256, key_id(&key(1)).ok(), &claims(), &[1; 32]);
        assert_eq!(read(&guessed), Err(TokenError::Foreign), "the bytes of the config themselves sign nothing");
    }

    #[test]
    fn a_token_lacks_nothing_and_is_for_this_site() {
        for claim in ["iss", "aud", "sub", "scope", "iat", "nbf", "exp", "jti"] {
            assert_eq!(read(&ours(&without(claim))), Err(TokenError::Foreign), "{claim}");
        }
        for (claim, value) in [
            ("iss", json!("other")),
            ("aud", json!("https://other.example.com")),
            ("aud", json!([SITE, "https://other.example.com"])),
            ("sub", json!("root")),
            ("exp", json!("never")),
            ("exp", json!(i64::MAX)),
            ("repositories", json!(["acme"])),
        ] {
            assert_eq!(read(&ours(&with(claim, value))), Err(TokenError::Foreign), "{claim}");
        }
        assert_eq!(verify(&[key(1)], "orchd", &ours(&claims()), noon()), Err(TokenError::Foreign));
    }

    #[test]
    fn a_changed_or_cut_token_is_refused() {
        let token = ours(&claims()).expose_secret().to_owned();
        let forged = URL_SAFE_NO_PAD.encode(with("scope", json!("config:write")).to_string());
        let parts: Vec<&str> = token.split('.').collect();
        let long = format!("{token}{}", "A".repeat(LONGEST_TOKEN));
        for changed in
            [format!("{}.{forged}.{}", parts[0], parts[2]), token[..token.len() - 1].to_owned(), "..".to_owned(), long]
        {
            assert_eq!(read(&changed.into()), Err(TokenError::Foreign));
        }
    }
}
