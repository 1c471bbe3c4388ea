//! Effects: intents, and what became of them: `effects`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::jobs::JobId;
use super::{Db, Page, StoreError};
use crate::core::event::{EventId, RepoName};
use crate::core::intent::{Intent, IntentId};
use crate::core::rule::RuleName;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectState {
    /// Intent stored, nothing done yet.
    Planned,
    /// Before-state stored, the write may or may not have happened.
    Writing,
    /// Written and read back.
    Applied,
    /// It was already so: nothing was written.
    Unchanged,
    /// A guard held it back (a person's hand, a limit); `note` says which.
    Held,
    /// The write gate was closed (dry run, read-only); `note` says why.
    Gated,
    /// A shadow rule's: what would have been done.
    Shadow,
    /// Gave up; `note` says why.
    Failed,
    /// Cannot be told whether it happened: a person must look.
    Quarantined,
    /// Taken back.
    Undone,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectRow {
    pub intent: Intent,
    pub state: EffectState,
    pub config_revision: String,
    /// What was to be written.
    pub change: Option<Value>,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// What an attempt came to.
#[derive(Clone, Debug)]
pub struct EffectOutcome {
    pub state: EffectState,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub note: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct EffectFilter {
    pub repository: Option<RepoName>,
    pub number: Option<u64>,
    pub rule: Option<RuleName>,
    pub event: Option<EventId>,
    pub state: Option<EffectState>,
    pub limit: u32,
    pub after: Option<Uuid>,
}

impl Db {
    pub async fn effect(&self, _id: IntentId) -> Result<Option<EffectRow>, StoreError> {
        unimplemented!()
    }

    pub async fn effects(&self, _filter: &EffectFilter) -> Result<Page<EffectRow>, StoreError> {
        unimplemented!()
    }

    /// Before the write: state `writing`, with what was read and what will be written.
    pub async fn begin_write(
        &self,
        _id: IntentId,
        _before: &Value,
        _change: &Value,
        _now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// The receipt, and the job done, in one transaction.
    pub async fn finish_effect(
        &self,
        _owner: &str,
        _job: JobId,
        _id: IntentId,
        _outcome: &EffectOutcome,
        _now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Marks an applied effect as taken back.
    pub async fn mark_undone(&self, _id: IntentId, _note: &str, _now: DateTime<Utc>) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Effects of a rule that wrote (state `writing`, `applied` or `undone`) since then: for `actions_per_hour`.
    pub async fn count_written(&self, _rule: &RuleName, _since: DateTime<Utc>) -> Result<u64, StoreError> {
        unimplemented!()
    }
}
