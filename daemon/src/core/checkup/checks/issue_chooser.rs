//! `config.yml` beside the issue forms: what the page shows on which one chooses.

use super::super::Check;
use super::super::document::{Document, entries, items};
use super::super::scene::{FORMS, Scene, Seen};
use crate::core::marked::{Node, Tree};

pub(in super::super) static CHECK: Check = Check {
    id: "issue-chooser",
    title: "The config of the issue chooser is one",
    finds: "`.github/ISSUE_TEMPLATE/config.yml` that is no YAML, has keys that GitHub does not know, or links without name, url or about (errors).",
    points: 2,
    asks_github: false,
    look,
};

const ADVICE: &str = "mend it, or GitHub ignores the file";
const KEYS: [&str; 3] = ["name", "url", "about"];

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    let path = format!("{FORMS}/config.yml");
    let Some(text) = scene.checkout.text(&path) else { return seen };
    let chooser = Document::read(&path, text);
    chooser.tell_faults(&mut seen, ADVICE);
    let Some(root) = &chooser.root else { return seen };
    if !matches!(root.tree, Tree::Map(_)) && !root.is_null() {
        seen.error(chooser.at(root), format!("the file is a map, not {}", root.kind()), ADVICE);
    }
    for entry in entries(root) {
        match entry.key.as_str() {
            "blank_issues_enabled" => {
                if entry.node.kind() != "true or false" {
                    let message = format!("`blank_issues_enabled` is true or false, not {}", entry.node.kind());
                    seen.error(chooser.at(&entry.node), message, ADVICE);
                }
            }
            "contact_links" => links(&chooser, &entry.node, &mut seen),
            other => {
                let message = format!("`{other}` is no key here: there are blank_issues_enabled, contact_links");
                seen.error(chooser.key(entry), message, ADVICE);
            }
        }
    }
    seen
}

fn links(chooser: &Document<'_>, node: &Node, seen: &mut Seen) {
    if !matches!(node.tree, Tree::List(_)) {
        seen.error(chooser.at(node), format!("`contact_links` is a list, not {}", node.kind()), ADVICE);
    }
    for link in items(node) {
        for key in KEYS {
            let given = link.get(key).and_then(Node::as_text).is_some_and(|text| !text.trim().is_empty());
            if !given {
                seen.error(chooser.at(link), format!("a contact link needs `{key}`, as text"), ADVICE);
            }
        }
        for entry in entries(link).iter().filter(|entry| !KEYS.contains(&entry.key.as_str())) {
            let message = format!("`{}` is no key of a contact link: there are {}", entry.key, KEYS.join(", "));
            seen.error(chooser.key(entry), message, ADVICE);
        }
        if let Some(url) = link.get("url")
            && url.as_text().is_some_and(|text| {
                !text.starts_with("https://") && !text.starts_with("http://") && !text.starts_with("mailto:")
            })
        {
            seen.error(chooser.at(url), "the url of a contact link begins with https://", ADVICE);
        }
    }
}
