//! `/api/config/file`: the config's file as it lies on disk, and what is to be told of it where it does not run.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::Utc;
use serde::Serialize;

use super::automation::off_thread;
use super::call::Call;
use crate::actions;
use crate::config::diff::{self, RuleChange, ValueChange};
use crate::config::{self, Config, Problem, Quoted, secrets_in_clear};
use crate::core::access::Level;
use crate::engine::config_file;
use crate::http::error::HttpError;

/// Problems that are told.
const MOST_PROBLEMS: usize = 50;

/// Bytes of a file from which lines are quoted: as many as a config file may have.
const LARGEST_QUOTED: u64 = 1 << 20;

/// Characters of a line that are quoted.
const LONGEST_LINE: usize = 300;

/// The file, to be edited.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "ConfigFile")]
pub(in crate::http) struct File {
    pub(in crate::http) path: String,
    /// YAML, as it stands there.
    pub(in crate::http) text: String,
    /// Of the file, in hexadecimal: what is written in its place names it, so that nobody's change is lost.
    pub(in crate::http) sha256: String,
    /// The running revision, where the file is what runs.
    pub(in crate::http) base: Option<String>,
}

/// What is on disk, where that is not what runs.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "ConfigOnDisk")]
pub(in crate::http) struct OnDisk {
    /// Why it is refused, the first fifty. The lines are for those who may edit it.
    pub(in crate::http) problems: Vec<Quoted>,
    /// What it would change, where it waits for a person.
    pub(in crate::http) rules: Vec<RuleChange>,
    pub(in crate::http) values: Vec<ValueChange>,
}

pub(super) async fn show(mut call: Call) -> Result<File, HttpError> {
    call.no_query()?;
    let running = call.app.config();
    let revision = running.revision.clone();
    let read = off_thread(move || config_file::read(&running, Utc::now())).await?;
    let found = read.map_err(|error| HttpError::Conflict(format!("the config file cannot be read: {error}")))?;
    let lines = secrets_in_clear(&found.text);
    if !lines.is_empty() {
        let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
        return Err(HttpError::Conflict(format!(
            "a secret seems to stand in the config's file itself (line {}), so it is shown to nobody: put the secret where \
             secrets are kept, with an editor on the machine",
            lines.join(", ")
        )));
    }
    let base = found.runs.then_some(revision.hash);
    Ok(File { path: revision.path.display().to_string(), text: found.text, sha256: found.sha256, base })
}

/// What is to be told of what is on disk; `None`: it runs.
pub(super) async fn on_disk(call: &Call) -> Result<Option<OnDisk>, HttpError> {
    let (status, running) = (call.app.config.status(), call.app.config());
    let may_edit = call.caller.holds(Level::Admin);
    if let Some(refused) = status.refused {
        let problems = refused.problems.0.into_iter().take(MOST_PROBLEMS).collect();
        let problems = off_thread(move || quote(problems, may_edit)).await?;
        return Ok(Some(OnDisk { problems, rules: Vec::new(), values: Vec::new() }));
    }
    let Some(held) = status.held else { return Ok(None) };
    let loaded = off_thread(move || changes(&running, &held.revision)).await?;
    let (rules, values) = loaded.unwrap_or_default();
    Ok(Some(OnDisk { problems: Vec::new(), rules, values }))
}

/// What the revision on disk changes; `None`: by now another one is there.
fn changes(running: &Config, waiting: &str) -> Option<(Vec<RuleChange>, Vec<ValueChange>)> {
    let new = config::load(&running.revision.path, actions::kinds(), Utc::now()).ok()?;
    let (before, after) = (&running.effective, &new.effective);
    let told = || (diff::rules(&before["rules"], &after["rules"]), diff::values(before, after));
    (new.revision.hash == waiting).then(told)
}

fn quote(problems: Vec<Problem>, may_edit: bool) -> Vec<Quoted> {
    let mut files: HashMap<PathBuf, Option<String>> = HashMap::new();
    let quoted = |problem: Problem| {
        let text = match may_edit {
            true => files.entry(problem.file.clone()).or_insert_with(|| read(&problem.file)).as_deref(),
            false => None,
        };
        let line = text.and_then(|text| text.lines().nth(problem.line.saturating_sub(1)));
        Quoted { text: line.map(|line| line.chars().take(LONGEST_LINE).collect()), problem }
    };
    problems.into_iter().map(quoted).collect()
}

/// A file from which lines may be quoted.
fn read(path: &Path) -> Option<String> {
    let about = path.metadata().ok().filter(|about| about.is_file() && about.len() <= LARGEST_QUOTED);
    let text = about.and_then(|_| fs::read_to_string(path).ok())?;
    secrets_in_clear(&text).is_empty().then_some(text)
}
