//! Rules of a repository's own file, and the check run on the pull request that changes it.

use orchd_fake::{Fault, NewItem};
use serde_json::{Value, json};

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const PATH: &str = ".github/orchd.yml";

/// Below `github:`, then a section of its own.
const ON: &str = "repository_config: {enabled: true, allow: {actions: [label, comment], max_rules: 3}}";

const SERVER: &str = "  - {name: welcome, on: issues.opened, then: [{label: {add: [triage]}}]}";

const OWN: &str = "rules:\n- {name: welcome, on: issues.opened, then: [{label: {add: [from-the-file]}}]}\n";

/// As [`OWN`], with a mistake in line 2.
const BAD: &str = "rules:\n- {name: welcome, on: issues.opend, then: [{label: {add: [never]}}]}\n";

async fn begin(database: Database) -> Story {
    let mut story = Story::prepare(database, SERVER, ON).await;
    story.start();
    story
}

async fn labels_of_a_new_issue(story: &Story) -> Vec<String> {
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));
    story.settles().await;
    let mut labels = story.github.issue(WEB, number).labels();
    labels.sort();
    labels
}

fn asked_for_the_file(story: &Story) -> usize {
    story.github.requests().iter().filter(|request| request.path.contains("/contents/")).count()
}

on_both_databases!(rules_of_the_default_branch_are_added, |database: Database| async move {
    let story = begin(database).await;
    story.github.put_file(WEB, "main", PATH, OWN);
    assert_eq!(labels_of_a_new_issue(&story).await, ["from-the-file", "triage"]);
    assert_eq!(labels_of_a_new_issue(&story).await, ["from-the-file", "triage"]);
    assert_eq!(asked_for_the_file(&story), 1, "a decision costs no request");

    // Both rules are called `welcome`, and people can tell which is which.
    let why = String::from_utf8(story.cli(&["why", &format!("{WEB}#2")]).stdout).unwrap();
    assert!(why.contains("acme/web:welcome"), "{why}");
    let effects = story.json_lines(&["effects", "list", "--rule", "acme/web:welcome"]);
    assert_eq!(effects.len(), 2);
    let revision = effects[0]["config_revision"].as_str().unwrap();
    let (server, file) = revision.split_once('+').unwrap();
    assert_eq!((server.len(), file.len()), (16, 40), "the server's config and the file's version: {revision}");

    // The other repository has no such file.
    let other = story.github.person("alice").opens_issue("acme/api", NewItem::titled("It breaks"));
    story.settles().await;
    assert_eq!(story.github.issue("acme/api", other).labels(), ["triage"]);
});

on_both_databases!(a_push_that_touches_the_file_is_followed_at_once, |database: Database| async move {
    let story = begin(database).await;
    let alice = story.github.person("alice");
    assert_eq!(labels_of_a_new_issue(&story).await, ["triage"]);
    alice.commits(WEB, PATH, Some(OWN));
    assert_eq!(labels_of_a_new_issue(&story).await, ["from-the-file", "triage"]);
    alice.commits(WEB, "README.md", Some("# Web"));
    story.settles().await;
    assert_eq!(asked_for_the_file(&story), 2, "that push touched another file");

    // One that does not validate: the last good one keeps running, and the mistake shows with its place.
    alice.commits(WEB, PATH, Some(BAD));
    assert_eq!(labels_of_a_new_issue(&story).await, ["from-the-file", "triage"]);
    let status = String::from_utf8(story.cli(&["status"]).stdout).unwrap();
    assert!(status.contains("acme/web: .github/orchd.yml:2:23: the event `issues` has no action `opend`"), "{status}");
    alice.commits(WEB, PATH, None);
    assert_eq!(labels_of_a_new_issue(&story).await, ["triage"]);
    assert_eq!(story.json(&["status"])["repository_configs"], json!([]));
});

#[tokio::test]
async fn another_default_branch_has_another_file() {
    let story = begin(Database::Sqlite).await;
    story.github.put_file(WEB, "main", PATH, OWN);
    story.github.put_file(WEB, "trunk", PATH, &OWN.replace("from-the-file", "from-the-trunk"));
    assert_eq!(labels_of_a_new_issue(&story).await, ["from-the-file", "triage"]);
    story.github.person("alice").makes_default(WEB, "trunk");
    assert_eq!(labels_of_a_new_issue(&story).await, ["from-the-trunk", "triage"]);
}

