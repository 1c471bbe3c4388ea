//! What decisions were taken on beside the payload: `event_facts`.

use std::sync::LazyLock;

use uuid::Uuid;

use super::columns::to_json;
use super::decisions::Processed;
use super::dialect::{Bulk, Tx};
use super::payload::{Compressed, compress};
use super::rows::Column::{Bytes, Id, Int};
use super::rows::{Cell, Rows};
use super::{Db, StoreError};
use crate::core::event::EventId;
use crate::core::facts::Beside;

/// Stores the facts of events that were decided, in the place of those of an earlier time.
pub(super) async fn replace_facts(tx: &mut Tx, processed: &[Processed]) -> Result<(), StoreError> {
    // event_facts: primary key.
    static FORGET: LazyLock<Bulk> =
        LazyLock::new(|| Bulk::new("DELETE FROM event_facts WHERE event_id IN (", "#", ")"));
    static STORE: LazyLock<Rows<3>> = LazyLock::new(|| {
        Rows::new(
            "INSERT INTO event_facts (event_id, dictionary, facts)
             SELECT * FROM {rows} AS v WHERE v.column1 IS NOT NULL",
            [Id, Int, Bytes],
        )
    });
    for (sql, chunk) in FORGET.chunks(tx.dialect(), processed) {
        on_tx!(tx, conn => {
            let mut query = sqlx::query(sql);
            for each in chunk {
                query = query.bind(each.event.0);
            }
            query.execute(&mut *conn).await?;
        });
    }
    let mut packed: Vec<(Uuid, Compressed)> = Vec::new();
    for each in processed {
        if let Some(facts) = &each.facts {
            packed.push((each.event.0, compress(to_json(facts)?.as_bytes())?));
        }
    }
    let cells: Vec<_> = packed
        .iter()
        .map(|(event, facts)| [Cell::Id(Some(*event)), Cell::Int(Some(facts.dictionary)), Cell::Bytes(&facts.bytes)])
        .collect();
    if !cells.is_empty() {
        STORE.execute(tx, &cells).await?;
    }
    Ok(())
}

impl Db {
    /// What was known beside the payload when an event was decided; `None`: nothing, or retention has dropped it.
    ///
    /// # Errors
    /// `Corrupt` when what is stored cannot be read.
    pub async fn facts_of(&self, event: EventId) -> Result<Option<Beside>, StoreError> {
        // event_facts: primary key.
        let found: Option<(i64, Vec<u8>)> = on_db!(self, conn => {
            sqlx::query_as("SELECT dictionary, facts FROM event_facts WHERE event_id = $1")
                .bind(event.0)
                .fetch_optional(conn)
                .await
        })?;
        let Some((dictionary, facts)) = found else { return Ok(None) };
        let text = self.unpack(dictionary, &facts).await?;
        let facts = serde_json::from_slice(&text);
        facts.map(Some).map_err(|error| StoreError::Corrupt(format!("column facts: {error}")))
    }
}
