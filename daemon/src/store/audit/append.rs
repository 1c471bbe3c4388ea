//! Appending, in the transaction that stores what is told.

use std::sync::LazyLock;

use sqlx::Error::Decode;
use uuid::Uuid;

use crate::core::audit::{Actor, Cause, Digest, Entry, Kind, Row};
use crate::store::columns::{Micros, make_clean};
use crate::store::dialect::Tx;
use crate::store::rows::Column::{Bytes, Id, Int, Text};
use crate::store::rows::{Cell, Rows};
use crate::store::{Db, StoreError};

impl Db {
    /// Appends what nothing else is stored with.
    pub async fn audit(&self, entries: Vec<Entry>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        append(&mut tx, entries).await?;
        Ok(tx.commit().await?)
    }
}

/// Appends rows. The last thing a transaction does before it commits: on PostgreSQL nobody else appends from here until its
/// end, and who waits for another row while holding that lock may wait for ever.
pub(in crate::store) async fn append(tx: &mut Tx, entries: Vec<Entry>) -> Result<(), sqlx::Error> {
    static SQL: LazyLock<Rows<18>> = LazyLock::new(|| {
        Rows::new(
            "INSERT INTO audit (seq, at, kind, actor, event_id, rule, effect_id, action, config_revision, repository,
                number, actor_name, before_state, after_state, note, salt, personal_digest, hash)
             SELECT * FROM {rows} AS v WHERE v.column1 IS NOT NULL",
            [Int, Int, Text, Text, Id, Text, Id, Text, Text, Text, Int, Text, Text, Text, Text, Bytes, Bytes, Bytes],
        )
    });
    if entries.is_empty() {
        return Ok(());
    }
    tx.wait_for_turn("audit chain").await?;
    // audit: primary key. A statement of its own: it must see what was committed while the lock was waited for.
    let head: Option<(i64, Vec<u8>)> = on_tx!(tx, conn => {
        sqlx::query_as("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetch_optional(&mut *conn).await?
    });
    let (mut seq, mut hash) = match head {
        None => (0, Digest::START),
        Some((seq, hash)) => (seq, hash.as_slice().try_into().map_err(|error| Decode(Box::new(error)))?),
    };
    let mut rows = Vec::with_capacity(entries.len());
    for mut entry in entries {
        entry.note.iter_mut().for_each(make_clean);
        // Who wrote the largest number into it gets a refusal, not a crash.
        seq = i64::saturating_add(seq, 1);
        let row = entry.seal(seq, hash, rand::random());
        hash = row.hash;
        rows.push(row);
    }
    let cells: Vec<_> = rows.iter().map(cells).collect();
    SQL.execute(tx, &cells).await.map(|_| ())
}

fn text(text: Option<&String>) -> Cell<'_> {
    Cell::Text(text.map(String::as_str))
}

fn cells(row: &Row) -> [Cell<'_>; 18] {
    let cause = &row.cause;
    let personal = row.personal.as_ref();
    [
        Cell::Int(Some(row.seq)),
        Cell::Int(Some(row.at)),
        Cell::Text(Some(&row.kind)),
        Cell::Text(Some(&row.actor)),
        Cell::Id(cause.event),
        text(cause.rule.as_ref()),
        Cell::Id(cause.effect),
        text(cause.action.as_ref()),
        text(cause.config_revision.as_ref()),
        text(row.repository.as_ref()),
        Cell::Int(row.number),
        text(personal.and_then(|personal| personal.actor_name.as_ref())),
        text(personal.and_then(|personal| personal.before.as_ref())),
        text(personal.and_then(|personal| personal.after.as_ref())),
        text(personal.and_then(|personal| personal.note.as_ref())),
        Cell::Bytes(personal.map_or(&[], |personal| &personal.salt)),
        Cell::Bytes(row.digest.as_bytes()),
        Cell::Bytes(row.hash.as_bytes()),
    ]
}

/// What to ask for in the `RETURNING` of an UPDATE that ends an effect.
pub(in crate::store) const EFFECT_COLUMNS: &str =
    "id, event_id, rule, action, repository, number, config_revision, undoes, rollback_id, state, before_state,
    after_state, note";

/// An effect as it ended.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct EndedEffect {
    pub(in crate::store) id: Uuid,
    event_id: Uuid,
    rule: String,
    action: String,
    repository: String,
    number: i64,
    config_revision: String,
    pub(in crate::store) undoes: Option<Uuid>,
    rollback_id: Option<Uuid>,
    state: String,
    before_state: Option<String>,
    after_state: Option<String>,
    note: Option<String>,
}

impl EndedEffect {
    /// The row that tells it; `None`: it has not ended.
    pub(in crate::store) fn entry(self, actor: Actor, now: Micros) -> Option<Entry> {
        let kind = match self.state.as_str() {
            "applied" => Kind::EffectApplied,
            "unchanged" => Kind::EffectUnchanged,
            "held" => Kind::EffectHeld,
            "gated" => Kind::EffectGated,
            "failed" => Kind::EffectFailed,
            "quarantined" => Kind::EffectQuarantined,
            "undone" => Kind::EffectUndone,
            _ => return None,
        };
        // What was there before it was taken back is what the effect had left; what is there now its receipt does not say.
        let (before, after) = match kind {
            Kind::EffectUndone => (self.after_state, None),
            _ => (self.before_state, self.after_state),
        };
        // Effects go long before their audit rows do: only the row can still say what an undo was about.
        let by = self.rollback_id.map(|by| format!(" for rollback {by}")).unwrap_or_default();
        let about = self.undoes.map(|it| format!("takes back effect {it}{by}"));
        let note = [about, self.note].into_iter().flatten().reduce(|about, note| format!("{about}: {note}"));
        let cause = Cause {
            event: Some(self.event_id),
            rule: Some(self.rule),
            effect: Some(self.id),
            action: Some(self.action),
            config_revision: Some(self.config_revision),
        };
        let (repository, number) = (Some(self.repository), Some(self.number));
        Some(Entry { kind, actor, at: now.0, cause, repository, number, before, after, note })
    }
}
