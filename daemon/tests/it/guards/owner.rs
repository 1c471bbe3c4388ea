//! Whose something is: a person's word counts, also when orchd had not heard of it yet.

use std::time::Duration;

use orchd_fake::{Delivery, Fault, NewItem};

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const RULES: &str = "
  - name: mark
    on: issues.edited
    then:
      - label: {add: [bug], remove: [stale]}
      - assign: {add: [bob]}
      - close: {}
";

fn timelines(story: &Story) -> usize {
    story.github.requests().iter().filter(|request| request.path.contains("/timeline")).count()
}

fn notes(story: &Story) -> Vec<String> {
    let effects = story.json_lines(&["effects", "list"]);
    effects.iter().filter_map(|effect| effect["note"].as_str().map(str::to_owned)).collect()
}

on_both_databases!(what_people_did_before_orchd_heard_of_an_item_is_learnt_once, |database: Database| async move {
    let mut story = Story::prepare(database, RULES, "").await;
    // All of this happens while no daemon listens, and nothing of it is ever delivered.
    story.github.hold_deliveries();
    let (alice, bot) = (story.github.person("alice"), story.github.person("tidy[bot]"));
    let number = alice.opens_issue(WEB, NewItem::titled("Old"));
    alice.labels(WEB, number, "bug").unlabels(WEB, number, "bug").labels(WEB, number, "stale");
    alice.assigns(WEB, number, "bob").unassigns(WEB, number, "bob");
    alice.closes(WEB, number).reopens(WEB, number);
    let other = alice.opens_issue(WEB, NewItem::titled("Old too"));
    bot.labels(WEB, other, "bug").unlabels(WEB, other, "bug").labels(WEB, other, "stale");
    story.github.take_deliveries();
    story.github.release_deliveries();
    story.start();

    alice.retitles(WEB, number, "Old, and touched").retitles(WEB, other, "Old too, and touched");
    story.settles().await;
    let issue = story.github.issue(WEB, number);
    assert_eq!((issue.labels(), issue.assignees(), issue.is_open()), (vec!["stale".to_owned()], vec![], true));
    let notes = notes(&story);
    for held in ["label `bug` was removed by alice", "`bob` was unassigned by alice", "it was reopened by alice"] {
        assert!(notes.iter().any(|note| note.contains(held)), "{held}: {notes:#?}");
    }
    let issue = story.github.issue(WEB, other);
    assert_eq!((issue.labels(), issue.assignees()), (vec!["bug".to_owned()], vec!["bob".to_owned()]));
    assert_eq!(timelines(&story), 2, "once an item");

    // Neither again, nor for an item whose beginning was heard of.
    let young = alice.opens_issue(WEB, NewItem::titled("New"));
    alice.retitles(WEB, number, "Touched again").retitles(WEB, young, "New, and touched");
    story.settles().await;
    assert!(story.github.issue(WEB, young).has_label("bug") && !story.github.issue(WEB, number).has_label("bug"));
    assert_eq!(timelines(&story), 2);
});

