//! What must survive: events, jobs, decisions, effects, what people did by hand, repositories, installations, configs,
//! people and their sessions.
//!
//! Owns the two databases (SQLite by default, PostgreSQL when one machine is not enough) behind one body of code, the
//! payload codec and the object store directory. Refuses to know GitHub, HTTP and what a rule means.
//!
//! Invariants: a method that returned `Ok` from a write has it on disk; no transaction is open across anything but the
//! database itself (invariant 8).

#[macro_use]
mod dialect;
pub mod allowance;
mod among;
pub mod api_keys;
pub mod audit;
pub mod backup;
mod budgets;
mod by_hand;
pub mod causes;
mod claim;
mod columns;
mod config_holds;
pub mod config_revisions;
mod coverage;
pub mod decided;
pub mod decisions;
pub mod effects;
mod error;
pub mod events;
pub mod examine;
mod facts;
pub mod forward;
pub mod guards;
pub mod hand_changes;
pub mod hours;
pub mod idempotent;
mod ingest;
pub mod installations;
pub mod jobs;
mod learn;
pub mod merge_queue;
pub mod migrate;
mod months;
mod objects;
mod open;
mod payload;
pub mod pending_logins;
pub mod people;
mod plan;
pub mod recorded;
pub mod recovery;
pub mod repositories;
pub mod repository_configs;
pub mod restore;
pub mod retention;
pub mod rollbacks;
mod rows;
pub mod schema;
pub mod sessions;
pub mod setup;
mod shadow;
mod still;
mod stopped;
pub mod users;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

pub use among::Among;
pub use dialect::{Alone, SightNews, Wakeups};
pub use error::{OpenError, StoreError};
pub use ingest::Packed;

/// Where the store lives.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// `sqlite:///absolute/path.db` or `postgres://…`; PostgreSQL URLs may hold a password, so this is never logged.
    pub url: secrecy::SecretString,
    /// Directory for payloads over 1 MiB.
    pub objects: PathBuf,
}

/// A page of a list, newest first, and the cursor of the next one.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Page<T, C = uuid::Uuid> {
    pub rows: Vec<T>,
    /// Pass as `after` to go on; absent on the last page.
    pub next: Option<C>,
}

/// Most rows of one page.
const MAX_PAGE: u32 = 1_000;

impl<T, C> Page<T, C> {
    /// Makes a page of rows read with one more than `limit`: the extra one says that there is a next page.
    fn cut(mut rows: Vec<T>, limit: i64, cursor: impl Fn(&T) -> C) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(cursor) } else { None };
        Self { rows, next }
    }
}

/// Rows to read for a page of `limit` (at least 1, at most [`MAX_PAGE`]).
fn page_limit(limit: u32) -> i64 {
    i64::from(limit.clamp(1, MAX_PAGE))
}

/// The database. Cheap to clone; the last clone to go closes it and frees its lock.
#[derive(Clone, Debug)]
pub struct Db {
    pools: dialect::Pools,
    shared: Arc<Shared>,
}

/// What every clone of a [`Db`] shares.
#[derive(Debug)]
struct Shared {
    codec: payload::Codec,
    objects: objects::Objects,
    learnt: std::sync::Mutex<learn::Learnt>,
    /// Held for the life of the database: a second daemon on the same SQLite file is refused.
    _lock: Option<std::fs::File>,
}
