//! `orchd config`: works on files, and with the daemon on what runs, ran and is held. One file a subcommand.

mod check;
mod confirm;
mod diff;
mod history;
mod rollback;
mod show;
mod test;

use std::path::Path;

use clap::Subcommand;

use super::failure::Failure;
use super::{Global, output};
use crate::core::text;
use crate::{actions, config};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check a config wholly, and list everything that is wrong with it.
    Check(check::Check),
    /// Print the JSON Schema of a config, for editors.
    Schema,
    /// Let a config in that the daemon holds because its new or changed rules would touch much. `orchd status` names it.
    Confirm(confirm::Confirm),
    /// Say which rules a changed config adds, removes and changes, and what these would have touched.
    Diff(diff::Diff),
    /// List the configs that ran, newest first.
    History(history::History),
    /// Put an earlier config back: its rules, its guards, and whether it writes. The files stay, and are held.
    Rollback(rollback::Rollback),
    /// Print the effective config, with every default filled in, secrets masked, and where each value came from.
    Show,
    /// Run tests of rules: events that are made up, and what each rule should do about them. Nothing is asked of GitHub.
    Test(test::Test),
}

impl Command {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Check(check) => check.run(global),
            Self::Schema => output::print_json(&config::schema::schema(actions::kinds())),
            Self::Confirm(confirm) => confirm.run(global),
            Self::Diff(diff) => diff.run(global),
            Self::History(history) => history.run(global),
            Self::Rollback(rollback) => rollback.run(global),
            Self::Show => show::run(&global.config, global.json),
            Self::Test(test) => test.run(global),
        }
    }
}

/// A line for each problem.
fn listing(problems: &config::Problems) -> String {
    problems.to_string().lines().map(|line| text::harmless(line) + "\n").collect()
}

fn counted(problems: usize, file: &Path) -> String {
    let noun = if problems == 1 { "problem" } else { "problems" };
    format!("{} has {problems} {noun}", file.display())
}
