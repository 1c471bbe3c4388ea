//! `orchd config diff`: what a changed config would change, in rules and, by backtest, on GitHub.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use chrono::{Duration, Utc};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::history::mark;
use crate::cli::backtest::{Past, Report, candidate, compare, tell_what_is_not_known};
use crate::cli::daemon::Daemon;
use crate::cli::failure::Failure;
use crate::cli::{Global, ask, output};
use crate::config::diff::{Change, RuleChange, ValueChange, rules, values};
use crate::core::backtest::Difference;
use crate::core::text::{harmless, shortened};
use crate::{actions, config};

/// How far back the touched items are looked for, unless --since says.
const LOOK_BACK: Duration = Duration::days(7);

#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    /// The changed config.
    file: PathBuf,
    /// Only compare: do not look for what would be touched.
    #[arg(long)]
    no_backtest: bool,
    #[command(flatten)]
    past: Past,
    /// Issues and pull requests shown of each rule; --json shows all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    items: usize,
}

#[derive(Deserialize)]
struct Running {
    revision: String,
    effective: Value,
}

impl Diff {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        ask(self.tell(global))
    }

    async fn tell(&self, global: &Global) -> Result<(), Failure> {
        let daemon = Daemon::find(global)?;
        let new = candidate(&self.file)?;
        let Running { revision, effective } = output::read(daemon.get("/api/config", vec![]).await?)?;
        let changes = rules(&effective["rules"], &new.shown);
        let other = other_values(&effective, &self.file)?;
        if global.json {
            let compared =
                json!({"running": revision, "candidate": new.revision.hash, "rules": changes, "values": other});
            output::print_json_lines(&[compared])?;
        } else {
            output::print(&told(&changes, &other))?;
        }
        // A config that writes after one that did not lets all its rules loose.
        let writes_begin = !writes(&effective, &[]) && writes(&effective, &other);
        if self.no_backtest || (changes.is_empty() && !writes_begin) {
            return Ok(());
        }
        let changed = changes.iter().map(|change| change.rule.as_str()).collect();
        let different = if writes_begin { None } else { Some(changed) };
        self.backtest(&daemon, &new.shown, different, global.json).await
    }

    /// What rules that are different would have done differently; `None`: all of them, which did not write before.
    async fn backtest(
        &self,
        daemon: &Daemon,
        shown: &Value,
        different: Option<BTreeSet<&str>>,
        json: bool,
    ) -> Result<(), Failure> {
        let past = self.past.of_diff(Utc::now() - LOOK_BACK, different.is_none());
        let (mut report, mut touched) = (Report::of(self.items), BTreeSet::new());
        let matters =
            |difference: &Difference| different.as_ref().is_none_or(|rules| rules.contains(difference.rule().as_str()));
        let summary = compare(daemon, shown, &past, |part| {
            let part = part.into_iter().filter(|(difference, _)| matters(difference));
            if json {
                return output::print_json_lines(&part.map(|(_, line)| line).collect::<Vec<_>>());
            }
            for (difference, _) in part {
                touched.insert(difference.about());
                report.note(&difference);
            }
            Ok(())
        })
        .await?;
        if json {
            return output::print_json_lines(&[json!({"summary": summary})]);
        }
        let since = past.told();
        let text = match touched.len() {
            0 => format!("\nNothing would have been different {since}.\n"),
            1 => format!("\nOn 1 item something would have been different {since}:\n{}", report.items()),
            n => format!("\nOn {n} items something would have been different {since}:\n{}", report.items()),
        };
        output::print(&text)?;
        tell_what_is_not_known(&summary);
        Ok(())
    }
}

/// Whether a config with these changes may write.
fn writes(running: &Value, changes: &[ValueChange]) -> bool {
    ["dry_run", "read_only"].into_iter().all(|name| {
        let key = format!("github.{name}");
        let changed = changes.iter().find(|change| change.key == key).map(|change| &change.after);
        changed.unwrap_or(&running["github"][name]) != &Value::Bool(true)
    })
}

/// What is different beside the rules; nothing, and a note, when the rest of the file cannot be read here.
fn other_values(running: &Value, file: &Path) -> Result<Vec<ValueChange>, Failure> {
    match config::load(file, actions::kinds(), Utc::now()) {
        Ok(config) => Ok(values(running, &config.effective)),
        Err(problems) => {
            let first = problems.0.first().map(|problem| problem.message.clone()).unwrap_or_default();
            output::note(&format!("only rules are compared, for the rest cannot be read here: {first}"));
            Ok(Vec::new())
        }
    }
}

fn told(changes: &[RuleChange], values: &[ValueChange]) -> String {
    if changes.is_empty() && values.is_empty() {
        return "It is what runs.\n".to_owned();
    }
    let mut text = String::new();
    for RuleChange { rule, how } in changes {
        let keys = match how {
            Change::Changed { keys } => format!(": {}", keys.join(", ")),
            Change::Added | Change::Removed => String::new(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} rule {rule}{keys}", mark(how));
    }
    for ValueChange { key, before, after } in values {
        let short = |value: &Value| harmless(&shortened(&value.to_string()));
        let _ = writeln!(text, "~ {key}: {} → {}", short(before), short(after));
    }
    text
}
