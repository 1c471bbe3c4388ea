//! `orchd config`: works on files, and with the daemon on what runs, ran and is held.

use std::path::{Path, PathBuf};

use chrono::Utc;
use clap::Subcommand;

use super::config_diff::Diff;
use super::config_history;
use super::daemon::Daemon;
use super::failure::Failure;
use super::{Global, output};
use crate::core::rule::{Mode, RuleName};
use crate::core::text;
use crate::{actions, config};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check a config wholly, and list everything that is wrong with it.
    Check {
        /// The file to check [default: that of --config].
        file: Option<PathBuf>,
    },
    /// Print the JSON Schema of a config, for editors.
    Schema,
    /// Let a config in that the daemon holds because its new or changed rules would touch much. `orchd status` names it.
    Confirm {
        /// The revision that is held.
        revision: String,
    },
    /// Say which rules a changed config adds, removes and changes, and what these would have touched.
    Diff(Diff),
    /// List the configs that ran, newest first.
    History {
        /// Revisions at most, up to 1000.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Put an earlier config back: its rules, its guards, and whether it writes. The files stay, and are held.
    Rollback {
        /// The revision, or the beginning of it or of its commit.
        revision: String,
    },
    /// Print the effective config, with every default filled in and secrets masked.
    Show,
}

impl Command {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Check { file } => check(file.as_deref().unwrap_or(&global.config), global.json),
            Self::Schema => output::print_json(&config::schema::schema(actions::kinds())),
            Self::Confirm { revision } => {
                super::ask(async move { confirm(&Daemon::find(global)?, revision, global.json).await })
            }
            Self::Diff(diff) => super::ask(async move { diff.run(global).await }),
            Self::History { limit } => {
                super::ask(async move { config_history::history(&Daemon::find(global)?, *limit, global.json).await })
            }
            Self::Rollback { revision } => {
                super::ask(
                    async move { config_history::roll_back(&Daemon::find(global)?, revision, global.json).await },
                )
            }
            Self::Show => show(&global.config, global.json),
        }
    }
}

async fn confirm(daemon: &Daemon, revision: &str, json: bool) -> Result<(), Failure> {
    if revision.is_empty() || !revision.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Failure::failed(format!("`{revision}` is no revision: `orchd status` names the one that is held")));
    }
    let answer = daemon.post(&format!("/api/config/{revision}/confirm")).await?;
    if json { output::print_json(&answer) } else { output::print(&format!("revision {revision} is in use\n")) }
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

fn listing(problems: &config::Problems) -> String {
    problems.to_string().lines().map(|line| text::harmless(line) + "\n").collect()
}

fn counted(problems: usize, file: &Path) -> String {
    let noun = if problems == 1 { "problem" } else { "problems" };
    format!("{} has {problems} {noun}", file.display())
}

fn show(file: &Path, json: bool) -> Result<(), Failure> {
    let config = config::load(file, actions::kinds(), Utc::now())
        .map_err(|problems| Failure::failed(format!("{problems}\n{}", counted(problems.0.len(), file))))?;
    if json {
        return output::print_json(&config.effective);
    }
    let yaml = serde_yaml::to_string(&config.effective)
        .map_err(|error| Failure::failed(format!("the config cannot be shown as YAML ({error}): use --json")))?;
    output::print(&yaml)
}