#[tokio::test]
async fn modes_and_limits_of_the_file_hold() {
    let story = begin(Database::Sqlite).await;
    let text = "rules:
- {name: would, on: issues.opened, mode: shadow, then: [{label: {add: [bug]}}]}
- {name: once, on: issues.opened, limits: {actions_per_hour: 1}, then: [{label: {add: [question]}}]}
";
    for repository in [WEB, "acme/api"] {
        story.github.put_file(repository, "main", PATH, text);
    }
    assert_eq!(labels_of_a_new_issue(&story).await, ["question", "triage"]);
    assert_eq!(labels_of_a_new_issue(&story).await, ["triage"]);
    let held = story.json_lines(&["effects", "list", "--state", "held"]);
    assert!(held[0]["note"].as_str().unwrap().contains("actions_per_hour"), "{held:?}");
    // A limit is a repository's own, though the other one's rule has the same name.
    let other = story.github.person("alice").opens_issue("acme/api", NewItem::titled("It breaks"));
    story.settles().await;
    assert!(story.github.issue("acme/api", other).has_label("question"));
    assert_eq!(story.json_lines(&["effects", "list", "--state", "shadow"]).len(), 3);
}

#[tokio::test]
async fn events_meet_the_file_of_their_time() {
    let story = begin(Database::Sqlite).await;
    story.github.put_file(WEB, "main", PATH, OWN);
    let alice = story.github.person("alice");
    story.github.hold_deliveries();
    let number = alice.opens_issue(WEB, NewItem::titled("It breaks"));
    story.github.release_deliveries();
    story.settles().await;
    alice.commits(WEB, PATH, Some("rules: []"));
    assert_eq!(labels_of_a_new_issue(&story).await, ["triage"]);
    assert!(story.github.issue(WEB, number).has_label("from-the-file"));
}

/// Told of the suspension, or met with a refusal before the word of it comes.
#[tokio::test]
async fn a_file_that_could_not_be_read_during_a_suspension_counts_after_it() {
    for told_of in [true, false] {
        let story = begin(Database::Sqlite).await;
        story.github.put_file(WEB, "main", PATH, OWN);
        let listed = |story: &Story| story.json_lines(&["installations", "list"]);
        story.until("installations are listed", |story| !listed(story).is_empty()).await;
        let id = listed(&story)[0]["id"].as_i64().unwrap();
        story.github.hold_deliveries();
        let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));
        story.github.suspend(id, "alice");
        let told = story.github.take_deliveries();
        story.github.release_deliveries();
        for delivery in told.iter().rev().skip(usize::from(!told_of)) {
            assert_eq!(story.github.send(delivery).await, 202);
            story.settles().await;
        }
        assert_eq!(story.json(&["status"])["repository_configs"], json!([]));
        story.github.unsuspend(id, "alice");
        story.settles().await;
        let mut labels = story.github.issue(WEB, number).labels();
        labels.sort();
        assert_eq!(labels, ["from-the-file", "triage"], "{told_of}");
        assert!(story.github.duplicate_effects().is_empty());
    }
}

#[tokio::test]
async fn a_rule_that_is_gone_acts_no_more() {
    let mut story = begin(Database::Sqlite).await;
    story.github.put_file(WEB, "main", PATH, OWN);
    assert_eq!(labels_of_a_new_issue(&story).await, ["from-the-file", "triage"]);
    // Decided while the installation may not act, so that its effects wait.
    story.github.hold_deliveries();
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));
    let id = story.json_lines(&["installations", "list"])[0]["id"].as_i64().unwrap();
    story.github.suspend(id, "alice");
    let told = story.github.take_deliveries();
    story.github.release_deliveries();
    for delivery in told.iter().rev() {
        assert_eq!(story.github.send(delivery).await, 202);
        story.settles().await;
    }
    assert_eq!(story.json_lines(&["effects", "list", "--state", "held"]).len(), 2);
    story.replace_more("");
    story.write_rules(SERVER);
    story.until("the new config is in use", |story| story.log().contains("config reloaded")).await;
    story.github.unsuspend(id, "alice");
    story.settles().await;
    assert_eq!(story.github.issue(WEB, number).labels(), ["triage"]);
    let gated = story.json_lines(&["effects", "list", "--state", "gated"]);
    assert_eq!(gated[0]["note"], "the rule is off");
}

