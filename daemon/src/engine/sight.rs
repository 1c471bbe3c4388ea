//! What a person may see and do: what GitHub shows them, raised by what the config says of them.
//!
//! GitHub is asked once a person and `access.cache`, however many requests wait for it. An event that may have changed the
//! answer ends it at once: an answer counts only when it was asked for after the last such event. What the config says is
//! looked up at every question, so a reload counts at once too. When GitHub does not answer, nobody sees anything by an
//! old answer, and is told so.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use moka::future::Cache;
use secrecy::SecretString;
use serde_json::Value;

use super::Clock;
use crate::config::Named;
use crate::config::live::LiveConfig;
use crate::core::access::{Level, Sight};
use crate::core::event::RepoName;
use crate::github::GitHubError;
use crate::github::client::{GitHub, Reader};
use crate::github::sight::{Membership, membership, shown_to};
use crate::store::events::NewEvent;

/// People whose answers are kept. One more only means that GitHub is asked again.
const MOST_PEOPLE: u64 = 10_000;

/// People and owners of whom it is remembered when an event last told of them. Beyond, all answers end.
const MOST_TOLD_OF: usize = 10_000;

/// Questions to GitHub after each of which an event came that made the answer old.
const TRIES: u32 = 3;

/// Whose answers an event ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Touched {
    Person(String),
    /// Everybody who sees something of this account.
    Owner(String),
    Everybody,
}

/// When events last told of a change of who sees what. Cheap to clone; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    /// Grows with every such event.
    count: u64,
    last: HashMap<Touched, u64>,
}

impl Changes {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event has come. To be called before it is acknowledged.
    pub fn hear(&self, event: &NewEvent) {
        let touched = touched(&event.event_type, event.event_action.as_deref(), || {
            serde_json::from_slice(&event.payload).unwrap_or(Value::Null)
        });
        if let Some(touched) = touched {
            self.note(touched);
        }
    }

    fn note(&self, touched: Touched) {
        let mut told = self.lock();
        told.count += 1;
        let count = told.count;
        let touched = if told.last.len() < MOST_TOLD_OF { touched } else { Touched::Everybody };
        if touched == Touched::Everybody {
            told.last.clear();
        }
        told.last.insert(touched, count);
    }

    fn count(&self) -> u64 {
        self.lock().count
    }

    /// The last event that touches an answer about this person.
    fn last(&self, login: &str, owners: &BTreeSet<String>) -> u64 {
        let told = self.lock();
        let named = owners.iter().cloned().map(Touched::Owner);
        let all = named.chain([Touched::Person(login.to_ascii_lowercase()), Touched::Everybody]);
        all.filter_map(|touched| told.last.get(&touched)).max().copied().unwrap_or(0)
    }
}

/// Whose answers an event ends, if any. What can give somebody something of an account of which they had nothing ends
/// all, since no answer names the account.
fn touched(event: &str, action: Option<&str>, payload: impl FnOnce() -> Value) -> Option<Touched> {
    let person = |payload: Value, pointer: &str| {
        let login = payload.pointer(pointer).and_then(Value::as_str);
        Some(login.map_or(Touched::Everybody, |login| Touched::Person(login.to_ascii_lowercase())))
    };
    match (event, action) {
        ("member" | "membership", _) => person(payload(), "/member/login"),
        ("organization", Some("member_added" | "member_removed")) => person(payload(), "/membership/user/login"),
        ("github_app_authorization", _) => person(payload(), "/sender/login"),
        (
            "repository",
            Some("renamed" | "privatized" | "publicized" | "deleted" | "archived" | "unarchived" | "edited"),
        ) => {
            let payload = payload();
            let owner = payload.pointer("/repository/owner/login").and_then(Value::as_str);
            Some(owner.map_or(Touched::Everybody, |owner| Touched::Owner(owner.to_ascii_lowercase())))
        }
        ("repository", Some("transferred" | "created"))
        | ("organization", Some("renamed" | "deleted"))
        | ("team" | "team_add" | "installation" | "installation_repositories" | "installation_target", _) => {
            Some(Touched::Everybody)
        }
        _ => None,
    }
}

/// What GitHub said of a person.
#[derive(Debug)]
struct Answer {
    asked_at: DateTime<Utc>,
    /// Events that had come by then.
    heard: u64,
    login: String,
    repositories: Vec<(RepoName, Level)>,
    /// In small letters.
    owners: BTreeSet<String>,
    /// By `org/team` in small letters.
    teams: BTreeMap<String, bool>,
    left_out: bool,
}

/// What a person sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighted {
    pub sight: Sight,
    /// They have more on GitHub than is looked at.
    pub left_out: bool,
}

