//! `orchd backtest`: what a changed config would have done.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::{Value, json};

use super::daemon::{Daemon, Parameters};
use super::failure::Failure;
use super::output::{self, Rows};
use super::{Global, USUAL_CONFIG, when};
use crate::actions;
use crate::config::{Ruleset, load_rules};
use crate::core::backtest::{Deed, Difference, Unknown};
use crate::core::event::RepoName;
use crate::core::intent::as_written;
use crate::core::rule::RuleName;
use crate::core::text::{harmless, time};
use crate::engine::backtest::Summary;

/// Steps of the progress bar.
const STEPS: u64 = 1_000;

/// Tries the rules of --config, a changed copy, on the events that the daemon has recorded, with the facts known at the
/// time, and tells how that differs from what was done. Nothing is written, and nobody is asked.
#[derive(Debug, Args)]
pub(super) struct Backtest {
    #[command(flatten)]
    past: Past,
    /// Issues and pull requests shown of each rule; --json shows all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    items: usize,
}

/// Which part of the past.
#[derive(Clone, Debug, Args)]
pub(super) struct Past {
    /// Events that arrived since: an age (30d, 12h), a date, or a time [default: 30d; config diff: 7d].
    #[arg(long, value_name = "WHEN", value_parser = when::from_argument)]
    since: Option<DateTime<Utc>>,
    /// Events that arrived before.
    #[arg(long, value_name = "WHEN", value_parser = when::from_argument)]
    until: Option<DateTime<Utc>>,
    /// Events of one repository.
    #[arg(long, value_name = "OWNER/REPO", value_parser = RepoName::parse)]
    repo: Option<RepoName>,
    /// Take what was decided under `dry_run` or `read_only` for not done.
    #[arg(skip)]
    writes_begin: bool,
}

impl Past {
    /// This past, beginning then when it says nothing. `writes_begin`: for a config that writes after one that did not.
    pub(super) fn of_diff(&self, since: DateTime<Utc>, writes_begin: bool) -> Self {
        Self { since: self.since.or(Some(since)), writes_begin, ..self.clone() }
    }

    /// `since 2026-03-01 12:00:00 UTC`.
    pub(super) fn told(&self) -> String {
        self.since.map(|since| format!("since {} UTC", time(since))).unwrap_or_default()
    }

    fn parameters(&self) -> Parameters<'static> {
        let written = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        vec![
            ("since", self.since.as_ref().map(written)),
            ("until", self.until.as_ref().map(written)),
            ("repo", self.repo.as_ref().map(ToString::to_string)),
            ("gated", self.writes_begin.then(|| "false".to_owned())),
        ]
    }
}

/// A line of the daemon's answer.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Progress { events: u64, done: f64 },
    Summary(Summary),
    Failed(String),
    Added(Deed),
    Removed(Deed),
    Unknown(Unknown),
}

impl Backtest {
    pub(super) async fn run(&self, global: &Global) -> Result<(), Failure> {
        let rules = candidate(&global.config)?;
        let daemon = Daemon::find_for_candidate(global, Path::new(USUAL_CONFIG))?;
        let mut report = Report::of(self.items);
        let summary = compare(&daemon, &rules.shown, &self.past, |part| {
            if global.json {
                return output::print_json_lines(&part.into_iter().map(|(_, line)| line).collect::<Vec<_>>());
            }
            part.iter().for_each(|(difference, _)| report.note(difference));
            Ok(())
        })
        .await?;
        if global.json {
            return output::print_json_lines(&[json!({"summary": summary})]);
        }
        output::print(&report.told(&summary))?;
        tell_what_is_not_known(&summary);
        Ok(())
    }
}

/// The rules of a candidate; its secrets need not be there.
pub(super) fn candidate(file: &Path) -> Result<Ruleset, Failure> {
    load_rules(file, actions::kinds(), Utc::now()).map_err(|problems| Failure::failed(problems.to_string()))
}

/// Differences that were found together, each with its line.
pub(super) type Part = Vec<(Difference, Value)>;

