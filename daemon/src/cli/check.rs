//! `orchd check`: the setup of a repository on this disk. Takes no daemon, no config and no network.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::{Global, output};
use crate::actions;
use crate::checkout::{self, OnDisk};
use crate::config::repository;
use crate::core::checkup::{self, CHECKS, Finding, Report, Severity, State, Told};
use crate::core::facts::Known;
use crate::core::text::harmless;

pub(super) const ABOUT: &str = "\
What is looked at, and what the score is made of: docs/checks.md. Some of it only GitHub knows
(labels, rules of branches, owners that do not exist): the Action asks it, this command does not,
and says so.";

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The repository [default: the one that this directory is in].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Fail when there is a finding of this severity or a worse one.
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t = FailOn::Error)]
    fail_on: FailOn,
    /// Leave a check out; may be given several times.
    #[arg(long, value_name = "CHECK", value_parser = ids(), hide_possible_values = true)]
    skip: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailOn {
    Error,
    Warning,
    Never,
}

impl FailOn {
    fn severity(self) -> Option<Severity> {
        match self {
            Self::Error => Some(Severity::Error),
            Self::Warning => Some(Severity::Warning),
            Self::Never => None,
        }
    }
}

fn ids() -> PossibleValuesParser {
    PossibleValuesParser::new(CHECKS.iter().map(|check| check.id))
}

impl Check {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let dir = self.dir.clone().unwrap_or_else(|| checkout::root_of(".".as_ref()));
        let OnDisk { checkout, default_branch, without_git } =
            checkout::read(&dir).map_err(|error| Failure::failed(error.to_string()))?;
        let default_branch = default_branch.map_or(Known::NotYet, Known::Is);
        let told = Told { default_branch, ..Told::default() };
        let read_rules = |path: &str, text: &str| repository::faults(path, text, actions::kinds());
        let report = checkup::examine(&checkout, &told, &read_rules, &self.skip);
        if global.json {
            let document = serde_json::to_value(&report).map_err(|error| Failure::failed(error.to_string()))?;
            output::print_json(&document)?;
        } else {
            if let Some(why) = without_git {
                output::note(&format!("orchd: every file below {} counts: {why}", dir.display()));
            }
            output::print(&shown(&report))?;
        }
        match self.fail_on.severity().map_or(0, |least| report.failed_at(least)) {
            0 => Ok(()),
            1 => Err(Failure::failed("1 check failed")),
            failed => Err(Failure::failed(format!("{failed} checks failed"))),
        }
    }
}

/// The report for a person: what is wrong by check, what was not looked at, what is well, the score.
fn shown(report: &Report) -> String {
    let mut text = String::new();
    for outcome in &report.checks {
        let mut found = report.of(outcome.check).peekable();
        if found.peek().is_some() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}: {}", outcome.check, outcome.title);
        }
        found.for_each(|finding| text.push_str(&line(finding)));
    }
    let open: Vec<_> = report.checks.iter().filter(|outcome| !outcome.not_done.is_empty()).collect();
    if !open.is_empty() {
        text.push_str("Not looked at:\n");
    }
    for outcome in open {
        let _ = writeln!(text, "  {}: {}", outcome.check, harmless(&outcome.not_done.join("; ")));
    }
    for (state, title) in [(State::Skipped, "Skipped"), (State::Passed, "Passed")] {
        let names: Vec<&str> =
            report.checks.iter().filter(|outcome| outcome.state == state).map(|outcome| outcome.check).collect();
        if !names.is_empty() {
            let _ = writeln!(text, "{title}: {}", names.join(", "));
        }
    }
    let summary = &report.summary;
    let counts = [(summary.errors, "error"), (summary.warnings, "warning"), (summary.notices, "notice")];
    let counts = counts.map(|(count, noun)| format!("{count} {noun}{}", if count == 1 { "" } else { "s" }));
    let _ = writeln!(text, "Score {} of 100: {}", report.score, counts.join(", "));
    text
}

fn line(finding: &Finding) -> String {
    let numbers = finding.line.map(|line| format!(":{line}:{}", finding.column.unwrap_or(1))).unwrap_or_default();
    let place = finding.path.as_ref().map(|path| format!("{}{numbers}: ", harmless(path))).unwrap_or_default();
    let Finding { severity, message, advice, .. } = finding;
    format!("  {place}{}: {}\n      {}\n", severity.word(), harmless(message), harmless(advice))
}
