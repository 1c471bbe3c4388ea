//! A workflow, or an action of steps, as the checks look at it.

use super::document::{Document, entries, entry, items};
use crate::core::marked::{Entry, Node, Tree};

/// A job of a workflow.
pub(super) struct Job<'d> {
    pub(super) entry: &'d Entry,
}

impl<'d> Job<'d> {
    pub(super) fn get(&self, key: &str) -> Option<&'d Node> {
        self.entry.node.get(key)
    }

    pub(super) fn steps(&self) -> &'d [Node] {
        self.get("steps").map_or(&[], items)
    }
}

impl Document<'_> {
    pub(super) fn jobs(&self) -> impl Iterator<Item = Job<'_>> {
        let jobs = self.root.as_ref().and_then(|root| root.get("jobs")).map_or(&[][..], entries);
        jobs.iter().map(|entry| Job { entry })
    }

    /// The steps of an action.
    pub(super) fn action_steps(&self) -> &[Node] {
        let runs = self.root.as_ref().and_then(|root| root.get("runs"));
        runs.and_then(|runs| runs.get("steps")).map_or(&[], items)
    }

    /// Every step of a workflow or action.
    pub(super) fn steps(&self) -> impl Iterator<Item = &Node> {
        self.jobs().flat_map(|job| job.steps()).chain(self.action_steps())
    }

    /// The events that start it: their names, and what is said of each.
    pub(super) fn triggers(&self) -> Vec<(&str, Option<&Node>)> {
        let Some(on) = self.root.as_ref().and_then(|root| entry(root, "on")) else { return Vec::new() };
        match &on.node.tree {
            Tree::Map(entries) => entries.iter().map(|each| (each.key.as_str(), Some(&each.node))).collect(),
            Tree::List(items) => items.iter().filter_map(|item| Some((item.as_text()?, None))).collect(),
            Tree::Scalar(_) => on.node.as_text().map(|name| (name, None)).into_iter().collect(),
        }
    }

    pub(super) fn triggers_on(&self, names: &[&str]) -> Option<&str> {
        self.triggers().into_iter().map(|(name, _)| name).find(|name| names.contains(name))
    }
}

/// The text of a key of a step.
pub(super) fn text<'n>(step: &'n Node, key: &str) -> Option<(&'n Node, &'n str)> {
    let node = step.get(key)?;
    Some((node, node.as_text()?))
}

/// The action that a step uses, without its version.
pub(super) fn uses(step: &Node) -> Option<&str> {
    text(step, "uses").map(|(_, text)| text.split('@').next().unwrap_or(text))
}
