//! The stage of a story: a simulated GitHub, a real daemon process, a real database, and the real CLI.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use orchd_fake::{GitHub, Request};
use serde_json::Value;
use tempfile::TempDir;

use crate::port::free_port;
use crate::postgres;

pub const SECRET: &str = "It's a Secret to Everybody";

/// The repository most stories happen in.
pub const WEB: &str = "acme/web";

/// How long a story waits for something before it fails.
const PATIENCE: Duration = Duration::from_secs(240);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// Runs the story on each database.
#[macro_export]
macro_rules! on_both_databases {
    ($name:ident, $story:expr) => {
        mod $name {
            use super::*;

            #[tokio::test]
            async fn on_sqlite() {
                ($story)($crate::story::Database::Sqlite).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                ($story)($crate::story::Database::Postgres).await;
            }
        }
    };
}

pub struct Story {
    pub github: GitHub,
    pub dir: TempDir,
    pub port: u16,
    database: String,
    /// Lines below `github:` and other top-level keys that a story adds.
    more: String,
    api_url: String,
    /// Of the daemon, beside what the test has.
    environment: Vec<(String, PathBuf)>,
    /// The value of `recovery:`. Off unless a story is about it: others count what GitHub is asked.
    pub recovery: String,
    /// Lines below `server:`.
    pub server: String,
    daemon: Option<Child>,
    /// To the admin socket: making one takes longer than asking.
    admin: reqwest::Client,
}

/// Killed when dropped.
pub struct SecondDaemon(Child);

impl Drop for SecondDaemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the daemon's log ---\n{}", self.log());
        }
    }
}

impl Story {
    /// A daemon with these rules (the YAML below `rules:`), the App installed on `acme/web` and `acme/api`.
    pub async fn begin(database: Database, rules: &str) -> Self {
        let mut story = Self::prepare(database, rules, "").await;
        story.start();
        story
    }

    /// As [`Story::begin`], not started yet; `more` is added to the config (for example `  dry_run: true` below `github:`).
    pub async fn prepare(database: Database, rules: &str, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let github = GitHub::start().await.unwrap();
        github.install("acme", &[WEB, "acme/api"]);
        for repository in [WEB, "acme/api"] {
            for login in ["alice", "bob"] {
                github.add_collaborator(repository, login);
            }
        }
        let database = match database {
            Database::Sqlite => format!("sqlite://{}", dir.path().join("orchd.db").display()),
            Database::Postgres => postgres::Database::create().await.url,
        };
        let port = free_port();
        std::fs::write(dir.path().join("webhook-secret"), SECRET).unwrap();
        std::fs::write(dir.path().join("github-app.pem"), github.app_key().pem()).unwrap();
        let admin = reqwest::Client::builder().unix_socket(dir.path().join("orchd.sock")).pool_max_idle_per_host(0);
        let story = Self {
            admin: admin.build().unwrap(),
            api_url: github.url(),
            github,
            dir,
            port,
            database,
            more: more.to_owned(),
            environment: Vec::new(),
            recovery: "{every: 0s}".to_owned(),
            server: String::new(),
            daemon: None,
        };
        story.write_rules(rules);
        story.github.set_webhook(&format!("{}/webhooks/github", story.url()), SECRET);
        story
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// URL of its database.
    pub fn database(&self) -> String {
        self.database.clone()
    }

    /// Another database, at the next [`Story::write_rules`].
    pub fn keep_state_at(&mut self, url: &str) {
        url.clone_into(&mut self.database);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("orchd.yaml")
    }

    pub fn socket(&self) -> PathBuf {
        self.path("orchd.sock")
    }

    /// Writes the config as an editor does: a new file, renamed over the old one.
    pub fn write_rules(&self, rules: &str) {
        let text = format!(
            "server:\n  listen: 127.0.0.1:{}\n  admin_socket: {}\n{}\
             database:\n  url: \"{}\"\n  objects: {}\n\
             queue: {{backoff: 50ms, backoff_cap: 200ms, lease: 2s}}\n\
             recovery: {}\n\
             github:\n  timeout: 1s\n{}  app_id: {}\n  api_url: {}\n  private_key: {{file: {}}}\n  webhook_secrets: [{{file: {}}}]\n{}\n\
             rules:\n{rules}\n",
            self.port,
            self.socket().display(),
            self.server,
            self.database,
            self.path("objects").display(),
            self.recovery,
            self.patience(),
            self.github.app_id(),
            self.api_url,
            self.path("github-app.pem").display(),
            self.path("webhook-secret").display(),
            self.more,
        );
        let draft = self.path("orchd.yaml.new");
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, self.config()).unwrap();
    }

