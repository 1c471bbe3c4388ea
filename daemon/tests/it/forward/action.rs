//! The Action's step and the daemon, both as they are built, with an issuer between them.

use std::collections::BTreeMap;

use orchd_fake::issuer::REQUEST_TOKEN;
use serde_json::{Value, json};

use super::door::{AUDIENCE, Door, SECRET, SHA, WATCH};
use crate::step::{Ended, run};
use crate::story::{Database, WEB};

/// A step of a run, with these variables more.
async fn step(door: &Door, more: &[(&'static str, &str)]) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    let event = dir.path().join("event.json");
    std::fs::write(&event, json!({"action": "push"}).to_string()).unwrap();
    let mut variables = BTreeMap::from([
        ("GITHUB_ACTOR", "mona".to_owned()),
        ("GITHUB_API_URL", "http://127.0.0.1:9".to_owned()),
        ("GITHUB_EVENT_NAME", "push".to_owned()),
        ("GITHUB_EVENT_PATH", event.to_str().unwrap().to_owned()),
        ("GITHUB_JOB", "tell".to_owned()),
        ("GITHUB_REF", "refs/heads/main".to_owned()),
        ("GITHUB_REPOSITORY", WEB.to_owned()),
        ("GITHUB_REPOSITORY_ID", door.ids[0].to_string()),
        ("GITHUB_RUN_ATTEMPT", "1".to_owned()),
        ("GITHUB_RUN_ID", "900".to_owned()),
        ("GITHUB_SERVER_URL", "https://github.com".to_owned()),
        ("GITHUB_SHA", SHA.to_owned()),
        ("GITHUB_WORKFLOW", "CI".to_owned()),
        ("GITHUB_WORKFLOW_REF", "acme/web/.github/workflows/ci.yml@refs/heads/main".to_owned()),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN.to_owned()),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", door.issuer.request_url()),
        ("INPUT_AUDIENCE", AUDIENCE.to_owned()),
        ("INPUT_MODE", "forward".to_owned()),
        ("INPUT_NAME", "tell-0".to_owned()),
        ("INPUT_STATUS", "failure".to_owned()),
        ("INPUT_URL", door.story.url()),
    ]);
    variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    run(dir.path(), variables).await
}

fn payload(door: &Door, event: &Value) -> String {
    door.story.json(&["events", "show", event["id"].as_str().unwrap(), "--payload"]).to_string()
}

#[tokio::test]
async fn a_step_of_a_run_tells_the_daemon_what_it_is_at() {
    let door = Door::open(Database::Sqlite, WATCH).await;
    door.issuer.is_of(door.run());
    let told = [
        ("INPUT_NEEDS", r#"{"build": {"result": "failure", "outputs": {"image": "x"}}}"#),
        ("INPUT_SUMMARY", "Three tests\n::error::fail"),
        ("INPUT_TESTS", "passed=37 failed=3"),
    ];
    let ended = step(&door, &told).await;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.outputs.contains("accepted"), "{}", ended.outputs);
    // The token is masked before a word is said of anything.
    let shown: Vec<&str> = ended.log.lines().filter(|line| line.contains("eyJ")).collect();
    assert!(shown.len() == 1 && shown[0].starts_with("::add-mask::"), "{}", ended.log);
    let row = door.forwarded().remove(0);
    let payload = payload(&door, &row);
    for part in [r#""passed":37"#, r#""result":"failure""#, r#""proof":"oidc""#, r#""job":"tell""#] {
        assert!(payload.contains(part), "{part}: {payload}");
    }

    // The step once more is the same delivery, whatever token it has now.
    let again = step(&door, &told).await;
    assert!(again.code == Some(0) && again.outputs.contains("duplicate"), "{}", again.log);

    // By a secret, for a repository of which there is no token.
    let api = door.ids[1].to_string();
    let by_secret = [
        ("GITHUB_REPOSITORY", "acme/api"),
        ("GITHUB_REPOSITORY_ID", api.as_str()),
        ("GITHUB_WORKFLOW_REF", "acme/api/.github/workflows/ci.yml@refs/heads/main"),
        ("INPUT_SECRET", SECRET),
    ];
    let ended = step(&door, &by_secret).await;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(door.forwarded().len(), 2);

    for (changed, why) in [
        (
            ("INPUT_AUDIENCE", "https://elsewhere.example"),
            "does not believe whose run this is: the token is made out to somebody else",
        ),
        (("INPUT_SECRET", "a wrong secret"), "does not believe whose run this is: the signature does not fit"),
    ] {
        let ended = step(&door, &[changed]).await;
        assert!(ended.code == Some(2) && ended.log.contains(why), "{why}: {}", ended.log);
    }
    door.issuer.is_of(door.run_with(&json!({"repository": "acme/api", "repository_id": api})));
    let ended = step(&door, &[]).await;
    assert!(ended.code == Some(2) && ended.log.contains("`forward.repositories`"), "{}", ended.log);
    let long = "x".repeat(5_000);
    let ended = step(&door, &[("INPUT_SUMMARY", long.as_str())]).await;
    assert!(ended.code == Some(2), "{}", ended.log);
    assert_eq!(door.forwarded().len(), 2, "nothing more came");
}