/// Why it cannot be told what a person sees: not for now (all but `SignedOut`).
#[derive(Debug, Clone, thiserror::Error)]
pub enum SightError<E> {
    /// As whoever keeps the tokens says.
    #[error("{0}")]
    Token(E),
    /// GitHub does not take the person's token any more: they have to sign in again.
    #[error("GitHub does not accept the sign-in any more")]
    SignedOut,
    #[error("GitHub does not say what the person may see: {0}")]
    GitHub(GitHubError),
    /// An event told of a change each time that GitHub had been asked.
    #[error("what the person may see changes faster than GitHub can be asked")]
    Unsettled,
}

/// What people see. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct Sights {
    answers: Cache<i64, Arc<Answer>>,
    config: Arc<LiveConfig>,
    github: Arc<ArcSwap<GitHub>>,
    changes: Changes,
    clock: Clock,
    /// Teams of which GitHub did not tell: said once.
    untold: Arc<Mutex<HashSet<String>>>,
}

impl Sights {
    pub fn new(config: Arc<LiveConfig>, github: Arc<ArcSwap<GitHub>>, changes: Changes, clock: Clock) -> Self {
        let answers = Cache::builder().max_capacity(MOST_PEOPLE).build();
        Self { answers, config, github, changes, clock, untold: Arc::default() }
    }

    /// What the person sees whom GitHub knows under this login and id. `token` gives their own token, and is asked for
    /// it only when GitHub has to be asked.
    ///
    /// # Errors
    /// When GitHub has to be asked and does not answer. Never an old answer, and never "nothing" instead of an error.
    pub async fn of<E>(
        &self,
        login: &str,
        github_id: i64,
        token: impl Future<Output = Result<SecretString, E>>,
    ) -> Result<Sighted, SightError<E>>
    where
        E: Clone + Send + Sync + 'static,
    {
        let mut token = std::pin::pin!(token);
        let mut given: Option<SecretString> = None;
        for _ in 0..TRIES {
            let known = self.answers.get(&github_id).await;
            if let Some(known) = known {
                if self.holds(&known, login) {
                    return Ok(self.sighted(&known));
                }
                self.drop_answer(github_id, &known).await;
            }
            let token = async {
                if let Some(token) = &given {
                    return Ok(token.clone());
                }
                let token = token.as_mut().await.map_err(SightError::Token)?;
                given = Some(token.clone());
                Ok(token)
            };
            let asked = self.answers.try_get_with(github_id, self.ask(login, github_id, token)).await;
            let asked = asked.map_err(|error| (*error).clone())?;
            if self.holds(&asked, login) {
                return Ok(self.sighted(&asked));
            }
        }
        Err(SightError::Unsettled)
    }

    /// Ends what is known of a person: they signed out, or in again.
    pub async fn forget(&self, github_id: i64) {
        self.answers.invalidate(&github_id).await;
    }

    /// Unless another has taken its place already.
    async fn drop_answer(&self, github_id: i64, old: &Arc<Answer>) {
        use moka::ops::compute::Op;
        let drop_it = |entry: Option<moka::Entry<i64, Arc<Answer>>>| {
            let same = entry.is_some_and(|entry| Arc::ptr_eq(entry.value(), old));
            std::future::ready(if same { Op::Remove } else { Op::Nop })
        };
        self.answers.entry(github_id).and_compute_with(drop_it).await;
    }

    /// Whether the answer can be taken for what GitHub would say now.
    fn holds(&self, answer: &Answer, login: &str) -> bool {
        let access = &self.config.current().access;
        let age = (self.clock)() - answer.asked_at;
        let lasts = TimeDelta::from_std(access.cache).unwrap_or(TimeDelta::MAX);
        let young = age >= TimeDelta::zero() && age < lasts;
        // A team that the config names since was not asked for.
        let whole = self.teams().iter().all(|team| answer.teams.contains_key(&key(team)));
        young && whole && answer.login == login && answer.heard >= self.changes.last(login, &answer.owners)
    }

    /// Organisation and team of all that the config names.
    fn teams(&self) -> Vec<(String, String)> {
        let config = self.config.current();
        let teams = config.access.named().filter_map(|(named, _)| match named {
            Named::Team { organisation, team } => Some((organisation.clone(), team.clone())),
            Named::Login(_) => None,
        });
        teams.collect()
    }

    fn sighted(&self, answer: &Answer) -> Sighted {
        let config = self.config.current();
        let named = config.access.named().filter(|(named, _)| match named {
            Named::Login(login) => login.eq_ignore_ascii_case(&answer.login),
            Named::Team { organisation, team } => {
                answer.teams.get(&key(&(organisation.clone(), team.clone()))).copied().unwrap_or(false)
            }
        });
        let site = named.map(|(_, level)| level).max();
        Sighted { sight: Sight::new(site, answer.repositories.iter().cloned()), left_out: answer.left_out }
    }

