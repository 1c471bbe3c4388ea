//! What events have told lately: after one about an item, what was read of the item before is no longer fresh.
//!
//! A table of fixed size and no locks, for it is written at every delivery. Two items that share a place only make each
//! other look younger than they are: then GitHub is asked once more than needed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::path::Item;
use crate::core::event::RepoName;

/// Places for items: 32 KiB.
const PLACES: usize = 4_096;
/// For how long an answer is fresh when no event tells otherwise, in nanoseconds. Short, for a delivery can be late.
const FRESH_FOR: u64 = 10_000_000_000;

/// Cheap to clone; clones share what they heard.
#[derive(Clone, Debug)]
pub struct Heard(Option<Arc<Table>>);

#[derive(Debug)]
struct Table {
    began: Instant,
    /// When an item, or all of a repository, was last heard of: nanoseconds since `began`, from 1.
    items: Vec<AtomicU64>,
    /// Which events of which repositories have come: the hash itself, so that no other is taken for it.
    kinds: Vec<AtomicU64>,
}

fn hash(repository: &str, what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    repository.bytes().for_each(|byte| hasher.write_u8(byte.to_ascii_lowercase()));
    what.hash(&mut hasher);
    hasher.finish()
}

fn place(cells: &[AtomicU64], hash: u64) -> &AtomicU64 {
    &cells[usize::try_from(hash % PLACES as u64).unwrap_or_default()]
}

impl Heard {
    pub fn new() -> Self {
        let cells = || (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self(Some(Arc::new(Table { began: Instant::now(), items: cells(), kinds: cells() })))
    }

    /// Where events may reach another daemon only: nothing is ever fresh.
    pub fn nothing() -> Self {
        Self(None)
    }

    /// An event has come. To be called before anybody can act on it.
    pub fn hear(&self, repository: &RepoName, number: Option<u64>, event: &str) {
        let Some(table) = &self.0 else { return };
        table.touch(repository.as_str(), number.unwrap_or(0));
        let kind = hash(repository.as_str(), event);
        place(&table.kinds, kind).store(kind, Ordering::Relaxed);
    }

    /// orchd has changed something itself, and the event of it is on its way.
    pub(super) fn changed(&self, path: &str) {
        if let (Some(table), Some(item)) = (&self.0, Item::of(path)) {
            table.touch(item.repository, item.number);
        }
    }

    /// The time, for [`Heard::is_fresh`].
    pub(super) fn now(&self) -> u64 {
        self.0.as_ref().map_or(0, |table| table.now())
    }

    /// Whether what was `asked` for at that time can be taken for what GitHub would say now: short ago, no event about the
    /// item since, and such events do come.
    pub(super) fn is_fresh(&self, path: &str, asked: u64) -> bool {
        let (Some(table), Some(item)) = (&self.0, Item::of(path)) else { return false };
        let Some(event) = item.told_by else { return false };
        let kind = hash(item.repository, event);
        let last = table.last(item.repository, item.number).max(table.last(item.repository, 0));
        place(&table.kinds, kind).load(Ordering::Relaxed) == kind && asked > last && table.now() - asked < FRESH_FOR
    }
}

impl Default for Heard {
    fn default() -> Self {
        Self::new()
    }
}

impl Table {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX) + 1
    }

    fn touch(&self, repository: &str, number: u64) {
        place(&self.items, hash(repository, number)).fetch_max(self.now(), Ordering::SeqCst);
    }

    fn last(&self, repository: &str, number: u64) -> u64 {
        place(&self.items, hash(repository, number)).load(Ordering::SeqCst)
    }
}