#[tokio::test]
async fn what_the_server_does_not_allow_is_no_rule() {
    let story = begin(Database::Sqlite).await;
    for (text, problem) in [
        ("rules:\n- {name: a, on: issues.opened, then: [{close: {}}]}\n", "the server allows no `close` here"),
        ("include: [/etc/passwd]\n", "unknown key `include`"),
        ("github: {webhook_secrets: [{env: PATH}]}\n", "unknown key `github`"),
        (
            "rules:\n- {name: a, repositories: acme/api, on: issues.opened, then: [{label: {add: [x]}}]}\n",
            "acme/web only",
        ),
        ("a: &a [x]\nb: [*a, *a]\n", "unknown key `a`"),
    ] {
        story.github.person("mallory").commits(WEB, PATH, Some(text));
        assert_eq!(labels_of_a_new_issue(&story).await, ["triage"], "{text}");
        let problems = story.json(&["status"])["repository_configs"].to_string();
        assert!(problems.contains(problem), "{text}: {problems}");
    }
    // The server allows less from now on: rules that were good are so no longer.
    story.github.person("alice").commits(WEB, PATH, Some(OWN));
    assert_eq!(labels_of_a_new_issue(&story).await, ["from-the-file", "triage"]);
    let mut story = story;
    story.replace_more(&ON.replace("[label, comment]", "[comment]"));
    story.write_rules(SERVER);
    story.until("the new config is in use", |story| story.log().contains("config reloaded")).await;
    assert_eq!(labels_of_a_new_issue(&story).await, ["triage"]);
    assert!(story.json(&["status"])["repository_configs"].to_string().contains("allows no `label`"));
}

#[tokio::test]
async fn without_its_file_an_event_waits_and_a_refusal_shows() {
    let story = begin(Database::Sqlite).await;
    story.github.put_file(WEB, "main", PATH, OWN);
    story.github.fault(Fault::on("GET", "/repos/acme/web/contents").times(5).status(502));
    assert_eq!(labels_of_a_new_issue(&story).await, ["from-the-file", "triage"], "tried again until GitHub answers");

    story.github.fault(Fault::on("GET", "/repos/acme/web/contents").times(1).status(403));
    story.github.person("alice").commits(WEB, PATH, Some(""));
    assert_eq!(labels_of_a_new_issue(&story).await, ["from-the-file", "triage"]);
    assert!(story.json(&["status"])["repository_configs"].to_string().contains("GitHub refused"));
}

#[tokio::test]
async fn off_by_default_and_gone_when_turned_off() {
    let mut story = Story::prepare(Database::Sqlite, SERVER, "").await;
    story.start();
    story.github.put_file(WEB, "main", PATH, OWN);
    assert_eq!(labels_of_a_new_issue(&story).await, ["triage"]);
    let pull = NewItem::titled("Rules").writes(PATH, BAD);
    story.github.person("alice").opens_pull(WEB, pull);
    story.settles().await;
    assert_eq!(asked_for_the_file(&story), 0);
    assert!(story.github.made_checks(WEB).is_empty());
}

