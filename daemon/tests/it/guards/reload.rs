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

/// Ends the daemon, as it likes or by force, and waits until the next one says what it holds.
fn starts_again(story: &mut Story, clean: bool) {
    if clean {
        assert_eq!(story.stop(), Some(0));
    } else {
        story.kill();
    }
    story.start();
    story.wait_for("it is held again", |story| held(story).is_some());
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
        starts_again(&mut story, clean);
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

on_both_databases!(a_person_puts_an_earlier_config_back, |database: Database| async move {
    let mut story = Story::prepare(database, QUIET, "").await;
    story.start();
    let first = running(&story);
    story.write_rules(BROAD);
    story.wait_for("the broad rule runs", |story| running(story) != first);
    let second = running(&story);
    story.github.person("alice").opens_issue(WEB, NewItem::titled("A wish"));
    story.settles().await;
    assert!(story.github.issue(WEB, 1).has_label("bug"));

    // What ran is listed, with what each changed.
    let history = story.json_lines(&["config", "history"]);
    let told: Vec<_> = history.iter().map(|row| (row["revision"].as_str().unwrap(), row["state"].as_str())).collect();
    assert_eq!(told, [(second.as_str(), Some("running")), (first.as_str(), None)]);
    assert_eq!(history[0]["changes"], serde_json::json!([{"rule": "bugs", "change": "changed", "keys": ["if"]}]));
    let table = String::from_utf8(story.cli(&["config", "history"]).stdout).unwrap();
    assert!(table.contains("~bugs\trunning") && table.contains("+bugs\t-"), "{table}");

    // The quiet rules act again, and the files are held.
    assert_eq!(story.cli(&["config", "rollback", "ffff"]).status.code(), Some(4));
    assert_eq!(story.cli(&["config", "rollback", &second]).status.code(), Some(1), "it is in use");
    let back = story.cli(&["config", "rollback", &first[..6]]);
    assert!(back.status.success(), "{}", String::from_utf8_lossy(&back.stderr));
    assert_eq!((running(&story), held(&story)), (first.clone(), Some(second.clone())));
    story.github.person("alice").opens_issue(WEB, NewItem::titled("Another wish"));
    story.settles().await;
    assert!(!story.github.issue(WEB, 2).has_label("bug"));
    let status = String::from_utf8(story.cli(&["status"]).stdout).unwrap();
    assert!(status.contains(&format!("was rolled back to {first}")), "{status}");
    let row = &story.json_lines(&["audit", "export", "--kind", "config_rolled_back"])[0];
    assert_eq!((&row["actor"], &row["config_revision"]), (&"operator".into(), &second.as_str().into()));

    // So it stays: over a reload of the same files, a restart and a crash.
    story.signal("HUP");
    for clean in [true, false] {
        starts_again(&mut story, clean);
        assert_eq!((running(&story), held(&story)), (first.clone(), Some(second.clone())));
    }

    // Until the files change, or a person takes them up again.
    assert!(story.cli(&["config", "confirm", &second]).status.success());
    assert_eq!((running(&story), held(&story)), (second.clone(), None));
    assert!(story.cli(&["config", "rollback", &first]).status.success());
    story.write_rules(MODEST);
    story.wait_for("the mended files run", |story| held(story).is_none());
    assert!(![first, second].contains(&running(&story)));
});

#[tokio::test]
async fn a_diff_says_what_changes_and_what_that_would_have_touched() {
    let story = five_issues(Database::Sqlite).await;
    let candidate = story.path("candidate.yaml");
    let text = std::fs::read_to_string(story.config()).unwrap();
    let changed = text.replace("    if: {title: \"(?i)crash\"}\n", "")
        + "  - {name: more, on: push, then: [status: {context: x, state: success}]}\n";
    std::fs::write(&candidate, changed.replace("hold_reload_over: 3", "hold_reload_over: 4")).unwrap();
    let file = candidate.to_str().unwrap();
    let told = story.cli(&["config", "diff", file, "--items", "2"]);
    let told = String::from_utf8(told.stdout).unwrap();
    let expected = "~ rule bugs: if\n+ rule more\n~ guards.hold_reload_over: 3 → 4\n\nOn 5 items something would have been different since ";
    assert!(told.starts_with(expected), "{told}");
    assert!(told.contains("\nbugs\n  + acme/web#1  label {add: [bug]}\n") && told.contains("… and 3 more"), "{told}");
    let lines = story.json_lines(&["config", "diff", file]);
    assert_eq!(lines[0]["rules"][1], serde_json::json!({"rule": "more", "change": "added"}));
    assert_eq!((lines.len(), lines[6]["summary"]["rules"]["bugs"]["added"].as_u64()), (7, Some(5)));
    let same = story.cli(&["config", "diff", story.config().to_str().unwrap()]);
    assert_eq!(String::from_utf8_lossy(&same.stdout), "It is what runs.\n");
}

/// What did harm does not come back unasked: neither over a file that is broken at that time, nor by another's rotated
/// secret.
#[tokio::test]
async fn what_was_rolled_back_while_the_files_were_broken_is_held_when_they_are_mended() {
    let mut story = Story::prepare(Database::Sqlite, QUIET, "").await;
    story.start();
    let first = running(&story);
    story.write_rules(BROAD);
    story.wait_for("the broad rule runs", |story| running(story) != first);
    let harmful = running(&story);
    story.write_rules("  - {name: oops, on: issues.opend, then: [reopen: ]}\n");
    story.wait_for("the broken file is refused", |story| config(story)["error"].is_string());
    assert!(story.cli(&["config", "rollback", &first]).status.success());
    assert_eq!((running(&story), held(&story)), (first.clone(), None));
    story.write_rules(BROAD);
    story.wait_for("what did harm is held", |story| held(story).as_ref() == Some(&harmful));
    assert_eq!(running(&story), first);

    // A rotated secret of what runs is taken up, whatever is held.
    story.write_rules(QUIET);
    story.wait_for("nothing waits", |story| held(story).is_none());
    std::fs::write(story.path("webhook-secret"), "another").unwrap();
    story.github.set_webhook(&format!("{}/webhooks/github", story.url()), "another");
    story.until("the new secret is known", |story| story.log().matches("config reloaded").count() >= 3).await;
    story.github.person("alice").opens_issue(WEB, NewItem::titled("It crashes"));
    story.settles().await;
    assert!(story.github.issue(WEB, 1).has_label("bug"));
}

/// A preview of the end of a dry run tells what all rules would have written.
#[tokio::test]
async fn a_diff_that_lets_a_dry_run_loose_tells_of_all_rules() {
    let story = Story::prepare(Database::Sqlite, BROAD, "  dry_run: true\n").await;
    let mut story = story;
    story.start();
    story.github.person("alice").opens_issue(WEB, NewItem::titled("A wish"));
    story.settles().await;
    assert!(!story.github.issue(WEB, 1).has_label("bug"));
    let candidate = story.path("candidate.yaml");
    let text = std::fs::read_to_string(story.config()).unwrap();
    std::fs::write(&candidate, text.replace("dry_run: true", "dry_run: false")).unwrap();
    let told = story.cli(&["config", "diff", candidate.to_str().unwrap()]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.starts_with("~ github.dry_run: true → false\n"), "{told}");
    assert!(told.contains("bugs\n  + acme/web#1  label {add: [bug]}\n"), "{told}");
}
