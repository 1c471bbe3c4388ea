//! Repositories: whether orchd acts there, what keeps it from that, and what happened last.

use orchd_fake::NewItem;
use serde_json::json;

use super::event::{HOSTILE, begin, begin_on, is_sound, signed_in};
use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const API: &str = "acme/api";

const RULES: &str = "  - {name: label, repositories: [acme/web], on: issues.opened, then: [{label: {add: [new]}}]}
  - {name: stars, repositories: [acme/api], mode: shadow, on: pull_request_review.submitted, then: [{label: {add: [star]}}]}
  - {name: resting, repositories: [acme/api], mode: off, on: issues.opened, then: [{label: {add: [rest]}}]}";

const OWN: &str = "repository_config: {enabled: true, allow: {actions: [label], max_rules: 3}}";

const BAD: &str = "rules:\n- {name: welcome, on: issues.opend, then: [{label: {add: [never]}}]}\n";

/// What stands in the row of a repository.
fn row_of(page: &str, repository: &str) -> String {
    let (_, rest) = page.split_once(&format!("<tr><td><a href=\"/repositories/{repository}\">")).unwrap();
    rest.split("</tr>").next().unwrap().to_owned()
}

async fn settled(database: Database, rules: &str) -> Story {
    let story = begin_on(database, rules, "").await;
    for repository in [WEB, API] {
        story.github.person("alice").opens_issue(repository, NewItem::titled(HOSTILE));
    }
    story.settles().await;
    story
}

on_both_databases!(each_repository_tells_whether_orchd_acts_there_and_what_it_lacks, |database: Database| async move {
    let story = settled(database, RULES).await;
    let mut browser = signed_in(&story, "site-operator").await;
    let page = browser.get("/repositories").await;
    is_sound(&page);
    let (web, api) = (row_of(&page.body, WEB), row_of(&page.body, API));
    assert!(web.contains(">on</span>") && web.contains(">ready</span>") && web.contains("1 act"), "{web}");
    assert!(web.contains("/events?repo=acme/web") && web.contains("<time "), "{web}");
    assert!(api.contains(">shadow</span>") && api.contains("its rules only tell"), "{api}");
    assert!(api.contains("does not subscribe to pull_request_review") && api.contains("1 in shadow, 1 off"), "{api}");

    // What the App loses shows with the rules that need it.
    let installation = story.github.installation_of(WEB);
    story.github.grant(installation, "alice", &json!({"metadata": "read"}));
    story.settles().await;
    let page = browser.get("/repositories").await;
    assert!(row_of(&page.body, WEB).contains("lacks the permission issues: write"), "{}", page.body);
    let page = browser.get(&format!("/repositories/{WEB}")).await;
    is_sound(&page);
    assert!(page.says("<strong>the permission issues: write</strong>, for label"), "{}", page.body);

    story.github.suspend(installation, "alice");
    story.settles().await;
    let page = browser.get("/repositories").await;
    let web = row_of(&page.body, WEB);
    assert!(web.contains(">off</span>") && web.contains("installation is suspended"), "{web}");
    assert!(page.says("<span class=\"pill look\">suspended</span>"), "{}", page.body);
});

#[tokio::test]
async fn one_repository_tells_its_rules_its_file_and_what_happened() {
    let story = begin(RULES, OWN).await;
    story.github.put_file(WEB, "main", ".github/orchd.yml", BAD);
    story.github.person("alice").opens_issue(WEB, NewItem::titled(HOSTILE));
    story.settles().await;
    let mut browser = signed_in(&story, "web-triage").await;
    let page = browser.get(&format!("/repositories/{WEB}")).await;
    is_sound(&page);
    for told in [
        "you are operator here",
        "href=\"/rules/label\"",
        ">active</span>",
        "put <code>\"!acme/web\"</code>",
        "line 2, column 23",
        "It is refused, and no version of it was good.",
        "Its own config file",
        "issues.opened",
        "label {add: [new]}",
        "/acme/web/blob/main/.github/orchd.yml",
        "href=\"/events?repo=acme%2Fweb\"",
    ] {
        assert!(page.says(told), "{told}: {}", page.body);
    }
    assert!(row_of(&browser.get("/repositories").await.body, WEB).contains("its own config file has a mistake"));
    assert_eq!(browser.get("/repositories/acme/api").await.status, 404, "not theirs to see");
    assert_eq!(browser.get("/repositories/acme/none").await.status, 404);
}

#[tokio::test]
async fn github_is_asked_anew_by_whoever_may() {
    let story = settled(Database::Sqlite, RULES).await;
    let mut browser = signed_in(&story, "site-operator").await;
    let page = browser.get("/repositories").await;
    assert!(page.says("action=\"/repositories/refresh\""), "{}", page.body);
    let lists = || story.github.requests().iter().filter(|each| each.path.starts_with("/app/installations")).count();
    let before = lists();
    let csrf = page.field("csrf").unwrap().to_owned();
    let done = browser.post("/repositories/refresh", &[("csrf", &csrf)]).await;
    assert_eq!((done.status, done.location()), (303, Some("/repositories?done=refreshing")), "{done:?}");
    assert!(browser.get("/repositories?done=refreshing").await.says("GitHub is asked where the App is installed"));
    story.until("GitHub is asked", |_| lists() > before).await;

    let mut browser = signed_in(&story, "web-triage").await;
    let page = browser.get("/repositories").await;
    is_sound(&page);
    assert!(!page.says("/repositories/refresh") && !page.says(API), "{}", page.body);
    let csrf = page.field("csrf").unwrap().to_owned();
    assert_eq!(browser.post("/repositories/refresh", &[("csrf", &csrf)]).await.status, 403);
}
