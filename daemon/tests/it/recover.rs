//! Never missed: deliveries are lost, and this is how they are found again.

use std::collections::HashSet;
use std::process::Output;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use orchd::store::recovery::{Progress, Scope};
use orchd::store::{Db, StoreOptions};
use orchd_fake::{Delivery, Fault, NewItem};
use serde_json::Value;

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const TRIAGE: &str = "
  - name: triage
    on: issues.opened
    then:
      - label: {add: [triage]}
";

const NO_RULES: &str = "  []";

/// Often, and without waiting for what may be on its way: nothing is, here.
const EAGER: &str = "{every: 1s, grace: 0s}";

const PULLED: &str = "orchd_recovery_recovered_total{how=\"pulled\"} ";

const LIST: &str = "/app/hook/deliveries";

/// The daemon is dead while people do this many things.
fn an_outage_of(story: &mut Story, lost: usize) -> Vec<Delivery> {
    story.kill();
    story.github.hold_deliveries();
    let alice = story.github.person("alice");
    let number = alice.opens_issue(WEB, NewItem::titled("It breaks"));
    for turn in 1..lost {
        match turn % 2 {
            1 => alice.labels(WEB, number, "a"),
            _ => alice.unlabels(WEB, number, "a"),
        };
    }
    let taken = story.github.take_deliveries();
    story.github.release_deliveries();
    assert_eq!(taken.len(), lost);
    taken
}

/// Every event in the store, oldest first.
fn stored(story: &Story) -> Vec<Value> {
    let mut rows = Vec::new();
    loop {
        let after = rows.last().map(|row: &Value| row["id"].as_str().unwrap().to_owned());
        let mut args = vec!["events", "list", "--limit", "1000"];
        args.extend(after.as_deref().map(|id| ["--after", id]).into_iter().flatten());
        let page = story.json_lines(&args);
        if page.is_empty() {
            rows.reverse();
            return rows;
        }
        rows.extend(page);
    }
}

fn guids(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["delivery_id"].as_str().unwrap()).collect()
}

fn asked_since(story: &Story, seen: usize, path: &str) -> Vec<String> {
    let requests = story.github.requests().into_iter().skip(seen);
    requests.filter(|request| request.path.starts_with(path)).map(|request| request.path).collect()
}

/// All of it once, in GitHub's order.
fn assert_recovered(story: &Story, lost: &[Delivery]) {
    let rows = stored(story);
    let expected: Vec<&str> = lost.iter().map(|delivery| delivery.guid.as_str()).collect();
    let of_outage: HashSet<&str> = expected.iter().copied().collect();
    let found: Vec<&str> = guids(&rows).into_iter().filter(|guid| of_outage.contains(guid)).collect();
    assert_eq!(found, expected);
    assert!(
        rows.iter()
            .filter(|row| of_outage.contains(row["delivery_id"].as_str().unwrap()))
            .all(|row| row["source"] == "recovered")
    );
}

#[tokio::test]
async fn what_was_lost_while_the_daemon_was_down_is_fetched_at_its_start() {
    // Nothing is on its way to a daemon that was not there: neither the grace of a minute nor the next turn is waited for.
    let mut story = Story::begin_recovering(Database::Sqlite, TRIAGE, "{every: 1h, grace: 1m}").await;
    let lost = an_outage_of(&mut story, 3);
    story.start();
    story.until_metric(PULLED, |count| count == 3.0).await;
    story.settles().await;
    assert_recovered(&story, &lost);
}

on_both_databases!(a_thousand_lost_deliveries_are_recovered_once_within_the_budget, |database: Database| async move {
    let mut story = Story::begin_recovering(database, TRIAGE, EAGER).await;
    let lost = an_outage_of(&mut story, 1_000);
    let seen = story.github.requests().len();
    story.start();
    story.until_metric(PULLED, |count| count == 1_000.0).await;
    story.settles().await;

    assert_recovered(&story, &lost);
    let lists = asked_since(&story, seen, "/app/hook/deliveries?").len();
    let pulls = asked_since(&story, seen, "/app/hook/deliveries/").len();
    assert_eq!(pulls, 1_000, "each is fetched once");
    // Ten pages of the outage; what is looked at again afterwards is one look's ten pages a second.
    assert!((10..200).contains(&lists), "{lists} pages");
    let log = story.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("deliveries had not arrived")).collect();
    assert_eq!(told.len(), 1, "in one run");
    assert!(told[0].contains("\"missing\":1000,\"recovered\":1000"), "{}", told[0]);
    assert_eq!(
        story.github.effects_on(WEB, 1).iter().filter(|effect| effect.by_app).count(),
        1,
        "one rule, one effect"
    );
});

