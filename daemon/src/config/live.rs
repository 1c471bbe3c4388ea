//! The config in use, and its swap for a newer one while orchd runs.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use super::hold::Hold;
use super::{Config, ForwardSecret, Problem, Problems, Revision, load};
use crate::core::intent::ActionKind;

/// The config in use. Invariant 9: only a config that validated wholly ever becomes it.
#[derive(Debug)]
pub struct LiveConfig {
    current: ArcSwap<Config>,
    /// Held during a reload, so that two never cross.
    turn: Mutex<()>,
    /// Held for a moment only.
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    refused: Option<Refusal>,
    held: Option<Hold>,
    needs_restart: Vec<&'static str>,
}

/// Why a config that validates is not taken up.
#[derive(Clone, Debug)]
pub enum Objection {
    /// It cannot be put to use; the text says why.
    Unusable(String),
    /// It waits for a person.
    Hold(Box<Hold>),
}

/// A config that was refused, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub problems: Problems,
    pub at: DateTime<Utc>,
}

/// What health, metrics and logs show.
#[derive(Clone, Debug)]
pub struct Status {
    /// Of the config in use.
    pub revision: Revision,
    /// Set while the files on disk do not validate.
    pub refused: Option<Refusal>,
    /// Set while the config on disk waits for a person.
    pub held: Option<Hold>,
    /// Keys whose new value waits for a restart.
    pub needs_restart: Vec<&'static str>,
}

/// What a reload came to.
#[derive(Debug)]
pub enum ReloadOutcome {
    /// Files and secrets are as they were.
    Same,
    Swapped {
        old: Arc<Config>,
        new: Arc<Config>,
        needs_restart: Vec<&'static str>,
    },
    /// The old one stays.
    Refused(Problems),
    /// The old one stays until a person says otherwise.
    Held(Hold),
}

impl LiveConfig {
    pub fn new(config: Config) -> Self {
        Self { current: ArcSwap::from_pointee(config), turn: Mutex::default(), last: Mutex::default() }
    }

    /// The config in use now. Hold it for one piece of work, so that all of that sees the same one.
    pub fn current(&self) -> Arc<Config> {
        self.current.load_full()
    }

    pub fn status(&self) -> Status {
        let last = self.last();
        Status {
            revision: self.current.load().revision.clone(),
            refused: last.refused.clone(),
            held: last.held.clone(),
            needs_restart: last.needs_restart.clone(),
        }
    }

    /// Reads the config anew and swaps it in when it validates. Blocks on the disk: call it off the async threads.
    /// What cannot change while running keeps its running value and is named.
    ///
    /// `prepare` judges the new config and makes what it needs, before anybody sees it. When it objects the old one
    /// stays: one that cannot be put to use is refused like one that does not validate.
    pub fn reload(
        &self,
        path: &Path,
        actions: &[ActionKind],
        now: DateTime<Utc>,
        prepare: impl FnOnce(&Config) -> Result<(), Objection>,
    ) -> ReloadOutcome {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let refuse = |problems: Problems| {
            let mut last = self.last();
            last.refused = Some(Refusal { problems: problems.clone(), at: now });
            last.held = None;
            ReloadOutcome::Refused(problems)
        };
        let mut new = match load(path, actions, now) {
            Ok(new) => new,
            Err(problems) => return refuse(problems),
        };
        let old = self.current();
        if old.revision.hash == new.revision.hash && !old.stands_in && same_secrets(&old, &new) {
            let mut last = self.last();
            (last.refused, last.held) = (None, None);
            return ReloadOutcome::Same;
        }
        let needs_restart = keep_what_cannot_change(&old, &mut new);
        match prepare(&new) {
            Ok(()) => {}
            Err(Objection::Unusable(message)) => {
                return refuse(Problems(vec![Problem { file: path.to_owned(), line: 1, column: 1, message }]));
            }
            Err(Objection::Hold(hold)) => {
                let mut last = self.last();
                (last.refused, last.held) = (None, Some((*hold).clone()));
                return ReloadOutcome::Held(*hold);
            }
        }
        let mut last = self.last();
        (last.refused, last.held) = (None, None);
        last.needs_restart.clone_from(&needs_restart);
        let new = Arc::new(new);
        self.current.store(Arc::clone(&new));
        ReloadOutcome::Swapped { old, new, needs_restart }
    }

    /// Puts a config that acts as an earlier revision in the place of the one in use; what is on disk waits for a person.
    pub fn roll_back(&self, earlier: Config, hold: Option<Hold>) -> (Arc<Config>, Arc<Config>) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = self.last();
        if let Some(hold) = hold {
            (last.refused, last.held) = (None, Some(hold));
        }
        let (old, new) = (self.current(), Arc::new(earlier));
        self.current.store(Arc::clone(&new));
        (old, new)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets back in `new` what was settled when orchd started (sockets, the store, the queue before the store, the log
/// subscriber), and names what was different. Everything else is looked up in the current config at each use.
fn keep_what_cannot_change(old: &Config, new: &mut Config) -> Vec<&'static str> {
    let mut kept = Vec::new();
    macro_rules! keep {
        ($name:literal, $($field:ident).+, $same:expr) => {
            if !$same(&old.$($field).+, &new.$($field).+) {
                new.$($field).+.clone_from(&old.$($field).+);
                kept.push($name);
            }
        };
        ($name:literal, $($field:ident).+) => { keep!($name, $($field).+, |old, new| old == new) };
    }
    keep!("server.listen", server.listen);
    keep!("server.admin_socket", server.admin_socket);
    keep!("server.max_pending", server.max_pending);
    keep!("database.url", database.url, same_secret);
    keep!("database.objects", database.objects);
    keep!("logging", logging);
    keep!("telemetry", telemetry);
    kept
}

fn same_secret(old: &SecretString, new: &SecretString) -> bool {
    old.expose_secret() == new.expose_secret()
}

fn same_optional_secret(old: &Option<SecretString>, new: &Option<SecretString>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => same_secret(old, new),
        (None, None) => true,
        _ => false,
    }
}

