//! Each figure of `/metrics` moves when the thing happens.

use std::time::{Duration, Instant};

use chrono::Utc;
use orchd_fake::{Fault, NewItem, Rules};
use sqlx::Connection;

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const TRIAGE: &str = "
  - name: triage
    on: issues.opened
    then:
      - label: {add: [triage]}
";

const EAGER: &str = "{every: 1s, grace: 0s}";

/// A value of `/metrics`, by name and labels.
async fn figure(story: &Story, metric: &str) -> Option<f64> {
    let (status, text) = story.get("/metrics").await;
    assert_eq!(status, 200);
    text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ')?.parse().ok())
}

on_both_databases!(what_is_done_and_what_goes_wrong_is_counted_from_zero, |database: Database| async move {
    let story = Story::begin(database, TRIAGE).await;
    let dead = "orchd_jobs_total{kind=\"apply\",outcome=\"dead\"}";
    let bad = "orchd_deliveries_total{outcome=\"bad_signature\"}";
    // No rate tells a count that came out of nowhere.
    for each in [dead, bad, "orchd_deliveries_total{outcome=\"unavailable\"}", "orchd_queue_lanes"] {
        story.until_metric(&format!("{each} "), |count| count == 0.0).await;
    }
    let alice = story.github.person("alice");
    alice.opens_issue(WEB, NewItem::titled("Fine"));
    story.settles().await;
    assert_eq!(figure(&story, "orchd_effects_total{action=\"label\",state=\"applied\"}").await, Some(1.0));

    let refused = alice.opens_issue("acme/api", NewItem::titled("Refused"));
    story.github.fault(Fault::on("POST", &format!("/repos/acme/api/issues/{refused}/labels")).status(422));
    story.settles().await;
    story.until_metric(&format!("{dead} "), |count| count == 1.0).await;
    story.until_metric("orchd_queue_jobs{state=\"dead\"} ", |count| count == 1.0).await;

    let unsigned = reqwest::Client::new().post(format!("{}/webhooks/github", story.url()));
    let unsigned = unsigned.header("x-github-event", "ping").header("x-github-delivery", "forged");
    let unsigned = unsigned.header("x-hub-signature-256", format!("sha256={}", "0".repeat(64)));
    let answer = unsigned.header("content-type", "application/json").body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(figure(&story, bad).await, Some(1.0));
});

#[tokio::test]
async fn a_github_that_does_not_answer_is_told_with_the_lanes_that_wait_and_so_is_its_return() {
    let story = Story::begin(Database::Sqlite, TRIAGE).await;
    let away = "orchd_github_stopped{trouble=\"open\"} ";
    assert_eq!(figure(&story, away.trim_end()).await, Some(0.0));
    story.github.fault(Fault::on("*", "/").times(u32::MAX).status(503));
    let alice = story.github.person("alice");
    for repository in [WEB, "acme/api"] {
        alice.opens_issue(repository, NewItem::titled("Waits"));
    }
    story.until_metric(away, |count| count >= 1.0).await;
    story.until_metric("orchd_queue_lanes ", |lanes| lanes == 2.0).await;
    story.github.clear_faults();
    story.settles().await;
    story.until_metric(away, |count| count == 0.0).await;
    story.until_metric("orchd_queue_lanes ", |lanes| lanes == 0.0).await;
}

#[tokio::test]
async fn what_is_left_of_githubs_quota_is_told_with_its_limit_and_end() {
    let story = Story::begin(Database::Sqlite, TRIAGE).await;
    let installation = story.github.installation_of(WEB);
    story
        .github
        .enforce_limits(installation, Rules { quota: 60, window: Duration::from_secs(600), ..Rules::default() });
    let alice = story.github.person("alice");
    alice.opens_issue(WEB, NewItem::titled("One"));
    story.settles().await;
    let labels = format!("{{installation=\"{installation}\",resource=\"core\"}}");
    assert_eq!(figure(&story, &format!("orchd_github_quota_limit{labels}")).await, Some(60.0));
    let left = figure(&story, &format!("orchd_github_quota_remaining{labels}")).await.unwrap();
    assert!((1.0..60.0).contains(&left), "{left}");
    let ends = figure(&story, &format!("orchd_github_quota_reset_timestamp_seconds{labels}")).await.unwrap();
    let wait = ends - Utc::now().timestamp() as f64;
    assert!((1.0..=610.0).contains(&wait), "{wait}");

    // What is left has to last: work is put off, and that is counted.
    let paced = "orchd_github_postponed_total{why=\"paced\"}";
    assert_eq!(figure(&story, paced).await, Some(0.0));
    for n in 0..20 {
        alice.opens_issue(WEB, NewItem::titled(&format!("Number {n}")));
    }
    story.until_metric(&format!("{paced} "), |count| count > 0.0).await;
}

