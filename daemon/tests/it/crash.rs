//! `kill -9` at random points under load: whatever was acknowledged is stored, and every effect happened exactly once.
//!
//! Eight rounds by default; `ORCHD_CRASH_ROUNDS=200` for more. The seed is printed: `ORCHD_CRASH_SEED` repeats a run.

use std::collections::BTreeSet;
use std::time::Duration;

use orchd_fake::{Delivery, NewItem};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const RULES: &str = "
  - name: triage
    on: [issues.opened, pull_request.opened]
    then:
      - label: {add: [triage]}
      - comment: {body: \"Thank you.\"}
      - assign: {add: [bob]}
";

/// Deliveries on their way at once: enough that a kill finds some waiting for their commit.
const SENDERS: usize = 8;

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

on_both_databases!(
    invariant_1_and_5_kill_nine_loses_nothing_acknowledged_and_repeats_nothing,
    |database: Database| async move {
        let rounds = from_env("ORCHD_CRASH_ROUNDS", 8);
        let seed = from_env("ORCHD_CRASH_SEED", rand::rng().random());
        println!("ORCHD_CRASH_SEED={seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let mut story = Story::prepare(database, RULES, "").await;
        story.github.hold_deliveries();
        // A slow GitHub, so that kills land between the steps of an effect too.
        story.github.set_latency(Duration::from_millis(3));

        let mut items = Vec::new();
        let mut pending: Vec<Delivery> = Vec::new();
        let mut acknowledged = BTreeSet::new();
        for round in 0..rounds {
            story.start();
            for n in 0..8 {
                let repository = if n % 2 == 0 { WEB } else { "acme/api" };
                items.push((
                    repository,
                    story.github.person("alice").opens_issue(repository, NewItem::titled(&format!("{round}.{n}"))),
                ));
            }
            pending.extend(story.github.take_deliveries());
            let life = Duration::from_millis(random.random_range(5..250));
            let acked = tokio::select! {
                acked = send_all(&story, &pending) => { tokio::time::sleep(life / 4).await; acked }
                () = tokio::time::sleep(life) => BTreeSet::new(),
            };
            story.kill();
            // What the log of GitHub says was answered 2xx, also by requests that the select above gave up on.
            acknowledged.extend(acked);
            acknowledged.extend(
                story.github.delivery_log().into_iter().filter(|(_, code)| *code == 202).map(|(each, _)| each.guid),
            );
            pending.retain(|delivery| !acknowledged.contains(&delivery.guid));
        }

        // The daemon comes back; what GitHub lists as failed is delivered again with the same GUID.
        story.github.set_latency(Duration::ZERO);
        story.start();
        assert_stored(&story, &acknowledged);
        pending.extend(story.github.take_deliveries());
        // A connection to the daemon that was killed may still be in the sender's pool: what fails is sent again.
        for _ in 0..SENDERS {
            let sent = send_all(&story, &pending).await;
            pending.retain(|delivery| !sent.contains(&delivery.guid));
        }
        assert!(pending.is_empty(), "{} deliveries are refused for good", pending.len());
        story.github.release_deliveries();
        story.settles().await;

        for (repository, number) in &items {
            let issue = story.github.issue(repository, *number);
            assert_eq!(issue.labels(), ["triage"], "{repository}#{number}");
            assert_eq!(issue.assignees(), ["bob"], "{repository}#{number}");
            assert_eq!(issue.comments().len(), 1, "{repository}#{number}: {:?}", issue.comments());
        }
        assert!(story.github.duplicate_effects().is_empty(), "{:#?}", story.github.duplicate_effects());
        assert!(story.json_lines(&["jobs", "list", "--state", "dead"]).is_empty());
        let written: Vec<_> = story.github.app_effects();
        assert_eq!(written.len(), items.len() * 3, "each of three effects once an issue");
        // What happened and what is told of it were stored together, whenever it was killed.
        let told = story.json_lines(&["audit", "export", "--kind", "effect_applied"]);
        let told_of: BTreeSet<_> = told.iter().map(|row| row["effect"].to_string()).collect();
        assert_eq!((told.len(), told_of.len()), (written.len(), written.len()), "one row an effect");
        let proof = story.cli(&["audit", "verify"]);
        assert!(proof.status.success(), "{}", String::from_utf8_lossy(&proof.stdout));
        println!("{rounds} kills, {} acknowledged, {} effects", acknowledged.len(), written.len());
    }
);

/// Sends as GitHub would, several at once; gives the GUIDs that were answered 202.
async fn send_all(story: &Story, deliveries: &[Delivery]) -> BTreeSet<String> {
    let mut acknowledged = BTreeSet::new();
    for chunk in deliveries.chunks(SENDERS) {
        let sent =
            chunk.iter().map(|delivery| async move { (delivery.guid.clone(), story.github.send(delivery).await) });
        for (guid, code) in futures_util::future::join_all(sent).await {
            if code == 202 {
                acknowledged.insert(guid);
            }
        }
    }
    acknowledged
}

fn assert_stored(story: &Story, acknowledged: &BTreeSet<String>) {
    let mut stored = BTreeSet::new();
    let mut after = String::new();
    loop {
        let mut args = vec!["events", "list", "--limit", "1000"];
        if !after.is_empty() {
            args.extend(["--after", &after]);
        }
        let rows = story.json_lines(&args);
        let Some(last) = rows.last() else { break };
        after = last["id"].as_str().unwrap().to_owned();
        stored.extend(rows.iter().map(|row| row["delivery_id"].as_str().unwrap().to_owned()));
    }
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "acknowledged and not stored: {lost:?}");
}
