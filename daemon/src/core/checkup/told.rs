//! What GitHub tells of a repository, as far as it was asked and would say.

use crate::core::facts::Known;

/// By default nobody was asked anything.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub default_branch: Known<String>,
    pub labels: Known<Vec<String>>,
    /// Of the default branch.
    pub protection: Known<Protection>,
    pub owners: Known<Vec<UnknownOwner>>,
    pub token: Known<TokenDefaults>,
    /// What the owner's repository `.github` holds at its root, in `.github` and in `docs`; folders end in `/`.
    pub inherited: Known<Vec<String>>,
}

/// What holds whoever pushes to a branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// Types of the rules that rulesets put on it: `pull_request`, `required_status_checks`, …
    pub rules: Vec<String>,
    /// Whether it has branch protection of old too, whose terms only administrators are shown.
    pub classic: bool,
}

/// An owner of CODEOWNERS whom GitHub does not ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownOwner {
    /// As the line names it, `@` included.
    pub owner: String,
    /// GitHub's words.
    pub message: String,
}

/// What a workflow's token may do when the workflow does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenDefaults {
    pub may_write: bool,
    pub may_approve: bool,
}

/// A sentence for a fact that is not there.
pub(super) fn why_not<T>(fact: &Known<T>, what: &str) -> Option<String> {
    match fact {
        Known::Is(_) => None,
        Known::NotYet => Some(format!("{what}: GitHub was not asked")),
        Known::Unavailable(why) => Some(format!("{what}: {why}")),
    }
}
