//! Backups: a copy of the whole store at one moment, taken while the daemon goes on.
//!
//! Owns how the copy is made (SQLite: `VACUUM INTO`; PostgreSQL: `pg_dump` of one snapshot; large payloads: file by file),
//! how it is checked, and the directory of backups. Refuses to know what proves the audit chain: whoever makes a backup
//! proves it on [`Draft::db`] before [`Draft::finish`].
//!
//! Invariants: what has the name of a backup is whole, checked and on disk; the database comes before the objects, so that
//! whatever a row of the copy names is there, unless it was dropped by age meanwhile.

mod contents;
mod manifest;
mod place;
mod programs;

use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

pub use contents::Counts;
pub use manifest::{Entry, FileName, Kind, Manifest, NotABackup, ObjectName};
pub use place::{NoRoom, Thinned};
pub use programs::ProgramError;

pub(super) use manifest::{copy_file, copy_hashed, open_plain};
pub(super) use place::check_room;
pub(super) use programs::{Connection, Program};

use self::place::Partial;
use super::dialect::Pools;
use super::migrate::schema_of;
use super::schema::Schema;
use super::{Db, StoreError, StoreOptions};

/// How long a row may go on naming a payload whose file was just dropped by age: the file goes first.
const DROPPED_WITHIN: Duration = Duration::from_secs(3);

/// Between two looks at that.
const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("there is no database at {0}")]
    Absent(PathBuf),
    #[error("the database has no tables of orchd yet")]
    Empty,
    #[error(
        "the database's tables are not this orchd's: `orchd migrate --check` says what differs. Use the orchd that runs on it"
    )]
    Foreign(Box<Schema>),
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    #[error("{0}: {1}")]
    Files(PathBuf, io::Error),
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The copy, not necessarily what it was made of.
    #[error("the copy is not sound, and was removed: {0}")]
    Unsound(StoreError),
    #[error("the database could not be copied: {0}")]
    Store(#[from] StoreError),
}

/// A backup that was written and is not finished. Dropped, it is removed.
#[derive(Debug)]
pub struct Draft {
    db: Db,
    manifest: Manifest,
    lost: Vec<String>,
    partial: Partial,
}

/// A backup.
#[derive(Clone, Debug)]
pub struct Finished {
    pub path: PathBuf,
    pub manifest: Manifest,
    /// Large payloads that rows name and that are gone, though nothing dropped them.
    pub lost: Vec<String>,
}

impl Draft {
    /// Copies the store into a new directory in `into`, which is made if need be, and checks the copy. `now` is the moment
    /// that the backup is named after: what was stored before it is in it.
    pub async fn begin(options: &StoreOptions, into: &Path, now: DateTime<Utc>) -> Result<Self, BackupError> {
        let kind = Kind::of(options.url.expose_secret());
        let file = || super::still::sqlite_options(&options.url).map(|options| options.get_filename().to_owned());
        let schema = schema_of(&options.url).await?;
        let Some(schema) = schema else { return Err(BackupError::Absent(file()?)) };
        if !schema.is_ours() {
            return Err(BackupError::Foreign(Box::new(schema)));
        }
        let Some(has) = schema.has else { return Err(BackupError::Empty) };

        let live = Db::live(&options.url).await?;
        let bytes = live.size_of_copy().await?.saturating_add(size_of_objects(&options.objects)?);
        let failed = |error| BackupError::Files(into.to_owned(), error);
        check_room(into, bytes).map_err(failed)??;
        let partial = Partial::begin(into, now).map_err(failed)?;
        let copy = kind.file().within(&partial.path);
        let db = copy_database(options, &live, &copy).await?;

        let mut manifest = Manifest::new(kind, has, now, db.counts().await?);
        manifest.audit_head = db.audit_anchor(has).await?;
        manifest.files.push(seal(kind, &copy).await?);
        let lost = copy_objects(&db, &live, &options.objects, &partial.path, &mut manifest).await?;
        live.close().await;
        check(&db, kind, &copy).await?;
        Ok(Self { db, manifest, lost, partial })
    }

    /// What it shows, to be read only.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Whether its tables are of a time when there was an audit chain.
    pub fn has_audit(&self) -> bool {
        self.manifest.audit_head.is_some()
    }

    /// Writes the manifest and gives the backup its name. On disk when this returns.
    pub async fn finish(self, audit_proved: bool) -> Result<Finished, BackupError> {
        let Self { db, mut manifest, lost, partial } = self;
        db.close().await;
        manifest.audit_proved = audit_proved;
        let path = partial.path.clone();
        off_thread(&path, move || {
            manifest.write(&partial.path)?;
            let path = partial.finish()?;
            Ok(Finished { path, manifest, lost })
        })
        .await
    }
}

/// Removes the oldest backups in `into` beyond the newest `keep`, and neither `made` nor anything that is not a backup.
pub async fn thin(into: &Path, keep: NonZeroUsize, made: &Path) -> Result<Thinned, BackupError> {
    let (directory, made) = (into.to_owned(), made.to_owned());
    off_thread(into, move || place::thin(&directory, keep, &made)).await
}

async fn off_thread<T: Send + 'static>(
    about: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, BackupError> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| BackupError::Files(about.to_owned(), error))
}

