//! What is different in a config, and what is wrong with one or with a rule.

use std::path::Path;

use askama::Template;
use askama::filters::HtmlSafe;
use serde_json::{Map, Value};

use crate::config::diff::{Change, RuleChange, ValueChange};
use crate::config::{self, Origins, Quoted, yaml};
use crate::core::intent::as_written;
use crate::core::text::{harmless, is_dangerous};

/// Lines of differences that are shown.
const MOST_LINES: usize = 300;

/// Problems that are shown.
const MOST_PROBLEMS: usize = 50;

/// Characters of a line that are shown.
const LONGEST_LINE: usize = 300;

/// Lines that are shown before and after one with a problem.
const AROUND: usize = 1;

/// Differences, a line each, with a sign before it.
#[derive(Template, Default)]
#[template(path = "pages/changes.html")]
pub(in crate::http) struct Changes {
    lines: Vec<Line>,
    /// Lines that are not shown.
    more: usize,
}

impl HtmlSafe for Changes {}

struct Line {
    class: &'static str,
    text: String,
}

impl Changes {
    /// Rules by their keys, and values.
    pub(in crate::http) fn of(rules: &[RuleChange], values: &[ValueChange]) -> Self {
        Self::in_full(rules, values, (&Value::Null, &Value::Null))
    }

    /// The same with what the rules were and are, where it is known: as `config show` shows them.
    pub(in crate::http) fn in_full(
        rules: &[RuleChange],
        values: &[ValueChange],
        (before, after): (&Value, &Value),
    ) -> Self {
        let mut changes = Self::default();
        for RuleChange { rule, how } in rules {
            let (old, new) = (named(before, rule), named(after, rule));
            match how {
                Change::Added => {
                    changes.push("added", &format!("+ rule {rule}"));
                    changes.push_all("added", "+   ", &new.map(yaml::write_rule).unwrap_or_default());
                }
                Change::Removed => changes.push("removed", &format!("- rule {rule}")),
                Change::Changed { keys } => {
                    changes.push("", &format!("~ rule {rule}: {}", keys.join(", ")));
                    for key in keys {
                        changes.push_all("removed", "-   ", &part(old, key));
                        changes.push_all("added", "+   ", &part(new, key));
                    }
                }
            }
        }
        for ValueChange { key, before, after } in values {
            for (class, sign, value) in [("removed", '-', before), ("added", '+', after)] {
                if !value.is_null() {
                    changes.push(class, &format!("{sign} {key}: {}", as_written(value)));
                }
            }
        }
        changes
    }

    pub(in crate::http) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    fn push_all(&mut self, class: &'static str, before: &str, text: &str) {
        text.lines().for_each(|line| self.push(class, &format!("{before}{line}")));
    }

    fn push(&mut self, class: &'static str, text: &str) {
        if self.lines.len() == MOST_LINES {
            self.more += 1;
        } else {
            self.lines.push(Line { class, text: line(text) });
        }
    }
}

fn named<'r>(rules: &'r Value, name: &str) -> Option<&'r Value> {
    rules.as_array()?.iter().find(|rule| rule.get("name").and_then(Value::as_str) == Some(name))
}

/// One key of a rule as YAML; nothing where it is not set.
fn part(rule: Option<&Value>, key: &str) -> String {
    match rule.and_then(|rule| rule.get(key)).filter(|value| !value.is_null()) {
        Some(value) => {
            let map = Map::from_iter([(key.to_owned(), value.clone())]);
            yaml::write(&Value::Object(map), &Origins::new())
        }
        None => String::new(),
    }
}

