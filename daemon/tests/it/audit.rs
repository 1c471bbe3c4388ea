//! Who did what: the audit chain of a running daemon.

use std::os::unix::fs::MetadataExt;

use chrono::{TimeDelta, Utc};
use orchd::core::audit::{Actor, Entry, Kind};
use orchd::store::{Db, StoreOptions};
use orchd_fake::{Fault, NewItem};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::on_both_databases;
use crate::road::DOCS_RULE;
use crate::story::{Database, Story, WEB};

/// As somebody does who has the database and not the daemon.
async fn execute(story: &Story, sql: &str) {
    let (url, sql) = (story.database(), AssertSqlSafe(sql.to_owned()));
    if url.starts_with("sqlite") {
        sqlx::query(sql).execute(&mut SqliteConnection::connect(&url).await.unwrap()).await.unwrap();
    } else {
        sqlx::query(sql).execute(&mut PgConnection::connect(&url).await.unwrap()).await.unwrap();
    }
}

/// Appends what happened before the daemon of the story starts.
async fn append(story: &Story, entries: Vec<Entry>) {
    let options = StoreOptions { url: story.database().into(), objects: story.path("objects") };
    let db = Db::open(&options).await.unwrap();
    for entries in entries.chunks(500) {
        db.audit(entries.to_vec()).await.unwrap();
    }
    db.close().await;
}

fn days_ago(days: i64, note: &str) -> Entry {
    let entry = Entry::new(Kind::RecoveryAsked, Actor::Operator(Some(7)), Utc::now() - TimeDelta::days(days));
    Entry { note: Some(note.to_owned()), ..entry }
}

async fn a_labelled_pull_request(story: &Story) {
    story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    story.settles().await;
}

fn rows(story: &Story, kind: &str) -> Vec<Value> {
    story.json_lines(&["audit", "list", "--kind", kind])
}

