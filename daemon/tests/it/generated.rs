//! What is generated from the code and checked in: `UPDATE=1` writes it anew, else a stale file fails.

use std::fs;
use std::path::Path;

use orchd::{actions, config};

use crate::payload_fields;

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

#[test]
fn generated_table_of_operations_is_current() {
    between("docs/api.md", "operations", &orchd::http::reference::markdown());
}

#[test]
fn generated_table_of_permissions_is_current() {
    between("docs/security.md", "permissions", &orchd::core::manifest::reference::markdown(actions::kinds()));
}

#[test]
fn generated_table_of_checks_is_current() {
    between("docs/checks.md", "checks", &orchd::core::checkup::reference::markdown());
}

#[test]
fn generated_schema_of_a_checks_report_is_current() {
    let schema = schemars::schema_for!(orchd::core::checkup::Report);
    current("docs/checks.schema.json", &format!("{}\n", serde_json::to_string_pretty(&schema).unwrap()));
}

/// A part of a page that is written by hand otherwise.
fn between(page: &str, part: &str, text: &str) {
    let (begin, end) = (format!("<!-- {part}: begin -->\n"), format!("<!-- {part}: end -->\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let whole = fs::read_to_string(path).unwrap();
    let (before, rest) = whole.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    current(page, &format!("{before}{begin}{text}{end}{after}"));
}

#[test]
fn generated_payload_fields_are_current() {
    current("daemon/src/core/vocabulary/payload_fields.txt", &payload_fields::table());
}

/// As a newcomer tries it: with the actions that there are, and the secrets where systemd would put them.
#[test]
fn the_example_config_and_its_rules_are_fine() {
    let credentials = tempfile::tempdir().unwrap();
    let key = orchd_fake::AppKey::shared().pem().to_owned();
    for (name, text) in [("github-app.pem", key.as_str()), ("webhook-secret", "a secret"), ("oauth-secret", "a secret")]
    {
        fs::write(credentials.path().join(name), text).unwrap();
    }
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/orchd.yaml");
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_orchd"));
    check.args(["config", "check"]).arg(&config).env("CREDENTIALS_DIRECTORY", credentials.path());
    let out = check.output().unwrap();
    let (told, notes) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && told.contains("is fine: 1"), "{told}{notes}");
    assert!(notes.is_empty(), "{notes}");
}
