//! Takes events in.

use std::sync::Arc;

use tokio::sync::watch;

use crate::store::events::{Ingested, NewEvent};
use crate::store::{Db, StoreError};

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("too many events wait to be stored")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where events go in. Cheap to clone.
#[derive(Clone)]
pub struct Ingest {
    db: Db,
    stored: Arc<watch::Sender<u64>>,
}

impl Ingest {
    pub fn new(db: Db) -> Self {
        Self { db, stored: Arc::new(watch::Sender::new(0)) }
    }

    /// Returns once the event is on disk.
    pub async fn submit(&self, event: NewEvent) -> Result<Ingested, IngestError> {
        let stored = self.db.ingest(vec![event]).await?;
        self.stored.send_modify(|count| *count += 1);
        stored.first().copied().ok_or(IngestError::Busy)
    }

    /// Changes whenever events were stored.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.stored.subscribe()
    }
}
