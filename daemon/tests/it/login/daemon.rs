//! The whole daemon, with its files: what of a login stays in them, and what GitHub's events do to it.

use orchd_fake::CLIENT_SECRET;

use super::{Browser, KEY, PUBLIC, prepare};
use crate::on_both_databases;
use crate::road::DOCS_RULE;
use crate::story::{Database, Story};

async fn begin(database: Database) -> Story {
    let mut story = prepare(database, DOCS_RULE, PUBLIC, "").await;
    story.start();
    story
}

/// The bytes of every file of the database.
fn files(story: &Story) -> Vec<u8> {
    let names = ["orchd.db", "orchd.db-wal"];
    names.iter().flat_map(|name| std::fs::read(story.path(name)).unwrap_or_default()).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn invariant_11_no_token_is_in_the_database_or_in_the_log_in_clear() {
    let mut story = begin(Database::Sqlite).await;
    let mut browser = Browser::at(&story.url());
    let back = browser.leave("/account").await;
    let left = browser.cookies["__Host-orchd-login"].clone();
    assert_eq!(browser.get(&back).await.status, 303);
    let csrf = browser.csrf().await;
    let mut secrets = story.github.user_tokens();
    assert_eq!(secrets.len(), 2);
    secrets.extend([csrf, left, browser.cookies["__Host-orchd"].clone(), CLIENT_SECRET.to_owned(), KEY.to_owned()]);
    secrets.extend(back.split(['=', '&']).filter(|part| part.len() >= 20).map(str::to_owned));
    // Failures are told, too.
    browser.get(&back).await;
    assert_eq!(story.stop(), Some(0));
    let (files, log) = (files(&story), story.log());
    assert!(holds(&files, "mona") && log.contains("somebody signed in"), "it is looked where things are written");
    for secret in secrets {
        assert!(!holds(&files, &secret), "{secret} is in the database");
        assert!(!log.contains(&secret), "{secret} is in the log");
    }
    // And over a restart the session goes on.
    story.start();
    assert!(browser.is_signed_in().await);
}

async fn revoked(database: Database) {
    let story = begin(database).await;
    let mut mona = Browser::at(&story.url());
    assert_eq!(mona.sign_in("/account").await.status, 303);
    story.github.sit_at_the_browser(Some("hubot"));
    let mut hubot = Browser::at(&story.url());
    assert_eq!(hubot.sign_in("/account").await.status, 303);
    story.github.revoke_authorization("mona");
    story.settles().await;
    assert!(!mona.is_signed_in().await, "at once");
    assert!(hubot.is_signed_in().await);
    story.github.sit_at_the_browser(Some("mona"));
    assert_eq!(mona.sign_in("/account").await.status, 303);
    assert!(mona.is_signed_in().await);
}

on_both_databases!(a_revoked_authorisation_signs_a_person_out, revoked);
