//! Installations: what is known of them stays true, and suspended ones stop.

use chrono::{SecondsFormat, TimeDelta, Utc};
use orchd_fake::{Delivery, Fault, NewItem, Person, sign_webhook};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::on_both_databases;
use crate::story::{Database, SECRET, Story, WEB};

const LABEL: &str = "  - {name: greet, on: issues.opened, then: [{label: {add: [triage]}}]}";

/// The one installation that every story has.
fn acme(story: &Story) -> i64 {
    let listed = story.json_lines(&["installations", "list"]);
    listed.iter().find(|row| row["account_login"] == "acme").unwrap()["id"].as_i64().unwrap()
}

fn shown(story: &Story, id: i64) -> Value {
    story.json(&["installations", "show", &id.to_string()])
}

/// Waits until the daemon has taken over the list at its start.
async fn listed(story: &Story) -> i64 {
    story
        .until("the installations are listed", |story| {
            let rows = story.json_lines(&["installations", "list"]);
            rows.iter().any(|row| row["account_login"] == "acme" && row["repositories"] == 2)
        })
        .await;
    acme(story)
}

on_both_databases!(at_start_the_list_is_taken_over, |database: Database| async move {
    let story = Story::begin(database, LABEL).await;
    let id = listed(&story).await;
    let one = shown(&story, id);
    assert_eq!(one["installation"]["target_type"], "Organization");
    assert_eq!(one["installation"]["permissions"]["issues"], "write");
    assert!(one["installation"]["events"].as_array().unwrap().contains(&json!("pull_request")));
    assert_eq!(one["repositories"], json!(["acme/api", WEB]), "{one:#}");

    // What GitHub no longer lists is marked at the next look, and not removed.
    story.github.uninstall_silently(id);
    story.github.install("other", &["other/site"]);
    assert!(story.cli(&["installations", "refresh"]).status.success());
    story.until("the new list is taken over", |story| story.json_lines(&["installations", "list"]).len() == 2).await;
    story.until("the old one is marked", |story| !shown(story, id)["installation"]["deleted_at"].is_null()).await;
    assert_eq!(story.json(&["status"])["installations"], json!({"active": 1, "suspended": 0, "deleted": 1}));
});

on_both_databases!(events_keep_installations_true_in_any_order, |database: Database| async move {
    let story = Story::begin(database, LABEL).await;
    let id = listed(&story).await;
    story.github.hold_deliveries();
    story.github.suspend(id, "alice");
    story.github.unsuspend(id, "alice");
    story.github.cover(id, "alice", &["acme/new"]);
    story.github.uncover(id, "alice", &["acme/api"]);
    story.github.grant(id, "alice", &json!({"issues": "read"}));
    story.github.rename_account(id, "acme-corp");
    story.github.revoke_authorization("alice");
    let mut told = story.github.take_deliveries();
    story.github.release_deliveries();
    // The last first, and each twice.
    told.reverse();
    for delivery in told.iter().chain(&told) {
        assert_eq!(story.github.send(delivery).await, 202);
    }
    story.settles().await;
    let one = shown(&story, id);
    assert_eq!(one["installation"]["account_login"], "acme-corp");
    assert_eq!(one["installation"]["is_suspended"], false);
    assert_eq!(one["installation"]["permissions"], json!({"issues": "read"}));
    assert_eq!(one["repositories"], json!(["acme/new", WEB]), "{one:#}");
    let needs: Vec<&str> =
        one["missing"].as_array().unwrap().iter().map(|need| need["permission"].as_str().unwrap()).collect();
    assert_eq!(needs, ["issues"], "the rule puts labels on issues: {one:#}");

    // A replay asks GitHub again and comes to the same.
    let events = story.json_lines(&["events", "list", "--type", "installation"]);
    for event in &events {
        assert!(story.cli(&["events", "replay", event["id"].as_str().unwrap()]).status.success());
    }
    story.settles().await;
    assert_eq!(shown(&story, id)["installation"]["is_suspended"], false);
    let revoked = story.json_lines(&["events", "list", "--type", "github_app_authorization"]);
    assert_eq!(revoked[0]["processing_status"], "processed");

    story.github.uninstall(id, "alice");
    story.settles().await;
    assert!(!shown(&story, id)["installation"]["deleted_at"].is_null());
});

