//! SQLite's one writing connection, and the queue in front of it.
//!
//! Not a pool of one: a pool asks a connection whether it lives whenever it comes back, in a task of its own. Between two
//! batches of ingest that is several trips to the connection's thread.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::runtime::Handle;
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
    folding: Arc<AbortOnDropHandle<()>>,
    /// The connection that folds, once there was something to fold.
    folder: Folder,
}

type Folder = Arc<Mutex<Option<SqliteConnection>>>;

#[derive(Debug)]
struct Open {
    connection: SqliteConnection,
    /// A transaction was begun, and nobody saw its end.
    unended: bool,
    /// Commits since the log was last to be folded.
    commits: u32,
    grown: Arc<Notify>,
}

impl Open {
    async fn roll_back(&mut self) {
        if std::mem::take(&mut self.unended) {
            // Fails when SQLite has rolled back by itself, as it does on a full disk.
            let _ = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
        }
    }
}

impl Writer {
    /// Opens the connection. `patience`: how long a transaction waits for those before it.
    pub(super) async fn open(options: SqliteConnectOptions, patience: Duration) -> Result<Self, sqlx::Error> {
        let connection = options.connect().await?;
        let options = Arc::new(options);
        let grown = Arc::new(Notify::new());
        let folder = Folder::default();
        let folding = tokio::spawn(fold_when_grown(Arc::clone(&options), Arc::clone(&grown), Arc::clone(&folder)));
        let folding = Arc::new(AbortOnDropHandle::new(folding));
        let open = Open { connection, unended: false, commits: 0, grown };
        Ok(Self { open: Arc::new(Mutex::new(Some(open))), options, patience, folding, folder })
    }

    /// For a database that is only read: every transaction is refused, as after [`Writer::close`].
    pub(super) fn none() -> Self {
        Self {
            open: Arc::default(),
            options: Arc::default(),
            patience: Duration::ZERO,
            folding: Arc::new(AbortOnDropHandle::new(tokio::spawn(async {}))),
            folder: Folder::default(),
        }
    }

    /// Begins a transaction that has the write lock at once: one that reads before it writes could fail at the write.
    ///
    /// # Errors
    /// `PoolTimedOut` when those before it take too long, `PoolClosed` after [`Writer::close`].
    pub(super) async fn begin(&self) -> Result<Writing, sqlx::Error> {
        let turn = tokio::time::timeout(self.patience, Arc::clone(&self.open).lock_owned()).await;
        let turn = turn.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let turn = OwnedMutexGuard::try_map(turn, Option::as_mut).map_err(|_| sqlx::Error::PoolClosed)?;
        let mut writing = Writing { turn, open: Arc::clone(&self.open) };
        writing.turn.roll_back().await;
        writing.turn.unended = true;
        match sqlx::query(BEGIN).execute(&mut *writing).await {
            Err(sqlx::Error::WorkerCrashed) => {
                writing.turn.connection = self.options.connect().await?;
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
        self.folding.abort();
        if let Some(folder) = self.folder.lock().await.take() {
            let _ = folder.close().await;
        }
        if let Some(open) = self.open.lock().await.take() {
            // What it says is about a file that nobody needs any more.
            let _ = open.connection.close().await;
        }
    }
}

const BEGIN: &str = "BEGIN IMMEDIATE";

/// A transaction. Dropped without [`Writing::commit`], it is rolled back at once, and before the next one begins.
pub(super) struct Writing {
    turn: OwnedMappedMutexGuard<Option<Open>, Open>,
    open: Arc<Mutex<Option<Open>>>,
}

impl Drop for Writing {
    fn drop(&mut self) {
        // Left to the next transaction, it would keep the file locked while jobs wait for the network (invariant 8).
        if let (true, Ok(runtime)) = (self.turn.unended, Handle::try_current()) {
            let open = Arc::clone(&self.open);
            runtime.spawn(async move {
                if let Some(open) = &mut *open.lock().await {
                    open.roll_back().await;
                }
            });
        }
    }
}

impl Writing {
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        sqlx::query("COMMIT").execute(&mut *self).await?;
        self.turn.unended = false;
        self.turn.commits += 1;
        if self.turn.commits >= FOLD_EVERY {
            self.turn.commits = 0;
            self.turn.grown.notify_one();
        }
        Ok(())
    }
}

impl Deref for Writing {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.turn.connection
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.turn.connection
    }
}

/// Folds the log into the file on a connection of its own, while the writer goes on: inside a commit, as SQLite does it
/// by itself, it would hold up everyone who waits for the answer. What is written meanwhile stays in the log, so under
/// steady load the log still grows to `wal_autocheckpoint`; by then there is little left to fold.
async fn fold_when_grown(options: Arc<SqliteConnectOptions>, grown: Arc<Notify>, folder: Folder) {
    loop {
        grown.notified().await;
        let mut folder = folder.lock().await;
        let connection = match &mut *folder {
            Some(connection) => connection,
            // Not before there is something to do: an idle daemon does without.
            None => match options.connect().await {
                Ok(connection) => folder.insert(connection),
                Err(_) => continue,
            },
        };
        // Its failures are those of the disk, and the writer meets them too.
        let _ = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(connection).await;
    }
}
