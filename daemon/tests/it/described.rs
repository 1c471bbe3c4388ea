//! The API's description is true: a tool that knows only `/api/openapi.json` asks everything in it in many ways, and no
//! answer is a fault of ours, or one that the description does not tell of.

use std::process::Command;

use orchd::core::access::{OPERATIONS, Scope};
use orchd_fake::NewItem;
use serde_json::Value;

use crate::python;
use crate::site::{exchange, spawn_site};
use crate::story::{Database, Story, WEB};

const PACKAGE: &str = "schemathesis==4.32.5";

const RULES: &str = "  - {name: label, on: issues.opened, then: [{label: {add: [new]}}]}
  - {name: watch, mode: shadow, on: [\"*\"], then: [{label: {add: [seen]}}]}";

/// Requests made up for each operation, beside those at the edges of what the description allows.
const EXAMPLES: &str = "12";

/// What an answer must not be, and where it must be as described.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method";

async fn begin() -> Story {
    let mut story = Story::prepare(Database::Sqlite, RULES, "").await;
    std::fs::write(story.path("login-key"), "00".repeat(32)).unwrap();
    story.replace_more(
        "login: {keys: [{file: login-key}], failures_a_minute: 10000}\n\
         api: {requests_an_hour: 10000000, burst_a_minute: 10000000}",
    );
    story.write_rules(RULES);
    story.start();
    for title in ["One", "Two"] {
        story.github.person("alice").opens_issue(WEB, NewItem::titled(title));
    }
    story.settles().await;
    story
}

#[tokio::test]
#[ignore = "takes a minute: make test-slow"]
async fn no_answer_is_a_fault_or_one_that_the_description_does_not_tell_of() {
    let (program, story) = (python::install(PACKAGE, "schemathesis"), begin().await);
    let mut args = vec!["--json", "keys", "create", "tester", "--level", "admin"];
    args.extend(Scope::ALL.iter().flat_map(|scope| ["--scope", scope.word()]));
    let made: Value = serde_json::from_slice(&story.cli(&args).stdout).unwrap();
    let header = format!("Authorization: Bearer {}", made["key"].as_str().unwrap());
    let url = story.url();
    // A long poll waits for what does not come.
    std::fs::write(story.path("schemathesis.toml"), "[parameters]\nwait = 0\n").unwrap();
    let mut command = Command::new(program);
    command.args(["run", &format!("{url}/api/openapi.json"), "--url", &url, "--header", &header]);
    command.args(["--checks", CHECKS]);
    command.args(["--phases", "coverage,fuzzing", "--max-examples", EXAMPLES]);
    command.args(["--generation-deterministic", "--workers", "1", "--continue-on-failure", "--no-color"]);
    command.current_dir(story.dir.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    // The description itself was asked for, too, but is not counted.
    let tested = format!("Tested: {}", OPERATIONS.len() - 1);
    assert!(told.contains(&tested), "not all operations were asked, which is {tested:?}:\n{told}");
}

/// What people read has every operation, too.
#[tokio::test]
async fn the_page_about_the_api_lists_every_operation() {
    let site = spawn_site(&[]).await;
    let page = exchange(site.address, b"GET /api HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    for operation in OPERATIONS {
        assert!(page.body.contains(operation.name), "{} is not on the page", operation.name);
    }
}
