//! What people did by hand to an item: `hand_changes`. No rule changes it back (invariant 7).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::columns::{Micros, clean, from_json, from_word, signed, word};
use super::dialect::Tx;
use super::{Db, StoreError};
use crate::core::event::{EventId, RepoName};

pub use crate::core::hand::{Hand, HandChange, Thing};

/// Kind and name of a thing, as two columns. What an item has but one of has no name.
fn thing_columns(thing: &Thing) -> (&'static str, &str) {
    match thing {
        Thing::Label(name) => ("label", name),
        Thing::Assignee(login) => ("assignee", login),
        Thing::Reviewer(name) => ("reviewer", name),
        Thing::State => ("state", ""),
        Thing::Lock => ("lock", ""),
        Thing::Milestone(title) => ("milestone", title),
        Thing::Title(title) => ("title", title),
        Thing::Draft => ("draft", ""),
        Thing::Merged => ("merged", ""),
    }
}

fn thing(kind: &str, name: String) -> Result<Thing, StoreError> {
    match kind {
        "label" => Ok(Thing::Label(name)),
        "assignee" => Ok(Thing::Assignee(name)),
        "reviewer" => Ok(Thing::Reviewer(name)),
        "state" => Ok(Thing::State),
        "lock" => Ok(Thing::Lock),
        "milestone" => Ok(Thing::Milestone(name)),
        "title" => Ok(Thing::Title(name)),
        "draft" => Ok(Thing::Draft),
        "merged" => Ok(Thing::Merged),
        _ => from_json("thing", kind),
    }
}

/// A row, read.
pub(super) fn hand_change(
    (repository, number): (RepoName, u64),
    (kind, name): (&str, String),
    hand: String,
    (by, at): (String, Micros),
) -> Result<HandChange, StoreError> {
    let (thing, hand) = (thing(kind, name)?, from_word("hand", hand)?);
    Ok(HandChange { repository, number, thing, hand, by, at: at.try_into()? })
}

/// Stores a change an event told, under the event's repository row: a later rename does not lose it.
pub(super) async fn store_hand(tx: &mut Tx, event: EventId, change: &HandChange) -> Result<(), StoreError> {
    // event_receipts: primary key.
    let repository: Option<Option<Uuid>> = on_tx!(tx, conn => {
        sqlx::query_scalar("SELECT repository_id FROM event_receipts WHERE id = $1")
            .bind(event.0)
            .fetch_optional(&mut *conn)
            .await?
    });
    match repository.flatten() {
        Some(repository) => keep(tx, repository, change).await,
        None => Ok(()),
    }
}

async fn keep(tx: &mut Tx, repository: Uuid, change: &HandChange) -> Result<(), StoreError> {
    // hand_changes: primary key. Events arrive out of order: an older change never wins.
    const SQL: &str = "INSERT INTO hand_changes (repository_id, number, thing, name, hand, changed_by, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (repository_id, number, thing, name) DO UPDATE SET hand = excluded.hand,
            changed_by = excluded.changed_by, changed_at = excluded.changed_at
         WHERE excluded.changed_at >= hand_changes.changed_at";
    let (kind, name) = thing_columns(&change.thing);
    let hand = word(&change.hand)?;
    on_tx!(tx, conn => {
        sqlx::query(SQL)
            .bind(repository)
            .bind(signed(change.number))
            .bind(kind)
            .bind(clean(name))
            .bind(hand)
            .bind(clean(&change.by))
            .bind(Micros::from(change.at))
            .execute(&mut *conn)
            .await?;
    });
    Ok(())
}

// repositories_full_name, event_receipts_item, jobs: primary key (a process job has its event's id).
const UNDECIDED: &str = "SELECT e.id FROM repositories r
     JOIN event_receipts e ON e.repository_id = r.id AND e.number = $2
     JOIN jobs j ON j.id = e.id
     WHERE lower(r.full_name) = lower($1) AND j.state IN ('queued', 'running')
        AND e.event_type IN ('issues', 'pull_request')
        AND e.event_action IN ('labeled', 'unlabeled', 'assigned', 'unassigned', 'reopened', 'closed', 'locked',
            'unlocked', 'milestoned', 'demilestoned', 'edited', 'converted_to_draft', 'ready_for_review',
            'review_requested', 'review_request_removed')
     ORDER BY e.id LIMIT 100";

