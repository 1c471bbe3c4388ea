//! The state is backed up while the daemon works, lost, and brought back.

use crate::stage::{Stage, TRIAGE};
use crate::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_backed_up_comes_back_and_github_tells_the_rest() {
    let stage = Stage::begin(TRIAGE).await;
    let machine = &stage.machine;
    let number = stage.opens_issue("Before the backup");
    stage.until_labelled(number, "needs-triage").await;
    let before = stage.stored();
    machine.run("systemctl start orchd-backup.service");
    let backup = machine.run("ls -d /var/backups/orchd/orchd-*");
    let backup = backup.trim_end();
    assert_eq!(backup.lines().count(), 1, "{backup}");

    let number = stage.opens_issue("After the backup");
    stage.until_labelled(number, "needs-triage").await;
    let after = stage.stored();
    assert!(after.len() > before.len());

    // The disk is lost, and the backup is all there is.
    machine.run("systemctl stop orchd.service");
    machine.run("rm -rf /var/lib/orchd/*");
    machine.run(&format!("orchd restore {backup}"));
    machine.run("systemctl start orchd.service");
    assert!(stage.stored().is_superset(&before), "what was backed up is there");
    until("GitHub has told the rest", async || stage.stored().is_superset(&after)).await;
    machine.run("orchd audit verify");
    let number = stage.opens_issue("After the restore");
    stage.until_labelled(number, "needs-triage").await;
    assert!(stage.github.duplicate_effects().is_empty(), "{:#?}", stage.github.duplicate_effects());
}
