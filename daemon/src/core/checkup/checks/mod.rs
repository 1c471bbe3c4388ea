//! One file a check.

pub(super) mod branch_rules;
pub(super) mod codeowners;
pub(super) mod conduct;
pub(super) mod contributing;
pub(super) mod default_branch;
pub(super) mod files;
pub(super) mod injection;
pub(super) mod issue_chooser;
pub(super) mod issue_forms;
pub(super) mod labels;
pub(super) mod license;
pub(super) mod own_rules;
pub(super) mod owners;
pub(super) mod permissions;
pub(super) mod pinned;
pub(super) mod pull_template;
pub(super) mod readme;
pub(super) mod security;
pub(super) mod token;
pub(super) mod untrusted;
pub(super) mod workflows;

use super::checkout::{COMMUNITY, has_stem};
use super::scene::Scene;
use crate::core::facts::Known;

/// A file about taking part, here or, for all repositories of an owner, in the owner's repository `.github`.
enum Community<'a> {
    Here(&'a str),
    Inherited,
    Nowhere,
}

fn community<'a>(scene: &Scene<'a>, stem: &str) -> Community<'a> {
    match scene.checkout.find(stem, COMMUNITY) {
        Some(path) => Community::Here(path),
        None if inherits(scene, |name| has_stem(name, stem)) => Community::Inherited,
        None => Community::Nowhere,
    }
}

/// Whether the owner's repository `.github` has a file or folder of such a name.
fn inherits(scene: &Scene, fits: impl Fn(&str) -> bool) -> bool {
    let Known::Is(paths) = &scene.told.inherited else { return false };
    paths.iter().any(|path| fits(path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)))
}

/// What to add to the advice to write a file that an owner may have for all repositories.
fn or_inherited(scene: &Scene) -> &'static str {
    match scene.told.inherited {
        Known::Is(_) => "",
        _ => " (whether the owner's repository `.github` has one for all repositories is not known)",
    }
}

/// Whether a file holds no word.
fn is_blank(text: &str) -> bool {
    !text.chars().any(char::is_alphanumeric)
}
