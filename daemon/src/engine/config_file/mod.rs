//! Writes the config's file when a person asks for it: checked as if it stood in its place, put there in one step, and
//! committed where it lies in a git checkout. The file on disk stays what counts.

mod checkout;

use std::fs::{self, File, Metadata};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::fs::{Gid, Uid, fchown};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

pub use self::checkout::Author;
use self::checkout::{GIT_ENDS_WITHIN, commit, is_checkout};
use crate::actions;
use crate::config::{self, Config, Problems, reach};

/// What the names of files begin with that wait to be put in the place of a config.
const DRAFT: &str = ".orchd-";
const DRAFT_ENDS: &str = ".yaml";

/// Characters between the two.
const DRAFT_VARIES: usize = 6;

/// Older ones were left behind by a crash: writing one takes a moment.
const DRAFTS_LIVE_FOR: Duration = Duration::from_secs(60);

/// Why a config was not written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    #[error("it does not validate:\n{0}")]
    Invalid(Problems),
    /// The revision on disk, where it validates.
    #[error("what is on disk is not what runs")]
    NotWhatRuns(Option<String>),
    #[error("the file was changed meanwhile")]
    Changed,
    /// These keys.
    #[error("{} says where secrets go", .0.join(", "))]
    Redirected(Vec<&'static str>),
    #[error("{0}")]
    Disk(String),
}

/// A checked config that is to replace the one on disk.
#[derive(Debug)]
pub struct Draft {
    pub config: Config,
    text: String,
    /// The file itself, where the config's path is a link.
    target: PathBuf,
    /// What the file held when this was made.
    before: Contents,
}

/// SHA-256 of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Contents([u8; 32]);

impl Contents {
    fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// In hexadecimal.
    fn told(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What the config's file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub text: String,
    /// In hexadecimal.
    pub sha256: String,
    /// Whether it is what runs.
    pub runs: bool,
}

/// Reads the file of the running config.
///
/// # Errors
/// When the disk does not give it.
pub fn read(running: &Config, now: DateTime<Utc>) -> Result<Standing, Unwritten> {
    let bytes = fs::read(&running.revision.path).map_err(|error| Unwritten::Disk(error.to_string()))?;
    let runs = revision_of(running, &bytes, now).as_ref() == Some(&running.revision.hash);
    let sha256 = Contents::of(&bytes).told();
    Ok(Standing { text: String::from_utf8_lossy(&bytes).into_owned(), sha256, runs })
}

/// The revision that a file in the place of the running config's is, where it validates.
fn revision_of(running: &Config, file: &[u8], now: DateTime<Utc>) -> Option<String> {
    let text = String::from_utf8_lossy(file);
    let config = config::load_text(&running.revision.path, &text, actions::kinds(), now);
    config.ok().map(|config| config.revision.hash)
}

/// Reads `text` as if it stood in the place of the running config, without writing anything. `based`: it was made from the
/// running config, so that is what must be on disk.
///
/// # Errors
/// Everything that is wrong with it, or why it may not take that place.
pub fn draft(running: &Config, text: String, based: bool, now: DateTime<Utc>) -> Result<Draft, Unwritten> {
    let failed = |error: std::io::Error| Unwritten::Disk(error.to_string());
    let path = &running.revision.path;
    let target = path.canonicalize().map_err(failed)?;
    let old = fs::read(&target).map_err(failed)?;
    if based {
        let revision = revision_of(running, &old, now);
        if revision.as_ref() != Some(&running.revision.hash) {
            return Err(Unwritten::NotWhatRuns(revision));
        }
    }
    reach::refuse_foreign_files(running, &text).map_err(Unwritten::Invalid)?;
    let config = config::load_text(path, &text, actions::kinds(), now).map_err(Unwritten::Invalid)?;
    let redirected = reach::redirected(running, &config);
    if !redirected.is_empty() {
        return Err(Unwritten::Redirected(redirected));
    }
    Ok(Draft { config, text, target, before: Contents::of(&old) })
}

/// A config that was put in its place.
#[derive(Debug)]
pub struct Placed {
    /// What is not as it was, and no reason to undo it.
    pub notes: Vec<String>,
    target: PathBuf,
}

impl Draft {
    /// Whether it is to replace the file of this SHA-256, in hexadecimal.
    pub fn replaces(&self, sha256: &str) -> bool {
        self.before.told() == sha256
    }