    /// Another way to GitHub, at the next [`Story::write_rules`].
    pub fn reach_github_at(&mut self, url: &str) {
        url.clone_into(&mut self.api_url);
    }

    /// For the next start.
    pub fn set_environment(&mut self, name: &str, value: &Path) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Much happens in the seconds of a story: without limits of the minute, and GitHub is not left alone for long, unless
    /// the story says otherwise.
    fn patience(&self) -> String {
        let limits = "  limits: {points_a_minute: 0, content_a_minute: 0, content_an_hour: 0, write_spacing: 0ms}\n";
        let breaker = "  breaker: {open: 50ms, open_cap: 400ms}\n";
        let usual = [("limits:", limits), ("breaker:", breaker)].into_iter();
        usual.filter(|(key, _)| !self.more.contains(key)).map(|(_, line)| line).collect()
    }

    /// Takes out what [`Story::prepare`] was given to add, at the next [`Story::write_rules`].
    pub fn permit_everything(&mut self) {
        self.more.clear();
    }

    /// Puts this in the place of what [`Story::prepare`] was given to add, at the next [`Story::write_rules`].
    pub fn replace_more(&mut self, more: &str) {
        more.clone_into(&mut self.more);
    }

    /// Begins with recovery at work, and waits until it has looked for the first time: from then on nothing is missed.
    pub async fn begin_recovering(database: Database, rules: &str, recovery: &str) -> Self {
        let mut story = Self::prepare(database, rules, "").await;
        story.recovery = recovery.to_owned();
        story.write_rules(rules);
        story.start();
        story.until_metric("orchd_recovery_last_run_timestamp_seconds ", |_| true).await;
        story
    }

    /// Waits until a metric (name and labels) has such a value.
    pub async fn until_metric(&self, metric: &str, fits: impl Fn(f64) -> bool) {
        let began = std::time::Instant::now();
        loop {
            let (_, text) = self.get("/metrics").await;
            let value = text.lines().find_map(|line| line.strip_prefix(metric)?.trim().parse::<f64>().ok());
            if value.is_some_and(&fits) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "waited in vain for {metric}, which is {value:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts the daemon and waits until it answers.
    pub fn start(&mut self) {
        assert!(self.daemon.is_none(), "the daemon already runs");
        let log = File::options().create(true).append(true).open(self.path("orchd.log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_orchd"))
            .args(["serve", "--config"])
            .arg(self.config())
            .env("ORCHD_LOG", "orchd=debug,info")
            .env_remove("JOURNAL_STREAM")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.daemon = Some(child);
        self.wait_for("the daemon answers", |story| {
            std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, story.port)).is_ok() && story.socket().exists()
        });
    }

    /// Another daemon on the same database, with its own address and socket, until it is dropped.
    pub fn second_daemon(&self) -> SecondDaemon {
        self.another_daemon(|text| text).0
    }

    /// Another daemon, which knows nothing of this one: its own database and rules, and the same GitHub. Gives its
    /// address and its config beside it; it listens once it answers.
    pub async fn rival(&self, rules: &str) -> (SecondDaemon, String, PathBuf) {
        let (daemon, url, config) = self.another_daemon(|text| {
            let top = text.split("\nrules:\n").next().unwrap();
            let database = format!("sqlite://{}", self.path("rival.db").display());
            format!("{}\nrules:\n{rules}\n", top.replace(&self.database, &database).replace("/objects", "/others"))
        });
        let socket = self.path("second.sock");
        self.until("the rival answers", |_| std::os::unix::net::UnixStream::connect(&socket).is_ok()).await;
        (daemon, url, config)
    }

