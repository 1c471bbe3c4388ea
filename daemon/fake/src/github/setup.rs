//! What is on the fake before a story begins, and what changes around it without anybody on GitHub doing it.

use std::collections::BTreeSet;

use chrono::{Duration, Utc};
use serde_json::json;

use super::GitHub;
use super::world::{Installation, Quota, World};
use crate::model::{CheckRun, Label, Milestone, Status, User, UserKind};
use crate::payload::events::{self, Envelope};

impl World {
    /// Installs the App with access to the repositories that `covers` says, by their lower-case full names.
    pub(super) fn install_on(&mut self, account: User, covers: impl Fn(&str) -> bool) -> i64 {
        let id = self.seed.id() >> 14;
        let repositories: BTreeSet<String> = self.repositories.keys().filter(|name| covers(name)).cloned().collect();
        let usual = json!({
            "issues": "write", "metadata": "read", "pull_requests": "write", "checks": "write", "contents": "write",
            "statuses": "write", "actions": "write",
        });
        let installation = Installation {
            account,
            repositories,
            quota: Quota::new(),
            graphql: Quota::new(),
            meter: None,
            permissions: self.app.permissions.clone().unwrap_or(usual),
            suspended_at: None,
            updated_at: Utc::now(),
        };
        self.installations.insert(id, installation);
        id
    }

    pub(super) fn tell_installed(&mut self, installation: i64, by: &str) {
        let sender = self.user(by, UserKind::User);
        let Some(found) = self.installations.get(&installation) else { return };
        let Some(shown) = self.shown_installation(installation) else { return };
        let covered: Vec<_> = found.repositories.iter().filter_map(|name| self.repositories.get(name)).collect();
        let (event, payload) = events::installed("created", shown, &sender, &covered);
        self.deliver(event, &payload);
    }
}

impl GitHub {
    /// Installs the App on an account, with access to these repositories (`owner/name`), made when missing. Gives the
    /// installation's id. Tells nobody: see [`GitHub::tell_installed`].
    pub fn install(&self, account: &str, repositories: &[&str]) -> i64 {
        self.inner.update(|world| {
            let account = world.user(account, UserKind::Organization);
            for name in repositories {
                world.add_repository(name);
            }
            let covered = |name: &str| repositories.iter().any(|each| each.eq_ignore_ascii_case(name));
            world.install_on(account, covered)
        })
    }

    /// Adds a repository that no installation covers.
    pub fn add_repository(&self, full_name: &str, private: bool) {
        self.inner.update(|world| {
            world.add_repository(full_name);
            if let Some(repository) = world.repository_mut(full_name) {
                repository.private = private;
            }
        });
    }

    /// Makes a login somebody who may be assigned in the repository.
    ///
    /// # Panics
    /// When there is no such repository; so do the other functions here that name one.
    pub fn add_collaborator(&self, repository: &str, login: &str) {
        self.with_repository(repository, |repo| repo.collaborators.insert(login.to_owned()));
    }

    /// A collaborator with another role than `write`, in GitHub's words.
    pub fn add_collaborator_as(&self, repository: &str, login: &str, role: &str) {
        self.add_collaborator(repository, login);
        self.with_repository(repository, |repo| repo.roles.insert(login.to_owned(), role.to_owned()));
    }

    /// The App's reactions to a comment.
    pub fn reactions(&self, repository: &str, comment: i64) -> Vec<String> {
        self.with_repository(repository, |repo| {
            let of_comment = repo.reactions.iter().filter(|each| each.comment == comment);
            of_comment.map(|each| each.content.clone()).collect()
        })
    }

    pub fn add_label(&self, repository: &str, name: &str) {
        let id = self.inner.world().seed.id();
        let label = Label { id, name: name.to_owned(), color: "ededed".to_owned(), description: None };
        self.with_repository(repository, |repo| repo.labels.insert(name.to_lowercase(), label));
    }

    pub fn add_milestone(&self, repository: &str, title: &str) {
        let id = self.inner.world().seed.id();
        self.with_repository(repository, |repo| {
            let number = repo.milestones.len() as u64 + 1;
            repo.milestones.push(Milestone { id, number, title: title.to_owned() });
        });
    }

    fn with_repository<T>(&self, name: &str, change: impl FnOnce(&mut crate::model::Repository) -> T) -> T {
        self.inner.update(|world| {
            let Some(repository) = world.repository_mut(name) else { panic!("the fake GitHub has no {name}") };
            change(repository)
        })
    }