#[tokio::test]
async fn an_installation_that_github_refuses_for_a_limit_is_told() {
    let story = Story::begin(Database::Sqlite, TRIAGE).await;
    let refused = "orchd_github_stopped{trouble=\"refused\"}";
    assert_eq!(figure(&story, refused).await, Some(0.0));
    story.github.fault(Fault::on("*", "/repos/acme/web/issues/").secondary_limit(Some(Duration::from_secs(60))));
    story.github.person("alice").opens_issue(WEB, NewItem::titled("Too much"));
    story.until_metric(&format!("{refused} "), |count| count == 1.0).await;
    assert_eq!(figure(&story, "orchd_github_refused_for_limits_total").await, Some(1.0));
}

on_both_databases!(how_far_recovery_looked_goes_on_and_what_is_lost_is_counted, |database: Database| async move {
    let off = Story::begin(database, TRIAGE).await;
    let compared = "orchd_recovery_compared_until_timestamp_seconds";
    assert_eq!(figure(&off, compared).await, None, "nobody compares, and nothing is late");
    drop(off);

    let mut story = Story::begin_recovering(database, TRIAGE, EAGER).await;
    assert_eq!(figure(&story, "orchd_recovery_every_seconds").await, Some(1.0));
    let first = figure(&story, compared).await.unwrap();
    story.until_metric(&format!("{compared} "), |until| until > first).await;
    assert_eq!(figure(&story, "orchd_recovery_unrecoverable_total").await, Some(0.0));

    story.kill();
    story.github.hold_deliveries();
    story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));
    let lost = story.github.take_deliveries();
    story.github.release_deliveries();
    story.github.fault(Fault::on("GET", &format!("/app/hook/deliveries/{}", lost[0].id)).times(u32::MAX).status(404));
    story.start();
    story.until_metric("orchd_recovery_unrecoverable_total ", |count| count == 1.0).await;
    story.until_metric("orchd_recovery_oldest_unrecoverable_seconds ", |age| age > 0.0).await;
});

#[tokio::test]
async fn while_recovery_fails_its_time_stands_still() {
    let story = Story::begin_recovering(Database::Sqlite, TRIAGE, EAGER).await;
    story.github.fault(Fault::on("GET", "/app/hook/deliveries").times(u32::MAX).status(500));
    story.until("recovery keeps failing", |story| story.log().matches("recovery could not finish").count() > 3).await;
    let compared = "orchd_recovery_compared_until_timestamp_seconds";
    let stands = figure(&story, compared).await.unwrap();
    let failed = story.log().matches("recovery could not finish").count();
    story.until("it failed again", |story| story.log().matches("recovery could not finish").count() > failed).await;
    assert_eq!(figure(&story, compared).await, Some(stands));
}

#[tokio::test]
async fn a_store_that_hangs_is_told_in_time_and_everything_else_with_it() {
    let story = Story::begin(Database::Sqlite, TRIAGE).await;
    assert_eq!(figure(&story, "orchd_store_up").await, Some(1.0));
    // Somebody else holds the database's write lock.
    let mut other = sqlx::SqliteConnection::connect(&story.database()).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let began = Instant::now();
    story.until_metric("orchd_store_up ", |up| up == 0.0).await;
    assert!(began.elapsed() < Duration::from_secs(5), "a scrape waits no longer: {:?}", began.elapsed());
    assert_eq!(figure(&story, "orchd_queue_jobs{state=\"queued\"}").await, None, "no number is better than an old one");
    assert_eq!(figure(&story, "orchd_config_error").await, Some(0.0));
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    story.until_metric("orchd_store_up ", |up| up == 1.0).await;
}

#[tokio::test]
async fn who_listens_and_what_the_process_takes_is_told() {
    let story = Story::begin(Database::Sqlite, TRIAGE).await;
    assert_eq!(figure(&story, "orchd_live_readers").await, Some(0.0));
    let made = story.json(&["keys", "create", "--scope", "events:read", "reader"]);
    let reader = reqwest::Client::new();
    let listening = reader.get(format!("{}/live/changes", story.url())).bearer_auth(made["key"].as_str().unwrap());
    let listening = listening.send().await.unwrap();
    assert_eq!(listening.status(), 200);
    story.until_metric("orchd_live_readers ", |readers| readers == 1.0).await;
    drop((listening, reader));
    story.until_metric("orchd_live_readers ", |readers| readers == 0.0).await;

    for each in ["process_resident_memory_bytes", "process_open_fds", "process_max_fds", "orchd_disk_free_bytes"] {
        assert!(figure(&story, each).await.unwrap() > 0.0, "{each}");
    }
    let started = figure(&story, "process_start_time_seconds").await.unwrap();
    assert!((started - Utc::now().timestamp() as f64).abs() < 90.0, "{started}");
    story.until_metric("process_cpu_seconds_total ", |seconds| seconds > 0.0).await;
}
