//! SQLite's one writing connection, and the queue in front of it.
//!
//! Not a pool of one: a pool asks a connection whether it lives whenever it comes back, in a task of its own. Between two
//! batches of ingest that is several trips to the connection's thread.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{Mutex, Notify, OwnedMappedMutexGuard, OwnedMutexGuard};
use tokio_util::task::AbortOnDropHandle;

/// After so many commits the log is folded into the file.
const FOLD_EVERY: u32 = 32;

/// Who waits is served in order: SQLite lets one write at a time, and a queue is fairer than its lock.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    /// `None` once closed.
    open: Arc<Mutex<Option<Open>>>,
    options: Arc<SqliteConnectOptions>,
    patience: Duration,
    _folding: Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Open {
    connection: SqliteConnection,
    /// A transaction was begun, and nobody saw its end.
    unended: bool,
    /// Commits since the log was last to be folded.
    commits: u32,
    grown: Arc<Notify>,
}

impl Writer {
    /// Opens the connection. `patience`: how long a transaction waits for those before it.
    pub(super) async fn open(options: SqliteConnectOptions, patience: Duration) -> Result<Self, sqlx::Error> {
        let connection = options.connect().await?;
        let options = Arc::new(options);
        let grown = Arc::new(Notify::new());
        let folding = tokio::spawn(fold_when_grown(Arc::clone(&options), Arc::clone(&grown)));
        let open = Open { connection, unended: false, commits: 0, grown };
        let folding = Arc::new(AbortOnDropHandle::new(folding));
        Ok(Self { open: Arc::new(Mutex::new(Some(open))), options, patience, _folding: folding })
    }

    /// Begins a transaction that has the write lock at once: one that reads before it writes could fail at the write.
    ///
    /// # Errors
    /// `PoolTimedOut` when those before it take too long, `PoolClosed` after [`Writer::close`].
    pub(super) async fn begin(&self) -> Result<Writing, sqlx::Error> {
        let turn = tokio::time::timeout(self.patience, Arc::clone(&self.open).lock_owned()).await;
        let turn = turn.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let mut writing = Writing(OwnedMutexGuard::try_map(turn, Option::as_mut).map_err(|_| sqlx::Error::PoolClosed)?);
        if writing.0.unended {
            // Fails when SQLite has rolled back by itself, as it does on a full disk.
            let _ = sqlx::query("ROLLBACK").execute(&mut *writing).await;
        }
        writing.0.unended = true;
        match sqlx::query(BEGIN).execute(&mut *writing).await {
            Err(sqlx::Error::WorkerCrashed) => {
                writing.0.connection = self.options.connect().await?;
                sqlx::query(BEGIN).execute(&mut *writing).await?;
            }
            begun => {
                begun?;
            }
        }
        Ok(writing)
    }

    /// Waits for the transaction under way, then closes. The last connection to a file folds its log into it.
    pub(super) async fn close(&self) {
        if let Some(open) = self.open.lock().await.take() {
            // What it says is about a file that nobody needs any more.
            let _ = open.connection.close().await;
        }
    }
}

const BEGIN: &str = "BEGIN IMMEDIATE";

/// A transaction. Dropped without [`Writing::commit`], it is rolled back before the next one begins; until then nobody
/// sees what it wrote.
pub(super) struct Writing(OwnedMappedMutexGuard<Option<Open>, Open>);

impl Writing {
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        sqlx::query("COMMIT").execute(&mut *self).await?;
        self.0.unended = false;
        self.0.commits += 1;
        if self.0.commits >= FOLD_EVERY {
            self.0.commits = 0;
            self.0.grown.notify_one();
        }
        Ok(())
    }
}

impl Deref for Writing {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0.connection
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0.connection
    }
}

/// Folds the log into the file on a connection of its own, while the writer goes on: inside a commit, as SQLite does it
/// by itself, it would hold up everyone who waits for the answer. What is written meanwhile stays in the log, so under
/// steady load the log still grows to `wal_autocheckpoint`; by then there is little left to fold.
async fn fold_when_grown(options: Arc<SqliteConnectOptions>, grown: Arc<Notify>) {
    let mut own = None;
    loop {
        grown.notified().await;
        let connection = match &mut own {
            Some(connection) => connection,
            // Not before there is something to do: an idle daemon does without.
            None => match options.connect().await {
                Ok(connection) => own.insert(connection),
                Err(_) => continue,
            },
        };
        // Its failures are those of the disk, and the writer meets them too.
        let _ = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(connection).await;
    }
}
