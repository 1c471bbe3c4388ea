//! People's GitHub tokens: renewed once, given up when GitHub refuses them, encrypted with the keys of the config.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use orchd::config::SecretKey;
use orchd::core::audit::Actor;
use orchd::engine::login::seal::{Keyring, Place};
use orchd::engine::login::{Means, TokenError, fresh_token, rotate};
use orchd::store::users::SealedTokens;
use orchd_fake::Fault;
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use uuid::Uuid;

use super::{Browser, Stage};

const HOURS: Duration = Duration::from_secs(8 * 3_600);

struct Signed {
    stage: Stage,
    browser: Browser,
    means: Means,
    user: Uuid,
}

/// Mona is signed in, with a token that lasts so long.
async fn mona(lasts: Duration) -> Signed {
    let stage = Stage::set().await;
    stage.github.user_tokens_last(lasts);
    let browser = stage.signed_in("mona").await;
    stage.github.user_tokens_last(HOURS);
    let means = Means::of(&stage.site.config.current()).unwrap();
    let user = stage.site.db.user_by_login("mona").await.unwrap().unwrap().id;
    Signed { stage, browser, means, user }
}

impl Signed {
    async fn token(&self) -> Result<String, TokenError> {
        let token = fresh_token(&self.stage.site.db, &self.means.keyring, &self.means.oauth, self.user, Utc::now());
        token.await.map(|token| token.expose_secret().to_owned())
    }
}

#[tokio::test]
async fn a_token_that_is_good_for_hours_is_not_renewed() {
    let mona = mona(HOURS).await;
    let token = mona.token().await.unwrap();
    assert!(mona.stage.github.user_tokens().contains(&token));
    assert_eq!(mona.stage.github.refreshes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_who_need_an_ended_token_renew_it_once() {
    let mona = Arc::new(mona(Duration::from_secs(1)).await);
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let mona = Arc::clone(&mona);
            tokio::spawn(async move { mona.token().await.unwrap() })
        })
        .collect();
    let mut tokens = Vec::new();
    for task in asking {
        tokens.push(task.await.unwrap());
    }
    tokens.dedup();
    assert_eq!((tokens.len(), mona.stage.github.refreshes()), (1, 1));
    assert!(mona.stage.github.user_tokens().contains(&tokens[0]));
}

#[tokio::test]
async fn whoever_asks_may_go_away_and_the_new_token_is_not_lost() {
    let mona = mona(Duration::from_secs(1)).await;
    mona.stage.github.pause();
    let asking = tokio::time::timeout(Duration::from_millis(300), mona.token()).await;
    assert!(asking.is_err(), "GitHub does not answer yet");
    mona.stage.github.resume();
    mona.token().await.unwrap();
    assert_eq!(mona.stage.github.refreshes(), 1);
}

#[tokio::test]
async fn another_daemon_that_renews_is_waited_for() {
    let mona = mona(Duration::from_secs(1)).await;
    let db = &mona.stage.site.db;
    let old = db.tokens_of(mona.user).await.unwrap().unwrap();
    let now = Utc::now();
    assert!(db.take_refresh_turn(mona.user, &old, now + TimeDelta::seconds(60), now).await.unwrap());
    let (token, ()) = tokio::join!(mona.token(), async {
        let here = Place { row: mona.user.as_bytes(), column: "users.access_token" };
        let access = mona.means.keyring.seal(here, &SecretString::from("ghu_renewed")).unwrap();
        let renewed = SealedTokens { access, access_expires_at: Some(now + TimeDelta::hours(8)), ..old.clone() };
        assert!(db.replace_tokens(mona.user, &old, &renewed, Some(now)).await.unwrap());
    });
    assert_eq!(token.unwrap(), "ghu_renewed");
    assert_eq!(mona.stage.github.refreshes(), 0);
}

#[tokio::test]
async fn a_refused_refresh_token_means_signing_in_again() {
    let mut mona = mona(Duration::from_secs(1)).await;
    mona.stage.github.forget_refresh_tokens();
    assert!(matches!(mona.token().await, Err(TokenError::SignInAgain)));
    assert!(!mona.browser.is_signed_in().await);
    assert!(matches!(mona.token().await, Err(TokenError::SignInAgain)), "and GitHub is not asked again");
    assert_eq!(mona.stage.site.db.tokens_of(mona.user).await.unwrap(), None);
    assert_eq!(mona.browser.sign_in("/account").await.status, 303);
    mona.token().await.unwrap();
}

#[tokio::test]
async fn a_github_that_does_not_answer_costs_nobody_their_session() {
    let mut mona = mona(Duration::from_secs(1)).await;
    mona.stage.github.fault(Fault::on("POST", "/login/oauth/access_token").status(502));
    let asked = mona.token().await;
    // The second it lasted may not be over yet.
    assert!(matches!(asked, Err(TokenError::Unavailable(_)) | Ok(_)), "{asked:?}");
    assert!(mona.browser.is_signed_in().await);
    mona.token().await.unwrap();
    assert_eq!(mona.stage.github.refreshes(), 1);
}

fn key(byte: u8) -> SecretKey {
    SecretKey(Arc::new(SecretBox::new(Box::new([byte; 32]))))
}

#[tokio::test]
async fn keys_are_rotated_while_people_are_signed_in() {
    let mut mona = mona(HOURS).await;
    let db = &mona.stage.site.db;
    let before = mona.token().await.unwrap();
    let mut keys = vec![key(7)];
    keys.extend(mona.stage.site.config.current().login.keys.iter().cloned());
    let both = Keyring::of(&keys);
    assert_eq!(rotate(db, &both, Actor::Operator(Some(0)), Utc::now()).await.unwrap(), 1);
    assert_eq!(rotate(db, &both, Actor::Operator(Some(0)), Utc::now()).await.unwrap(), 0, "nothing is left to do");

    let only_new = Keyring::of(&keys[..1]);
    let after = fresh_token(db, &only_new, &mona.means.oauth, mona.user, Utc::now()).await.unwrap();
    assert_eq!(after.expose_secret(), before);
    let refused = mona.token().await;
    assert!(
        matches!(&refused, Err(TokenError::Seal(error)) if error.to_string().contains("login.keys")),
        "{refused:?}"
    );
    assert!(mona.browser.is_signed_in().await);
}
