//! Sessions: one's own, here and elsewhere, and how they end.

use chrono::{TimeDelta, Utc};
use orchd::engine::login::drop_ended;
use orchd::engine::login::token::Token;
use orchd::store::sessions::NewSession;
use orchd::store::users::{Person, SealedTokens};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::Stage;

/// A browser whose session ends by itself at these times.
async fn with_session(stage: &Stage, expires: TimeDelta, ends: TimeDelta) -> super::Browser {
    let (token, now) = (Token::random(), Utc::now());
    let session = NewSession {
        id: Uuid::now_v7(),
        token_hash: token.hash(),
        expires_at: now + expires,
        ends_at: now + ends,
        address: None,
        agent: None,
    };
    let person = Person { github_id: 99, login: "hubot".to_owned(), email: None, avatar_url: None };
    let tokens = SealedTokens {
        key: "none".to_owned(),
        access: "none".to_owned(),
        access_expires_at: None,
        refresh: None,
        refresh_expires_at: None,
    };
    stage.site.db.sign_in(&person, |_| Ok(tokens), &session, None, now).await.unwrap();
    let mut browser = stage.browser();
    browser.cookies.insert("__Host-orchd".to_owned(), token.secret().expose_secret().to_owned());
    browser
}

#[tokio::test]
async fn an_expired_and_a_capped_session_are_over() {
    let stage = Stage::set().await;
    let day = TimeDelta::days(1);
    assert!(with_session(&stage, day, day).await.is_signed_in().await);
    assert!(!with_session(&stage, -TimeDelta::seconds(1), day).await.is_signed_in().await);
    assert!(!with_session(&stage, day, -TimeDelta::seconds(1)).await.is_signed_in().await);
    assert_eq!(drop_ended(&stage.site.db, Utc::now()).await.unwrap(), (2, 0));
}

#[tokio::test]
async fn one_sees_ones_own_sessions_and_ends_them() {
    let stage = Stage::set().await;
    let (mut here, mut there) = (stage.signed_in("mona").await, stage.signed_in("mona").await);
    let mut stranger = stage.signed_in("hubot").await;
    let page = here.get("/account").await;
    assert_eq!((page.body.matches("/end\"").count(), page.body.matches("this browser").count()), (2, 1), "{page:?}");
    let other = page.body.split("<li").find(|item| item.contains("/end\"") && !item.contains("this browser")).unwrap();
    let end = other.split("action=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();

    let csrf = stranger.csrf().await;
    assert_eq!(stranger.post(&end, &[("csrf", &csrf)]).await.status, 404, "another's session is not there");
    assert!(there.is_signed_in().await);

    let csrf = here.csrf().await;
    assert_eq!(here.post(&end, &[("csrf", &csrf)]).await.location(), Some("/account"));
    assert!(!there.is_signed_in().await && here.is_signed_in().await);
    assert_eq!(here.post(&end, &[("csrf", &csrf)]).await.status, 404, "it is gone");

    let own = here.get("/account").await;
    let end = own.body.split("action=\"").find(|part| part.starts_with("/account/sessions/")).unwrap();
    let end = end.split('"').next().unwrap();
    assert_eq!(here.post(end, &[("csrf", &csrf)]).await.location(), Some("/login?signed_out=1"));
    assert!(here.cookies.is_empty());
}

#[tokio::test]
async fn signing_out_everywhere_ends_all_of_ones_own() {
    let stage = Stage::set().await;
    let (mut here, mut there) = (stage.signed_in("mona").await, stage.signed_in("mona").await);
    let mut stranger = stage.signed_in("hubot").await;
    let csrf = here.csrf().await;
    assert_eq!(here.post("/logout/everywhere", &[("csrf", &csrf)]).await.status, 303);
    assert!(!here.is_signed_in().await && !there.is_signed_in().await);
    assert!(stranger.is_signed_in().await);
}

#[tokio::test]
async fn a_form_of_a_session_that_is_over_leads_to_the_sign_in() {
    let stage = Stage::set().await;
    let mut here = stage.signed_in("mona").await;
    let csrf = here.csrf().await;
    let mut copy = here.clone();
    here.post("/logout", &[("csrf", &csrf)]).await;
    assert_eq!(copy.post("/logout", &[("csrf", &csrf)]).await.location(), Some("/login"));
}

#[tokio::test]
async fn an_address_that_the_client_made_up_is_not_kept() {
    let stage = Stage::set().await;
    let mut mona = stage.browser();
    let back = mona.leave("/account").await;
    let arriving = mona.request(reqwest::Method::GET, &back).header("x-forwarded-for", "203.0.113.9");
    assert_eq!(mona.send(arriving).await.status, 303);
    let page = mona.get("/account").await;
    assert!(page.says("from 127.0.0.1") && !page.says("203.0.113.9"), "{page:?}");
}
