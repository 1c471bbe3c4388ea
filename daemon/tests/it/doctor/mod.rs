//! `orchd doctor`: a daemon with which all is well, and each fault planted alone.

mod abroad;
mod at_home;
mod github;
mod proxies;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr as _;

use orchd_fake::CLIENT_SECRET;
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;

use crate::login::KEY;
use crate::road::DOCS_RULE;
use crate::story::{Database, Story};
use crate::tls::end_tls_before;

/// What the App is granted and asks for.
fn permissions() -> Value {
    json!({"issues": "write", "metadata": "read", "pull_requests": "write"})
}

/// A story whose parts are all well, not started yet, reached at `public`.
async fn prepare(database: Database, public: &str) -> Story {
    let mut story = Story::prepare(database, DOCS_RULE, "").await;
    for (name, text) in [("client-secret", CLIENT_SECRET), ("login-key", KEY)] {
        std::fs::write(story.path(name), text).unwrap();
    }
    for name in ["client-secret", "login-key", "webhook-secret", "github-app.pem"] {
        set_mode(&story.path(name), 0o600);
    }
    story.server = format!("  public_url: {public}\n  trusted_proxies: [127.0.0.1]\n");
    story.replace_more(&format!(
        "  client_id: Iv1.0123456789abcdef\n  client_secret: {{file: {}}}\nlogin: {{keys: [{{file: {}}}]}}",
        story.path("client-secret").display(),
        story.path("login-key").display()
    ));
    story.write_rules(DOCS_RULE);
    story.github.ask_for_permissions(&permissions());
    story.github.subscribe(&["issues", "pull_request", "push", "repository"]);
    story.github.show_webhook_url(Some(&format!("{public}/webhooks/github")));
    story
}

/// A daemon with which all is well, behind a proxy that ends TLS.
async fn well(database: Database) -> Story {
    let directory = tempfile::tempdir().unwrap();
    let port = crate::port::free_port();
    let front = end_tls_before(here(port), &directory.path().join("ca.pem")).await;
    let mut story = prepare(database, &format!("https://localhost:{}", front.port())).await;
    std::fs::copy(directory.path().join("ca.pem"), story.path("ca.pem")).unwrap();
    story.port = port;
    story.write_rules(DOCS_RULE);
    story.github.set_webhook(&format!("{}/webhooks/github", story.url()), crate::story::SECRET);
    story.start();
    story.github.ping();
    story.github.until_delivered().await;
    story
}