#[tokio::test]
async fn a_slow_github_that_doubles_its_list_changes_nothing_of_that() {
    let mut story = Story::begin_recovering(Database::Sqlite, TRIAGE, EAGER).await;
    let lost = an_outage_of(&mut story, 250);
    story.github.double_listed(true);
    story.github.set_latency(Duration::from_millis(20));
    let seen = story.github.requests().len();
    story.start();
    story.until_metric(PULLED, |count| count == 250.0).await;
    story.github.set_latency(Duration::ZERO);
    story.settles().await;
    assert_recovered(&story, &lost);
    assert_eq!(asked_since(&story, seen, "/app/hook/deliveries/").len(), 250);
}

on_both_databases!(throttled_in_the_middle_it_waits_and_goes_on_where_it_was, |database: Database| async move {
    let mut story = Story::begin_recovering(database, TRIAGE, EAGER).await;
    let lost = an_outage_of(&mut story, 40);
    let page = asked_since(&story, 0, "/app/hook/deliveries?").len();
    let seen = story.github.requests().len();
    // The list is read, half of the deliveries are pulled, then GitHub asks for a second's patience, and once more.
    for (at, delivery) in lost.iter().enumerate().filter(|(at, _)| [20, 30].contains(at)) {
        let path = format!("{LIST}/{}", delivery.id);
        story.github.fault(if at == 20 {
            Fault::on("GET", &path).secondary_limit(Some(Duration::from_secs(1)))
        } else {
            Fault::on("GET", &path).too_many(Duration::from_secs(1))
        });
    }
    story.start();
    story.until_metric(PULLED, |count| count == 40.0).await;
    story.settles().await;
    assert_recovered(&story, &lost);
    assert!(page > 0);
    assert_eq!(asked_since(&story, seen, "/app/hook/deliveries/").len(), 42, "nothing is fetched twice");
});

#[tokio::test]
async fn what_the_budget_does_not_allow_the_next_run_does() {
    let mut story = Story::begin_recovering(Database::Sqlite, TRIAGE, "{every: 1s, grace: 0s, max_requests: 10}").await;
    // Three pages of list are more than half of such a budget would be; five runs and more.
    let lost = an_outage_of(&mut story, 45);
    story.start();
    story.until_metric(PULLED, |count| count == 45.0).await;
    story.settles().await;
    assert_recovered(&story, &lost);
}

#[tokio::test]
async fn a_list_longer_than_a_run_is_gone_through_in_parts() {
    let mut story =
        Story::begin_recovering(Database::Sqlite, NO_RULES, "{every: 1s, grace: 0s, max_requests: 10}").await;
    // Six pages that all arrived, and below them two that were lost.
    let lost = an_outage_of(&mut story, 2);
    story.recovery = "{every: 0s}".to_owned();
    story.write_rules(NO_RULES);
    story.start();
    let alice = story.github.person("alice");
    for _ in 0..300 {
        alice.labels(WEB, 1, "b").unlabels(WEB, 1, "b");
    }
    story.github.until_delivered().await;
    assert_eq!(stored(&story).len(), 600);
    let seen = story.github.requests().len();
    story.recovery = "{every: 1s, grace: 0s, max_requests: 10}".to_owned();
    story.write_rules(NO_RULES);
    story.signal("HUP");
    story.until_metric(PULLED, |count| count == 2.0).await;
    let rows = stored(&story);
    assert!(lost.iter().all(|delivery| guids(&rows).contains(&delivery.guid.as_str())));
    let first_pages =
        asked_since(&story, seen, "/app/hook/deliveries?").iter().filter(|path| !path.contains("cursor")).count();
    assert!(first_pages <= 1, "the second run went on where the first one stopped");
}

