//! The one place that knows there are two databases: the pools, the macros that give one body two statically typed
//! arms, and the few statements that differ.

use std::sync::Arc;

use sqlx::postgres::PgListener;
use sqlx::{Connection, PgConnection, PgPool, Postgres, SqlitePool, Transaction};

use super::writer::{Writer, Writing};
use super::{Db, StoreError};

#[derive(Clone, Debug)]
pub(super) enum Pools {
    /// Several readers, one writer.
    Sqlite {
        read: SqlitePool,
        write: Writer,
    },
    Postgres(PgPool),
}

/// A transaction that writes. Dropped without [`Tx::commit`], it is rolled back.
pub(super) enum Tx {
    Sqlite(Writing),
    Postgres(Transaction<'static, Postgres>),
}

/// Runs one body against the database's readers: `$conn` is a pool.
macro_rules! on_db {
    ($db:expr, $conn:ident => $body:expr) => {
        match &$db.pools {
            $crate::store::dialect::Pools::Sqlite { read: $conn, .. } => $body,
            $crate::store::dialect::Pools::Postgres($conn) => $body,
        }
    };
}

/// Runs one body inside a transaction: `$conn` is a connection; pass `&mut *$conn`.
macro_rules! on_tx {
    ($tx:expr, $conn:ident => $body:expr) => {
        match $tx.arms() {
            $crate::store::dialect::Tx::Sqlite(tx) => {
                let $conn = &mut **tx;
                $body
            }
            $crate::store::dialect::Tx::Postgres(tx) => {
                let $conn = &mut **tx;
                $body
            }
        }
    };
}

impl Db {
    pub(super) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        Ok(match &self.pools {
            Pools::Sqlite { write, .. } => Tx::Sqlite(write.begin().await?),
            Pools::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Whether the store takes writes now: on SQLite a real write reaches the disk, on PostgreSQL the server says that
    /// it is no standby.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        match &self.pools {
            Pools::Sqlite { write, .. } => {
                let mut writing = write.begin().await?;
                // Rewrites one page; nothing reads the number.
                sqlx::query("PRAGMA user_version = 1").execute(&mut *writing).await?;
                writing.commit().await?;
            }
            Pools::Postgres(pool) => {
                let standby: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(pool).await?;
                if standby {
                    return Err(StoreError::Unavailable("the PostgreSQL server is a read-only standby".to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Waits for running statements and closes every connection. Later calls fail as unavailable.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { read, write } => {
                // The writer last: the last connection to close folds the write-ahead log into the file.
                read.close().await;
                write.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    /// Wake-ups from every daemon on this database.
    ///
    /// # Errors
    /// When PostgreSQL cannot be reached.
    pub async fn listen(&self) -> Result<Wakeups, StoreError> {
        Ok(Wakeups(match &self.pools {
            Pools::Sqlite { .. } => None,
            Pools::Postgres(pool) => {
                let mut listener = PgListener::connect_with(pool).await?;
                listener.ignore_pool_close_event(true);
                listener.listen(CHANNEL).await?;
                Some(listener)
            }
        }))
    }
}

/// The turn of one daemon at something that one at a time may do. Dropped, it ends: on PostgreSQL with its connection.
#[derive(Debug)]
pub struct Alone(Option<PgConnection>);

impl Db {
    /// Takes the turn at `what`, unless another daemon on this database has it (`None`). On SQLite there is no other.
    /// On PostgreSQL it is an advisory lock of a connection, outside any transaction, so it may be held across network
    /// I/O; when that connection breaks another daemon may begin, so what is done under it must bear being done twice.
    pub async fn alone_at(&self, what: &str) -> Result<Option<Alone>, StoreError> {
        let Pools::Postgres(pool) = &self.pools else { return Ok(Some(Alone(None))) };
        let mut connection = pool.acquire().await?;
        let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtext('orchd'), hashtext($1))")
            .bind(what)
            .fetch_one(&mut *connection)
            .await?;
        // Not back into the pool: the lock lives as long as its connection.
        Ok(taken.then(|| Alone(Some(connection.detach()))))
    }
}

impl Alone {
    /// Ends the turn, and waits until others can see that.
    pub async fn end(self) {
        if let Some(mut connection) = self.0 {
            // Failing that, the server frees the lock when the connection is gone.
            let _ = sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut connection).await;
            let _ = connection.close().await;
        }
    }
}

/// PostgreSQL channel on which daemons tell each other who may see something else from now on.
const SIGHTS: &str = "orchd_sights";

/// What other daemons, and this one, tell of who sees what. Holds one connection on PostgreSQL.
#[derive(Debug)]
pub struct SightNews(Option<PgListener>);

impl SightNews {
    /// The next word that was told with [`Db::tell_of_sight`]; `None`: some may have been lost with the connection. On
    /// SQLite, where there is no other daemon, it never comes.
    ///
    /// # Errors
    /// When the connection broke and could not be made again: wait a little, then call again.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        match &mut self.0 {
            None => std::future::pending().await,
            Some(listener) => Ok(listener.try_recv().await?.map(|told| told.payload().to_owned())),
        }
    }
}

impl Db {
    /// # Errors
    /// When PostgreSQL cannot be reached.
    pub async fn listen_for_sight(&self) -> Result<SightNews, StoreError> {
        Ok(SightNews(match &self.pools {
            Pools::Sqlite { .. } => None,
            Pools::Postgres(pool) => {
                let mut listener = PgListener::connect_with(pool).await?;
                listener.ignore_pool_close_event(true);
                listener.listen(SIGHTS).await?;
                Some(listener)
            }
        }))
    }

    /// Tells the daemons on this database, when there may be others. `what` has at most 7,999 bytes.
    pub async fn tell_of_sight(&self, what: &str) -> Result<(), StoreError> {
        if let Pools::Postgres(pool) = &self.pools {
            sqlx::query("SELECT pg_notify($1, $2)").bind(SIGHTS).bind(what).execute(pool).await?;
        }
        Ok(())
    }
}

/// PostgreSQL channel on which daemons tell each other that there are new jobs.
const CHANNEL: &str = "orchd_jobs";

/// Says when another daemon may have made work. Holds one connection on PostgreSQL.
#[derive(Debug)]
pub struct Wakeups(Option<PgListener>);

impl Wakeups {
    /// Waits for the next wake-up. On SQLite, where there is no other daemon, it never comes. Wake-ups while the
    /// connection was down are lost, so a reconnect counts as one.
    ///
    /// # Errors
    /// When the connection broke and could not be made again: wait a little, then call again.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        match &mut self.0 {
            None => std::future::pending().await,
            Some(listener) => {
                listener.try_recv().await?;
                // Many notifications are one wake-up.
                while listener.next_buffered().is_some() {}
                Ok(())
            }
        }
    }
}

impl Tx {
    /// For [`on_tx!`], which takes a transaction and a reference to one alike.
    pub(super) fn arms(&mut self) -> &mut Self {
        self
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::Postgres(tx) => tx.commit().await,
        }
    }

