//! `orchd doctor`: looks at everything that has to be well, and says how to mend each thing that is not.
//!
//! Owns the list of checks, their order, and how they are told. Refuses to know how the daemon works: it looks at what the
//! daemon stands on (files, database, network, GitHub), and asks the daemon itself over its socket. It works whether or not
//! one runs. Adding a check takes one file and one line of [`CHECKS`].
//!
//! Invariants: it changes nothing, here or on GitHub; nothing in it waits for ever; a check that cannot be made because of
//! another one that failed is skipped and says so, so that one fault looks like one.

mod app;
mod clock;
mod config;
mod daemon;
mod database;
mod deliveries;
mod disk;
mod hook;
mod installations;
mod login;
mod modes;
mod permissions;
mod print;
mod probe;
mod public;
mod quota;
mod scene;
mod socket;
mod webhook;

use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;

use self::scene::Scene;
use super::failure::Failure;
use super::{Global, output};

pub(in crate::cli) use self::print::print;

/// For one check, whatever it waits for: longer than any of its own patience, retries included.
const LONGEST_CHECK: Duration = Duration::from_secs(30);

/// In the order they are told.
static CHECKS: &[&Check] = &[
    &modes::CHECK,
    &database::CHECK,
    &disk::CHECK,
    &socket::CHECK,
    &daemon::CHECK,
    &clock::REACHED,
    &clock::CHECK,
    &public::NAME,
    &public::TLS,
    &webhook::CHECK,
    &app::CHECK,
    &hook::CHECK,
    &deliveries::CHECK,
    &installations::CHECK,
    &permissions::PERMISSIONS,
    &permissions::EVENTS,
    &quota::CHECK,
    &login::CHECK,
];

/// One thing that is looked at.
struct Check {
    name: &'static str,
    /// What has to be without fault before. They stand before it in [`CHECKS`].
    after: &'static [&'static str],
    /// Whether it asks anybody but this machine.
    afar: bool,
    look: for<'a> fn(&'a Scene) -> Looking<'a>,
}

type Looking<'a> = Pin<Box<dyn Future<Output = Seen> + Send + 'a>>;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Well,
    /// It was not looked at; `told` says why.
    Skipped,
    /// It works, and a person should look.
    Warning,
    Fault,
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    pub(crate) state: State,
    /// What was seen.
    pub(crate) told: String,
    /// What to do, exactly: a command, a key of the config, a page of GitHub.
    pub(crate) advice: Vec<String>,
}

/// A finding before it has its name.
#[derive(Clone, Debug)]
struct Seen {
    state: State,
    told: String,
    advice: Vec<String>,
}

impl Seen {
    fn well(told: impl Into<String>) -> Self {
        Self { state: State::Well, told: told.into(), advice: Vec::new() }
    }

    fn skipped(why: impl Into<String>) -> Self {
        Self { state: State::Skipped, told: why.into(), advice: Vec::new() }
    }

    fn warning(told: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Warning, told: told.into(), advice: vec![advice.into()] }
    }

    fn fault(told: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Fault, ..Self::warning(told, advice) }
    }

    /// With something else to do.
    fn or(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }

    /// The worst of several, with what the others of its kind say; `well` when there is none.
    fn worst(all: Vec<Self>, well: impl Into<String>) -> Self {
        let Some(state) = all.iter().map(|seen| seen.state).max() else { return Self::well(well) };
        let mut worst = all.into_iter().filter(|seen| seen.state == state);
        let Some(mut first) = worst.next() else { return Self::well(well) };
        for other in worst {
            first.told = format!("{}; {}", first.told, other.told);
            first.advice.extend(other.advice);
        }
        first
    }

    fn named(self, name: &'static str) -> Finding {
        Finding { name, state: self.state, told: self.told, advice: self.advice }
    }
}

/// What is to be examined.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) config: PathBuf,
    /// Where the daemon listens, if not where the config says.
    pub(crate) socket: Option<PathBuf>,
    /// Where credentials are when the environment does not say.
    pub(crate) credentials: PathBuf,
    /// Nothing but this machine is asked.
    pub(crate) offline: bool,
}

/// Where systemd shows a running service its credentials: systemd.exec(5), "Credentials".
pub(crate) const CREDENTIALS: &str = "/run/credentials/orchd.service";

