//! Looking at a database that is nobody's to change: whether it opens, whose tables it has, whether it takes writes, whether
//! it is sound. Invariant: it reads as it was before; nothing is made, migrated or kept.

use std::str::FromStr as _;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, SqliteConnection};

use super::StoreError;
use super::error::is_held;
use super::open::{POSTGRES_TABLES, SQLITE_TABLES};
use super::schema::{self, Schema};

/// How long a daemon's write is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long SQLite may look through its pages: some gigabytes on a common disk.
const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// SQLite's own steps between two looks at the clock.
const STEPS: i32 = 10_000;

/// What a database is like.
#[derive(Debug)]
pub enum Examined {
    /// The SQLite file is not there. The first start makes it.
    Absent,
    /// Somebody has been writing to the SQLite file for this long, and lets nobody else.
    Held(Duration),
    Present {
        tables: Tables,
        soundness: Soundness,
    },
}

/// Whose tables a database has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tables {
    /// None of ours yet.
    None,
    /// Those of this version.
    Current,
    /// So many steps are to be taken at the next start.
    Behind(usize),
    /// A step that this version does not know.
    Newer(i64),
    /// A step that is not what this version takes under that number, or was not taken to its end.
    Other(i64),
}

/// What SQLite says of its pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Soundness {
    Sound,
    Damaged(String),
    /// There is more than can be looked through in this time.
    TooLarge(Duration),
    /// PostgreSQL looks after itself.
    NotAsked,
}

/// Looks at the database at `url`. Waits five seconds at most for a lock, and ten for SQLite's pages.
///
/// # Errors
/// When it does not open, or takes no writes.
pub async fn examine(url: &SecretString) -> Result<Examined, StoreError> {
    let url = url.expose_secret();
    if !url.starts_with("sqlite:") {
        // The parser's error is not shown: it could quote the password.
        let options = PgConnectOptions::from_str(url).map_err(|_| StoreError::Failed("not a PostgreSQL URL".into()))?;
        let options = options.options([("lock_timeout", "5s")]).application_name("orchd doctor");
        let mut connection = PgConnection::connect_with(&options).await?;
        let examined = examine_postgres(&mut connection).await;
        connection.close().await?;
        return examined;
    }
    let options = SqliteConnectOptions::from_str(url)?.busy_timeout(PATIENCE);
    if !options.get_filename().exists() {
        return Ok(Examined::Absent);
    }
    let mut connection = options.connect().await?;
    let examined = examine_sqlite(&mut connection).await;
    connection.close().await?;
    examined
}

async fn examine_sqlite(connection: &mut SqliteConnection) -> Result<Examined, StoreError> {
    let schema = schema::of_sqlite(connection, &SQLITE_TABLES).await?;
    // Takes the lock of writers, and changes nothing.
    match sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await {
        Err(error) if is_held(&error) => return Ok(Examined::Held(PATIENCE)),
        begun => begun?,
    };
    sqlx::query("ROLLBACK").execute(&mut *connection).await?;
    Ok(Examined::Present { tables: judge(&schema), soundness: soundness(connection).await? })
}

async fn soundness(connection: &mut SqliteConnection) -> Result<Soundness, StoreError> {
    let began = Instant::now();
    connection.lock_handle().await?.set_progress_handler(STEPS, move || began.elapsed() < LONGEST_LOOK);
    let looked: Result<(String,), _> = sqlx::query_as("PRAGMA quick_check(1)").fetch_one(&mut *connection).await;
    connection.lock_handle().await?.remove_progress_handler();
    match looked {
        Ok((word,)) if word == "ok" => Ok(Soundness::Sound),
        Ok((complaint,)) => Ok(Soundness::Damaged(complaint)),
        Err(_) if began.elapsed() >= LONGEST_LOOK => Ok(Soundness::TooLarge(LONGEST_LOOK)),
        Err(error) => Err(error.into()),
    }
}

async fn examine_postgres(connection: &mut PgConnection) -> Result<Examined, StoreError> {
    let schema = schema::of_postgres(connection, &POSTGRES_TABLES).await?;
    if schema.has.is_some() {
        // Refused where nothing may be written, as on a standby; it finds no row, and is taken back all the same.
        let mut nothing = connection.begin().await?;
        sqlx::query("DELETE FROM _sqlx_migrations WHERE false").execute(&mut *nothing).await?;
        nothing.rollback().await?;
    }
    Ok(Examined::Present { tables: judge(&schema), soundness: Soundness::NotAsked })
}

fn judge(schema: &Schema) -> Tables {
    let other = || schema.differing.first().or_else(|| schema.unfinished.first());
    match (schema.has, schema.newer.first(), other(), schema.pending.len()) {
        (None, ..) => Tables::None,
        (_, Some(&version), ..) => Tables::Newer(version),
        (_, _, Some(&version), _) => Tables::Other(version),
        (.., 0) => Tables::Current,
        (.., left) => Tables::Behind(left),
    }
}
