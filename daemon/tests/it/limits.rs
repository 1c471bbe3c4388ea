//! Never refused: the real client against a GitHub that keeps its limits, and a GitHub that is not there.

use std::time::Duration;

use chrono::Utc;
use futures_util::future::join_all;
use orchd::app::client::budgets;
use orchd::core::event::InstallationId;
use orchd::github::GitHubError;
use orchd::github::client::{GitHub, Reader, Settings};
use orchd::github::heard::Heard;
use orchd::github::limits::{BreakerTerms, Terms};
use orchd::store::{Db, StoreOptions};
use orchd_fake::{Fault, NewItem, Rules};
use serde_json::Value;

use crate::on_both_databases;
use crate::postgres;
use crate::story::{Database, Story, WEB};

const TRIAGE: &str = "
  - name: triage
    on: issues.opened
    then:
      - label: {add: [triage]}
      - comment: {body: \"Thank you.\"}
  - name: docs-label
    on: pull_request.opened
    if: {files: [\"docs/**\"]}
    then:
      - label: {add: [documentation]}
";

/// How often the breaker has opened, or stayed open after a look.
fn opened(story: &Story) -> usize {
    story.log().matches("the circuit breaker is open").count()
}

/// While GitHub is away things happen on two repositories; then it comes back.
async fn survives(database: Database, looks: usize, leave: impl Fn(&Story), come_back: impl Fn(&Story)) {
    let story = Story::begin(database, TRIAGE).await;
    leave(&story);
    let alice = story.github.person("alice");
    let mut items = Vec::new();
    for n in 0..8 {
        for repository in [WEB, "acme/api"] {
            let title = NewItem::titled(&format!("Number {n}"));
            let number = match n % 4 {
                3 => alice.opens_pull(repository, title.head(&format!("p{n}")).file("docs/a.md")),
                _ => alice.opens_issue(repository, title),
            };
            items.push((repository, number, n % 4 == 3));
        }
    }
    story.github.until_delivered().await;
    // Twenty looks take a quarter of an hour with the usual settings, sixty an hour; no attempt is counted at any of them.
    // The fake lives in this thread: it must not be blocked meanwhile.
    let looked = async {
        while opened(&story) <= looks {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looked).await.expect("GitHub is looked for many times");
    let (status, health) = story.get("/health").await;
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!((status, &health["status"]), (200, &"degraded".into()), "{health}");
    assert_eq!(health["github"]["troubles"][0]["trouble"], "open", "{health}");
    let status = String::from_utf8(story.cli(&["status"]).stdout).unwrap();
    assert!(status.contains("GitHub does not answer"), "{status}");
    let waiting = story.json_lines(&["jobs", "list", "--state", "queued", "--limit", "1000"]);
    assert!(waiting.len() >= 14, "{waiting:#?}");
    assert!(waiting.iter().all(|job| job["attempts"] == 0), "{waiting:#?}");

    come_back(&story);
    story.settles().await;
    for (repository, number, is_pull) in &items {
        let label = if *is_pull { "documentation" } else { "triage" };
        assert_eq!(story.github.issue(repository, *number).labels(), [label], "{repository}#{number}");
    }
    for repository in [WEB, "acme/api"] {
        let done: Vec<u64> =
            story.github.app_effects().iter().filter(|it| it.repository == repository).map(|it| it.number).collect();
        assert!(done.is_sorted(), "{repository}: in the order of the lane: {done:?}");
    }
    assert!(story.github.duplicate_effects().is_empty());
    assert!(story.json_lines(&["jobs", "list", "--state", "dead"]).is_empty());
    let done = story.json_lines(&["jobs", "list", "--state", "done", "--limit", "1000"]);
    // Those that were decided on with the one before them never had an attempt of their own.
    let counted: Vec<_> = done.iter().filter(|job| job["attempts"].as_u64() > Some(1)).collect();
    assert!(!done.is_empty() && counted.is_empty(), "{counted:#?}");
    let (_, health) = story.get("/health").await;
    assert_eq!(serde_json::from_str::<Value>(&health).unwrap()["status"], "ok", "{health}");
    println!("looked for {} times while it was away", opened(&story));
}

on_both_databases!(a_github_that_refuses_connections_costs_no_job_an_attempt, |database: Database| async move {
    survives(database, 20, |story| story.github.go_down(), |story| story.github.come_back()).await
});

on_both_databases!(a_github_that_only_fails_costs_no_job_an_attempt, |database: Database| async move {
    let fail = |story: &Story| story.github.fault(Fault::on("*", "/").times(u32::MAX).status(503));
    survives(database, 20, fail, |story| story.github.clear_faults()).await;
});

#[tokio::test]
async fn a_github_that_hangs_costs_no_job_an_attempt() {
    survives(Database::Sqlite, 3, |story| story.github.pause(), |story| story.github.resume()).await;
}

#[tokio::test]
async fn a_job_whose_own_request_always_fails_still_ends_in_the_dead_letters() {
    let story = Story::begin(Database::Sqlite, TRIAGE).await;
    story.github.fault(Fault::on("GET", "/repos/acme/web/issues/1/labels").times(u32::MAX).status(500));
    let alice = story.github.person("alice");
    let poison = alice.opens_issue(WEB, NewItem::titled("Poison"));
    let other = alice.opens_issue(WEB, NewItem::titled("Behind it"));
    assert_eq!((poison, other), (1, 2), "the fault above names the issue");
    story.settles().await;
    assert_eq!(story.github.issue(WEB, other).labels(), ["triage"]);
    let dead = story.json_lines(&["jobs", "list", "--state", "dead"]);
    assert!(!dead.is_empty() && dead.iter().all(|job| job["attempts"] == 8), "{dead:#?}");
}

#[tokio::test]
async fn a_daemon_whose_quota_is_used_up_waits_for_the_next_one_and_is_never_refused() {
    let story = Story::begin(Database::Sqlite, TRIAGE).await;
    let installation = story.github.installation_of(WEB);
    let window = Duration::from_secs(8);
    story.github.enforce_limits(installation, Rules { quota: 60, window, ..Rules::default() });
    let alice = story.github.person("alice");
    // Six requests each: more than two windows allow.
    let issues: Vec<u64> = (0..20).map(|n| alice.opens_issue(WEB, NewItem::titled(&format!("Number {n}")))).collect();
    story.settles().await;
    for issue in issues {
        assert_eq!(story.github.issue(WEB, issue).labels(), ["triage"]);
    }
    assert_eq!(story.github.meter(installation).unwrap().refusals(), 0);
    let done = story.json_lines(&["jobs", "list", "--state", "done", "--limit", "1000"]);
    assert!(done.iter().all(|job| job["attempts"].as_u64() < Some(2)), "{done:#?}");
    let (_, metrics) = story.get("/metrics").await;
    for told in ["orchd_github_cache_total{outcome=\"miss\"}", "orchd_github_wait_seconds", "orchd_github_cache_bytes"]
    {
        assert!(metrics.contains(told), "{told}");
    }
    assert!(metrics.contains("orchd_github_refused_for_limits_total 0\n"), "never refused");
    let shown =
        |line: &&str| line.starts_with("orchd_github_cache") || line.starts_with("orchd_github_budget_step_seconds");
    println!("{} requests", story.github.requests().len());
    println!("{}", metrics.lines().filter(shown).collect::<Vec<_>>().join("\n"));
}

/// A client as a daemon has one, with its own connection to the store.
async fn client(github: &orchd_fake::GitHub, db: &Db, terms: &Terms) -> GitHub {
    GitHub::new(Settings {
        api_url: github.url().parse().unwrap(),
        issuer: Some(github.app_id().to_string()),
        private_key: Some(github.app_key().pem().to_owned().into()),
        timeout: Duration::from_secs(10),
        terms: terms.clone(),
        breaker: BreakerTerms::default(),
        budgets: budgets(db),
        cache: 0,
        heard: Heard::nothing(),
    })
    .unwrap()
}

async fn open(url: &str, dir: &tempfile::TempDir) -> Db {
    Db::open(&StoreOptions { url: url.into(), objects: dir.path().join("objects") }).await.unwrap()
}

/// Reads until `end`, waiting as told; gives how many answers came.
async fn read_on(reader: Reader, end: tokio::time::Instant) -> u32 {
    let mut answers = 0;
    while tokio::time::Instant::now() < end {
        match reader.get::<Value>("/repos/acme/web").await {
            Ok(_) => answers += 1,
            Err(GitHubError::Limited { retry_after, .. }) => {
                tokio::time::sleep_until((tokio::time::Instant::now() + retry_after).min(end)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_daemons_on_one_postgresql_keep_to_one_budget() {
    let database = postgres::Database::create().await;
    let dir = tempfile::tempdir().unwrap();
    let github = orchd_fake::GitHub::start().await.unwrap();
    let installation = github.install("acme", &[WEB]);
    let window = Duration::from_secs(6);
    github.enforce_limits(installation, Rules { quota: 300, window, ..Rules::default() });
    github.set_latency(Duration::from_millis(5));

    let terms = Terms { points_a_minute: 0, ..Terms::default() };
    let mut dbs = Vec::new();
    let mut readers = Vec::new();
    for _ in 0..3 {
        let db = open(&database.url, &dir).await;
        let client = client(&github, &db, &terms).await;
        readers.extend((0..4).map(|_| client.reader(Some(InstallationId(installation)))));
        dbs.push(db);
    }
    // The window begins with the first request.
    readers[0].get::<Value>("/repos/acme/web").await.unwrap();
    let first_reset = github.meter(installation).unwrap().reset();
    let end = tokio::time::Instant::now() + window + Duration::from_secs(4);
    let watch = async {
        let mut used = 0;
        let mut news = github.news();
        loop {
            let meter = github.meter(installation).unwrap();
            if meter.reset() != first_reset {
                break used;
            }
            used = meter.used();
            news.changed().await.unwrap();
        }
    };
    let (answers, used) = tokio::join!(join_all(readers.into_iter().map(|reader| read_on(reader, end))), watch);
    let meter = github.meter(installation).unwrap();
    let by_daemon: Vec<u32> = answers.chunks(4).map(|each| each.iter().sum()).collect();
    println!("{used} of 300 used in the window, {} refused, answers by daemon {by_daemon:?}", meter.refusals());
    assert_eq!(meter.refusals(), 0);
    assert!(used >= 285, "{used}");
    assert!(meter.reset() > first_reset && meter.used() > 0, "the next window was found");
    for db in dbs {
        db.close().await;
    }
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_forgets_nothing_of_the_minute() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("orchd.db").display());
    let github = orchd_fake::GitHub::start().await.unwrap();
    let installation = github.install("acme", &[WEB]);
    github.enforce_limits(installation, Rules { points_a_minute: 200, retry_after: None, ..Rules::default() });
    let terms = Terms { points_a_minute: 200, ..Terms::default() };
    let mut answers = 0;
    // Each of these lives a second and is killed: nothing is settled.
    for _ in 0..3 {
        let db = open(&url, &dir).await;
        let client = client(&github, &db, &terms).await;
        let end = tokio::time::Instant::now() + Duration::from_secs(1);
        let readers = (0..4).map(|_| read_on(client.reader(Some(InstallationId(installation))), end));
        answers += join_all(readers).await.iter().sum::<u32>();
        drop(client);
        db.close().await;
    }
    let meter = github.meter(installation).unwrap();
    println!("{answers} answers of 200 points within the minute, {} refused", meter.refusals());
    assert_eq!(meter.refusals(), 0);
    assert!((60..=180).contains(&answers), "{answers}");
}

#[tokio::test]
async fn a_refusal_that_only_its_text_names_closes_the_gate_for_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&format!("sqlite://{}", dir.path().join("orchd.db").display()), &dir).await;
    let github = orchd_fake::GitHub::start().await.unwrap();
    let installation = github.install("acme", &[WEB]);
    let client = client(&github, &db, &Terms::default()).await;
    let reader = client.reader(Some(InstallationId(installation)));
    reader.get::<Value>("/repos/acme/web").await.unwrap();
    github.fault(Fault::on("GET", "/repos/acme/web").secondary_limit(None));
    let seen = |github: &orchd_fake::GitHub| github.requests().len();
    for _ in 0..3 {
        let refused = reader.get::<Value>("/repos/acme/web").await.unwrap_err();
        let GitHubError::Limited { retry_after, .. } = refused else { panic!("{refused}") };
        assert!(retry_after > Duration::from_secs(50) && retry_after <= Duration::from_secs(60), "{retry_after:?}");
    }
    assert_eq!(seen(&github), 3, "a token, a read, the refusal: then GitHub is not asked again");
    assert_eq!(serde_json::to_value(client.troubles()).unwrap()[0]["trouble"], "refused");
    assert!(Utc::now() > github.requests()[0].at);
    db.close().await;
}
