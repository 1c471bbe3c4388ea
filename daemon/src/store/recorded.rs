//! What happened and what was done about it, in order of arrival: for asking what other rules would have done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;
use uuid::Uuid;
use zstd::dict::DecoderDictionary;

use super::columns::{Micros, from_json, from_word, repo_name, unsigned};
use super::effects::{EffectState, read_subject};
use super::events::first_id;
use super::objects::Objects;
use super::payload::decompress;
use super::{Db, StoreError};
use crate::core::backtest::Deed;
use crate::core::event::{EventId, InstallationId, RepoName};
use crate::core::facts::Beside;
use crate::core::intent::Target;
use crate::core::rule::Rule;

/// The kinds of event that rules wait for.
#[derive(Clone, Debug)]
pub struct AwaitedKinds {
    /// By name; `None`: every action. Nothing at all: every event.
    names: Option<BTreeMap<String, Option<BTreeSet<String>>>>,
}

impl AwaitedKinds {
    pub fn of(rules: &[Rule]) -> Self {
        let mut names: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
        for trigger in rules.iter().flat_map(|rule| &rule.on) {
            let Some(name) = trigger.event_name() else { return Self { names: None } };
            let actions = names.entry(name.to_owned()).or_insert_with(|| Some(BTreeSet::new()));
            match (actions, trigger.action()) {
                (Some(actions), Some(action)) => {
                    actions.insert(action.to_owned());
                }
                (actions, _) => *actions = None,
            }
        }
        Self { names: Some(names) }
    }

    pub fn is_empty(&self) -> bool {
        self.names.as_ref().is_some_and(BTreeMap::is_empty)
    }
}

/// Which part of the past.
#[derive(Clone, Debug)]
pub struct Span {
    /// Arrived at or after.
    pub since: DateTime<Utc>,
    /// Arrived before.
    pub until: DateTime<Utc>,
    pub repository: Option<RepoName>,
}

/// A recorded event, packed as it is stored.
#[derive(Debug)]
pub struct RecordedEvent {
    pub id: EventId,
    pub name: String,
    pub received_at: DateTime<Utc>,
    /// Whether rules have decided on it, or none waited for it.
    pub is_processed: bool,
    payload: Packed,
    facts: Packed,
}

/// Bytes that unpacking takes a while, so that it is done where it disturbs nobody.
#[derive(Debug)]
enum Packed {
    Nothing,
    Object(Objects, String),
    Zstd(Option<Dictionary>, Vec<u8>),
}

#[derive(Clone)]
struct Dictionary(Arc<DecoderDictionary<'static>>);

impl std::fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dictionary")
    }
}

impl Packed {
    fn unpack(&self) -> Result<Option<Bytes>, StoreError> {
        match self {
            Self::Nothing => Ok(None),
            Self::Object(objects, name) => objects.read(name),
            Self::Zstd(dictionary, bytes) => {
                decompress(dictionary.as_ref().map(|dictionary| &*dictionary.0), bytes).map(Some)
            }
        }
    }
}

impl RecordedEvent {
    /// `None`: retention has dropped it. Reads a file when it is a large one.
    pub fn payload(&self) -> Result<Option<Bytes>, StoreError> {
        self.payload.unpack()
    }

    /// What was known beside the payload.
    pub fn facts(&self) -> Result<Option<Beside>, StoreError> {
        let Some(text) = self.facts.unpack()? else { return Ok(None) };
        let facts = serde_json::from_slice(&text);
        facts.map(Some).map_err(|error| StoreError::Corrupt(format!("column facts: {error}")))
    }
}

/// What was done, or decided to be done, about an event.
#[derive(Debug)]
pub struct RecordedDeed {
    pub deed: Deed,
    pub state: EffectState,
}

#[derive(sqlx::FromRow)]
struct EventSql {
    id: Uuid,
    event_type: String,
    received_at: Micros,
    processing_status: String,
    payload_storage: Option<String>,
    dictionary: Option<i64>,
    raw_payload: Option<Vec<u8>>,
    facts_dictionary: Option<i64>,
    facts: Option<Vec<u8>>,
}

const EVENTS: &str = "SELECT e.id, e.event_type, e.received_at, e.processing_status, e.payload_storage, p.dictionary,
        p.raw_payload, f.dictionary AS facts_dictionary, f.facts
    FROM event_receipts e LEFT JOIN event_payloads p ON p.event_id = e.id LEFT JOIN event_facts f ON f.event_id = e.id";

type DeedSql = (Uuid, String, String, String, Option<i64>, i64, Option<String>, String, String);

/// The conditions on kinds and repository, for either database's builder.
macro_rules! push_conditions {
    ($query:ident, $kinds:ident, $repository:ident) => {
        if let Some(id) = $repository {
            $query.push(" AND e.repository_id = ").push_bind(id);
        }
        if let Some(names) = &$kinds.names {
            $query.push(" AND (1 = 0");
            for (name, actions) in names {
                $query.push(" OR e.event_type = ").push_bind(name.clone());
                if let Some(actions) = actions {
                    $query.push(" AND e.event_action IN (");
                    let mut list = $query.separated(", ");
                    for action in actions {
                        list.push_bind(action.clone());
                    }
                    $query.push(")");
                }
            }
            $query.push(")");
        }
    };
}

