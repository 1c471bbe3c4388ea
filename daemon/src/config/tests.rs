//! Whole configs, good and bad, as a user would write them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad;
mod cases;
mod examples;
mod extends;
mod good;
#[cfg(feature = "server")]
mod hold;
mod origins;

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use orchd_fake::AppKey;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::load::load_in;
use super::{Config, Problems};
use crate::core::intent::ActionKind;

/// An App's private key, made for this run: none lies in the repository.
fn private_key() -> String {
    AppKey::shared().pem().to_owned()
}

/// An App and a webhook secret: what an active rule needs.
const APP: &str =
    "github: {client_id: Iv1.abc, private_key: {credential: app.pem}, webhook_secrets: [{credential: hook}]}\n";

/// A directory with a config, its includes and its secrets.
struct Home {
    dir: TempDir,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Self { dir };
        home.write("credentials/app.pem", private_key());
        home.write("credentials/hook", "swordfish-of-the-hook\n");
        home.write("credentials/oauth", "swordfish-of-oauth\n");
        home
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn load(&self, text: impl AsRef<[u8]>) -> Result<Config, Problems> {
        self.write("orchd.yaml", text);
        self.load_file(&self.path().join("orchd.yaml"))
    }

    fn load_file(&self, path: &Path) -> Result<Config, Problems> {
        let credentials = self.path().join("credentials");
        let env = |name: &str| match name {
            "CREDENTIALS_DIRECTORY" => Some(credentials.clone().into_os_string()),
            "HOOK_SECRET" => Some(OsString::from("swordfish-of-the-environment")),
            _ => None,
        };
        load_in(path, ACTIONS, now(), &env)
    }

    /// Everything that is wrong, with paths as a user in that directory would see them.
    fn problems(&self, text: impl AsRef<[u8]>) -> String {
        let problems = self.load(text).expect_err("it should be refused");
        self.relative(&problems.to_string())
    }

    fn relative(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.path().display()), "")
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

/// Stands in for the registry of actions, which lies above this folder.
pub(super) const ACTIONS: &[ActionKind] = &[
    fake("label", "Adds and removes labels.", "label: {add: [bug], remove: [triage]}", |p| {
        known(p, &["add", "remove"])
    }),
    fake("comment", "Writes one comment.", "comment: {body: Hello}", |p| known(p, &["body"])),
    fake("assign", "Assigns people.", "assign: {add: [octocat]}", |p| known(p, &["add", "remove"])),
    fake("close", "Closes it.", "close: {reason: not_planned}", |p| known(p, &["reason"])),
    fake("reopen", "Opens it again.", "reopen: {}", |p| known(p, &[])),
    ActionKind {
        acts_on: crate::core::subject::SubjectKind::Commit,
        ..fake("build", "Builds a commit.", "build: {}", |p| known(p, &[]))
    },
];

const fn fake(
    name: &'static str,
    help: &'static str,
    example: &'static str,
    check: fn(&Value) -> Result<(), String>,
) -> ActionKind {
    ActionKind {
        name,
        help,
        example,
        undoable: true,
        commands: &[],
        acts_on: crate::core::subject::SubjectKind::Item,
        needs: |_| crate::core::permission::Needs::Item,
        reads: |_| &[],
        hears: &[],
        check,
        schema: || json!({"type": "object"}),
    }
}

fn known(params: &Value, keys: &[&str]) -> Result<(), String> {
    let map = params.as_object().ok_or("expects a map")?;
    match map.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(other) => Err(format!("unknown parameter `{other}`")),
        None => Ok(()),
    }
}
