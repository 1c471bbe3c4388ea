#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::*;
use crate::github::stand_in::{StandIn, reply, test_key};

const AUDIENCE: &str = "https://orchd.example.com";
const SHA: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";
const JWKS: &str = "/.well-known/jwks";

/// An issuer that can be down, and name its key anew.
struct Stage {
    server: StandIn,
    issuer: http::Uri,
    is_up: Arc<AtomicBool>,
    generation: Arc<AtomicUsize>,
    keys: Keys,
    start: Instant,
}

fn modulus() -> String {
    // PKCS#1: a sequence of the modulus of 257 bytes, the first of them 0, and the exponent.
    let der = &test_key().public_der;
    URL_SAFE_NO_PAD.encode(&der[der.len() - 5 - 256..der.len() - 5])
}

impl Stage {
    async fn new() -> Self {
        let (is_up, generation) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(1)));
        let address = Arc::new(std::sync::OnceLock::<String>::new());
        let (up, number, own) = (is_up.clone(), generation.clone(), address.clone());
        let server = StandIn::start(move |seen| {
            let url = own.get().cloned().unwrap_or_default();
            match seen.path.as_str() {
                _ if !up.load(Ordering::SeqCst) => reply(503, &json!({})),
                "/.well-known/openid-configuration" => {
                    reply(200, &json!({"issuer": url, "jwks_uri": format!("{url}{JWKS}")}))
                }
                _ => {
                    let kid = format!("key-{}", number.load(Ordering::SeqCst));
                    let odd = json!({"kty": "EC", "kid": "ec", "crv": "P-256", "x": "AA", "y": "AA"});
                    let short = json!({"kty": "RSA", "kid": "short", "n": "AAAA", "e": "AQAB"});
                    let key = json!({"kty": "RSA", "alg": "RS256", "kid": kid, "n": modulus(), "e": "AQAB"});
                    reply(200, &json!({"keys": [odd, short, {"kty": "later"}, key]}))
                }
            }
        })
        .await;
        let issuer = server.settings().api_url;
        address.set(issuer.to_string().trim_end_matches('/').to_owned()).unwrap();
        Self { server, issuer, is_up, generation, keys: Keys::default(), start: Instant::now() }
    }

    fn asks(&self) -> usize {
        self.server.seen().iter().filter(|asked| asked.ends_with(JWKS)).count()
    }

    fn claims(&self, now: DateTime<Utc>) -> Value {
        let now = now.timestamp();
        json!({
            "iss": self.issuer.to_string().trim_end_matches('/'), "aud": AUDIENCE, "sub": "anything at all", "jti": "one",
            "iat": now, "nbf": now - 5, "exp": now + 300, "repository": "acme/web", "repository_id": "77",
            "event_name": "push", "ref": "refs/heads/main", "sha": SHA, "run_id": "900", "run_attempt": "1",
            "workflow": "CI", "workflow_ref": "acme/web/.github/workflows/ci.yml@refs/heads/main", "actor": "mona",
        })
    }

    /// Checked so many seconds after the start.
    async fn verify(&self, token: &str, now: DateTime<Utc>, after: u64) -> Result<Vouched, TokenError> {
        let terms = Terms {
            issuer: &self.issuer,
            audience: AUDIENCE,
            max_age: Duration::from_secs(600),
            timeout: Duration::from_secs(5),
        };
        verify(&self.keys, terms, token, now, self.start + Duration::from_secs(after)).await
    }
}

fn sign(claims: &Value, kid: &str) -> String {
    let key = EncodingKey::from_rsa_pem(test_key().private_pem.expose_secret().as_bytes()).unwrap();
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::RS256) };
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

