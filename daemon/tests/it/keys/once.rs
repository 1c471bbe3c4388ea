//! `Idempotency-Key`: what is sent twice is done once.

use orchd_fake::{CLIENT_SECRET, Fault};

use super::*;
use crate::login::{Browser, PUBLIC};

async fn sends_again(story: &Story, key: &str, once: &str, path: &str, body: Value) -> Answer {
    let bearer = format!("Bearer {key}");
    asks(story, Method::POST, path, &[("Authorization", &bearer), ("Idempotency-Key", once)], Some(body)).await
}

async fn what_is_sent_twice_is_done_once(database: Database) {
    let story = begin(database, "").await;
    let maker = key(&story, &["--scope", "keys:write,guards:write"]);
    let reset = |once: &'static str| sends_again(&story, &maker, once, "/api/guards/reset", json!({}));
    let first = reset("one").await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (StatusCode::OK, ""));
    let second = reset("one").await;
    assert_eq!((second.status, second.header("idempotency-replayed")), (StatusCode::OK, "true"));
    assert_eq!(second.body, first.body);
    let other = sends_again(&story, &maker, "one", "/api/guards/reset", json!({"changed": true})).await;
    assert_eq!(
        (other.status, other.detail()),
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            "this `Idempotency-Key` was used for another request, or what you may see has changed since"
        )
    );
    let elsewhere = sends_again(&story, &maker, "one", "/api/keys", json!({})).await;
    assert_eq!(elsewhere.status, StatusCode::UNPROCESSABLE_ENTITY);
    let another = key(&story, &["--scope", "guards:write"]);
    let theirs = sends_again(&story, &another, "one", "/api/guards/reset", json!({"changed": true})).await;
    assert_eq!((theirs.status, theirs.header("idempotency-replayed")), (StatusCode::OK, ""), "two keys never meet");
    assert_eq!(
        sends_again(&story, &maker, "two words", "/api/guards/reset", json!({})).await.status,
        StatusCode::BAD_REQUEST
    );

    // A key's text is told once, and stands nowhere.
    let wish = json!({"name": "child", "scopes": ["guards:write"]});
    let made = sends_again(&story, &maker, "child", "/api/keys", wish.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let again = sends_again(&story, &maker, "child", "/api/keys", wish).await;
    assert!(again.status == StatusCode::CONFLICT && again.detail().contains("told once"), "{again:?}");
    let named = |row: &&Value| row["name"] == "child";
    assert_eq!(story.json_lines(&["keys", "list"]).iter().filter(named).count(), 1);

    // What was refused was not done: the same key may be used when it is mended.
    let refused =
        sends_again(&story, &maker, "mended", "/api/keys", json!({"name": "", "scopes": ["guards:write"]})).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let mended =
        sends_again(&story, &maker, "mended", "/api/keys", json!({"name": "b", "scopes": ["guards:write"]})).await;
    assert_eq!(mended.status, StatusCode::CREATED, "{mended:?}");
}
on_both_databases!(a_request_that_is_sent_twice_is_done_once, what_is_sent_twice_is_done_once);

#[tokio::test]
async fn whoever_lost_a_repository_is_not_told_what_was_answered_before() {
    let mut story = Story::prepare(Database::Sqlite, RULES, "").await;
    story.github.allow_callback(&format!("{PUBLIC}/login/callback"));
    story.github.sit_at_the_browser(Some("mona"));
    std::fs::write(story.path("client-secret"), CLIENT_SECRET).unwrap();
    std::fs::write(story.path("login-key"), STANDARD.encode(LOGIN_KEY)).unwrap();
    story.server = format!("  public_url: {PUBLIC}\n");
    story.replace_more(
        "  client_id: Iv1.0123456789abcdef\n  client_secret: {file: client-secret}\nlogin: {keys: [{file: login-key}]}",
    );
    for repository in [WEB, "acme/api"] {
        story.github.change_role(repository, "mona", Some("write"), "alice");
    }
    story.write_rules(RULES);
    story.start();
    story.github.person("alice").opens_issue(WEB, NewItem::titled("One"));
    story.settles().await;

    let mut mona = Browser::at(&story.url());
    assert_eq!(mona.sign_in("/account").await.status, 303);
    let csrf = mona.csrf().await;
    let opened = &story.json_lines(&["events", "list", "--number", "1"])[0]["id"];
    let path = format!("/api/events/{}/replay", opened.as_str().unwrap());
    let replay = |mona: &Browser| {
        let request = mona.request(Method::POST, &path).header("origin", PUBLIC);
        request.header("x-csrf-token", &csrf).header("Idempotency-Key", "one")
    };
    for replayed in [None, Some("true")] {
        let request = replay(&mona);
        let page = mona.send(request).await;
        assert_eq!((page.status, page.header("idempotency-replayed")), (200, replayed), "{page:?}");
    }
    story.github.change_role(WEB, "mona", None, "alice");
    story.settles().await;
    let request = replay(&mona);
    let page = mona.send(request).await;
    assert!(page.status == 422 && page.says("what you may see has changed"), "{page:?}");
    assert_eq!(page.header("idempotency-replayed"), None);
}

/// Runs a statement while no daemon does.
async fn on_disk(story: &Story, sql: &'static str) {
    use sqlx::{Connection, SqliteConnection};
    let mut connection = SqliteConnection::connect(&story.database()).await.unwrap();
    assert_eq!(sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected(), 1);
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_request_that_died_with_the_daemon_is_free_again_after_a_while() {
    let mut story = begin(Database::Sqlite, "").await;
    let key = key(&story, &["--scope", "automation:run"]);
    let bearer = format!("Bearer {key}");
    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", "one")];
    story.github.fault(Fault::on("GET", "/app/hook/deliveries").times(1_000).hangs());
    let mut first = reqwest::Client::new().post(format!("{}/api/recover", story.url()));
    for (name, value) in headers {
        first = first.header(name, value);
    }
    let first = tokio::spawn(first.send());
    let is_asked =
        |story: &Story| story.github.requests().iter().any(|request| request.path.starts_with("/app/hook/deliveries"));
    story.until("GitHub is asked", is_asked).await;
    let under_way = asks(&story, Method::POST, "/api/recover", &headers, None).await;
    let said = (under_way.status, under_way.detail());
    assert_eq!(said, (StatusCode::CONFLICT, "this request is being carried out now: ask again soon"));
    let other = asks(&story, Method::POST, "/api/recover", &headers, Some(json!({}))).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "another body is another request");

    story.kill();
    assert!(first.await.unwrap().is_err(), "it never got an answer");
    story.github.clear_faults();
    story.start();
    let unknown = asks(&story, Method::POST, "/api/recover", &headers, None).await;
    assert_eq!(unknown.status, StatusCode::CONFLICT, "nobody knows yet that it died");
    story.kill();
    on_disk(&story, "UPDATE idempotent_requests SET created_at = created_at - 300000000").await;
    story.start();
    for replayed in ["", "true"] {
        let done = asks(&story, Method::POST, "/api/recover", &headers, None).await;
        assert_eq!((done.status, done.header("idempotency-replayed")), (StatusCode::OK, replayed), "{done:?}");
    }
}