/// The same word, said so many minutes ago.
fn said(delivery: &Delivery, minutes: i64) -> Delivery {
    let at = (Utc::now() - TimeDelta::minutes(minutes)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut payload = delivery.json();
    payload["installation"]["updated_at"] = json!(at);
    if payload["installation"]["suspended_at"].is_string() {
        payload["installation"]["suspended_at"] = json!(at);
    }
    let mut said = delivery.clone();
    said.body = payload.to_string().into();
    let signature = sign_webhook(SECRET, &said.body);
    for (name, value) in &mut said.headers {
        match name.as_str() {
            "X-Hub-Signature-256" => value.clone_from(&signature),
            // A delivery of its own: one that was sent before would be a duplicate.
            "X-GitHub-Delivery" => *value = Uuid::now_v7().to_string(),
            _ => {}
        }
    }
    said
}

#[tokio::test]
async fn where_github_cannot_be_asked_the_newest_event_is_believed() {
    let mut story = Story::prepare(Database::Sqlite, LABEL, "").await;
    story.github.fault(Fault::on("GET", "/app/installations").times(1_000).status(403));
    let id = story.github.install("globex", &["globex/site"]);
    story.start();
    story.github.hold_deliveries();
    story.github.tell_installed(id, "alice");
    story.github.suspend(id, "alice");
    story.github.unsuspend(id, "alice");
    story.github.cover(id, "alice", &["globex/new"]);
    story.github.suspend(id, "alice");
    story.github.uninstall(id, "alice");
    let told = story.github.take_deliveries();
    story.github.release_deliveries();
    let suspended = |story: &Story| shown(story, id)["installation"]["is_suspended"].clone();

    // The last suspension comes first; the older words change nothing any more.
    for (which, minutes) in [(4, 1), (2, 3), (1, 4), (0, 5)] {
        assert_eq!(story.github.send(&said(&told[which], minutes)).await, 202);
        story.settles().await;
        assert_eq!(suspended(&story), true, "{which}");
    }
    assert_eq!(story.github.send(&said(&told[3], 2)).await, 202);
    story.settles().await;
    assert_eq!(shown(&story, id)["repositories"], json!(["globex/new", "globex/site"]));

    // A deletion is final, whatever comes after it.
    for (which, minutes) in [(5, 10), (2, 0)] {
        assert_eq!(story.github.send(&said(&told[which], minutes)).await, 202);
        story.settles().await;
        assert!(!shown(&story, id)["installation"]["deleted_at"].is_null(), "{which}");
    }
}

/// Alice opens something, and then suspends the installation; nothing of either is delivered yet.
fn opened_and_suspended(story: &Story, id: i64, open: impl FnOnce(Person) -> u64) -> (u64, Vec<Delivery>) {
    story.github.hold_deliveries();
    let number = open(story.github.person("alice"));
    story.github.suspend(id, "alice");
    let told = story.github.take_deliveries();
    story.github.release_deliveries();
    (number, told)
}

on_both_databases!(a_suspended_installation_stops_and_goes_on, |database: Database| async move {
    let story = Story::begin(database, LABEL).await;
    let id = listed(&story).await;
    // The issue is told of before the suspension, and looked at after it.
    let (number, told) = opened_and_suspended(&story, id, |alice| alice.opens_issue(WEB, NewItem::titled("It breaks")));
    assert_eq!(story.github.send(&told[1]).await, 202);
    story.settles().await;
    let seen = story.github.requests().len();
    assert_eq!(story.github.send(&told[0]).await, 202);
    story.settles().await;

    assert_eq!(story.github.requests().len(), seen, "nothing is asked as a suspended installation");
    let effects = story.json_lines(&["effects", "list"]);
    assert_eq!(effects[0]["state"], "held");
    assert!(effects[0]["note"].as_str().unwrap().contains("installation on acme is suspended"), "{effects:?}");
    let why = String::from_utf8(story.cli(&["why", &format!("{WEB}#{number}")]).stdout).unwrap();
    assert!(why.contains("is suspended"), "{why}");
    let status = String::from_utf8(story.cli(&["status"]).stdout).unwrap();
    assert!(status.contains("1 suspended"), "{status}");
    let list = String::from_utf8(story.cli(&["installations", "list"]).stdout).unwrap();
    assert!(list.starts_with("acme\tOrganization\tsuspended 20"), "{list}");
    let (_, metrics) = story.get("/metrics").await;
    assert!(metrics.contains("orchd_installations{state=\"suspended\"} 1"), "{metrics}");
    let health: Value = serde_json::from_str(&story.get("/health").await.1).unwrap();
    assert_eq!(health["installations"]["suspended"], 1, "{health}");

    story.github.unsuspend(id, "alice");
    story.settles().await;
    assert_eq!(story.github.issue(WEB, number).labels(), ["triage"]);
    let effects = story.json_lines(&["effects", "list"]);
    assert_eq!((effects.len(), &effects[0]["state"]), (1, &json!("applied")));
    assert!(story.github.duplicate_effects().is_empty());
});

/// Told of the suspension, or met with a refusal before the word of it comes.
#[tokio::test]
async fn an_event_that_needs_facts_is_decided_anew_after_the_suspension() {
    for told_of in [true, false] {
        needs_facts(told_of).await;
    }
}

async fn needs_facts(told_of: bool) {
    let story = Story::begin(Database::Sqlite, crate::road::DOCS_RULE).await;
    let id = listed(&story).await;
    let (number, told) =
        opened_and_suspended(&story, id, |alice| alice.opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md")));
    for delivery in told.iter().rev().skip(usize::from(!told_of)) {
        assert_eq!(story.github.send(delivery).await, 202);
        story.settles().await;
    }
    let why = String::from_utf8(story.cli(&["why", &format!("{WEB}#{number}")]).stdout).unwrap();
    assert!(why.contains("suspended"), "{why}");
    assert_eq!(story.json(&["status"])["installations"]["suspended"], 1);
    let asked = story.github.requests();
    assert!(!told_of || !asked.iter().any(|request| request.path.contains("/files")), "nothing is asked as it");

    story.github.unsuspend(id, "alice");
    story.settles().await;
    assert_eq!(story.github.issue(WEB, number).labels(), ["documentation"]);
}

on_both_databases!(a_suspension_in_the_middle_of_an_effect_holds_it, |database: Database| async move {
    let story = Story::begin(database, LABEL).await;
    let id = listed(&story).await;
    // GitHub refuses before it tells why: the delivery of the suspension is lost.
    let (number, told) = opened_and_suspended(&story, id, |alice| alice.opens_issue(WEB, NewItem::titled("It breaks")));
    assert_eq!(story.github.send(&told[0]).await, 202);
    story.settles().await;
    assert_eq!(story.json_lines(&["effects", "list"])[0]["state"], "held");
    assert!(story.json_lines(&["jobs", "list", "--state", "dead"]).is_empty());

    // Nor is there word of its end: the next look at the list finds it.
    story.github.hold_deliveries();
    story.github.unsuspend(id, "alice");
    story.github.take_deliveries();
    story.github.release_deliveries();
    assert!(story.cli(&["installations", "refresh"]).status.success());
    story.until("the effect goes on", |story| story.github.issue(WEB, number).labels() == ["triage"]).await;
});

#[tokio::test]
async fn a_write_under_way_at_the_suspension_is_settled_after_it() {
    let story = Story::begin(Database::Sqlite, LABEL).await;
    let id = listed(&story).await;
    // GitHub does it, the answer is lost, and then the App is suspended.
    story.github.fault(Fault::on("POST", "/repos/acme/web/issues/1/labels").after_doing().closes());
    story.github.pause();
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));
    story.github.resume();
    story.github.until("the label is there", |github| github.issue(WEB, number).has_label("triage")).await;
    story.github.suspend(id, "alice");
    story.settles().await;
    story.github.unsuspend(id, "alice");
    story.settles().await;
    assert_eq!(story.json_lines(&["effects", "list"])[0]["state"], "applied");
    assert!(story.github.duplicate_effects().is_empty());
}

#[tokio::test]
async fn without_an_app_it_says_so_once_and_believes_events() {
    let mut story = Story::prepare(Database::Sqlite, "  []", "").await;
    let config = std::fs::read_to_string(story.config()).unwrap();
    let without: Vec<&str> =
        config.lines().filter(|line| !line.contains("app_id") && !line.contains("private_key")).collect();
    std::fs::write(story.config(), without.join("\n").replace("rules:\n  []", "rules: []")).unwrap();
    story.start();
    let id = story.github.install("solo", &["solo/site"]);
    story.github.tell_installed(id, "alice");
    story.github.suspend(id, "alice");
    story.settles().await;
    let one = shown(&story, id);
    assert_eq!(one["installation"]["is_suspended"], true);
    assert_eq!(one["repositories"], json!(["solo/site"]));
    assert_eq!(story.log().matches("no GitHub App is configured").count(), 1);
    assert!(story.github.requests().is_empty());
    assert!(!story.log().contains(SECRET));
}
