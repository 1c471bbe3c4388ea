//! What a text that comes from afar may not do to a config: name files elsewhere on the machine, and send secrets
//! elsewhere. Whoever may write the config over the API need not be who owns the machine.

use std::path::{Component, Path};

use serde_json::Value;

use super::findings::{Findings, Place};
use super::load::directory_of;
use super::marked::{self, Node, Tree};
use super::{Config, Problems};

/// Sections with secrets in them.
const WITH_SECRETS: [&str; 3] = ["github", "database", "login"];

/// Where secrets are sent, and where all that orchd knows is kept.
const WHERE_SECRETS_GO: [&str; 3] = ["github.api_url", "login.web_url", "database"];

/// What a file is named for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    /// Its rules are read, and what is wrong with them is told word by word.
    Rules,
    Secret,
    /// It is written.
    Anchor,
}

/// Refuses a text that names files outside the directory of the running config, or files of rules that do not end in
/// `.yaml` or `.yml`: what a file there holds, or whether there is one, is not to be told by an error. What the running
/// config names already may stay. Nothing but the text itself is looked at.
///
/// # Errors
/// Each such name with its place.
pub fn refuse_foreign_files(running: &Config, text: &str) -> Result<(), Problems> {
    let path = &running.revision.path;
    let here = directory_of(path);
    let mut findings = Findings::default();
    let file = findings.add_file(path);
    // Whoever loads it tells what else is wrong.
    let Some(root) = marked::parse(text, file, &mut Findings::default()) else { return Ok(()) };
    let shown = marked::parse(&running.effective.to_string(), file, &mut Findings::default());
    let known = shown.map(|shown| names(&shown)).unwrap_or_default();
    for (named, place, name) in names(&root) {
        if known.iter().any(|(what, _, other)| *what == named && here.join(other) == here.join(&name)) {
            continue;
        }
        if leads_outside(&here, &name) {
            let message = format!(
                "`{name}` leads outside the config's directory: over the API only what the running config names there \
                 may stay, the rest is done by an editor on the machine"
            );
            findings.report(place, message);
        } else if named == Named::Rules && !name.ends_with(".yaml") && !name.ends_with(".yml") {
            findings.report(place, format!("`{name}` must end in `.yaml` or `.yml` when it comes over the API"));
        }
    }
    findings.finish().map(drop)
}

/// Keys that say where secrets go and are not as they were: these are changed by an editor on the machine.
pub fn redirected(running: &Config, new: &Config) -> Vec<&'static str> {
    let of = |config: &Config, key: &str| -> Option<Value> {
        config.effective.pointer(&format!("/{}", key.replace('.', "/"))).cloned()
    };
    WHERE_SECRETS_GO.into_iter().filter(|key| of(running, key) != of(new, key)).collect()
}

/// The files that a config names, and where.
fn names(root: &Node) -> Vec<(Named, Place, String)> {
    let mut found = Vec::new();
    match root.get("include").map(|node| (node, &node.tree)) {
        Some((_, Tree::List(items))) => items.iter().for_each(|item| take(Named::Rules, item, &mut found)),
        Some((node, _)) => take(Named::Rules, node, &mut found),
        None => {}
    }
    if let Some(Tree::List(items)) = root.get("extends").map(|node| &node.tree) {
        items.iter().filter_map(|item| item.get("file")).for_each(|file| take(Named::Rules, file, &mut found));
    }
    WITH_SECRETS.iter().filter_map(|section| root.get(section)).for_each(|node| secrets(node, &mut found));
    if let Some(anchor) = root.get("audit").and_then(|audit| audit.get("anchor")) {
        take(Named::Anchor, anchor, &mut found);
    }
    found
}

fn secrets(node: &Node, found: &mut Vec<(Named, Place, String)>) {
    match &node.tree {
        Tree::Scalar(_) => {}
        Tree::List(items) => items.iter().for_each(|item| secrets(item, found)),
        Tree::Map(entries) => entries.iter().for_each(|entry| match entry.key.as_str() {
            "file" => take(Named::Secret, &entry.node, found),
            _ => secrets(&entry.node, found),
        }),
    }
}