fn refusal(result: Result<Vouched, TokenError>) -> String {
    match result {
        Err(TokenError::Refused(detail)) => detail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_is_taken_for_what_it_says_and_every_spoilt_one_is_refused() {
    let (stage, now) = (Stage::new().await, Utc::now());
    let vouched = stage.verify(&sign(&stage.claims(now), "key-1"), now, 0).await.unwrap();
    assert_eq!((vouched.jti.as_str(), vouched.proven.context().repository_id), ("one", 77));
    let many = json!(["somebody", AUDIENCE]);
    let minutes = |minutes: i64| json!(now.timestamp() + minutes * 60);
    for (claim, value, said) in [
        ("aud", many, None),
        ("aud", json!("https://github.com/acme"), Some("made out to somebody else")),
        ("aud", json!([]), Some("made out to somebody else")),
        ("iss", json!("https://token.actions.githubusercontent.com"), Some("another issuer")),
        ("exp", minutes(-1), Some("has expired")),
        ("exp", json!("soon"), Some("lacks claims")),
        ("nbf", minutes(1), Some("not valid yet")),
        ("iat", minutes(1), Some("not valid yet")),
        ("iat", minutes(-11), Some("older than")),
        ("iat", json!(i64::MAX), Some("times that are none")),
        ("jti", json!(""), Some("no `jti`")),
        ("jti", json!("a b"), Some("no `jti`")),
        ("run_id", json!("nine"), Some("`run_id` is missing")),
        ("repository_id", Value::Null, Some("lacks claims")),
        ("sub", json!("repo:evil/web:ref:refs/heads/main"), None),
    ] {
        let mut claims = stage.claims(now);
        claims[claim] = value.clone();
        let result = stage.verify(&sign(&claims, "key-1"), now, 0).await;
        match said {
            None => assert!(result.is_ok(), "{claim} {value}: {result:?}"),
            Some(said) => assert!(refusal(result).contains(said), "{claim} {value}"),
        }
    }
    assert_eq!(stage.asks(), 1);
}

#[tokio::test]
async fn only_rs256_with_a_key_of_the_issuer_counts() {
    let (stage, now) = (Stage::new().await, Utc::now());
    let claims = stage.claims(now);
    let encode = |header: Value, claims: &Value, signature: &str| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{signature}", part(&header), part(claims))
    };
    let good = sign(&claims, "key-1");
    let signature = good.rsplit('.').next().unwrap().to_owned();
    let mut other = claims.clone();
    other["repository_id"] = json!("78");
    let confused = Header { kid: Some("key-1".to_owned()), ..Header::new(Algorithm::HS256) };
    let secret = EncodingKey::from_secret(&test_key().public_der);
    for (token, said) in [
        (encode(json!({"alg": "none", "kid": "key-1"}), &claims, ""), "RS256"),
        (encode(json!({"alg": "RS256", "kid": "key-1"}), &claims, ""), "not signed by the key"),
        (encode(json!({"alg": "RS256", "kid": "key-1"}), &other, &signature), "not signed by the key"),
        (encode(json!({"alg": "RS256"}), &claims, &signature), "does not name the key"),
        (jsonwebtoken::encode(&confused, &claims, &secret).unwrap(), "RS256"),
        (sign(&claims, "short"), "does not have"),
        ("a.b.c".to_owned(), "not a JWT"),
        (String::new(), "not a JWT"),
    ] {
        let said_instead = refusal(stage.verify(&token, now, 0).await);
        assert!(said_instead.contains(said), "{said_instead}");
    }
}

#[tokio::test]
async fn a_new_key_is_found_at_once_and_a_flood_of_unknown_ones_is_not_passed_on() {
    let (stage, now) = (Stage::new().await, Utc::now());
    let claims = stage.claims(now);
    assert!(stage.verify(&sign(&claims, "key-1"), now, 0).await.is_ok());
    stage.generation.store(2, Ordering::SeqCst);
    assert!(stage.verify(&sign(&claims, "key-2"), now, 1).await.is_ok());
    assert!(refusal(stage.verify(&sign(&claims, "key-1"), now, 2).await).contains("does not have"));
    assert_eq!(stage.asks(), 3);
    for number in 0..50 {
        assert!(stage.verify(&sign(&claims, &format!("random-{number}")), now, 3).await.is_err());
    }
    assert_eq!(stage.asks(), 4, "four a minute at most");
    let flooded = stage.verify(&sign(&claims, "random"), now, 4).await;
    assert!(matches!(flooded, Err(TokenError::Later(_))), "{flooded:?}");
    // Whoever has a known key notices nothing, and a minute later the issuer is asked again.
    assert!(stage.verify(&sign(&claims, "key-2"), now, 4).await.is_ok());
    stage.generation.store(3, Ordering::SeqCst);
    assert!(stage.verify(&sign(&claims, "key-3"), now, 64).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_is_down_is_survived_for_hours_and_not_for_ever() {
    let (stage, now) = (Stage::new().await, Utc::now());
    let token = sign(&stage.claims(now), "key-1");
    stage.is_up.store(false, Ordering::SeqCst);
    let before = stage.verify(&token, now, 0).await;
    assert!(matches!(before, Err(TokenError::Later(_))), "{before:?}");
    stage.is_up.store(true, Ordering::SeqCst);
    assert!(stage.verify(&token, now, 1).await.is_ok());
    let asked = stage.asks();
    stage.is_up.store(false, Ordering::SeqCst);
    assert!(stage.verify(&token, now, 9 * 60).await.is_ok());
    assert_eq!(stage.asks(), asked, "keys are fresh for ten minutes");
    assert!(stage.verify(&token, now, 5 * 3_600).await.is_ok(), "and live on for six hours");
    let late = stage.verify(&token, now, 7 * 3_600).await;
    assert!(matches!(late, Err(TokenError::Later(_))), "{late:?}");
}
