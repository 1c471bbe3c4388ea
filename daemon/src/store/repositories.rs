//! Repositories and installations, learnt from payloads: `repositories`, `installations`, `installation_repositories`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Db, StoreError};
use crate::core::event::{InstallationId, RepoName};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepositoryRow {
    pub github_id: i64,
    pub name: RepoName,
    pub is_private: bool,
    pub default_branch: String,
    pub last_event_at: Option<DateTime<Utc>>,
    pub event_count: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstallationRow {
    pub id: InstallationId,
    pub account_login: String,
    pub account_type: String,
    pub is_suspended: bool,
}

impl Db {
    pub async fn repositories(&self) -> Result<Vec<RepositoryRow>, StoreError> {
        unimplemented!()
    }

    pub async fn installations(&self) -> Result<Vec<InstallationRow>, StoreError> {
        unimplemented!()
    }
}