/// As much of a line as is shown, indentation and all.
fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        match c {
            _ if at == LONGEST_LINE => {
                shown.push('…');
                break;
            }
            '\t' => shown.push_str("  "),
            c if is_dangerous(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// What is wrong, each with its place and the lines around it.
#[derive(Template)]
#[template(path = "pages/problems.html")]
pub(in crate::http) struct Problems {
    rows: Vec<Wrong>,
    /// Problems that are not shown.
    more: usize,
}

impl HtmlSafe for Problems {}

struct Wrong {
    place: String,
    message: String,
    lines: Vec<Numbered>,
}

struct Numbered {
    number: usize,
    text: String,
    is_it: bool,
}

impl Problems {
    /// Of a text that stands for the file at `path`; empty: for none.
    pub(in crate::http) fn in_text(problems: &config::Problems, path: &str, text: &str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let wrong = |problem: &config::Problem| {
            let is_here = problem.file == Path::new(path);
            let from = problem.line.saturating_sub(1 + AROUND);
            let around = lines.iter().enumerate().skip(from).take(problem.line + AROUND - from);
            let numbered =
                around.map(|(at, text)| Numbered { number: at + 1, text: line(text), is_it: at + 1 == problem.line });
            Wrong::of(problem, is_here, if is_here { numbered.collect() } else { Vec::new() })
        };
        Self::cut(problems.0.len(), problems.0.iter().map(wrong))
    }

    /// Of files on disk.
    pub(in crate::http) fn on_disk(problems: &[Quoted]) -> Self {
        let wrong = |quoted: &Quoted| {
            let number = quoted.problem.line;
            let numbered = quoted.text.iter().map(|text| Numbered { number, text: line(text), is_it: true });
            Wrong::of(&quoted.problem, false, numbered.collect())
        };
        Self::cut(problems.len(), problems.iter().map(wrong))
    }

    fn cut(all: usize, rows: impl Iterator<Item = Wrong>) -> Self {
        Self { rows: rows.take(MOST_PROBLEMS).collect(), more: all.saturating_sub(MOST_PROBLEMS) }
    }
}

impl Wrong {
    fn of(problem: &config::Problem, is_here: bool, lines: Vec<Numbered>) -> Self {
        let config::Problem { file, line, column, message } = problem;
        let place = match is_here {
            true => format!("Line {line}, column {column}"),
            false => harmless(&format!("{}:{line}:{column}", file.display())),
        };
        Self { place, message: message.clone(), lines }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::diff;

    #[test]
    fn changes_show_what_was_and_what_is() {
        let before = json!({"rules": [{"name": "a", "on": ["push.*"], "mode": "active"}], "x": 1});
        let after =
            json!({"rules": [{"name": "a", "on": ["push.*"], "mode": "off"}, {"name": "b", "on": ["*"]}], "x": 2});
        let (old, new) = (&before["rules"], &after["rules"]);
        let changes = Changes::in_full(&diff::rules(old, new), &diff::values(&before, &after), (old, new));
        let lines: Vec<_> = changes.lines.iter().map(|line| line.text.as_str()).collect();
        let rule_b = ["+ rule b", "+   name: b", "+   on:", "+     - '*'"];
        let expected = [&["~ rule a: mode", "-   mode: active", "+   mode: off"], &rule_b[..], &["- x: 1", "+ x: 2"]];
        assert_eq!(lines, expected.concat());
        assert!(Changes::of(&[], &[]).is_empty());
    }

    #[test]
    fn a_problem_stands_with_its_line_and_those_around() {
        let problem = |line| config::Problem { file: "a.yaml".into(), line, column: 2, message: "bad <b>".to_owned() };
        let told = config::Problems(vec![problem(1), problem(3), problem(99)]);
        let shown = Problems::in_text(&told, "a.yaml", "one\n\u{202e}two\n<three>\n");
        let numbers: Vec<Vec<_>> =
            shown.rows.iter().map(|row| row.lines.iter().map(|line| line.number).collect()).collect();
        assert_eq!(numbers, [vec![1, 2], vec![2, 3], vec![]]);
        let html = shown.to_string();
        assert!(html.contains("Line 3, column 2") && !html.contains("<three>") && !html.contains('\u{202e}'), "{html}");
        assert!(!Problems::in_text(&told, "b.yaml", "one").to_string().contains("one"), "it is another file's line");
    }
}
