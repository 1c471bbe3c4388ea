//! The section `commands`: who may tell orchd what to do in a comment.

use super::fields::Fields;
use super::findings::Findings;
use super::rules::repositories;
use super::table::Presence::Default;
use super::table::{Kind, Section, key};
use super::values::flag;
use crate::core::event::RepoName;
use crate::core::rule::Repositories;

pub(super) static COMMANDS: Section = Section {
    path: "commands",
    help: "What people may tell orchd in a comment on an issue or pull request: a line that begins with a slash, see the commands below. The App needs the event `issue_comment` and the permission that the action needs.",
    keys: &[
        key("enabled", Kind::Flag, Default("false"), "Whether comments are listened to."),
        key("repositories", Kind::Repositories, Default("[\"**\"]"), "Where: globs over `owner/name`, as in a rule."),
    ],
};

/// Where orchd listens to commands.
#[derive(Clone, Debug)]
pub struct Commands {
    pub enabled: bool,
    pub repositories: Repositories,
}

impl Commands {
    /// Whether comments in the repository are listened to.
    pub fn cover(&self, repository: &RepoName) -> bool {
        self.enabled && self.repositories.includes(repository)
    }
}

pub(super) fn commands(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Commands> {
    let enabled = fields.read("enabled", findings, flag);
    let repositories = fields.read("repositories", findings, repositories);
    Some(Commands { enabled: enabled?, repositories: repositories? })
}
