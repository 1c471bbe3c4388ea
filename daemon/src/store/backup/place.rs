//! The directory that backups go into: names, room, leftovers, and the oldest ones.
//!
//! Invariant: nothing is removed but what has the name and the manifest of a backup, or the name of a half one that nobody
//! writes any more.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::manifest::{Manifest, OBJECTS};
use crate::core::text::size;

const PREFIX: &str = "orchd-";

/// In names: a backup that is being written, and one that is being removed.
const PARTIAL: &str = ".partial";
const REMOVING: &str = ".removing";

const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// Names that are tried when there are backups of the same second.
const TRIES: i64 = 60;

/// Room that is left to others: the daemon's log grows while it is copied.
const SPARE: u64 = 16 << 20;

/// There is less room than is needed.
#[derive(Debug, thiserror::Error)]
#[error(
    "{place} has {} free, and {} are needed: make room there, or name another directory", size(*.free), size(*.needed)
)]
pub struct NoRoom {
    pub place: PathBuf,
    /// Bytes.
    pub free: u64,
    pub needed: u64,
}

/// # Errors
/// The outer one when the file system does not say.
pub(in crate::store) fn check_room(place: &Path, bytes: u64) -> io::Result<Result<(), NoRoom>> {
    let there = place.ancestors().find(|place| place.is_dir()).unwrap_or(Path::new("/"));
    let stat = rustix::fs::statvfs(there)?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let needed = bytes.saturating_add(SPARE);
    let room = if free < needed { Err(NoRoom { place: place.to_owned(), free, needed }) } else { Ok(()) };
    Ok(room)
}

/// A directory that becomes a backup. It is removed when it does not.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) path: PathBuf,
    finished: PathBuf,
    into: PathBuf,
    done: bool,
    /// Says that it is being written.
    _lock: File,
}

impl Partial {
    pub(super) fn begin(into: &Path, now: DateTime<Utc>) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(into)?;
        sweep(into);
        for second in 0..TRIES {
            let name = name_of(now + TimeDelta::seconds(second));
            let (path, finished) = (into.join(format!(".{name}{PARTIAL}")), into.join(&name));
            if finished.symlink_metadata().is_ok() {
                continue;
            }
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
            let lock = File::open(&path)?;
            // Some file systems have no locks: nobody sweeps there either.
            let _ = lock.try_lock();
            DirBuilder::new().mode(0o700).create(path.join(OBJECTS))?;
            return Ok(Self { path, finished, into: into.to_owned(), done: false, _lock: lock });
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "there are backups of this minute already"))
    }

    /// Gives it its name; on disk when this returns.
    pub(super) fn finish(mut self) -> io::Result<PathBuf> {
        for directory in [&self.path.join(OBJECTS), &self.path] {
            File::open(directory)?.sync_all()?;
        }
        fs::rename(&self.path, &self.finished)?;
        self.done = true;
        File::open(&self.into)?.sync_all()?;
        Ok(self.finished.clone())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.done {
            // What stays is swept by the next one.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn name_of(at: DateTime<Utc>) -> String {
    format!("{PREFIX}{}", at.format(STAMP))
}

fn is_name(name: &str) -> bool {
    let stamp = name.strip_prefix(PREFIX).and_then(|stamp| NaiveDateTime::parse_from_str(stamp, STAMP).ok());
    stamp.is_some_and(|stamp| name_of(stamp.and_utc()) == name)
}

/// Directories in `into`, links aside, whose name without `before` and `after` is that of a backup; oldest first.
fn named(into: &Path, before: &str, after: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(into)? {
        let entry = entry?;
        let name = entry.file_name();
        let inner = name.to_str().and_then(|name| name.strip_prefix(before)?.strip_suffix(after));
        if inner.is_some_and(is_name) && entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Removes what killed ones left behind. Failing to takes space and nothing else.
fn sweep(into: &Path) {
    for path in named(into, ".", PARTIAL).unwrap_or_default() {
        if File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(&path);
        }
    }
    for path in named(into, ".", REMOVING).unwrap_or_default() {
        let _ = match Manifest::read(&path) {
            Ok(manifest) => manifest.remove(&path),
            Err(_) => fs::remove_dir(&path),
        };
    }
}

/// What became of those beyond the number that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Thinned {
    pub removed: Vec<PathBuf>,
    /// They hold something that is not of the backup, or could not be removed: with the reason.
    pub left: Vec<(PathBuf, String)>,
}

/// Removes the oldest backups beyond the newest `keep`, but not `made`, whatever the clock said. What is not whole by its
/// manifest is neither counted nor removed.
pub(super) fn thin(into: &Path, keep: NonZeroUsize, made: &Path) -> io::Result<Thinned> {
    let backups = named(into, "", "")?.into_iter().filter_map(|path| Some((Manifest::read(&path).ok()?, path)));
    let backups: Vec<(Manifest, PathBuf)> = backups.collect();
    let mut thinned = Thinned::default();
    let beyond = backups.len().saturating_sub(keep.get());
    for (manifest, path) in backups.into_iter().take(beyond).filter(|(_, path)| path != made) {
        match remove(&manifest, &path) {
            Ok(()) => thinned.removed.push(path),
            Err(error) => thinned.left.push((path, error.to_string())),
        }
    }
    Ok(thinned)
}

fn remove(manifest: &Manifest, path: &Path) -> io::Result<()> {
    if !manifest.is_all_of(path)? {
        return Err(io::Error::other("it holds files that are not of the backup"));
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // Under another name first: half a backup looks like none.
    let removing = path.with_file_name(format!(".{name}{REMOVING}"));
    fs::rename(path, &removing)?;
    manifest.remove(&removing)
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_backups_name_is_its_time() {
        assert!(is_name("orchd-20261122T003000Z"));
        for other in
            ["orchd-20261322T003000Z", "orchd-20261122T003000Z ", "orchd-2026-11-22", "orchd-", "orchd-x", "backup"]
        {
            assert!(!is_name(other), "{other}");
        }
    }
}
