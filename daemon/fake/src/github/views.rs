//! What a test asks about an issue or pull request.

use crate::model::{Item, Review};

/// An issue or pull request as it was when asked.
#[derive(Clone, Debug)]
pub struct ItemView(Item, Option<String>);

impl ItemView {
    /// The commit of its head branch is beside it.
    pub(crate) fn new(item: Item, branch: Option<String>) -> Self {
        Self(item, branch)
    }

    /// In the order they were added.
    pub fn labels(&self) -> Vec<String> {
        self.0.labels.iter().map(|label| label.name.clone()).collect()
    }

    pub fn has_label(&self, name: &str) -> bool {
        self.0.labels.iter().any(|label| label.name.eq_ignore_ascii_case(name))
    }

    pub fn assignees(&self) -> Vec<String> {
        self.0.assignees.iter().map(|user| user.login.clone()).collect()
    }

    /// Author and text of each, oldest first.
    pub fn comments(&self) -> Vec<(String, String)> {
        self.0.comments.iter().map(|comment| (comment.author.login.clone(), comment.body.clone())).collect()
    }

    pub fn title(&self) -> &str {
        &self.0.title
    }

    pub fn body(&self) -> Option<&str> {
        self.0.body.as_deref()
    }

    pub fn is_open(&self) -> bool {
        self.0.open
    }

    pub fn is_merged(&self) -> bool {
        self.0.pull.as_ref().is_some_and(|pull| pull.merged_at.is_some())
    }

    /// `completed`, `not_planned`, `reopened`.
    pub fn state_reason(&self) -> Option<&str> {
        self.0.state_reason.as_deref()
    }

    pub fn milestone(&self) -> Option<&str> {
        self.0.milestone.as_ref().map(|milestone| milestone.title.as_str())
    }

    pub fn is_locked(&self) -> bool {
        self.0.locked
    }

    pub fn lock_reason(&self) -> Option<&str> {
        self.0.lock_reason.as_deref()
    }

    pub fn is_draft(&self) -> bool {
        self.0.pull.as_ref().is_some_and(|pull| pull.draft)
    }

    /// Commit of the branch that a pull request comes from; `None`: it is gone, or in a fork.
    pub fn branch(&self) -> Option<&str> {
        self.1.as_deref()
    }

    /// Of a pull request.
    pub fn head_sha(&self) -> Option<String> {
        self.0.pull.as_ref().map(|pull| pull.head_sha.clone())
    }

    /// Logins and teams (`org/slug`) whose review is requested.
    pub fn requested_reviewers(&self) -> Vec<String> {
        let Some(pull) = &self.0.pull else { return Vec::new() };
        let people = pull.requested_reviewers.iter().map(|user| user.login.clone());
        people.chain(pull.requested_teams.iter().map(crate::model::Team::full_name)).collect()
    }

    /// The reviews, oldest first.
    pub fn reviews(&self) -> &[Review] {
        self.0.pull.as_ref().map_or(&[], |pull| &pull.reviews)
    }

    /// Events of the timeline, oldest first.
    pub fn timeline(&self) -> Vec<String> {
        self.0.timeline.iter().map(|moment| moment.event.clone()).collect()
    }
}