/// Whether the item has been known since it was opened, or its timeline was read: then every change by hand is known.
/// What a sweep made up tells of no beginning: it came because something was missed.
const FROM_THE_BEGINNING: &str = "SELECT 1 FROM learnt_items WHERE repository_id = $1 AND number = $2
     UNION ALL SELECT 1 FROM event_receipts WHERE repository_id = $1 AND number = $2
        AND event_type IN ('issues', 'pull_request') AND event_action = 'opened' AND source <> 'swept' LIMIT 1";

impl Db {
    /// Whether what people did to the item is known from its beginning on. A repository that is not known says so too:
    /// nothing could be kept of it.
    pub async fn knows_from_the_beginning(&self, repository: &RepoName, number: u64) -> Result<bool, StoreError> {
        let Some(id) = self.repository_id(repository).await? else { return Ok(true) };
        // event_receipts_item, learnt_items: primary key.
        let found: Option<i32> = on_db!(self, conn => {
            sqlx::query_scalar(FROM_THE_BEGINNING).bind(id).bind(signed(number)).fetch_optional(conn).await
        })?;
        Ok(found.is_some())
    }

    /// Keeps what a person did, unless something later is known. May be done again.
    pub async fn keep_hands(&self, hands: &[HandChange]) -> Result<(), StoreError> {
        let Some(first) = hands.first() else { return Ok(()) };
        let Some(id) = self.repository_id(&first.repository).await? else { return Ok(()) };
        let mut tx = self.begin().await?;
        for change in hands {
            keep(&mut tx, id, change).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Keeps what the timeline of an item told, and that it was read. What events told later stays.
    pub async fn learn_hands(
        &self,
        repository: &RepoName,
        number: u64,
        hands: &[HandChange],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let Some(id) = self.repository_id(repository).await? else { return Ok(()) };
        let mut tx = self.begin().await?;
        for change in hands {
            keep(&mut tx, id, change).await?;
        }
        // learnt_items: primary key.
        on_tx!(tx, conn => {
            sqlx::query(
                "INSERT INTO learnt_items (repository_id, number, learnt_at) VALUES ($1, $2, $3)
                 ON CONFLICT (repository_id, number) DO UPDATE SET learnt_at = excluded.learnt_at",
            )
            .bind(id)
            .bind(signed(number))
            .bind(Micros::from(now))
            .execute(&mut *conn)
            .await?;
        });
        Ok(tx.commit().await?)
    }

    /// Events on the item that are stored, may tell of a change by hand, and wait to be decided on: oldest first, at most
    /// 100.
    pub async fn undecided_hands(&self, repository: &RepoName, number: u64) -> Result<Vec<EventId>, StoreError> {
        let found: Vec<Uuid> = on_db!(self, conn => {
            sqlx::query_scalar(UNDECIDED)
            .bind(repository.as_str())
            .bind(signed(number))
            .fetch_all(conn)
            .await
        })?;
        Ok(found.into_iter().map(EventId).collect())
    }

    /// The latest change by hand for each thing on the item.
    pub async fn hands_on(&self, repository: &RepoName, number: u64) -> Result<Vec<HandChange>, StoreError> {
        type Found = (String, String, String, String, Micros);
        let Some(id) = self.repository_id(repository).await? else {
            return Ok(Vec::new());
        };
        // hand_changes: primary key.
        let found: Vec<Found> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT thing, name, hand, changed_by, changed_at FROM hand_changes
                 WHERE repository_id = $1 AND number = $2 ORDER BY thing, name",
            )
            .bind(id)
            .bind(signed(number))
            .fetch_all(conn)
            .await
        })?;
        let row = |(kind, name, hand, by, at): Found| {
            hand_change((repository.clone(), number), (&kind, name), hand, (by, at))
        };
        found.into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::UNDECIDED;
    use crate::core::hand::TELLING;

    #[test]
    fn every_action_that_tells_of_a_hand_is_looked_for() {
        for action in TELLING {
            assert!(UNDECIDED.contains(&format!("'{action}'")), "{action}");
        }
    }
}
