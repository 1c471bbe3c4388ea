//! Bringing a database's tables to this version, and saying beforehand what that would be.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, SqliteConnection};

use super::open::{PATIENCE, POSTGRES_TABLES, SQLITE_TABLES, lock, migration, refuse_half_restored};
use super::schema::{self, Schema, Step};
use super::still::{postgres_options, sqlite_options};
use super::{OpenError, StoreError};

/// Which tables the database at `url` has; `None`: there is no such SQLite file. Changes nothing, beside a running daemon too.
pub async fn schema_of(url: &SecretString) -> Result<Option<Schema>, StoreError> {
    if !url.expose_secret().starts_with("sqlite:") {
        let options = postgres_options(url)?.application_name("orchd migrate");
        let mut connection = PgConnection::connect_with(&options).await?;
        let schema = schema::of_postgres(&mut connection, &POSTGRES_TABLES).await;
        connection.close().await?;
        return schema.map(Some);
    }
    let options = sqlite_options(url)?.read_only(true).busy_timeout(PATIENCE);
    if !options.get_filename().exists() {
        return Ok(None);
    }
    let mut connection = options.connect().await?;
    let schema = schema::of_sqlite(&mut connection, &SQLITE_TABLES).await;
    connection.close().await?;
    schema.map(Some)
}

/// What bringing a database up to date came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Migrated {
    /// The latest step before.
    pub from: Option<i64>,
    pub to: i64,
    pub steps: Vec<Step>,
}

/// Why a database was not brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("there is no database at {0}: the first start of orchd makes it")]
    Absent(PathBuf),
    #[error("{0} connections of a running orchd are open on the database: stop every daemon first")]
    Daemons(i64),
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<StoreError> for MigrateError {
    fn from(error: StoreError) -> Self {
        Self::Open(error.into())
    }
}

/// Takes the steps that a start of the daemon would take, each in a transaction of its own. No daemon may run.
pub async fn migrate(url: &SecretString) -> Result<Migrated, MigrateError> {
    if !url.expose_secret().starts_with("sqlite:") {
        let options = postgres_options(url)?.application_name("orchd migrate").options([("lock_timeout", "5s")]);
        let mut connection = PgConnection::connect_with(&options).await.map_err(StoreError::from)?;
        let migrated = migrate_postgres(&mut connection).await;
        connection.close().await.map_err(StoreError::from)?;
        return migrated;
    }
    let options = sqlite_options(url)?.busy_timeout(PATIENCE).foreign_keys(true);
    let file = options.get_filename().to_owned();
    if !file.exists() {
        return Err(MigrateError::Absent(file));
    }
    let _lock = lock(&file)?;
    refuse_half_restored(&file)?;
    let mut connection = options.connect().await.map_err(StoreError::from)?;
    let migrated = migrate_sqlite(&mut connection).await;
    connection.close().await.map_err(StoreError::from)?;
    migrated
}

async fn migrate_sqlite(connection: &mut SqliteConnection) -> Result<Migrated, MigrateError> {
    let before = schema::of_sqlite(connection, &SQLITE_TABLES).await?;
    SQLITE_TABLES.run(connection).await.map_err(migration)?;
    Ok(Migrated { from: before.has, to: before.brings, steps: before.pending })
}

async fn migrate_postgres(connection: &mut PgConnection) -> Result<Migrated, MigrateError> {
    // Index: none; the server's own list of its sessions.
    let daemons: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'orchd'",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(StoreError::from)?;
    if daemons > 0 {
        return Err(MigrateError::Daemons(daemons));
    }
    let before = schema::of_postgres(connection, &POSTGRES_TABLES).await?;
    POSTGRES_TABLES.run(connection).await.map_err(migration)?;
    Ok(Migrated { from: before.has, to: before.brings, steps: before.pending })
}
