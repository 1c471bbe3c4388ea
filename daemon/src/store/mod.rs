//! What must survive: events, jobs, decisions, effects, what people did by hand, repositories, config revisions.
//!
//! Owns the two databases (SQLite by default, PostgreSQL when one machine is not enough) behind one body of code, the
//! payload codec and the object store directory. Refuses to know GitHub, HTTP and what a rule means.
//!
//! Invariants: a method that returned `Ok` from a write has it on disk; no transaction is open across anything but the
//! database itself (invariant 8).

pub mod config_revisions;
pub mod decisions;
pub mod effects;
pub mod events;
pub mod hand_changes;
pub mod jobs;
pub mod repositories;

use std::path::PathBuf;

/// Where the store lives.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// `sqlite:///absolute/path.db` or `postgres://…`; PostgreSQL URLs may hold a password, so this is never logged.
    pub url: secrecy::SecretString,
    /// Directory for payloads over 1 MiB.
    pub objects: PathBuf,
}

/// What a caller can do about a failing store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Full disk, locked file, lost connection: the same call may work later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// A row or object that should be there and readable is not.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// Anything else: a bug or a foreign change of the schema.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// A page of a list, newest first, and the cursor of the next one.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// Pass as `after` to go on; absent on the last page.
    pub next: Option<uuid::Uuid>,
}

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Db {}
