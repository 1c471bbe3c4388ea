//! What works without a daemon: configs and completions.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::{RULES, err, orchd, out, says};
use crate::story::{Database, Story};

#[test]
fn completions_are_written_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let output = orchd(&["completions", shell]).output().unwrap();
        assert!(output.status.success());
        let script = out(&output);
        assert!(script.contains("orchd") && script.contains("replay"), "{shell}");
    }
    assert_eq!(orchd(&["completions", "nushell"]).output().unwrap().status.code(), Some(2));
}

fn check(directory: &Path, config: &str, more: &[&str]) -> Output {
    let file = directory.join("orchd.yaml");
    std::fs::write(&file, config).unwrap();
    orchd(&[&["config", "check"], more].concat()).arg(&file).output().unwrap()
}

#[test]
fn config_check_lists_every_error_and_every_note() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret"), "a webhook secret of some length").unwrap();
    let head = "server: {listen: \"127.0.0.1:0\", admin_socket: orchd.sock}\ndatabase: \"sqlite:///tmp/orchd.db\"\n\
                github: {webhook_secrets: [{file: secret}]}\n";

    let fine = check(directory.path(), head, &[]);
    assert_eq!(fine.status.code(), Some(0), "{}", err(&fine));
    assert!(out(&fine).contains("is fine: 0 rules, revision "), "{}", out(&fine));
    assert!(err(&fine).contains("orchd.yaml:3:") && err(&fine).contains("note: `github` lacks"), "{}", err(&fine));
    let document: Value = serde_json::from_slice(&check(directory.path(), head, &["--json"]).stdout).unwrap();
    assert_eq!((&document["ok"], document["notes"].as_array().map(Vec::len)), (&true.into(), Some(1)));

    // What cannot be taken back is said before it is done. A rule in the shadow does nothing.
    let key = orchd_fake::AppKey::shared().pem().to_owned();
    std::fs::write(directory.path().join("key"), key).unwrap();
    let app = head.replace("github: {", "github: {client_id: Iv1.a, private_key: {file: key}, ");
    let rule = |name: &str, mode: &str| {
        format!("  - {{name: {name}, mode: {mode}, on: push, then: [{{dispatch: {{event_type: shipped}}}}]}}\n")
    };
    let ships = format!("{app}rules:\n{}{}", rule("ship", "active"), rule("tried", "shadow"));
    let told = check(directory.path(), &ships, &[]);
    assert_eq!(told.status.code(), Some(0), "{}", out(&told));
    let said = "rule ship: what `dispatch` does cannot be taken back";
    assert!(err(&told).contains(said) && !err(&told).contains("tried"), "{}", err(&told));
    let document: Value = serde_json::from_slice(&check(directory.path(), &ships, &["--json"]).stdout).unwrap();
    assert_eq!(document["cannot_be_taken_back"], serde_json::json!([["ship", "dispatch"]]));

    let bad = format!(
        "{head}servre: 1\nrules:\n  - name: a b\n    on: issues.opend\n    thn: []\n  - name: c\n    on: push\n    then: [{{lable: {{}}}}]\n"
    );
    let refused = check(directory.path(), &bad, &[]);
    assert_eq!(refused.status.code(), Some(1));
    let listed = out(&refused);
    for (line, word) in [(4, "servre"), (6, "a b"), (7, "opend"), (8, "thn"), (11, "lable")] {
        let found = listed.lines().any(|each| each.contains(&format!("orchd.yaml:{line}:")) && each.contains(word));
        assert!(found, "line {line}, {word}:\n{listed}");
    }
    assert!(err(&refused).contains(&format!("has {} problems", listed.lines().count())), "{}", err(&refused));
    let json = check(directory.path(), &bad, &["--json"]);
    let document: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((json.status.code(), &document["ok"]), (Some(1), &false.into()));
    assert_eq!(document["problems"].as_array().map(Vec::len), Some(listed.lines().count()));

    let missing = orchd(&["config", "check", "/no/such/orchd.yaml"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(out(&missing).contains("cannot be read"), "{}", out(&missing));
}

#[tokio::test]
async fn config_show_fills_in_defaults_and_masks_secrets() {
    let story = Story::prepare(Database::Sqlite, RULES, "").await;
    let shown = says(&story, &["config", "show"]);
    assert!(shown.contains("max_pending: 4096") && shown.contains("docs-label"), "{shown}");
    assert!(!shown.contains(crate::story::SECRET) && !shown.contains("PRIVATE KEY"), "{shown}");
    // Behind each value stands where it came from, and what is shown is a config's YAML all the same.
    assert!(shown.contains("max_pending: 4096  # default\n"), "{shown}");
    assert!(shown.contains("name: docs-label  # orchd.yaml:"), "{shown}");
    let document: Value = serde_json::from_str(&says(&story, &["config", "show", "--json"])).unwrap();
    assert_eq!(document["config"], serde_yaml::from_str::<Value>(&shown).unwrap());
    assert_eq!(document["origins"]["/server/max_pending"], "default");
    assert!(document["origins"]["/rules/0/name"].as_str().unwrap().starts_with("orchd.yaml:"), "{document}");
    let schema: Value = serde_json::from_str(&says(&story, &["config", "schema"])).unwrap();
    let checked_in = include_str!("../../../../config/orchd.schema.json");
    assert_eq!(schema, serde_json::from_str::<Value>(checked_in).unwrap(), "the schema in config/ is current");
}
