//! Any text as a config: it loads, or every problem has its place.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use orchd::config::load;
use tempfile::TempDir;

static HOME: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a directory for the config"));

fuzz_target!(|text: &[u8]| {
    let path = HOME.path().join("orchd.yaml");
    fs::write(&path, text).expect("the directory can be written");
    if let Err(problems) = load(&path, &[], DateTime::UNIX_EPOCH) {
        assert!(!problems.0.is_empty());
        assert!(problems.0.iter().all(|problem| problem.line > 0 && problem.column > 0));
    }
});
