//! What a merge and an update of a branch change, what GitHub tells of them, and what stands in their way.

use chrono::Utc;
use serde_json::{Value, json};

use super::GitHub;
use super::change::{Actor, News};
use crate::model::{BranchRules, Item, Repository};
use crate::payload::events::{Envelope, Push};

pub(super) fn merge(repo: &mut Repository, item: &mut Item, actor: &Actor, id: i64) -> News {
    let Some(pull) = item.pull.as_mut().filter(|_| item.open) else { return News::Silent };
    let sha = format!("{id:040x}");
    repo.branches.insert(pull.base_ref.clone(), sha.clone());
    pull.merge_sha = Some(sha);
    pull.merged_at = Some(Utc::now());
    pull.merged_by = Some(actor.user.clone());
    item.open = false;
    item.closed_at = Some(Utc::now());
    News::Merged
}

pub(super) fn update(repo: &mut Repository, item: &mut Item, sha: &str) -> News {
    let Some(pull) = item.pull.as_mut().filter(|_| item.open) else { return News::Silent };
    let tip = repo.branches.get(&pull.base_ref).filter(|tip| **tip != pull.base_sha);
    let Some(tip) = tip else { return News::Silent };
    pull.base_sha.clone_from(tip);
    let before = std::mem::replace(&mut pull.head_sha, sha.to_owned());
    pull.commits += 1;
    repo.note_head(item);
    News::Push { before, paths: Vec::new() }
}

/// A merge is told as the pull request's end and as a push to its base.
pub(super) fn told(end: &Envelope<'_>, item: &Item) -> Vec<(&'static str, Value)> {
    let mut told = vec![end.item("closed", item, json!({}))];
    if let Some((pull, sha)) = item.pull.as_ref().and_then(|pull| Some((pull, pull.merge_sha.clone()?))) {
        let paths: Vec<String> = pull.files.iter().map(|file| file.path.clone()).collect();
        told.push(end.push(&Push {
            branch: &pull.base_ref,
            before: &pull.base_sha,
            shas: vec![sha],
            messages: vec![format!("Merge pull request #{}", item.number)],
            paths: &paths,
            at: item.updated_at,
        }));
    }
    told
}

impl GitHub {
    /// Rules of a branch, from now on.
    ///
    /// # Panics
    /// When there is no such repository; so do the other functions here.
    pub fn protect(&self, repository: &str, branch: &str, rules: BranchRules) {
        self.inner.update(|world| {
            let Some(repo) = world.repository_mut(repository) else { panic!("the fake GitHub has no {repository}") };
            repo.rules.insert(branch.to_owned(), rules);
        });
    }

    /// The next so many times GitHub is asked, it has not worked out yet whether the pull request can be merged.
    pub fn works_out_merge(&self, repository: &str, number: u64, times: u32) {
        self.with_pull(repository, number, |pull| pull.unknown = times);
    }

    /// The branches of the pull request conflict from now on, or no longer. Tells nobody.
    pub fn set_conflict(&self, repository: &str, number: u64, conflicts: bool) {
        self.with_pull(repository, number, |pull| pull.conflicts = conflicts);
    }

    fn with_pull(&self, repository: &str, number: u64, change: impl FnOnce(&mut crate::model::Pull)) {
        self.inner.update(|world| {
            let item = world.repository_mut(repository).and_then(|repo| repo.items.get_mut(&number));
            let Some(pull) = item.and_then(|item| item.pull.as_mut()) else {
                panic!("the fake GitHub has no pull request {repository}#{number}")
            };
            change(pull);
        });
    }
}
