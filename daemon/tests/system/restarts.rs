//! Restarts, upgrades and kills while deliveries come.

use std::time::{Duration, Instant};

use crate::load::Load;
use crate::machine::Machine;
use crate::stage::{FIRST, Stage};
use crate::until;

/// As the aim says: a restart in the middle of so many a second is noticed by nobody.
const A_SECOND: u32 = 500;

/// It decides and writes nothing: nobody knows the repositories that are sent.
const RULES: &str = "
  - name: triage
    on: [issues.opened]
    then:
      - label: {add: [needs-triage]}
    mode: shadow
";

const RESTARTS: u32 = 10;

const UPGRADES: [&str; 3] = ["0.1.1", "0.1.2", "0.1.3"];

const KILLS: u32 = 5;

/// How long the daemon runs between two of these.
const BETWEEN: Duration = Duration::from_millis(1_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_restarts_and_three_upgrades_refuse_and_lose_nothing() {
    let stage = Stage::begin_on(Machine::boot_with_disk(), RULES).await;
    let load = begin(&stage).await;
    let mut took = Vec::new();
    for _ in 0..RESTARTS {
        took.push(timed(|| drop(stage.machine.run("systemctl restart orchd.service"))));
        tokio::time::sleep(BETWEEN).await;
    }
    println!("    {RESTARTS} restarts of {}", seconds(&took));
    let mut took = Vec::new();
    for version in UPGRADES {
        took.push(timed(|| stage.machine.install(version)));
        assert_eq!(stage.machine.run("dpkg-query --show --showformat='${Version}' orchd"), version);
        tokio::time::sleep(BETWEEN).await;
    }
    println!("    {} upgrades of {}", UPGRADES.len(), seconds(&took));
    let outcome = load.stop().await;
    println!("    {outcome}");

    let stored = stage.stored();
    let lost = outcome.lost(&stored);
    println!("    {} lost", lost.len());
    assert!(lost.is_empty(), "acknowledged and not stored: {lost:?}");
    assert!(outcome.refused.is_empty(), "refused");
    assert!(outcome.all() > 0 && outcome.acknowledged.len() == outcome.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kill_nine_under_load_loses_nothing_acknowledged() {
    let stage = Stage::begin_on(Machine::boot_with_disk(), RULES).await;
    let load = begin(&stage).await;
    let before = stage.restarts();
    let mut gaps = Vec::new();
    for kill in 1..=KILLS {
        tokio::time::sleep(BETWEEN).await;
        stage.machine.run("systemctl kill --kill-whom=main --signal=KILL orchd.service");
        let killed = Instant::now();
        until("it is back", async || {
            stage.restarts() == before + kill && stage.machine.property("ActiveState") == "active"
        })
        .await;
        gaps.push(killed.elapsed());
    }
    tokio::time::sleep(BETWEEN).await;
    let outcome = load.stop().await;
    println!("    {KILLS} kills; until it was back {}\n    {outcome}", seconds(&gaps));
    let lost = outcome.lost(&stage.stored()).len();
    println!("    {lost} lost");
    assert_eq!(lost, 0, "acknowledged and not stored");
    let only_cut = outcome.refused.keys().all(|why| why.starts_with("request: ") || why.starts_with("answer: "));
    assert!(only_cut, "the socket refuses nobody; only what was in its hands is cut off");
}

/// The load has begun, and something of it is stored.
async fn begin(stage: &Stage) -> Load {
    assert_eq!(stage.machine.run("dpkg-query --show --showformat='${Version}' orchd"), FIRST);
    let (secret, _) = stage.github.app_secrets();
    let load = Load::start(stage.address(), &secret, A_SECOND);
    until("deliveries are stored", async || {
        !stage.machine.json_lines("orchd events list --json --limit 1 --type push").is_empty()
    })
    .await;
    load
}

fn timed(act: impl FnOnce()) -> Duration {
    let began = Instant::now();
    act();
    began.elapsed()
}

fn seconds(times: &[Duration]) -> String {
    let shown: Vec<_> = times.iter().map(|time| format!("{:.2}", time.as_secs_f64())).collect();
    format!("{} s", shown.join(", "))
}
