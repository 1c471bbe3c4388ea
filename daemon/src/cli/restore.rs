//! `orchd restore`.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::state::State;
use super::{Global, output};
use crate::core::text;
use crate::store::restore::{Restored, restore};

pub(super) const ABOUT: &str = "\
Stop the daemon first (systemctl stop orchd). The backup is read and checked as a whole before anything is touched. Of SQLite,
what is there already is set aside under another name, never removed. PostgreSQL is restored into an empty database only.";

/// `orchd restore`.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup: a directory that `orchd backup` made.
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// Set aside the database and the large payloads that are there.
    #[arg(long)]
    replace: bool,
}

impl Restore {
    pub(super) async fn run(&self, global: &Global) -> Result<(), Failure> {
        let state = State::of(global)?;
        let now = Utc::now();
        let done = restore(&self.backup, &state.options, self.replace, now).await;
        let restored =
            done.map_err(|error| Failure::failed(format!("{} was not restored: {error}", self.backup.display())))?;
        let advice = advice(&restored, &state, now);
        if global.json {
            return output::print_json(&json!({
                "database": state.name(), "manifest": restored.manifest, "set_aside": restored.set_aside,
                "pending_steps": restored.pending, "advice": advice,
            }));
        }
        let manifest = &restored.manifest;
        let mut facts = vec![
            ("restored", state.name()),
            ("as of", format!("{} UTC", text::time(manifest.taken_at))),
            ("events", manifest.counts.events.to_string()),
            ("large payloads", (manifest.files.len() - 1).to_string()),
        ];
        if let Some(head) = &manifest.audit_head {
            facts.push(("audit head", head.to_string()));
        }
        facts.extend(restored.set_aside.iter().map(|path| ("set aside", path.display().to_string())));
        let advice: String = advice.iter().map(|line| format!("{}\n", text::harmless(line))).collect();
        output::print(&format!("{}\n{advice}", output::facts(&facts)))
    }
}

/// What the restore means for what came since, and what to do.
fn advice(restored: &Restored, state: &State, now: DateTime<Utc>) -> Vec<String> {
    let manifest = &restored.manifest;
    let taken = text::time(manifest.taken_at);
    let mut lines = vec!["Start the daemon: systemctl start orchd".to_owned()];
    if restored.pending > 0 {
        lines.push(format!("The start brings the tables to this version: {} steps.", restored.pending));
    }
    let window = TimeDelta::from_std(state.config.window).unwrap_or(TimeDelta::MAX);
    let oldest = now.checked_sub_signed(window).unwrap_or(DateTime::<Utc>::MIN_UTC);
    lines.push(format!(
        "What GitHub delivered after {taken} UTC is not in it: recovery fetches after the start what GitHub still has, {} days.",
        window.num_days()
    ));
    if manifest.taken_at < oldest {
        lines.push(format!(
            "GitHub no longer has what it delivered before {} UTC: recovery.sweep finds the items that changed meanwhile.",
            text::time(oldest)
        ));
    }
    lines.push(
        "What orchd did since then it does not know any more: rules decide again, and each action looks at the item before it \
         writes. Jobs that ran at that time begin again once their lease is over; a write that was under way is checked, not repeated."
            .to_owned(),
    );
    if let Some(anchors) = &state.config.anchors {
        lines.push(format!(
            "orchd audit verify will say that the chain's end was cut off: {} has anchors of rows after the backup. Keep it, \
             and begin a new file.",
            anchors.display()
        ));
    }
    if !manifest.audit_proved {
        lines.push("The audit chain did not hold when the backup was taken: see orchd audit verify.".to_owned());
    }
    lines
}
