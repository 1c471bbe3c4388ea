//! Putting a backup in the place of a store.
//!
//! Invariants: nothing is touched before the whole backup was read and found as it was written; what was there before is
//! set aside under another name and never removed; no daemon starts between the old database and the new one.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;

use super::backup::{
    Connection, Entry, Kind, Manifest, NoRoom, NotABackup, Program, ProgramError, check_room, copy_file, list_dump,
    open_plain,
};
use super::open::{POSTGRES_TABLES, RESTORING, SQLITE_TABLES, beside, lock};
use super::still::sqlite_options;
use super::{Db, OpenError, StoreError, StoreOptions};

/// A file that is being copied to where [`RESTORING`] will be.
const PART: &str = ".restoring.part";

/// What SQLite keeps beside a database that was not closed.
const LOGS: [&str; 2] = ["-wal", "-shm"];

/// Why nothing was restored. Everything is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    NotABackup(#[from] NotABackup),
    #[error(
        "the backup is of {}, and `database` of the config names {}: a backup goes back into the kind of database it was \
         taken from", .backup.word(), .config.word()
    )]
    OtherKind { backup: Kind, config: Kind },
    #[error(
        "the backup has the tables of a newer orchd (step {has}; this one knows {knows}): install orchd {orchd}, which made it, \
         or a later one"
    )]
    Newer { has: i64, knows: i64, orchd: String },
    #[error("the backup's database is not sound: {0}. Use another backup")]
    Unsound(StoreError),
    #[error("{} is there: with --replace it is set aside, under another name", paths(.0))]
    Exists(Vec<PathBuf>),
    #[error(
        "the PostgreSQL database `{0}` is not empty, and nothing is ever dropped there: make a new one (createdb -O OWNER NAME), \
         name it in `database` of the config, and restore into that"
    )]
    NotEmpty(String),
    #[error("there is no directory {0}: install -d -o orchd -g orchd -m 700 {0}")]
    NoDirectory(PathBuf),
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    #[error("{0}: {1}")]
    Files(PathBuf, io::Error),
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("what was restored does not open as the backup says: {0}. What was there before is set aside beside it")]
    Afterwards(String),
}

impl From<StoreError> for RestoreError {
    fn from(error: StoreError) -> Self {
        Self::Open(error.into())
    }
}

fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    pub manifest: Manifest,
    /// What was there before, under its new names.
    pub set_aside: Vec<PathBuf>,
    /// Steps that the next start takes to bring the tables to this version.
    pub pending: usize,
}

/// Puts a backup in the place of the store. `now` is in the names of what is set aside.
///
/// # Errors
/// [`OpenError::InUse`] when a daemon runs on the SQLite file. All but [`RestoreError::Afterwards`] leave things as they were.
pub async fn restore(
    backup: &Path,
    options: &StoreOptions,
    replace: bool,
    now: DateTime<Utc>,
) -> Result<Restored, RestoreError> {
    let kind = Kind::of(options.url.expose_secret());
    let manifest = Manifest::read(backup)?;
    if manifest.database != kind {
        return Err(RestoreError::OtherKind { backup: manifest.database, config: kind });
    }
    let ours = if kind == Kind::Sqlite { &SQLITE_TABLES } else { &POSTGRES_TABLES };
    let knows = ours.iter().map(|step| step.version).max().unwrap_or(0);
    if manifest.schema > knows {
        return Err(RestoreError::Newer { has: manifest.schema, knows, orchd: manifest.orchd });
    }
    match kind {
        Kind::Sqlite => restore_sqlite(backup, manifest, options, replace, now).await,
        Kind::Postgres => restore_postgres(backup, manifest, options, replace, now).await,
    }
}

async fn restore_sqlite(
    backup: &Path,
    manifest: Manifest,
    options: &StoreOptions,
    replace: bool,
    now: DateTime<Utc>,
) -> Result<Restored, RestoreError> {
    let target = sqlite_options(&options.url)?.get_filename().to_owned();
    let directory = target.parent().unwrap_or(Path::new("/")).to_owned();
    if !directory.is_dir() {
        return Err(RestoreError::NoDirectory(directory));
    }
    // Held to the end: no daemon starts meanwhile.
    let _lock = lock(&target)?;
    let logs = LOGS.map(|ending| beside(&target, ending));
    let there: Vec<PathBuf> = [target.clone()].into_iter().chain(logs).filter(|path| path.exists()).collect();
    refuse_existing(&there, &options.objects, replace)?;
    check_files(backup, &manifest).await?;
    let copied = Db::still_sqlite(&Kind::Sqlite.file().within(backup));
    let pending = look(&copied, &manifest).await?;
    copied.check_soundness().await.map_err(RestoreError::Unsound)?;
    copied.close().await;

    let mut swap = Swap::begin(now, &target, &options.objects);
    let (from, into, objects) = (backup.to_owned(), target.clone(), options.objects.clone());
    let written = manifest.clone();
    let set_aside = blocking(move || {
        swap.stage_objects(&from, &written, &objects)?;
        swap.stage_database(&from, &written, &into)?;
        let swapped = swap.put_objects(&objects).and_then(|()| swap.put_database(&into, &there));
        swap.end(swapped)
    })
    .await?;
    let opened = Db::still_sqlite(&target);
    let seen = look(&opened, &manifest).await;
    opened.close().await;
    seen.map_err(|error| RestoreError::Afterwards(error.to_string()))?;
    Ok(Restored { manifest, set_aside, pending })
}

