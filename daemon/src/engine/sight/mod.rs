//! What a person may see and do: what GitHub shows them, raised by what the config says of them.
//!
//! GitHub is asked once a person and `access.cache`, however many requests wait for it. An event that may have changed the
//! answer ends it at once: an answer counts only when it was asked for after the last such event. What the config says is
//! looked up at every question, so a reload counts at once too. When GitHub does not answer, nobody sees anything by an
//! old answer, and is told so.

mod changes;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use moka::future::Cache;
use secrecy::SecretString;

pub use self::changes::Changes;
use super::Clock;
use crate::config::Named;
use crate::config::live::LiveConfig;
use crate::core::access::{Level, Sight};
use crate::core::event::RepoName;
use crate::github::GitHubError;
use crate::github::client::{GitHub, Reader};
use crate::github::sight::{Membership, membership, shown_to, whose};

/// People whose answers are kept. One more only means that GitHub is asked again.
const MOST_PEOPLE: u64 = 10_000;

/// Questions to GitHub after each of which an event came that made the answer old.
const TRIES: u32 = 3;

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
    /// As GitHub told it: they may have renamed themselves since they signed in.
    pub login: String,
}

/// Why it cannot be told what a person sees: not for now (all but `SignedOut`).
#[derive(Debug, Clone, thiserror::Error)]
pub enum SightError<E> {
    /// As whoever keeps the tokens says.
    #[error("{0}")]
    Token(E),
    /// GitHub does not take the person's token any more, or it is another's: they have to sign in again.
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

    /// What the person sees whom GitHub knows under this id. `token` gives their own token, and is asked for it only when
    /// GitHub has to be asked.
    ///
    /// # Errors
    /// When GitHub has to be asked and does not answer. Never an old answer, and never "nothing" instead of an error.
    pub async fn of<E>(
        &self,
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
                if self.holds(&known) {
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
            let asked = self.answers.try_get_with(github_id, self.ask(github_id, token)).await;
            let asked = asked.map_err(|error| (*error).clone())?;
            if self.holds(&asked) {
                return Ok(self.sighted(&asked));
            }
        }
        Err(SightError::Unsettled)
    }

    /// Ends what is known of a person: they signed in again, maybe under another name.
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
    fn holds(&self, answer: &Answer) -> bool {
        let access = &self.config.current().access;
        let age = (self.clock)() - answer.asked_at;
        let lasts = TimeDelta::from_std(access.cache).unwrap_or(TimeDelta::MAX);
        let young = age >= TimeDelta::zero() && age < lasts;
        // A team that the config names since was not asked for.
        let whole = self.teams().iter().all(|team| answer.teams.contains_key(&key(team)));
        young && whole && answer.heard >= self.changes.last(&answer.login, &answer.owners)
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
        let mut sight = Sight::new(site, answer.repositories.iter().cloned());
        sight.is_short = answer.left_out;
        Sighted { sight, login: answer.login.clone() }
    }

    async fn ask<E>(
        &self,
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
        let whose = whose(&person).await.map_err(refused)?;
        if whose.id != github_id {
            return Err(SightError::SignedOut);
        }
        let login = whose.login;
        let shown = shown_to(&person).await.map_err(refused)?;
        let mut teams = BTreeMap::new();
        for team in self.teams() {
            let is_member = self.is_member(&person, &team, &login).await.map_err(refused)?;
            teams.insert(key(&team), is_member);
        }
        if let Some(left_out) = &shown.left_out {
            tracing::warn!(login, "not all of what a person sees on GitHub is taken: {left_out}");
        }
        let levels = shown.repositories.into_iter().filter_map(|(name, role)| Some((name, Level::of_role(role)?)));
        let repositories: Vec<_> = levels.collect();
        let owners = repositories.iter().map(|(name, _)| name.owner().to_ascii_lowercase());
        let owners = owners.chain(shown.owners.iter().map(|owner| owner.to_ascii_lowercase())).collect();
        let left_out = shown.left_out.is_some();
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
