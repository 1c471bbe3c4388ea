//! Any globs on any text. The input is lines: the first is the text, the others are patterns.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orchd::core::pattern::{Case, Globs};

fuzz_target!(|input: &str| {
    let mut lines = input.lines();
    let text = lines.next().unwrap_or_default();
    let patterns: Vec<&str> = lines.collect();
    let sensitive = Globs::parse(&patterns, Case::Sensitive);
    let insensitive = Globs::parse(&patterns, Case::Insensitive);
    for globs in [sensitive, insensitive, Globs::of_names(&patterns)].into_iter().flatten() {
        globs.selects(text);
        assert_eq!(globs.texts(), patterns);
    }
});
