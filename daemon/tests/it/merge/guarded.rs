//! Guards stop merges as they stop all else.

use super::RULE;
use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

on_both_databases!(merges_that_wait_take_no_room_and_those_that_merge_do, |database: Database| async move {
    let rules = format!("{RULE}    limits: {{actions_per_hour: 1}}\n").replace(" update: true,", "");
    let story = Story::begin(database, &rules).await;
    let (waits, merges) = (story.pull("One"), story.ready_pull("Two"));
    story.asks_to_merge(waits);
    story.settles().await;
    story.waits_for(waits, "0 of 1 approvals");
    story.asks_to_merge(merges);
    story.settles().await;
    assert!(story.is_merged(merges), "{:?}", story.merges_of(merges));

    story.builds(waits, Some("success"));
    story.github.person("bob").approves(WEB, waits);
    story.settles().await;
    story.is_held_for(waits, "`limits.actions_per_hour` of 1 is used up");
    assert_eq!(story.merged(), [merges]);
    story.nothing_went_wrong();
});

on_both_databases!(a_sticky_pull_request_is_not_merged_and_is_in_nobodys_way, |database: Database| async move {
    let story = Story::begin(database, RULE).await;
    let (sticky, other) = (story.pull("One"), story.ready_pull("Two"));
    story.builds(sticky, Some("success"));
    story.asks_to_merge(sticky);
    story.settles().await;
    story.waits_for(sticky, "0 of 1 approvals");
    story.github.person("alice").labels(WEB, sticky, "orchd:sticky");
    story.github.person("bob").approves(WEB, sticky);
    story.asks_to_merge(other);
    story.settles().await;
    story.is_held_for(sticky, "it has the label `orchd:sticky`");
    assert_eq!(story.merged(), [other]);
    story.nothing_went_wrong();
});

on_both_databases!(what_a_merge_sets_off_is_known_to_come_of_it, |database: Database| async move {
    let rules = format!(
        "{RULE}
  - name: thank
    on: pull_request.closed
    then:
      - comment: {{body: Thank you.}}
"
    );
    let mut story = Story::prepare(database, &rules, "guards: {max_depth: 1}\n").await;
    story.start();
    let number = story.ready_pull("One");
    story.asks_to_merge(number);
    story.settles().await;
    assert!(story.is_merged(number));
    let held = story.json_lines(&["effects", "list", "--state", "held"]);
    assert_eq!(held.len(), 1);
    let note = held[0]["note"].as_str().unwrap();
    assert!(note.contains("1 effects in a row (`merge-it` → `thank`)"), "{note}");
    assert!(story.github.issue(WEB, number).comments().is_empty());
});
