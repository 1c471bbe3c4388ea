//! `manifest.json`: what a backup holds. It comes from outside when a backup is restored, and is believed only as far as it
//! can be checked: a name in it is one of two files, or a plain name below `objects`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::contents::Counts;
use crate::core::audit::{Anchor, Digest};

const NAME: &str = "manifest.json";

/// Beside it, in the form of `sha256sum`: nothing else would show that the manifest itself was changed.
const SUM: &str = "manifest.json.sha256";

/// Where large payloads are, in a backup.
pub(in crate::store) const OBJECTS: &str = "objects";

/// The form of backups that this version writes.
const FORMAT: u32 = 1;

/// Most bytes of a manifest: some hundred thousand large payloads.
const LONGEST: u64 = 256 << 20;

/// Longest name of an object, in bytes. Ours have 45.
const LONGEST_NAME: usize = 200;

/// Which database a backup is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    pub(in crate::store) fn of(url: &str) -> Self {
        if url.starts_with("sqlite:") { Self::Sqlite } else { Self::Postgres }
    }

    pub(in crate::store) fn file(self) -> FileName {
        match self {
            Self::Sqlite => FileName::Sqlite,
            Self::Postgres => FileName::Postgres,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// The name of an object: letters, digits, `-`, `_` and `.`, the last one not in front.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

impl ObjectName {
    pub(in crate::store) fn parse(text: &str) -> Option<Self> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        let fine = (1..=LONGEST_NAME).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(plain);
        fine.then(|| Self(text.to_owned()))
    }

    pub(in crate::store) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A file of a backup, by where it lies in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FileName {
    Sqlite,
    Postgres,
    Object(ObjectName),
}

const SQLITE: &str = "orchd.db";
const POSTGRES: &str = "orchd.dump";

impl From<FileName> for String {
    fn from(name: FileName) -> Self {
        match name {
            FileName::Sqlite => SQLITE.to_owned(),
            FileName::Postgres => POSTGRES.to_owned(),
            FileName::Object(name) => format!("{OBJECTS}/{}", name.0),
        }
    }
}

impl TryFrom<String> for FileName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let object = || ObjectName::parse(text.strip_prefix(OBJECTS)?.strip_prefix('/')?).map(Self::Object);
        match text.as_str() {
            SQLITE => Ok(Self::Sqlite),
            POSTGRES => Ok(Self::Postgres),
            _ => object().ok_or_else(|| format!("`{}` is not a file of a backup", text.escape_debug())),
        }
    }
}

impl FileName {
    pub(in crate::store) fn within(&self, backup: &Path) -> PathBuf {
        backup.join(String::from(self.clone()))
    }
}

/// A file of a backup as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub path: FileName,
    /// Bytes.
    pub size: u64,
    pub sha256: Digest,
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// The version of orchd that made it.
    pub orchd: String,
    /// The latest step of the tables, as the files of `migrations/` are numbered.
    pub schema: i64,
    pub database: Kind,
    /// The moment it shows.
    pub taken_at: DateTime<Utc>,
    pub counts: Counts,
    /// The last row of the audit chain and its hash; `None`: there was none.
    pub audit_head: Option<Anchor>,
    /// Whether the audit chain held when it was taken.
    pub audit_proved: bool,
    /// The database first.
    pub files: Vec<Entry>,
    /// Large payloads that rows of the database name and that were gone: over their age, as a rule.
    pub missing_objects: Vec<String>,
}

/// Why a directory is not a backup that can be restored.
#[derive(Debug, thiserror::Error)]
pub enum NotABackup {
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    #[error("{0} is not the manifest of a backup: {1}")]
    Manifest(PathBuf, String),
    #[error("{0} is of a newer orchd's form {1}; orchd {version} knows form {known}: use the orchd that made it", version = env!("CARGO_PKG_VERSION"), known = FORMAT)]
    Newer(PathBuf, u32),
    #[error("{0} is not what was written: {1}. Use another backup")]
    Changed(PathBuf, String),
}

impl Manifest {
    pub(super) fn new(database: Kind, schema: i64, taken_at: DateTime<Utc>, counts: Counts) -> Self {
        Self {
            format: FORMAT,
            orchd: env!("CARGO_PKG_VERSION").to_owned(),
            schema,
            database,
            taken_at,
            counts,
            audit_head: None,
            audit_proved: false,
            files: Vec::new(),
            missing_objects: Vec::new(),
        }
    }

