//! Issue forms: YAML that GitHub turns into a form, or shows as an error.
//! <https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-issue-forms>

mod element;

use std::collections::BTreeMap;

use super::super::document::{Document, entries, items};
use super::super::scene::{At, FORMS, Scene, Seen};
use super::super::{Check, Text};
use super::{Community, community, inherits, or_inherited};
use crate::core::marked::{Node, Tree};

pub(in super::super) static CHECK: Check = Check {
    id: "issue-forms",
    title: "Issues have forms or templates, and GitHub takes them",
    finds: "No form or template of issues, here or in the owner's repository `.github` (notice); YAML that is none; a key that is missing, unknown or of the wrong type; an element of an unknown type; ids or labels that are there twice; options that GitHub refuses (errors); a template that the chooser does not show (warning).",
    points: 8,
    asks_github: false,
    look,
};

const ADVICE: &str = "mend it, or GitHub shows an error where the form should be";
const KEYS: [&str; 8] = ["name", "description", "body", "assignees", "labels", "title", "type", "projects"];

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    let templates: Vec<(&str, &Text)> =
        scene.checkout.texts().filter(|(path, _)| path.starts_with(FORMS) && path.ends_with(".md")).collect();
    if scene.forms.is_empty() && templates.is_empty() && !has_some_other(scene) {
        let advice = format!(
            "write a form, `{FORMS}/bug.yml`: what happened, what should have, how to see it{}",
            or_inherited(scene)
        );
        seen.notice(At::nowhere(), "issues have no form and no template", advice);
    }
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for form in &scene.forms {
        form.tell_faults(&mut seen, ADVICE);
        if let Some(root) = &form.root {
            look_into(form, root, &mut seen);
            unique_name(form.path, root.get("name"), &mut names, &mut seen);
        }
    }
    for (path, text) in templates {
        if let Text::Is(text) = text {
            front_matter(path, text, &mut names, &mut seen);
        }
    }
    seen
}

/// A template of old, a folder elsewhere, or the owner's.
fn has_some_other(scene: &Scene) -> bool {
    let folder = |path: &String| {
        let small = path.to_ascii_lowercase();
        ["issue_template/", "docs/issue_template/"].iter().any(|folder| small.starts_with(folder))
    };
    !matches!(community(scene, "ISSUE_TEMPLATE"), Community::Nowhere)
        || scene.checkout.paths().iter().any(folder)
        || inherits(scene, |name| name.eq_ignore_ascii_case("ISSUE_TEMPLATE"))
}

fn look_into(form: &Document<'_>, root: &Node, seen: &mut Seen) {
    if !matches!(root.tree, Tree::Map(_)) {
        seen.error(
            form.at(root),
            format!("a form is a map of name, description and body, not {}", root.kind()),
            ADVICE,
        );
        return;
    }
    for entry in entries(root) {
        if !KEYS.contains(&entry.key.as_str()) {
            let message = format!("`{}` is no key of a form: there are {}", entry.key, KEYS.join(", "));
            seen.error(form.key(entry), message, ADVICE);
        }
    }
    for key in ["name", "description"] {
        match root.get(key) {
            None => seen.error(form.start(), format!("`{key}` is missing"), ADVICE),
            Some(node) => words(form, node, key, seen),
        }
    }
    if let Some(title) = root.get("title").filter(|title| title.as_text().is_none()) {
        seen.error(form.at(title), format!("`title` is text, not {}", title.kind()), ADVICE);
    }
    if let Some(name) = root.get("name")
        && name.as_text().is_some_and(|name| (1..=3).contains(&name.trim().chars().count()))
    {
        seen.warning(
            form.at(name),
            "the name has no more than 3 characters",
            "give it a longer one, or GitHub does not offer the form",
        );
    }
    for key in ["labels", "assignees", "projects"] {
        if let Some(node) = root.get(key) {
            texts_only(form, node, key, seen);
        }
    }
    match root.get("body") {
        None => seen.error(form.start(), "`body` is missing", ADVICE),
        Some(body) => element::body(form, body, seen),
    }
}

/// Text with something in it.
fn words(form: &Document<'_>, node: &Node, key: &str, seen: &mut Seen) {
    match node.as_text() {
        _ if is_old_boolean(node) => {
            seen.error(form.at(node), format!("GitHub takes `{key}` for true or false"), "put it in quotes");
        }
        None => seen.error(form.at(node), format!("`{key}` is text, not {}", node.kind()), "put it in quotes"),
        Some(text) if text.trim().is_empty() => seen.error(form.at(node), format!("`{key}` is empty"), ADVICE),
        Some(_) => {}
    }
}

/// A list of texts, or one text with commas.
fn texts_only(form: &Document<'_>, node: &Node, key: &str, seen: &mut Seen) {
    match &node.tree {
        Tree::List(items) => {
            for item in items.iter().filter(|item| item.as_text().is_none_or(|text| text.trim().is_empty())) {
                seen.error(
                    form.at(item),
                    format!("an entry of `{key}` is text with something in it"),
                    "put it in quotes",
                );
            }
        }
        _ if node.as_text().is_some_and(|text| !text.trim().is_empty()) => {}
        _ => seen.error(form.at(node), format!("`{key}` is a list of texts, not {}", node.kind()), ADVICE),
    }
}

/// What is text to YAML of today and a truth value to GitHub's reader, because it has no quotes.
fn is_old_boolean(node: &Node) -> bool {
    const OLD: [&str; 4] = ["yes", "no", "on", "off"];
    let plain = node.lead == Some(0);
    plain && node.as_text().is_some_and(|text| OLD.iter().any(|word| text.eq_ignore_ascii_case(word)))
}

fn unique_name<'a>(path: &'a str, name: Option<&Node>, names: &mut BTreeMap<String, &'a str>, seen: &mut Seen) {
    let Some((node, name)) = name.and_then(|node| Some((node, node.as_text()?.trim()))) else { return };
    if let Some(other) = names.insert(name.to_owned(), path) {
        let message = format!("`{other}` has the same name, `{name}`");
        seen.error(At::place(path, node.place), message, "give every form and template a name of its own");
    }
}

/// What stands before a Markdown template.
fn front_matter<'a>(path: &'a str, text: &'a str, names: &mut BTreeMap<String, &'a str>, seen: &mut Seen) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let advice = "begin it with `---`, `name: …`, `about: …`, `---`, or the chooser does not show it";
    let begin = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n"));
    let inside = begin.and_then(|rest| Some(&rest[..rest.find("\n---")? + 1]));
    let Some(inside) = inside else {
        seen.warning(At::line(path, 1, 1), "the template does not begin with its name and what it is about", advice);
        return;
    };
    // As long as the file up to its end, so that lines are the file's.
    let matter = format!("\n{inside}");
    let document = Document::read(path, &matter);
    document.tell_faults(seen, advice);
    let Some(root) = &document.root else { return };
    for key in ["name", "about"] {
        let missing = root.get(key).is_none_or(|node| node.as_text().is_none_or(|text| text.trim().is_empty()));
        if missing {
            seen.warning(At::line(path, 1, 1), format!("the template has no `{key}`"), advice);
        }
    }
    unique_name(path, root.get("name"), names, seen);
}

/// The items of a list that has some.
fn list(node: Option<&Node>) -> Option<&[Node]> {
    node.map(items).filter(|items| !items.is_empty())
}
