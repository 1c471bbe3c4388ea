//! Rules: what each did, what another text of it would have done, and breakers that are tripped.

use chrono::Utc;
use orchd::core::event::RepoName;
use orchd::core::rule::RuleName;
use orchd::store::guards::{Guard, TripRow};
use orchd::store::{Db, StoreOptions};
use orchd_fake::NewItem;
use uuid::Uuid;

use super::checkout::{API, HOSTILE, begin, read, signed_in};
use crate::story::{Database, Story, WEB};

const RULES: &str = "  - name: crash
    repositories: [acme/web]
    on: issues.opened
    if: {title: \"(?i)crash\"}
    then: [{label: {add: [bug]}}]
  - {name: watch, mode: shadow, on: [issues.opened, issues.closed, issues.edited, push], then: [{label: {add: [seen]}}]}
  - {name: resting, mode: off, on: push, then: [{status: {context: a, state: success, description: Seen}}]}
  - {name: elsewhere, repositories: [acme/api], on: issues.opened, then: [{label: {add: [api]}}]}";

async fn a_day(database: Database) -> Story {
    let story = begin(database, RULES, "").await;
    for title in ["It crashes", "A wish", "Another crash", HOSTILE] {
        story.github.person("alice").opens_issue(WEB, NewItem::titled(title));
    }
    story.settles().await;
    story
}

#[tokio::test]
async fn rules_are_shown_with_what_they_did_and_why() {
    let story = a_day(Database::Sqlite).await;
    let mut admin = signed_in(&story, "site-admin").await;
    let page = admin.get("/rules").await;
    assert_eq!(page.status, 200, "{page:?}");
    let text = read(&page.body);
    for words in [
        "crash active",
        "watch shadow",
        "resting off",
        "elsewhere active",
        "label {add: [bug]}",
        "acme/web",
        "every repository",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(
        page.says("aria-label=\"2 matches in 24 hours, 2 at most in one\"")
            || page.says("aria-label=\"2 matches in 24 hours, 1 at most in one\""),
        "{text}"
    );
    assert!(text.contains("issues.opened, issues.closed, issues.edited and 1 more"), "{text}");
    assert!(page.body.len() < 60_000, "{}", page.body.len());

    let shadow = read(&admin.get("/rules?mode=shadow").await.body);
    assert!(shadow.contains("watch") && !shadow.contains("crash active"), "{shadow}");
    let none = admin.get("/rules?name=nothing").await;
    assert!(none.says("No rule fits these filters"), "{none:?}");

    let page = admin.get("/rules/crash").await;
    let text = read(&page.body);
    for words in [
        "name: crash\nmode: active\nrepositories:\n  - acme/web\non:\n  - issues.opened\nif:\n  title: (?i)crash\n",
        "Written at",
        "orchd.yaml:",
        "applied label {add: [bug]}",
        "matched",
        "not matched",
        "acme/web#1",
        "Try a change",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(page.says("href=\"/rollbacks/new?rule=crash\"") && page.says("href=\"/items/acme/web/1\""), "{text}");
    assert!(!page.says("<script>") && !page.says("<img src=x") && !page.says("\u{202e}"), "{text}");
    assert!(page.body.len() < 60_000, "{}", page.body.len());

    let watch = admin.get("/rules/watch").await;
    assert!(watch.says("data-fill=\"/shadow/watch\""), "{watch:?}");
    let report = admin.get("/shadow/watch").await;
    let told = read(&report.body);
    assert!(
        report.status == 200 && told.contains("nobody did it") && told.contains("put label `seen` there"),
        "{told}"
    );
}

#[tokio::test]
async fn a_change_is_tried_on_what_is_recorded() {
    let story = a_day(Database::Sqlite).await;
    let mut admin = signed_in(&story, "site-admin").await;
    let csrf = admin.csrf().await;
    let written = story.github.writes().len();
    let wish = "name: crash\non: issues.opened\nif: {title: wish}\nthen: [{label: {add: [bug]}}]\n";
    let tried =
        admin.post("/rules/crash", &[("csrf", &csrf), ("text", &wish.replace('\n', "\r\n")), ("days", "30")]).await;
    let text = read(&tried.body);
    assert_eq!(tried.status, 200, "{text}");
    for words in ["would do", "would not do", "acme/web#2", "acme/web#1", "label {add: [bug]}", "last 30 days"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(!text.contains("watch"), "what other rules did is no business of this page: {text}");
    assert!(tried.says("if: {title: wish}"), "the text is kept");
    assert_eq!(story.github.writes().len(), written);

    let wrong = "name: crash\nonn: issues.opened\nthen: [{labl: {}}] # <script>alert(1)</script>\n";
    let refused = admin.post("/rules/crash", &[("csrf", &csrf), ("text", wrong), ("days", "1")]).await;
    let text = read(&refused.body);
    assert_eq!(refused.status, 422, "{text}");
    for words in ["Line 2, column 1: unknown key `onn`", "2 ▸ onn: issues.opened", "there is no action `labl`", wrong]
    {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(!refused.says("<script>alert"), "{text}");
    let twice = wish.replace("crash", "watch");
    let refused = admin.post("/rules/crash", &[("csrf", &csrf), ("text", &twice)]).await;
    assert!(read(&refused.body).contains("a rule `watch` is already there"), "{refused:?}");
    assert_eq!(admin.post("/rules/crash", &[("text", wish)]).await.status, 403, "it is another site's form");
}

#[tokio::test]
async fn everybody_sees_the_rules_of_their_repositories() {
    let story = a_day(Database::Sqlite).await;
    let mut reader = signed_in(&story, "web-read").await;
    let text = read(&reader.get("/rules").await.body);
    assert!(text.contains("crash active") && text.contains("watch shadow") && !text.contains("elsewhere"), "{text}");
    let page = reader.get("/rules/crash").await;
    assert!(page.says("acme/web#1") && !page.says("Try a change") && !page.says("/rollbacks/new"), "{page:?}");
    assert!(!page.says("Written at") && !page.says("repositories:"), "which others it names is for who sees them");
    assert_eq!(reader.get("/rules/elsewhere").await.status, 404);
    assert_eq!(reader.get("/rules/no..such").await.status, 404);
    assert_eq!(reader.get("/rules/%3Cscript%3E").await.status, 404);
    let csrf = reader.csrf().await;
    let text = "name: crash\non: issues.opened\nthen: [{label: {add: [a]}}]\n";
    assert_eq!(reader.post("/rules/crash", &[("csrf", &csrf), ("text", text)]).await.status, 403);

    let mut triage = signed_in(&story, "web-triage").await;
    let page = triage.get("/rules/crash").await;
    assert!(page.says("Try a change") && !page.says("all repositories"), "{page:?}");
    let csrf = triage.csrf().await;
    let tried = triage.post("/rules/crash", &[("csrf", &csrf), ("text", text), ("repo", WEB)]).await;
    assert!(tried.status == 200 && read(&tried.body).contains("acme/web#2"), "{tried:?}");
    let elsewhere = triage.post("/rules/crash", &[("csrf", &csrf), ("text", text), ("repo", API)]).await;
    assert_eq!(elsewhere.status, 404, "{elsewhere:?}");

    let mut stranger = signed_in(&story, "stranger").await;
    let page = stranger.get("/rules").await;
    assert!(page.says("There is no rule that covers a repository you see") && !page.says("crash"), "{page:?}");
    assert_eq!(stranger.get("/rules/crash").await.status, 404);
}

#[tokio::test]
async fn a_tripped_breaker_is_shown_and_reset() {
    let story = a_day(Database::Postgres).await;
    let url = story.database().into();
    let db = Db::open(&StoreOptions { url, objects: story.path("objects") }).await.unwrap();
    let trip = |number| TripRow {
        id: Uuid::now_v7(),
        rule: RuleName::parse("crash").unwrap(),
        repository: RepoName::parse(WEB).unwrap(),
        number,
        guard: Guard::FlipFlop,
        note: HOSTILE.to_owned(),
        tripped_at: Utc::now(),
        ends_at: None,
        reset_at: None,
    };
    let (one, other) = (trip(1), trip(3));
    for trip in [&one, &other, &trip(4)] {
        db.trip(trip).await.unwrap();
    }
    let mut reader = signed_in(&story, "web-read").await;
    let page = reader.get("/rules").await;
    assert!(read(&page.body).contains("3 tripped") && !page.says("/breakers/"), "{page:?}");
    assert!(!page.says("<script>alert") && !page.says("<img src=x") && !page.says("\u{202e}"), "{page:?}");
    let csrf = reader.csrf().await;
    assert_eq!(reader.post(&format!("/breakers/{}/reset", one.id), &[("csrf", &csrf)]).await.status, 403);

    let mut triage = signed_in(&story, "web-triage").await;
    let page = triage.get("/rules/crash").await;
    assert!(page.says(&format!("/breakers/{}/reset", one.id)) && !page.says("/breakers/reset"), "{page:?}");
    let csrf = triage.csrf().await;
    let done = triage.post(&format!("/breakers/{}/reset", one.id), &[("csrf", &csrf), ("rule", "crash")]).await;
    assert_eq!((done.status, done.location()), (303, Some("/rules/crash?done=breaker-reset")), "{done:?}");
    let page = triage.get("/rules/crash?done=breaker-reset").await;
    assert!(page.says("The breaker is reset") && !page.says(&one.id.to_string()) && page.says(&other.id.to_string()));
    assert_eq!(triage.post("/breakers/reset", &[("csrf", &csrf)]).await.status, 403);

    let mut operator = signed_in(&story, "site-operator").await;
    assert!(operator.get("/rules").await.says("Reset every breaker"));
    let csrf = operator.csrf().await;
    let done = operator.post("/breakers/reset", &[("csrf", &csrf)]).await;
    assert_eq!(done.location(), Some("/rules?done=breakers-reset"), "{done:?}");
    assert!(!operator.get("/rules").await.says("tripped"));
    let told = story.json_lines(&["audit", "export", "--kind", "guard_reset"]);
    assert!(
        told.iter().any(|row| row["actor_name"] == "web-triage" || row.to_string().contains("web-triage")),
        "{told:?}"
    );
}
