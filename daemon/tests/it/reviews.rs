//! Reviews asked for and given, from a webhook to what GitHub saw.

use orchd_fake::NewItem;

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const OWNERS: &str = "  - name: owners
    on: [pull_request.opened, pull_request.synchronize]
    then:
      - request_review: {from: codeowners}
";

const SHARED: &str = "  - name: share
    on: [pull_request.opened]
    then:
      - request_review: {from: [alice, bob, carol], count: 1, strategy: load}
";

const APPROVE: &str = "  - name: lock
    on: [pull_request.opened, pull_request.synchronize, pull_request.labeled]
    if: {files: [Cargo.lock]}
    then:
      - review: {event: approve, body: \"Only the lock file.\"}
";

on_both_databases!(a_pull_request_that_touches_docs_asks_the_owners_of_docs, |database: Database| async move {
    let story = Story::begin(database, OWNERS).await;
    story.github.put_file(WEB, "main", ".github/CODEOWNERS", "* @alice\n/docs/ @bob\n");
    let alice = story.github.person("alice");
    let docs = alice.opens_pull(WEB, NewItem::titled("Docs").file("docs/guide.md"));
    let code = alice.opens_pull(WEB, NewItem::titled("Code").file("src/main.rs"));
    story.settles().await;
    assert_eq!(story.github.issue(WEB, docs).requested_reviewers(), ["bob"]);
    assert!(story.github.issue(WEB, code).requested_reviewers().is_empty(), "alice owns it, and wrote it");
    let asked: Vec<_> = story.github.writes().into_iter().map(|write| (write.path, write.body)).collect();
    let body = serde_json::json!({"reviewers": ["bob"]});
    assert_eq!(asked, [(format!("/repos/{WEB}/pulls/{docs}/requested_reviewers"), body)]);
    assert!(story.github.duplicate_effects().is_empty());
});

#[tokio::test]
async fn two_pull_requests_share_the_load() {
    let story = Story::begin(Database::Sqlite, SHARED).await;
    story.github.add_collaborator(WEB, "carol");
    let alice = story.github.person("alice");
    let numbers: Vec<u64> = (1..=4).map(|nth| alice.opens_pull(WEB, NewItem::titled(&format!("{nth}")))).collect();
    story.settles().await;
    let mut asked: Vec<String> =
        numbers.iter().flat_map(|number| story.github.issue(WEB, *number).requested_reviewers()).collect();
    asked.sort();
    assert_eq!(asked, ["bob", "bob", "carol", "carol"]);
}

on_both_databases!(invariant_7_whom_a_person_took_off_no_push_brings_back, |database: Database| async move {
    let story = Story::begin(database, OWNERS).await;
    story.github.put_file(WEB, "main", "CODEOWNERS", "* @bob\n");
    let alice = story.github.person("alice");
    let number = alice.opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    story.settles().await;
    assert_eq!(story.github.issue(WEB, number).requested_reviewers(), ["bob"]);

    // The push may be decided on before the removal: what waits behind it counts too.
    alice.removes_reviewer(WEB, number, "bob");
    alice.pushes(WEB, number, &["docs/b.md"]);
    story.settles().await;
    alice.pushes(WEB, number, &["docs/c.md"]);
    story.settles().await;
    assert!(story.github.issue(WEB, number).requested_reviewers().is_empty(), "alice took him off: he stays off");
    let held = story.json_lines(&["effects", "list", "--state", "held"]);
    assert_eq!(held.len(), 2);
    let note = "the review request for `bob` was removed by alice on";
    assert!(held.iter().all(|effect| effect["note"].as_str().unwrap().starts_with(note)), "{held:#?}");

    alice.requests_review(WEB, number, "bob");
    story.github.person("bob").approves(WEB, number);
    alice.pushes(WEB, number, &["docs/d.md"]);
    story.settles().await;
    assert!(story.github.issue(WEB, number).requested_reviewers().is_empty(), "he has reviewed");
});

#[tokio::test]
async fn each_head_is_approved_once_and_a_dismissed_approval_stays_dismissed() {
    let story = Story::begin(Database::Sqlite, APPROVE).await;
    let alice = story.github.person("alice");
    let number = alice.opens_pull(WEB, NewItem::titled("Update").file("Cargo.lock"));
    story.settles().await;
    let standing = |story: &Story| -> Vec<String> {
        let item = story.github.issue(WEB, number);
        let stands = item.reviews().iter().filter(|review| review.state == "APPROVED");
        stands.map(|review| review.commit.clone()).collect()
    };
    let first = story.github.issue(WEB, number).head_sha().unwrap();
    assert_eq!(standing(&story), std::slice::from_ref(&first));
    alice.labels(WEB, number, "bug");
    story.settles().await;
    assert_eq!(standing(&story), std::slice::from_ref(&first), "once for a head");

    let second = alice.pushes(WEB, number, &["Cargo.lock"]);
    story.settles().await;
    assert_eq!(standing(&story), [first.clone(), second]);

    let latest = story.github.issue(WEB, number).reviews().last().unwrap().id;
    alice.dismisses(WEB, number, latest).labels(WEB, number, "question");
    story.settles().await;
    assert_eq!(standing(&story), [first], "alice dismissed it: it stays dismissed");
    let held = story.json_lines(&["effects", "list", "--state", "held"]);
    assert!(held[0]["note"].as_str().unwrap().contains("was dismissed"), "{held:#?}");
    assert!(story.github.duplicate_effects().is_empty());
}

#[tokio::test]
async fn what_was_pushed_after_the_event_is_not_approved_for_it() {
    let rules = "  - name: ok\n    on: pull_request.opened\n    then:\n      - review: {event: approve}\n";
    let story = Story::begin(Database::Sqlite, rules).await;
    story.github.pause();
    let alice = story.github.person("alice");
    let number = alice.opens_pull(WEB, NewItem::titled("Harmless").file("a.md"));
    story.github.until("the daemon looks at it", |github| !github.requests().is_empty()).await;
    alice.pushes(WEB, number, &["evil.sh"]);
    story.github.resume();
    story.settles().await;
    assert!(story.github.issue(WEB, number).reviews().is_empty());
    let held = story.json_lines(&["effects", "list", "--state", "held"]);
    assert!(held[0]["note"].as_str().unwrap().contains("was pushed since"), "{held:#?}");
}

#[tokio::test]
async fn what_github_refuses_is_told_in_its_words() {
    let rules = "  - name: ask\n    on: pull_request.opened\n    then:\n      - request_review: {from: [acme/gone]}\n";
    let story = Story::begin(Database::Sqlite, rules).await;
    story.github.person("alice").opens_pull(WEB, NewItem::titled("One"));
    story.settles().await;
    let dead = story.json_lines(&["jobs", "list", "--state", "dead"]);
    assert_eq!(dead.len(), 1);
    assert!(dead[0].to_string().contains("Reviews may only be requested from collaborators"), "{dead:#?}");
    let failed = story.json_lines(&["effects", "list"]);
    assert_eq!(failed[0]["state"], "failed", "{failed:#?}");
}
