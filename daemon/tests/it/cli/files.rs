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

/// The config of somebody with no secrets at hand, and tests of it.
#[test]
fn config_test_says_what_differs_and_why() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let test = |paths: &[&str], more: &[&str]| {
        let paths: Vec<_> = paths.iter().map(|path| directory.path().join(path)).collect();
        let mut run = orchd(&[&["config", "test"], more].concat());
        run.args(paths).arg("--config").arg(directory.path().join("orchd.yaml")).output().unwrap()
    };
    let config = "github: {webhook_secrets: [{file: nowhere}]}\nrules:\n  - {name: docs, mode: shadow, on: pull_request.opened, if: {files: docs/**}, then: [label: {add: [docs]}]}\n";
    write("orchd.yaml", config);
    let case = |name: &str, files: &str, expect: &str| {
        format!("  - name: {name}\n    event: pull_request.opened\n    facts: {{{files}}}\n    expect: {expect}\n")
    };
    let fine = case("fine", "files: [docs/a]", "{docs: {then: [{label: {add: [docs]}}]}}");
    write("tests/deep/fine.yaml", &format!("tests:\n{fine}"));
    let passed = test(&["tests"], &[]);
    assert_eq!((passed.status.code(), out(&passed).as_str()), (Some(0), "1 test in 1 file: 1 passed, 0 failed\n"));

    let wrong = [
        case("silent", "files: [src/a]", "{docs: {then: [label]}}"),
        case("unexpected", "files: [docs/a]", "nothing"),
        case("blind", "", "{docs: {then: [label]}}"),
    ];
    write("tests/wrong.yml", &format!("config: ../orchd.yaml\ntests:\n{fine}{}", wrong.concat()));
    let failed = test(&["tests"], &[]);
    let (told, file) = (out(&failed), directory.path().join("tests/wrong.yml").display().to_string());
    assert_eq!((failed.status.code(), err(&failed).as_str()), (Some(1), "orchd: 3 tests failed\n"));
    for line in [
        format!("FAILED {file}:7:5: silent"),
        "  rule docs: it would do nothing".to_owned(),
        "    expected  [\"label\"]".to_owned(),
        "    would do  nothing".to_owned(),
        "    ✗ 0 of 1 file matches `docs/**`".to_owned(),
        format!("FAILED {file}:11:5: unexpected"),
        "  rule docs: it would act, and is not under `expect`".to_owned(),
        "    would do  [{\"label\":{\"add\":[\"docs\"]}}]".to_owned(),
        "  rule docs: it needs to know more: give `files` under `facts`".to_owned(),
        "    would do  cannot be told".to_owned(),
        "5 tests in 2 files: 2 passed, 3 failed".to_owned(),
    ] {
        assert!(told.lines().any(|told| told == line), "{line}:\n{told}");
    }
    let document: Value = serde_json::from_slice(&test(&["tests"], &["--json"]).stdout).unwrap();
    assert_eq!((&document["ok"], &document["passed"], &document["failed"]), (&false.into(), &2.into(), &3.into()));
    assert_eq!(document["files"][1]["tests"][1]["differences"][0]["rule"], "docs");

    write("tests/wrong.yml", "tests:\n  - {name: a, event: push, expect: {dosc: {nothing: true}}}\n");
    let unread = test(&["tests"], &[]);
    assert_eq!((unread.status.code(), err(&unread).as_str()), (Some(1), "orchd: 1 file could not be run\n"));
    assert!(out(&unread).contains("wrong.yml:2:37: there is no rule `dosc`: did you mean `docs`?"), "{}", out(&unread));

    write("empty/notes.txt", "none");
    let empty = test(&["empty"], &[]);
    assert_eq!(empty.status.code(), Some(1));
    assert!(err(&empty).contains("empty holds no tests"), "{}", err(&empty));
    assert_eq!(orchd(&["config", "test"]).output().unwrap().status.code(), Some(2));
}