const STICKY: &str = "
  - name: mark
    on: [issues.edited, issue_comment.created]
    then:
      - comment: {body: Marked.}
      - label: {add: [bug]}
      - assign: {add: [bob]}
  - name: hands-off
    on: issue_comment.created
    if: {comment: \"^/hands-off\"}
    then:
      - label: {add: [\"orchd:sticky\"]}
  - name: hands-on
    on: issue_comment.created
    if: {comment: \"^/hands-on\"}
    then:
      - label: {remove: [\"orchd:sticky\"]}
";

#[tokio::test]
async fn a_sticky_item_is_left_alone_by_all_rules_and_says_so() {
    let story = Story::begin(Database::Sqlite, STICKY).await;
    let alice = story.github.person("alice");
    let number = alice.opens_issue(WEB, NewItem::titled("Mine"));
    alice.labels(WEB, number, "Orchd:Sticky").retitles(WEB, number, "All mine");
    story.settles().await;
    assert!(story.github.writes().is_empty());
    let why = String::from_utf8(story.cli(&["why", &format!("{WEB}#{number}")]).stdout).unwrap();
    let told = "held (it has the label `Orchd:Sticky`, so rules leave it alone";
    assert_eq!(why.matches(told).count(), 3, "{why}");

    // A person takes it off: rules act again.
    alice.unlabels(WEB, number, "orchd:sticky").retitles(WEB, number, "Not mine");
    story.settles().await;
    assert!(story.github.issue(WEB, number).has_label("bug"));

    // A command may put it there and take it off.
    let other = alice.opens_issue(WEB, NewItem::titled("Other"));
    alice.comments(WEB, other, "/hands-off please");
    story.settles().await;
    assert!(story.github.issue(WEB, other).has_label("orchd:sticky"));
    alice.comments(WEB, other, "/hands-on again");
    story.settles().await;
    assert!(!story.github.issue(WEB, other).has_label("orchd:sticky"));
}

/// Sends of the held deliveries those of one action, and keeps the others.
async fn send(story: &Story, held: &[Delivery], action: &str) {
    for delivery in held.iter().filter(|delivery| delivery.json()["action"] == action) {
        assert_eq!(story.github.send(delivery).await, 202);
    }
    story.settles().await;
}

on_both_databases!(
    what_a_person_did_before_our_write_and_we_heard_after_it_is_put_back,
    |database: Database| async move {
        let story = Story::begin(database, RULES).await;
        let alice = story.github.person("alice");
        let number = alice.opens_issue(WEB, NewItem::titled("It breaks"));
        story.github.person("tidy[bot]").labels(WEB, number, "stale");
        alice.retitles(WEB, number, "It breaks badly");
        story.settles().await;
        let as_ruled = |story: &Story| {
            let issue = story.github.issue(WEB, number);
            (issue.labels(), issue.assignees(), issue.is_open())
        };
        assert_eq!(as_ruled(&story), (vec!["bug".to_owned()], vec!["bob".to_owned()], false));

        // Alice takes all of it back, and edits the title. That edit is what arrives first.
        story.github.hold_deliveries();
        alice.unlabels(WEB, number, "bug").labels(WEB, number, "stale").unassigns(WEB, number, "bob");
        alice.reopens(WEB, number).retitles(WEB, number, "It does not break");
        let held = story.github.take_deliveries();
        story.github.release_deliveries();
        send(&story, &held, "edited").await;
        assert_eq!(as_ruled(&story), (vec!["bug".to_owned()], vec!["bob".to_owned()], false), "orchd could not know");

        for action in ["reopened", "unassigned", "unlabeled", "labeled"] {
            send(&story, &held, action).await;
        }
        assert_eq!(as_ruled(&story), (vec!["stale".to_owned()], vec![], true), "alice wins");
        let why = String::from_utf8(story.cli(&["why", &format!("{WEB}#{number}")]).stdout).unwrap();
        assert!(why.contains("rule orchd:person-wins: matched") && why.contains("rule mark overwrote it"), "{why}");

        // And stays the winner: no rule takes it up again, and hearing of it twice changes nothing.
        let seen = story.github.effects().len();
        for delivery in &held {
            assert_eq!(story.github.send(delivery).await, 202);
        }
        alice.retitles(WEB, number, "Once more");
        story.settles().await;
        assert_eq!(as_ruled(&story), (vec!["stale".to_owned()], vec![], true));
        assert!(story.github.effects_since(seen).iter().all(|effect| !effect.by_app || !effect.changed));
    }
);

on_both_databases!(what_a_person_does_while_our_write_is_under_way_is_put_back, |database: Database| async move {
    let story = Story::begin(database, RULES).await;
    let alice = story.github.person("alice");
    let number = alice.opens_issue(WEB, NewItem::titled("It breaks"));
    story.settles().await;
    let labels = format!("/repos/{WEB}/issues/{number}/labels");
    story.github.fault(Fault::on("POST", &labels).slow(Duration::from_millis(600)));
    alice.retitles(WEB, number, "It breaks badly");
    let sent = |github: &orchd_fake::GitHub| github.writes().iter().any(|write| write.path.starts_with(&labels));
    story.github.until("our write is under way", sent).await;
    // We read that there was no such label. There is one for a moment, and Alice wants none.
    alice.labels(WEB, number, "bug").unlabels(WEB, number, "bug");
    story.settles().await;
    assert!(!story.github.issue(WEB, number).has_label("bug"));
    let won = story.json_lines(&["effects", "list", "--rule", "orchd:person-wins"]);
    assert_eq!((won.len(), won[0]["state"].as_str()), (1, Some("applied")), "{won:#?}");
});

const TITLE: &str = "
  - name: mark
    on: issues.labeled
    then: [title: {prefix: \"[blocked] \"}]
";

on_both_databases!(a_title_that_a_person_gives_while_ours_is_under_way_stands, |database: Database| async move {
    let story = Story::begin(database, TITLE).await;
    let alice = story.github.person("alice");
    let number = alice.opens_issue(WEB, NewItem::titled("It breaks"));
    let item = format!("/repos/{WEB}/issues/{number}");
    story.github.fault(Fault::on("PATCH", &item).slow(Duration::from_millis(600)));
    alice.labels(WEB, number, "blocked");
    let sent = |github: &orchd_fake::GitHub| github.writes().iter().any(|write| write.path == item);
    story.github.until("our write is under way", sent).await;
    alice.retitles(WEB, number, "It breaks on Mondays");
    story.settles().await;
    assert_eq!(story.github.issue(WEB, number).title(), "It breaks on Mondays");
    let why = String::from_utf8(story.cli(&["why", &format!("{WEB}#{number}")]).stdout).unwrap();
    assert!(why.contains("rule orchd:person-wins: matched") && why.contains("rule mark overwrote it"), "{why}");

    // The next event's prefix goes before the title that is there.
    alice.labels(WEB, number, "urgent");
    story.settles().await;
    assert_eq!(story.github.issue(WEB, number).title(), "[blocked] It breaks on Mondays");
    alice.retitles(WEB, number, "It breaks on Tuesdays").labels(WEB, number, "more");
    story.settles().await;
    assert_eq!(story.github.issue(WEB, number).title(), "It breaks on Tuesdays", "alice took the prefix off");
});