impl Db {
    /// The first event of a span, whatever its kind; `None`: there is none.
    pub async fn first_recorded(&self, span: &Span) -> Result<Option<EventId>, StoreError> {
        // event_receipts: primary key.
        let found: Option<Uuid> = on_db!(self, conn => {
            sqlx::query_scalar("SELECT id FROM event_receipts WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 1")
                .bind(first_id(span.since))
                .bind(first_id(span.until))
                .fetch_optional(conn)
                .await
        })?;
        Ok(found.map(EventId))
    }

    /// Up to `limit` events of awaited kinds in a span, oldest first, after one.
    pub async fn recorded_events(
        &self,
        span: &Span,
        kinds: &AwaitedKinds,
        after: Option<EventId>,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let repository = match &span.repository {
            None => None,
            Some(name) => match self.repository_id(name).await? {
                None => return Ok(Vec::new()),
                id => id,
            },
        };
        // event_receipts: primary key, or event_receipts_repository; event_payloads, event_facts: primary keys.
        let found: Vec<EventSql> = on_db!(self, conn => {
            let mut query = QueryBuilder::new(EVENTS);
            match after {
                Some(after) => query.push(" WHERE e.id > ").push_bind(after.0),
                None => query.push(" WHERE e.id >= ").push_bind(first_id(span.since)),
            };
            query.push(" AND e.id < ").push_bind(first_id(span.until));
            push_conditions!(query, kinds, repository);
            query.push(" ORDER BY e.id LIMIT ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(conn).await
        })?;
        let mut events = Vec::with_capacity(found.len());
        for row in found {
            events.push(self.recorded(row).await?);
        }
        Ok(events)
    }

    async fn recorded(&self, row: EventSql) -> Result<RecordedEvent, StoreError> {
        let payload = match (row.payload_storage, row.dictionary.zip(row.raw_payload)) {
            (Some(name), _) => Packed::Object(self.shared.objects.clone(), name),
            (None, Some((dictionary, bytes))) => self.packed(dictionary, bytes).await?,
            (None, None) => Packed::Nothing,
        };
        let facts = match row.facts_dictionary.zip(row.facts) {
            Some((dictionary, bytes)) => self.packed(dictionary, bytes).await?,
            None => Packed::Nothing,
        };
        Ok(RecordedEvent {
            id: EventId(row.id),
            name: row.event_type,
            received_at: row.received_at.try_into()?,
            is_processed: row.processing_status == "processed",
            payload,
            facts,
        })
    }

    async fn packed(&self, dictionary: i64, bytes: Vec<u8>) -> Result<Packed, StoreError> {
        Ok(Packed::Zstd(self.dictionary(dictionary).await?.map(Dictionary), bytes))
    }

    /// Up to `limit` of what was done about events after one and up to another, both in a span, in the order of the
    /// events.
    pub async fn recorded_deeds(
        &self,
        span: &Span,
        (after, through): (Option<EventId>, Option<EventId>),
        limit: u32,
    ) -> Result<Vec<RecordedDeed>, StoreError> {
        let repository = match &span.repository {
            None => None,
            Some(name) => match self.repository_id(name).await? {
                None => return Ok(Vec::new()),
                id => id,
            },
        };
        // effects_event; of one repository event_receipts: primary key.
        let found: Vec<DeedSql> = on_db!(self, conn => {
            let mut query = QueryBuilder::new(
                "SELECT f.event_id, f.rule, f.action, f.repository, f.installation, f.number, f.subject, f.params, f.state
                 FROM effects f",
            );
            // By the event's repository: the name in an effect is that of its time.
            if let Some(id) = repository {
                query.push(" JOIN event_receipts e ON e.id = f.event_id AND e.repository_id = ").push_bind(id);
            }
            query.push(" WHERE f.undoes IS NULL");
            match after {
                Some(after) => query.push(" AND f.event_id > ").push_bind(after.0),
                None => query.push(" AND f.event_id >= ").push_bind(first_id(span.since)),
            };
            match through {
                Some(through) => query.push(" AND f.event_id <= ").push_bind(through.0),
                None => query.push(" AND f.event_id < ").push_bind(first_id(span.until)),
            };
            query.push(" ORDER BY f.event_id, f.cursor LIMIT ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(conn).await
        })?;
        found.into_iter().map(read_deed).collect()
    }
}

fn read_deed(row: DeedSql) -> Result<RecordedDeed, StoreError> {
    let (event, rule, action, repository, installation, number, subject, params, state) = row;
    let target = Target {
        repository: repo_name(&repository)?,
        installation: installation.map(InstallationId),
        number: unsigned("number", number)?,
        subject: read_subject(subject.as_deref())?,
    };
    let deed = Deed {
        event: EventId(event),
        rule: from_word("rule", rule)?,
        action,
        target,
        params: from_json("params", &params)?,
    };
    Ok(RecordedDeed { deed, state: from_word("state", state)? })
}