fn take(named: Named, node: &Node, found: &mut Vec<(Named, Place, String)>) {
    found.extend(node.as_text().map(|name| (named, node.place, name.to_owned())));
}

/// By the name alone: links in the directory are its owner's.
fn leads_outside(here: &Path, name: &str) -> bool {
    let climbs = Path::new(name).components().any(|part| part == Component::ParentDir);
    climbs || !here.join(name).starts_with(here)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use chrono::DateTime;

    use super::*;
    use crate::config::load_text;

    #[test]
    fn files_elsewhere_are_refused_by_name_unless_the_running_config_has_them() {
        let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let far = elsewhere.path().display();
        fs::write(elsewhere.path().join("secret"), "hush").unwrap();
        fs::write(home.path().join("secret"), "hush").unwrap();
        fs::write(elsewhere.path().join("rules"), "rules: []\n").unwrap();
        let path = home.path().join("orchd.yaml");
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let load = |text: &str| load_text(&path, text, &[], now).unwrap();
        let plain = load("github: {webhook_secrets: [{file: secret}]}\n");
        let refused = |running: &Config, text: &str| {
            refuse_foreign_files(running, text).err().map(|problems| problems.to_string()).unwrap_or_default()
        };

        for text in [
            "include: ../*.yaml\n",
            "include: [rules.d/*.yaml, /etc/x.yaml]\n",
            "include: rules.d/../../x.yaml\n",
            "extends: [{file: /etc/x.yaml}]\n",
            "github: {webhook_secrets: [{file: secret}, {file: /etc/shadow}]}\n",
            "github: {private_key: {file: ../key}}\n",
            "login: {keys: [{file: /root/key}]}\n",
            "database: {url: {file: /root/url}}\n",
            "audit: {anchor: /etc/motd}\n",
        ] {
            let said = refused(&plain, text);
            assert!(said.contains("leads outside") && said.contains("orchd.yaml:1:"), "{text}: {said}");
        }
        let said = refused(&plain, "rules: []\ninclude:\n  - secret\n");
        assert!(said.contains("orchd.yaml:3:5: `secret` must end in"), "{said}");
        for text in [
            "include: [rules.d/*.yaml, more.yml]\nextends: [{preset: x}, {file: own.yaml}]\n".to_owned(),
            format!("github: {{webhook_secrets: [{{file: {}/secret}}, {{env: X}}]}}\n", home.path().display()),
            "audit: {anchor: anchors}\n".to_owned(),
            "not yaml: [".to_owned(),
        ] {
            assert_eq!(refused(&plain, &text), "", "{text}");
        }

        // What runs was written by whoever owns the machine.
        let text = format!("include: {far}/rules\ngithub: {{webhook_secrets: [{{file: {far}/secret}}]}}\n");
        assert_ne!(refused(&plain, &text), "");
        assert_eq!(refused(&load(&text), &text), "");
        assert_ne!(refused(&load(&text), &format!("audit: {{anchor: {far}/secret}}\n")), "", "for another end");
    }

    #[test]
    fn where_secrets_go_is_noticed() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("secret"), "hush").unwrap();
        let path = home.path().join("orchd.yaml");
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let load = |github: &str, more: &str| {
            let text = format!("github: {{webhook_secrets: [{{file: secret}}]{github}}}\n{more}");
            load_text(&path, &text, &[], now).unwrap()
        };
        let plain = load("", "");
        assert_eq!(redirected(&plain, &load(", timeout: 5s", "retention: {events: 30d}\n")), [""; 0]);
        let moved = load(
            ", api_url: https://ghe.example.com/api/v3",
            "login: {web_url: https://evil.example.com}\ndatabase: postgres://orchd@evil/orchd\n",
        );
        assert_eq!(redirected(&plain, &moved), WHERE_SECRETS_GO);
        assert_eq!(redirected(&moved, &moved), [""; 0]);
    }
}
