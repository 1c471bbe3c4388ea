//! Where people are sent, and what of an answer is believed.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn people_sign_in_where_the_api_belongs() {
    for (api, web) in [
        ("https://api.github.com", "https://github.com"),
        ("https://api.github.com/", "https://github.com"),
        ("https://github.example.com/api/v3", "https://github.example.com"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
        ("http://127.0.0.1:4000", "http://127.0.0.1:4000"),
    ] {
        assert_eq!(web_url(&api.parse().unwrap()), web, "{api}");
    }
}

#[test]
fn an_error_is_told_from_tokens_whatever_the_status() {
    assert!(says_error(br#"{"error":"bad_verification_code","error_description":"It ended."}"#));
    assert!(!says_error(br#"{"access_token":"ghu_x","token_type":"bearer"}"#));
    assert!(!says_error(b"error"));
}

#[test]
fn a_login_is_a_word() {
    let read = |login: &str| read_account(format!(r#"{{"id":7,"login":{login:?}}}"#).as_bytes());
    assert_eq!(read("mona-lisa_acme").unwrap().login, "mona-lisa_acme");
    for odd in ["", "a b", "a/b", "<b>", "é"] {
        assert!(read(odd).is_err(), "{odd}");
    }
}

#[test]
fn departing_takes_state_and_challenge_along_and_keeps_the_verifier() {
    let settings = Settings {
        api_url: "https://api.github.com".parse().unwrap(),
        web_url: Some("http://127.0.0.1:9".to_owned()),
        client_id: "Iv1.1".to_owned(),
        client_secret: SecretString::from("s3cret"),
        redirect_url: "https://orchd.example.com/login/callback".to_owned(),
        timeout: Duration::from_secs(1),
    };
    let oauth = OAuth::new(Settings { api_url: "http://127.0.0.1:9".parse().unwrap(), ..settings }).unwrap();
    let gone = oauth.depart(&SecretString::from("a state"));
    for part in ["state=a+state", "code_challenge_method=S256", "code_challenge=", "client_id=Iv1.1"] {
        assert!(gone.url.contains(part), "{part}: {}", gone.url);
    }
    assert!(gone.url.contains("redirect_uri=https%3A%2F%2Forchd.example.com%2Flogin%2Fcallback"), "{}", gone.url);
    assert!(!gone.url.contains(gone.verifier.expose_secret()) && !gone.url.contains("s3cret"));
    assert!(!format!("{gone:?}{oauth:?}").contains(gone.verifier.expose_secret()));
}
