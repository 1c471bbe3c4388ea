//! A repository's files on a disk, for those who check it: the command line and the Action.
//!
//! Owns which files count as the repository's, and how they are read. Refuses to know what is looked for in them. Invariants:
//! nothing outside of the repository is read, nor git's own files, wherever a link leads; nothing is written; no file is
//! read beyond the bound.

mod git;
mod walk;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use crate::core::checkup::{Checkout, MOST_TEXT, Text, is_wanted};

/// A repository as it lies on a disk.
#[derive(Debug)]
pub struct OnDisk {
    pub checkout: Checkout,
    /// As the clone remembers it of whence it came.
    pub default_branch: Option<String>,
    /// Why git was not asked which files are the repository's: then every file counts.
    pub without_git: Option<String>,
}

/// Why there is nothing to check.
#[derive(Debug, thiserror::Error)]
pub enum CannotRead {
    #[error("{path} is no directory that can be read: {why}", path = .0.display(), why = .1)]
    NoDirectory(PathBuf, String),
    #[error("{path} holds more than {most} files: is it a repository?", path = .0.display(), most = .1)]
    TooMany(PathBuf, usize),
}

/// The repository around a directory: the nearest one above that git knows, else the directory itself.
pub fn root_of(dir: &Path) -> PathBuf {
    let whole = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    whole.ancestors().find(|above| above.join(".git").exists()).map_or(whole.clone(), Path::to_owned)
}

/// Reads the repository whose root is `dir`.
///
/// # Errors
/// When it is no directory, or one with more files than any repository has.
pub fn read(dir: &Path) -> Result<OnDisk, CannotRead> {
    let no_directory = |why: String| CannotRead::NoDirectory(dir.to_owned(), why);
    let root = fs::canonicalize(dir).map_err(|error| no_directory(error.to_string()))?;
    if !root.is_dir() {
        return Err(no_directory("it is a file".to_owned()));
    }
    let (paths, without_git): (BTreeSet<String>, _) = match git::files(&root) {
        Ok(paths) => (paths, None),
        Err(why) => (walk::files(&root)?, Some(why)),
    };
    let wanted = paths.iter().filter(|path| is_wanted(path)).map(|path| (path.clone(), text(&root, path)));
    let texts: Vec<(String, Text)> = wanted.collect();
    let checkout = Checkout::new(paths, texts);
    Ok(OnDisk { checkout, default_branch: git::default_branch(&root), without_git })
}

/// What stands in a file of the repository. `root` has no links in it.
fn text(root: &Path, path: &str) -> Text {
    let unread = |why: &str| Text::Unread(why.to_owned());
    let real = match fs::canonicalize(root.join(path)) {
        Ok(real) => real,
        Err(error) if error.kind() == ErrorKind::NotFound => return unread("it is not there, or a link to nothing"),
        Err(error) => return Text::Unread(error.to_string()),
    };
    // Git's own files may hold a token.
    if !real.starts_with(root) || real.starts_with(root.join(".git")) {
        return unread("it is a link that leads out of the repository");
    }
    match fs::metadata(&real) {
        Ok(data) if !data.is_file() => return unread("it is no file"),
        Ok(data) if data.len() >= MOST_TEXT => return Text::TooLarge(data.len()),
        Ok(_) => {}
        Err(error) => return Text::Unread(error.to_string()),
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    match File::open(&real).and_then(|file| file.take(MOST_TEXT).read_to_end(&mut bytes)) {
        Ok(_) => String::from_utf8(bytes).map_or_else(|_| unread("it is not UTF-8"), Text::Is),
        Err(error) => Text::Unread(error.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