    /// Tells every daemon, once this commits, that there are jobs.
    pub(super) async fn notify(&mut self) -> Result<(), sqlx::Error> {
        if let Self::Postgres(tx) = self {
            sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(&mut **tx).await?;
        }
        Ok(())
    }

    /// Waits until no other transaction has its turn at `what`, and takes it until this one ends. On SQLite the only write
    /// lock is that.
    pub(super) async fn wait_for_turn(&mut self, what: &str) -> Result<(), sqlx::Error> {
        if let Self::Postgres(tx) = self {
            sqlx::query("SELECT pg_advisory_xact_lock(hashtext('orchd'), hashtext($1))")
                .bind(what)
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }

    /// The end of a SELECT of rows that this transaction will change: passes over those that another daemon is
    /// changing. SQLite needs nothing, its transaction has the only write lock.
    pub(super) fn lock_free_rows(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " FOR UPDATE OF j SKIP LOCKED",
        }
    }
}

impl Tx {
    /// The end of a SELECT of rows that nobody else is to change before this transaction ends: waits for who does. SQLite
    /// needs nothing, its transaction has the only write lock.
    pub(super) fn lock_rows(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " FOR UPDATE",
        }
    }

    /// The database's own time in microseconds, as an expression.
    pub(super) fn time(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
            Self::Postgres(_) => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
        }
    }
}

