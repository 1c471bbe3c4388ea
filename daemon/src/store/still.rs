//! A database that is read as it was at one moment, whoever writes meanwhile: a copy of SQLite's file that nobody else has,
//! or one snapshot of PostgreSQL. Nothing is made, migrated or kept; every write is refused.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::dialect::Pools;
use super::objects::Objects;
use super::open::{PATIENCE, POSTGRES_TABLES, SQLITE_TABLES};
use super::payload::Codec;
use super::schema::{self, Schema};
use super::writer::Writer;
use super::{Db, Shared, StoreError};

/// One question after the other waits for the only connection there is.
const LONGEST_QUESTION: Duration = Duration::from_secs(24 * 60 * 60);

impl Db {
    /// A copy of a SQLite file. Nobody may write to it while this is used.
    pub(super) fn still_sqlite(file: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(true);
        let read = SqlitePoolOptions::new().max_connections(2).acquire_timeout(PATIENCE);
        Self::still(Pools::Sqlite { read: read.connect_lazy_with(options), write: Writer::none() })
    }

    /// The database that a daemon may be using, to be read as it is from question to question.
    pub(super) async fn live(url: &SecretString) -> Result<Self, StoreError> {
        if !url.expose_secret().starts_with("sqlite:") {
            let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
            let pool = pool.connect_with(postgres_options(url)?.application_name("orchd backup")).await?;
            return Ok(Self::still(Pools::Postgres(pool)));
        }
        let options = sqlite_options(url)?.read_only(true).busy_timeout(PATIENCE);
        let read = SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_with(options).await?;
        Ok(Self::still(Pools::Sqlite { read, write: Writer::none() }))
    }

    /// PostgreSQL as it is now, and the name under which `pg_dump` sees the same. It lasts as long as this does: a broken
    /// connection is an error, and not another moment.
    pub(super) async fn still_postgres(url: &SecretString) -> Result<(Self, String), StoreError> {
        let options = postgres_options(url)?.application_name("orchd backup");
        // It idles in its transaction for as long as pg_dump takes.
        let options = options.options([("idle_in_transaction_session_timeout", "0"), ("statement_timeout", "0")]);
        let connected = AtomicBool::new(false);
        let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.acquire_timeout(LONGEST_QUESTION).test_before_acquire(false).after_connect(move |new, _| {
            let before = connected.swap(true, Ordering::Relaxed);
            Box::pin(async move {
                if before {
                    return Err(sqlx::Error::PoolClosed);
                }
                sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(new).await.map(drop)
            })
        });
        let pool = tokio::time::timeout(PATIENCE, pool.connect_with(options)).await;
        let pool = pool.map_err(|_| StoreError::Unavailable("PostgreSQL does not answer".to_owned()))??;
        let snapshot: String = sqlx::query_scalar("SELECT pg_export_snapshot()").fetch_one(&pool).await?;
        Ok((Self::still(Pools::Postgres(pool)), snapshot))
    }

    fn still(pools: Pools) -> Self {
        let shared = Shared { codec: Codec::new(), objects: Objects::none(), learnt: Default::default(), _lock: None };
        Self { pools, shared: Arc::new(shared) }
    }

    /// Which steps its tables have taken.
    pub(super) async fn schema(&self) -> Result<Schema, StoreError> {
        match &self.pools {
            Pools::Sqlite { read, .. } => schema::of_sqlite(&mut *read.acquire().await?, &SQLITE_TABLES).await,
            Pools::Postgres(pool) => schema::of_postgres(&mut *pool.acquire().await?, &POSTGRES_TABLES).await,
        }
    }

    /// SQLite: looks through every page, index and reference. PostgreSQL looks after itself.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first complaint.
    pub(super) async fn check_soundness(&self) -> Result<(), StoreError> {
        let Pools::Sqlite { read, .. } = &self.pools else { return Ok(()) };
        let complaint: String = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(read).await?;
        if complaint != "ok" {
            return Err(StoreError::Corrupt(complaint));
        }
        let broken: Option<(String, String)> =
            sqlx::query_as("SELECT \"table\", parent FROM pragma_foreign_key_check LIMIT 1")
                .fetch_optional(read)
                .await?;
        match broken {
            Some((table, parent)) => {
                Err(StoreError::Corrupt(format!("a row of {table} names one of {parent} that is not there")))
            }
            None => Ok(()),
        }
    }
}

/// # Errors
/// Without the URL in it: it may hold a password.
pub(super) fn postgres_options(url: &SecretString) -> Result<PgConnectOptions, StoreError> {
    PgConnectOptions::from_str(url.expose_secret()).map_err(|_| StoreError::Failed("not a PostgreSQL URL".to_owned()))
}

/// # Errors
/// When it is not the URL of a SQLite file.
pub(super) fn sqlite_options(url: &SecretString) -> Result<SqliteConnectOptions, StoreError> {
    SqliteConnectOptions::from_str(url.expose_secret()).map_err(StoreError::from)
}
