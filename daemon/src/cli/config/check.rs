//! `orchd config check`.

use std::path::{Path, PathBuf};

use chrono::Utc;
use clap::Args;

use super::super::failure::Failure;
use super::super::{Global, output};
use super::{counted, listing};
use crate::core::rule::{Mode, RuleName};
use crate::core::text;
use crate::{actions, config};

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// The file to check [default: that of --config].
    file: Option<PathBuf>,
}

impl Check {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        check(self.file.as_deref().unwrap_or(&global.config), global.json)
    }
}

fn check(file: &Path, json: bool) -> Result<(), Failure> {
    match (config::load(file, actions::kinds(), Utc::now()), json) {
        (Ok(config), false) => {
            for config::Problem { file, line, column, message } in &config.notes {
                output::note(&format!("{}:{line}:{column}: note: {message}", file.display()));
            }
            for (rule, action) in final_deeds(&config) {
                output::note(&format!("rule {rule}: what `{action}` does cannot be taken back"));
            }
            let (file, rules) = (text::harmless(&file.display().to_string()), config.rules.len());
            output::print(&format!("{file} is fine: {rules} rules, revision {}\n", config.revision.hash))
        }
        (Ok(config), true) => output::print_json(&serde_json::json!({
            "ok": true, "cannot_be_taken_back": final_deeds(&config), "revision": config.revision.hash, "rules": config.rules.len(), "notes": config.notes, "problems": [],
        })),
        (Err(problems), json) => {
            if json {
                output::print_json(&serde_json::json!({ "ok": false, "problems": problems.0 }))?;
            } else {
                output::print(&listing(&problems))?;
            }
            Err(Failure::failed(counted(problems.0.len(), file)))
        }
    }
}

/// What active rules do that cannot be taken back.
fn final_deeds(config: &config::Config) -> Vec<(&RuleName, &str)> {
    let is_final = |name: &str| actions::kinds().iter().any(|kind| kind.name == name && !kind.undoable);
    let rules = config.rules.iter().filter(|rule| rule.mode == Mode::Active);
    let deeds = rules.flat_map(|rule| rule.then.iter().map(move |spec| (&rule.name, spec.name.as_str())));
    deeds.filter(|(_, action)| is_final(action)).collect()
}
