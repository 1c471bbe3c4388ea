//! The fake's state, all of it, and the few questions everybody asks it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Duration, Utc};

use super::app_settings::AppSettings;
use super::config::Config;
use super::deliveries::Deliveries;
use super::faults::Fault;
use super::journal::{Effect, Request};
use super::limits::Meter;
use super::registering::Code;
use super::signing_in::{CLIENT_SECRET, Logins};
use crate::key::AppKey;
use crate::model::{Repository, Team, Time, User, UserKind};
use crate::seed::Seed;

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) id: i64,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) slug: String,
    pub(crate) hook_id: i64,
    pub(crate) key: AppKey,
    pub(crate) events: Vec<String>,
    /// `None`: what tests mostly want.
    pub(crate) permissions: Option<serde_json::Value>,
    /// Who made it; `None`: nobody did, it was there.
    pub(crate) owner: Option<User>,
    pub(crate) created_at: Time,
    pub(crate) token_lifetime: Duration,
}

impl App {
    pub(crate) fn bot(&self) -> User {
        User { id: self.id + 90_000_000, login: format!("{}[bot]", self.slug), kind: UserKind::Bot }
    }
}

#[derive(Debug)]
pub(crate) struct Installation {
    pub(crate) account: User,
    /// Lower-case full names.
    pub(crate) repositories: BTreeSet<String>,
    pub(crate) quota: Quota,
    /// GraphQL has a quota of its own.
    pub(crate) graphql: Quota,
    pub(crate) permissions: serde_json::Value,
    pub(crate) suspended_at: Option<Time>,
    pub(crate) updated_at: Time,
    /// Stands in for `quota` when limits are enforced.
    pub(crate) meter: Option<Meter>,
}

/// The primary rate limit of one token holder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    pub(crate) limit: u32,
    pub(crate) used: u32,
    pub(crate) reset: Time,
}

impl Quota {
    pub(crate) fn new() -> Self {
        Self { limit: 5_000, used: 0, reset: Utc::now() + Duration::hours(1) }
    }

    /// Takes one; false when none is left before the reset.
    pub(crate) fn take(&mut self) -> bool {
        if Utc::now() >= self.reset {
            *self = Self { limit: self.limit, used: 0, reset: Utc::now() + Duration::hours(1) };
        }
        let free = self.used < self.limit;
        self.used += u32::from(free);
        free
    }
}

#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) installation: i64,
    /// Lower-case full names; `None`: all of the installation.
    pub(crate) repositories: Option<BTreeSet<String>>,
    pub(crate) expires_at: Time,
    /// Of a workflow's run; `None`: those of the installation.
    pub(crate) permissions: Option<serde_json::Value>,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: Seed,
    pub(crate) app: App,
    pub(crate) app_quota: Quota,
    pub(crate) users: BTreeMap<String, User>,
    /// By lower-case full name.
    pub(crate) repositories: BTreeMap<String, Repository>,
    /// By lower-case `org/slug`.
    pub(crate) teams: BTreeMap<String, Team>,
    pub(crate) installations: BTreeMap<i64, Installation>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) journal: Vec<Request>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) latency: std::time::Duration,
    pub(crate) deliveries: Deliveries,
    /// Signs deliveries when no webhook is configured.
    pub(crate) secret: String,
    pub(crate) hook_ranges: Vec<String>,
    pub(crate) logins: Logins,
    pub(crate) settings: AppSettings,
    /// For Apps that were made from a manifest.
    pub(crate) codes: Vec<Code>,
    /// What people do now, they did this long ago.
    pub(crate) behind: Duration,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let mut seed = Seed::new(config.seed);
        let secret = config.webhook.as_ref().map_or_else(|| "a secret".to_owned(), |webhook| webhook.secret.clone());
        let app = App {
            id: config.app_id,
            client_id: config.client_id,
            client_secret: CLIENT_SECRET.to_owned(),
            slug: config.slug,
            hook_id: seed.id() >> 8,
            key: config.key,
            events: config.events,
            permissions: None,
            owner: None,
            created_at: Utc::now(),
            token_lifetime: Duration::from_std(config.token_lifetime).unwrap_or_else(|_| Duration::hours(1)),
        };
        let bot = app.bot();
        Self {
            users: BTreeMap::from([(bot.login.clone(), bot)]),
            app,
            seed,
            secret,
            app_quota: Quota::new(),
            repositories: BTreeMap::new(),
            teams: BTreeMap::new(),
            installations: BTreeMap::new(),
            tokens: BTreeMap::new(),
            journal: Vec::new(),
            effects: Vec::new(),
            faults: Vec::new(),
            latency: std::time::Duration::ZERO,
            deliveries: Deliveries { webhook: config.webhook, ..Deliveries::default() },
            hook_ranges: vec!["127.0.0.0/8".to_owned(), "::1/128".to_owned()],
            logins: Logins::default(),
            settings: AppSettings::default(),
            codes: Vec::new(),
            behind: Duration::zero(),
        }
    }

    /// When what is done now is done.
    pub(crate) fn now(&self) -> Time {
        Utc::now() - self.behind
    }

    /// The user of that login, made on first sight.
    pub(crate) fn user(&mut self, login: &str, kind: UserKind) -> User {
        if let Some(user) = self.users.get(login) {
            return user.clone();
        }
        let user = User { id: self.seed.id() >> 12, login: login.to_owned(), kind };
        self.users.insert(login.to_owned(), user.clone());
        user
    }

    pub(crate) fn repository(&self, full_name: &str) -> Option<&Repository> {
        self.repositories.get(&full_name.to_lowercase())
    }

    pub(crate) fn repository_mut(&mut self, full_name: &str) -> Option<&mut Repository> {
        self.repositories.get_mut(&full_name.to_lowercase())
    }

    /// The installation that covers a repository. A suspended one hears nothing.
    pub(crate) fn installation_of(&self, full_name: &str) -> Option<i64> {
        let name = full_name.to_lowercase();
        self.installations
            .iter()
            .find(|(_, each)| each.suspended_at.is_none() && each.repositories.contains(&name))
            .map(|(id, _)| *id)
    }

    /// Adds a repository unless it is there.
    ///
    /// # Panics
    /// When the name is not `owner/name`.
    pub(crate) fn add_repository(&mut self, full_name: &str) {
        let Some((owner, name)) = full_name.split_once('/') else {
            panic!("`{full_name}` is not owner/name");
        };
        let key = full_name.to_lowercase();
        if self.repositories.contains_key(&key) {
            return;
        }
        let owner = self.user(owner, UserKind::Organization);
        let mut repository = Repository::new(&mut self.seed, owner, name, Utc::now());
        repository.collaborators.insert(repository.owner.login.clone());
        self.repositories.insert(key, repository);
    }
}