fn same_forward_secrets(old: &[ForwardSecret], new: &[ForwardSecret]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same_secret(&old.secret, &new.secret))
}

/// A rotated secret changes no config file, and still has to be taken up.
fn same_secrets(old: &Config, new: &Config) -> bool {
    let (before, after) = (&old.github, &new.github);
    let webhook = before.webhook_secrets.iter().zip(&after.webhook_secrets).all(|(old, new)| same_secret(old, new));
    webhook
        && before.webhook_secrets.len() == after.webhook_secrets.len()
        && same_optional_secret(&before.private_key, &after.private_key)
        && same_optional_secret(&before.client_secret, &after.client_secret)
        && same_secret(&old.database.url, &new.database.url)
        && old.login.keys == new.login.keys
        && old.telemetry == new.telemetry
        && same_forward_secrets(&old.forward.secrets, &new.forward.secrets)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    const BASE: &str = "github: {webhook_secrets: [{file: secret}]}\n";

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn running(dir: &Path, text: &str) -> (LiveConfig, std::path::PathBuf) {
        fs::write(dir.join("secret"), "swordfish\n").unwrap();
        let path = dir.join("orchd.yaml");
        fs::write(&path, text).unwrap();
        (LiveConfig::new(load(&path, &[], at(0)).unwrap()), path)
    }

    #[test]
    fn invariant_9_a_config_that_does_not_validate_never_replaces_one_that_does() {
        let dir = tempfile::tempdir().unwrap();
        let (live, path) = running(dir.path(), &format!("{BASE}retention: {{events: 30d}}\n"));
        let before = live.current();
        // One that is right up to its last line, one that is no YAML, one cut off in the middle of a write, and none.
        let bad = ["retention: {events: 40d}\nretentoin: 1", "a: [", "github:", ""];
        for text in bad {
            let text = if text.starts_with("ret") { format!("{BASE}{text}") } else { text.to_owned() };
            fs::write(&path, text).unwrap();
            assert!(matches!(live.reload(&path, &[], at(1), |_| Ok(())), ReloadOutcome::Refused(_)));
            assert!(Arc::ptr_eq(&before, &live.current()));
            assert_eq!(live.status().refused.unwrap().at, at(1));
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(live.reload(&path, &[], at(2), |_| Ok(())), ReloadOutcome::Refused(_)));
        assert!(Arc::ptr_eq(&before, &live.current()));

        fs::write(&path, format!("{BASE}retention: {{events: 40d}}\n")).unwrap();
        assert!(matches!(live.reload(&path, &[], at(3), |_| Ok(())), ReloadOutcome::Swapped { .. }));
        assert_eq!(live.current().retention.events.as_secs(), 40 * 86_400);
        assert_eq!(live.status().refused, None);
    }

    #[test]
    fn what_cannot_change_while_running_stays_and_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (live, path) = running(dir.path(), BASE);
        let text =
            format!("{BASE}server: {{listen: 127.0.0.1:9, webhook_allow: [github]}}\ndatabase: sqlite://other.db\n");
        fs::write(&path, text).unwrap();
        let ReloadOutcome::Swapped { old, new, needs_restart } = live.reload(&path, &[], at(1), |_| Ok(())) else {
            panic!("the config is valid and differs")
        };
        assert_eq!(needs_restart, ["server.listen", "database.url", "database.objects"]);
        assert_eq!(new.server.listen, old.server.listen);
        assert!(same_secret(&new.database.url, &old.database.url));
        assert_eq!(new.server.webhook_allow, [crate::config::Allow::GitHub]);
        assert_eq!(live.status().needs_restart, needs_restart);

        fs::write(&path, BASE).unwrap();
        assert!(matches!(live.reload(&path, &[], at(2), |_| Ok(())), ReloadOutcome::Swapped { .. }));
        assert!(live.status().needs_restart.is_empty(), "back to what is running");
    }

    #[test]
    fn a_reload_of_the_same_is_none_and_a_rotated_secret_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let (live, path) = running(dir.path(), BASE);
        assert!(matches!(live.reload(&path, &[], at(1), |_| Ok(())), ReloadOutcome::Same));
        fs::write(dir.path().join("secret"), "marlin\n").unwrap();
        assert!(matches!(live.reload(&path, &[], at(2), |_| Ok(())), ReloadOutcome::Swapped { .. }));
        assert_eq!(live.current().github.webhook_secrets[0].expose_secret(), "marlin");
    }

    #[test]
    fn a_config_that_cannot_be_put_to_use_is_refused_like_a_bad_one() {
        let dir = tempfile::tempdir().unwrap();
        let (live, path) = running(dir.path(), BASE);
        let before = live.current();
        fs::write(&path, format!("{BASE}retention: {{events: 40d}}\n")).unwrap();
        let refused = live.reload(&path, &[], at(1), |_| Err(Objection::Unusable("no CA certificates".to_owned())));
        assert!(matches!(refused, ReloadOutcome::Refused(_)));
        assert!(Arc::ptr_eq(&before, &live.current()));
        assert!(live.status().refused.unwrap().problems.to_string().contains("no CA certificates"));
        assert!(matches!(live.reload(&path, &[], at(2), |_| Ok(())), ReloadOutcome::Swapped { .. }));
        assert_eq!(live.status().refused, None);
    }
}
