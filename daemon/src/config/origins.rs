//! Where each value of the effective config came from: it is walked beside what it was read from, so that no reader has
//! to record anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::findings::Place;
use super::marked::{Entry, Node, Tree};

/// By the JSON pointer of each value that holds no others: `orchd.yaml:12:5`, `preset stale:9:14`, or `default`.
pub type Origins = BTreeMap<String, String>;

/// What nobody wrote.
const DEFAULT: &str = "default";

/// What the effective config was read from.
pub(super) struct Written<'a> {
    pub(super) root: &'a Node,
    /// Of each rule, wherever it stands.
    pub(super) rules: &'a [Node],
    /// The files that places are in.
    pub(super) files: &'a [PathBuf],
    /// Files are named as seen from here.
    pub(super) dir: &'a Path,
}

pub(super) fn origins(effective: &Value, written: &Written<'_>) -> Origins {
    let mut found = Origins::new();
    for (name, value) in effective.as_object().into_iter().flatten() {
        let pointer = format!("/{}", escaped(name));
        let node = written.root.get(name);
        match (name.as_str(), value, node) {
            ("rules", Value::Array(rules), _) if !rules.is_empty() => {
                for (at, rule) in rules.iter().enumerate() {
                    written.walk(rule, written.rules.get(at), format!("/rules/{at}"), &mut found);
                }
            }
            // A URL alone stands for a map with one.
            ("database", Value::Object(parts), Some(Node { tree: Tree::Scalar(_), .. })) => {
                for (name, value) in parts {
                    let node = node.filter(|_| name == "url");
                    written.walk(value, node, format!("{pointer}/{name}"), &mut found);
                }
            }
            _ => written.walk(value, node, pointer, &mut found),
        }
    }
    found
}

impl Written<'_> {
    fn walk(&self, value: &Value, node: Option<&Node>, pointer: String, found: &mut Origins) {
        // A key without a value is as good as not written, except where nothing is what it holds.
        let node = node.filter(|node| !node.is_null() || is_nothing(value));
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (name, value) in map {
                    let child = node.and_then(|node| entry(node, name));
                    self.walk(value, child.map(|entry| &entry.node), format!("{pointer}/{}", escaped(name)), found);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (at, item) in items.iter().enumerate() {
                    self.walk(item, node.and_then(|node| item_of(node, at)), format!("{pointer}/{at}"), found);
                }
            }
            _ => {
                let origin = node.map_or_else(|| DEFAULT.to_owned(), |node| self.name(node.place));
                found.insert(pointer, origin);
            }
        }
    }

    pub(super) fn name(&self, Place { file, line, column }: Place) -> String {
        let file = self.files.get(file).map_or(Path::new(""), PathBuf::as_path);
        format!("{}:{line}:{column}", file.strip_prefix(self.dir).unwrap_or(file).display())
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn entry<'n>(node: &'n Node, name: &str) -> Option<&'n Entry> {
    match &node.tree {
        Tree::Map(entries) => entries.iter().find(|entry| entry.key == name),
        _ => None,
    }
}

/// An item of a list, or what stands alone in its place.
fn item_of(node: &Node, at: usize) -> Option<&Node> {
    match &node.tree {
        Tree::List(items) => items.get(at),
        Tree::Scalar(_) if at == 0 => Some(node),
        _ => None,
    }
}

/// A key as a step of a JSON pointer (RFC 6901).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
