//! The elements of a form's body.
//! <https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/common-validation-errors-when-creating-issue-forms>

use std::collections::HashMap;

use serde_json::Value;

use super::super::super::document::{Document, entries, items};
use super::super::super::scene::Seen;
use super::{ADVICE, is_old_boolean, list, words};
use crate::core::marked::{Node, Tree};

/// What an element of a type may say of itself.
struct Kind {
    name: &'static str,
    attributes: &'static [&'static str],
}

static KINDS: [Kind; 6] = [
    Kind { name: "markdown", attributes: &["value"] },
    Kind { name: "input", attributes: &["label", "description", "placeholder", "value"] },
    Kind { name: "textarea", attributes: &["label", "description", "placeholder", "value", "render"] },
    Kind { name: "dropdown", attributes: &["label", "description", "multiple", "options", "default"] },
    Kind { name: "checkboxes", attributes: &["label", "description", "options"] },
    Kind { name: "upload", attributes: &["label", "description"] },
];

/// What was named before: references by which GitHub tells fields apart, and the line they are in.
#[derive(Default)]
struct Names {
    ids: HashMap<String, usize>,
    references: HashMap<String, usize>,
}

pub(super) fn body(form: &Document<'_>, body: &Node, seen: &mut Seen) {
    let Some(elements) = list(Some(body)) else {
        let message = format!(
            "`body` is a list of elements, not {}",
            if items(body).is_empty() && matches!(body.tree, Tree::List(_)) { "an empty one" } else { body.kind() }
        );
        seen.error(form.at(body), message, ADVICE);
        return;
    };
    let mut names = Names::default();
    let mut asks = false;
    for node in elements {
        if let Some(kind) = kind_of(form, node, seen) {
            asks |= kind.name != "markdown";
            element(form, node, kind, &mut names, seen);
        }
    }
    let known = |node: &Node| node.get("type").and_then(Node::as_text).is_some_and(|kind| kind != "markdown");
    if !asks && !elements.iter().any(known) {
        seen.error(
            form.at(body),
            "the form asks nothing: all of its elements are `markdown`",
            "add an `input`, a `textarea`, a `dropdown` or `checkboxes`",
        );
    }
}