/// Has the daemon compare; differences are told as they come.
pub(super) async fn compare(
    daemon: &Daemon,
    rules: &Value,
    past: &Past,
    mut tell: impl FnMut(Part) -> Result<(), Failure>,
) -> Result<Summary, Failure> {
    // Drawn on standard error, and on a terminal only.
    let bar = ProgressBar::new(STEPS);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}  {eta} left") {
        bar.set_style(style);
    }
    let (mut summary, mut part) = (None, Part::new());
    let told = |line: Value| {
        match output::read(line.clone())? {
            Line::Progress { events, done } => {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share, 0 to 1")]
                bar.set_position((done * STEPS as f64) as u64);
                bar.set_message(format!("{events} events"));
                tell(std::mem::take(&mut part))?;
            }
            Line::Summary(told) => summary = Some(told),
            Line::Failed(reason) => return Err(Failure::failed(reason)),
            Line::Added(deed) => part.push((Difference::Added(deed), line)),
            Line::Removed(deed) => part.push((Difference::Removed(deed), line)),
            Line::Unknown(unknown) => part.push((Difference::Unknown(unknown), line)),
        }
        Ok(())
    };
    let ended = daemon.lines_about("/api/backtests", past.parameters(), &json!({"rules": rules}), told).await;
    bar.finish_and_clear();
    ended?;
    match summary {
        Some(summary) if summary.complete => Ok(summary),
        _ => Err(Failure::unreachable("the daemon broke the backtest off: it is stopping")),
    }
}

/// What a summary leaves open, on standard error.
pub(super) fn tell_what_is_not_known(summary: &Summary) {
    let Summary { events, without_payload, not_processed, .. } = summary;
    if *without_payload > 0 {
        output::note(&format!(
            "{without_payload} of {events} events could not be decided on: their payloads are dropped (`retention.payloads`), or cannot be read"
        ));
    }
    if *not_processed > 0 {
        output::note(&format!("{not_processed} of {events} events wait to be decided on, and were left out"));
    }
}

/// Differences by rule and item, as many as are shown.
#[derive(Default)]
pub(super) struct Report {
    most: usize,
    /// By rule: what would be different on which item, how often, in order of arrival.
    rules: BTreeMap<RuleName, Vec<(String, u64)>>,
    /// Of each rule: differences on items that are not shown.
    more: BTreeMap<RuleName, u64>,
}

impl Report {
    /// One that shows so many items of each rule.
    pub(super) fn of(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    pub(super) fn note(&mut self, difference: &Difference) {
        let line = line(difference);
        let lines = self.rules.entry(difference.rule().clone()).or_default();
        if let Some((_, times)) = lines.iter_mut().find(|(known, _)| *known == line) {
            *times += 1;
        } else if lines.len() < self.most {
            lines.push((line, 1));
        } else {
            *self.more.entry(difference.rule().clone()).or_default() += 1;
        }
    }

    fn told(&self, summary: &Summary) -> String {
        if summary.rules.is_empty() {
            return format!("{} events: no rule acted, and none would have.\n", summary.events);
        }
        let mut rows = Rows::new(["rule", "added", "removed", "unchanged", "unknown", "shadow"]);
        for (rule, counts) in &summary.rules {
            let numbers = [counts.added, counts.removed, counts.unchanged, counts.unknown, counts.shadow];
            let [added, removed, unchanged, unknown, shadow] = numbers.map(|number| number.to_string());
            rows.push([rule.to_string(), added, removed, unchanged, unknown, shadow]);
        }
        format!("{}{}", rows.text(), self.items())
    }

    /// The differences of each rule.
    pub(super) fn items(&self) -> String {
        let mut text = String::new();
        for (rule, lines) in &self.rules {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n{rule}");
            for (line, times) in lines {
                let times = if *times > 1 { format!("  ({times} times)") } else { String::new() };
                let _ = writeln!(text, "  {}{times}", harmless(line));
            }
            if let Some(more) = self.more.get(rule) {
                let _ = writeln!(text, "  … and {more} more: --items, or --json");
            }
        }
        text
    }
}

/// `+ acme/web#7  label {add: [docs]}`
fn line(difference: &Difference) -> String {
    let about = difference.about();
    match difference {
        Difference::Added(deed) => format!("+ {about}  {} {}", deed.action, as_written(&deed.params)),
        Difference::Removed(deed) => format!("- {about}  {} {}", deed.action, as_written(&deed.params)),
        Difference::Unknown(unknown) => {
            let needs: Vec<String> = unknown.needs.iter().map(ToString::to_string).collect();
            format!("? {about}  hangs on {}, which nobody asked for", needs.join(" and "))
        }
    }
}