/// What `audit verify` says, and its exit code.
fn verify(story: &Story) -> (i32, String) {
    let output = story.cli(&["audit", "verify"]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

on_both_databases!(
    invariant_10_an_effect_is_in_the_chain_and_whoever_changes_a_row_is_found_out,
    |database: Database| async move {
        let story = Story::begin(database, DOCS_RULE).await;
        a_labelled_pull_request(&story).await;
        let listed = story.json_lines(&["audit", "list"]);
        let kinds: Vec<_> = listed.iter().map(|row| row["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["effect_applied", "decision", "config_loaded"]);
        let revision = &story.json(&["status"])["config"]["revision"];
        for row in &listed[..2] {
            assert_eq!((&row["actor"], &row["rule"]), (&json!("orchd"), &json!("docs-label")));
            assert_eq!((&row["repository"], &row["number"]), (&json!(WEB), &json!(1)));
            assert_eq!(&row["config_revision"], revision);
        }
        let effect = story.json_lines(&["effects", "list"]).remove(0);
        assert_eq!(listed[0]["effect"], effect["intent"]["id"]);
        assert_eq!((&listed[0]["before"], &listed[0]["after"]), (&json!([]), &json!(["documentation"])));
        assert_eq!(listed[1]["after"]["effects"][0]["id"], effect["intent"]["id"]);
        assert_eq!(story.json(&["audit", "show", "3"]), listed[0]);
        assert_eq!(story.cli(&["audit", "show", "99"]).status.code(), Some(4));

        let (code, said) = verify(&story);
        assert!(code == 0 && said.contains("numbers        1 to 3"), "{said}");
        execute(&story, "UPDATE audit SET after_state = '[]' WHERE seq = 3").await;
        let (code, said) = verify(&story);
        assert!(code == 1 && said.starts_with("row 3 is not what was written after row 2\n"), "{said}");
        assert!(said.ends_with("orchd: the audit chain does not hold: 1 fault\n"), "{said}");
        let output = story.cli(&["--json", "audit", "verify"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &report["faults"]), (Some(1), &json!([{"fault": "changed", "seq": 3}])));
    }
);

#[tokio::test]
async fn what_a_person_does_through_the_socket_is_told_with_who_it_was() {
    let mut story = Story::prepare(Database::Sqlite, DOCS_RULE, "").await;
    let config = std::fs::read_to_string(story.config()).unwrap();
    std::fs::write(story.config(), config.replace("queue: {", "queue: {max_attempts: 1, ")).unwrap();
    story.start();
    story.github.fault(Fault::on("POST", "/repos/acme/web/issues/1/labels").times(2).status(422));
    a_labelled_pull_request(&story).await;
    let dead =
        |story: &Story| story.json_lines(&["jobs", "list", "--state", "dead"])[0]["id"].as_str().unwrap().to_owned();
    story.cli(&["jobs", "retry", &dead(&story)]);
    story.settles().await;
    story.cli(&["jobs", "discard", &dead(&story)]);
    assert_eq!(story.cli(&["jobs", "discard", "01980a2b-7c4d-7e5f-8a9b-0c1d2e3f4a5b"]).status.code(), Some(4));
    let event = story.json_lines(&["events", "list", "--type", "pull_request", "--action", "opened"]).remove(0);
    story.cli(&["events", "replay", event["id"].as_str().unwrap()]);
    story.settles().await;
    story.cli_and_github(&["recover", "--dry-run"]).await;

    let me = format!("uid {}", std::fs::metadata("/proc/self").unwrap().uid());
    let done = story.json_lines(&["audit", "export", "--actor", "operator"]);
    let told: Vec<_> = done.iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(told, ["job_retried", "job_discarded", "event_replayed", "recovery_asked"]);
    assert!(done.iter().all(|row| row["actor_name"] == me.as_str()), "{done:#?}");
    assert_eq!((&done[0]["repository"], &done[0]["number"]), (&json!(WEB), &json!(1)));
    assert_eq!(done[2]["event"], event["id"]);
    assert_eq!(done[3]["after"], json!({"since": null, "dry_run": true}));
    assert_eq!(rows(&story, "effect_failed").len(), 2);
    assert_eq!(rows(&story, "effect_applied").len(), 1, "the replay tried once more");
    assert_eq!(verify(&story).0, 0);
}

#[tokio::test]
async fn configs_that_were_loaded_and_refused_are_told() {
    let mut story = Story::begin(Database::Sqlite, DOCS_RULE).await;
    story.write_rules("  - name: broken\n    on: pull_requst.opened\n");
    story.wait_for("the refusal is told", |story| !rows(story, "config_refused").is_empty());
    story.signal("HUP");
    story.write_rules(&DOCS_RULE.replace("[documentation]", "[docs]"));
    story.wait_for("the new one is told", |story| rows(story, "config_loaded").len() == 2);
    let refused = rows(&story, "config_refused");
    assert_eq!(refused.len(), 1, "once, however often it is looked at");
    assert!(refused[0]["note"].as_str().unwrap().contains("pull_requst"), "{refused:#?}");
    let loaded = rows(&story, "config_loaded");
    assert_eq!(loaded[0]["before"]["revision"], loaded[1]["config_revision"]);
    assert_ne!(loaded[0]["config_revision"], loaded[1]["config_revision"]);
}

on_both_databases!(an_end_that_was_cut_off_is_found_by_the_anchor_file, |database: Database| async move {
    let mut story = Story::prepare(database, DOCS_RULE, "audit: {anchor: {file: elsewhere}}").await;
    let anchors = |story: &Story| std::fs::read_to_string(story.path("elsewhere")).unwrap_or_default().lines().count();
    story.start();
    story.wait_for("the head is anchored", |story| anchors(story) == 1);
    a_labelled_pull_request(&story).await;
    assert_eq!(story.stop(), Some(0));
    story.start();
    story.wait_for("the head is anchored again", |story| anchors(story) == 2);
    assert!(story.log().contains("audit anchor"), "in the log too");
    story.until_metric("orchd_audit_last_anchor_timestamp_seconds ", |at| at > 0.0).await;
    let (code, said) = verify(&story);
    assert!(code == 0 && said.contains("anchors        2 compared"), "{said}");

    // As the log of another machine has it.
    let head = story.json(&["audit", "show", "3"])["hash"].as_str().unwrap().to_owned();
    let given = |hash: &str| story.cli(&["audit", "verify", "--anchor", &format!("3:{hash}")]);
    assert!(given(&head).status.success());
    let output = given(&"0".repeat(64));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("row 3 is not the one that was anchored: the chain was written anew\n"), "{said}");
    assert_eq!(story.cli(&["audit", "verify", "--anchor", "3"]).status.code(), Some(2));

    execute(&story, "DELETE FROM audit WHERE seq >= 3").await;
    let (code, said) = verify(&story);
    assert!(code == 1 && said.contains("the chain ends at row 2, but row 4 was anchored at "), "{said}");
    std::fs::remove_file(story.path("elsewhere")).unwrap();
    let (code, said) = verify(&story);
    assert!(code == 1 && said.contains("audit.anchor.file"), "what cannot be looked at proves nothing: {said}");
});

on_both_databases!(old_rows_lose_what_is_personal_and_go_in_the_end, |database: Database| async move {
    let more = "audit: {retention: 400d, pseudonymise_after: 90d}";
    let mut story = Story::prepare(database, "  []", more).await;
    let mut entries: Vec<_> = (0..1_100).map(|_| days_ago(500, "gone")).collect();
    entries.extend((0..700).map(|_| days_ago(200, "forgotten")));
    entries.push(days_ago(10, "kept"));
    append(&story, entries).await;
    story.start();
    let done = |story: &Story| {
        let oldest = story.json_lines(&["audit", "export", "--limit", "700"]);
        oldest[0]["seq"] == 1_101 && oldest.iter().all(|row| row["pseudonymised"] == true)
    };
    story.wait_for("what is old was dropped", done);
    let asked = rows(&story, "recovery_asked");
    assert_eq!((&asked[0]["note"], &asked[1]["note"]), (&json!("kept"), &json!(null)));
    assert_eq!((&asked[1]["actor"], &asked[1]["actor_name"]), (&json!("operator"), &json!(null)));
    let (code, said) = verify(&story);
    assert!(code == 0 && said.contains("pseudonymised  700\n"), "{said}");
    assert!(said.contains("dropped        1100 rows up to 1100, ") && said.contains("older than 400 days"), "{said}");
});

#[tokio::test]
async fn an_export_is_whole_and_no_cell_of_it_is_a_formula() {
    let mut story = Story::prepare(Database::Sqlite, "  []", "").await;
    append(&story, (0..2_500).map(|_| days_ago(1, "=HYPERLINK(\"http://x\",\"a\nb\")")).collect()).await;
    story.start();
    let lines = story.json_lines(&["audit", "export", "--kind", "recovery_asked"]);
    let numbers: Vec<i64> = lines.iter().map(|row| row["seq"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (1..=2_500).collect::<Vec<_>>());
    assert_eq!(story.json_lines(&["audit", "export", "--after", "10", "--limit", "1500"]).len(), 1_500);
    assert_eq!(story.json_lines(&["audit", "list", "--since", "2h"])[0]["kind"], "config_loaded");

    let output = story.cli(&["audit", "export", "--format", "csv", "--until", "2h"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 2_501);
    assert!(text.starts_with("seq,at,kind,actor,actor_name,"), "{text:.80}");
    let cell = r#""'=HYPERLINK(""http://x"",""a\nb"")""#;
    assert!(text.lines().skip(1).all(|line| line.contains(cell)), "{}", text.lines().nth(1).unwrap());
    assert_eq!(story.cli(&["--json", "audit", "export", "--format", "csv"]).status.code(), Some(2));
    assert_eq!(story.cli(&["audit", "list", "--kind", "nonsense"]).status.code(), Some(2));
}
