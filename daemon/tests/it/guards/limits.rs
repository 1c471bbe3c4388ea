//! How much rules may do: in an hour, to how many items, all together.

use orchd_fake::NewItem;

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const TWO_RULES: &str = "
  - name: mark
    on: [issues.opened, issues.edited]
    then:
      - label: {add: [seen]}
      - comment: {body: Seen.}
    limits: {items_per_run: 2}
  - name: elsewhere
    on: issues.edited
    then:
      - label: {add: [edited]}
";

on_both_databases!(a_rule_acts_on_so_many_items_in_a_run_and_no_more, |database: Database| async move {
    let story = Story::begin(database, TWO_RULES).await;
    let alice = story.github.person("alice");
    for n in 0..3 {
        alice.opens_issue(WEB, NewItem::titled(&format!("Number {n}")));
    }
    story.settles().await;
    let seen = |story: &Story| [1, 2, 3].map(|number| story.github.issue(WEB, number).has_label("seen"));
    assert_eq!(seen(&story), [true, true, false]);
    assert_eq!(story.github.issue(WEB, 2).comments().len(), 1, "all of it on an item that counts already");
    let held = story.json_lines(&["effects", "list", "--state", "held"]);
    assert_eq!(held.len(), 2);
    let note = held[0]["note"].as_str().unwrap();
    assert_eq!(note, "the rule's `limits.items_per_run` of 2 is used up (2 items in the last hour)");

    alice.retitles(WEB, 1, "Again").retitles(WEB, 3, "Again");
    story.settles().await;
    assert_eq!(seen(&story), [true, true, false]);
    assert!(story.github.issue(WEB, 3).has_label("edited"), "other rules have limits of their own");
});

on_both_databases!(all_rules_together_stop_at_the_global_limit_exactly, |database: Database| async move {
    let mut story = Story::prepare(database, TWO_RULES, "guards: {actions_per_hour: 3}\n").await;
    let rules = TWO_RULES.replace("    limits: {items_per_run: 2}\n", "");
    story.write_rules(&rules);
    story.start();
    // Two lanes at once, and with PostgreSQL two daemons.
    let _second = (database == Database::Postgres).then(|| story.second_daemon());
    for n in 0..4 {
        for repository in [WEB, "acme/api"] {
            story.github.person("alice").opens_issue(repository, NewItem::titled(&format!("Number {n}")));
        }
    }
    story.settles().await;
    assert_eq!(story.github.writes().len(), 3);
    let held = story.json_lines(&["effects", "list", "--state", "held"]);
    assert_eq!(held.len(), 13);
    let note = held[0]["note"].as_str().unwrap();
    assert_eq!(note, "`guards.actions_per_hour` of 3 is used up (3 of all rules in the last hour)");

    // What was held is done when there is room and it is decided again.
    story.replace_more("guards: {actions_per_hour: 100}\n");
    let before = story.json(&["status"])["config"]["revision"].clone();
    story.write_rules(&rules);
    story.wait_for("there is room", |story| story.json(&["status"])["config"]["revision"] != before);
    drop(_second);
    let event = held[0]["intent"]["event"].as_str().unwrap();
    assert!(story.cli(&["events", "replay", event]).status.success());
    story.settles().await;
    assert!(story.json_lines(&["effects", "list", "--event", event]).iter().all(|each| each["state"] == "applied"));
    assert!(story.github.duplicate_effects().is_empty());
});