/// Bytes of all files in the object directory.
fn size_of_objects(objects: &Path) -> Result<u64, BackupError> {
    let failed = |error| BackupError::Files(objects.to_owned(), error);
    let entries = match fs::read_dir(objects) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(failed)?,
    };
    // One that is gone again needs no room.
    let sizes = entries.map(|entry| Ok(entry?.metadata().map_or(0, |file| file.len())));
    sizes.sum::<io::Result<u64>>().map_err(failed)
}

/// The database as it is at one moment: the copy itself, or for PostgreSQL the snapshot that was dumped.
async fn copy_database(options: &StoreOptions, live: &Db, copy: &Path) -> Result<Db, BackupError> {
    if let Pools::Sqlite { read, .. } = &live.pools {
        let name = copy.to_str().ok_or_else(|| StoreError::Failed("the directory's name is not UTF-8".to_owned()))?;
        sqlx::query("VACUUM INTO $1").bind(name).execute(read).await.map_err(StoreError::from)?;
        return Ok(Db::still_sqlite(copy));
    }
    let pg_dump = Program::find("pg_dump", live.server_version().await?)?;
    let connection = Connection::of(&options.url)?;
    let (still, snapshot) = Db::still_postgres(&options.url).await?;
    let copy = copy.to_owned();
    let dumped = tokio::task::spawn_blocking(move || {
        pg_dump.run(|command| {
            command.args(["--format=custom", "--lock-wait-timeout=30s"]).arg(format!("--snapshot={snapshot}"));
            command.arg("--file").arg(copy);
            connection.tell(command);
        })
    });
    dumped.await.map_err(|error| StoreError::Failed(error.to_string()))??;
    Ok(still)
}

/// Makes the copied database durable, its owner's alone, and says what was written.
async fn seal(kind: Kind, copy: &Path) -> Result<Entry, BackupError> {
    let path = copy.to_owned();
    off_thread(copy, move || {
        let mut file = open_plain(&path)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.sync_all()?;
        let (size, sha256) = copy_hashed(&mut file, &mut io::sink())?;
        Ok(Entry { path: kind.file(), size, sha256 })
    })
    .await
}

/// Copies what rows of the copy name. Gives the names of what is gone though nothing dropped it.
async fn copy_objects(
    db: &Db,
    live: &Db,
    objects: &Path,
    backup: &Path,
    manifest: &mut Manifest,
) -> Result<Vec<String>, BackupError> {
    let (mut after, mut gone) = (Uuid::nil(), Vec::new());
    loop {
        let names = db.object_names(after).await?;
        let Some((last, _)) = names.last() else { break };
        after = *last;
        let (from, to) = (objects.to_owned(), backup.to_owned());
        let copied = off_thread(objects, move || {
            names.into_iter().map(|(event, name)| Ok((copy_object(&from, &to, &name)?, event, name))).collect()
        });
        let copied: Vec<(Option<Entry>, Uuid, String)> = copied.await?;
        for (entry, event, name) in copied {
            match entry {
                Some(entry) => manifest.files.push(entry),
                None => gone.push((event, name)),
            }
        }
    }
    let lost = still_named(live, &gone).await?;
    manifest.missing_objects = gone.into_iter().map(|(_, name)| name).collect();
    Ok(lost)
}

/// `None`: there is no such file, or that is no name of one.
fn copy_object(objects: &Path, backup: &Path, name: &str) -> io::Result<Option<Entry>> {
    let Some(name) = ObjectName::parse(name) else { return Ok(None) };
    let mut file = match open_plain(&objects.join(name.as_str())) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let path = FileName::Object(name);
    let (size, sha256) = copy_file(&mut file, &path.within(backup))?;
    Ok(Some(Entry { path, size, sha256 }))
}

/// Those of which the database goes on saying that they are there. What goes by age loses its file first, then its name.
async fn still_named(live: &Db, gone: &[(Uuid, String)]) -> Result<Vec<String>, BackupError> {
    let began = std::time::Instant::now();
    let mut lost: Vec<&(Uuid, String)> = gone.iter().collect();
    loop {
        let mut named = Vec::new();
        for each in lost {
            if live.names_object(each.0).await? {
                named.push(each);
            }
        }
        lost = named;
        if lost.is_empty() || began.elapsed() > DROPPED_WITHIN {
            return Ok(lost.into_iter().map(|(_, name)| name.clone()).collect());
        }
        tokio::time::sleep(LOOKS_EVERY).await;
    }
}

/// Opens what was written and looks through it.
async fn check(db: &Db, kind: Kind, copy: &Path) -> Result<(), BackupError> {
    match kind {
        Kind::Sqlite => db.check_soundness().await.map_err(BackupError::Unsound),
        Kind::Postgres => list_dump(copy, db.server_version().await?).await.map_err(BackupError::from),
    }
}

/// Has `pg_restore` read a dump's table of contents; `server`: its major version.
pub(super) async fn list_dump(dump: &Path, server: u32) -> Result<(), ProgramError> {
    let pg_restore = Program::find("pg_restore", server)?;
    let dump = dump.to_owned();
    let listed = tokio::task::spawn_blocking(move || {
        File::open(&dump).map_err(|error| ProgramError::Unrunnable { path: dump.clone(), error })?;
        pg_restore.run(|command| {
            command.arg("--list").arg(&dump);
        })
    });
    listed.await.unwrap_or_else(|error| {
        Err(ProgramError::Unrunnable { path: "pg_restore".into(), error: io::Error::other(error) })
    })
}
