//! One event: what happened, why, what was done, what came of it, and its payload.

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use orchd::core::event::{EventId, RepoName};
use orchd::store::events::{NewEvent, SeenRepository, Source};
use orchd::store::retention::Kept;
use orchd_fake::NewItem;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::login::{Browser, PUBLIC, Page, Stage, prepare};
use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

/// What nobody should write into a title.
pub(super) const HOSTILE: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>\u{202e}gnp.exe 🦀";

const RULES: &str = "  - {name: label, on: issues.opened, then: [{label: {add: [new]}}]}
  - {name: picky, on: issues.opened, if: {title: \"^never$\"}, then: [{label: {add: [never]}}]}
  - {name: echo, mode: shadow, on: issues.labeled, then: [{label: {add: [echo]}}]}
  - {name: late, on: pull_request.opened, then: [{label: {add: [late]}}]}";

/// A daemon with these rules where people sign in: `web-read`, `web-triage`, `api-read`, `site-operator`.
pub(super) async fn begin(rules: &str, more: &str) -> Story {
    begin_on(Database::Sqlite, rules, more).await
}

pub(super) async fn begin_on(database: Database, rules: &str, more: &str) -> Story {
    let access = "access: {operators: [site-operator]}";
    let mut story = prepare(database, rules, PUBLIC, &format!("{access}\n{more}")).await;
    for (repository, login, role) in
        [(WEB, "web-read", "read"), (WEB, "web-triage", "triage"), ("acme/api", "api-read", "read")]
    {
        story.github.change_role(repository, login, Some(role), "alice");
    }
    story.start();
    story
}

pub(super) async fn signed_in(story: &Story, login: &str) -> Browser {
    story.github.sit_at_the_browser(Some(login));
    let mut browser = Browser::at(&story.url());
    assert_eq!(browser.sign_in("/account").await.status, 303, "{login}");
    browser
}

/// Nothing of [`HOSTILE`] is markup, nothing turns text around, and a page weighs little.
pub(super) fn is_sound(page: &Page) {
    assert_eq!(page.status, 200, "{page:?}");
    for dangerous in ["<script>", "<img src=x", "\u{202e}", " style=", "onclick"] {
        assert!(!page.says(dangerous), "{dangerous}: {}", page.body);
    }
    assert!(page.body.len() < 60_000, "{} bytes", page.body.len());
    assert_eq!(page.body.matches("<h1>").count(), 1);
}

async fn event_of(story: &Story, kind: &str) -> String {
    let events = story.json_lines(&["events", "list", "--repo", WEB]);
    let (name, action) = kind.split_once('.').unwrap();
    let found = events.iter().find(|event| event["event_type"] == name && event["event_action"] == action);
    found.unwrap_or_else(|| panic!("no {kind} in {events:?}"))["id"].as_str().unwrap().to_owned()
}

on_both_databases!(an_event_tells_what_happened_why_and_what_came_of_it, |database: Database| async move {
    let story = begin_on(database, RULES, "").await;
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled(HOSTILE));
    story.settles().await;
    let (opened, labeled) = (event_of(&story, "issues.opened").await, event_of(&story, "issues.labeled").await);
    let mut browser = signed_in(&story, "web-triage").await;

    let page = browser.get(&format!("/events/{opened}")).await;
    is_sound(&page);
    for told in [
        &format!("issues.opened on {WEB}#{number}"),
        &format!("href=\"/items/{WEB}/{number}\""),
        &format!("href=\"/repositories/{WEB}\""),
        "<bdi>alice</bdi>",
        "a webhook from GitHub",
        "href=\"/rules/label\"",
        "<span class=\"pill good\">matched</span>",
        "<span class=\"pill quiet-pill\">not matched</span>",
        "<details open>",
        "label {add: [new]}",
        "<span class=\"pill good\">applied</span>",
        "href=\"/rollbacks/new?effect=",
        &format!("href=\"/rollbacks/new?event={opened}\""),
        "Before and after",
        "Its effects caused",
        &format!("href=\"/events/{labeled}\""),
        &format!("data-fill=\"/events/{opened}/payload\""),
        &format!("<a href=\"/events/{opened}/payload\">"),
    ] {
        assert!(page.says(told), "{told}: {}", page.body);
    }
    assert!(!page.says("data-live"), "it is over: nothing is waited for");

    let page = browser.get(&format!("/events/{labeled}")).await;
    is_sound(&page);
    for told in ["An effect of orchd caused it", &format!("href=\"/events/{opened}\""), ">shadow</span>"] {
        assert!(page.says(told), "{told}: {}", page.body);
    }

    let page = browser.get(&format!("/events/{opened}/payload")).await;
    is_sound(&page);
    for told in ["data-content", "&#60;script&#62;alert(1)", "\\u{202e}gnp.exe 🦀", "<details><summary>{ "] {
        assert!(page.says(told), "{told}: {}", page.body);
    }
    assert!(page.says(&format!("href=\"/api/events/{opened}?payload=true\"")));
});

#[tokio::test]
async fn whoever_may_lets_the_rules_look_again_and_others_do_not_see_it() {
    let story = begin(RULES, "").await;
    story.github.person("alice").opens_issue(WEB, NewItem::titled("One"));
    story.settles().await;
    let opened = event_of(&story, "issues.opened").await;
    let (url, deed) = (format!("/events/{opened}"), format!("/events/{opened}/replay"));

    let mut browser = signed_in(&story, "web-triage").await;
    assert_eq!(browser.post(&deed, &[]).await.status, 403, "no form of ours sent that");
    let page = browser.get(&url).await;
    assert!(page.says(&format!("action=\"{deed}\"")), "{page:?}");
    let csrf = page.field("csrf").unwrap().to_owned();
    let done = browser.post(&deed, &[("csrf", &csrf)]).await;
    let led_to = format!("{url}?done=replayed");
    assert_eq!((done.status, done.location()), (303, Some(led_to.as_str())), "{done:?}");
    assert!(browser.get(&led_to).await.says("The rules look at the event again."));
    story.settles().await;
    let told = story.json_lines(&["audit", "list", "--kind", "event_replayed"]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].to_string().contains("web-triage"), "{told:?}");

    let mut browser = signed_in(&story, "web-read").await;
    let page = browser.get(&url).await;
    is_sound(&page);
    assert!(!page.says(&deed) && !page.says("/rollbacks/new"), "{}", page.body);
    let csrf = page.field("csrf").unwrap().to_owned();
    assert_eq!(browser.post(&deed, &[("csrf", &csrf)]).await.status, 403);

    let mut browser = signed_in(&story, "api-read").await;
    for hidden in [url.clone(), format!("{url}/payload"), format!("/events/{}", Uuid::nil())] {
        assert_eq!(browser.get(&hidden).await.status, 404, "{hidden}");
    }
    let nobody = Browser::at(&story.url()).get(&url).await;
    assert!(nobody.location().unwrap().starts_with("/login?return_to="), "{nobody:?}");
}

