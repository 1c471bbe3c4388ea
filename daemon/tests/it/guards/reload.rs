//! A changed config whose rules would touch much waits for a person.

use orchd_fake::NewItem;
use serde_json::Value;

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const QUIET: &str = "
  - name: bugs
    on: issues.opened
    if: {title: \"(?i)crash\"}
    then:
      - label: {add: [bug]}
";

/// What somebody meant to be about crashes, and is about everything.
const BROAD: &str = "
  - name: bugs
    on: issues.opened
    then:
      - label: {add: [bug]}
";

/// Touches a file list that no payload holds: it is taken to act.
const MODEST: &str = "
  - name: bugs
    on: issues.opened
    if: {title: \"(?i)crash|panic\"}
    then:
      - label: {add: [bug]}
  - name: docs
    on: pull_request.opened
    if: {files: \"docs/**\"}
    then:
      - label: {add: [documentation]}
";

fn config(story: &Story) -> Value {
    story.json(&["status"])["config"].clone()
}

fn held(story: &Story) -> Option<String> {
    config(story)["held"]["revision"].as_str().map(str::to_owned)
}

fn running(story: &Story) -> String {
    config(story)["revision"].as_str().unwrap().to_owned()
}

/// A daemon with the quiet rules that has seen five issues.
async fn five_issues(database: Database) -> Story {
    let mut story = Story::prepare(database, QUIET, "guards: {hold_reload_over: 3}\n").await;
    story.start();
    for n in 0..5 {
        story.github.person("alice").opens_issue(WEB, NewItem::titled(&format!("Number {n}")));
    }
    story.settles().await;
    assert!(story.github.writes().is_empty());
    story
}

/// Plays the opening of the first issue again and tells whether the broad rule labelled it.
async fn labels_everything(story: &Story) -> bool {
    let opened = &story.json_lines(&["events", "list", "--number", "1", "--action", "opened"])[0]["id"];
    assert!(story.cli(&["events", "replay", opened.as_str().unwrap()]).status.success());
    story.settles().await;
    story.github.issue(WEB, 1).has_label("bug")
}

on_both_databases!(a_reload_that_would_touch_much_waits_until_a_person_confirms_it, |database: Database| async move {
    let mut story = five_issues(database).await;
    let first = running(&story);
    story.write_rules(BROAD);
    story.wait_for("the reload is held", |story| held(story).is_some());
    assert_eq!(running(&story), first, "the old one keeps running");
    assert!(!labels_everything(&story).await);

    // Health, metrics, status and the log say so, with the rule and how much it would touch.
    let (_, health) = story.get("/health").await;
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!((health["status"].as_str(), health["config"]["held"]["items"].as_u64()), (Some("degraded"), Some(5)));
    assert_eq!(health["config"]["held"]["rules"], serde_json::json!([]), "the world is told less");
    story.until_metric("orchd_config_held ", |held| held > 0.5).await;
    let status = String::from_utf8(story.cli(&["status"]).stdout).unwrap();
    assert!(status.contains("bugs on 5") && status.contains("orchd config confirm"), "{status}");
    assert!(story.log().contains("the changed config is held"), "{}", story.log());

    // Only what is held can be confirmed.
    assert_eq!(story.cli(&["config", "confirm", "0123456789abcdef"]).status.code(), Some(4));
    let waiting = held(&story).unwrap();
    assert!(story.cli(&["config", "confirm", &waiting]).status.success());
    assert_eq!((running(&story), held(&story)), (waiting.clone(), None));
    for (kind, actor) in [("config_held", "orchd"), ("config_confirmed", "operator")] {
        let told = story.json_lines(&["audit", "export", "--kind", kind]);
        let row = (told.len(), &told[0]["actor"], &told[0]["config_revision"]);
        assert_eq!(row, (1, &actor.into(), &waiting.as_str().into()), "{told:#?}");
    }
    assert!(labels_everything(&story).await);
    story.until_metric("orchd_config_held ", |held| held < 0.5).await;

    // What was let in once is not asked about again.
    story.write_rules(QUIET);
    story.wait_for("the quiet rules are back", |story| running(story) == first);
    story.write_rules(BROAD);
    story.wait_for("the broad rule is back", |story| running(story) == waiting);
});

on_both_databases!(what_is_held_stays_held_over_a_restart, |database: Database| async move {
    let mut story = five_issues(database).await;
    let first = running(&story);
    story.write_rules(BROAD);
    story.wait_for("the reload is held", |story| held(story).is_some());
    let waiting = held(&story).unwrap();
    for clean in [true, false] {
        if clean {
            assert_eq!(story.stop(), Some(0));
        } else {
            story.kill();
        }
        story.start();
        story.wait_for("it is held again", |story| held(story).is_some());
        assert_eq!((running(&story), held(&story)), (first.clone(), Some(waiting.clone())));
        assert!(!labels_everything(&story).await, "the rules that ran before the restart run");
    }
    assert!(story.cli(&["config", "confirm", &waiting]).status.success());
    assert_eq!(story.stop(), Some(0));
    story.start();
    assert_eq!(running(&story), waiting);
    assert!(labels_everything(&story).await);
});

#[tokio::test]
async fn a_config_that_was_changed_while_the_daemon_was_down_is_held_too() {
    let mut story = five_issues(Database::Sqlite).await;
    let first = running(&story);
    assert_eq!(story.stop(), Some(0));
    story.write_rules(BROAD);
    story.start();
    story.wait_for("it is held", |story| held(story).is_some());
    assert_eq!(running(&story), first);
    assert!(!labels_everything(&story).await);
}

#[tokio::test]
async fn a_later_harmless_edit_takes_the_place_of_what_is_held() {
    let mut story = five_issues(Database::Sqlite).await;
    let first = running(&story);
    story.write_rules(BROAD);
    story.wait_for("the reload is held", |story| held(story).is_some());
    story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    story.settles().await;
    story.write_rules(MODEST);
    story.wait_for("the modest rules run", |story| running(story) != first);
    assert_eq!(held(&story), None);
    assert!(!labels_everything(&story).await);

    // A config that may not write touches nothing; let loose, all its rules count.
    story.replace_more("  dry_run: true\nguards: {hold_reload_over: 3}\n");
    story.write_rules(BROAD);
    story.wait_for("the dry run runs", |story| story.json(&["status"])["dry_run"] == true);
    story.replace_more("guards: {hold_reload_over: 3}\n");
    story.write_rules(BROAD);
    story.wait_for("the end of the dry run is held", |story| held(story).is_some());
    assert!(!labels_everything(&story).await);
}