    /// Bytes of all its files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|entry| entry.size).fold(0, u64::saturating_add)
    }

    pub(in crate::store) fn objects(&self) -> impl Iterator<Item = (&ObjectName, &Entry)> {
        self.files.iter().filter_map(|entry| match &entry.path {
            FileName::Object(name) => Some((name, entry)),
            FileName::Sqlite | FileName::Postgres => None,
        })
    }

    /// Reads the manifest of a backup, and only that.
    pub fn read(backup: &Path) -> Result<Self, NotABackup> {
        let (path, sum) = (backup.join(NAME), backup.join(SUM));
        let text = short_file(&path).map_err(|error| NotABackup::Unreadable(path.clone(), error))?;
        let told = short_file(&sum).map_err(|error| NotABackup::Unreadable(sum.clone(), error))?;
        if told != sum_line(&text).as_bytes() {
            return Err(NotABackup::Changed(path, format!("its SHA-256 is not that in {SUM}")));
        }
        Self::parse(&text).map_err(|flaw| match flaw {
            Flaw::Newer(format) => NotABackup::Newer(path, format),
            Flaw::Malformed(reason) => NotABackup::Manifest(path, reason),
        })
    }

    fn parse(text: &[u8]) -> Result<Self, Flaw> {
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let malformed = |error: serde_json::Error| Flaw::Malformed(error.to_string());
        let Form { format } = serde_json::from_slice(text).map_err(malformed)?;
        if format > FORMAT {
            return Err(Flaw::Newer(format));
        }
        let manifest: Self = serde_json::from_slice(text).map_err(malformed)?;
        let mut names: Vec<&FileName> = manifest.files.iter().map(|entry| &entry.path).collect();
        let database = manifest.database.file();
        let one_database =
            names.first() == Some(&&database) && names.iter().skip(1).all(|name| matches!(name, FileName::Object(_)));
        if !one_database {
            return Err(Flaw::Malformed(format!("its files do not begin with {}", String::from(database))));
        }
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Flaw::Malformed("it names a file twice".to_owned()));
        }
        Ok(manifest)
    }

    /// Into a backup that is being written; on disk when this returns.
    pub(super) fn write(&self, backup: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        for (name, bytes) in [(NAME, text.as_slice()), (SUM, sum_line(&text).as_bytes())] {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(backup.join(name))?;
            file.write_all(bytes)?;
            file.sync_all()?;
        }
        Ok(())
    }

    /// Every file's size and SHA-256. Reads all of it.
    pub fn check_files(&self, backup: &Path) -> Result<(), NotABackup> {
        self.files.iter().try_for_each(|entry| {
            let path = entry.path.within(backup);
            let mut file = open_plain(&path).map_err(|error| NotABackup::Unreadable(path.clone(), error))?;
            let seen = copy_hashed(&mut file, &mut io::sink());
            let seen = seen.map_err(|error| NotABackup::Unreadable(path.clone(), error))?;
            entry.check(seen).map_err(|reason| NotABackup::Changed(path, reason))
        })
    }

    /// Removes the files of a backup, the manifest last, and the directories if nothing else is in them.
    pub(super) fn remove(&self, backup: &Path) -> io::Result<()> {
        let files = self.files.iter().map(|entry| entry.path.within(backup));
        let absent_is_fine = |done: io::Result<()>| match done {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        };
        files.map(fs::remove_file).try_for_each(absent_is_fine)?;
        absent_is_fine(fs::remove_dir(backup.join(OBJECTS)))?;
        [SUM, NAME].into_iter().map(|name| fs::remove_file(backup.join(name))).try_for_each(absent_is_fine)?;
        fs::remove_dir(backup)
    }

    /// Whether nothing but what it names lies in the directory.
    pub(super) fn is_all_of(&self, backup: &Path) -> io::Result<bool> {
        let mut names: Vec<PathBuf> = self.files.iter().map(|entry| entry.path.within(backup)).collect();
        names.extend([NAME, SUM, OBJECTS].map(|name| backup.join(name)));
        names.sort_unstable();
        let foreign = |directory: PathBuf| -> io::Result<bool> {
            for entry in fs::read_dir(directory)? {
                if names.binary_search(&entry?.path()).is_err() {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        Ok(!foreign(backup.to_owned())? && !foreign(backup.join(OBJECTS))?)
    }
}

enum Flaw {
    Newer(u32),
    Malformed(String),
}

impl Entry {
    /// Compares with what was seen; says what differs.
    pub(in crate::store) fn check(&self, (size, sha256): (u64, Digest)) -> Result<(), String> {
        if size != self.size {
            return Err(format!("it has {size} bytes and had {}", self.size));
        }
        if sha256 != self.sha256 {
            return Err("its SHA-256 is not that in the manifest".to_owned());
        }
        Ok(())
    }
}

fn sum_line(text: &[u8]) -> String {
    format!("{}  {NAME}\n", Digest::from(<[u8; 32]>::from(Sha256::digest(text))))
}

fn short_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_plain(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// A file and nothing else: no link leads elsewhere, no pipe blocks.
pub(in crate::store) fn open_plain(path: &Path) -> io::Result<File> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a plain file")) }
}

/// A new file for its owner only; on disk when this returns. Bytes and SHA-256 of what was written.
pub(in crate::store) fn copy_file(from: &mut File, to: &Path) -> io::Result<(u64, Digest)> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    // Whatever the umask.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    let copied = copy_hashed(from, &mut file)?;
    file.sync_all()?;
    Ok(copied)
}

/// Copies to the end; bytes and SHA-256 of them.
pub(in crate::store) fn copy_hashed(from: &mut File, to: &mut impl io::Write) -> io::Result<(u64, Digest)> {
    let mut hasher = Sha256::new();
    let (mut size, mut buffer) = (0, vec![0; 1 << 20]);
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
        size += read as u64;
    }
    Ok((size, Digest::from(<[u8; 32]>::from(hasher.finalize()))))
}

#[cfg(test)]
mod tests;
