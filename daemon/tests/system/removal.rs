//! The package goes: what stays after a removal, and that nothing does after a purge.

use std::collections::BTreeSet;

use crate::first_run::set_up;
use crate::machine::Machine;
use crate::stage::{CONFIG, FIRST, Stage, TRIAGE, acme};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_removal_keeps_state_and_a_purge_leaves_nothing() {
    let machine = Machine::boot();
    let before = Traces::of(&machine);
    let github = acme().await;
    machine.install(FIRST);
    set_up(&machine, &github).await;
    let stage = Stage { machine, github };
    stage.machine.write(CONFIG, &stage.config_with(TRIAGE));
    stage.machine.run("systemctl start orchd.service");
    let number = stage.opens_issue("Before the removal");
    stage.until_labelled(number, "needs-triage").await;
    let events = stage.stored();
    assert!(!events.is_empty());

    stage.machine.run("dpkg --remove orchd");
    let machine = &stage.machine;
    assert!(!machine.succeeds("systemctl is-active orchd.service orchd.socket"));
    assert!(!machine.succeeds("test -e /usr/bin/orchd"));
    for kept in [CONFIG, "/etc/orchd/credentials/github-app.pem", "/var/lib/orchd/orchd.db"] {
        machine.run(&format!("test -s {kept}"));
    }
    // Installed again it goes on where it was.
    machine.install(FIRST);
    machine.run("systemctl start orchd.service");
    assert!(stage.stored().is_superset(&events), "events are still there");

    machine.run("dpkg --purge orchd");
    let after = Traces::of(machine);
    assert_eq!(after.files.difference(&before.files).collect::<Vec<_>>(), Vec::<&String>::new(), "files");
    assert_eq!(after.accounts.difference(&before.accounts).collect::<Vec<_>>(), Vec::<&String>::new(), "accounts");
    assert_eq!(after.units.difference(&before.units).collect::<Vec<_>>(), Vec::<&String>::new(), "units");
}

/// What a package could leave behind.
struct Traces {
    files: BTreeSet<String>,
    accounts: BTreeSet<String>,
    units: BTreeSet<String>,
}

impl Traces {
    fn of(machine: &Machine) -> Self {
        let lines =
            |shell: &str| machine.run(shell).lines().map(|line| line.trim_end().to_owned()).collect::<BTreeSet<_>>();
        Self {
            // Not the notes that others keep of everything: logs, dpkg's and those of the accounts (`/etc/passwd-`).
            files: lines(
                "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /var/tmp -o -path /var/log/journal \
                 -o -path /var/log/dpkg.log -o -path /var/lib/dpkg -o -path /var/cache/ldconfig -o -path '/etc/*-' -o -name .pwd.lock \\) -prune -o -print; \
                 find /run -name '*orchd*'",
            ),
            accounts: lines("getent passwd; getent group"),
            units: lines(
                "systemctl list-unit-files --no-legend --no-pager; systemctl --all --no-legend --no-pager --plain list-units '*orchd*' | cut -d' ' -f1",
            ),
        }
    }
}