fn new_event(payload: &Value, age: TimeDelta) -> NewEvent {
    let received_at = Utc::now() - age;
    let millis = u64::try_from(received_at.timestamp_millis()).unwrap();
    NewEvent {
        id: EventId(uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid()),
        delivery_id: format!("\"><img-{}", age.num_days()),
        source: Source::Recovered,
        event_type: "issues".to_owned(),
        event_action: Some(HOSTILE.to_owned()),
        actor: Some(HOSTILE.repeat(200)),
        number: Some(7),
        target_object_ids: json!({}),
        received_at,
        github_timestamp: None,
        repository: Some(SeenRepository {
            github_id: 1,
            name: RepoName::parse(WEB).unwrap(),
            description: None,
            url: String::new(),
            is_private: true,
            default_branch: "main".to_owned(),
            told_at: None,
        }),
        installation: None,
        payload: Bytes::from(payload.to_string()),
        awaited: true,
    }
}

#[tokio::test]
async fn a_payload_may_hold_anything_be_large_and_be_gone() {
    let stage = Stage::set_with("access: {admins: [mona]}\n").await;
    let many: Vec<Value> = (0..20_000).map(|at| json!({"at": at, HOSTILE: HOSTILE})).collect();
    let payload = json!({"body": "é".repeat(10_000), HOSTILE: HOSTILE, "many": many});
    let (here, gone) = (new_event(&payload, TimeDelta::days(1)), new_event(&payload, TimeDelta::days(95)));
    stage.site.db.ingest(vec![here.clone(), gone.clone()]).await.unwrap();
    let before = Utc::now() - TimeDelta::days(90);
    stage.site.db.drop_older(Kept::Payloads, before, Uuid::nil(), 100).await.unwrap();
    let mut browser = stage.signed_in("mona").await;

    let page = browser.get(&format!("/events/{}", here.id)).await;
    is_sound(&page);
    assert!(page.says("data-live"), "it waits to be decided on");
    let page = browser.get(&format!("/events/{}/payload", here.id)).await;
    is_sound(&page);
    for told in ["(10,000 characters)", " more</u>", "Long texts are shortened", "The whole as JSON"] {
        assert!(page.says(told), "{told}");
    }

    for path in ["", "/payload"] {
        let page = browser.get(&format!("/events/{}{path}", gone.id)).await;
        is_sound(&page);
        assert!(page.says("payloads are kept for 90 days"), "{}", page.body);
        assert!(!page.says("/replay"), "there is nothing to decide on");
    }
    let page = browser.get(&format!("/items/{WEB}/7")).await;
    is_sound(&page);
    let page = browser.get(&format!("/repositories/{WEB}")).await;
    is_sound(&page);
}