on_both_databases!(a_pull_request_that_changes_the_file_is_checked, |database: Database| async move {
    let story = begin(database).await;
    story.github.hold_deliveries();
    let alice = story.github.person("alice");
    let number = alice.opens_pull(WEB, NewItem::titled("Rules").writes(PATH, BAD).file("src/main.rs"));
    let opened = story.github.take_deliveries();
    story.github.release_deliveries();
    assert_eq!(story.github.send(&opened[0]).await, 202);
    story.settles().await;
    let checks = story.github.made_checks(WEB);
    assert_eq!(checks.len(), 1);
    assert_eq!((checks[0].name.as_str(), checks[0].conclusion.as_deref()), ("orchd config", Some("failure")));
    assert_eq!(Some(checks[0].sha.clone()), story.github.issue(WEB, number).head_sha());
    let annotation = &checks[0].output["annotations"][0];
    assert_eq!(
        (&annotation["path"], &annotation["start_line"], &annotation["start_column"]),
        (&json!(PATH), &json!(2), &json!(23))
    );
    assert!(annotation["message"].as_str().unwrap().contains("has no action `opend`"), "{annotation}");

    // The head's version is only looked at: the pull request's rules do nothing before they are merged.
    let good = OWN.replace("from-the-file", "not-yet");
    let head = alice.pushes_file(WEB, number, PATH, &good);
    story.settles().await;
    let checks = story.github.made_checks(WEB);
    assert_eq!((checks.len(), checks[1].conclusion.as_deref(), &checks[1].sha), (2, Some("success"), &head));
    assert_eq!(labels_of_a_new_issue(&story).await, ["triage"]);

    // The same head again, told anew and replayed: no second check run.
    alice.closes(WEB, number);
    alice.reopens(WEB, number);
    story.settles().await;
    for event in story.json_lines(&["events", "list", "--type", "pull_request"]) {
        assert!(story.cli(&["events", "replay", event["id"].as_str().unwrap()]).status.success());
    }
    story.settles().await;
    assert_eq!(story.github.made_checks(WEB).len(), 2);

    // A pull request that leaves the file alone gets none; why says so.
    let other = alice.opens_pull(WEB, NewItem::titled("Other").file("src/main.rs"));
    story.settles().await;
    assert_eq!(story.github.made_checks(WEB).len(), 2);
    let why = String::from_utf8(story.cli(&["why", &format!("{WEB}#{other}")]).stdout).unwrap();
    assert!(why.contains("orchd:check-config"), "{why}");
});

on_both_databases!(the_check_run_is_made_once_though_its_answer_is_lost, |database: Database| async move {
    let mut story = begin(database).await;
    story.github.fault(Fault::on("POST", "/repos/acme/web/check-runs").after_doing().closes());
    story.github.person("alice").opens_pull(WEB, NewItem::titled("Rules").writes(PATH, OWN));
    story.github.until("the check run is there", |github| !github.made_checks(WEB).is_empty()).await;
    // Killed at that: it is looked for before anything is written again.
    story.kill();
    story.start();
    story
        .until("the effect has its receipt", |story| {
            let effects = story.json_lines(&["effects", "list"]);
            effects.iter().any(|effect| effect["state"] == "applied")
        })
        .await;
    assert_eq!(story.github.made_checks(WEB).len(), 1);
});

#[tokio::test]
async fn a_dry_run_makes_no_check_run_and_says_why() {
    let more = format!("  dry_run: true\n{ON}");
    let mut story = Story::prepare(Database::Sqlite, SERVER, &more).await;
    story.start();
    story.github.person("alice").opens_pull(WEB, NewItem::titled("Rules").writes(PATH, OWN));
    story.settles().await;
    assert!(story.github.made_checks(WEB).is_empty() && story.github.writes().is_empty());
    let effects = story.json_lines(&["effects", "list"]);
    assert_eq!(effects[0]["state"], "gated");
    assert_eq!(effects[0]["intent"]["action"], "check_config");
}

#[tokio::test]
async fn what_the_app_lacks_for_it_is_told() {
    let story = begin(Database::Sqlite).await;
    story.until("installations are listed", |story| !story.json_lines(&["installations", "list"]).is_empty()).await;
    let id = story.json_lines(&["installations", "list"])[0]["id"].as_i64().unwrap();
    story.github.grant(id, "alice", &json!({"issues": "write", "metadata": "read", "checks": "read"}));
    story.settles().await;
    let shown = story.json(&["installations", "show", &id.to_string()]);
    let missing: Vec<(&Value, &Value)> =
        shown["missing"].as_array().unwrap().iter().map(|each| (&each["permission"], &each["level"])).collect();
    let text = String::from_utf8(story.cli(&["installations", "show", &id.to_string()]).stdout).unwrap();
    assert!(text.contains("contents: read, for the rules orchd:check-config"), "{text}");
    assert_eq!(missing, [(&json!("checks"), &json!("write")), (&json!("contents"), &json!("read"))]);
}
