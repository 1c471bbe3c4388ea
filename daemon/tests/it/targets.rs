//! Rules that act on a commit or on the repository as such, also where the event is about no issue or pull request.

use orchd_fake::{Fault, GitHub, NewItem};
use serde_json::{Value, json};

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const NIGHTLY: &str = "
  - name: nightly
    on: workflow_run.completed
    if: {expr: \"workflow_run.conclusion == 'failure'\"}
    then:
      - create_issue: {title: The nightly build fails, body: \"The log tells more.\", labels: [bug]}
";

fn text(story: &Story, args: &[&str]) -> String {
    let out = story.cli(args);
    assert!(out.status.success(), "orchd {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn states(story: &Story) -> Vec<String> {
    let effects = story.json_lines(&["effects", "list"]);
    effects.iter().rev().map(|effect| effect["state"].as_str().unwrap().to_owned()).collect()
}

on_both_databases!(a_build_that_fails_every_night_has_one_open_issue, |database: Database| async move {
    let story = Story::begin(database, NIGHTLY).await;
    for (conclusion, numbers) in
        [("success", vec![]), ("failure", vec![1]), ("failure", vec![1]), ("success", vec![1]), ("failure", vec![1])]
    {
        story.github.scheduled_run(WEB, "nightly", conclusion);
        story.settles().await;
        assert_eq!(story.github.numbers(WEB), numbers);
    }
    let issue = story.github.issue(WEB, 1);
    assert_eq!((issue.title(), issue.labels()), ("The nightly build fails", vec!["bug".to_owned()]));

    story.github.person("alice").closes(WEB, 1);
    story.github.scheduled_run(WEB, "nightly", "failure");
    story.settles().await;
    assert_eq!(story.github.numbers(WEB), [1, 2], "the first was closed, and it fails again");
    assert_eq!(states(&story), ["applied", "unchanged", "unchanged", "applied"]);

    // What is about no item is shown as what it is about.
    let effects = story.json_lines(&["effects", "list", "--repo", WEB, "--state", "applied"]);
    let target = &effects[0]["intent"]["target"];
    assert_eq!(
        (&target["repository"], &target["number"], &target["subject"]),
        (&json!(WEB), &Value::Null, &json!("repository"))
    );
    let list = text(&story, &["effects", "list"]);
    assert!(
        list.contains("create_issue") && list.contains("\tacme/web\t") && list.contains("issue #1 is open already"),
        "{list}"
    );
    let why = text(&story, &["why", WEB]);
    assert!(why.contains("workflow_run.completed acme/web") && why.contains("create_issue unchanged"), "{why}");
    assert!(!text(&story, &["why", "acme/api"]).contains("create_issue"));
});

const COMMITS: &str = "
  - name: words
    on: [pull_request.opened, pull_request.synchronize, pull_request.edited, push]
    then:
      - check: {name: words, conclusion: success, title: All is well, summary: No word is wrong.}
      - status: {context: policy/words, state: success, description: All is well}
";

on_both_databases!(a_commit_gets_its_check_and_its_status_once, |database: Database| async move {
    let story = Story::begin(database, COMMITS).await;
    let alice = story.github.person("alice");
    let number = alice.opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    story.settles().await;
    let head = story.github.issue(WEB, number).head_sha().unwrap();
    alice.retitles(WEB, number, "More docs");
    story.settles().await;
    let (checks, statuses) = (story.github.made_checks(WEB), story.github.statuses(WEB));
    assert_eq!((checks.len(), statuses.len()), (1, 1), "the second event has nothing new to say");
    assert_eq!((&checks[0].sha, &statuses[0].sha), (&head, &head));

    // The rule says something else now: the check is changed, and a newer status takes the place of the old one.
    let revision = |story: &Story| story.json(&["status"])["config"]["revision"].clone();
    let before = revision(&story);
    story.write_rules(&COMMITS.replace("success", "failure").replace("All is well", "A word is wrong"));
    story.until("the new config is in use", |story| revision(story) != before).await;
    alice.retitles(WEB, number, "Even more docs");
    story.settles().await;
    let (checks, statuses) = (story.github.made_checks(WEB), story.github.statuses(WEB));
    assert_eq!((checks.len(), checks[0].conclusion.as_deref()), (1, Some("failure")));
    assert_eq!(statuses.iter().map(|status| status.state.as_str()).collect::<Vec<_>>(), ["success", "failure"]);

    // A push is about no item, and names its commit.
    alice.commits(WEB, "README.md", Some("Hello"));
    story.settles().await;
    assert_eq!(story.github.made_checks(WEB).len(), 2);
    let why = text(&story, &["why", &format!("{WEB}#{number}")]);
    assert!(why.contains(&format!("on commit {}: applied", &head[..12])), "{why}");
    let of_pull = story.json_lines(&["effects", "list", "--repo", WEB, "--number", &number.to_string()]);
    assert_eq!(of_pull.len(), 6, "effects of its events, though they act on commits");
    assert!(of_pull.iter().all(|effect| effect["intent"]["target"]["subject"]["commit"] == head.as_str()));
});

const RELEASE: &str = "
  - name: release
    on: push
    if: {expr: \"ref == 'refs/heads/main'\"}
    then:
      - dispatch: {workflow: release.yml, ref: main, inputs: {level: patch}}
";
const SHIP: &str = "
  - name: ship
    on: push
    then:
      - dispatch: {event_type: shipped, client_payload: {to: production}}
";
const DISPATCHES: &str = "/repos/acme/web/actions/workflows/release.yml/dispatches";

/// The daemon is killed while GitHub's answer is awaited, before or after GitHub did it, and comes back; then nothing is
/// left to do.
async fn interrupted(database: Database, rules: &str, path: &str, carried_out: bool) -> Story {
    let mut story = Story::begin(database, rules).await;
    story.github.add_workflow(WEB, "release.yml");
    story.github.list_runs_late(WEB, true);
    hang(&story, path, carried_out);
    story.github.person("alice").commits(WEB, "README.md", Some("Hello"));
    kill_during(&mut story, 1, carried_out).await;
    story
}

fn hang(story: &Story, path: &str, carried_out: bool) {
    let fault = Fault::on("POST", path).hangs();
    story.github.fault(if carried_out { fault.after_doing() } else { fault });
}

async fn kill_during(story: &mut Story, nth: usize, carried_out: bool) {
    let seen = |github: &GitHub| if carried_out { github.dispatched(WEB).len() } else { github.writes().len() };
    story.github.until("GitHub was asked", |github| seen(github) == nth).await;
    story.kill();
    story.start();
    story.settles().await;
}

/// The one effect, and the job that would carry it out.
fn quarantined(story: &Story) -> (Value, String) {
    let effects = story.json_lines(&["effects", "list"]);
    assert_eq!(effects.len(), 1);
    assert_eq!(effects[0]["state"], "quarantined", "{effects:#?}");
    let dead = story.json_lines(&["jobs", "list", "--state", "dead"]);
    assert_eq!(dead.len(), 1);
    let job = dead[0]["id"].as_str().unwrap().to_owned();
    let note = effects[0]["note"].as_str().unwrap();
    for way in ["discard", "retry"] {
        assert!(note.contains(&format!("`orchd jobs {way} {job}`")), "{note}");
    }
    let shown = text(story, &["effects", "show", effects[0]["intent"]["id"].as_str().unwrap()]);
    assert!(shown.contains("to settle it") && shown.contains("orchd jobs discard"), "{shown}");
    assert!(shown.contains("cannot be taken back"), "{shown}");
    (effects[0].clone(), job)
}

on_both_databases!(
    a_workflow_is_started_once_though_the_daemon_is_killed_before_the_answer,
    |database: Database| async move {
        let story = interrupted(database, RELEASE, DISPATCHES, true).await;
        let started = [json!({"workflow": "release.yml", "ref": "main", "inputs": {"level": "patch"}})];
        assert_eq!(story.github.dispatched(WEB), started);
        let (effect, job) = quarantined(&story);
        assert!(effect["note"].as_str().unwrap().contains("lists no new run of `release.yml`"), "{effect:#?}");
        assert!(text(&story, &["why", WEB]).contains("dispatch quarantined"));

        // Deciding anew starts nothing; and once GitHub lists the run, looking again finds it.
        let event = effect["intent"]["event"].as_str().unwrap();
        assert!(story.cli(&["events", "replay", event]).status.success());
        story.settles().await;
        story.github.list_runs_late(WEB, false);
        assert!(story.cli(&["jobs", "retry", &job]).status.success());
        story.settles().await;
        assert_eq!(story.github.dispatched(WEB), started);
        let effects = story.json_lines(&["effects", "list"]);
        assert_eq!(effects[0]["state"], "applied");
        assert!(effects[0]["after"][0]["url"].as_str().unwrap().contains("/actions/runs/"), "{effects:#?}");
    }
);

on_both_databases!(what_a_person_says_did_not_happen_is_done, |database: Database| async move {
    let story = interrupted(database, SHIP, "/repos/acme/web/dispatches", false).await;
    assert!(story.github.dispatched(WEB).is_empty(), "GitHub never got to it, and nobody here can tell");
    let (_, job) = quarantined(&story);
    assert!(story.cli(&["jobs", "retry", &job]).status.success());
    story.settles().await;
    assert_eq!(
        story.github.dispatched(WEB),
        [json!({"event_type": "shipped", "client_payload": {"to": "production"}})]
    );
    assert_eq!(states(&story), ["applied"]);
});

#[tokio::test]
async fn the_word_of_a_person_counts_for_one_try() {
    let mut story = interrupted(Database::Sqlite, SHIP, "/repos/acme/web/dispatches", true).await;
    let (_, job) = quarantined(&story);
    hang(&story, "/repos/acme/web/dispatches", true);
    assert!(story.cli(&["jobs", "retry", &job]).status.success());
    kill_during(&mut story, 2, true).await;
    assert_eq!(story.github.dispatched(WEB).len(), 2, "once by itself, once as a person said");
    let (_, job) = quarantined(&story);
    assert!(story.cli(&["jobs", "discard", &job]).status.success());
    story.settles().await;
    assert_eq!(story.github.dispatched(WEB).len(), 2);
    assert_eq!(states(&story), ["quarantined"], "what became of it stays unknown");
    assert!(story.json_lines(&["jobs", "list", "--state", "dead"]).is_empty());
}

#[tokio::test]
async fn what_github_refuses_is_failed_and_a_limit_is_waited_for() {
    let story = Story::begin(Database::Sqlite, RELEASE).await;
    let alice = story.github.person("alice");
    alice.commits(WEB, "a.md", Some("There is no such workflow yet."));
    story.settles().await;
    story.github.add_workflow(WEB, "release.yml");
    story.github.fault(Fault::on("POST", DISPATCHES).status(422));
    alice.commits(WEB, "b.md", Some("GitHub refuses."));
    story.settles().await;
    story.github.fault(Fault::on("POST", DISPATCHES).secondary_limit(Some(std::time::Duration::from_secs(1))));
    alice.commits(WEB, "c.md", Some("GitHub asks to wait."));
    story.settles().await;
    assert_eq!(states(&story), ["failed", "failed", "applied"]);
    assert_eq!(story.github.dispatched(WEB).len(), 1);
}
