//! Ingest: a batch of deliveries becomes rows and jobs, in one transaction (group commit).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use chrono::Utc;
use uuid::Uuid;

use super::columns::{Micros, make_clean, signed, to_json, word};
use super::dialect::{Bulk, Tx};
use super::error::is_collision;
use super::events::{IngestStatus, Ingested, NewEvent};
use super::learn::{Lesson, count_events};
use super::payload::{Compressed, compress};
use super::rows::Column::{Bytes, Id, Int, Text};
use super::rows::{Cell, Rows};
use super::{Db, StoreError};
use crate::core::event::EventId;

/// Payloads over this go to the object store. Bytes, uncompressed.
const ROW_LIMIT: usize = 1 << 20;

/// How often a transaction that met another daemon's is started over.
const ATTEMPTS: u32 = 4;

/// The lane of events without a repository.
pub(super) const NO_LANE: &str = "-";

/// An event with its payload compressed: what [`Db::ingest_packed`] takes.
///
/// Packing is most of ingest's own work, needs no database, and so belongs where deliveries are handled in parallel
/// and not in the one task that writes them.
#[derive(Clone, Debug)]
pub struct Packed {
    event: NewEvent,
    lane: String,
    source: String,
    targets: String,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Row(Compressed),
    Object(bytes::Bytes),
}

impl Packed {
    /// Takes some microseconds for an ordinary payload.
    ///
    /// # Errors
    /// None that an event can cause.
    pub fn new(mut event: NewEvent) -> Result<Self, StoreError> {
        let payload = std::mem::take(&mut event.payload);
        for text in
            [Some(&mut event.event_type), event.event_action.as_mut(), event.actor.as_mut()].into_iter().flatten()
        {
            make_clean(text);
        }
        let body = if payload.len() > ROW_LIMIT { Body::Object(payload) } else { Body::Row(compress(&payload)?) };
        let lane = event
            .repository
            .as_ref()
            .map_or_else(|| NO_LANE.to_owned(), |repository| repository.name.as_str().to_ascii_lowercase());
        Ok(Self { lane, source: word(&event.source)?, targets: to_json(&event.target_object_ids)?, event, body })
    }
}

impl Packed {
    /// Gives the event its id: the one who commits batches knows their order.
    pub fn identify(&mut self, id: EventId) {
        self.event.id = id;
    }
}

/// A packed event with the name of its object, if its payload became one.
struct Row<'a> {
    packed: &'a Packed,
    object: Option<String>,
}

impl Row<'_> {
    fn id(&self) -> Uuid {
        self.packed.event.id.0
    }
}

/// What one transaction came to: ids that are new, and for the others the event that was there.
struct Stored {
    new: HashSet<Uuid>,
    old: HashMap<String, Ingested>,
}

impl Db {
    /// Stores a batch in one transaction: each event with its payload and, if it is awaited, its job; repositories and installations it
    /// they name learnt. When this returns, all of it is on disk (invariant 1). One answer for each event, in order; the
    /// same delivery twice in one batch is one event.
    pub async fn ingest(&self, batch: Vec<NewEvent>) -> Result<Vec<Ingested>, StoreError> {
        self.ingest_packed(&batch.into_iter().map(Packed::new).collect::<Result<Vec<_>, _>>()?).await
    }

    /// [`Db::ingest`] of events that were packed where they arrived.
    pub async fn ingest_packed(&self, batch: &[Packed]) -> Result<Vec<Ingested>, StoreError> {
        let mut seen = HashSet::with_capacity(batch.len());
        let mut rows = Vec::with_capacity(batch.len());
        for packed in batch.iter().filter(|packed| seen.insert(packed.event.delivery_id.as_str())) {
            let object = match &packed.body {
                Body::Row(_) => None,
                Body::Object(payload) => Some(self.shared.objects.put(packed.event.id.0, payload.clone()).await?),
            };
            rows.push(Row { packed, object });
        }
        let stored = self.store(&rows).await;
        for row in &rows {
            // After an error the commit may have happened all the same: a file too many is harmless, one too few is not.
            let unneeded = stored.as_ref().is_ok_and(|stored| !stored.new.contains(&row.id()));
            if let (Some(object), true) = (&row.object, unneeded) {
                self.shared.objects.discard(object).await;
            }
        }
        let stored = stored?;
        let mut answered = HashSet::with_capacity(rows.len());
        let first: HashMap<&str, EventId> =
            rows.iter().map(|row| (row.packed.event.delivery_id.as_str(), row.packed.event.id)).collect();
        batch.iter().map(|packed| answer(&stored, &first, &mut answered, &packed.event)).collect()
    }

