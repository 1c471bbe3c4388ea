//! Opening: the lock, the file, the pools, the migrations, the dictionaries.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use secrecy::ExposeSecret;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::dialect::Pools;
use super::objects::Objects;
use super::payload::Codec;
use super::writer::Writer;
use super::{Db, OpenError, Shared, StoreError, StoreOptions};

/// Prepared statements a connection keeps: each bulk statement comes in eight sizes.
const STATEMENTS: usize = 512;

pub(super) static SQLITE_TABLES: Migrator = sqlx::migrate!("../migrations/sqlite");
pub(super) static POSTGRES_TABLES: Migrator = sqlx::migrate!("../migrations/postgres");

/// How long a statement waits for a connection or a lock before the store counts as unavailable.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

impl Db {
    /// Opens the database, creates it (SQLite: the file, mode 0600) and brings its tables to this version.
    ///
    /// # Errors
    /// [`OpenError::InUse`] when another process has the SQLite file open as a daemon.
    pub async fn open(options: &StoreOptions) -> Result<Self, OpenError> {
        let url = options.url.expose_secret();
        let objects = Objects::open(&options.objects).map_err(|e| OpenError::Files(options.objects.clone(), e))?;
        let (pools, lock) = if url.starts_with("sqlite:") {
            let (pools, lock) = open_sqlite(url).await?;
            (pools, Some(lock))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            (open_postgres(url).await?, None)
        } else {
            // Not the URL itself: what follows the scheme may hold a password.
            return Err(OpenError::BadUrl("unknown scheme".to_owned()));
        };
        let shared = Shared { codec: Codec::new(), objects, learnt: Default::default(), _lock: lock };
        let db = Self { pools, shared: Arc::new(shared) };
        db.keep_dictionaries().await?;
        if let Err(error) = db.make_months(Utc::now()).await {
            tracing::warn!(%error, "the month's tables could not be made; its rows go into the rest");
        }
        Ok(db)
    }
}

async fn open_sqlite(url: &str) -> Result<(Pools, File), OpenError> {
    let options = SqliteConnectOptions::from_str(url).map_err(|error| OpenError::BadUrl(error.to_string()))?;
    let path = options.get_filename().to_owned();
    let lock = lock(&path)?;
    refuse_half_restored(&path)?;
    let owned = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    owned.map_err(|error| OpenError::Files(path.clone(), error))?;
    let options = options
        .page_size(4096)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE)
        // Nothing but our own code writes here, and ingest writes parents and children together.
        .foreign_keys(true)
        .pragma("temp_store", "MEMORY");
    let writer = options
        .clone()
        // Pages of the log (64 MB) before a commit folds them into the file: a bound on what `writer` does beside it.
        .pragma("wal_autocheckpoint", "16000")
        .pragma("journal_size_limit", "67108864")
        .statement_cache_capacity(STATEMENTS)
        // Kibibytes.
        .pragma("cache_size", "-16384");
    let mut tables = writer.connect().await.map_err(StoreError::from)?;
    SQLITE_TABLES.run(&mut tables).await.map_err(migration)?;
    tables.close().await.map_err(StoreError::from)?;
    let write = Writer::open(writer, PATIENCE).await.map_err(StoreError::from)?;
    let reader = options.read_only(true).pragma("cache_size", "-4096").pragma("mmap_size", "268435456");
    let read = SqlitePoolOptions::new().acquire_timeout(PATIENCE).idle_timeout(None).max_lifetime(None);
    let read = read.max_connections(4).test_before_acquire(false).connect_lazy_with(reader);
    Ok((Pools::Sqlite { read, write }, lock))
}

/// A name beside the database's, with something behind it.
pub(super) fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// What a restore leaves beside the database while it puts the old one aside and the new one in its place.
pub(super) const RESTORING: &str = ".restoring";

/// In between there may be no database under its name, and a start would make an empty one.
pub(super) fn refuse_half_restored(database: &Path) -> Result<(), OpenError> {
    let restoring = beside(database, RESTORING);
    if restoring.exists() { Err(OpenError::HalfRestored(restoring)) } else { Ok(()) }
}

