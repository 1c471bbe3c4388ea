//! Keys, tokens and limits, as a script meets them: a real daemon, its public address, its audit chain.

mod afar;
mod limits;
mod lookup;
mod once;
mod tokens;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orchd::core::access::KeyText;
use orchd_fake::NewItem;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const RULES: &str = "  - {name: watch, mode: shadow, on: [\"*\"], then: [{label: {add: [seen]}}]}";

/// `login.keys`, and another that is put before it.
const LOGIN_KEY: [u8; 32] = [7; 32];

/// A daemon with keys to sign tokens with, and what a test adds.
async fn begin(database: Database, more: &str) -> Story {
    let mut story = Story::prepare(database, RULES, "").await;
    std::fs::write(story.path("login-key"), STANDARD.encode(LOGIN_KEY)).unwrap();
    story.replace_more(&format!("login: {{keys: [{{file: login-key}}], failures_a_minute: 1000}}\n{more}"));
    story.write_rules(RULES);
    story.start();
    story
}

/// A key that the owner of the machine makes.
fn makes(story: &Story, args: &[&str]) -> Value {
    let output = story.cli(&[&["keys", "create", "--json", "ci"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn key(story: &Story, args: &[&str]) -> String {
    makes(story, args)["key"].as_str().unwrap().to_owned()
}

/// An answer that was read.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        Self { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or_default()
    }
}

/// A request over the network.
async fn asks(story: &Story, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
    let mut request = reqwest::Client::new().request(method, format!("{}{path}", story.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    Answer::of(request.send().await.unwrap()).await
}

async fn reads(story: &Story, key: &str, path: &str) -> Answer {
    asks(story, Method::GET, path, &[("Authorization", &format!("Bearer {key}"))], None).await
}

async fn writes(story: &Story, key: &str, path: &str, body: Value) -> Answer {
    asks(story, Method::POST, path, &[("Authorization", &format!("Bearer {key}"))], Some(body)).await
}

/// Notes of audit rows of a kind, the newest first.
fn told(story: &Story, kind: &str) -> Vec<String> {
    let rows = story.json_lines(&["audit", "list", "--kind", kind]);
    rows.iter().map(|row| row["note"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn keys_do_what_they_are_for(database: Database) {
    let story = begin(database, "").await;
    story.github.person("alice").opens_issue(WEB, NewItem::titled("One"));
    story.github.person("alice").opens_issue("acme/api", NewItem::titled("Two"));
    story.settles().await;

    let made = makes(&story, &["--scope", "events:read", "--repo", "ACME/web", "--expires", "90d"]);
    let web = made["key"].as_str().unwrap();
    let listed = reads(&story, web, "/api/events").await;
    assert_eq!(listed.status, StatusCode::OK);
    let rows = listed.body["rows"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["repository"] == WEB), "of its repository only: {rows:#?}");
    let other = story.json_lines(&["events", "list", "--repo", "acme/api"])[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(reads(&story, web, &format!("/api/events/{other}")).await.status, StatusCode::NOT_FOUND);

    let lacks = reads(&story, web, "/api/jobs").await;
    assert_eq!((lacks.status, lacks.detail()), (StatusCode::FORBIDDEN, "the key lacks the scope `jobs:read`"));
    let cut = key(&story, &["--scope", "status:read", "--repo", WEB]);
    assert_eq!(reads(&story, &cut, "/api/status").await.status, StatusCode::FORBIDDEN, "that is of no repository");
    let viewer = key(&story, &["--scope", "guards:write", "--level", "viewer"]);
    assert_eq!(writes(&story, &viewer, "/api/guards/reset", json!({})).await.status, StatusCode::FORBIDDEN);

    let nobody = asks(&story, Method::GET, "/api/events", &[], None).await;
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (StatusCode::UNAUTHORIZED, "Bearer"));

    // Nothing of a key but its beginning is shown again, or stored.
    let list = story.json_lines(&["keys", "list"]);
    assert_eq!(list.len(), 3);
    assert!(list.iter().any(|row| row["beginning"] == web[..12] && row["last_used_at"].is_string()), "{list:#?}");
    let everywhere = format!("{list:?}{}{:?}", story.log(), story.json_lines(&["audit", "list"]));
    assert!(!everywhere.contains(&web[12..]));

    let id = made["id"].as_str().unwrap();
    for said in ["revoked\n", "revoked before\n"] {
        assert_eq!(String::from_utf8(story.cli(&["keys", "revoke", id]).stdout).unwrap(), said);
    }
    let revoked = reads(&story, web, "/api/events").await;
    assert_eq!((revoked.status, revoked.detail()), (StatusCode::UNAUTHORIZED, "the key is revoked"));
    assert_eq!(told(&story, "key_refused"), ["the key is revoked from 127.0.0.1"]);
    assert_eq!((told(&story, "key_created").len(), told(&story, "key_revoked").len()), (3, 1));
    let rotated = String::from_utf8(story.cli(&["keys", "rotate"]).stdout).unwrap();
    assert_eq!(rotated, "the tokens of 0 people are encrypted anew\n");
    assert_eq!(story.cli(&["audit", "verify"]).status.code(), Some(0));
}
on_both_databases!(keys_see_and_do_what_they_are_for, keys_do_what_they_are_for);

#[tokio::test]
async fn a_key_that_is_wrong_is_refused_by_one_way_however_much_of_it_is_right() {
    let story = begin(Database::Sqlite, "").await;
    let right = key(&story, &["--scope", "events:read"]);
    let mut mistyped = right.clone();
    mistyped.replace_range(20..21, if &right[20..21] == "x" { "y" } else { "x" });
    let cut = &right[..right.len() - 1];
    for wrong in [mistyped.as_str(), cut, "orchd_", "ghp_0123456789", "x"] {
        let refused = reads(&story, wrong, "/api/events").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refused.detail(), "not a key of orchd: it was mistyped, or cut off");
    }
    // Right in form, by their checksums: what they share with a good key changes nothing of the way they go.
    let nearly = with_right_checksum(&right[..48], &right);
    assert_eq!(nearly[..48], right[..48]);
    for wrong in [nearly, KeyText::new([1; 32]).expose().to_owned()] {
        let refused = reads(&story, &wrong, "/api/events").await;
        assert_eq!((refused.status, refused.detail()), (StatusCode::UNAUTHORIZED, "there is no such key"));
    }
    let good = format!("Bearer {right}");
    for headers in [
        &[("Authorization", good.as_str()), ("Authorization", good.as_str())][..],
        &[("Authorization", &right)],
        &[("Authorization", "Basic dXNlcjpwYXNz")],
        &[("Authorization", &format!("Bearer {}", "a".repeat(9_000)))],
    ] {
        let refused = asks(&story, Method::GET, "/api/events", headers, None).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{headers:?}");
    }
    assert!(told(&story, "key_refused").len() <= 10, "a flood fills no audit chain");
}

/// Another key that begins as this one does, but for the last of its random characters.
fn with_right_checksum(beginning: &str, not: &str) -> String {
    let alphabet: Vec<char> = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    let complete = |told: String| {
        let mut sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(told.as_bytes());
        let mut digits = ['0'; 6];
        for digit in digits.iter_mut().rev() {
            *digit = alphabet[sum as usize % 62];
            sum /= 62;
        }
        told + &digits.iter().collect::<String>()
    };
    let mut others = ["0", "1"].map(|last| complete(format!("{beginning}{last}"))).into_iter();
    others.find(|other| other != not).unwrap()
}

/// A key runs out, by a life of a second.
#[tokio::test]
async fn a_key_expires_and_makes_none_that_lives_longer() {
    let story = begin(Database::Sqlite, "").await;
    let maker = key(
        &story,
        &["--scope", "keys:write", "--scope", "events:read", "--repo", WEB, "--level", "operator", "--expires", "1h"],
    );
    let wish = |change: Value| {
        let mut wish = json!({"name": "child", "scopes": ["events:read"]});
        wish.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        wish
    };
    let child = writes(&story, &maker, "/api/keys", wish(json!({"expires_in": "2s"}))).await;
    assert_eq!(child.status, StatusCode::CREATED, "{child:?}");
    assert_eq!((&child.body["repositories"], &child.body["level"]), (&json!([WEB]), &json!("operator")));
    let like = writes(&story, &maker, "/api/keys", wish(json!({}))).await;
    assert!(like.body["expires_at"].is_string(), "it ends with its maker: {like:?}");
    for wider in [
        json!({"expires_in": "2h"}),
        json!({"scopes": ["events:read", "jobs:read"]}),
        json!({"repositories": [WEB, "acme/api"]}),
        json!({"level": "admin"}),
    ] {
        let refused = writes(&story, &maker, "/api/keys", wish(wider.clone())).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{wider}: {refused:?}");
    }
    for wrong in [
        json!({"name": ""}),
        json!({"name": "a\u{202e}b"}),
        json!({"scopes": []}),
        json!({"repositories": []}),
        json!({"repositories": ["acme"]}),
        json!({"expires_in": "soon"}),
        json!({"expires_in": "0s"}),
    ] {
        let refused = writes(&story, &maker, "/api/keys", wish(wrong.clone())).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}: {refused:?}");
    }
    assert_eq!(
        writes(&story, &maker, "/api/keys", wish(json!({"owner": "alice"}))).await.status,
        StatusCode::BAD_REQUEST
    );

    let child = child.body["key"].as_str().unwrap();
    let began = std::time::Instant::now();
    loop {
        let answer = reads(&story, child, "/api/events").await;
        if answer.status != StatusCode::OK {
            assert_eq!((answer.status, answer.detail()), (StatusCode::UNAUTHORIZED, "the key has expired"));
            break;
        }
        assert!(began.elapsed().as_secs() < 30, "it never expires");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mine = reads(&story, &maker, "/api/keys").await;
    assert_eq!(mine.status, StatusCode::FORBIDDEN, "it may make keys, not read them");
}

/// The names of rules tell what is planned where: they are for who sees one of the repositories.
#[tokio::test]
async fn a_rule_about_other_repositories_is_not_named_to_who_does_not_see_them() {
    let mut story = begin(Database::Sqlite, "").await;
    let elsewhere = "\n  - {name: hush, repositories: [acme/api], on: [issues.opened], then: [{label: {add: [x]}}]}";
    story.write_rules(&format!("{RULES}{elsewhere}"));
    story.wait_for("both rules are in use", |story| story.json(&["status"])["rules"] == 2);
    story.github.person("alice").opens_issue(WEB, NewItem::titled("A word"));
    story.settles().await;
    let event = story.json_lines(&["events", "list", "--type", "issues"])[0]["id"].as_str().unwrap().to_owned();
    let scopes = ["--scope", "events:read,decisions:read"];
    let (whole, web) = (key(&story, &scopes), key(&story, &[&scopes[..], &["--repo", WEB]].concat()));
    let item = format!("/api/why?item={}%231", WEB.replace('/', "%2F"));
    for path in ["/api/decisions", "/api/why", &item, &format!("/api/events/{event}"), "/api/rules"] {
        let all = reads(&story, &whole, path).await;
        assert!(all.body.to_string().contains("hush"), "{path}: {all:?}");
        let some = reads(&story, &web, path).await;
        assert!(some.status == 200 && some.body.to_string().contains("watch"), "{path}: {some:?}");
        assert!(!some.body.to_string().contains("hush"), "{path}: {some:?}");
    }
}
