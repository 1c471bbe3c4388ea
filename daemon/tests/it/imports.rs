//! Imports point one way: `core` ← `checkout, config, store, github` ← `actions` ← `engine` ← `http` ← `app` ← `cli`.

use std::fs;
use std::path::{Path, PathBuf};

/// Which top-level modules each one may name. A module may always name itself.
const ALLOWED: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("checkout", &["core"]),
    ("config", &["core"]),
    ("store", &["core"]),
    ("github", &["core"]),
    ("actions", &["core", "config", "github"]),
    ("telemetry", &["core", "config", "github"]),
    ("engine", &["core", "config", "store", "github", "actions", "telemetry"]),
    ("http", &["core", "config", "store", "github", "actions", "engine", "telemetry"]),
    ("cli", &["core", "checkout", "config", "store", "github", "actions", "engine", "http", "telemetry", "app"]),
    ("app", &["core", "config", "store", "github", "actions", "engine", "http", "telemetry"]),
];

fn source_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The word after each `crate::` of a source text.
fn named_modules(text: &str) -> Vec<&str> {
    let word_end = |rest: &str| rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    text.match_indices("crate::")
        .map(|(at, found)| &text[at + found.len()..])
        .map(|rest| &rest[..word_end(rest)])
        .collect()
}

#[test]
fn imports_point_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&src, &mut files);
    let mut wrong = Vec::new();
    let mut checked = 0;
    for file in files {
        let inside = file.strip_prefix(&src).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if matches!(module, "lib" | "main") {
            continue;
        }
        let (_, allowed) = ALLOWED
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("`{module}` has no place in the import order: give it one in this test"));
        let text = fs::read_to_string(&file).unwrap();
        for named in named_modules(&text) {
            checked += 1;
            let fine = named == module || allowed.contains(&named) || !ALLOWED.iter().any(|(name, _)| *name == named);
            if !fine {
                wrong.push(format!("{} names crate::{named}", inside.display()));
            }
        }
    }
    assert!(checked > 50, "only {checked} imports were found: the test does not look where the code is");
    assert!(wrong.is_empty(), "imports against the order:\n{}", wrong.join("\n"));
}

#[test]
fn no_module_has_a_name_that_means_nothing() {
    let mut files = Vec::new();
    source_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let vague = ["util", "utils", "common", "helpers", "types", "manager", "misc"];
    let wrong: Vec<_> = files
        .iter()
        .filter(|file| file.iter().any(|part| vague.contains(&part.to_str().unwrap().trim_end_matches(".rs"))))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
