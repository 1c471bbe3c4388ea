//! Labels that rules and issue forms name.

use std::collections::BTreeSet;

use super::super::Check;
use super::super::document::{Document, entries, items, texts};
use super::super::scene::{At, Scene, Seen};
use super::super::told::why_not;
use crate::core::facts::Known;
use crate::core::marked::{Node, Tree};

pub(in super::super) static CHECK: Check = Check {
    id: "labels",
    title: "The labels that rules and issue forms name exist",
    finds: "A label of an issue form that the repository does not have: GitHub leaves it out. One that a rule of `.github/orchd.yml` puts on, which GitHub then makes without colour or description; one that a condition waits for and nothing puts on (warnings).",
    points: 5,
    asks_github: true,
    look,
};

/// A label somewhere in a file.
struct Named {
    at: At,
    name: String,
}

fn look(scene: &Scene) -> Seen {
    let (mut put, mut awaited, mut asked) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(rules) = &scene.rules {
        for rule in rules.root.as_ref().and_then(|root| root.get("rules")).map_or(&[][..], items) {
            rule.get("then").into_iter().for_each(|then| put_on(rules, then, &mut put));
            rule.get("if").into_iter().for_each(|condition| waited_for(rules, condition, &mut awaited));
        }
    }
    for form in &scene.forms {
        let labels = form.root.as_ref().and_then(|root| root.get("labels"));
        for (node, text) in labels.map(texts).unwrap_or_default() {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            asked.extend(names.map(|name| Named { at: form.at(node), name: name.to_owned() }));
        }
    }
    if put.is_empty() && awaited.is_empty() && asked.is_empty() {
        return Seen::default();
    }
    let labels = match &scene.told.labels {
        Known::Is(labels) => labels,
        unknown => return Seen::not_done(why_not(unknown, "which labels there are").unwrap_or_default()),
    };
    tell(labels, &put, &awaited, &asked)
}

fn tell(labels: &[String], put: &[Named], awaited: &[Named], asked: &[Named]) -> Seen {
    let mut seen = Seen::default();
    let known: BTreeSet<String> = labels.iter().map(|name| name.to_lowercase()).collect();
    let coming: BTreeSet<String> = put.iter().map(|named| named.name.to_lowercase()).collect();
    let lacks = |named: &&Named| !known.contains(&named.name.to_lowercase());
    let advice = |name: &str| format!("make it: `gh label create \"{name}\"`, or name another");
    for Named { at, name } in put.iter().filter(lacks) {
        let message = format!(
            "there is no label `{name}`: GitHub makes it, without colour and description, when the rule first acts"
        );
        seen.warning(at.clone(), message, advice(name));
    }
    for Named { at, name } in awaited.iter().filter(lacks).filter(|named| !coming.contains(&named.name.to_lowercase()))
    {
        seen.warning(
            at.clone(),
            format!("there is no label `{name}`: the condition waits for what cannot be"),
            advice(name),
        );
    }
    for Named { at, name } in asked.iter().filter(lacks) {
        seen.warning(at.clone(), format!("there is no label `{name}`: GitHub leaves it out"), advice(name));
    }
    seen
}

/// Labels that actions put on: `label: {add: …}`, and `labels` or `label` of others.
fn put_on(rules: &Document<'_>, then: &Node, found: &mut Vec<Named>) {
    for action in items(then).iter().flat_map(entries) {
        let given = |key: &str| action.node.get(key);
        let nodes = match action.key.as_str() {
            "label" => [given("add"), None],
            _ => [given("labels"), given("label")],
        };
        for (node, name) in nodes.into_iter().flatten().flat_map(texts) {
            found.push(Named { at: rules.at(node), name });
        }
    }
}

/// Labels that conditions name, however deep; patterns are no names. What is to be absent may be.
fn waited_for(rules: &Document<'_>, condition: &Node, found: &mut Vec<Named>) {
    match &condition.tree {
        Tree::List(items) => items.iter().for_each(|item| waited_for(rules, item, found)),
        Tree::Map(entries) => {
            for entry in entries.iter().filter(|entry| entry.key != "not" && entry.key != "none") {
                if entry.key == "label" {
                    let plain =
                        texts(&entry.node).into_iter().filter(|(_, name)| !name.contains(['*', '?', '[', '{', '!']));
                    found.extend(plain.map(|(node, name)| Named { at: rules.at(node), name }));
                } else {
                    waited_for(rules, &entry.node, found);
                }
            }
        }
        Tree::Scalar(_) => {}
    }
}
