//! The Action's `mode: run` and the daemon decide the same, whatever GitHub publishes as a payload: the same verdicts, for
//! the same reasons, wanting the same. Both ask the same GitHub, which answers with its published examples.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use orchd::core::condition;
use orchd::core::event_names::{EVENTS, SCHEDULE};
use orchd::core::subject::{SubjectKind, can_be_about};
use orchd_action::Step;
use serde_json::{Value, json};

use crate::examples::{published, signature};
use crate::published::{Published, serve};
use crate::story::{Database, Story};

/// As the App of the examples is installed everywhere.
const INSTALLATION: i64 = 1;

/// A rule for every condition, on whatever event: once as it is, and once so that it always matches, which shows what it
/// saw. All in shadow: nothing is to be done, and what would be is told.
fn of_conditions() -> String {
    let mut text = String::new();
    for kind in condition::kinds() {
        let (name, example) = (kind.name.replace('_', "-"), kind.example.trim());
        let always = format!("any: [{{{example}}}, {{not: {{{example}}}}}]");
        for (name, when, then) in [
            (format!("{name}.as-it-is"), example, "create_issue: {title: Seen, body: Look}"),
            (format!("{name}.always"), always.as_str(), "label: {add: [seen]}"),
        ] {
            let _ = writeln!(text, "  - {{name: {name}, mode: shadow, on: \"*\", if: {{{when}}}, then: [{{{then}}}]}}");
        }
    }
    text
}

/// A rule for an event and each kind of thing that it can be about.
fn of_event(event: &str) -> String {
    let kinds =
        [("label: {add: [seen]}", SubjectKind::Item), ("dispatch: {event_type: seen}", SubjectKind::Repository)];
    let of_kind = |(then, kind): (&str, SubjectKind)| {
        format!("  - {{name: on-{event}.{kind:?}, mode: shadow, on: {event}, then: [{{{then}}}]}}\n")
    };
    kinds.into_iter().filter(|(_, kind)| can_be_about(Some(event), *kind)).map(of_kind).collect()
}

/// What is compared of a decision, by the rule's name as its file has it.
type Decided = BTreeMap<String, Value>;

fn decided(decisions: &[Value], wanted: impl Fn(&Value) -> Vec<Value>) -> Decided {
    let of_file = |name: &str| name.rsplit_once(':').map_or(name, |(_, short)| short).to_owned();
    let part = |decision: &Value| {
        let wanted: Vec<Value> = wanted(decision)
            .iter()
            .map(|intent| json!({"action": intent["action"], "params": intent["params"], "target": intent["target"]}))
            .collect();
        let parts = json!({
            "mode": decision["mode"], "verdict": decision["verdict"], "explanation": decision["explanation"], "wants": wanted,
        });
        (of_file(decision["rule"].as_str().unwrap()), parts)
    };
    decisions.iter().map(part).collect()
}

/// What the daemon decided on an event, and when it had come in.
async fn by_the_daemon(story: &Story, event: &str) -> (Decided, DateTime<Utc>) {
    let why = story.as_owner(&format!("/api/why?event={event}")).await.unwrap();
    let told = &why["events"][0];
    let effects = told["effects"].as_array().unwrap();
    let wanted = |decision: &Value| {
        let of_rule = effects.iter().filter(|effect| effect["intent"]["rule"] == decision["rule"]);
        of_rule.map(|effect| effect["intent"].clone()).collect()
    };
    let received = told["event"]["received_at"].as_str().unwrap().parse().unwrap();
    (decided(told["decisions"].as_array().unwrap(), wanted), received)
}

fn own_rules(event: &str) -> String {
    format!("rules/{event}.yml")
}