    /// The transaction, started over when another daemon's was in its way.
    async fn store(&self, rows: &[Row<'_>]) -> Result<Stored, StoreError> {
        let mut attempt = 1;
        loop {
            match self.try_store(rows).await {
                Err(error) if is_collision(&error) && attempt < ATTEMPTS => attempt += 1,
                done => return Ok(done?),
            }
        }
    }

    async fn try_store(&self, rows: &[Row<'_>]) -> Result<Stored, sqlx::Error> {
        let now = Micros::from(Utc::now());
        let mut tx = self.begin().await?;
        let known = take_delivery_ids(&mut tx, rows).await?;
        let fresh: Vec<&Row<'_>> =
            rows.iter().filter(|row| !known.contains_key(row.packed.event.delivery_id.as_str())).collect();
        let events: Vec<&NewEvent> = rows.iter().map(|row| &row.packed.event).collect();
        let lesson = self.learn(&mut tx, &events, now).await?;
        insert_events(&mut tx, &fresh, &lesson, now).await?;
        insert_payloads(&mut tx, &fresh).await?;
        let awaited: Vec<&Row<'_>> = fresh.iter().copied().filter(|row| row.packed.event.awaited).collect();
        insert_jobs(&mut tx, &awaited, now).await?;
        let new = fresh.iter().map(|row| row.id()).collect();
        let old = requeue_failed(&mut tx, known, now).await?;
        let mut counts = BTreeMap::new();
        for event in fresh.iter().map(|row| &row.packed.event) {
            if let Some(repository) = lesson.repository(event) {
                let (count, last) = counts.entry(repository).or_insert((0, Micros(i64::MIN)));
                *count += 1;
                *last = (*last).max(event.received_at.into());
            }
        }
        count_events(&mut tx, &counts).await?;
        let queued = old.values().any(|it| it.status == IngestStatus::Requeued);
        if queued || !awaited.is_empty() {
            tx.notify().await?;
        }
        tx.commit().await?;
        self.remember(lesson);
        Ok(Stored { new, old })
    }
}

fn answer<'a>(
    stored: &Stored,
    first: &HashMap<&'a str, EventId>,
    answered: &mut HashSet<&'a str>,
    event: &'a NewEvent,
) -> Result<Ingested, StoreError> {
    let delivery = event.delivery_id.as_str();
    let again = !answered.insert(delivery);
    let old = stored.old.get(delivery).copied();
    let known = old.or_else(|| Some(Ingested { id: *first.get(delivery)?, status: IngestStatus::Accepted }));
    let mut known =
        known.ok_or_else(|| StoreError::Failed(format!("delivery {delivery} was not part of its batch")))?;
    if again {
        known.status = IngestStatus::Duplicate;
    }
    Ok(known)
}

/// Takes the delivery ids that nobody has; returns the others, with the events they belong to.
async fn take_delivery_ids(tx: &mut Tx, rows: &[Row<'_>]) -> Result<HashMap<String, Uuid>, sqlx::Error> {
    // delivery_ids: primary key.
    static TAKE: LazyLock<Rows<2>> = LazyLock::new(|| {
        Rows::new(
            "INSERT INTO delivery_ids (delivery_id, event_id)
             SELECT * FROM {rows} AS v WHERE v.column1 IS NOT NULL ON CONFLICT (delivery_id) DO NOTHING",
            [Text, Id],
        )
    });
    static LOOK: LazyLock<Bulk> =
        LazyLock::new(|| Bulk::new("SELECT delivery_id, event_id FROM delivery_ids WHERE delivery_id IN (", "#", ")"));
    let cells: Vec<_> =
        rows.iter().map(|row| [Cell::Text(Some(&row.packed.event.delivery_id)), Cell::Id(Some(row.id()))]).collect();
    if TAKE.execute(tx, &cells).await? == rows.len() as u64 {
        return Ok(HashMap::new());
    }
    // Not yet inserted, unless this very batch was stored before.
    let stored: HashSet<Uuid> = present(tx, rows).await?.into_iter().collect();
    let ours: HashSet<Uuid> = rows.iter().map(Row::id).filter(|id| !stored.contains(id)).collect();
    for _ in 0..ATTEMPTS {
        let mut found: HashMap<String, Uuid> = HashMap::with_capacity(rows.len());
        for (sql, chunk) in LOOK.chunks(tx.dialect(), rows) {
            found.extend(on_tx!(tx, conn => {
                let mut query = sqlx::query_as::<_, (String, Uuid)>(sql);
                for row in chunk {
                    query = query.bind(row.packed.event.delivery_id.as_str());
                }
                query.fetch_all(&mut *conn).await?
            }));
        }
        if found.len() == rows.len() {
            found.retain(|_, event| !ours.contains(event));
            return Ok(found);
        }
        // One that was in the way is gone: retention dropped its event in between.
        TAKE.execute(tx, &cells).await?;
    }
    Err(sqlx::Error::Protocol("delivery ids come and go".to_owned()))
}

/// Which of these ids have a row.
async fn present(tx: &mut Tx, rows: &[Row<'_>]) -> Result<Vec<Uuid>, sqlx::Error> {
    // event_receipts: primary key.
    static SQL: LazyLock<Bulk> = LazyLock::new(|| Bulk::new("SELECT id FROM event_receipts WHERE id IN (", "#", ")"));
    let mut found = Vec::new();
    for (sql, chunk) in SQL.chunks(tx.dialect(), rows) {
        found.extend(on_tx!(tx, conn => {
            let mut query = sqlx::query_scalar::<_, Uuid>(sql);
            for row in chunk {
                query = query.bind(row.id());
            }
            query.fetch_all(&mut *conn).await?
        }));
    }
    Ok(found)
}

async fn insert_events(tx: &mut Tx, rows: &[&Row<'_>], lesson: &Lesson, now: Micros) -> Result<(), sqlx::Error> {
    static SQL: LazyLock<Rows<16>> = LazyLock::new(|| {
        Rows::new(
            "INSERT INTO event_receipts (id, delivery_id, source, event_type, event_action, actor, number,
                target_object_ids, received_at, github_timestamp, repository_id, installation_id, payload_storage,
                processing_status, created_at, updated_at)
             SELECT * FROM {rows} AS v WHERE v.column1 IS NOT NULL",
            [Id, Text, Text, Text, Text, Text, Int, Text, Int, Int, Id, Id, Text, Text, Int, Int],
        )
    });
    let now = Cell::Int(Some(now.0));
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            let event = &row.packed.event;
            [
                Cell::Id(Some(row.id())),
                Cell::Text(Some(&event.delivery_id)),
                Cell::Text(Some(&row.packed.source)),
                Cell::Text(Some(&event.event_type)),
                Cell::Text(event.event_action.as_deref()),
                Cell::Text(event.actor.as_deref()),
                Cell::Int(event.number.map(signed)),
                Cell::Text(Some(&row.packed.targets)),
                Cell::Int(Some(Micros::from(event.received_at).0)),
                Cell::Int(event.github_timestamp.map(|at| Micros::from(at).0)),
                Cell::Id(lesson.repository(event)),
                Cell::Id(lesson.installation(event)),
                Cell::Text(row.object.as_deref()),
                Cell::Text(Some(if event.awaited { "received" } else { "processed" })),
                now,
                now,
            ]
        })
        .collect();
    SQL.execute(tx, &cells).await.map(|_| ())
}

async fn insert_payloads(tx: &mut Tx, rows: &[&Row<'_>]) -> Result<(), sqlx::Error> {
    static SQL: LazyLock<Rows<3>> = LazyLock::new(|| {
        Rows::new(
            "INSERT INTO event_payloads (event_id, dictionary, raw_payload)
             SELECT * FROM {rows} AS v WHERE v.column1 IS NOT NULL",
            [Id, Int, Bytes],
        )
    });
    let cells: Vec<_> = rows
        .iter()
        .filter_map(|row| match &row.packed.body {
            Body::Row(payload) => {
                Some([Cell::Id(Some(row.id())), Cell::Int(Some(payload.dictionary)), Cell::Bytes(&payload.bytes)])
            }
            Body::Object(_) => None,
        })
        .collect();
    SQL.execute(tx, &cells).await.map(|_| ())
}

/// A process job has its event's id: one index serves both, and an event never has two.
async fn insert_jobs(tx: &mut Tx, rows: &[&Row<'_>], now: Micros) -> Result<(), sqlx::Error> {
    static SQL: LazyLock<Rows<3>> = LazyLock::new(|| {
        Rows::new(
            "INSERT INTO jobs (id, event_id, lane, run_at, created_at)
             SELECT v.column1, v.column1, v.column2, v.column3, v.column3 FROM {rows} AS v WHERE v.column1 IS NOT NULL",
            [Id, Text, Int],
        )
    });
    let cells: Vec<_> = rows
        .iter()
        .map(|row| [Cell::Id(Some(row.id())), Cell::Text(Some(&row.packed.lane)), Cell::Int(Some(now.0))])
        .collect();
    SQL.execute(tx, &cells).await.map(|_| ())
}

/// Deliveries that were stored before: one whose processing failed is queued again, the others are left alone.
async fn requeue_failed(
    tx: &mut Tx,
    known: HashMap<String, Uuid>,
    now: Micros,
) -> Result<HashMap<String, Ingested>, sqlx::Error> {
    // event_receipts: primary key.
    static SQL: LazyLock<Bulk> = LazyLock::new(|| {
        Bulk::new("SELECT id FROM event_receipts WHERE processing_status = 'failed' AND id IN (", "#", ") ORDER BY id")
    });
    let events: Vec<Uuid> = known.values().copied().collect();
    let mut requeued = HashSet::new();
    for (sql, chunk) in SQL.chunks(tx.dialect(), &events) {
        let failed = on_tx!(tx, conn => {
            let mut query = sqlx::query_scalar::<_, Uuid>(sql);
            for event in chunk {
                query = query.bind(*event);
            }
            query.fetch_all(&mut *conn).await?
        });
        for event in failed {
            if requeue(tx, event, now).await? {
                requeued.insert(event);
            }
        }
    }
    let status = |event: &Uuid| match requeued.contains(event) {
        true => IngestStatus::Requeued,
        false => IngestStatus::Duplicate,
    };
    Ok(known.into_iter().map(|(delivery, id)| (delivery, Ingested { status: status(&id), id: EventId(id) })).collect())
}

/// Queues an event's process job again with fresh attempts, unless it is queued or running. False: it is, or there is
/// no such event.
pub(super) async fn requeue(tx: &mut Tx, event: Uuid, now: Micros) -> Result<bool, sqlx::Error> {
    // jobs, event_receipts, repositories: primary keys. Not one upsert: on PostgreSQL that locks a queued job's row even
    // when it leaves it alone, and a claim at that moment would pass over it.
    let changed = on_tx!(tx, conn => {
        let mut changed = sqlx::query(
            "UPDATE jobs SET state = 'queued', attempts = 0, run_at = $2, last_error = NULL, finished_at = NULL
             WHERE id = $1 AND state NOT IN ('queued', 'running')",
        )
        .bind(event)
        .bind(now)
        .execute(&mut *conn)
        .await?
        .rows_affected();
        if changed == 0 {
            // An event that nothing waited for had no job until now.
            changed = sqlx::query(
                "INSERT INTO jobs (id, event_id, lane, run_at, created_at)
                 SELECT e.id, e.id, COALESCE(lower(r.full_name), $3), $2, $2
                 FROM event_receipts e LEFT JOIN repositories r ON r.id = e.repository_id
                 WHERE e.id = $1 AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = e.id)
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(event)
            .bind(now)
            .bind(NO_LANE)
            .execute(&mut *conn)
            .await?
            .rows_affected();
        }
        if changed > 0 {
            sqlx::query(
                "UPDATE event_receipts SET processing_status = 'received', error_message = NULL, updated_at = $2
                 WHERE id = $1",
            )
            .bind(event)
            .bind(now)
            .execute(&mut *conn)
            .await?;
        }
        changed
    });
    Ok(changed > 0)
}