fn kind_of(form: &Document<'_>, node: &Node, seen: &mut Seen) -> Option<&'static Kind> {
    let known = || KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
    let Some(written) = node.get("type") else {
        seen.error(form.at(node), format!("the element has no `type`: one of {}", known()), ADVICE);
        return None;
    };
    let kind = written.as_text().and_then(|name| KINDS.iter().find(|kind| kind.name == name));
    if kind.is_none() {
        let written_as = written.as_text().unwrap_or(written.kind());
        seen.error(
            form.at(written),
            format!("there is no type `{written_as}` of elements: one of {}", known()),
            ADVICE,
        );
    }
    kind
}

fn element(form: &Document<'_>, node: &Node, kind: &Kind, names: &mut Names, seen: &mut Seen) {
    for entry in entries(node) {
        if !["type", "id", "attributes", "validations"].contains(&entry.key.as_str()) {
            let message =
                format!("`{}` is no key of an element: there are type, id, attributes, validations", entry.key);
            seen.error(form.key(entry), message, ADVICE);
        }
    }
    let id = node.get("id").filter(|id| well_named(form, id, names, seen));
    let Some(attributes) = node.get("attributes").filter(|node| matches!(node.tree, Tree::Map(_))) else {
        seen.error(form.at(node), format!("a `{}` needs `attributes`", kind.name), ADVICE);
        return;
    };
    for entry in entries(attributes) {
        if !kind.attributes.contains(&entry.key.as_str()) {
            let message =
                format!("`{}` is no attribute of `{}`: there are {}", entry.key, kind.name, kind.attributes.join(", "));
            seen.error(form.key(entry), message, ADVICE);
        }
    }
    let needed = if kind.name == "markdown" { "value" } else { "label" };
    match attributes.get(needed) {
        None => {
            seen.error(form.at(attributes), format!("a `{}` needs `{needed}` in its `attributes`", kind.name), ADVICE)
        }
        Some(given) => {
            words(form, given, needed, seen);
            if kind.name != "markdown" {
                label(form, given, kind, id.is_some(), names, seen);
            }
        }
    }
    match kind.name {
        "dropdown" => dropdown(form, attributes, seen),
        "checkboxes" => checkboxes(form, attributes, names, seen),
        _ => {}
    }
    required(form, node, seen);
}

/// Whether an id is one, and no other element's.
fn well_named(form: &Document<'_>, id: &Node, names: &mut Names, seen: &mut Seen) -> bool {
    let fits =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let Some(text) = id.as_text().filter(|text| fits(text)) else {
        seen.error(form.at(id), "an `id` has letters, digits, `-` and `_` only", ADVICE);
        return false;
    };
    match names.ids.insert(text.to_owned(), id.place.line) {
        Some(line) => seen.error(form.at(id), format!("the id `{text}` is there twice: first in line {line}"), ADVICE),
        None => {
            names.references.entry(text.to_lowercase()).or_insert(id.place.line);
        }
    }
    true
}

fn label(form: &Document<'_>, node: &Node, kind: &Kind, has_id: bool, names: &mut Names, seen: &mut Seen) {
    let Some(text) = node.as_text() else { return };
    if matches!(kind.name, "input" | "textarea") && text.to_lowercase().contains("password") {
        seen.error(
            form.at(node),
            "GitHub allows no `password` in a label",
            "ask for something else: issues are no place for secrets",
        );
    }
    if !has_id {
        refer(form, node, text, names, seen);
    }
}

/// Without an id GitHub tells fields apart by what remains of their labels in an address.
fn refer(form: &Document<'_>, node: &Node, text: &str, names: &mut Names, seen: &mut Seen) {
    let reference = parameterized(text);
    if reference.is_empty() {
        return;
    }
    if let Some(line) = names.references.get(&reference) {
        let message = format!("the label `{text}` is the same to GitHub as that in line {line}");
        seen.error(form.at(node), message, "call it something else, or give the element an `id`");
        return;
    }
    names.references.insert(reference, node.place.line);
}

fn parameterized(label: &str) -> String {
    let mut made = String::new();
    for letter in label.to_lowercase().chars() {
        if letter.is_alphanumeric() || letter == '_' {
            made.push(letter);
        } else if !made.ends_with('-') {
            made.push('-');
        }
    }
    made.trim_matches('-').to_owned()
}

fn options<'n>(form: &Document<'_>, attributes: &'n Node, seen: &mut Seen) -> &'n [Node] {
    let node = attributes.get("options");
    list(node).unwrap_or_else(|| {
        let at = form.at(node.unwrap_or(attributes));
        seen.error(at, "`options` is a list with something in it", ADVICE);
        &[]
    })
}

fn dropdown(form: &Document<'_>, attributes: &Node, seen: &mut Seen) {
    let mut before: HashMap<String, usize> = HashMap::new();
    let options = options(form, attributes, seen);
    for option in options {
        let text = match &option.tree {
            Tree::Scalar(Value::String(text)) if !is_old_boolean(option) => text.clone(),
            Tree::Scalar(Value::Number(number)) => number.to_string(),
            Tree::Scalar(Value::Bool(_) | Value::String(_)) => {
                seen.error(form.at(option), "GitHub takes this option for true or false", "put it in quotes");
                continue;
            }
            _ => {
                seen.error(form.at(option), format!("an option of a dropdown is text, not {}", option.kind()), ADVICE);
                continue;
            }
        };
        if text.trim().eq_ignore_ascii_case("none") {
            seen.error(
                form.at(option),
                "`None` is GitHub's own word for no choice",
                "call the option something else, or leave it out",
            );
        }
        if let Some(line) = before.insert(text.clone(), option.place.line) {
            seen.error(form.at(option), format!("the option `{text}` is there twice: first in line {line}"), ADVICE);
        }
    }
    flag(form, attributes, "multiple", seen);
    if let Some(default) = attributes.get("default") {
        let at = match &default.tree {
            Tree::Scalar(Value::Number(number)) => number.as_u64(),
            _ => None,
        };
        if !options.is_empty() && at.is_none_or(|at| at >= options.len() as u64) {
            let message = format!("`default` is the number of an option, 0 to {}", options.len() - 1);
            seen.error(form.at(default), message, ADVICE);
        }
    }
}

fn checkboxes(form: &Document<'_>, attributes: &Node, names: &mut Names, seen: &mut Seen) {
    for option in options(form, attributes, seen) {
        let Some(label) = option.get("label") else {
            seen.error(form.at(option), "an option of checkboxes is a map with a `label`", "write `- label: …`");
            continue;
        };
        words(form, label, "label", seen);
        if let Some(text) = label.as_text() {
            refer(form, label, text, names, seen);
        }
        flag(form, option, "required", seen);
        for entry in entries(option).iter().filter(|entry| !["label", "required"].contains(&entry.key.as_str())) {
            seen.error(
                form.key(entry),
                format!("`{}` is no key of an option: there are label, required", entry.key),
                ADVICE,
            );
        }
    }
}

fn required(form: &Document<'_>, node: &Node, seen: &mut Seen) {
    let Some(validations) = node.get("validations") else { return };
    if !matches!(validations.tree, Tree::Map(_)) {
        seen.error(form.at(validations), format!("`validations` is a map, not {}", validations.kind()), ADVICE);
    }
    flag(form, validations, "required", seen);
}

fn flag(form: &Document<'_>, node: &Node, key: &str, seen: &mut Seen) {
    if let Some(value) = node.get(key)
        && !matches!(value.tree, Tree::Scalar(Value::Bool(_)))
        && !is_old_boolean(value)
    {
        seen.error(form.at(value), format!("`{key}` is true or false, not {}", value.kind()), ADVICE);
    }
}
