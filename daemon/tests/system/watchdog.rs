//! A daemon that hangs is noticed.

use std::time::Instant;

use crate::stage::{Stage, TRIAGE};
use crate::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_daemon_that_hangs_is_killed_and_started_again() {
    let stage = Stage::begin(TRIAGE).await;
    stage.machine.run("mkdir -p /etc/systemd/system/orchd.service.d");
    stage.machine.write("/etc/systemd/system/orchd.service.d/soon.conf", "[Service]\nWatchdogSec=3s\n");
    stage.machine.run("systemctl daemon-reload && systemctl restart orchd.service");
    let (pid, before) = (stage.main_pid(), stage.restarts());
    // It is fed: more than twice the limit passes without a restart.
    tokio::time::sleep(std::time::Duration::from_secs(8)).await;
    assert_eq!((stage.main_pid(), stage.restarts()), (pid, before), "it is fed as long as it is well");

    stage.machine.run(&format!("kill -STOP {pid}"));
    let stopped = Instant::now();
    until("systemd starts it again", async || {
        stage.restarts() > before && stage.machine.property("ActiveState") == "active"
    })
    .await;
    println!("    {:.1} s from the halt to the next daemon", stopped.elapsed().as_secs_f64());
    assert_ne!(stage.main_pid(), pid);
    assert!(stage.machine.run("journalctl --no-pager --unit=orchd.service").contains("Watchdog timeout"));
    let number = stage.opens_issue("After the halt");
    stage.until_labelled(number, "needs-triage").await;
}
