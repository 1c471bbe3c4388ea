//! YAML for people: the effective config, and rules as one would write them.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::Origins;
use crate::core::text::{harmless, is_dangerous};

/// The keys of a rule in the order in which one reads them.
const RULE_KEYS: [&str; 7] = ["name", "mode", "repositories", "on", "if", "then", "limits"];

/// A value as block YAML, and behind each part of which the origin is known, where it came from.
pub fn write(value: &Value, origins: &Origins) -> String {
    let mut yaml = String::new();
    push(&mut yaml, value, "", 0, origins);
    yaml
}

/// A rule from what `config show` shows of it, without what nobody needs to write.
pub fn write_rule(shown: &Value) -> String {
    let mut yaml = String::new();
    for name in RULE_KEYS {
        let value = shown.get(name).map_or(Value::Null, said);
        if !is_nothing(&value) {
            let part = Value::Object(Map::from_iter([(name.to_owned(), value)]));
            push(&mut yaml, &part, "", 0, &Origins::new());
        }
    }
    yaml
}

/// Limits that are not set are shown as null; within a rule no other null is.
fn said(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let set = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(set.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        other => other.clone(),
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}

/// From where a line begins. Lists and maps that hold something are indented by `depth`.
fn push(yaml: &mut String, value: &Value, pointer: &str, depth: usize, origins: &Origins) {
    let children: Vec<(String, String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| {
                let step = key.replace('~', "~0").replace('/', "~1");
                (format!("{}:", plain(key)), format!("{pointer}/{step}"), value)
            })
            .collect(),
        Value::Array(items) => {
            let item = |(at, value)| ("-".to_owned(), format!("{pointer}/{at}"), value);
            items.iter().enumerate().map(item).collect()
        }
        _ => Vec::new(),
    };
    for (at, (head, pointer, value)) in children.iter().enumerate() {
        // The first line of what stands in a list is on the line of its dash.
        let after_dash = at == 0 && yaml.ends_with("- ");
        yaml.push_str(&if after_dash { String::new() } else { "  ".repeat(depth) });
        yaml.push_str(head);
        match value {
            Value::Object(map) if !map.is_empty() => begin(yaml, head),
            Value::Array(items) if !items.is_empty() => begin(yaml, head),
            leaf => {
                push_leaf(yaml, leaf, origins.get(pointer), depth);
                continue;
            }
        }
        push(yaml, value, pointer, depth + 1, origins);
    }
}

/// What comes after the head of something that holds others.
fn begin(yaml: &mut String, head: &str) {
    yaml.push(if head == "-" { ' ' } else { '\n' });
}

fn push_leaf(yaml: &mut String, leaf: &Value, origin: Option<&String>, depth: usize) {
    let comment = origin.map(|origin| format!("  # {}", harmless(origin))).unwrap_or_default();
    let block = leaf.as_str().filter(|text| fits_a_block(text));
    // Writing to a `String` cannot fail.
    let Some(text) = block else {
        let _ = writeln!(yaml, " {}{comment}", scalar(leaf));
        return;
    };
    let (mark, lines) = text.strip_suffix('\n').map_or(("|-", text), |lines| ("|", lines));
    let _ = writeln!(yaml, " {mark}{comment}");
    for line in lines.split('\n') {
        let indent = if line.is_empty() { String::new() } else { "  ".repeat(depth + 1) };
        let _ = writeln!(yaml, "{indent}{line}");
    }
}

/// Whether a text of several lines can be shown as such: nothing in it could be taken for indentation or be lost.
fn fits_a_block(text: &str) -> bool {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    lines.contains('\n')
        && !lines.ends_with('\n')
        && lines.split('\n').all(|line| !line.starts_with(' ') && !line.chars().any(is_dangerous))
        && !lines.starts_with('\n')
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        other => other.to_string(),
    }
}

/// A text on one line: as it is where YAML reads it so, else in quotes.
fn plain(text: &str) -> String {
    let written = serde_yaml::to_string(text).unwrap_or_default();
    let written = written.strip_suffix('\n').unwrap_or(&written);
    if !written.is_empty() && !written.chars().any(is_dangerous) {
        return written.to_owned();
    }
    // JSON's texts are YAML's too.
    let mut quoted = String::new();
    for c in Value::from(text).to_string().chars() {
        if is_dangerous(c) {
            // Writing to a `String` cannot fail.
            let _ = write!(quoted, "\\u{:04x}", u32::from(c));
        } else {
            quoted.push(c);
        }
    }
    quoted
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_shown_reads_as_what_it_shows() {
        let value = json!({
            "server": {"listen": "127.0.0.1:80", "allow": [], "none": null, "on": "yes", "a: b": 1.5, "x/y~z": true},
            "rules": [
                {"name": "a", "on": ["issues.*", "*"], "then": [{"comment": {"body": "One:\n\n- two # no comment\n"}}, {"reopen": {}}]},
                {"name": "", "lists": [[1, [2, "x"]], [{"a": 1, "b": [true]}]]},
            ],
            "odd": ["a\u{202e}b", "\n", "a\n", " a\nb", "a\n\n", "\ta\nb", "- a", "#", "|", "'\"", "a\r\nb", "1", "null", "é #x"],
            "deep": {"a": {"b": {"text": "one\ntwo"}}},
        });
        let origins: Origins = [("/server/listen", "orchd.yaml:1:2"), ("/deep/a/b/text", "x.yaml:1:1")]
            .map(|(pointer, origin)| (pointer.to_owned(), origin.to_owned()))
            .into();
        let yaml = write(&value, &origins);
        let read: Value = serde_yaml::from_str(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        assert_eq!(read, value, "{yaml}");
        assert!(yaml.contains("  listen: 127.0.0.1:80  # orchd.yaml:1:2\n"), "{yaml}");
        assert!(yaml.contains("text: |-  # x.yaml:1:1\n"), "{yaml}");
    }

    #[test]
    fn a_rule_is_written_in_the_usual_order_and_without_what_is_not_set() {
        let rule = json!({"if": null, "limits": {"actions_per_hour": null}, "mode": "active", "name": "docs",
            "on": ["push.*"], "repositories": ["**"], "then": [{"label": {"add": ["a"]}}]});
        let yaml = write_rule(&rule);
        assert_eq!(
            yaml,
            "name: docs\nmode: active\nrepositories:\n  - '**'\non:\n  - push.*\nthen:\n  - label:\n      add:\n        - a\n"
        );
        assert!(!write_rule(&Value::Null).contains(':'));
    }
}
