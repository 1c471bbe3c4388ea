//! What keeps a repository tidy, told by the real daemon: branches of merged pull requests, drafts, locks, titles.

use std::time::Duration;

use orchd_fake::{Fault, NewItem};
use serde_json::{Value, json};

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const ANOTHER_COMMIT: &str = "1234567890123456789012345678901234567890";

/// Notes of the effects in this state, newest first.
fn notes(story: &Story, state: &str) -> Vec<String> {
    let effects = story.json_lines(&["effects", "list", "--state", state]);
    effects.iter().map(|effect| effect["note"].as_str().unwrap_or_default().to_owned()).collect()
}

/// How often a mutation was asked for.
fn mutations(story: &Story, name: &str) -> usize {
    let asked = story.github.requests().into_iter().filter(|request| request.path == "/graphql");
    asked.filter(|request| request.body["query"].as_str().is_some_and(|query| query.contains(name))).count()
}

const BRANCHES: &str = "
  - name: tidy
    on: [pull_request.closed, pull_request.labeled]
    then:
      - delete_branch: {}
";

on_both_databases!(a_merged_pull_request_loses_its_branch, |database: Database| async move {
    let story = Story::begin(database, BRANCHES).await;
    let alice = story.github.person("alice");
    let number = alice.opens_pull(WEB, NewItem::titled("Mend it").head("fix/it & more").file("src/main.rs"));
    assert!(story.github.issue(WEB, number).branch().is_some());
    alice.merges(WEB, number);
    story.settles().await;
    assert_eq!(story.github.issue(WEB, number).branch(), None);
    let effects = story.json_lines(&["effects", "list"]);
    assert_eq!((effects.len(), &effects[0]["state"]), (1, &json!("applied")));
    assert_eq!(effects[0]["before"]["at"], json!(story.github.issue(WEB, number).head_sha()));

    // Alice still needs it: the next event does not take it from her again.
    alice.restores_branch(WEB, number).labels(WEB, number, "bug");
    story.settles().await;
    assert!(story.github.issue(WEB, number).branch().is_some());
    assert_eq!(notes(&story, "held"), ["branch `fix/it & more` was restored by alice"]);
    assert!(story.github.duplicate_effects().is_empty());
});

#[tokio::test]
async fn a_branch_that_somebody_may_need_stays() {
    let story = Story::begin(Database::Sqlite, BRANCHES).await;
    let alice = story.github.person("alice");
    let opens = |head: &str| NewItem::titled("Mend it").head(head).file("src/main.rs");
    let from_fork = alice.opens_pull(WEB, opens("main-of-fork").from_fork());
    let base_of_another = alice.opens_pull(WEB, opens("one"));
    let stacked = alice.opens_pull(WEB, opens("two").base("one"));
    let from_default = alice.opens_pull(WEB, opens("main").base("release"));
    let moved_on = alice.opens_pull(WEB, opens("three"));
    story.settles().await;

    story.github.hold_deliveries();
    for number in [from_fork, base_of_another, from_default, moved_on] {
        alice.merges(WEB, number);
    }
    story.github.move_branch(WEB, "three", ANOTHER_COMMIT);
    story.github.release_deliveries();
    story.settles().await;
    assert!(story.github.writes().is_empty(), "{:?}", story.github.writes());
    let mut why = notes(&story, "held");
    why.sort();
    assert_eq!(
        why,
        [
            "branch `main-of-fork` is in a fork".to_owned(),
            "branch `main` is the default branch".to_owned(),
            "branch `three` has commits that are not in the pull request".to_owned(),
            format!("the open pull request #{stacked} needs branch `one`"),
        ]
    );
}

/// GitHub itself compares the commit as it deletes: what was pushed after orchd looked is not lost.
#[tokio::test]
async fn a_push_in_the_last_moment_saves_the_branch() {
    let story = Story::begin(Database::Sqlite, BRANCHES).await;
    let alice = story.github.person("alice");
    let number = alice.opens_pull(WEB, NewItem::titled("Mend it").head("fix").file("src/main.rs"));
    story.settles().await;
    story.github.fault(Fault::on("POST", "/graphql").slow(Duration::from_millis(300)));
    alice.merges(WEB, number);
    let on_its_way = |story: &Story| mutations(story, "updateRefs") == 1;
    story.until("the deletion is on its way", on_its_way).await;
    story.github.move_branch(WEB, "fix", ANOTHER_COMMIT);
    story.settles().await;
    assert_eq!(story.github.branch(WEB, "fix").as_deref(), Some(ANOTHER_COMMIT));
    // Whether it was deleted and pushed again, or never deleted, is for a person to see.
    assert_eq!(notes(&story, "quarantined").len(), 1);
}

