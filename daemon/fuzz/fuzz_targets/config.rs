//! Any text as a config, and as a repository's own: it loads, or every problem has its place.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use orchd::actions;
use orchd::config::{FileTerms, Problems, load, repository};
use orchd::core::event::RepoName;
use tempfile::TempDir;

static HOME: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a directory for the config"));

fn has_places(problems: &Problems) {
    assert!(!problems.0.is_empty());
    assert!(problems.0.iter().all(|problem| problem.line > 0 && problem.column > 0));
}

fuzz_target!(|text: &[u8]| {
    let path = HOME.path().join("orchd.yaml");
    fs::write(&path, text).expect("the directory can be written");
    if let Err(problems) = load(&path, &[], DateTime::UNIX_EPOCH) {
        has_places(&problems);
    }
    let Ok(text) = std::str::from_utf8(text) else { return };
    let terms = FileTerms { actions: vec!["label".to_owned()], max_rules: 20, max_size: 64 << 10 };
    let acme = RepoName::parse("acme/web").expect("it is a repository's name");
    match repository::read(text, ".github/orchd.yml", &acme, &terms, actions::kinds()) {
        Ok(rules) => assert!(rules.iter().all(|rule| rule.name.repository().is_some_and(|owner| owner == acme))),
        Err(problems) => has_places(&problems),
    }
});