    /// Puts it in the place of the config, with its mode and, where that is permitted, its owner and group.
    ///
    /// # Errors
    /// When the file was changed since the draft was made, or cannot be replaced: then it stands as it was.
    pub fn put_in_place(self) -> Result<Placed, Unwritten> {
        let failed = |error: std::io::Error| Unwritten::Disk(error.to_string());
        let Self { text, target, before, .. } = self;
        let directory = target.parent().unwrap_or(Path::new("/"));
        drop_old_drafts(directory);
        let mut builder = tempfile::Builder::new();
        builder.prefix(DRAFT).suffix(DRAFT_ENDS).rand_bytes(DRAFT_VARIES);
        let mut file = builder.tempfile_in(directory).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        // As the old one: the daemon may not be the only one to read it. The owner first: it takes bits of the mode away.
        let old = target.metadata().map_err(failed)?;
        let mut notes: Vec<String> = keep_owner(&file, &old).into_iter().collect();
        file.as_file().set_permissions(old.permissions()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        // As late as can be: what is saved between this look and the next step is lost.
        if Contents::of(&fs::read(&target).map_err(failed)?) != before {
            return Err(Unwritten::Changed);
        }
        file.persist(&target).map_err(|error| failed(error.error))?;
        // Makes the new name last; what it names was synced before.
        if let Err(error) = File::open(directory).and_then(|directory| directory.sync_all()) {
            notes.push(format!("the file is written, and a power cut may take that back: its directory: {error}"));
        }
        Ok(Placed { notes, target })
    }
}

impl Placed {
    /// The commit that it is in, or why there is none; `None`: it lies in no checkout. Git is waited for, within bounds.
    pub fn commit(&self, author: &Author, message: Option<&str>) -> Option<Result<String, String>> {
        let directory = self.target.parent().unwrap_or(Path::new("/"));
        is_checkout(directory).then(|| commit(&self.target, author, message, GIT_ENDS_WITHIN))
    }
}

/// Gives a draft the owner and group of the file that it is to replace. Why not, where that is not permitted.
fn keep_owner(draft: &NamedTempFile, old: &Metadata) -> Option<String> {
    let own = draft.as_file().metadata().ok()?;
    if (own.uid(), own.gid()) == (old.uid(), old.gid()) {
        return None;
    }
    let (uid, gid) = (Uid::from_raw(old.uid()), Gid::from_raw(old.gid()));
    let error = fchown(draft, Some(uid), Some(gid)).err()?;
    // A group that one is in can be given without being the owner of the machine.
    let group = fchown(draft, None, Some(gid)).is_ok();
    let what = if group { "owner".to_owned() } else { "owner and group".to_owned() };
    Some(format!("the file's {what} (uid {}, gid {}) could not be kept: {error}", old.uid(), old.gid()))
}

/// Best effort: they do no harm, but for the room they take.
fn drop_old_drafts(directory: &Path) {
    let is_draft = |name: &str| {
        let varies = name.strip_prefix(DRAFT).and_then(|rest| rest.strip_suffix(DRAFT_ENDS)).unwrap_or_default();
        varies.len() == DRAFT_VARIES && varies.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let is_old = |file: &Metadata| {
        file.is_file() && file.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > DRAFTS_LIVE_FOR))
    };
    let Ok(entries) = directory.read_dir() else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_draft)) {
        if entry.metadata().is_ok_and(|file| is_old(&file))
            && let Err(error) = fs::remove_file(entry.path())
        {
            tracing::warn!(%error, file = %entry.path().display(), "an old draft of the config cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests;
