//! Whether a pull request can be merged, as GitHub works it out from the branches and the rules of the base.

use crate::model::{BranchRules, Item, Pull, Repository};

/// Whether the base branch has commits that the head lacks.
pub(crate) fn is_behind(repo: &Repository, pull: &Pull) -> bool {
    repo.branches.get(&pull.base_ref).is_some_and(|tip| *tip != pull.base_sha)
}

/// `mergeable` and `mergeable_state`.
pub(crate) fn state(repo: &Repository, item: &Item, pull: &Pull) -> (Option<bool>, &'static str) {
    if !item.open || pull.unknown > 0 {
        return (None, "unknown");
    }
    if pull.conflicts {
        return (Some(false), "dirty");
    }
    let state = match repo.rules.get(&pull.base_ref) {
        _ if pull.draft => "draft",
        Some(rules) if unmet(repo, pull, rules).is_some() => "blocked",
        Some(rules) if rules.up_to_date && is_behind(repo, pull) => "behind",
        _ => "clean",
    };
    (Some(true), state)
}

/// GitHub's words for a rule of the base branch that is not met.
pub(crate) fn unmet(repo: &Repository, pull: &Pull, rules: &BranchRules) -> Option<String> {
    for name in &rules.checks {
        let run = repo.checks.iter().rev().find(|run| run.sha == pull.head_sha && run.name == *name);
        let status = repo.statuses.iter().rev().find(|each| each.sha == pull.head_sha && each.context == *name);
        match (run.and_then(|run| run.conclusion.as_deref()), status.map(|status| status.state.as_str())) {
            (Some("success" | "neutral" | "skipped"), _) | (None, Some("success")) => {}
            (Some(_), _) | (None, Some("failure" | "error")) => {
                return Some(format!("Required status check \"{name}\" is failing."));
            }
            (None, _) => return Some(format!("Required status check \"{name}\" is expected.")),
        }
    }
    let approved = pull.reviews.iter().filter(|review| review.state == "APPROVED").count();
    (approved < rules.approvals)
        .then(|| format!("At least {} approving review is required by reviewers with write access.", rules.approvals))
}