#[tokio::test]
async fn a_delivery_that_arrives_while_it_is_recovered_is_stored_once() {
    let mut story = Story::begin_recovering(Database::Sqlite, TRIAGE, EAGER).await;
    let lost = an_outage_of(&mut story, 3);
    let path = format!("{LIST}/{}", lost[0].id);
    story.github.fault(Fault::on("GET", &path).slow(Duration::from_millis(500)));
    let seen = story.github.requests().len();
    story.start();
    story
        .github
        .until("the first one is being pulled", |github| {
            github.requests().iter().skip(seen).any(|request| request.path == path)
        })
        .await;
    assert_eq!(story.github.send(&lost[0]).await, 202);
    story.until_metric(PULLED, |count| count == 2.0).await;
    story.settles().await;
    let rows = stored(&story);
    assert_eq!(guids(&rows).iter().filter(|guid| **guid == lost[0].guid).count(), 1);
    assert_eq!(rows.iter().filter(|row| row["source"] == "recovered").count(), 2);
    assert!(story.github.duplicate_effects().is_empty());
}

#[tokio::test]
async fn a_delivery_without_a_payload_is_asked_for_once_more_and_comes() {
    let mut story = Story::begin_recovering(Database::Sqlite, TRIAGE, EAGER).await;
    let lost = an_outage_of(&mut story, 2);
    story.github.forget_payload(&lost[0].guid);
    story.start();
    story.until_metric("orchd_recovery_recovered_total{how=\"redelivery\"} ", |count| count == 1.0).await;
    story.until_metric(PULLED, |count| count == 1.0).await;
    story.settles().await;
    let rows = stored(&story);
    let sources: Vec<&str> = rows
        .iter()
        .filter(|row| lost.iter().any(|delivery| row["delivery_id"] == delivery.guid.as_str()))
        .map(|row| row["source"].as_str().unwrap())
        .collect();
    assert_eq!(sources.len(), 2);
    assert!(sources.contains(&"webhook") && sources.contains(&"recovered"));
    let asked = story
        .github
        .requests()
        .into_iter()
        .filter(|request| request.method == "POST" && request.path.ends_with("/attempts"));
    assert_eq!(asked.count(), 1, "asked once");
}

#[tokio::test]
async fn an_outage_longer_than_githubs_memory_is_told() {
    let mut story = Story::prepare(Database::Sqlite, NO_RULES, "").await;
    story.recovery = EAGER.to_owned();
    story.write_rules(NO_RULES);
    let last = Utc::now() - TimeDelta::days(4);
    let options = StoreOptions {
        url: format!("sqlite://{}", story.path("orchd.db").display()).into(),
        objects: story.path("objects"),
    };
    let db = Db::open(&options).await.unwrap();
    let progress = Progress { seen_until: last, resume: None, lost: None };
    db.save_recovery(&Scope::Deliveries, &progress, last).await.unwrap();
    db.close().await;
    drop(db);
    story.start();
    story.until_metric("orchd_recovery_oldest_unrecoverable_seconds ", |age| age > 345_000.0).await;
    assert!(story.log().contains("can no longer be looked through"), "{}", story.log());
}

#[tokio::test]
async fn what_was_delivered_before_the_first_start_is_not_fetched() {
    let mut story = Story::prepare(Database::Sqlite, TRIAGE, "").await;
    story.github.hold_deliveries();
    story.github.person("alice").opens_issue(WEB, NewItem::titled("Before orchd"));
    story.github.take_deliveries();
    story.github.age_deliveries(Duration::from_secs(60));
    story.github.release_deliveries();
    story.recovery = EAGER.to_owned();
    story.write_rules(TRIAGE);
    story.start();
    story.until_metric("orchd_recovery_last_run_timestamp_seconds ", |_| true).await;
    assert!(stored(&story).is_empty());
    assert!(story.github.writes().is_empty());
}

fn json(out: &Output) -> Value {
    serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)))
}

/// The figures below the span that was looked through.
fn told(out: &Output) -> Vec<String> {
    let text = String::from_utf8(out.stdout.clone()).unwrap();
    assert!(text.starts_with("looked through "), "{text}");
    text.lines().skip(1).map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
}

on_both_databases!(a_person_looks_by_hand, |database: Database| async move {
    let mut story = Story::begin_recovering(database, TRIAGE, EAGER).await;
    let lost = an_outage_of(&mut story, 3);
    story.recovery = "{every: 0s, grace: 0s}".to_owned();
    story.write_rules(TRIAGE);
    story.start();

    let dry = json(&story.cli_and_github(&["--json", "recover", "--dry-run"]).await);
    assert_eq!((&dry["missing"], &dry["recovered"], &dry["left"]), (&3.into(), &0.into(), &3.into()));
    assert!(stored(&story).is_empty());

    let done = story.cli_and_github(&["recover", "--since", "3d"]).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(told(&done), ["3", "3", "3", "0", "0", "0", "0", "4"]);
    story.settles().await;
    assert_recovered(&story, &lost);

    let again = json(&story.cli_and_github(&["--json", "recover"]).await);
    assert_eq!((&again["outcome"], &again["missing"]), (&"complete".into(), &0.into()));
    let (_, health) = story.get("/health").await;
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["recovery"]["outcome"], "complete");
    assert_eq!(health["recovery"]["runs"], "when asked: recovery.every is 0s");
    let status = String::from_utf8(story.cli(&["status"]).stdout).unwrap();
    assert!(status.contains("when asked: recovery.every is 0s; last 20") && status.contains(": complete"), "{status}");
});

