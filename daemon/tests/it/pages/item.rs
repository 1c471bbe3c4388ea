//! One item: everything done on it, why, and why not.

use orchd_fake::NewItem;

use super::event::{HOSTILE, begin, is_sound, signed_in};
use crate::story::WEB;

const RULES: &str = "  - {name: label, on: issues.opened, then: [{label: {add: [new]}}]}
  - {name: picky, on: issues.opened, if: {title: \"^never$\"}, then: [{label: {add: [never]}}]}
  - {name: late, on: pull_request.opened, then: [{label: {add: [late]}}]}
  - {name: elsewhere, repositories: [acme/api], on: issues.opened, then: [{label: {add: [api]}}]}";

#[tokio::test]
async fn an_item_tells_what_was_done_why_and_why_not() {
    let story = begin(RULES, "").await;
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled(HOSTILE));
    story.settles().await;
    let mut browser = signed_in(&story, "web-triage").await;
    let url = format!("/items/{WEB}/{number}");

    let page = browser.get(&url).await;
    is_sound(&page);
    for told in [
        &format!("<h1>{WEB}#{number}</h1>"),
        &format!("/{WEB}/issues/{number}\" rel=\"noopener noreferrer\""),
        "label {add: [new]}",
        ">applied</span>",
        "issues.opened",
        "issues.labeled",
        "caused by orchd",
        ">matched</span>",
        ">not matched</span>",
        "href=\"/rules/picky\"",
        "href=\"/rollbacks/new?effect=",
        "href=\"/rollbacks/new?repo=acme%2Fweb\"",
        "<option>late</option>",
    ] {
        assert!(page.says(told), "{told}: {}", page.body);
    }
    assert!(!page.says("<option>elsewhere"), "it does not cover this repository");

    let page = browser.get(&format!("{url}?rule=late")).await;
    is_sound(&page);
    assert!(page.says("did nothing here, because:") && page.says("it waits for pull_request.opened"), "{}", page.body);
    assert!(page.says("<option selected>late</option>"));
    let page = browser.get(&format!("{url}?rule=picky")).await;
    assert!(page.says("<bdi>picky</bdi> did nothing here") && page.says("not matched"), "{}", page.body);
    assert!(!page.says(">matched</span>"), "only what is asked about");
    let page = browser.get(&format!("{url}?rule=label")).await;
    assert!(page.says("<bdi>label</bdi> acted here"), "{}", page.body);
    for unknown in ["no-such-rule", "%3Cscript%3Ealert(1)%3C/script%3E"] {
        let page = browser.get(&format!("{url}?rule={unknown}")).await;
        is_sound(&page);
        assert!(page.says("notice look") && page.says("issues.opened"), "{}", page.body);
    }
}

#[tokio::test]
async fn the_rules_look_again_for_whoever_may() {
    let story = begin(RULES, "").await;
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("One"));
    story.settles().await;
    let url = format!("/items/{WEB}/{number}");
    let deed = format!("{url}/analyze");

    let mut browser = signed_in(&story, "web-triage").await;
    let page = browser.get(&url).await;
    assert!(page.says(&format!("action=\"{deed}\"")), "{}", page.body);
    let csrf = page.field("csrf").unwrap().to_owned();
    let done = browser.post(&deed, &[("csrf", &csrf)]).await;
    assert_eq!((done.status, done.location()), (303, Some(format!("{url}?done=replayed").as_str())), "{done:?}");
    story.settles().await;
    assert_eq!(story.json_lines(&["audit", "list", "--kind", "event_replayed"]).len(), 1);
    for nothing in [format!("/items/{WEB}/999"), format!("/items/{WEB}/x"), "/items/acme/nothing/1".to_owned()] {
        assert_eq!(browser.get(&nothing).await.status, 404, "{nothing}");
    }

    let mut browser = signed_in(&story, "web-read").await;
    let page = browser.get(&url).await;
    is_sound(&page);
    assert!(!page.says("/analyze") && !page.says("/rollbacks/new"), "{}", page.body);
    let mut browser = signed_in(&story, "api-read").await;
    assert_eq!(browser.get(&url).await.status, 404);
    assert_eq!(browser.get(&format!("{url}?rule=label")).await.status, 404);
}

#[tokio::test]
async fn an_item_with_many_events_is_shown_page_by_page() {
    let story = begin(RULES, "").await;
    let alice = story.github.person("alice");
    let number = alice.opens_issue(WEB, NewItem::titled("One"));
    for at in 0..25 {
        alice.comments(WEB, number, &format!("{at}"));
    }
    story.settles().await;
    let mut browser = signed_in(&story, "web-read").await;
    let page = browser.get(&format!("/items/{WEB}/{number}")).await;
    is_sound(&page);
    assert_eq!(page.body.matches("<h3>").count(), 20);
    let (_, older) = page.body.split_once("<a class=\"button\" href=\"").unwrap();
    let page = browser.get(older.split('"').next().unwrap()).await;
    is_sound(&page);
    assert!(page.says("issues.opened") && page.says(">Newest</a>"), "{}", page.body);
}
