//! People whose token is good no more, and people who have another name by now.

use std::sync::Arc;

use chrono::Utc;
use orchd::config::SecretKey;
use orchd::engine::login::seal::{Keyring, Place};
use orchd::engine::login::{Means, give_up};
use orchd::store::users::SealedTokens;
use secrecy::SecretBox;
use serde_json::Value;

use super::{Browser, Page, Stage, tokens};

fn json(page: &Page) -> Value {
    serde_json::from_str(&page.body).unwrap_or_else(|error| panic!("{error}: {page:?}"))
}

async fn me(browser: &mut Browser) -> Value {
    let page = browser.get("/api/me").await;
    assert_eq!(page.status, 200, "{page:?}");
    json(&page)
}

/// The API's word, and a page with the button.
async fn has_to_sign_in_again(browser: &mut Browser) {
    let refused = browser.get("/api/me").await;
    assert!(refused.status == 401 && refused.says("sign in again at /login"), "{refused:?}");
    let login = browser.get("/login?return_to=/account").await;
    assert!(login.status == 200 && login.says("Sign in with GitHub"), "{login:?}");
}

#[tokio::test]
async fn whoever_has_a_token_that_github_refuses_signs_in_again() {
    let stage = Stage::set().await;
    let (mut here, mut there) = (stage.signed_in("mona").await, stage.signed_in("mona").await);
    let mut hubot = stage.signed_in("hubot").await;
    me(&mut hubot).await;
    stage.github.revoke_user_tokens();
    has_to_sign_in_again(&mut here).await;
    assert_eq!(there.get("/account").await.location(), Some("/login"), "all their sessions are over");
    assert!(hubot.is_signed_in().await);
    stage.github.sit_at_the_browser(Some("mona"));
    assert_eq!(here.sign_in("/account").await.location(), Some("/account"));
    assert_eq!(me(&mut here).await["name"], "mona");
}

#[tokio::test]
async fn whoever_has_a_token_that_no_key_opens_signs_in_again() {
    let stage = Stage::set().await;
    let mut mona = stage.signed_in("mona").await;
    let (db, user) = (&stage.site.db, tokens::user_of(&stage, &mona).await);
    let old = db.tokens_of(user).await.unwrap().unwrap();
    let gone = Keyring::of(&[SecretKey(Arc::new(SecretBox::new(Box::new([9; 32]))))]);
    let here = Place { row: user.as_bytes(), column: "users.access_token" };
    let access = gone.seal(here, &"ghu_of_yesterday".into()).unwrap();
    let sealed = SealedTokens { key: gone.first().unwrap().to_owned(), access, ..old.clone() };
    assert!(db.replace_tokens(user, &old, &sealed, None).await.unwrap());

    assert!(mona.get("/account").await.says("Sign in again"));
    has_to_sign_in_again(&mut mona).await;
    assert!(mona.is_signed_in().await, "the key may come back");
    assert_eq!(mona.sign_in("/account").await.status, 303);
    assert!(!mona.get("/account").await.says("Sign in again"));
    assert_eq!(mona.get("/login?return_to=/account").await.location(), Some("/account"));
    assert_eq!(me(&mut mona).await["name"], "mona");
}

#[tokio::test]
async fn a_token_that_was_renewed_meanwhile_is_not_given_up_for_an_older_one() {
    let stage = Stage::set().await;
    let mut mona = stage.signed_in("mona").await;
    let user = tokens::user_of(&stage, &mona).await;
    let means = Means::of(&stage.site.config.current()).unwrap();
    let older = "ghu_old".into();
    assert!(!give_up(&stage.site.db, &means.keyring, user, &older, Utc::now()).await.unwrap());
    assert!(mona.is_signed_in().await);
}

#[tokio::test]
async fn a_stale_login_gives_nobody_anothers_rights() {
    let stage = Stage::set_with("access: {admins: [mona]}\n").await;
    let mut mona = stage.signed_in("mona").await;
    stage.github.rename_person("mona", "lisa");
    let told = me(&mut mona).await;
    assert_eq!((&told["name"], &told["site"]), (&"lisa".into(), &Value::Null), "who is `mona` nobody knows");
    assert!(mona.get("/account").await.says("<strong>lisa</strong>"), "and so it is stored");

    stage.github.rename_person("eve", "mona");
    let mut eve = stage.signed_in("mona").await;
    let told = me(&mut eve).await;
    assert_eq!((&told["name"], &told["site"]), (&"mona".into(), &"admin".into()), "what the config gives the name");
    assert_eq!(me(&mut mona).await["site"], Value::Null);
    assert_ne!(tokens::user_of(&stage, &eve).await, tokens::user_of(&stage, &mona).await);
}
