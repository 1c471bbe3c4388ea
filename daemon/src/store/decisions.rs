//! Decisions with their explanation: `decisions`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::jobs::JobId;
use super::{Db, StoreError};
use crate::core::decide::{Decision, Verdict};
use crate::core::event::{EventId, RepoName};
use crate::core::explain::Explanation;
use crate::core::rule::{Mode, RuleName};

/// What processing an event came to.
#[derive(Clone, Debug)]
pub struct Processed {
    pub job: JobId,
    pub event: EventId,
    pub decisions: Vec<Decision>,
    /// Hash of the config that decided.
    pub config_revision: String,
    /// What the event tells that a person did by hand.
    pub hand_changes: Vec<super::hand_changes::HandChange>,
}

/// A stored decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionRow {
    pub id: Uuid,
    pub event: EventId,
    pub rule: RuleName,
    pub mode: Mode,
    pub verdict: Verdict,
    pub explanation: Explanation,
    pub config_revision: String,
    pub decided_at: DateTime<Utc>,
}

impl Db {
    /// Finishes `Process` jobs of one claim in one transaction: decisions, the effects of matched active rules (state
    /// `planned`) with an `Apply` job each in the event's lane, hand changes; each event becomes `processed` and its job
    /// `done`. Decisions of an earlier attempt or replay of the event are replaced; an effect whose id exists is left
    /// as it is (and gets no second job unless it is `failed`). Shadow rules' intents are stored as effects in state `shadow`, without
    /// a job.
    pub async fn finish_processed(
        &self,
        _owner: &str,
        _processed: &[Processed],
        _now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        unimplemented!()
    }

    pub async fn decisions_of(&self, _event: EventId) -> Result<Vec<DecisionRow>, StoreError> {
        unimplemented!()
    }

    /// Decisions on one item, newest first.
    pub async fn decisions_on(
        &self,
        _repository: &RepoName,
        _number: u64,
        _limit: u32,
    ) -> Result<Vec<DecisionRow>, StoreError> {
        unimplemented!()
    }
}