#[tokio::test]
async fn what_cannot_be_recovered_is_told_and_is_exit_code_1() {
    let mut story = Story::begin_recovering(Database::Sqlite, NO_RULES, EAGER).await;
    let lost = an_outage_of(&mut story, 2);
    story.recovery = "{every: 0s, grace: 0s}".to_owned();
    story.write_rules(NO_RULES);
    story.start();
    story.github.fault(Fault::on("GET", &format!("{LIST}/{}", lost[0].id)).status(404));
    let out = story.cli_and_github(&["recover"]).await;
    assert_eq!(out.status.code(), Some(1));
    assert_eq!(told(&out), ["2", "2", "1", "0", "0", "1", "0", "3"]);
    let told = String::from_utf8(out.stderr).unwrap();
    assert!(told.contains("1 deliveries cannot be recovered"), "{told}");
    assert!(story.log().contains(&lost[0].guid), "the log names it");
}

#[tokio::test]
async fn recovery_that_keeps_failing_shows_in_health_and_goes_on() {
    let mut story = Story::begin_recovering(Database::Sqlite, NO_RULES, EAGER).await;
    let lost = an_outage_of(&mut story, 2);
    story.github.fault(Fault::on("GET", LIST).times(1_000).status(404));
    story.start();
    let began = std::time::Instant::now();
    let degraded = loop {
        let (status, health) = story.get("/health").await;
        let health: Value = serde_json::from_str(&health).unwrap();
        if health["recovery"]["status"] == "degraded" {
            assert_eq!((status, &health["status"]), (200, &"degraded".into()));
            break health;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{health}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(degraded["recovery"]["outcome"], "failed");
    story.github.clear_faults();
    story.until_metric(PULLED, |count| count == 2.0).await;
    assert_recovered(&story, &lost);
}

on_both_databases!(killed_in_the_middle_of_recovery_it_goes_on_and_repeats_nothing, |database: Database| async move {
    let mut story = Story::begin_recovering(database, TRIAGE, EAGER).await;
    let lost = an_outage_of(&mut story, 60);
    story.github.set_latency(Duration::from_millis(10));
    let seen = story.github.requests().len();
    for rounds in 1..=2 {
        story.start();
        let path = format!("{LIST}/{}", lost[rounds * 20].id);
        let reached = |github: &orchd_fake::GitHub| github.requests().iter().skip(seen).any(|each| each.path == path);
        story.github.until("it is a third further", reached).await;
        story.kill();
    }
    story.start();
    story.until_metric("orchd_recovery_last_run_timestamp_seconds ", |_| true).await;
    story.github.set_latency(Duration::ZERO);
    story.settles().await;
    assert_recovered(&story, &lost);
    // One that was pulled and not yet stored when the daemon died is pulled again: at most one a death.
    assert!(asked_since(&story, seen, "/app/hook/deliveries/").len() <= 62);
    assert!(story.github.duplicate_effects().is_empty());
});

#[tokio::test]
async fn of_two_daemons_on_one_database_one_recovers() {
    let mut story = Story::begin_recovering(Database::Postgres, TRIAGE, EAGER).await;
    let lost = an_outage_of(&mut story, 100);
    story.github.set_latency(Duration::from_millis(5));
    let seen = story.github.requests().len();
    let other = story.second_daemon();
    story.start();
    // Whoever of the two has the turn: the store tells when all of it is there.
    let began = std::time::Instant::now();
    while stored(&story).len() < 100 {
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    story.github.set_latency(Duration::ZERO);
    story.settles().await;
    drop(other);
    assert_recovered(&story, &lost);
    assert_eq!(asked_since(&story, seen, "/app/hook/deliveries/").len(), 100, "each was fetched by one of them");
    assert!(story.github.duplicate_effects().is_empty());
}
