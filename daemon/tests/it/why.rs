//! `orchd why`, and `--rule`: why a rule did what it did, and why it did nothing.

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use orchd::core::event::{EventId, RepoName};
use orchd::store::events::{NewEvent, SeenRepository, Source};
use orchd::store::{Db, StoreOptions};
use orchd_fake::{Fault, NewItem};
use serde_json::Value;
use uuid::{NoContext, Timestamp, Uuid};

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const RULES: &str = "
  - name: triage
    on: issues.opened
    if: {label: bug}
    then: [label: {add: [triaged]}]
  - name: resting
    on: issues.*
    then: [label: {add: [rested]}]
    mode: off
  - name: elsewhere
    repositories: [\"acme/*\", \"!acme/web\"]
    on: [issues.opened, issues.labeled]
    then: [label: {add: [seen]}]
  - name: releases
    repositories: [acme/api]
    on: pull_request.opened
    then: [label: {add: [seen]}]
    mode: off
  - name: trial
    on: issues.labeled
    then: [label: {add: [tried]}]
    mode: shadow
";

/// What the command line says, and its exit code.
fn said(story: &Story, args: &[&str]) -> (Option<i32>, String) {
    let out = story.cli(&[&["why"], args].concat());
    let text = if out.status.success() { out.stdout } else { out.stderr };
    (out.status.code(), String::from_utf8(text).unwrap())
}

/// What it says about a rule on `acme/web#N`.
fn of_rule(story: &Story, number: u64, rule: &str) -> String {
    let (code, text) = said(story, &[&format!("{WEB}#{number}"), "--rule", rule]);
    assert_eq!(code, Some(0), "{text}");
    text
}

/// The sentences of `why_not`.
fn why_not(answer: &Value) -> Vec<String> {
    serde_json::from_value(answer["why_not"].clone()).unwrap_or_default()
}

async fn takes_up(story: &mut Story, rules: &str) {
    let before = story.json(&["status"])["config"]["revision"].clone();
    story.write_rules(rules);
    story.wait_for("the new config runs", |story| story.json(&["status"])["config"]["revision"] != before);
}

on_both_databases!(each_rule_says_why_it_did_nothing, |database: Database| async move {
    let story = Story::begin(database, RULES).await;
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));
    story.settles().await;
    let item = format!("{WEB}#{number}");

    // A condition that did not hold, with the value it saw.
    let text = of_rule(&story, number, "triage");
    assert!(text.starts_with(&format!("rule triage did not act on {item}:\n  when issues.opened came, ")), "{text}");
    assert!(text.contains("its condition did not hold: label `bug` is absent (no labels)\n"), "{text}");
    assert!(text.contains("\n  rule triage: not matched\n    ✗ label `bug` is absent (no labels)\n"), "{text}");
    assert!(!text.contains("rule resting"), "nothing of other rules: {text}");

    // The rule is off, and looks elsewhere; both at once, and no event of its kind.
    let text = of_rule(&story, number, "resting");
    assert!(text.contains("it was passed over: the rule is off\n  it is `mode: off` in the running config"), "{text}");
    let text = of_rule(&story, number, "elsewhere");
    assert!(text.contains("the rule does not look at `acme/web`\n  its `repositories` leave acme/web out"), "{text}");
    let answer = story.json(&["why", &item, "--rule", "releases"]);
    let sentences = why_not(&answer);
    assert_eq!(sentences.len(), 3, "{answer:#}");
    assert!(sentences[0].contains("`mode: off`") && sentences[1].contains("leave acme/web out"), "{sentences:?}");
    let arrived = format!("it waits for pull_request.opened, and what arrived about {item} is issues.opened (1)");
    assert_eq!((sentences[2].as_str(), answer["events"].as_array().unwrap().len()), (arrived.as_str(), 0));
    let text = of_rule(&story, number, "trial");
    assert_eq!(
        text,
        format!(
            "rule trial did not act on {item}:\n  it waits for issues.labeled, and what arrived about {item} is issues.opened (1)\n"
        )
    );
    // Of an item that nothing is known of.
    assert!(of_rule(&story, 99, "trial").contains("and nothing about acme/web#99 arrived"));

    // Shadow, told with its effect, and by the event's id too.
    story.github.person("bob").labels(WEB, number, "bug");
    story.settles().await;
    let text = of_rule(&story, number, "trial");
    assert!(text.contains("`label` shadow: the rule was in shadow: recorded, and not done\n"), "{text}");
    assert!(text.contains("→ label {add: [tried]}: shadow (the rule was in shadow: recorded, and not done)"), "{text}");
    let events = story.json_lines(&["events", "list", "--type", "issues"]);
    let (labeled, opened) = (events[0]["id"].as_str().unwrap(), events[1]["id"].as_str().unwrap());
    assert_eq!(said(&story, &[labeled, "--rule", "trial"]).1, text.replacen(&item, &format!("event {labeled}"), 1));
    let (code, text) = said(&story, &[opened, "--rule", "trial"]);
    assert_eq!(code, Some(0));
    let what = format!("what arrived about event {opened} is issues.opened (1)");
    assert_eq!(text, format!("rule trial did not act on event {opened}:\n  it waits for issues.labeled, and {what}\n"));
    assert!(story.github.writes().is_empty());
});