    /// Delivers `installation.created`.
    pub fn tell_installed(&self, installation: i64, by: &str) {
        self.inner.update(|world| world.tell_installed(installation, by));
    }

    /// Delivers `ping`.
    pub fn ping(&self) {
        self.inner.update(|world| {
            let url = world.deliveries.webhook.as_ref().map_or_else(String::new, |webhook| webhook.url.clone());
            let (event, payload) = events::ping(world.app.hook_id, world.app.id, &url, Utc::now());
            world.deliver(event, &payload);
        });
    }

    /// A check run on the head of a pull request begins (`conclusion` is `None`) or completes, and is delivered.
    pub fn check_run(&self, repository: &str, number: u64, name: &str, conclusion: Option<&str>) {
        let sha = self.head_of(repository, number);
        self.inner.update(|world| {
            let id = world.seed.id();
            let status = if conclusion.is_some() { "completed" } else { "in_progress" };
            let run = CheckRun {
                id,
                name: name.to_owned(),
                sha: sha.clone(),
                status: status.to_owned(),
                conclusion: conclusion.map(str::to_owned),
                external_id: None,
                started_at: Utc::now(),
                output: None,
            };
            if let Some(repo) = world.repository_mut(repository) {
                repo.checks.retain(|each| each.name != name || each.sha != sha);
                repo.checks.push(run.clone());
            }
            let action = if conclusion.is_some() { "completed" } else { "created" };
            tell(world, repository, |end| end.check_run(action, &run));
        });
    }

    /// A commit status on the head of a pull request: `pending`, `success`, `failure` or `error`. Delivered.
    pub fn status(&self, repository: &str, number: u64, context: &str, state: &str) {
        let sha = self.head_of(repository, number);
        self.inner.update(|world| {
            let id = world.seed.id();
            let status = Status {
                id,
                context: context.to_owned(),
                sha,
                state: state.to_owned(),
                description: format!("{context}: {state}"),
                target_url: Some(format!("https://ci.example.com/{id}")),
                at: Utc::now(),
            };
            if let Some(repo) = world.repository_mut(repository) {
                repo.statuses.push(status.clone());
            }
            tell(world, repository, |end| end.status(&status));
        });
    }

    fn head_of(&self, repository: &str, number: u64) -> String {
        self.issue(repository, number).head_sha().unwrap_or_else(|| panic!("{repository}#{number} is no pull request"))
    }

    /// Every token given out so far stops working.
    pub fn expire_tokens(&self) {
        let now = Utc::now() - Duration::seconds(1);
        self.inner.update(|world| world.tokens.values_mut().for_each(|token| token.expires_at = now));
    }

    /// How many requests an installation has left, and when that is reset.
    pub fn set_remaining(&self, installation: i64, remaining: u32, reset_in: std::time::Duration) {
        self.inner.update(|world| {
            if let Some(found) = world.installations.get_mut(&installation) {
                found.quota.used = found.quota.limit.saturating_sub(remaining);
                found.quota.reset = Utc::now() + Duration::from_std(reset_in).unwrap_or_default();
            }
        });
    }

    /// An installation has no points of GraphQL left until a reset.
    pub fn use_up_graphql(&self, installation: i64, reset_in: std::time::Duration) {
        self.inner.update(|world| {
            if let Some(found) = world.installations.get_mut(&installation) {
                found.graphql.used = found.graphql.limit;
                found.graphql.reset = Utc::now() + Duration::from_std(reset_in).unwrap_or_default();
            }
        });
    }

    /// What `GET /meta` gives as `hooks`; `127.0.0.0/8` and `::1/128` unless told.
    pub fn set_hook_ranges(&self, ranges: &[&str]) {
        self.inner.world().hook_ranges = ranges.iter().map(|&range| range.to_owned()).collect();
    }
}

/// Delivers what GitHub's own CI says about a repository.
pub(super) fn tell(
    world: &mut World,
    full_name: &str,
    payload: impl FnOnce(&Envelope<'_>) -> (&'static str, serde_json::Value),
) {
    let sender = world.user("github-actions[bot]", UserKind::Bot);
    let installation = world.installation_of(full_name);
    let Some(repository) = world.repository(full_name) else { return };
    let (event, payload) = payload(&Envelope { repository, sender: &sender, installation });
    if installation.is_some() {
        world.deliver(event, &payload);
    }
}
