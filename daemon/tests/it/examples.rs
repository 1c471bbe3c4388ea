//! The examples: those that GitHub publishes of payloads go the whole road, and ours of rules do what their tests say.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use chrono::DateTime;
use hmac::{Hmac, KeyInit, Mac};
use orchd::core::event::{Event, EventId};
use orchd::core::subject::{SubjectKind, can_be_about, subject_of};
use serde_json::Value;
use uuid::Uuid;

use crate::npm;
use crate::on_both_databases;
use crate::story::{Database, SECRET, Story};

/// One rule of each kind of look: nothing may fail on a real payload, whatever its shape.
const RULES: &str = "
  - name: look-at-everything
    on: \"*\"
    mode: shadow
    if:
      any:
        - label: nothing-has-this-label
        - author: nobody-has-this-login
        - author_association: MANNEQUIN
        - title: \"^no title is this$\"
        - body: \"^no body is this$\"
        - milestone: no-such-milestone
        - assignee: nobody-has-this-login
        - age: \"> 3650d\"
        - comment: \"^no comment is this$\"
        - star: \"> 1000000000\"
        - expr: \"event.name == 'no_such_event'\"
    then:
      - label: {add: [never]}
";

pub fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

pub fn published() -> Vec<Value> {
    let index =
        npm::install("@octokit/webhooks-examples@7.6.1").join("@octokit/webhooks-examples/api.github.com/index.json");
    serde_json::from_slice(&std::fs::read(index).unwrap()).unwrap()
}

/// A config that can never act is refused: what no event of a name is about must be known rightly.
#[test]
fn no_published_payload_is_about_what_its_event_cannot_be() {
    let mut about = [0; 3];
    for event in published() {
        let name = event["name"].as_str().unwrap();
        for example in event["examples"].as_array().unwrap() {
            let event = Event::from_payload(EventId(Uuid::nil()), name, DateTime::UNIX_EPOCH, example.clone());
            for (place, kind) in
                [SubjectKind::Item, SubjectKind::Commit, SubjectKind::Repository].into_iter().enumerate()
            {
                let named = subject_of(&event, kind).is_some();
                assert!(!named || can_be_about(Some(name), kind), "{name} is about {kind}: {example}");
                about[place] += usize::from(named);
            }
        }
    }
    assert!(about.iter().all(|count| *count > 50), "{about:?}");
}

on_both_databases!(all_329_published_payloads_are_stored_decided_and_listed, |database: Database| async move {
    let index = published();
    let story = Story::begin(database, RULES).await;
    let client = reqwest::Client::new();
    let mut sent = 0;
    for event in &index {
        let name = event["name"].as_str().unwrap();
        for example in event["examples"].as_array().unwrap() {
            sent += 1;
            // Every other one as GitHub's second content type.
            let json = example.to_string();
            let (kind, body) = if sent % 2 == 0 {
                let form: String =
                    form_urlencoded::Serializer::new(String::new()).append_pair("payload", &json).finish();
                ("application/x-www-form-urlencoded", form)
            } else {
                ("application/json", json)
            };
            let answer = client
                .post(format!("{}/webhooks/github", story.url()))
                .header("content-type", kind)
                .header("x-github-event", name)
                .header("x-github-delivery", format!("example-{sent}"))
                .header("x-hub-signature-256", signature(body.as_bytes()))
                .body(body)
                .send()
                .await
                .unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert_eq!(status, 202, "{name} {sent}: {text}");
        }
    }
    assert_eq!(sent, 329);
    story.settles().await;

    let events = story.json_lines(&["events", "list", "--limit", "1000"]);
    assert_eq!(events.len(), 329);
    let bad: Vec<_> = events.iter().filter(|event| event["processing_status"] != "processed").collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(events.iter().any(|event| event["repository"].is_null()), "events without a repository are stored too");
    // Check events name pull requests without describing them: those are asked for, and an App that is not installed is
    // told so. Nothing else is asked, and nothing is written.
    let other = story.asked();
    assert!(other.is_empty(), "{other:?}");

    // And each comes back as it went in.
    let last = story.json(&["events", "show", events[0]["id"].as_str().unwrap(), "--payload"]);
    let example = index.last().unwrap()["examples"].as_array().unwrap().last().unwrap();
    assert_eq!(&last["payload"], example);
});

/// With the real binary, as whoever changes a preset runs them. Each rule of each preset is seen at work and at rest.
#[test]
fn the_tests_of_presets_and_of_the_example_config_pass() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let mut run = Command::new(env!("CARGO_BIN_EXE_orchd"));
    run.args(["config", "test", "--json"]).arg(config.join("tests")).env_remove("ORCHD_CONFIG");
    let out = run.output().unwrap();
    let document: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(out.status.success() && document["ok"] == true, "{document:#}");

    let files = document["files"].as_array().unwrap();
    let tests: Vec<&Value> = files.iter().flat_map(|file| file["tests"].as_array().unwrap()).collect();
    let named = |key: &str| -> BTreeSet<&str> {
        tests.iter().flat_map(|test| test[key].as_array().unwrap()).map(|rule| rule.as_str().unwrap()).collect()
    };
    let (acting, resting) = (named("expected_to_act"), named("expected_to_rest"));
    let presets = orchd::config::presets();
    assert_eq!(presets.len(), std::fs::read_dir(config.join("presets")).unwrap().count(), "a preset is not listed");
    for rule in presets.iter().flat_map(|preset| &preset.rules) {
        assert!(acting.contains(rule.as_str()), "no test expects {rule} to act");
        assert!(resting.contains(rule.as_str()), "no test expects {rule} to do nothing");
    }
    let examples = orchd::config::load_rules(&config.join("orchd.yaml"), orchd::actions::kinds(), DateTime::UNIX_EPOCH);
    for rule in examples.unwrap().rules.iter() {
        assert!(acting.contains(rule.name.as_str()), "no test expects {} to act", rule.name);
    }
}
