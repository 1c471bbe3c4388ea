//! Which steps (migrations) a database's tables have taken, and how that compares with the steps of this version.

use serde::Serialize;
use sqlx::migrate::Migrator;
use sqlx::{PgConnection, SqliteConnection};

use super::StoreError;

/// A step: one file of `migrations/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub version: i64,
    pub name: String,
}

/// A database's steps beside this version's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Schema {
    /// The latest step that was taken; `None`: the database has no tables of ours.
    pub has: Option<i64>,
    /// The latest step of this version.
    pub brings: i64,
    /// In the order in which they are to be taken.
    pub pending: Vec<Step>,
    /// Taken, and unknown to this version: a newer one has used the database.
    pub newer: Vec<i64>,
    /// Taken, but not what this version has under that number.
    pub differing: Vec<i64>,
    /// Begun and not ended.
    pub unfinished: Vec<i64>,
}

impl Schema {
    /// Whether this version can use the database as it is, or after the pending steps.
    pub fn is_ours(&self) -> bool {
        self.newer.is_empty() && self.differing.is_empty() && self.unfinished.is_empty()
    }

    /// Whether nothing is to be done.
    pub fn is_current(&self) -> bool {
        self.is_ours() && self.pending.is_empty()
    }

    fn compare(ours: &Migrator, taken: &[Taken]) -> Self {
        let versions = |those: &dyn Fn(&Taken) -> bool| -> Vec<i64> {
            taken.iter().filter(|step| those(step)).map(|step| step.version).collect()
        };
        let known = |step: &Taken| ours.iter().find(|our| our.version == step.version);
        let pending = ours.iter().filter(|our| taken.iter().all(|step| step.version != our.version));
        Self {
            has: taken.iter().map(|step| step.version).max(),
            brings: ours.iter().map(|our| our.version).max().unwrap_or(0),
            pending: pending.map(|our| Step { version: our.version, name: our.description.to_string() }).collect(),
            newer: versions(&|step| known(step).is_none()),
            differing: versions(&|step| known(step).is_some_and(|our| our.checksum[..] != step.checksum[..])),
            unfinished: versions(&|step| !step.success),
        }
    }
}

/// A row of sqlx's own table.
#[derive(sqlx::FromRow)]
struct Taken {
    version: i64,
    success: bool,
    checksum: Vec<u8>,
}

/// Index: the primary key; the table has a row for each step there ever was.
const TAKEN: &str = "SELECT version, success, checksum FROM _sqlx_migrations ORDER BY version";

pub(super) async fn of_sqlite(connection: &mut SqliteConnection, ours: &Migrator) -> Result<Schema, StoreError> {
    // Index: none; SQLite's own list of tables is short.
    let there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations')";
    let there: bool = sqlx::query_scalar(there).fetch_one(&mut *connection).await?;
    let taken: Vec<Taken> = if there { sqlx::query_as(TAKEN).fetch_all(connection).await? } else { Vec::new() };
    Ok(Schema::compare(ours, &taken))
}

pub(super) async fn of_postgres(connection: &mut PgConnection, ours: &Migrator) -> Result<Schema, StoreError> {
    // Index: none; a name is looked up in the catalogue.
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&mut *connection).await?;
    let taken: Vec<Taken> = if there { sqlx::query_as(TAKEN).fetch_all(connection).await? } else { Vec::new() };
    Ok(Schema::compare(ours, &taken))
}
