//! Starting, stopping, reloading, and what happens when the machine misbehaves.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use orchd_fake::NewItem;

use crate::on_both_databases;
use crate::road::DOCS_RULE;
use crate::story::{Database, Story, WEB, run_cli};

on_both_databases!(sigterm_finishes_what_runs_and_exits_with_zero, |database: Database| async move {
    let mut story = Story::begin(database, DOCS_RULE).await;
    story.github.set_latency(Duration::from_millis(300));
    story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    story
        .github
        .until("the job is under way", |github| github.requests().iter().any(|each| each.path.contains("/files")))
        .await;
    let began = Instant::now();
    assert_eq!(story.stop(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(std::net::TcpStream::connect(("127.0.0.1", story.port)).is_err(), "the port is closed");

    story.github.set_latency(Duration::ZERO);
    story.start();
    story.settles().await;
    assert_eq!(story.github.issue(WEB, 1).labels(), ["documentation"]);
    assert!(story.github.duplicate_effects().is_empty());
});

#[tokio::test]
async fn sigterm_gives_back_what_hangs_and_exits_within_ten_seconds() {
    let mut story = Story::begin(Database::Sqlite, DOCS_RULE).await;
    story.github.pause();
    story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    story.github.until("the job is under way", |github| !github.requests().is_empty()).await;
    let began = Instant::now();
    assert_eq!(story.stop(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    story.github.resume();
    story.start();
    story.settles().await;
    assert_eq!(story.github.issue(WEB, 1).labels(), ["documentation"]);
}

#[tokio::test]
async fn a_second_daemon_on_the_same_file_is_refused_with_a_clear_error() {
    let story = Story::begin(Database::Sqlite, DOCS_RULE).await;
    let config = std::fs::read_to_string(story.config()).unwrap();
    let other = story.path("other.yaml");
    let config =
        config.replace(&format!("127.0.0.1:{}", story.port), "127.0.0.1:0").replace("orchd.sock", "other.sock");
    std::fs::write(&other, config).unwrap();
    let second = Command::new(env!("CARGO_BIN_EXE_orchd"))
        .args(["serve", "--config"])
        .arg(&other)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another") && said.contains("orchd.db"), "{said}");
    story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    story.settles().await;
    assert!(story.github.issue(WEB, 1).has_label("documentation"), "the first goes on");
}

#[tokio::test]
async fn a_socket_from_systemd_is_taken_over_with_what_waits_in_it() {
    let story = Story::prepare(Database::Sqlite, DOCS_RULE, "").await;
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // Somebody connects while no daemon runs.
    let mut early = std::net::TcpStream::connect(address).unwrap();
    early.write_all(b"GET /health HTTP/1.1\r\nHost: orchd\r\nConnection: close\r\n\r\n").unwrap();
    early.set_read_timeout(Some(Duration::from_secs(30))).unwrap();

    // As systemd hands it over: descriptor 3, addressed to this very process.
    let mut daemon = Command::new("sh")
        .args(["-c", "exec 3<&0; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve --config \"$1\""])
        .arg(env!("CARGO_BIN_EXE_orchd"))
        .arg(story.config())
        .stdin(std::os::fd::OwnedFd::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(story.json(&["status"])["listen"], address.to_string());
    daemon.kill().unwrap();
    daemon.wait().unwrap();
}

#[tokio::test]
async fn a_saved_config_is_taken_up_and_a_broken_one_is_not() {
    let mut story = Story::begin(Database::Sqlite, DOCS_RULE).await;
    let alice = story.github.person("alice");
    let revision = |story: &Story| story.json(&["status"])["config"]["revision"].as_str().map(str::to_owned);
    let first = revision(&story);

    story.write_rules(&DOCS_RULE.replace("[documentation]", "[docs]"));
    story.wait_for("the new rules are in use", |story| revision(story) != first);
    let second = revision(&story);
    let one = alice.opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    story.settles().await;
    assert_eq!(story.github.issue(WEB, one).labels(), ["docs"]);

    story.write_rules("  - name: broken\n    on: pull_requst.opened\n    thn: []\n");
    story.wait_for("the refusal shows", |story| !story.json(&["status"])["config"]["error"].is_null());
    assert_eq!(revision(&story), second, "the old one keeps running");
    let error = story.json(&["status"])["config"]["error"].to_string();
    assert!(error.contains("orchd.yaml:"), "the status shows the error with its place: {error}");
    let (_, health) = story.get("/health").await;
    assert!(health.contains("orchd status") && !health.contains("orchd.yaml:"), "the world is told less: {health}");
    let (_, metrics) = story.get("/metrics").await;
    assert!(metrics.lines().any(|line| line.starts_with("orchd_config_error") && line.ends_with(" 1")), "{metrics}");
    assert!(story.log().contains("refused"));
    let two = alice.opens_pull(WEB, NewItem::titled("Docs").head("p2").file("docs/a.md"));
    story.settles().await;
    assert_eq!(story.github.issue(WEB, two).labels(), ["docs"], "and works");

    let check = run_cli(&story.config(), &["config", "check", story.config().to_str().unwrap()]);
    assert_eq!(check.status.code(), Some(1));
    let listed = format!("{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
    assert!(
        listed.contains("thn") && listed.contains("then") && listed.contains("pull_requst"),
        "all errors at once: {listed}"
    );

    story.write_rules(DOCS_RULE);
    story.signal("HUP");
    story.wait_for("the error is gone", |story| story.json(&["status"])["config"]["error"].is_null());
}

#[tokio::test]
async fn rotating_the_webhook_secret_takes_old_and_new() {
    let mut story = Story::begin(Database::Sqlite, DOCS_RULE).await;
    std::fs::write(story.path("new-secret"), "a brand new secret").unwrap();
    let config = std::fs::read_to_string(story.config()).unwrap();
    let old = format!("[{{file: {}}}]", story.path("webhook-secret").display());
    let both = format!(
        "[{{file: {}}}, {{file: {}}}]",
        story.path("new-secret").display(),
        story.path("webhook-secret").display()
    );
    assert!(config.contains(&old));
    let before = story.json(&["status"])["config"]["revision"].clone();
    std::fs::write(story.config(), config.replace(&old, &both)).unwrap();
    story.wait_for("the rotation is taken up", |story| story.json(&["status"])["config"]["revision"] != before);
    for secret in ["a brand new secret", crate::story::SECRET] {
        story.github.set_webhook(&format!("{}/webhooks/github", story.url()), secret);
        story.github.ping();
        story.github.until_delivered().await;
    }
    let codes: Vec<u16> = story.github.delivery_log().into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, [202, 202]);
}

#[tokio::test]
async fn invariant_11_no_secret_reaches_a_log_an_answer_or_the_database() {
    let mut story = Story::begin(Database::Sqlite, DOCS_RULE).await;
    story.github.fault(orchd_fake::Fault::on("POST", "/repos/acme/web/issues/1/labels").status(500));
    story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    story.settles().await;
    let mut said = story.log();
    said += &story.get("/health").await.1;
    said += &story.get("/metrics").await.1;
    said += &String::from_utf8_lossy(&story.cli(&["config", "show"]).stdout);
    said += &story.json(&["status"]).to_string();
    assert_eq!(story.stop(), Some(0));
    said += &story.log();
    let mut haystack = said.into_bytes();
    for file in ["orchd.db", "orchd.db-wal"] {
        haystack.extend(std::fs::read(story.path(file)).unwrap_or_default());
    }
    let pem = story.github.app_key().pem().to_owned();
    let key_line = pem.lines().nth(2).unwrap();
    for secret in [crate::story::SECRET, key_line, "ghs_"] {
        let found = haystack.windows(secret.len()).position(|window| window == secret.as_bytes());
        assert!(found.is_none(), "{secret:.8}… at {found:?}");
    }
}

/// A disk of 1 MiB of the test's own, which needs root: `make test` runs as root in CI. Elsewhere a user namespace serves.
#[tokio::test]
async fn a_full_disk_is_503_and_recovers_without_restart() {
    let mut story = Story::prepare(Database::Sqlite, DOCS_RULE, "").await;
    let disk = story.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "orchd-test"]).arg(&disk).status().unwrap();
    assert!(mounted.success(), "this test mounts a small tmpfs: run it as root");
    struct Unmount(std::path::PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
    let _unmount = Unmount(disk.clone());
    let config = std::fs::read_to_string(story.config()).unwrap();
    let config = config.replace(
        &format!("sqlite://{}", story.path("orchd.db").display()),
        &format!("sqlite://{}", disk.join("orchd.db").display()),
    );
    std::fs::write(story.config(), config).unwrap();
    story.start();
    story.github.ping();
    story.github.until_delivered().await;

    let ballast = disk.join("ballast");
    let _ = std::fs::write(&ballast, vec![7; 4 << 20]);
    let alice = story.github.person("alice");
    story.github.hold_deliveries();
    let mut refused = None;
    for n in 0..200 {
        alice.opens_issue("acme/api", NewItem::titled(&format!("Number {n}")));
        let delivery = story.github.take_deliveries().remove(0);
        if story.github.send(&delivery).await == 503 {
            refused = Some(delivery);
            break;
        }
    }
    let refused = refused.expect("the disk fills up and the daemon says so");
    let (health, _) = story.get("/health").await;
    assert_eq!(health, 503, "health shows it");

    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(story.github.send(&refused).await, 202, "room again: no restart needed");
    story.settles().await;
    let stored = story.json_lines(&["events", "list", "--limit", "1000"]);
    assert!(stored.iter().any(|event| event["delivery_id"] == refused.guid.as_str()));
}

#[tokio::test]
async fn a_database_directory_that_is_missing_is_a_clear_error() {
    let story = Story::prepare(Database::Sqlite, DOCS_RULE, "").await;
    let config = std::fs::read_to_string(story.config()).unwrap();
    let broken = config.replace("orchd.db\"", "no/such/dir/orchd.db\"");
    assert_ne!(config, broken);
    std::fs::write(story.config(), broken).unwrap();
    std::fs::write(story.path("no"), "a file where a directory should be").unwrap();
    let out = run_cli(&story.config(), &["serve"]);
    assert!(!out.status.success());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("orchd.db"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_hears_that_it_is_alive_and_how_it_is() {
    let mut story = Story::prepare(Database::Sqlite, DOCS_RULE, "").await;
    let path = story.path("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    story.set_environment("NOTIFY_SOCKET", &path);
    story.set_environment("WATCHDOG_USEC", std::path::Path::new("600000"));
    story.start();
    let mut heard = Heard { socket, told: String::new() };
    heard.until("READY=1");
    heard.until("STATUS=no jobs wait, 0 run; config ");
    for _ in 0..3 {
        heard.until("WATCHDOG=1");
    }

    story.github.set_latency(Duration::from_secs(2));
    story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    heard.until("STATUS=no jobs wait, 1 run");
    story.github.set_latency(Duration::ZERO);

    // A process that does not move gives no sign of life; one that moves again does.
    story.settles().await;
    story.signal("STOP");
    while heard.within(Duration::from_millis(900)).is_some() {}
    story.signal("CONT");
    heard.until("WATCHDOG=1");

    std::fs::write(story.config(), "rules: nonsense").unwrap();
    heard.until("the one on disk is refused");
    story.signal("TERM");
    heard.until("STOPPING=1");
}

/// What a service manager hears.
struct Heard {
    socket: std::os::unix::net::UnixDatagram,
    told: String,
}

impl Heard {
    fn until(&mut self, what: &str) {
        self.told.clear();
        let began = Instant::now();
        while !self.told.contains(what) {
            assert!(began.elapsed() < Duration::from_secs(30), "{what} was not heard in:\n{}", self.told);
            self.within(Duration::from_secs(30));
        }
    }

    fn within(&mut self, patience: Duration) -> Option<()> {
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let mut bytes = [0; 4096];
        let read = self.socket.recv(&mut bytes).ok()?;
        self.told.push_str(&String::from_utf8_lossy(&bytes[..read]));
        self.told.push('\n');
        Some(())
    }
}
