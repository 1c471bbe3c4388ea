//! Rules that somebody tries: a text on a page, and no file.

use std::path::Path;

use serde_json::Value;

use super::findings::Findings;
use super::marked::{self, Node, Tree};
use super::rules::Rulebook;
use super::table::RULES_FILE;
use super::{Problem, Problems};
use crate::core::intent::ActionKind;

/// Reads one rule, or a list of rules, as YAML has them below `rules:`. Gives them as `config show` shows them.
///
/// # Errors
/// Everything that is wrong with them; the places are those of the text, and the file has no name.
pub fn read_rule_text(text: &str, actions: &[ActionKind]) -> Result<Vec<Value>, Problems> {
    let mut findings = Findings::default();
    let file = findings.add_file(Path::new(""));
    let mut rulebook = Rulebook::new(actions);
    if let Some(node) = marked::parse(text, file, &mut findings) {
        let place = node.place;
        let rules = match node.tree {
            Tree::List(_) => node,
            _ => Node { place, tree: Tree::List(vec![node]), lead: None },
        };
        match RULES_FILE.key("rules") {
            Some(key) => drop(rulebook.read(&rules, key, &mut findings)),
            None => findings.report(place, "no file of rules has rules"),
        }
        if rulebook.shown.is_empty() {
            findings.report(place, "there is no rule");
        }
    }
    findings.finish()?;
    Ok(rulebook.shown)
}

/// Lines of a text in which a secret seems to stand itself, and not where it is kept: such a text is shown to nobody.
/// A text that is no YAML is looked through for what secrets look like.
pub fn secrets_in_clear(text: &str) -> Vec<usize> {
    let mut findings = Findings::default();
    let file = findings.add_file(Path::new(""));
    let mut lines = looks_secret(text);
    match marked::parse(text, file, &mut findings) {
        None => lines.extend(near_secret_keys(text)),
        Some(root) => {
            let named = [
                ("github", "private_key"),
                ("github", "webhook_secrets"),
                ("github", "client_secret"),
                ("login", "keys"),
            ];
            let nodes = named.into_iter().filter_map(|(section, key)| root.get(section)?.get(key));
            nodes.for_each(|node| texts(node, &mut lines));
            if let Some(node) = root.get("forward").and_then(|forward| forward.get("secrets")) {
                texts(node, &mut lines);
                let items = if let Tree::List(items) = &node.tree { items.as_slice() } else { &[] };
                items.iter().filter_map(|item| item.get("secret")).for_each(|node| texts(node, &mut lines));
            }
        }
    }
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// The lines of texts that stand where a secret's place is to be named.
fn texts(node: &Node, lines: &mut Vec<usize>) {
    match &node.tree {
        Tree::List(items) => items.iter().for_each(|item| texts(item, lines)),
        Tree::Scalar(value) if !value.is_null() => lines.push(node.place.line),
        Tree::Scalar(_) | Tree::Map(_) => {}
    }
}

/// Of a text that is no YAML: the lines of keys that name a secret's place, and those of the list below them, unless a
/// place is named there.
fn near_secret_keys(text: &str) -> Vec<usize> {
    const KEYS: [&str; 6] = ["private_key", "webhook_secrets", "client_secret", "keys", "secrets", "secret"];
    let names_place = |value: &str| value.is_empty() || value.starts_with(['{', '#']) || value.starts_with("[{");
    let (mut found, mut below) = (Vec::new(), false);
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim_start_matches([' ', '\t', '{', ',']);
        let value = KEYS.iter().find_map(|key| trimmed.strip_prefix(key)?.trim_start().strip_prefix(':'));
        let item = trimmed.strip_prefix('-').filter(|_| below);
        below = value.is_some() || item.is_some() || (below && trimmed.is_empty());
        if value.or(item).is_some_and(|value| !names_place(value.trim())) {
            found.push(at + 1);
        }
    }
    found
}

/// A key in PEM, or a URL with a password.
fn looks_secret(text: &str) -> Vec<usize> {
    let has_password = |line: &str| {
        let who = line.split_once("://").map(|(_, rest)| rest.split(['/', ' ', '"', '\'']).next().unwrap_or_default());
        who.and_then(|who| who.rsplit_once('@')).is_some_and(|(who, _)| who.contains(':'))
    };
    let found = text.lines().enumerate().filter(|(_, line)| line.contains("-----BEGIN") || has_password(line));
    found.map(|(at, _)| at + 1).collect()
}

/// A problem with what stands in its line.
#[derive(Clone, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Quoted {
    #[serde(flatten)]
    pub problem: Problem,
    /// The line; absent where it is not to be shown, or not there any more.
    pub text: Option<String>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::super::tests::ACTIONS;
    use super::super::yaml::write_rule;
    use super::*;

    const DOCS: &str = "name: docs\non: push\nthen: [{build: {}}]\n";

    #[test]
    fn a_rule_or_a_list_of_rules_is_read_and_reads_again_as_written() {
        let read = |text: &str| read_rule_text(text, ACTIONS).unwrap();
        let one = read(DOCS);
        assert_eq!((one.len(), &one[0]["name"], &one[0]["mode"]), (1, &json!("docs"), &json!("active")));
        assert_eq!(read(&write_rule(&one[0])), one);
        let listed: String = DOCS
            .lines()
            .enumerate()
            .map(|(at, line)| format!("{} {line}\n", if at == 0 { "-" } else { " " }))
            .collect();
        assert_eq!(read(&listed), one);
    }

    #[test]
    fn what_is_wrong_has_its_line_and_column() {
        for (text, told) in [
            ("", "`name` is missing"),
            ("[]", "there is no rule"),
            ("name: [", ":1:"),
            ("name: docs\nonn: push\nthen: [close: {}]\n", ":2:1: unknown key `onn`"),
            ("name: docs\non: issues.opened\nthen:\n  - clse: {}\n", ":4:5: there is no action `clse`"),
            ("rules: []", "unknown key `rules`"),
        ] {
            let said = read_rule_text(text, ACTIONS).unwrap_err().to_string();
            assert!(said.contains(told), "{text:?}: {said}");
        }
    }

    #[test]
    fn a_secret_in_clear_is_noticed_also_where_the_rest_is_wrong() {
        let fine =
            "database: postgres://orchd@db/orchd\ngithub:\n  webhook_secrets: [{file: a}]\n  client_secret: {env: X}\n";
        assert_eq!(secrets_in_clear(fine), [0_usize; 0]);
        assert_eq!(secrets_in_clear("github:\n  webhook_secrets: [hush]\n  private_key: |\n    hush\n"), [2, 4]);
        assert_eq!(secrets_in_clear("database: postgres://orchd:hush@db/orchd\nbad: ["), [1]);
        assert_eq!(secrets_in_clear("x: [\n-----BEGIN RSA PRIVATE KEY-----\n"), [2]);
    }
}
