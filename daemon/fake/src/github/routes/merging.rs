//! Merging a pull request, updating its branch, comparing two commits.

use serde_json::{Value, json};

use super::Place;
use crate::github::call::Answer;
use crate::github::journal::Change;
use crate::github::world::World;
use crate::model::{Item, Pull, Repository};
use crate::payload::mergeable;

const NOT_MERGEABLE: &str = "Pull Request is not mergeable";
const MOVED: &str = "Head branch was modified. Review and try the merge again.";

fn text<'a>(at: &'a Place<'_>, key: &str) -> Option<&'a str> {
    at.call.body.get(key).and_then(Value::as_str)
}

fn found<'a>(world: &'a World, at: &Place<'_>, number: u64) -> Option<(&'a Repository, &'a Item, &'a Pull)> {
    let repo = world.repository(at.full_name)?;
    let item = repo.items.get(&number)?;
    Some((repo, item, item.pull.as_ref()?))
}

/// Merging takes `contents: write`.
fn may_write_contents(world: &World, at: &Place<'_>) -> bool {
    let installation = world.installation_of(at.full_name).and_then(|id| world.installations.get(&id));
    installation.is_some_and(|each| each.permissions["contents"] == "write")
}

/// `PUT /repos/O/R/pulls/N/merge`.
pub(super) fn merge(world: &mut World, at: &Place<'_>, number: u64) -> Answer {
    if !may_write_contents(world, at) {
        return Answer::error(403, "Resource not accessible by integration");
    }
    let Some((repo, item, pull)) = found(world, at, number) else { return Answer::not_found() };
    if !matches!(text(at, "merge_method"), None | Some("merge" | "squash" | "rebase")) {
        return Answer::invalid("PullRequest", "merge_method", "invalid");
    }
    if !item.open || pull.conflicts {
        return Answer::error(405, NOT_MERGEABLE);
    }
    if pull.draft {
        return Answer::error(405, "Pull Request is still a draft");
    }
    if text(at, "sha").is_some_and(|sha| sha != pull.head_sha) {
        return Answer::error(409, MOVED);
    }
    if let Some(rules) = repo.rules.get(&pull.base_ref) {
        if let Some(unmet) = mergeable::unmet(repo, pull, rules) {
            return Answer::error(405, &unmet);
        }
        if rules.up_to_date && mergeable::is_behind(repo, pull) {
            return Answer::error(405, "Head branch is out of date. Review and try the merge again.");
        }
    }
    world.change(&at.actor, at.full_name, number, Change::Merged);
    let sha = found(world, at, number).and_then(|(_, _, pull)| pull.merge_sha.clone());
    Answer::ok(json!({"sha": sha, "merged": true, "message": "Pull Request successfully merged"}))
}

/// `PUT /repos/O/R/pulls/N/update-branch`.
pub(super) fn update(world: &mut World, at: &Place<'_>, number: u64) -> Answer {
    let Some((repo, item, pull)) = found(world, at, number) else { return Answer::not_found() };
    if text(at, "expected_head_sha").is_some_and(|sha| sha != pull.head_sha) {
        return Answer::error(422, "expected head sha didn\u{2019}t match current head ref.");
    }
    if !item.open || !mergeable::is_behind(repo, pull) {
        return Answer::error(422, "There are no new commits on the base branch.");
    }
    if pull.conflicts {
        return Answer::error(422, "merge conflict between base and head");
    }
    let url = format!("https://github.com/repos/{}/pulls/{number}", repo.full_name());
    let sha = world.seed.sha();
    world.change(&at.actor, at.full_name, number, Change::Updated { sha });
    Answer::new(202, json!({"message": "Updating pull request branch.", "url": url}))
}

/// `GET /repos/O/R/compare/BASE...HEAD`, for the head of a pull request.
pub(super) fn compare(repo: &Repository, range: &str) -> Answer {
    let Some((base, head)) = range.split_once("...") else { return Answer::not_found() };
    let pulls = repo.items.values().filter_map(|item| item.pull.as_ref());
    let Some(pull) = pulls.filter(|pull| pull.base_ref == base).find(|pull| pull.head_sha == head) else {
        return Answer::not_found();
    };
    let behind = u64::from(mergeable::is_behind(repo, pull));
    let status = if behind > 0 { "diverged" } else { "ahead" };
    Answer::ok(json!({
        "status": status, "ahead_by": pull.commits, "behind_by": behind, "total_commits": pull.commits, "commits": [],
        "files": [],
    }))
}

/// Asking makes GitHub work out whether the branches can be merged.
pub(super) fn was_asked(world: &mut World, at: &Place<'_>, number: &str) {
    let item = number.parse().ok().and_then(|n: u64| world.repository_mut(at.full_name)?.items.get_mut(&n));
    if let Some(pull) = item.and_then(|item| item.pull.as_mut()) {
        pull.unknown = pull.unknown.saturating_sub(1);
    }
}
