//! `orchd backup`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::Utc;
use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::state::State;
use super::{Global, output};
use crate::core::text;
use crate::engine::backup::{BackedUp, back_up};

pub(super) const ABOUT: &str = "\
The daemon goes on meanwhile. A backup is a directory DIR/orchd-TIME with the database, the large payloads and a manifest. It
is checked before it gets its name; what was killed on the way leaves none. It holds neither the config nor its secrets: keep
those too, and keep backups where only you can read them. See `orchd restore --help`.

Exit codes:
  0  there is a new backup, and all in it is well
  1  there is none; or there is, but the text names what is wrong with what was backed up";

/// `orchd backup`.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Where backups go; made if it is not there.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Remove the oldest backups in DIR beyond this many. Nothing but backups is removed.
    #[arg(long, value_name = "N")]
    keep: Option<NonZeroUsize>,
}

impl Backup {
    pub(super) async fn run(&self, global: &Global) -> Result<(), Failure> {
        let state = State::of(global)?;
        let shown = self.directory.display();
        let into = std::path::absolute(&self.directory);
        let into = into.map_err(|error| Failure::failed(format!("{shown} is not a directory's name: {error}")))?;
        let began = Instant::now();
        let done = back_up(&state.options, &into, self.keep, Utc::now()).await;
        let done = done.map_err(|error| Failure::failed(format!("no backup of {}: {error}", state.name())))?;
        tell(&done, began.elapsed(), global.json)?;
        judge(&done)
    }
}

fn tell(done: &BackedUp, took: Duration, json: bool) -> Result<(), Failure> {
    let BackedUp { backup, proof, thinned } = done;
    let manifest = &backup.manifest;
    if json {
        return output::print_json(&json!({
            "path": backup.path, "size": manifest.size(), "took_seconds": took.as_secs_f64(), "manifest": manifest,
            "audit": proof, "lost_objects": backup.lost, "removed": thinned.removed, "left": thinned.left,
        }));
    }
    let objects = manifest.files.len() - 1;
    let mut facts = vec![
        ("backup", backup.path.display().to_string()),
        ("size", text::size(manifest.size())),
        ("events", manifest.counts.events.to_string()),
        ("large payloads", objects.to_string()),
    ];
    if let Some(head) = &manifest.audit_head {
        facts.push(("audit head", head.to_string()));
    }
    facts.push(("took", format!("{:.1} s", took.as_secs_f64())));
    facts.extend(thinned.removed.iter().map(|path| ("removed", path.display().to_string())));
    output::print(&output::facts(&facts))?;
    for (path, reason) in &thinned.left {
        output::note(&format!("{} was not removed: {reason}", path.display()));
    }
    Ok(())
}

/// A faithful copy of what is not well is kept, and no success.
fn judge(done: &BackedUp) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    if let Some(proof) = done.proof.as_ref().filter(|proof| !proof.is_proved()) {
        let first = proof.faults.first().map_or_else(String::new, |fault| format!(" ({fault})"));
        wrong
            .push(format!("the audit chain does not hold{first}: see orchd audit verify. No older backup was removed"));
    }
    if !done.backup.lost.is_empty() {
        let (count, first) = (done.backup.lost.len(), &done.backup.lost[0]);
        wrong.push(format!(
            "{count} payloads over 1 MiB are named by events and not in the object directory, as {first}"
        ));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Failure::failed(format!("the backup was made, but {}", wrong.join("; "))))
    }
}
