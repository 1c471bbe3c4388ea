//! People's GitHub tokens: renewed once, given up when GitHub refuses them, encrypted with the keys of the config.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use orchd::config::SecretKey;
use orchd::core::audit::Actor;
use orchd::engine::login::seal::{Keyring, Place};
use orchd::engine::login::token::Token;
use orchd::engine::login::{Means, Rotation, TokenError, fresh_token, rotate};
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
    let user = user_of(&stage, &browser).await;
    Signed { stage, browser, means, user }
}

/// Whose session a browser has.
pub(super) async fn user_of(stage: &Stage, browser: &Browser) -> Uuid {
    let token = Token::parse(&browser.cookies["__Host-orchd"]).unwrap();
    let found = stage.site.db.use_session(&token.hash(), HOURS, Utc::now()).await.unwrap();
    found.unwrap().1.id
}

impl Signed {
    async fn token(&self) -> Result<String, TokenError> {
        let token = fresh_token(&self.stage.site.db, &self.means, self.user, Utc::now());
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
    let done = |rotated| Rotation { rotated, unopened: Vec::new() };
    assert_eq!(rotate(db, &both, Actor::Operator(Some(0)), Utc::now()).await.unwrap(), done(1));
    assert_eq!(
        rotate(db, &both, Actor::Operator(Some(0)), Utc::now()).await.unwrap(),
        done(0),
        "nothing is left to do"
    );

    let only_new = Means { keyring: Keyring::of(&keys[..1]), ..mona.means.clone() };
    let after = fresh_token(db, &only_new, mona.user, Utc::now()).await.unwrap();
    assert_eq!(after.expose_secret(), before);
    assert!(matches!(mona.token().await, Err(TokenError::SignInAgain)), "the daemon has not the new key");
    assert!(mona.browser.is_signed_in().await);
}

#[tokio::test]
async fn a_row_that_does_not_open_stops_no_rotation() {
    let stage = Stage::set().await;
    let db = &stage.site.db;
    let mut users = Vec::new();
    for login in ["ada", "bob", "eve"] {
        let browser = stage.signed_in(login).await;
        users.push((user_of(&stage, &browser).await, login));
    }
    // Whoever stands first.
    users.sort_unstable();
    let (broken, login) = users[0];
    let old = db.tokens_of(broken).await.unwrap().unwrap();
    let spoilt = SealedTokens { access: "v1.00000000.AAAA".to_owned(), ..old.clone() };
    assert!(db.replace_tokens(broken, &old, &spoilt, None).await.unwrap());

    let mut keys = vec![key(7)];
    keys.extend(stage.site.config.current().login.keys.iter().cloned());
    let both = Keyring::of(&keys);
    let rotated = rotate(db, &both, Actor::Operator(Some(0)), Utc::now()).await.unwrap();
    assert_eq!(rotated, Rotation { rotated: 2, unopened: vec![login.to_owned()] });
    let again = rotate(db, &both, Actor::Operator(Some(0)), Utc::now()).await.unwrap();
    assert_eq!(again, Rotation { rotated: 0, unopened: vec![login.to_owned()] }, "the others need the old key no more");
    let only_new = Means { keyring: Keyring::of(&keys[..1]), ..Means::of(&stage.site.config.current()).unwrap() };
    fresh_token(db, &only_new, users[1].0, Utc::now()).await.unwrap();
}

#[tokio::test]
async fn a_daemon_that_waits_long_for_github_keeps_its_turn() {
    let mut mona = mona(Duration::from_secs(1)).await;
    let mut config = (*mona.stage.site.config.current()).clone();
    config.github.timeout = Duration::from_secs(300);
    mona.means = Means::of(&config).unwrap();
    let db = mona.stage.site.db.clone();
    let old = db.tokens_of(mona.user).await.unwrap().unwrap();
    mona.stage.github.pause();
    let (user, now) = (mona.user, Utc::now());
    let (token, ()) = tokio::join!(mona.token(), async {
        let is_asked =
            || mona.stage.github.requests().iter().filter(|each| each.path.ends_with("/access_token")).count();
        while is_asked() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let later = now + TimeDelta::seconds(300);
        let taken = db.take_refresh_turn(user, &old, later + TimeDelta::seconds(60), later).await.unwrap();
        assert!(!taken, "another daemon would use the refresh token a second time");
        mona.stage.github.resume();
    });
    token.unwrap();
    assert_eq!(mona.stage.github.refreshes(), 1);
}
