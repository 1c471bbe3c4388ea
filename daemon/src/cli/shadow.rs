//! `orchd shadow`: what a rule in shadow would have done, and what people did.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::daemon::Daemon;
use super::failure::Failure;
use super::output::{self, Rows, or_dash, word};
use super::when;
use crate::core::rule::RuleName;
use crate::core::text::{self, harmless};
use crate::engine::shadow::Report;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Compare what a rule would have done with what people did by hand: the figure on which one turns it on.
    ///
    /// A move counts once for each item, from the first time on; the latest change by a person decides. Compared are labels,
    /// assignees, review requests that name people, closing, reopening, merging, locking, drafts and set milestones.
    Report(Asked),
}

#[derive(Debug, Args)]
pub(super) struct Asked {
    /// The rule. One of a repository's own file is named owner/repo:name.
    #[arg(value_parser = RuleName::parse)]
    rule: RuleName,
    /// Effects since then: an age (30d), a date or a time.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = when::from_argument)]
    since: DateTime<Utc>,
}

impl Command {
    pub(super) async fn run(&self, daemon: &Daemon, json: bool) -> Result<(), Failure> {
        let Self::Report(asked) = self;
        let since = ("since", Some(asked.since.to_rfc3339()));
        let answer = daemon.get(&format!("/api/shadow/{}", asked.rule), vec![since]).await?;
        if json {
            return output::print_json(&answer);
        }
        let report: Report = output::read(answer)?;
        if !report.rows.is_empty() {
            table(&report).print()?;
        }
        output::print(&summary(&report))
    }
}

fn table(report: &Report) -> Rows {
    let mut table = Rows::new(["first (UTC)", "on", "it would", "people", "what they did"]);
    for row in &report.rows {
        table.push([
            text::time(row.at),
            row.target.clone(),
            row.what.clone(),
            word(&row.answer).replace('_', " "),
            or_dash(row.hand.as_ref()),
        ]);
    }
    table
}

/// The counts on a line, and what they say.
fn summary(report: &Report) -> String {
    let figures = &report.figures;
    let counts = format!(
        "agreed {}, disagreed {}, nothing {}, not comparable {}",
        figures.agreed, figures.disagreed, figures.nothing, figures.not_comparable
    );
    let head = format!("{} since {} UTC", report.rule, text::time(report.since));
    let counts = if report.rows.is_empty() { String::new() } else { format!(": {counts}") };
    format!("{}\n{}\n", harmless(&format!("{head}{counts}")), harmless(&report.text))
}
