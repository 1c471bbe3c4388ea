//! What can go wrong in the store, and how the databases' own errors map to it.

use std::path::PathBuf;

/// What a caller can do about a failing store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Full disk, locked file, lost connection: the same call may work later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// A row or object that should be there and readable is not.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// The job is no longer this owner's: its lease ran out and another took it. Nothing was changed.
    #[error("the lease was lost")]
    LeaseLost,
    /// Anything else: a bug or a foreign change of the schema.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another orchd runs on {0}: it holds the lock file {1}")]
    InUse(PathBuf, PathBuf),
    #[error("the database URL is not one of sqlite:///absolute/path.db and postgres://…: {0}")]
    BadUrl(String),
    #[error("{0}: {1}")]
    Files(PathBuf, std::io::Error),
    #[error("the database could not be brought to this version's tables: {0}")]
    Migration(String),
    #[error(
        "a restore was interrupted, and {0} is what it left: run orchd restore --replace again, or put the old files back \
         under their names and remove it"
    )]
    HalfRestored(PathBuf),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let text = error.to_string();
        match &error {
            sqlx::Error::Database(cause) => match cause.code().map_or(Fault::Other, |code| fault(&code)) {
                Fault::Passing => Self::Unavailable(text),
                Fault::Damage => Self::Corrupt(text),
                Fault::Other => Self::Failed(text),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(text),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Corrupt(text),
            _ => Self::Failed(text),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// May be over later.
    Passing,
    Damage,
    Other,
}

/// SQLite gives its extended result code in decimal, PostgreSQL a SQLSTATE of five characters.
fn fault(code: &str) -> Fault {
    if code.len() == 5 {
        return sqlstate(code);
    }
    // The low byte of an extended result code is the primary one: https://www.sqlite.org/rescode.html
    match code.parse::<u32>().map(|code| code & 0xff) {
        // BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL
        Ok(5 | 6 | 7 | 8 | 10 | 13 | 14 | 15) => Fault::Passing,
        // CORRUPT, NOTADB
        Ok(11 | 26) => Fault::Damage,
        _ => Fault::Other,
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn sqlstate(code: &str) -> Fault {
    match code {
        // Read-only transaction (a standby), lock not available.
        "25006" | "55P03" => Fault::Passing,
        "XX001" | "XX002" => Fault::Damage,
        // Connection, rollback (deadlock, serialisation), resources (disk full), operator's intervention, system.
        _ if ["08", "40", "53", "57", "58"].contains(&&code[..2]) => Fault::Passing,
        _ => Fault::Other,
    }
}

/// Another connection writes to this SQLite file, and did so for all of our patience.
pub(super) fn is_held(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(cause)
        if cause.code().and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5))
}

/// Two daemons met on the same rows (PostgreSQL): the transaction was rolled back and starting it over is right.
pub(super) fn is_collision(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(cause)
        if matches!(cause.code().as_deref(), Some("40001" | "40P01" | "23505")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_or_locked_disk_is_passing_and_a_bug_is_not() {
        for passing in ["13", "5", "517", "10", "778", "53100", "08006", "57P01", "25006", "40P01"] {
            assert_eq!(fault(passing), Fault::Passing, "{passing}");
        }
        for damage in ["11", "26", "267", "XX001"] {
            assert_eq!(fault(damage), Fault::Damage, "{damage}");
        }
        for other in ["1", "19", "2067", "42P01", "23505", "x"] {
            assert_eq!(fault(other), Fault::Other, "{other}");
        }
    }
}