async fn restore_postgres(
    backup: &Path,
    manifest: Manifest,
    options: &StoreOptions,
    replace: bool,
    now: DateTime<Utc>,
) -> Result<Restored, RestoreError> {
    let live = Db::live(&options.url).await?;
    let connection = Connection::of(&options.url)?;
    if live.has_tables().await? {
        return Err(RestoreError::NotEmpty(connection.database));
    }
    refuse_existing(&[], &options.objects, replace)?;
    check_files(backup, &manifest).await?;
    let server = live.server_version().await?;
    let dump = Kind::Postgres.file().within(backup);
    list_dump(&dump, server).await?;
    let pg_restore = Program::find("pg_restore", server)?;

    let mut swap = Swap::begin(now, &options.objects, &options.objects);
    let (from, objects, written) = (backup.to_owned(), options.objects.clone(), manifest.clone());
    let set_aside = blocking(move || {
        swap.stage_objects(&from, &written, &objects)?;
        let swapped = swap.put_objects(&objects).and_then(|()| {
            // A daemon that starts meanwhile makes tables: then this fails as a whole.
            let ran = pg_restore.run(|command| {
                command.args(["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]);
                command.arg("--dbname").arg(&connection.database).arg(&dump);
                connection.tell(command);
            });
            ran.map_err(RestoreError::from)
        });
        swap.end(swapped)
    })
    .await?;
    let seen = look(&live, &manifest).await;
    live.close().await;
    let pending = seen.map_err(|error| RestoreError::Afterwards(error.to_string()))?;
    Ok(Restored { manifest, set_aside, pending })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RestoreError> + Send + 'static,
) -> Result<T, RestoreError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(StoreError::Failed(error.to_string()).into()))
}

async fn check_files(backup: &Path, manifest: &Manifest) -> Result<(), RestoreError> {
    let (backup, manifest) = (backup.to_owned(), manifest.clone());
    blocking(move || Ok(manifest.check_files(&backup)?)).await
}

/// Compares a database with what the manifest says of it; how many steps it has to take.
async fn look(db: &Db, manifest: &Manifest) -> Result<usize, RestoreError> {
    let differs =
        |what: &str| RestoreError::Unsound(StoreError::Corrupt(format!("{what} is not as the manifest says")));
    let schema = db.schema().await.map_err(RestoreError::Unsound)?;
    if !schema.is_ours() || schema.has != Some(manifest.schema) {
        return Err(differs("the version of its tables"));
    }
    let head = db.audit_anchor(manifest.schema).await.map_err(RestoreError::Unsound)?;
    if head != manifest.audit_head {
        return Err(differs("the head of its audit chain"));
    }
    if db.counts().await.map_err(RestoreError::Unsound)? != manifest.counts {
        return Err(differs("the number of its rows"));
    }
    Ok(schema.pending.len())
}

fn refuse_existing(there: &[PathBuf], objects: &Path, replace: bool) -> Result<(), RestoreError> {
    let failed = |error| RestoreError::Files(objects.to_owned(), error);
    let has_objects = match fs::read_dir(objects) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        entries => entries.map_err(failed)?.next().is_some(),
    };
    let mut there = there.to_vec();
    there.extend(has_objects.then(|| objects.to_owned()));
    if there.is_empty() || replace { Ok(()) } else { Err(RestoreError::Exists(there)) }
}

/// The old out, the new in: what was done so far, so that it can be undone.
struct Swap {
    /// Behind the names of what is set aside.
    ending: String,
    done: Vec<(PathBuf, PathBuf)>,
    set_aside: Vec<PathBuf>,
    staged: Vec<PathBuf>,
}

impl Swap {
    fn begin(now: DateTime<Utc>, target: &Path, objects: &Path) -> Self {
        let ending = |second: i64| {
            let at = now + chrono::TimeDelta::seconds(second);
            format!(".before-restore-{}", at.format("%Y%m%dT%H%M%SZ"))
        };
        let free = |ending: &String| [target, objects].iter().all(|path| !beside(path, ending).exists());
        let ending = (0..60).map(ending).find(free).unwrap_or_else(|| ending(60));
        Self { ending, done: Vec::new(), set_aside: Vec::new(), staged: Vec::new() }
    }