    async fn ask<E>(
        &self,
        login: &str,
        github_id: i64,
        token: impl Future<Output = Result<SecretString, SightError<E>>>,
    ) -> Result<Arc<Answer>, SightError<E>> {
        // What comes from now on may not be in the answer.
        let (heard, asked_at) = (self.changes.count(), (self.clock)());
        let person = self.github.load_full().user(github_id, token.await?);
        let refused = |error| match error {
            GitHubError::Refused { status: 401, .. } => SightError::SignedOut,
            error => SightError::GitHub(error),
        };
        let shown = shown_to(&person).await.map_err(refused)?;
        let mut teams = BTreeMap::new();
        for team in self.teams() {
            let is_member = self.is_member(&person, &team, login).await.map_err(refused)?;
            teams.insert(key(&team), is_member);
        }
        if let Some(left_out) = &shown.left_out {
            tracing::warn!(login, "not all of what a person sees on GitHub is taken: {left_out}");
        }
        let levels = shown.repositories.into_iter().filter_map(|(name, role)| Some((name, Level::of_role(role)?)));
        let repositories: Vec<_> = levels.collect();
        let owners = repositories.iter().map(|(name, _)| name.owner().to_ascii_lowercase());
        let owners = owners.chain(shown.owners.iter().map(|owner| owner.to_ascii_lowercase())).collect();
        let (login, left_out) = (login.to_owned(), shown.left_out.is_some());
        Ok(Arc::new(Answer { asked_at, heard, login, repositories, owners, teams, left_out }))
    }

    async fn is_member(&self, person: &Reader, team: &(String, String), login: &str) -> Result<bool, GitHubError> {
        let told = membership(person, &team.0, &team.1, login).await?;
        let name = key(team);
        if told == Membership::Untold && self.untold.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone())
        {
            tracing::warn!(
                team = name,
                "GitHub does not tell who is in the team, so `access` gives nobody a level by it: the App needs the permission `members: read`, and to be installed in the organisation"
            );
        }
        Ok(told == Membership::Member)
    }
}

fn key((organisation, team): &(String, String)) -> String {
    format!("{organisation}/{team}").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(event: &str, action: Option<&str>, payload: &Value) -> Option<Touched> {
        touched(event, action, || payload.clone())
    }

    #[test]
    fn events_touch_one_person_an_owner_or_everybody() {
        let alice = Some(Touched::Person("alice".to_owned()));
        let member = json!({"member": {"login": "Alice"}, "membership": {"user": {"login": "Alice"}}, "sender": {"login": "Alice"}});
        assert_eq!(of("member", Some("edited"), &member), alice);
        assert_eq!(of("membership", Some("removed"), &member), alice);
        assert_eq!(of("organization", Some("member_removed"), &member), alice);
        assert_eq!(of("github_app_authorization", Some("revoked"), &member), alice);
        assert_eq!(of("member", Some("added"), &json!({})), Some(Touched::Everybody), "nobody is named");
        let renamed = json!({"repository": {"owner": {"login": "Acme"}}});
        assert_eq!(of("repository", Some("renamed"), &renamed), Some(Touched::Owner("acme".to_owned())));
        assert_eq!(of("installation", Some("created"), &json!({})), Some(Touched::Everybody));
        assert_eq!(of("team_add", None, &json!({})), Some(Touched::Everybody));
        assert_eq!(of("organization", Some("member_invited"), &member), None);
        assert_eq!(of("push", None, &json!({})), None);
    }

    #[test]
    fn an_answer_is_as_old_as_the_last_event_that_touches_it() {
        let changes = Changes::default();
        let owners = BTreeSet::from(["acme".to_owned()]);
        assert_eq!(changes.last("alice", &owners), 0);
        changes.note(Touched::Person("alice".to_owned()));
        changes.note(Touched::Owner("other".to_owned()));
        assert_eq!((changes.last("Alice", &owners), changes.last("bob", &owners)), (1, 0));
        changes.note(Touched::Owner("acme".to_owned()));
        assert_eq!(changes.last("bob", &owners), 3);
        changes.note(Touched::Everybody);
        assert_eq!(changes.last("bob", &BTreeSet::new()), 4);
    }

    #[test]
    fn too_many_names_end_all_answers() {
        let changes = Changes::default();
        for number in 0..=MOST_TOLD_OF {
            changes.note(Touched::Person(format!("person-{number}")));
        }
        assert_eq!(changes.last("nobody", &BTreeSet::new()), MOST_TOLD_OF as u64 + 1);
    }
}
