//! The road: a delivery arrives, things settle, this is what GitHub saw.

use orchd_fake::{Delivery, Fault, NewItem, sign_webhook};

use crate::on_both_databases;
use crate::story::{Database, SECRET, Story, WEB};

pub const DOCS_RULE: &str = "
  - name: docs-label
    repositories: [\"acme/*\"]
    on: [pull_request.opened, pull_request.synchronize]
    if:
      all:
        - files: [\"docs/**\", \"*.md\"]
        - not: {label: no-bot}
        - expr: \"pull_request.additions + pull_request.deletions < 400\"
    then:
      - label: {add: [documentation]}
";

on_both_databases!(a_pull_request_that_touches_the_docs_gets_its_label, |database: Database| async move {
    let story = Story::begin(database, DOCS_RULE).await;
    let number = story.github.person("alice").opens_pull(WEB, NewItem::titled("Mend a typo").file("docs/guide.md"));
    story.settles().await;

    assert_eq!(story.github.issue(WEB, number).labels(), ["documentation"]);
    let effects = story.json_lines(&["effects", "list"]);
    assert_eq!(effects.len(), 1);
    assert_eq!(effects[0]["state"], "applied");
    assert_eq!(effects[0]["intent"]["rule"], "docs-label");
    assert!(!effects[0]["before"].is_null() && !effects[0]["after"].is_null(), "the receipt holds both states");

    let why = story.cli(&["why", &format!("{WEB}#{number}")]);
    let why = String::from_utf8(why.stdout).unwrap();
    assert!(why.contains("docs-label") && why.contains("docs/guide.md") && why.contains("no-bot"), "{why}");
});

#[tokio::test]
async fn a_pull_request_that_a_rule_does_not_match_is_left_alone_and_says_why() {
    let story = Story::begin(Database::Sqlite, DOCS_RULE).await;
    let number = story.github.person("alice").opens_pull(WEB, NewItem::titled("Rework").file("src/main.rs"));
    story.settles().await;

    assert!(story.github.writes().is_empty());
    let why = story.cli(&["why", &format!("{WEB}#{number}")]);
    let why = String::from_utf8(why.stdout).unwrap();
    assert!(why.contains("✗") && why.contains("docs/**"), "{why}");
}

#[tokio::test]
async fn files_are_fetched_only_when_they_can_still_matter() {
    let story = Story::begin(Database::Sqlite, DOCS_RULE).await;
    story.github.add_label(WEB, "no-bot");
    story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md").label("no-bot"));
    story.settles().await;
    let asked: Vec<_> = story.github.requests().into_iter().filter(|request| request.path.contains("/files")).collect();
    assert!(asked.is_empty(), "the label had settled it: {asked:?}");
}

const EVERY_ACTION: &str = "
  - name: welcome
    on: issues.opened
    then:
      - label: {add: [triage]}
      - comment: {body: \"Thank you. Somebody will look at this soon.\"}
      - assign: {add: [bob]}
  - name: spam
    on: issues.opened
    if: {title: \"(?i)buy now\"}
    then:
      - close: {reason: not_planned}
  - name: wake
    on: issue_comment.created
    if: {all: [{state: closed}, {comment: \"^/reopen\"}]}
    then:
      - reopen: {}
";

on_both_databases!(every_action_leaves_its_mark_and_its_receipt, |database: Database| async move {
    let story = Story::begin(database, EVERY_ACTION).await;
    let number = story.github.person("mallory").opens_issue(WEB, NewItem::titled("Buy now!!"));
    story.settles().await;
    let issue = story.github.issue(WEB, number);
    assert_eq!(issue.labels(), ["triage"]);
    assert_eq!(issue.assignees(), ["bob"]);
    assert_eq!(issue.comments().len(), 1);
    assert!(!issue.is_open());
    assert_eq!(issue.state_reason(), Some("not_planned"));

    story.github.person("alice").comments(WEB, number, "/reopen this was a mistake");
    story.settles().await;
    assert!(story.github.issue(WEB, number).is_open());

    let effects = story.json_lines(&["effects", "list", "--repo", WEB]);
    assert_eq!(effects.len(), 5);
    assert!(effects.iter().all(|effect| effect["state"] == "applied"), "{effects:#?}");
    assert!(story.github.duplicate_effects().is_empty());
});

on_both_databases!(a_redelivery_changes_nothing, |database: Database| async move {
    let story = Story::begin(database, EVERY_ACTION).await;
    story.github.hold_deliveries();
    story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));
    let opened = story.github.take_deliveries().remove(0);
    story.github.release_deliveries();

    for _ in 0..3 {
        assert_eq!(story.github.send(&opened).await, 202);
        story.settles().await;
    }
    assert_eq!(story.json_lines(&["events", "list", "--type", "issues", "--action", "opened"]).len(), 1);
    assert_eq!(story.github.writes().len(), 3, "label, comment, assignee: once each");
});

#[tokio::test]
async fn two_rules_that_agree_never_produce_a_second_effect() {
    let twice = format!("{DOCS_RULE}{}", DOCS_RULE.replace("docs-label", "docs-label-too"));
    let story = Story::begin(Database::Sqlite, &twice).await;
    story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("README.md"));
    story.settles().await;
    assert_eq!(story.github.writes().len(), 1);
    let states: Vec<_> =
        story.json_lines(&["effects", "list"]).iter().map(|effect| effect["state"].to_string()).collect();
    assert_eq!(states.len(), 2);
    assert!(states.contains(&"\"applied\"".to_owned()) && states.contains(&"\"unchanged\"".to_owned()), "{states:?}");
}

on_both_databases!(
    invariant_5_a_write_whose_answer_was_lost_is_checked_not_repeated,
    |database: Database| async move {
        let story = Story::begin(database, EVERY_ACTION).await;
        // GitHub does each of these and then answers 500 or nothing.
        story.github.fault(Fault::on("POST", "/repos/acme/web/issues/1/labels").after_doing().status(500));
        story.github.fault(Fault::on("POST", "/repos/acme/web/issues/1/comments").after_doing().closes());
        story.github.fault(Fault::on("POST", "/repos/acme/web/issues/1/assignees").after_doing().status(502));
        let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));
        assert_eq!(number, 1, "the faults above name the issue");
        story.settles().await;
        let issue = story.github.issue(WEB, number);
        assert_eq!(
            (issue.labels(), issue.assignees(), issue.comments().len()),
            (vec!["triage".into()], vec!["bob".into()], 1)
        );
        assert!(story.github.duplicate_effects().is_empty());
        assert_eq!(story.github.writes().len(), 3, "each write was sent once");
        let effects = story.json_lines(&["effects", "list"]);
        assert!(effects.iter().all(|effect| effect["state"] == "applied"), "{effects:#?}");
    }
);

on_both_databases!(invariant_7_what_a_person_changed_no_rule_changes_back, |database: Database| async move {
    let story = Story::begin(database, DOCS_RULE).await;
    let alice = story.github.person("alice");
    let number = alice.opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    story.settles().await;
    assert!(story.github.issue(WEB, number).has_label("documentation"));

    alice.unlabels(WEB, number, "documentation");
    alice.pushes(WEB, number, &["docs/b.md"]);
    story.settles().await;
    assert!(!story.github.issue(WEB, number).has_label("documentation"), "alice took it off: it stays off");
    let held = story.json_lines(&["effects", "list", "--state", "held"]);
    assert_eq!(held.len(), 1);
    assert!(held[0]["note"].as_str().unwrap().contains("alice"), "{held:#?}");
});

#[tokio::test]
async fn invariant_4_dry_run_read_only_and_shadow_write_nothing() {
    for (rules, more) in [
        (EVERY_ACTION.to_owned(), "  dry_run: true"),
        (EVERY_ACTION.to_owned(), "  read_only: true"),
        (EVERY_ACTION.replace("    then:", "    mode: shadow\n    then:"), ""),
    ] {
        let mut story = Story::prepare(Database::Sqlite, &rules, more).await;
        story.start();
        story.github.person("alice").opens_issue(WEB, NewItem::titled("Buy now"));
        story.settles().await;
        assert!(story.github.writes().is_empty(), "{more} {:?}", story.github.writes());
        let effects = story.json_lines(&["effects", "list"]);
        assert_eq!(effects.len(), 4, "what would have been done is recorded");
        let state = if more.is_empty() { "shadow" } else { "gated" };
        assert!(effects.iter().all(|effect| effect["state"] == state), "{effects:#?}");

        // Allowed by now, and played again: what was held back is done, once.
        let revision = |story: &Story| story.json(&["status"])["config"]["revision"].clone();
        let forbidding = revision(&story);
        story.permit_everything();
        story.write_rules(EVERY_ACTION);
        story.wait_for("the new config is in use", |story| revision(story) != forbidding);
        assert!(story.cli(&["events", "replay", effects[0]["intent"]["event"].as_str().unwrap()]).status.success());
        story.settles().await;
        assert_eq!(story.github.issue(WEB, 1).labels(), ["triage"]);
        assert!(story.github.duplicate_effects().is_empty());
        assert!(story.json_lines(&["effects", "list"]).iter().all(|effect| effect["state"] == "applied"));
    }
}

#[tokio::test]
async fn a_poison_effect_goes_to_the_dead_letters_and_frees_its_lane() {
    let story = Story::begin(Database::Sqlite, EVERY_ACTION).await;
    story.github.fault(Fault::on("POST", "/repos/acme/web/issues/1/labels").times(1_000).status(422));
    let alice = story.github.person("alice");
    let first = alice.opens_issue(WEB, NewItem::titled("One"));
    let second = alice.opens_issue(WEB, NewItem::titled("Two"));
    story.settles().await;
    assert!(story.github.issue(WEB, first).labels().is_empty());
    assert_eq!(story.github.issue(WEB, first).comments().len(), 1, "the other effects of the event happened");
    assert_eq!(story.github.issue(WEB, second).labels(), ["triage"]);

    let dead = story.json_lines(&["jobs", "list", "--state", "dead"]);
    assert_eq!(dead.len(), 1);
    story.github.clear_faults();
    let id = dead[0]["id"].as_str().unwrap();
    assert!(story.cli(&["jobs", "retry", id]).status.success());
    story.settles().await;
    assert_eq!(story.github.issue(WEB, first).labels(), ["triage"], "mended and retried");
    assert!(story.json_lines(&["jobs", "list", "--state", "dead"]).is_empty());
}

#[tokio::test]
async fn a_limit_that_github_names_is_obeyed() {
    let story = Story::begin(Database::Sqlite, DOCS_RULE).await;
    let wait = std::time::Duration::from_secs(2);
    story.github.fault(Fault::on("POST", "/repos/acme/web/issues/1/labels").secondary_limit(Some(wait)));
    let number = story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    story.settles().await;
    assert!(story.github.issue(WEB, number).has_label("documentation"));
    let tries: Vec<_> = story.github.writes();
    assert_eq!(tries.len(), 2);
    assert!(tries[1].at - tries[0].at >= chrono::TimeDelta::seconds(2), "{tries:?}");
}

#[tokio::test]
async fn a_rule_stops_at_its_hourly_limit_and_says_so() {
    let rules = format!("{DOCS_RULE}    limits: {{actions_per_hour: 2}}\n");
    let story = Story::begin(Database::Sqlite, &rules).await;
    for n in 0..4 {
        story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").head(&format!("p{n}")).file("docs/a.md"));
    }
    story.settles().await;
    assert_eq!(story.github.writes().len(), 2);
    let held = story.json_lines(&["effects", "list", "--state", "held"]);
    assert_eq!(held.len(), 2);
    assert!(held[0]["note"].as_str().unwrap().contains("actions_per_hour"), "{held:#?}");
}

on_both_databases!(invariant_8_while_github_hangs_the_store_is_free, |database: Database| async move {
    let story = Story::begin(database, DOCS_RULE).await;
    story.github.pause();
    let alice = story.github.person("alice");
    alice.opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    story.github.until("the daemon has asked something", |github| !github.requests().is_empty()).await;
    // A job now waits for the network in the middle of its work: nothing in the store waits with it.
    for n in 0..20 {
        alice.opens_issue("acme/api", NewItem::titled(&format!("Number {n}")));
    }
    story.github.until_delivered().await;
    let stored = story.json_lines(&["events", "list", "--repo", "acme/api"]);
    assert_eq!(stored.len(), 20);
    story.github.resume();
    story.settles().await;
    assert_eq!(story.github.issue(WEB, 1).labels(), ["documentation"]);
});

const LABELS: &str = "
  - name: labels
    on: [issues.opened, issues.edited]
    then:
      - label: {add: [triage, bug], remove: [stale]}
      - assign: {add: [bob, alice]}
";

on_both_databases!(what_a_persons_hand_holds_back_is_in_the_receipt, |database: Database| async move {
    let story = Story::begin(database, LABELS).await;
    let alice = story.github.person("alice");
    let number = alice.opens_issue(WEB, NewItem::titled("It breaks"));
    story.settles().await;
    // Alice takes back the half of it by hand; what a bot takes off is nobody's hand.
    alice.unlabels(WEB, number, "triage").unassigns(WEB, number, "bob");
    story.github.person("tidy[bot]").unlabels(WEB, number, "bug").unassigns(WEB, number, "alice");
    alice.retitles(WEB, number, "It breaks badly");
    story.settles().await;

    let issue = story.github.issue(WEB, number);
    assert_eq!((issue.labels(), issue.assignees()), (vec!["bug".to_owned()], vec!["alice".to_owned()]));
    let effects = story.json_lines(&["effects", "list", "--limit", "2"]);
    for (action, held) in
        [("label", "label `triage` was removed by alice"), ("assign", "`bob` was unassigned by alice")]
    {
        let effect = effects.iter().find(|effect| effect["intent"]["action"] == action).unwrap();
        assert_eq!(effect["state"], "applied");
        let note = effect["note"].as_str().unwrap();
        assert!(note.starts_with(&format!("held back: {held} on ")), "{note}");
    }
    let why = String::from_utf8(story.cli(&["why", &format!("{WEB}#{number}")]).stdout).unwrap();
    assert!(why.contains("→ assign {add: [bob, alice]}: applied (held back: `bob`"), "{why}");
});

/// As a webhook of the repository would send it: GitHub tells of no installation there.
fn without_installation(delivery: &Delivery) -> Delivery {
    let mut payload = delivery.json();
    payload.as_object_mut().unwrap().remove("installation").unwrap();
    let mut changed = delivery.clone();
    changed.body = payload.to_string().into();
    let signature = sign_webhook(SECRET, &changed.body);
    for (name, value) in &mut changed.headers {
        if name == "X-Hub-Signature-256" {
            value.clone_from(&signature);
        }
    }
    changed
}

on_both_databases!(an_event_that_names_no_installation_says_why_nothing_can_be_done, |database: Database| async move {
    let story = Story::begin(database, &format!("{EVERY_ACTION}{DOCS_RULE}")).await;
    story.github.hold_deliveries();
    let alice = story.github.person("alice");
    let issue = alice.opens_issue(WEB, NewItem::titled("It breaks"));
    let pull = alice.opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    let deliveries = story.github.take_deliveries();
    story.github.release_deliveries();
    for delivery in &deliveries {
        assert_eq!(story.github.send(&without_installation(delivery)).await, 202);
    }
    story.settles().await;
    assert!(story.asked().is_empty(), "GitHub would refuse: it is not asked");

    let failed = story.json_lines(&["effects", "list", "--number", &issue.to_string(), "--state", "failed"]);
    assert_eq!(failed.len(), 3);
    for effect in failed {
        assert!(effect["note"].as_str().unwrap().contains("the event names no installation"), "{effect}");
    }
    assert_eq!(story.json_lines(&["jobs", "list", "--state", "dead"]).len(), 3);

    let why = String::from_utf8(story.cli(&["why", &format!("{WEB}#{pull}")]).stdout).unwrap();
    assert!(why.contains("docs-label: skipped") && why.contains("the event names no installation"), "{why}");
});