on_both_databases!(what_was_done_is_told_with_the_config_that_did_it, |database: Database| async move {
    let mut story = Story::prepare(database, RULES, "").await;
    let commit = "0123456789abcdef0123456789abcdef01234567";
    std::fs::create_dir(story.path(".git")).unwrap();
    std::fs::write(story.path(".git/HEAD"), commit).unwrap();
    story.start();
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks").label("bug"));
    story.settles().await;
    let item = format!("{WEB}#{number}");
    let revision = story.json(&["status"])["config"]["revision"].as_str().unwrap().to_owned();
    let text = of_rule(&story, number, "triage");
    assert!(!text.contains("did not act"), "{text}");
    assert!(text.contains(&format!(" by config revision {revision} (commit 0123456789ab)\n")), "{text}");
    assert!(text.contains("    ✓ label `bug` is present"), "{text}");
    assert!(text.contains("→ label {add: [triaged]}: applied"), "{text}");
    assert_eq!(story.json(&["why", &item, "--rule", "triage"])["why_not"], Value::Null);
    let all = story.json(&["why", &item]);
    assert_eq!(all["events"][0]["commits"][&revision], commit, "{all:#}");
    assert_eq!(all["text"].as_str().unwrap(), said(&story, &[&item]).1);

    // Taken back, it says by what.
    let effect = story.json_lines(&["effects", "list", "--rule", "triage"])[0]["intent"]["id"].clone();
    let plan = story.cli_and_github(&["--json", "rollback", "plan", "--effect", effect.as_str().unwrap()]).await;
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    let id = plan["rollback"]["id"].as_str().unwrap();
    assert!(story.cli_and_github(&["rollback", "execute", id, "--yes", "--wait"]).await.status.success());
    story.settles().await;
    assert!(of_rule(&story, number, "triage").contains("undone (taken back by effect "));

    // Renamed: it is not in the config any more, and its decisions are told all the same.
    let renamed = RULES.replace("name: triage", "name: sorting");
    takes_up(&mut story, &renamed).await;
    assert!(of_rule(&story, number, "triage").contains("→ label {add: [triaged]}"));
    let elsewhere = story.github.person("alice").opens_issue(WEB, NewItem::titled("Again"));
    story.settles().await;
    let text = of_rule(&story, elsewhere, "triage");
    assert!(text.contains("it is not in the running config: it was renamed or removed since it acted"), "{text}");

    // A rule that came after the event.
    let later = format!("{renamed}\n  - {{name: latecomer, on: issues.opened, then: [{{label: {{add: [late]}}}}]}}\n");
    takes_up(&mut story, &later).await;
    let text = of_rule(&story, number, "latecomer");
    assert!(text.contains("before the rule was in the config or waited for it: `orchd events replay "), "{text}");
    let replay = text.split("`orchd ").nth(1).unwrap().split('`').next().unwrap();
    assert!(story.cli(&replay.split(' ').collect::<Vec<_>>()).status.success(), "{replay}");
    story.settles().await;
    assert!(of_rule(&story, number, "latecomer").contains("→ label {add: [late]}: applied"));
});

