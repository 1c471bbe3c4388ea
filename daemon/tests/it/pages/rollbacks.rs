//! `/rollbacks`: planned, confirmed, and followed to the end.

use std::time::{Duration, Instant};

use orchd_fake::{CLIENT_SECRET, Fault, NewItem};

use super::{is_harmless, submit};
use crate::login::{Browser, KEY, PUBLIC, Page};
use crate::story::{Database, Story, WEB};

const RULES: &str = "  - {name: oops, on: issues.opened, then: [{label: {add: [wontfix]}}]}";

/// A daemon where people sign in; three issues were labelled in `acme/web` and one in `acme/api`.
async fn begin() -> Story {
    let mut story = Story::prepare(Database::Sqlite, RULES, "").await;
    story.github.allow_callback(&format!("{PUBLIC}/login/callback"));
    std::fs::write(story.path("client-secret"), CLIENT_SECRET).unwrap();
    std::fs::write(story.path("key"), KEY).unwrap();
    story.server = format!("  public_url: {PUBLIC}\n");
    story.replace_more(
        "  client_id: Iv1.0123456789abcdef\n  client_secret: {file: client-secret}\nlogin: {keys: [{file: key}]}",
    );
    for (login, role) in [("wendy", "write"), ("reader", "read")] {
        story.github.change_role(WEB, login, Some(role), "alice");
    }
    story.write_rules(RULES);
    story.start();
    let alice = story.github.person("alice");
    for number in 1..=3 {
        alice.opens_issue(WEB, NewItem::titled(&format!("Number {number}")));
    }
    alice.opens_issue("acme/api", NewItem::titled("Elsewhere"));
    story.settles().await;
    story
}

async fn signed_in(story: &Story, login: &str) -> Browser {
    story.github.sit_at_the_browser(Some(login));
    let mut browser = Browser::at(&story.url());
    assert_eq!(browser.sign_in("/account").await.status, 303, "{login}");
    browser
}

/// Asks for the page until it says this.
async fn until(browser: &mut Browser, path: &str, words: &str) -> Page {
    let began = Instant::now();
    loop {
        let page = browser.get(path).await;
        if page.says(words) {
            return page;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{path} never says {words:?}: {}", page.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_rollback_is_planned_confirmed_and_followed() {
    let story = begin().await;
    let mut wendy = signed_in(&story, "wendy").await;
    assert!(wendy.get("/rollbacks").await.says("Nothing was taken back."));
    story.github.person("bob").unlabels(WEB, 2, "wontfix").labels(WEB, 2, "wontfix");
    story.settles().await;

    let form = wendy.get("/rollbacks/new?rule=oops&repo=%22%3E%3Cscript%3Ealert(1)").await;
    assert!(form.says("name=\"rule\" value=\"oops\"") && form.says("Name one of your repositories"), "{}", form.body);
    is_harmless(&form);
    let refused = submit(&mut wendy, "/rollbacks", &[("rule", "oops"), ("repo", "")]).await;
    assert!(refused.status == 422 && refused.says("say which of your repositories"), "{}", refused.body);
    assert!(refused.says("name=\"rule\" value=\"oops\""), "what was typed stays");
    let refused = submit(&mut wendy, "/rollbacks", &[("repo", "acme/api")]).await;
    assert!(refused.status == 422 && refused.says("nothing of acme/api is stored"), "it is not there for her");
    let none = submit(&mut wendy, "/rollbacks", &[("limit", "5")]).await;
    assert!(none.status == 422 && none.says("say what to take back"), "{}", none.body);

    let fields = [("rule", "oops"), ("repo", WEB), ("since", "1h"), ("event", ""), ("limit", "100")];
    let planned = submit(&mut wendy, "/rollbacks", &fields).await;
    let path = planned.location().unwrap().to_owned();
    let page = until(&mut wendy, &path, "The plan").await;
    assert!(page.says("Take back 2 effects") && page.says("Changed by people"), "{}", page.body);
    assert!(page.says("changed since") && page.says("was added by bob"), "why it is left alone: {}", page.body);
    assert!(page.says("still active") && page.says("<code>oops</code>"), "{}", page.body);
    assert!(!page.says("http-equiv=\"refresh\""), "nothing moves");
    assert!(page.says("of the rule oops in acme/web since"), "{}", page.body);
    is_harmless(&page);

    // Who only reads sees it, and is not offered to carry it out; who sees the other repository only does not see it.
    let mut reader = signed_in(&story, "reader").await;
    let seen = reader.get(&path).await;
    assert!(seen.says("The plan") && !seen.says("/execute\""), "{}", seen.body);
    assert_eq!(submit(&mut reader, &format!("{path}/execute"), &[]).await.status, 403);
    assert_eq!(reader.get("/rollbacks/new").await.status, 403);
    let mut stranger = signed_in(&story, "stranger").await;
    assert_eq!(stranger.get(&path).await.status, 404);
    assert!(!stranger.get("/rollbacks").await.says(&path));

    let done = submit(&mut wendy, &format!("{path}/execute"), &[]).await;
    assert_eq!(done.location(), Some(format!("{path}?done=executed").as_str()), "{done:?}");
    let page = until(&mut wendy, &path, "It is done").await;
    assert!(page.says("taken back") && page.says("Plan again for what is left"), "{}", page.body);
    assert!(!page.says("http-equiv=\"refresh\"") && !page.says("data-live"), "nothing moves any more");
    let labels = |number| story.github.issue(WEB, number).labels();
    assert_eq!([labels(1), labels(2), labels(3)], [vec![], vec!["wontfix".to_owned()], vec![]]);
    assert_eq!(submit(&mut wendy, &format!("{path}/execute"), &[]).await.status, 409, "once");
    assert!(wendy.get("/rollbacks").await.says("carried out"));

    // What it took back can be had again.
    let id = path.rsplit('/').next().unwrap();
    assert!(page.says(&format!("/rollbacks/new?rollback={id}")), "{}", page.body);
    let redo = submit(&mut wendy, "/rollbacks", &[("rollback", id), ("repo", WEB)]).await;
    let page = until(&mut wendy, redo.location().unwrap(), "The plan").await;
    assert!(page.says("Take back 2 effects"), "{}", page.body);
}

#[tokio::test]
async fn while_it_is_planned_the_page_shows_how_far_it_is() {
    let story = begin().await;
    let mut wendy = signed_in(&story, "wendy").await;
    // Planning waits for GitHub.
    story.github.fault(Fault::on("GET", "/repos/acme/web/issues/").times(u32::MAX).status(502));
    let planned = submit(&mut wendy, "/rollbacks", &[("repo", WEB)]).await;
    let path = planned.location().unwrap().to_owned();
    let page = wendy.get(&path).await;
    assert!(page.says("It is being planned") && page.says("<progress id=\"progress\" value=\""), "{}", page.body);
    assert!(page.says("<noscript><meta http-equiv=\"refresh\" content=\"3\"></noscript>"), "{}", page.body);
    assert!(page.says("not looked at yet") && !page.says("/execute\""), "{}", page.body);
    story.github.clear_faults();
    let page = until(&mut wendy, &path, "The plan").await;
    assert!(page.says("Take back 3 effects"), "{}", page.body);
}
