//! The check of a repository's setup: what it lacks, what is wrong in it, and what to do.
//!
//! Owns the checks, the order they are told in, and the score. Refuses to know where a repository's files come from (a disk)
//! and who was asked about it (GitHub): it gets a [`Checkout`] and what GitHub [`Told`]. Adding a check takes one file in
//! `checks` and one line of [`CHECKS`].
//!
//! Invariants: whatever a file holds, no check panics; what cannot be looked at is said and is no finding.

mod checkout;
mod checks;
mod document;
mod expression;
pub mod reference;
mod report;
mod scene;
mod told;
mod workflow;

pub use checkout::{Checkout, MOST_TEXT, Text, is_wanted};
pub use report::{Finding, Outcome, Report, Severity, State, Summary};
pub use scene::Problem;
pub use told::{Protection, TokenDefaults, Told, UnknownOwner};

use self::scene::{Scene, Seen};

/// One thing that is looked at.
pub struct Check {
    /// What `skip` and the report call it.
    pub id: &'static str,
    /// What has to be so.
    pub title: &'static str,
    /// What it finds, one sentence.
    pub finds: &'static str,
    /// Of the score.
    pub points: u32,
    /// Whether it takes an answer of GitHub.
    pub asks_github: bool,
    look: fn(&Scene) -> Seen,
}

/// In the order they are told.
pub static CHECKS: &[&Check] = &[
    &checks::files::CHECK,
    &checks::readme::CHECK,
    &checks::license::CHECK,
    &checks::contributing::CHECK,
    &checks::conduct::CHECK,
    &checks::security::CHECK,
    &checks::issue_forms::CHECK,
    &checks::issue_chooser::CHECK,
    &checks::pull_template::CHECK,
    &checks::codeowners::CHECK,
    &checks::owners::CHECK,
    &checks::own_rules::CHECK,
    &checks::labels::CHECK,
    &checks::workflows::CHECK,
    &checks::permissions::CHECK,
    &checks::pinned::CHECK,
    &checks::injection::CHECK,
    &checks::untrusted::CHECK,
    &checks::token::CHECK,
    &checks::default_branch::CHECK,
    &checks::branch_rules::CHECK,
];

/// The check of this id.
pub fn find(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id == id).copied()
}

/// What reads the file of rules that a repository keeps for itself: path, text, what is wrong with it.
pub type ReadRules<'a> = &'a dyn Fn(&str, &str) -> Vec<Problem>;

/// Looks at everything but the checks to `skip`, and those that the repository's own file says to leave out.
pub fn examine(checkout: &Checkout, told: &Told, read_rules: ReadRules<'_>, skip: &[String]) -> Report {
    let scene = Scene::new(checkout, told, read_rules);
    let own = scene.skips();
    let look = |check: &&'static Check| {
        let skipped = skip.iter().chain(&own).any(|id| id == check.id);
        (*check, if skipped { None } else { Some((check.look)(&scene)) })
    };
    Report::new(CHECKS.iter().map(look))
}

#[cfg(test)]
mod tests;