/// Which database, for texts that are made beforehand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Db {
    pub(super) fn dialect(&self) -> Dialect {
        match self.pools {
            Pools::Sqlite { .. } => Dialect::Sqlite,
            Pools::Postgres(_) => Dialect::Postgres,
        }
    }
}

impl Tx {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }
}

/// A statement over many rows, in sizes of powers of two so that each is prepared once and any number takes few.
///
/// Every execution on SQLite is a trip to its worker thread: few big statements beat many small ones. Its parameters
/// have no numbers there, because SQLite looks each numbered one up in a list of all: with hundreds of them that took
/// longer than the insert.
pub(super) struct Bulk {
    texts: [(usize, Arc<str>, Arc<str>); 8],
}

impl Bulk {
    /// `head` row `,` row … `tail`. Each `#` is the next parameter, in the order of the text.
    pub(super) fn new(head: &str, row: &str, tail: &str) -> Self {
        let text = |rows: usize| {
            let template = format!("{head}{}{tail}", vec![row; rows].join(","));
            let mut numbered = String::with_capacity(template.len() * 2);
            let mut parts = template.split('#');
            numbered.extend(parts.next());
            for (index, part) in parts.enumerate() {
                numbered += &format!("${}{part}", index + 1);
            }
            (rows, template.replace('#', "?").into(), numbered.into())
        };
        Self { texts: [128, 64, 32, 16, 8, 4, 2, 1].map(text) }
    }

    /// Cuts items into the prepared sizes, biggest first.
    pub(super) fn chunks<'a, T>(
        &'a self,
        dialect: Dialect,
        items: &'a [T],
    ) -> impl Iterator<Item = (sqlx::AssertSqlSafe<Arc<str>>, &'a [T])> {
        let mut rest = items;
        std::iter::from_fn(move || {
            let (rows, plain, numbered) = self.texts.iter().find(|(rows, ..)| *rows <= rest.len())?;
            let (chunk, left) = rest.split_at(*rows);
            rest = left;
            let sql = match dialect {
                Dialect::Sqlite => plain,
                Dialect::Postgres => numbered,
            };
            Some((sqlx::AssertSqlSafe(sql.clone()), chunk))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bulk_statement_numbers_its_parameters_in_the_order_of_its_text() {
        let bulk = Bulk::new("UPDATE t SET a = # WHERE b IN (", "(#,#)", ") RETURNING x");
        let (rows, plain, numbered) = &bulk.texts[5];
        assert_eq!(*rows, 4);
        assert_eq!(&**plain, "UPDATE t SET a = ? WHERE b IN ((?,?),(?,?),(?,?),(?,?)) RETURNING x");
        assert_eq!(&**numbered, "UPDATE t SET a = $1 WHERE b IN (($2,$3),($4,$5),($6,$7),($8,$9)) RETURNING x");
    }

    #[test]
    fn chunks_cover_every_item_once() {
        let bulk = Bulk::new("", "#", "");
        for length in [0, 1, 3, 5, 63, 64, 85, 300] {
            let items: Vec<usize> = (0..length).collect();
            let seen: Vec<usize> = bulk.chunks(Dialect::Sqlite, &items).flat_map(|(_, chunk)| chunk.to_vec()).collect();
            assert_eq!(seen, items);
        }
    }
}
