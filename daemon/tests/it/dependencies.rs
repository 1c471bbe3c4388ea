//! What is linked: one TLS and crypto stack, one version of what shares types, no surprise features. `deny.toml` says
//! the same to `cargo deny`, and more.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Every crate that is built, as (name, version). Not read from Cargo.lock: that also lists what no feature turns on.
fn built(edges: &str, selection: &[&str]) -> BTreeSet<(String, String)> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", edges, "--prefix", "none", "--format", "{p}"])
        .args(selection)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let crates = String::from_utf8(output.stdout).unwrap();
    let name_and_version = |line: &str| {
        let (name, rest) = line.split_once(" v")?;
        Some((name.to_owned(), rest.split_whitespace().next()?.to_owned()))
    };
    crates.lines().filter_map(name_and_version).collect()
}

#[test]
fn there_is_one_crypto_stack_and_one_version_of_what_shares_types() {
    let built = built("normal,build,dev", &["--workspace"]);
    let versions = |wanted: &str| built.iter().filter(|(name, _)| name == wanted).count();
    for banned in ["ring", "openssl", "openssl-sys", "native-tls", "rsa"] {
        assert_eq!(versions(banned), 0, "{banned} is built");
    }
    for single in ["aws-lc-rs", "aws-lc-sys", "jsonwebtoken", "rustls", "serde_json", "sqlx-core", "tokio"] {
        assert_eq!(versions(single), 1, "versions of {single}");
    }
}

#[test]
fn without_the_server_there_is_no_store_and_no_listener() {
    let built = built("normal", &["--package", "orchd", "--no-default-features"]);
    for server in ["clap", "comfy-table", "metrics-exporter-prometheus", "notify", "sqlx", "warp", "zstd"] {
        assert!(!built.iter().any(|(name, _)| name == server), "{server} is built");
    }
}

/// With `preserve_order` serde_json depends on indexmap; Cargo.lock covers every combination of features.
#[test]
fn no_feature_makes_json_keep_the_order_of_keys() {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock")).unwrap();
    let json = lock.split("[[package]]").find(|package| package.contains("name = \"serde_json\"")).unwrap();
    assert!(!json.contains("indexmap"), "{json}");
}