const ASKS: &str = "
  - name: docs
    on: pull_request.opened
    if: {files: [\"docs/**\"]}
    then: [label: {add: [docs]}]
";

on_both_databases!(an_event_that_is_queued_or_failed_says_so, |database: Database| async move {
    let story = Story::begin(database, ASKS).await;
    // GitHub fails until the job is given up.
    story.github.fault(Fault::on("GET", "/repos/acme/web/pulls/1/files").status(500).times(100));
    let alice = story.github.person("alice");
    let number = alice.opens_pull(WEB, NewItem::titled("Mend it").head("fix").file("docs/a.md"));
    story
        .until("it was tried", |story| story.github.requests().iter().any(|asked| asked.path.contains("/files")))
        .await;
    let text = of_rule(&story, number, "docs");
    assert!(text.contains("and is still queued") || text.contains("is being decided on now"), "{text}");
    assert!(!text.contains("it waits for"), "{text}");
    story.settles().await;
    let text = of_rule(&story, number, "docs");
    let error = story.json_lines(&["events", "list", "--status", "failed"])[0]["error_message"].clone();
    assert!(text.contains(&format!("and could not be decided on: {}", error.as_str().unwrap())), "{text} {error}");
});

on_both_databases!(a_decision_that_is_over_its_age_is_told_as_such, |database: Database| async move {
    let more = "retention: {events: 300d, payloads: 30d, decisions: 30d}";
    let mut story = Story::prepare(database, ASKS, more).await;
    let db = Db::open(&StoreOptions { url: story.database().into(), objects: story.path("objects") }).await.unwrap();
    db.make_months(Utc::now() - TimeDelta::days(100)).await.unwrap();
    let at = Utc::now() - TimeDelta::days(60);
    let event = NewEvent {
        id: EventId(Uuid::new_v7(Timestamp::from_unix(NoContext, u64::try_from(at.timestamp()).unwrap(), 0))),
        delivery_id: Uuid::now_v7().to_string(),
        source: Source::Webhook,
        event_type: "pull_request".to_owned(),
        event_action: Some("opened".to_owned()),
        actor: Some("alice".to_owned()),
        number: Some(5),
        target_object_ids: serde_json::json!({}),
        received_at: at,
        github_timestamp: None,
        repository: Some(SeenRepository {
            github_id: 77,
            name: RepoName::parse("acme/old").unwrap(),
            description: None,
            url: String::new(),
            is_private: false,
            default_branch: "main".to_owned(),
            told_at: None,
        }),
        installation: None,
        payload: Bytes::from_static(br#"{"action":"opened"}"#),
        awaited: false,
    };
    db.ingest(vec![event]).await.unwrap();
    db.close().await;
    drop(db);
    story.start();
    let (code, text) = said(&story, &["acme/old#5", "--rule", "docs"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("decisions are kept for 30 days (`retention.decisions`): this one is gone"), "{text}");
});

#[tokio::test]
async fn a_rule_that_nobody_knows_is_refused_with_the_one_that_is_meant() {
    let mut story = Story::prepare(Database::Sqlite, RULES, "repository_config: {enabled: true}").await;
    let own = "rules:\n- {name: welcome, on: issues.opened, then: [{label: {add: [hello]}}]}\n";
    story.github.put_file(WEB, "main", ".github/orchd.yml", own);
    story.start();
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));
    story.settles().await;
    let item = format!("{WEB}#{number}");
    let expect = |rule: &str, code: i32, part: &str| {
        let (found, text) = said(&story, &[&item, "--rule", rule]);
        assert_eq!(found, Some(code), "{text}");
        assert!(text.contains(part), "{text}");
    };
    expect("traige", 4, "the running config has no rule `traige`: did you mean `triage`?");
    expect("welcome", 4, "did you mean `acme/web:welcome`?");
    expect("acme/web:welcome", 0, "→ label {add: [hello]}: applied");
    let (code, text) = said(&story, &[&format!("Acme/Web#{number}"), "--rule", "acme/web:welcom"]);
    assert!(code == Some(4) && text.contains("did you mean `acme/web:welcome`?"), "{text}");
    expect("nothing-like-it", 4, "see `orchd config show`; a rule of a repository's own file is named owner/repo:name");
    expect("no name", 2, "is not a rule name");
    for args in [vec!["--rule", "triage"], vec![WEB, "--rule", "triage"]] {
        let (code, text) = said(&story, &args);
        assert_eq!(code, Some(2), "{text}");
    }
    let (code, text) = said(&story, &["acme/api#1", "--rule", "acme/web:welcome"]);
    assert!(code == Some(0) && text.contains("it is a rule of acme/web's own file"), "{text}");
    let text = of_rule(&story, number, "acme/web:welcome");
    assert!(text.contains(" and the repository's own file "), "{text}");
}

on_both_databases!(what_was_held_back_names_its_guard, |database: Database| async move {
    let rules = "
  - {name: tag, on: issues.edited, then: [{label: {add: [bug]}}]}
  - {name: few, on: issues.opened, then: [{label: {add: [new]}}], limits: {actions_per_hour: 1}}
";
    let story = Story::begin(database, rules).await;
    let alice = story.github.person("alice");
    let number = alice.opens_issue(WEB, NewItem::titled("It breaks").label("bug"));
    alice.unlabels(WEB, number, "bug");
    alice.rewrites(WEB, number, "More of it.");
    let sticky = alice.opens_issue(WEB, NewItem::titled("Leave it"));
    alice.labels(WEB, sticky, "orchd:sticky");
    alice.rewrites(WEB, sticky, "More of it.");
    let third = alice.opens_issue(WEB, NewItem::titled("One too many"));
    story.settles().await;
    let text = of_rule(&story, number, "tag");
    assert!(text.contains("it matched; `label` held: label `bug` was removed by alice on "), "{text}");
    assert!(text.contains("→ label {add: [bug]}: held (label `bug` was removed by alice on "), "{text}");
    let text = of_rule(&story, sticky, "tag");
    assert!(text.contains("`label` held: it has the label `orchd:sticky`, so rules leave it alone"), "{text}");
    let text = of_rule(&story, third, "few");
    assert!(text.contains("`label` held: the rule's `limits.actions_per_hour` of 1 is used up"), "{text}");
    let writes = story.github.writes();
    assert_eq!(writes.len(), 1, "{writes:?}");
});

#[tokio::test]
async fn what_waits_or_failed_says_why() {
    let rules = "
  - {name: train, on: pull_request.opened, then: [merge: {}]}
  - {name: shut, on: issues.opened, then: [lock: {}]}
";
    let story = Story::begin(Database::Sqlite, rules).await;
    let alice = story.github.person("alice");
    let pull = alice.opens_pull(WEB, NewItem::titled("Mend it").head("fix").file("a.rs"));
    story.github.fault(Fault::on("PUT", "/repos/acme/web/issues").status(422));
    let number = alice.opens_issue(WEB, NewItem::titled("It breaks"));
    story.settles().await;
    let text = of_rule(&story, pull, "train");
    assert!(text.contains("`merge` waiting: 0 of 1 approvals are there"), "{text}");
    let text = of_rule(&story, number, "shut");
    assert!(text.contains("`lock` failed: ") && text.contains("→ lock: failed ("), "{text}");
    assert!(text.contains("422"), "{text}");
    assert_eq!(story.github.writes().iter().filter(|write| write.path.contains("/merge")).count(), 0);
}
