//! A fresh machine, from the package to the first effect, timed.

use std::time::Instant;

use crate::first_run::set_up;
use crate::machine::Machine;
use crate::stage::{CONFIG, FIRST, Stage, acme};
use crate::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn from_the_package_to_the_first_effect() {
    let machine = Machine::boot();
    let github = acme().await;
    let began = Instant::now();
    let mut last = began;
    let mut step = |what: &str| {
        println!("    {:6.2} s  {what}", last.elapsed().as_secs_f64());
        last = Instant::now();
    };
    machine.install(FIRST);
    step("the package is installed");
    assert!(!machine.succeeds("systemctl is-active orchd.service"), "without a config there is nothing to run");
    assert!(!machine.succeeds("systemctl is-failed orchd.service"), "and nothing that failed");
    assert!(!machine.succeeds("systemctl is-failed orchd.socket"), "nor here");

    let said = set_up(&machine, &github).await;
    step("`orchd setup` says that all is well");
    assert!(said.contains("All is well"), "{said}");

    machine.run("systemctl start orchd.service");
    step("the daemon is ready");
    let stage = Stage { machine, github };
    let machine = &stage.machine;
    assert_eq!(machine.property("ActiveState"), "active");
    // Rules begin in shadow mode: a person lets one act, and saves.
    machine.run(&format!("sed -i 's/mode: shadow/mode: active/' {CONFIG}"));
    stage.until_journal_says("config reloaded").await;
    step("the rules may act");
    let number = stage.opens_issue("Crash when the config file is empty");
    stage.until_labelled(number, "needs-triage").await;
    step("an issue is labelled: the first effect");
    println!("    {:6.2} s  altogether", began.elapsed().as_secs_f64());

    let why = machine.run(&format!("orchd why acme/web#{number}"));
    assert!(why.contains("triage"), "{why}");
    for unit in ["orchd.service", "orchd.socket"] {
        machine.run(&format!("systemctl is-enabled {unit}"));
    }
    let verified = machine.output("systemd-analyze verify --man=no orchd.service orchd.socket");
    let said = crate::machine::text(&verified.stderr);
    assert!(verified.status.success() && !said.contains("orchd."), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn doctor_finds_a_fresh_installation_well() {
    let stage = Stage::begin(crate::stage::TRIAGE).await;
    let has_looked = async || stage.machine.json("orchd health --json")["recovery"]["last_run_at"].is_string();
    until("recovery has looked at what GitHub delivered", has_looked).await;
    stage.github.until_delivered().await;
    let output = stage.machine.output("orchd doctor");
    let said = crate::machine::text(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}{}", crate::machine::text(&output.stderr));
}