/// Looks at everything, as far as it can be looked at. Takes two minutes at the very most, and a second as a rule.
pub(crate) async fn examine(asked: &Asked) -> Vec<Finding> {
    let (mut findings, config) = config::look(asked);
    let scene = config.map(|config| Scene::new(config, asked));
    let Some(scene) = scene else {
        let blocked = |check: &&Check| Seen::skipped("needs a config that can be used").named(check.name);
        findings.extend(CHECKS.iter().map(blocked));
        return findings;
    };
    let mut seen: Vec<Option<Finding>> = vec![None; CHECKS.len()];
    while seen.iter().any(Option::is_none) {
        let ready: Vec<usize> =
            (0..CHECKS.len()).filter(|&at| seen[at].is_none() && is_ready(CHECKS[at], &seen)).collect();
        // The order of the list makes sure that there is always one.
        if ready.is_empty() {
            break;
        }
        let looked = join_all(ready.iter().map(|&at| look(CHECKS[at], &scene, &seen))).await;
        for (at, finding) in ready.into_iter().zip(looked) {
            seen[at] = Some(finding);
        }
    }
    findings.extend(seen.into_iter().flatten());
    findings
}

fn found<'a>(name: &str, seen: &'a [Option<Finding>]) -> Option<&'a Finding> {
    seen.iter().flatten().find(|finding| finding.name == name)
}

fn is_ready(check: &Check, seen: &[Option<Finding>]) -> bool {
    check.after.iter().all(|name| found(name, seen).is_some())
}

async fn look(check: &Check, scene: &Scene, seen: &[Option<Finding>]) -> Finding {
    if check.afar && scene.asked.offline {
        return Seen::skipped("--offline").named(check.name);
    }
    let before = check.after.iter().filter_map(|name| found(name, seen));
    if let Some(failed) = before.into_iter().find(|finding| matches!(finding.state, State::Fault | State::Skipped)) {
        let why = if failed.state == State::Fault { "is mended" } else { "can be looked at" };
        return Seen::skipped(format!("not before `{}` {why}", failed.name)).named(check.name);
    }
    let looked = tokio::time::timeout(LONGEST_CHECK, (check.look)(scene)).await;
    let too_long = || {
        let told = format!("no end of it within {} s", LONGEST_CHECK.as_secs());
        Seen::fault(told, "run `orchd doctor` again; if it is so again, look at the machine's load and network")
    };
    looked.unwrap_or_else(|_elapsed| too_long()).named(check.name)
}

/// Whether nothing has to be mended.
pub(crate) fn is_well(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.state != State::Fault)
}

/// `orchd doctor`.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Ask nobody but this machine: neither GitHub nor the public URL.
    #[arg(long)]
    offline: bool,
}

impl Doctor {
    /// # Errors
    /// When something has to be mended.
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let asked = Asked {
            config: global.config.clone(),
            socket: global.socket.clone(),
            credentials: CREDENTIALS.into(),
            offline: self.offline,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::failed(format!("the runtime cannot be started: {error}")))?;
        let findings = runtime.block_on(examine(&asked));
        // A name that does not resolve may keep a thread for longer than anybody waits.
        runtime.shutdown_background();
        if global.json {
            output::print_json(&serde_json::json!({"well": is_well(&findings), "findings": findings}))?;
        } else {
            print(&findings)?;
        }
        match findings.iter().filter(|finding| finding.state == State::Fault).count() {
            0 => Ok(()),
            1 => Err(Failure::failed("1 thing has to be mended")),
            faults => Err(Failure::failed(format!("{faults} things have to be mended"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_waits_only_for_those_before_it() {
        for (at, check) in CHECKS.iter().enumerate() {
            for name in check.after {
                assert!(CHECKS[..at].iter().any(|before| before.name == *name), "{} waits for {name}", check.name);
            }
            assert!(CHECKS[..at].iter().all(|before| before.name != check.name), "two are called {}", check.name);
        }
    }

    #[test]
    fn the_worst_counts_and_says_all_of_its_kind() {
        let all = vec![Seen::warning("slow", "wait"), Seen::fault("gone", "get it"), Seen::fault("bad", "mend it")];
        let worst = Seen::worst(all, "fine");
        assert_eq!((worst.state, worst.told.as_str()), (State::Fault, "gone; bad"));
        assert_eq!(worst.advice, ["get it", "mend it"]);
        assert_eq!(Seen::worst(Vec::new(), "fine").state, State::Well);
    }
}
