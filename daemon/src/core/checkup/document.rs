//! A YAML file of a repository, read into a tree that knows its places.

use serde_json::Value;

use super::scene::{At, Seen};
use crate::core::marked::{self, Entry, Fault, Node, Tree};

pub(super) struct Document<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    /// `None`: it is not YAML.
    pub(super) root: Option<Node>,
    pub(super) faults: Vec<Fault>,
}

impl<'a> Document<'a> {
    pub(super) fn read(path: &'a str, text: &'a str) -> Self {
        let (root, faults) = marked::parse(text, 0);
        Self { path, text, root, faults }
    }

    pub(super) fn at(&self, node: &Node) -> At {
        At::place(self.path, node.place)
    }

    pub(super) fn key(&self, entry: &Entry) -> At {
        At::place(self.path, entry.place)
    }

    pub(super) fn start(&self) -> At {
        At::line(self.path, 1, 1)
    }

    /// Tells what keeps the file from being YAML that anybody reads the same way.
    pub(super) fn tell_faults(&self, seen: &mut Seen, advice: &str) {
        for fault in &self.faults {
            let first = fault.first.map(|first| format!(": first in line {}", first.line)).unwrap_or_default();
            seen.error(At::place(self.path, fault.place), format!("{}{first}", fault.message), advice);
        }
    }

    /// Where a piece of the text that `node` holds stands: the `nth` (from 0) time that the piece is there. What is written
    /// over several lines stands in the file as it is, but for its indent.
    pub(super) fn at_piece(&self, node: &Node, piece: &str, nth: usize) -> At {
        let from = node.place.line.saturating_sub(1);
        let mut left = nth;
        for (number, line) in self.text.lines().enumerate().skip(from) {
            let skip = if number == from { node.place.column.saturating_sub(1) } else { 0 };
            let start = line.char_indices().nth(skip).map_or(line.len(), |(at, _)| at);
            for (at, _) in line[start..].match_indices(piece) {
                if left == 0 {
                    return At::line(self.path, number + 1, line[..start + at].chars().count() + 1);
                }
                left -= 1;
            }
        }
        self.at(node)
    }
}

/// The entries of a map; of anything else none.
pub(super) fn entries(node: &Node) -> &[Entry] {
    match &node.tree {
        Tree::Map(entries) => entries,
        _ => &[],
    }
}

/// The items of a list; of anything else none.
pub(super) fn items(node: &Node) -> &[Node] {
    match &node.tree {
        Tree::List(items) => items,
        _ => &[],
    }
}

pub(super) fn entry<'n>(node: &'n Node, key: &str) -> Option<&'n Entry> {
    entries(node).iter().find(|entry| entry.key == key)
}

/// A text, or the texts of a list. A label may be written as a number.
pub(super) fn texts(node: &Node) -> Vec<(&Node, String)> {
    let text = |node: &Node| match &node.tree {
        Tree::Scalar(Value::String(text)) => Some(text.clone()),
        Tree::Scalar(value @ Value::Number(_)) => Some(value.to_string()),
        _ => None,
    };
    match &node.tree {
        Tree::List(items) => items.iter().filter_map(|item| Some((item, text(item)?))).collect(),
        _ => text(node).map(|text| (node, text)).into_iter().collect(),
    }
}
