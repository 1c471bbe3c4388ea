//! Duties that one daemon at a time does, though several share a PostgreSQL database.

use sqlx::PgConnection;

use super::dialect::Pools;
use super::{Db, StoreError};

/// What is done by one daemon at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    Retention,
    /// Taking over the list of the App's installations.
    Installations,
}

impl Duty {
    /// The number of its advisory lock. Never changes: daemons of two versions may share a database.
    fn key(self) -> i64 {
        match self {
            Self::Retention => 0x6f72_6368_0010,
            Self::Installations => 0x6f72_6368_0011,
        }
    }
}

/// The right to do a duty, until dropped.
#[derive(Debug)]
#[must_use = "the turn ends when this is dropped"]
pub struct Turn {
    /// Holds the lock: the server frees it when the connection ends, however that happens.
    _connection: Option<PgConnection>,
}

impl Db {
    /// The turn at a duty; `None` when another daemon has it. On SQLite there is no other daemon.
    ///
    /// # Errors
    /// When PostgreSQL cannot be reached.
    pub async fn take_turn(&self, duty: Duty) -> Result<Option<Turn>, StoreError> {
        let Pools::Postgres(pool) = &self.pools else { return Ok(Some(Turn { _connection: None })) };
        let mut connection = pool.acquire().await?.detach();
        let ours: bool =
            sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(duty.key()).fetch_one(&mut connection).await?;
        Ok(ours.then_some(Turn { _connection: Some(connection) }))
    }
}