const DRAFTS: &str = "
  - name: wip-is-draft
    on: [pull_request.opened, pull_request.labeled]
    if: {title: \"^WIP\"}
    then:
      - draft: {}
  - name: ready
    on: [pull_request.labeled, pull_request.unlabeled]
    if: {label: ready}
    then:
      - ready_for_review: {}
";

on_both_databases!(
    invariant_7_a_person_who_makes_a_pull_request_ready_again_is_not_overruled,
    |database: Database| async move {
        let story = Story::begin(database, DRAFTS).await;
        // The answer to the first mutation is lost: it is looked at, not sent again.
        story.github.fault(Fault::on("POST", "/graphql").after_doing().closes());
        let alice = story.github.person("alice");
        let number = alice.opens_pull(WEB, NewItem::titled("WIP: mend it").file("src/main.rs"));
        story.settles().await;
        assert!(story.github.issue(WEB, number).is_draft());
        assert_eq!(mutations(&story, "convertPullRequestToDraft"), 1);

        alice.marks_ready(WEB, number).labels(WEB, number, "bug");
        story.settles().await;
        assert!(!story.github.issue(WEB, number).is_draft(), "alice says that it is ready");
        let held = notes(&story, "held");
        assert!(held.len() == 1 && held[0].starts_with("it was marked ready for review by alice on "), "{held:?}");
        assert_eq!(mutations(&story, "convertPullRequestToDraft"), 1);

        // And the other way round.
        alice.makes_draft(WEB, number).retitles(WEB, number, "Mend it").labels(WEB, number, "ready");
        story.settles().await;
        assert!(story.github.issue(WEB, number).is_draft());
        let held = notes(&story, "held");
        assert!(held[0].starts_with("it was made a draft by alice on "), "{held:?}");
        assert!(story.github.duplicate_effects().is_empty());
    }
);

/// The installation, once the daemon has listed it.
async fn installation(story: &Story) -> i64 {
    story.until("installations are listed", |story| !story.json_lines(&["installations", "list"]).is_empty()).await;
    story.json_lines(&["installations", "list"])[0]["id"].as_i64().unwrap()
}

#[tokio::test]
async fn a_refusal_of_graphql_is_told_as_it_is() {
    let story = Story::begin(Database::Sqlite, DRAFTS).await;
    let id = installation(&story).await;
    story.github.grant(id, "alice", &json!({"issues": "write", "pull_requests": "write", "contents": "read"}));
    let number = story.github.person("alice").opens_pull(WEB, NewItem::titled("WIP: mend it").file("src/main.rs"));
    story.settles().await;
    assert!(!story.github.issue(WEB, number).is_draft());
    assert_eq!(notes(&story, "failed"), ["GitHub refused (403): Resource not accessible by integration"]);
    let shown = story.json(&["installations", "show", &id.to_string()]);
    let missing: Vec<&Value> = shown["missing"].as_array().unwrap().iter().map(|each| &each["permission"]).collect();
    assert_eq!(missing, ["contents"]);
}

#[tokio::test]
async fn when_the_points_of_graphql_are_used_up_the_job_waits() {
    let story = Story::begin(Database::Sqlite, DRAFTS).await;
    let id = installation(&story).await;
    story.github.use_up_graphql(id, Duration::from_secs(2));
    let alice = story.github.person("alice");
    let number = alice.opens_pull(WEB, NewItem::titled("WIP: mend it").file("src/main.rs"));
    story.settles().await;
    assert!(story.github.issue(WEB, number).is_draft(), "it waited, and then was done");
    let asked: Vec<_> = story.github.requests().into_iter().filter(|request| request.path == "/graphql").collect();
    assert_eq!(asked.len(), 2);
    assert!(asked[1].at - asked[0].at >= chrono::TimeDelta::seconds(1), "{asked:?}");
    assert!(story.json_lines(&["effects", "list", "--state", "failed"]).is_empty());
}

const TIDY: &str = "
  - name: quiet
    on: [issues.closed, issues.labeled]
    if: {state: closed}
    then:
      - lock: {reason: resolved}
  - name: plan
    on: [issues.opened, issues.labeled]
    then:
      - milestone: {set: \"2.0\"}
      - title: {prefix: \"[triage] \"}
";

on_both_databases!(
    invariant_7_what_a_person_unlocked_renamed_or_took_off_a_milestone_stays_so,
    |database: Database| async move {
        let story = Story::begin(database, TIDY).await;
        let alice = story.github.person("alice");
        let early = alice.opens_issue(WEB, NewItem::titled("It breaks"));
        story.settles().await;
        assert_eq!(story.github.issue(WEB, early).title(), "[triage] It breaks");
        let missing = "the repository has no milestone `2.0`: create it there, or name one that it has";
        assert_eq!(notes(&story, "held"), [missing]);

        story.github.add_milestone(WEB, "2.0");
        let number = alice.opens_issue(WEB, NewItem::titled("It burns"));
        story.settles().await;
        assert_eq!(story.github.issue(WEB, number).milestone(), Some("2.0"));
        alice.sets_milestone(WEB, number, None).retitles(WEB, number, "It burns").closes(WEB, number);
        story.settles().await;
        let issue = story.github.issue(WEB, number);
        assert!(issue.is_locked() && issue.lock_reason() == Some("resolved"));

        alice.unlocks(WEB, number).labels(WEB, number, "bug");
        story.settles().await;
        let issue = story.github.issue(WEB, number);
        assert_eq!((issue.is_locked(), issue.milestone(), issue.title()), (false, None, "It burns"));
        let mut held: Vec<String> = notes(&story, "held").into_iter().filter(|note| note != missing).collect();
        held.sort();
        assert_eq!(held.len(), 3, "{held:?}");
        assert!(held[0].starts_with("it was unlocked by alice on "), "{held:?}");
        assert!(held[1].starts_with("milestone `2.0` was taken off by alice on "), "{held:?}");
        assert!(held[2].starts_with("the title `[triage] It burns` was changed by alice on "), "{held:?}");
        assert!(story.github.duplicate_effects().is_empty());
    }
);