fn here(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Puts a text into the place of another in the config.
fn edit(story: &Story, from: &str, to: &str) {
    let config = std::fs::read_to_string(story.config()).unwrap();
    assert!(config.contains(from), "`{from}` is in\n{config}");
    std::fs::write(story.config(), config.replace(from, to)).unwrap();
}

/// What the doctor said.
#[derive(Debug)]
struct Report {
    code: Option<i32>,
    findings: BTreeMap<String, Value>,
}

impl Report {
    fn state(&self, check: &str) -> &str {
        self.findings[check]["state"].as_str().unwrap()
    }

    fn in_state(&self, state: &str) -> Vec<&str> {
        let names = self.findings.iter().filter(|(_, finding)| finding["state"] == state);
        names.map(|(name, _)| name.as_str()).collect()
    }

    /// Exactly this check is a fault; what it tells and advises holds these words.
    fn is_only(&self, check: &str, told: &str, advice: &str) {
        assert_eq!(self.in_state("fault"), [check], "{self:#?}");
        assert_eq!(self.code, Some(1));
        let finding = &self.findings[check];
        let said = finding["told"].as_str().unwrap();
        assert!(said.contains(told), "`{told}` in `{said}`");
        let advised: Vec<&str> =
            finding["advice"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        assert!(advised.iter().any(|line| line.contains(advice)), "`{advice}` in {advised:#?}");
    }

    /// As [`Report::is_only`], and everything else is well, or was not looked at because of it.
    fn is_alone(&self, check: &str, told: &str, advice: &str) {
        self.is_only(check, told, advice);
        assert!(self.in_state("warning").is_empty(), "{self:#?}");
    }

    /// As [`Report::is_only`], where no daemon runs.
    fn is_alone_without_a_daemon(&self, check: &str, told: &str, advice: &str) {
        self.is_only(check, told, advice);
        let worth_a_look = self.in_state("warning");
        assert!(worth_a_look.iter().all(|name| ["socket", "daemon"].contains(name)), "{self:#?}");
    }
}

/// Runs it while what the test serves goes on.
async fn run(story: &Story, args: &[&str]) -> (Option<i32>, String) {
    run_trusting(story, &story.path("ca.pem"), args).await
}

async fn run_trusting(story: &Story, authority: &Path, args: &[&str]) -> (Option<i32>, String) {
    let (config, authority): (PathBuf, PathBuf) = (story.config(), authority.to_owned());
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    let output = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orchd"));
        command.arg("--config").arg(config).args(args).stdin(Stdio::null());
        command.env("SSL_CERT_FILE", authority).env_remove("CREDENTIALS_DIRECTORY").output().unwrap()
    });
    let output = output.await.unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

async fn examine(story: &Story, args: &[&str]) -> Report {
    examine_trusting(story, &story.path("ca.pem"), args).await
}

async fn examine_trusting(story: &Story, authority: &Path, args: &[&str]) -> Report {
    let (code, out) = run_trusting(story, authority, &[&["--json", "doctor"], args].concat()).await;
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
    assert_eq!(report["well"], code == Some(0));
    let findings = report["findings"].as_array().unwrap().iter();
    let findings = findings.map(|finding| (finding["name"].as_str().unwrap().to_owned(), finding.clone()));
    Report { code, findings: findings.collect() }
}

/// With which all is well, on each database.
async fn all_is_well(database: Database) {
    let story = well(database).await;
    let (seen, config) = (story.github.effects().len(), std::fs::read(story.config()).unwrap());
    let report = examine(&story, &[]).await;
    assert_eq!(report.code, Some(0), "{report:#?}");
    assert_eq!(report.in_state("well").len(), report.findings.len(), "{report:#?}");
    assert_eq!(report.findings.len(), 20);

    let (code, list) = run(&story, &["doctor"]).await;
    assert_eq!(code, Some(0));
    assert!(list.lines().all(|line| line.starts_with("✓ ") || line == "All is well."), "{list}");
    assert!(list.contains("✓ clock") && !list.contains('\x1b'), "{list}");
    assert!(!list.contains(KEY) && !list.contains(CLIENT_SECRET) && !list.contains(crate::story::SECRET), "{list}");
    assert_eq!(story.github.effects().len(), seen, "nothing was done on GitHub");
    assert_eq!(std::fs::read(story.config()).unwrap(), config);

    let asked = story.github.requests().len();
    let offline = examine(&story, &["--offline"]).await;
    assert_eq!(offline.code, Some(0), "{offline:#?}");
    assert_eq!(offline.state("app"), "skipped");
    assert_eq!(offline.state("daemon"), "well");
    assert_eq!(story.github.requests().len(), asked, "GitHub was not asked");
}

#[tokio::test]
async fn a_daemon_that_hangs_is_found() {
    let story = well(Database::Sqlite).await;
    // It may hang in the middle of a write: this one stands for its own.
    let writing = hold(&story).await;
    story.signal("STOP");
    let report = examine(&story, &[]).await;
    report.is_alone("daemon", "it does not answer within 10 s", "systemctl restart orchd");
    assert_eq!((report.state("database"), report.state("webhook")), ("skipped", "skipped"));

    drop(writing);
    let report = examine(&story, &[]).await;
    report.is_alone("daemon", "it does not answer within 10 s", "systemctl restart orchd");
    assert_eq!((report.state("database"), report.state("webhook")), ("well", "skipped"));
}

#[tokio::test]
async fn another_program_that_holds_the_database_is_found() {
    let story = well(Database::Sqlite).await;
    let writing = hold(&story).await;
    let report = examine(&story, &["--offline"]).await;
    report.is_only("database", "for 5 s and lets nobody else", "fuser -v ");
    drop(writing);
}

/// Writes to the SQLite file for as long as it is kept.
async fn hold(story: &Story) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::from_str(&story.database()).unwrap();
    // What the daemon is at may have to end first.
    let mut connection = options.busy_timeout(std::time::Duration::from_secs(20)).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
    connection
}

#[tokio::test]
async fn what_waits_for_a_restart_is_worth_a_look() {
    let mut story = well(Database::Sqlite).await;
    let other = crate::port::free_port();
    edit(&story, &format!("listen: 127.0.0.1:{}\n", story.port), &format!("listen: 127.0.0.1:{other}\n"));
    story.wait_for("the daemon knows", |story| {
        story.json(&["status"])["config"]["needs_restart"].as_array().is_some_and(|keys| !keys.is_empty())
    });
    let report = examine(&story, &[]).await;
    assert_eq!((report.code, report.in_state("warning")), (Some(0), vec!["daemon"]), "{report:#?}");
    assert!(report.findings["daemon"]["told"].as_str().unwrap().contains("wait for a restart"), "{report:#?}");
    assert_eq!(report.findings["daemon"]["advice"][0], "systemctl restart orchd");
}

crate::on_both_databases!(a_daemon_with_which_all_is_well_gives_a_green_list, all_is_well);
