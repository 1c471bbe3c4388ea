//! `orchd config test`: runs files of tests, and says how what rules would do differs from what they should.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::Utc;
use clap::Args;
use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::{Global, output};
use super::listing;
use crate::actions;
use crate::config::{Cases, NamedCase, Problems, read_cases};
use crate::core::case::{Difference, differences};
use crate::core::text::harmless;

/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 32;

#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    /// Files of tests, or directories with such files (*.yaml, *.yml).
    #[arg(required = true, value_name = "DIR|FILE")]
    paths: Vec<PathBuf>,
}

/// A file, and what came of it.
struct Ran {
    file: PathBuf,
    tests: Result<Vec<(NamedCase, Vec<Difference>)>, Problems>,
}

impl Test {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let mut files = Vec::new();
        for path in &self.paths {
            let before = files.len();
            gather(path, MAX_DEPTH, &mut files)?;
            if files.len() == before {
                let path = path.display();
                return Err(Failure::failed(format!("{path} holds no tests: no file in it ends in .yaml or .yml")));
            }
        }
        let ran: Vec<Ran> = files.into_iter().map(|file| run(file, &global.config)).collect();
        let tests = || ran.iter().filter_map(|ran| ran.tests.as_ref().ok()).flatten();
        let (total, passed) = (tests().count(), tests().filter(|(_, found)| found.is_empty()).count());
        let unread = ran.iter().filter(|ran| ran.tests.is_err()).count();
        if global.json {
            let files: Vec<Value> = ran.iter().map(Ran::document).collect();
            output::print_json(&json!({
                "ok": passed == total && unread == 0, "passed": passed, "failed": total - passed, "files": files,
            }))?;
        } else {
            let told: String = ran.iter().map(Ran::told).collect();
            let (tests, files) = (counted(total, "test"), counted(ran.len(), "file"));
            output::print(&format!("{told}{tests} in {files}: {passed} passed, {} failed\n", total - passed))?;
        }
        let mut wrong = Vec::new();
        if passed < total {
            wrong.push(format!("{} failed", counted(total - passed, "test")));
        }
        if unread > 0 {
            wrong.push(format!("{} could not be run", counted(unread, "file")));
        }
        if wrong.is_empty() { Ok(()) } else { Err(Failure::failed(wrong.join(", "))) }
    }
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The files of tests in and below a directory, in the order of their names; a file is one whatever it is called.
fn gather(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let failed = |error: std::io::Error| Failure::failed(format!("{} cannot be listed: {error}", path.display()));
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort();
    for entry in entries {
        let hidden = entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_yaml = entry.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if !hidden && depth > 0 && (entry.is_dir() || is_yaml) {
            gather(&entry, depth - 1, files)?;
        }
    }
    Ok(())
}

fn run(file: PathBuf, config: &Path) -> Ran {
    let tests = read_cases(&file, config, actions::kinds(), Utc::now()).map(|Cases { rules, cases }| {
        let decided = cases.into_iter().map(|named| {
            let found = differences(&rules, &named.case);
            (named, found)
        });
        decided.collect()
    });
    Ran { file, tests }
}

impl Ran {
    /// What went wrong, for a person.
    fn told(&self) -> String {
        let tests = match &self.tests {
            Ok(tests) => tests,
            Err(problems) => return listing(problems),
        };
        let failed = tests.iter().filter(|(_, found)| !found.is_empty());
        failed.map(|(named, found)| self.told_of(named, found)).collect()
    }

    fn told_of(&self, NamedCase { name, line, column, .. }: &NamedCase, found: &[Difference]) -> String {
        let file = harmless(&self.file.display().to_string());
        let mut told = format!("FAILED {file}:{line}:{column}: {}\n", harmless(name));
        for Difference { rule, why, expected, found, explanation } in found {
            let shown = |deeds: &Value| match deeds.as_array().map(Vec::as_slice) {
                Some([]) => "nothing".to_owned(),
                _ => deeds.to_string(),
            };
            let found = found.as_ref().map_or_else(|| "cannot be told".to_owned(), shown);
            told += &format!("  rule {rule}: {}\n", harmless(why));
            told += &format!("    expected  {}\n    would do  {}\n", harmless(&shown(expected)), harmless(&found));
            for line in explanation.lines() {
                told += &format!("    {}\n", harmless(&line));
            }
        }
        told + "\n"
    }

    fn document(&self) -> Value {
        let file = self.file.display().to_string();
        match &self.tests {
            Ok(tests) => {
                json!({"file": file, "tests": tests.iter().map(test_document).collect::<Value>(), "problems": []})
            }
            Err(problems) => json!({"file": file, "tests": [], "problems": problems.0}),
        }
    }
}

fn test_document((NamedCase { name, line, column, case }, found): &(NamedCase, Vec<Difference>)) -> Value {
    let rules = |acting: bool| -> Value {
        let named = case.expected.iter().filter(|(_, expected)| expected.deeds.is_empty() != acting);
        named.map(|(rule, _)| json!(rule)).collect()
    };
    let difference = |difference: &Difference| {
        json!({
            "rule": difference.rule, "why": difference.why, "expected": difference.expected,
            "found": difference.found, "explanation": difference.explanation,
        })
    };
    json!({
        "name": name, "line": line, "column": column, "passed": found.is_empty(),
        "expected_to_act": rules(true), "expected_to_rest": rules(false),
        "differences": found.iter().map(difference).collect::<Value>(),
    })
}