    fn another_daemon(&self, change: impl FnOnce(String) -> String) -> (SecondDaemon, String, PathBuf) {
        let port = free_port();
        let text = std::fs::read_to_string(self.config()).unwrap();
        let text = text.replace(&format!("127.0.0.1:{}\n", self.port), &format!("127.0.0.1:{port}\n"));
        let config = self.path("second.yaml");
        std::fs::write(&config, change(text.replace("orchd.sock", "second.sock"))).unwrap();
        let log = File::options().create(true).append(true).open(self.path("second.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_orchd"));
        command.args(["serve", "--config"]).arg(&config).env_remove("JOURNAL_STREAM").stdin(Stdio::null());
        let daemon = SecondDaemon(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        (daemon, format!("http://127.0.0.1:{port}"), config)
    }

    /// `kill -9`: no chance to tidy up.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.daemon.as_ref().expect("the daemon runs").id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// SIGTERM; gives the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.daemon.take().expect("the daemon runs").wait().unwrap().code()
    }

    /// What the daemon wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("orchd.log")).unwrap_or_default()
    }

    /// Looks every few milliseconds until `condition` holds.
    pub fn wait_for(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let began = std::time::Instant::now();
        while !condition(self) {
            if let Some(code) = self.daemon.as_mut().and_then(|daemon| daemon.try_wait().unwrap()) {
                panic!("the daemon ended ({code}) before {what}");
            }
            assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// As [`Story::wait_for`], while the simulated GitHub goes on answering.
    pub async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let began = std::time::Instant::now();
        while !condition(self) {
            assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What GitHub was asked, without signing in and the App's installations: those are listed at every start.
    pub fn asked(&self) -> Vec<Request> {
        let mut asked = self.github.requests();
        asked.retain(|request| {
            !request.path.starts_with("/app/installations") && !request.path.starts_with("/installation/")
        });
        asked
    }

    /// Runs the CLI against the daemon.
    pub fn cli(&self, args: &[&str]) -> Output {
        run_cli(&self.config(), args)
    }

    /// Runs the CLI while the simulated GitHub, which lives in this thread, goes on answering.
    pub async fn cli_and_github(&self, args: &[&str]) -> Output {
        let (config, args) = (self.config(), args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>());
        let run = move || run_cli(&config, &args.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await.unwrap()
    }

    /// Runs the CLI with `--json` and reads its one document.
    pub fn json(&self, args: &[&str]) -> Value {
        let out = self.cli(&[&["--json"], args].concat());
        assert!(out.status.success(), "orchd {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap()
    }

    /// Runs the CLI with `--json` and reads its lines.
    pub fn json_lines(&self, args: &[&str]) -> Vec<Value> {
        let out = self.cli(&[&["--json"], args].concat());
        assert!(out.status.success(), "orchd {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// A GET on the public listener.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("{}{path}", self.url())).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn status(&self) -> Option<Value> {
        self.as_owner("/api/status").await
    }

    /// A GET on the admin socket; `None`: nobody answers with JSON there.
    pub async fn as_owner(&self, path: &str) -> Option<Value> {
        self.admin.get(format!("http://orchd{path}")).send().await.ok()?.json().await.ok()
    }

    /// Waits until every delivery is answered and no job is left to run, twice in a row: the App's own changes make deliveries too.
    pub async fn settles(&self) {
        let began = std::time::Instant::now();
        let mut calm = 0;
        while calm < 2 {
            self.github.until_delivered().await;
            let idle = self.status().await.is_some_and(|status| {
                let count = |state: &str| status.pointer(&format!("/queue/{state}")).and_then(Value::as_u64);
                count("queued") == Some(0) && count("running") == Some(0)
            });
            calm = if idle { calm + 1 } else { 0 };
            assert!(began.elapsed() < PATIENCE, "things do not settle: {:?}", self.status().await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

pub fn run_cli(config: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_orchd")).arg("--config").arg(config).args(args).output().unwrap()
}