    fn stage_objects(&mut self, backup: &Path, manifest: &Manifest, objects: &Path) -> Result<(), RestoreError> {
        let staged = beside(objects, RESTORING);
        let failed = |error| RestoreError::Files(staged.clone(), error);
        let parent = parent_of(objects);
        if !parent.is_dir() {
            return Err(RestoreError::NoDirectory(parent));
        }
        check_room(&parent, manifest.objects().map(|(_, entry)| entry.size).sum()).map_err(failed)??;
        // What an interrupted restore left.
        let _ = fs::remove_dir_all(&staged);
        self.staged.push(staged.clone());
        DirBuilder::new().mode(0o700).create(&staged).map_err(failed)?;
        give_to_owner_of(&parent, &staged).map_err(failed)?;
        for (name, entry) in manifest.objects() {
            stage(backup, entry, &staged.join(name.as_str()), &parent)?;
        }
        File::open(&staged).and_then(|directory| directory.sync_all()).map_err(failed)
    }

    fn stage_database(&mut self, backup: &Path, manifest: &Manifest, target: &Path) -> Result<(), RestoreError> {
        let staged = beside(target, PART);
        let failed = |error| RestoreError::Files(staged.clone(), error);
        let (parent, name) = (parent_of(target), manifest.database.file());
        let Some(entry) = manifest.files.iter().find(|entry| entry.path == name) else { return Ok(()) };
        check_room(&parent, entry.size).map_err(failed)??;
        let _ = fs::remove_file(&staged);
        self.staged.push(staged.clone());
        stage(backup, entry, &staged, &parent)
    }

    fn put_objects(&mut self, objects: &Path) -> Result<(), RestoreError> {
        // One that is empty gives way to the new one.
        if fs::read_dir(objects).is_ok_and(|mut entries| entries.next().is_some()) {
            self.put_aside(objects, &beside(objects, &self.ending))?;
        }
        self.rename(&beside(objects, RESTORING), objects)?;
        sync_parent(objects)
    }

    fn put_database(&mut self, target: &Path, there: &[PathBuf]) -> Result<(), RestoreError> {
        let restoring = beside(target, RESTORING);
        // From here until it has its name no daemon starts: it would make an empty database.
        self.rename(&beside(target, PART), &restoring)?;
        sync_parent(target)?;
        let aside = beside(target, &self.ending);
        for path in there {
            // The log keeps its place beside the database that it is of.
            let log = LOGS.iter().find(|ending| beside(target, ending) == *path);
            self.put_aside(path, &log.map_or_else(|| aside.clone(), |ending| beside(&aside, ending)))?;
        }
        sync_parent(target)?;
        self.rename(&restoring, target)?;
        sync_parent(target)
    }

    fn put_aside(&mut self, from: &Path, to: &Path) -> Result<(), RestoreError> {
        self.rename(from, to)?;
        self.set_aside.push(to.to_owned());
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Result<(), RestoreError> {
        fs::rename(from, to).map_err(|error| RestoreError::Files(from.to_owned(), error))?;
        self.done.push((from.to_owned(), to.to_owned()));
        Ok(())
    }

    /// What was set aside; or everything back to its place, and the reason.
    fn end(mut self, swapped: Result<(), RestoreError>) -> Result<Vec<PathBuf>, RestoreError> {
        if swapped.is_err() {
            for (from, to) in self.done.drain(..).rev() {
                // What cannot be put back stays under the name that it has now.
                let _ = fs::rename(to, from);
            }
        }
        swapped.map(|()| std::mem::take(&mut self.set_aside))
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        for path in &self.staged {
            // Gone when all went well.
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

/// Copies a file of the backup, and compares once more what came out.
fn stage(backup: &Path, entry: &Entry, to: &Path, owner: &Path) -> Result<(), RestoreError> {
    let from = entry.path.within(backup);
    let mut file = open_plain(&from).map_err(|error| RestoreError::Files(from.clone(), error))?;
    let failed = |error| RestoreError::Files(to.to_owned(), error);
    let seen = copy_file(&mut file, to).map_err(failed)?;
    entry.check(seen).map_err(|reason| NotABackup::Changed(from, reason))?;
    give_to_owner_of(owner, to).map_err(failed)
}

/// Root restores for the user that the daemon runs as: whoever has the directory.
fn give_to_owner_of(directory: &Path, path: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = fs::metadata(directory)?;
    chown(path, Some(owner.uid()), Some(owner.gid()))
}

fn parent_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).to_owned()
}

fn sync_parent(path: &Path) -> Result<(), RestoreError> {
    let parent = parent_of(path);
    File::open(&parent).and_then(|directory| directory.sync_all()).map_err(|error| RestoreError::Files(parent, error))
}

impl Db {
    /// Whether there is anything in a PostgreSQL database but PostgreSQL's own.
    async fn has_tables(&self) -> Result<bool, StoreError> {
        let super::dialect::Pools::Postgres(pool) = &self.pools else { return Ok(false) };
        // Index: none; the catalogue of an empty database is short.
        let found: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%')",
        )
        .fetch_one(pool)
        .await?;
        Ok(found)
    }
}