/// What the Action decides on the same, at the same moment.
fn by_the_action(dir: &Path, port: u16, (name, payload): (&str, &Value), at: DateTime<Utc>) -> Decided {
    let (event, output) = (dir.join("event.json"), dir.join("output"));
    std::fs::write(&event, payload.to_string()).unwrap();
    let _ = std::fs::remove_file(&output);
    let set = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_API_URL", &format!("http://127.0.0.1:{port}")),
        ("GITHUB_EVENT_NAME", name),
        ("GITHUB_EVENT_PATH", event.to_str().unwrap()),
        ("GITHUB_OUTPUT", output.to_str().unwrap()),
        ("GITHUB_REPOSITORY", payload["repository"]["full_name"].as_str().unwrap()),
        ("GITHUB_RUN_ID", "1"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_SHA", &"0".repeat(40)),
        ("INPUT_CONFIG", &own_rules(name)),
        ("INPUT_MODE", "run"),
        ("INPUT_TOKEN", "ghs_a_token_of_a_run"),
    ];
    let variables = set.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut log = Vec::new();
    let code = Step { variables, clock: Box::leak(Box::new(move || at)) }.run(&mut log);
    assert_eq!(code, 0, "{name}: {}", String::from_utf8_lossy(&log));
    let text = std::fs::read_to_string(output).unwrap();
    let (_, rest) = text.split_once("decisions<<").unwrap();
    let decisions: Vec<Value> = serde_json::from_str(rest.lines().nth(1).unwrap()).unwrap();
    decided(&decisions, |decision| decision["intents"].as_array().unwrap().clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_action_and_the_daemon_decide_the_same_on_every_published_payload() {
    let events = EVENTS.into_iter().filter(|event| *event != SCHEDULE);
    let rules = of_conditions() + &events.clone().map(of_event).collect::<String>();
    let mut github = Published::load();
    // Rules for other events decide nothing: the Action is spared reading them 280 times.
    github.files =
        events.map(|event| (own_rules(event), format!("rules:\n{}{}", of_conditions(), of_event(event)))).collect();
    let port = serve(Arc::new(github)).await;
    let mut story = Story::prepare(Database::Sqlite, &rules, "").await;
    story.reach_github_at(&format!("http://127.0.0.1:{port}"));
    story.write_rules(&rules);
    let config = std::fs::read_to_string(story.config()).unwrap();
    let config = config.replace("server:\n", "server:\n  webhook_allow: [github, 127.0.0.1]\n");
    std::fs::write(story.config(), config).unwrap();
    story.start();

    let mut sent: Vec<(String, Value)> = Vec::new();
    let client = reqwest::Client::new();
    for event in published() {
        let name = event["name"].as_str().unwrap();
        for example in event["examples"].as_array().unwrap() {
            // A run is always one of a repository.
            if !example["repository"]["full_name"].is_string() {
                continue;
            }
            let mut payload = example.clone();
            payload["installation"] = json!({"id": INSTALLATION});
            let body = payload.to_string();
            let sending = client
                .post(format!("{}/webhooks/github", story.url()))
                .header("content-type", "application/json")
                .header("x-github-event", name)
                .header("x-github-delivery", format!("example-{}", sent.len()))
                .header("x-hub-signature-256", signature(body.as_bytes()));
            assert_eq!(sending.body(body).send().await.unwrap().status(), 202, "{name}");
            sent.push((name.to_owned(), payload));
        }
    }
    assert_eq!(sent.len(), 280, "of 329, 49 are about no repository");
    story.settles().await;

    let stored = story.json_lines(&["events", "list", "--limit", "1000"]);
    let ids: BTreeMap<&str, &str> =
        stored.iter().map(|row| (row["delivery_id"].as_str().unwrap(), row["id"].as_str().unwrap())).collect();
    let (mut verdicts, mut rules_seen, mut wants) = (BTreeMap::<String, usize>::new(), BTreeSet::new(), 0);
    let dir = tempfile::tempdir().unwrap();
    for (at, (name, payload)) in sent.iter().enumerate() {
        let (daemon, received) = by_the_daemon(&story, ids[format!("example-{at}").as_str()]).await;
        let (path, event, example) = (dir.path().to_owned(), name.clone(), payload.clone());
        let action = move || by_the_action(&path, port, (&event, &example), received);
        let action = tokio::task::spawn_blocking(action).await.unwrap();
        for (rule, decision) in &daemon {
            assert_eq!(action.get(rule), Some(decision), "{name} {at}, rule {rule}");
            *verdicts.entry(decision["verdict"].as_str().unwrap().to_owned()).or_default() += 1;
            wants += decision["wants"].as_array().unwrap().len();
        }
        assert_eq!(action.len(), daemon.len(), "{name} {at}");
        rules_seen.extend(daemon.into_keys());
    }
    // That there was something to agree on.
    assert!(["matched", "not_matched", "skipped"].iter().all(|verdict| verdicts[*verdict] > 100), "{verdicts:?}");
    assert!(wants > 500, "{wants}");
    for kind in condition::kinds() {
        assert!(rules_seen.contains(&format!("{}.as-it-is", kind.name.replace('_', "-"))), "{}", kind.name);
    }
}
