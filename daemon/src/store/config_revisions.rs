//! Which configs ran, and when: `config_revisions`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Db, StoreError};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigRevisionRow {
    /// SHA-256 of the loaded files, hexadecimal, first 16 digits.
    pub revision: String,
    /// Commit of the checkout the config lies in, when it lies in one.
    pub git_commit: Option<String>,
    pub path: String,
    /// The effective config as JSON, secrets masked.
    pub effective: serde_json::Value,
    pub loaded_at: DateTime<Utc>,
}

impl Db {
    /// Records that a revision was loaded (again).
    pub async fn record_config(&self, _row: &ConfigRevisionRow) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Newest first.
    pub async fn config_revisions(&self, _limit: u32) -> Result<Vec<ConfigRevisionRow>, StoreError> {
        unimplemented!()
    }
}
