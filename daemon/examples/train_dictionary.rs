//! Trains a payload dictionary: `cargo run --release --example train_dictionary -- OUTPUT [CHECK_DIRECTORY]`.
//!
//! It learns from payloads that the generator of `orchd-fake` makes up: nothing of anybody's real payloads may get into a
//! dictionary, for it is published with the program. With a directory of JSON files it also says how well the dictionary
//! does on those, at several levels.
//!
//! A dictionary that was released never changes: write a new file with the next number.

#![allow(clippy::print_stdout, reason = "a program for people who work on the project")]

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use orchd_fake::payload::{sample, to_github_json};

/// Bytes. Larger ones gain little and cost cache.
const SIZE: usize = 32 << 10;

/// Payloads it learns from.
const SAMPLES: u64 = 4_000;

const LEVELS: [i32; 6] = [-5, -3, -1, 1, 2, 3];

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let output = arguments.next().context("usage: train_dictionary OUTPUT [CHECK_DIRECTORY]")?;
    let samples: Vec<Vec<u8>> = (0..SAMPLES).map(|seed| to_github_json(&sample(seed).1).into_bytes()).collect();
    let dictionary = zstd::dict::from_samples(&samples, SIZE)?;
    println!("{} bytes from {SAMPLES} samples", dictionary.len());
    // Others than it was trained on, so that the figure is honest.
    let fresh: Vec<Vec<u8>> = (0..500).map(|seed| to_github_json(&sample(SAMPLES + seed).1).into_bytes()).collect();
    report("generated payloads", &fresh, &dictionary)?;
    if let Some(directory) = arguments.next() {
        report(&directory, &read(Path::new(&directory))?, &dictionary)?;
    }
    std::fs::write(output, dictionary)?;
    Ok(())
}

fn report(what: &str, payloads: &[Vec<u8>], dictionary: &[u8]) -> anyhow::Result<()> {
    let before: usize = payloads.iter().map(Vec::len).sum();
    println!("{what}: {} of {} bytes", payloads.len(), before / payloads.len());
    for level in LEVELS {
        let encoder = zstd::dict::EncoderDictionary::copy(dictionary, level);
        let mut compressor = zstd::bulk::Compressor::with_prepared_dictionary(&encoder)?;
        let began = Instant::now();
        let mut after = 0;
        for payload in payloads {
            after += compressor.compress(payload)?.len();
        }
        let each = began.elapsed() / u32::try_from(payloads.len())?;
        println!("  level {level:2}: {} bytes, {each:?} a payload", after / payloads.len());
    }
    Ok(())
}

/// Payloads in files: one each, or an array of `{examples: […]}` as GitHub's published examples come.
fn read(directory: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut payloads = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read(path)?;
        match serde_json::from_slice::<serde_json::Value>(&text)? {
            serde_json::Value::Array(events) => {
                let examples = events.iter().filter_map(|event| event["examples"].as_array()).flatten();
                payloads.extend(examples.map(|example| example.to_string().into_bytes()));
            }
            _ => payloads.push(text),
        }
    }
    Ok(payloads)
}
