//! `${name}` in what a preset holds, replaced before it is read.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::findings::{Findings, Place};
use crate::config::marked::{MAX_DEPTH, MAX_NODES, MAX_TEXT, Node, Tree};
use crate::config::suggest::did_you_mean;

/// The parameters, each with its value.
pub(super) type Values<'n> = BTreeMap<&'n str, &'n Node>;

/// Replaces every `${name}` in and below a node. A value that replaces a whole one brings its place along.
/// `None`: it became too much, which was reported.
pub(super) fn fill(node: &mut Node, values: &Values<'_>, findings: &mut Findings) -> Option<()> {
    let mut room = Room { nodes: MAX_NODES, text: MAX_TEXT };
    let place = node.place;
    fill_below(node, values, &mut room, findings)?;
    if node.depth() > MAX_DEPTH {
        findings.report(place, format!("nested deeper than {MAX_DEPTH} levels once its parameters are filled in"));
        return None;
    }
    Some(())
}

/// What may still be filled in: a large value in many places is a bomb.
struct Room {
    nodes: usize,
    text: usize,
}

fn fill_below(node: &mut Node, values: &Values<'_>, room: &mut Room, findings: &mut Findings) -> Option<()> {
    match &mut node.tree {
        Tree::List(items) => items.iter_mut().try_for_each(|item| fill_below(item, values, room, findings)),
        Tree::Map(entries) => {
            entries.iter_mut().try_for_each(|entry| fill_below(&mut entry.node, values, room, findings))
        }
        Tree::Scalar(Value::String(text)) if text.contains("${") => {
            let filled = match whole(text) {
                Some(name) => look_up(name, values, node.place, findings).cloned(),
                None => within(text, values, node.place, room, findings).map(|text| Node {
                    place: node.place,
                    tree: Tree::Scalar(Value::String(text)),
                    lead: None,
                }),
            };
            let Some(filled) = filled else { return Some(()) };
            let (nodes, text) = (room.nodes.checked_sub(filled.size()), room.text.checked_sub(filled.text()));
            let (Some(nodes), Some(text)) = (nodes, text) else {
                findings.report(node.place, "too much once its parameters are filled in");
                return None;
            };
            *room = Room { nodes, text };
            *node = filled;
            Some(())
        }
        Tree::Scalar(_) => Some(()),
    }
}

/// The name, when the text is one `${name}` and nothing else.
fn whole(text: &str) -> Option<&str> {
    text.strip_prefix("${")?.strip_suffix('}').filter(|name| !name.contains(['{', '}']))
}

fn look_up<'n>(name: &str, values: &Values<'n>, place: Place, findings: &mut Findings) -> Option<&'n Node> {
    let found = values.get(name).copied();
    if found.is_none() {
        let hint = did_you_mean(name, values.keys().copied());
        let hint = if hint.is_empty() { there_are(values.keys().copied()) } else { hint };
        findings.report(place, format!("`${{{name}}}` is no parameter{hint} (a literal `${{` is written `$${{`)"));
    }
    found
}

/// What there is to choose from, for the end of a message.
pub(super) fn there_are<'c>(names: impl Iterator<Item = &'c str>) -> String {
    let names = names.collect::<Vec<_>>().join(", ");
    if names.is_empty() { ": there are none".to_owned() } else { format!(": there are {names}") }
}

/// A longer text with its parameters in it. `None`: something was wrong, and reported.
fn within(text: &str, values: &Values<'_>, place: Place, room: &Room, findings: &mut Findings) -> Option<String> {
    let (mut filled, mut rest, mut fine) = (String::new(), text, true);
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            filled.extend([before, "${"]);
            rest = after;
            continue;
        }
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            findings.report(place, "`${` without `}`: a literal `${` is written `$${`");
            return None;
        };
        rest = after;
        match look_up(name, values, place, findings).map(|node| (node, &node.tree)) {
            Some((_, Tree::Scalar(Value::String(text)))) => filled.push_str(text),
            Some((_, Tree::Scalar(Value::Null))) => {}
            Some((_, Tree::Scalar(value))) => filled.push_str(&value.to_string()),
            Some((node, _)) => {
                let (kind, value) = (node.kind(), findings.name_of(node.place));
                findings.report(place, format!("`{name}` is {kind} ({value}), which cannot stand within a text"));
                fine = false;
            }
            None => fine = false,
        }
        // Reported by whoever counts.
        if filled.len() > room.text {
            break;
        }
    }
    filled.push_str(rest);
    fine.then_some(filled)
}
