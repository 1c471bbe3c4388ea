//! Branches, as far as pull requests have to do with them.

use serde_json::json;

use super::GitHub;
use super::call::Answer;
use super::change::Actor;
use super::journal::Change;
use super::people::Person;
use super::world::World;
use crate::model::{Item, Repository};
use crate::payload::objects::{API, node_id};

/// A branch to move from one commit to another; `None`: there is none before, or is to be none after.
pub(super) struct Update {
    /// `refs/heads/…`
    pub(super) name: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// Git writes "no commit" as zeros.
pub(super) fn commit(oid: &str) -> Option<String> {
    oid.bytes().any(|digit| digit != b'0').then(|| oid.to_owned())
}

impl Repository {
    /// The head branch stands at the head commit of an open pull request.
    pub(super) fn note_head(&mut self, item: &Item) {
        if let Some(pull) = item.pull.as_ref().filter(|pull| item.open && pull.fork_owner.is_none()) {
            self.branches.insert(pull.head_ref.clone(), pull.head_sha.clone());
        }
    }

    pub(super) fn head_commit(&self, item: &Item) -> Option<String> {
        let pull = item.pull.as_ref().filter(|pull| pull.fork_owner.is_none())?;
        self.branches.get(&pull.head_ref).cloned()
    }
}

impl World {
    /// Commit of a branch, which is made when nobody named it yet.
    pub(super) fn tip(&mut self, full_name: &str, branch: &str) -> Option<String> {
        let first = self.seed.sha();
        let repo = self.repository_mut(full_name)?;
        Some(repo.branches.entry(branch.to_owned()).or_insert(first).clone())
    }
}

/// `GET /repos/O/R/git/ref/heads/B`.
pub(super) fn show(repo: &Repository, reference: &str) -> Answer {
    let found = reference.strip_prefix("heads/").and_then(|branch| repo.branches.get(branch));
    let Some(sha) = found else { return Answer::not_found() };
    let url = format!("{API}/repos/{}/git", repo.full_name());
    Answer::ok(json!({
        "ref": format!("refs/{reference}"),
        "node_id": node_id("REF", repo.id),
        "url": format!("{url}/refs/{reference}"),
        "object": {"sha": sha, "type": "commit", "url": format!("{url}/commits/{sha}")},
    }))
}

/// Moves branches, all or none. GitHub tells it on the pull requests that come from them, and closes those that are open
/// and have lost theirs.
pub(super) fn update(world: &mut World, actor: &Actor, full_name: &str, updates: &[Update]) -> Result<(), String> {
    let repo = world.repository(full_name).ok_or("no such repository")?;
    for update in updates {
        let branch = update.name.strip_prefix("refs/heads/").ok_or("the fake knows branches only")?;
        if repo.branches.get(branch) != update.before.as_ref() {
            return Err(format!("{} does not stand where it should", update.name));
        }
        if update.after.is_none() && branch == repo.default_branch {
            return Err("Cannot delete the default branch".to_owned());
        }
    }
    for update in updates {
        let branch = update.name.trim_start_matches("refs/heads/").to_owned();
        let change = update.after.clone().map_or(Change::BranchDeleted, |sha| Change::BranchRestored { sha });
        move_branch(world, actor, full_name, &branch, &change);
    }
    Ok(())
}

fn move_branch(world: &mut World, actor: &Actor, full_name: &str, branch: &str, change: &Change) {
    let Some(repo) = world.repository(full_name) else { return };
    let from_it =
        |item: &&Item| item.pull.as_ref().is_some_and(|pull| pull.head_ref == branch && pull.fork_owner.is_none());
    let pulls: Vec<(u64, bool)> = repo.items.values().filter(from_it).map(|item| (item.number, item.open)).collect();
    // The newest one tells of it.
    if let Some((number, _)) = pulls.last() {
        world.change(actor, full_name, *number, change.clone());
    }
    for (number, _) in pulls.iter().filter(|(_, open)| *open && *change == Change::BranchDeleted) {
        world.change(actor, full_name, *number, Change::Closed { reason: None });
    }
}

impl GitHub {
    /// Commit of a branch.
    pub fn branch(&self, repository: &str, branch: &str) -> Option<String> {
        self.inner.world().repository(repository)?.branches.get(branch).cloned()
    }

    /// Somebody pushes to a branch of which no open pull request tells. Nothing is delivered.
    ///
    /// # Panics
    /// When there is no such repository.
    pub fn move_branch(&self, repository: &str, branch: &str, sha: &str) {
        self.inner.update(|world| {
            let Some(repo) = world.repository_mut(repository) else { panic!("the fake GitHub has no {repository}") };
            repo.branches.insert(branch.to_owned(), sha.to_owned());
        });
    }
}

impl Person {
    /// Deletes the branch that a pull request comes from. Delivered.
    pub fn deletes_branch(&self, repository: &str, number: u64) -> &Self {
        self.does(repository, number, Change::BranchDeleted)
    }

    /// Presses "Restore branch" on a pull request. Delivered.
    pub fn restores_branch(&self, repository: &str, number: u64) -> &Self {
        let sha = self.github().issue(repository, number).head_sha().unwrap_or_default();
        self.does(repository, number, Change::BranchRestored { sha })
    }
}
