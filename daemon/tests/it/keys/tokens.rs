//! Short-lived tokens: what they may, and how somebody might forge one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;

/// As the daemon derives what it signs with, and what it is named by.
fn derived(purpose: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&LOGIN_KEY).unwrap();
    mac.update(purpose.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// A token as whoever knew `login.keys` could sign it.
fn signed(algorithm: jsonwebtoken::Algorithm, kid: Option<String>, claims: &Value) -> String {
    let header = jsonwebtoken::Header { kid, ..jsonwebtoken::Header::new(algorithm) };
    let key = jsonwebtoken::EncodingKey::from_secret(&derived("orchd token v1"));
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

async fn a_token_does_what_its_key_may(database: Database) {
    let story = begin(database, "").await;
    let made = makes(&story, &["--scope", "events:read,status:read", "--repo", WEB, "--repo", "acme/api"]);
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let answer = writes(
        &story,
        key,
        "/api/auth/token",
        json!({"scopes": ["events:read"], "repositories": [WEB], "expires_in": "10m"}),
    )
    .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    assert_eq!((&answer.body["token_type"], &answer.body["scope"]), (&json!("Bearer"), &json!("events:read")));
    assert!((598..=600).contains(&answer.body["expires_in"].as_i64().unwrap()));
    let token = answer.body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(reads(&story, &token, "/api/events").await.status, StatusCode::OK);
    assert_eq!(reads(&story, &token, "/api/status").await.detail(), "the key lacks the scope `status:read`");
    let again = writes(&story, &token, "/api/auth/token", json!({})).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN, "a token that made tokens would never end");
    for wider in [json!({"scopes": ["config:write"]}), json!({"repositories": ["acme/secret"]})] {
        let refused = writes(&story, key, "/api/auth/token", wider).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
    }
    let long = writes(&story, key, "/api/auth/token", json!({"expires_in": "16m"})).await;
    assert_eq!(long.status, StatusCode::UNPROCESSABLE_ENTITY, "longer than api.token_lifetime");

    assert_eq!(story.cli(&["keys", "revoke", id]).status.code(), Some(0));
    assert_eq!(reads(&story, &token, "/api/events").await.detail(), "the key is revoked");
}
on_both_databases!(a_token_does_what_its_key_may_and_dies_with_it, a_token_does_what_its_key_may);

#[tokio::test]
async fn forged_and_altered_tokens_are_refused() {
    use jsonwebtoken::Algorithm::{HS256, HS384, HS512};

    let story = begin(Database::Sqlite, "").await;
    let made = makes(&story, &["--scope", "events:read", "--repo", WEB]);
    let now = chrono::Utc::now().timestamp();
    let claims = |change: Value| {
        let mut claims = json!({
            "iss": "orchd", "aud": "orchd", "sub": made["id"], "scope": "events:read config:write", "iat": now,
            "nbf": now, "exp": now + 60, "jti": "01980a2b-7c4d-7e5f-8a9b-0c1d2e3f4a5b",
        });
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        claims
    };
    let kid: String = derived("orchd token key id v1")[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let kid = Some(kid);
    let ours = signed(HS256, kid.clone(), &claims(json!({})));
    assert_eq!(reads(&story, &ours, "/api/events").await.status, StatusCode::OK, "the forge is a good one");
    let wider = writes(&story, &ours, "/api/config/abcd/confirm", json!({})).await;
    assert_eq!(wider.detail(), "the key lacks the scope `config:write`", "a token is no wider than its key");

    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signature = ours.rsplit('.').next().unwrap();
    let unsigned = |algorithm: &str, signature: &str| {
        format!("{}.{}.{signature}", part(&json!({"alg": algorithm, "kid": kid})), part(&claims(json!({}))))
    };
    let forged = [
        ("none", unsigned("none", "")),
        ("none with a signature", unsigned("None", signature)),
        ("RS256", unsigned("RS256", signature)),
        ("HS384 with our key", signed(HS384, kid.clone(), &claims(json!({})))),
        ("HS512 with our key", signed(HS512, kid.clone(), &claims(json!({})))),
        ("no kid", signed(HS256, None, &claims(json!({})))),
        ("another kid", signed(HS256, Some("0123456789abcdef".to_owned()), &claims(json!({})))),
        ("another audience", signed(HS256, kid.clone(), &claims(json!({"aud": "https://other.example.com"})))),
        ("another issuer", signed(HS256, kid.clone(), &claims(json!({"iss": "other"})))),
        (
            "altered",
            format!("{}.{}.{signature}", ours.split('.').next().unwrap(), part(&claims(json!({"exp": now + 9_999})))),
        ),
    ];
    for (what, token) in &forged {
        let refused = reads(&story, token, "/api/events").await;
        assert_eq!(
            (refused.status, refused.detail()),
            (StatusCode::UNAUTHORIZED, "not a token of this daemon"),
            "{what}"
        );
    }
    let expired = signed(HS256, kid.clone(), &claims(json!({"exp": now - 1})));
    assert_eq!(reads(&story, &expired, "/api/events").await.detail(), "the token has expired");
    let early = signed(HS256, kid.clone(), &claims(json!({"nbf": now + 50})));
    assert_eq!(reads(&story, &early, "/api/events").await.detail(), "the token is not good yet");
    let nobodys = signed(HS256, kid, &claims(json!({"sub": "01980a2b-7c4d-7e5f-8a9b-0c1d2e3f4a5b"})));
    assert_eq!(reads(&story, &nobodys, "/api/events").await.detail(), "there is no such key");
    assert!(told(&story, "key_refused").iter().all(|note| !note.contains(signature)));
}

#[tokio::test]
async fn without_login_keys_a_token_says_what_to_set() {
    let story = Story::begin(Database::Sqlite, RULES).await;
    let key = key(&story, &["--scope", "events:read"]);
    let refused = writes(&story, &key, "/api/auth/token", json!({})).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.detail().starts_with("tokens need `login.keys` in the config"), "{refused:?}");
}