/// The lock file beside the database, held by an open file handle: the kernel frees it however the process ends.
pub(super) fn lock(database: &Path) -> Result<File, OpenError> {
    let path = beside(database, ".lock");
    let failed = |error| OpenError::Files(path.clone(), error);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
    // Made by root, it would keep the daemon out. Who is not root has made it as whoever the daemon is.
    if let (true, Some(directory)) = (rustix::process::geteuid().is_root(), database.parent()) {
        let owner = std::fs::metadata(directory).map_err(failed)?;
        std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid())).map_err(failed)?;
    }
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(database.to_owned(), path)),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

async fn open_postgres(url: &str) -> Result<Pools, OpenError> {
    // The parser's error is not shown: it could quote the password.
    let options = PgConnectOptions::from_str(url).map_err(|_| OpenError::BadUrl("not a PostgreSQL URL".to_owned()))?;
    // Compiling a statement takes longer than any here runs; the planner takes lists for longer than they are, and would.
    // And it takes few rows for one repository's, and would read all of them to sort them, where an index has them in order.
    let planning = [("jit", "off"), ("enable_bitmapscan", "off")];
    let options = options.options([("lock_timeout", "5s")]).options(planning);
    let options = options.application_name("orchd").statement_cache_capacity(STATEMENTS);
    let pool = PgPoolOptions::new().acquire_timeout(PATIENCE).max_connections(16).connect_with(options).await;
    let pool = pool.map_err(StoreError::from)?;
    POSTGRES_TABLES.run(&pool).await.map_err(migration)?;
    Ok(Pools::Postgres(pool))
}

pub(super) fn migration(error: MigrateError) -> OpenError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => match StoreError::from(error) {
            passing @ StoreError::Unavailable(_) => passing.into(),
            other => OpenError::Migration(other.to_string()),
        },
        MigrateError::VersionMissing(version) => {
            OpenError::Migration(format!("a newer orchd has used it (its version {version} is unknown here)"))
        }
        other => OpenError::Migration(other.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::core::event::EventId;
    use crate::store::events::{NewEvent, Source};

    fn delivery(length: usize) -> NewEvent {
        // Does not compress.
        let payload: Vec<u8> = (0..length).map(|_| rand::random()).collect();
        NewEvent {
            id: EventId(Uuid::now_v7()),
            delivery_id: Uuid::now_v7().to_string(),
            source: Source::Webhook,
            event_type: "push".to_owned(),
            event_action: None,
            actor: None,
            number: None,
            target_object_ids: serde_json::json!({}),
            received_at: Utc::now(),
            github_timestamp: None,
            repository: None,
            installation: None,
            payload: Bytes::from(payload),
            awaited: true,
        }
    }

    /// SQLite answers a page limit that is reached as it answers a disk that is full.
    async fn limit_pages(db: &Db, pages: i64) {
        let Pools::Sqlite { write, .. } = &db.pools else { unreachable!("this test is about SQLite") };
        let sql = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        let mut writing = write.begin().await.unwrap();
        sqlx::query(sql).execute(&mut *writing).await.unwrap();
        writing.commit().await.unwrap();
    }

    #[tokio::test]
    async fn after_a_full_disk_the_store_goes_on_without_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("orchd.db").display());
        let options = StoreOptions { url: url.into(), objects: directory.path().join("objects") };
        let db = Db::open(&options).await.unwrap();
        limit_pages(&db, 200).await;

        let mut stored = Vec::new();
        let refused = loop {
            let event = delivery(100_000);
            let id = event.id;
            match db.ingest(vec![event.clone()]).await {
                Ok(_) => stored.push(id),
                Err(error) => break (event, error),
            }
            assert!(stored.len() < 20, "the disk never was full");
        };
        assert!(matches!(refused.1, StoreError::Unavailable(_)), "{:?}", refused.1);
        assert!(db.event(refused.0.id).await.unwrap().is_none());

        limit_pages(&db, 1 << 20).await;
        stored.push(refused.0.id);
        db.ingest(vec![refused.0]).await.unwrap();
        db.ping().await.unwrap();
        for id in stored {
            assert!(db.payload(id).await.unwrap().is_some());
        }
    }
}
