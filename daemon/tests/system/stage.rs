//! A machine with the package installed and set up, and the GitHub it is at work for.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use orchd_fake::{GitHub, NewItem};
use serde_json::Value;

use crate::first_run::{ADDRESS, set_up};
use crate::machine::Machine;
use crate::until;

pub const CONFIG: &str = "/etc/orchd/orchd.yaml";

/// The version that stories begin with.
pub const FIRST: &str = "0.1.0";

/// The repository most stories happen in.
pub const WEB: &str = "acme/web";

/// A rule that acts.
pub const TRIAGE: &str = "
  - name: triage
    on: [issues.opened]
    then:
      - label: {add: [needs-triage]}
";

pub struct Stage {
    pub machine: Machine,
    pub github: GitHub,
}

impl Stage {
    /// The package is installed, set up by `orchd setup`, and runs with these rules (the YAML below `rules:`).
    pub async fn begin(rules: &str) -> Self {
        Self::begin_on(Machine::boot(), rules).await
    }

    pub async fn begin_on(machine: Machine, rules: &str) -> Self {
        let github = acme().await;
        machine.install(FIRST);
        set_up(&machine, &github).await;
        let stage = Self { machine, github };
        stage.machine.write(CONFIG, &stage.config_with(rules));
        stage.machine.run("systemctl start orchd.service");
        stage
    }

    /// The config as setup left it, with these rules in the place of its own.
    pub fn config_with(&self, rules: &str) -> String {
        let config = self.machine.read(CONFIG);
        let (before, _) = config.split_once("\nrules:").unwrap();
        format!("{before}\nrules:{rules}")
    }

    pub fn address(&self) -> SocketAddr {
        ADDRESS.parse().unwrap()
    }

    /// Somebody opens an issue; gives its number.
    pub fn opens_issue(&self, title: &str) -> u64 {
        self.github.person("alice").opens_issue(WEB, NewItem::titled(title))
    }

    /// Waits until the App has labelled it; gives how long that took.
    pub async fn until_labelled(&self, number: u64, label: &str) -> Duration {
        let what = format!("{WEB}#{number} has the label {label}");
        until(&what, async || self.github.issue(WEB, number).has_label(label)).await
    }

    /// GUIDs of all events in the store.
    pub fn stored(&self) -> BTreeSet<String> {
        let mut stored = BTreeSet::new();
        let mut after = String::new();
        loop {
            let rows = self.machine.json_lines(&format!("orchd events list --json --limit 1000 {after}"));
            let Some(last) = rows.last() else { return stored };
            after = format!("--after {}", last["id"].as_str().unwrap());
            stored.extend(rows.iter().filter_map(|row| row["delivery_id"].as_str()).map(str::to_owned));
        }
    }

    /// Lines of the journal that these matches select.
    pub fn journal(&self, matches: &str) -> Vec<Value> {
        self.machine.json_lines(&format!("journalctl --output=json --no-pager {matches}"))
    }

    /// Waits until a line of the daemon's journal has these words.
    pub async fn until_journal_says(&self, words: &str) {
        until(&format!("the journal says {words:?}"), async || self.machine.journal().contains(words)).await;
    }

    pub fn main_pid(&self) -> u32 {
        self.machine.property("MainPID").parse().unwrap()
    }

    pub fn restarts(&self) -> u32 {
        self.machine.property("NRestarts").parse().unwrap()
    }
}

/// An organisation with two repositories, and an owner of it at the browser.
pub async fn acme() -> GitHub {
    let github = GitHub::start().await.unwrap();
    for repository in [WEB, "acme/api"] {
        github.add_repository(repository, false);
        github.add_collaborator(repository, "alice");
    }
    github.sit_at_the_browser(Some("mona"));
    github
}
