//! What is generated from the code and checked in: `UPDATE=1` writes it anew, else a stale file fails.

use std::fs;
use std::path::Path;

use orchd::{actions, config};

fn current(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{name} is stale: write it anew with UPDATE=1 cargo test --test it generated");
}

#[test]
fn generated_schema_is_current() {
    let schema = config::schema::schema(actions::kinds());
    current("config/orchd.schema.json", &format!("{}\n", serde_json::to_string_pretty(&schema).unwrap()));
}

#[test]
fn generated_configuration_page_is_current() {
    current("docs/configuration.md", &config::reference::markdown(actions::kinds()));
}
