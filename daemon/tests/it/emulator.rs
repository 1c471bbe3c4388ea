//! The road end to end against a third party's GitHub emulator, so that our own fake cannot hide our own mistakes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orchd_fake::AppKey;
use serde_json::{Value, json};

use crate::npm;
use crate::port::free_port;
use crate::step::{Ended, run};
use crate::story::run_cli;

pub const PACKAGE: &str = "emulate@0.11.2";
const SECRET: &str = "the emulator's webhook secret";

/// Killed when dropped.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn wait_for_port(port: u16, dir: &Path) {
    let began = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let logs =
            ["emulator.log", "orchd.log"].map(|name| std::fs::read_to_string(dir.join(name)).unwrap_or_default());
        assert!(began.elapsed() < Duration::from_secs(20), "nothing opened port {port}: {logs:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn spawn(command: &mut Command, log: &Path) -> Process {
    let log = std::fs::File::create(log).unwrap();
    Process(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
}

fn start_emulator(dir: &Path, port: u16, webhook_port: u16, key: &AppKey) -> Process {
    let seed = json!({
        "tokens": {"alice-token": {"login": "alice", "scopes": ["repo"]}},
        "github": {
            "users": [{"login": "alice", "name": "Alice"}, {"login": "bob", "name": "Bob"}],
            "orgs": [{"login": "acme", "name": "Acme"}],
            "repos": [{"owner": "acme", "name": "web", "auto_init": true}],
            "apps": [{
                "app_id": 12345, "slug": "orchd", "name": "orchd", "private_key": key.pem(),
                "permissions": {"issues": "write", "pull_requests": "write", "metadata": "read"},
                "events": ["issues", "issue_comment", "pull_request", "push"],
                "webhook_url": format!("http://127.0.0.1:{webhook_port}/webhooks/github"),
                "webhook_secret": SECRET,
                "installations": [{"installation_id": 100, "account": "acme", "repository_selection": "all"}],
            }],
        },
    });
    std::fs::write(dir.join("seed.json"), seed.to_string()).unwrap();
    let script = npm::install(PACKAGE).join("emulate/dist/index.js");
    let mut command = Command::new("node");
    command.arg(script).args(["start", "-s", "github", "-p", &port.to_string(), "--seed"]).arg(dir.join("seed.json"));
    let emulator = spawn(&mut command, &dir.join("emulator.log"));
    wait_for_port(port, dir);
    emulator
}

fn start_daemon(dir: &Path, port: u16, github: u16, key: &AppKey) -> Process {
    std::fs::write(dir.join("secret"), SECRET).unwrap();
    std::fs::write(dir.join("app.pem"), key.pem()).unwrap();
    let config = format!(
        "server: {{listen: \"127.0.0.1:{port}\", admin_socket: {dir}/orchd.sock}}
database: sqlite://{dir}/orchd.db
github:
  app_id: 12345
  api_url: http://127.0.0.1:{github}
  private_key: {{file: {dir}/app.pem}}
  webhook_secrets: [{{file: {dir}/secret}}]
rules:
  - name: triage
    on: issues.opened
    if: {{title: \"(?i)crash\"}}
    then:
      - label: {{add: [bug]}}
      - comment: {{body: \"Thank you, we look into it.\"}}
      - assign: {{add: [bob]}}
  - name: close-on-word
    on: issue_comment.created
    if: {{comment: \"^/close\"}}
    then:
      - close: {{reason: completed}}
",
        dir = dir.display()
    );
    std::fs::write(dir.join("orchd.yaml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchd"));
    command.args(["serve", "--config"]).arg(dir.join("orchd.yaml")).env("ORCHD_LOG", "orchd=debug,info");
    let daemon = spawn(&mut command, &dir.join("orchd.log"));
    wait_for_port(port, dir);
    daemon
}

/// Alice, with her own token.
struct Alice {
    client: reqwest::Client,
    api: String,
}

impl Alice {
    async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.api)).bearer_auth("alice-token").json(&body);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}{path}", self.api)).bearer_auth("alice-token");
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn sees(&self, what: &str, dir: &Path, path: &str, holds: impl Fn(&Value) -> bool) {
        let began = Instant::now();
        loop {
            let seen = self.get(path).await;
            if holds(&seen) {
                return;
            }
            let log = || std::fs::read_to_string(dir.join("orchd.log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(20), "waited in vain until {what}: {seen}\n{}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn the_story_end_to_end_on_the_third_party_emulator() {
    let dir = tempfile::tempdir().unwrap();
    let (github, webhooks) = (free_port(), free_port());
    let key = AppKey::generate();
    let _emulator = start_emulator(dir.path(), github, webhooks, &key);
    let _daemon = start_daemon(dir.path(), webhooks, github, &key);
    let alice = Alice { client: reqwest::Client::new(), api: format!("http://127.0.0.1:{github}") };

    let issue = alice.post("/repos/acme/web/issues", json!({"title": "Crash on start", "body": "It does."})).await;
    let path = format!("/repos/acme/web/issues/{}", issue["number"]);
    let names = |seen: &Value, list: &str, key: &str| -> Vec<String> {
        seen[list].as_array().into_iter().flatten().map(|each| each[key].as_str().unwrap().to_owned()).collect()
    };
    alice
        .sees("label and assignee are there", dir.path(), &path, |seen| {
            names(seen, "labels", "name") == ["bug"] && names(seen, "assignees", "login") == ["bob"]
        })
        .await;
    let comments = format!("{path}/comments");
    alice
        .sees("one comment is there", dir.path(), &comments, |seen| seen.as_array().is_some_and(|all| all.len() == 1))
        .await;

    alice.post(&comments, json!({"body": "/close please"})).await;
    alice.sees("the issue is closed", dir.path(), &path, |seen| seen["state"] == "closed").await;
    let seen = alice.get(&comments).await;
    assert_eq!(seen.as_array().unwrap().len(), 2, "still one comment of ours: {seen}");

    // GitHub shows a change a moment before its receipt is stored.
    let states = || -> Vec<String> {
        let out = run_cli(&dir.path().join("orchd.yaml"), &["--json", "effects", "list"]);
        let lines = String::from_utf8(out.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["state"].to_string()).collect()
    };
    let began = Instant::now();
    while states() != ["\"applied\""; 4] {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", states());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A token of the installation, as `actions/create-github-app-token` hands one to a workflow.
async fn installation_token(api: &str, key: &AppKey) -> String {
    let now = chrono::Utc::now().timestamp();
    let claims = json!({"iss": "12345", "iat": now - 60, "exp": now + 300});
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(key.pem().as_bytes()).unwrap();
    let jwt = jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256), &claims, &key).unwrap();
    let request = reqwest::Client::new().post(format!("{api}/app/installations/100/access_tokens"));
    let answer: Value = request.bearer_auth(jwt).send().await.unwrap().json().await.unwrap();
    answer["token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// The Action's step on the opening of an issue, and its effects' states.
async fn run_step(dir: &Path, api: &str, token: &str, issue: &Value) -> (Ended, Vec<Value>) {
    let commit = "1".repeat(40);
    let root = dir.join("checkout");
    std::fs::create_dir_all(root.join(".git")).unwrap();
    std::fs::write(root.join(".git/HEAD"), &commit).unwrap();
    let rules = "rules:\n- name: triage\n  on: issues.opened\n  if: {title: \"(?i)crash\"}\n  then:\n  - label: {add: [bug]}\n  \
                 - comment: {body: \"Thank you, we look into it.\"}\n  - assign: {add: [bob]}\n";
    std::fs::write(root.join("rules.yml"), rules).unwrap();
    let repository = json!({"id": 1, "full_name": "acme/web", "default_branch": "main"});
    let sender = json!({"login": "alice", "type": "User"});
    let payload = json!({"action": "opened", "issue": issue, "repository": repository, "sender": sender});
    std::fs::write(dir.join("event.json"), payload.to_string()).unwrap();
    let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let variables = [
        ("GITHUB_API_URL", api.to_owned()),
        ("GITHUB_EVENT_NAME", "issues".to_owned()),
        ("GITHUB_EVENT_PATH", path(dir.join("event.json"))),
        ("GITHUB_REF", "refs/heads/main".to_owned()),
        ("GITHUB_REPOSITORY", "acme/web".to_owned()),
        ("GITHUB_RUN_ID", "1".to_owned()),
        ("GITHUB_SERVER_URL", "https://github.com".to_owned()),
        ("GITHUB_SHA", commit),
        ("GITHUB_WORKSPACE", path(root)),
        ("INPUT_APP_SLUG", "orchd".to_owned()),
        ("INPUT_CONFIG", "rules.yml".to_owned()),
        ("INPUT_MODE", "run".to_owned()),
        ("INPUT_TOKEN", token.to_owned()),
    ];
    let ended = run(dir, BTreeMap::from(variables)).await;
    let effects =
        ended.outputs.split_once("effects<<").and_then(|(_, rest)| serde_json::from_str(rest.lines().nth(1)?).ok());
    let states =
        effects.iter().flat_map(|effects: &Vec<Value>| effects).map(|effect| effect["state"].clone()).collect();
    (ended, states)
}

#[tokio::test]
async fn the_same_rules_without_a_server_on_the_third_party_emulator() {
    let dir = tempfile::tempdir().unwrap();
    let (github, nobody) = (free_port(), free_port());
    let key = AppKey::generate();
    let _emulator = start_emulator(dir.path(), github, nobody, &key);
    let api = format!("http://127.0.0.1:{github}");
    let alice = Alice { client: reqwest::Client::new(), api: api.clone() };
    let issue = alice.post("/repos/acme/web/issues", json!({"title": "Crash on start", "body": "It does."})).await;
    let path = format!("/repos/acme/web/issues/{}", issue["number"]);
    let token = installation_token(&api, &key).await;
    for expected in ["applied", "unchanged"] {
        let (Ended { code, log, .. }, states) = run_step(dir.path(), &api, &token, &issue).await;
        assert_eq!((code, states), (Some(0), vec![expected.into(); 3]), "{log}");
        assert!(log.lines().all(|line| line.starts_with("::add-mask::") || !line.contains(&token)), "{log}");
    }
    let seen = alice.get(&path).await;
    assert_eq!((&seen["labels"][0]["name"], &seen["assignees"][0]["login"]), (&json!("bug"), &json!("bob")), "{seen}");
    assert_eq!(alice.get(&format!("{path}/comments")).await.as_array().unwrap().len(), 1);
}
