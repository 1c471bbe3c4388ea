//! How much rules may still write in the hour, reserved with the write itself: two writers never take the same place.

use chrono::{DateTime, Utc};

use super::StoreError;
use super::columns::{Micros, signed, unsigned};
use super::dialect::Tx;
use crate::core::intent::{Intent, IntentId};

/// What may be written since a time. `None`: as much as anybody likes.
#[derive(Clone, Copy, Debug)]
pub struct Allowance<'a> {
    /// What is to be written now, which does not count itself.
    pub intent: &'a Intent,
    pub since: DateTime<Utc>,
    /// Effects of the rule.
    pub of_rule: Option<u32>,
    /// Different items the rule writes to.
    pub items: Option<u32>,
    /// Effects of all rules together.
    pub of_all: Option<u32>,
}

/// Which of them is used up, and how much of it was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedUp {
    OfRule { most: u32, used: u64 },
    Items { most: u32, used: u64 },
    OfAll { most: u32, used: u64 },
}

impl Allowance<'_> {
    fn is_unlimited(&self) -> bool {
        self.of_rule.is_none() && self.items.is_none() && self.of_all.is_none()
    }

    /// What stands against one more write. Until the transaction ends nobody else gets an answer.
    pub(super) async fn used_up(&self, tx: &mut Tx) -> Result<Option<UsedUp>, StoreError> {
        if self.is_unlimited() {
            return Ok(None);
        }
        tx.wait_for_turn("allowance").await?;
        let intent = self.intent;
        let since = Micros::from(self.since);
        let full = |used: u64, most: u32| used >= u64::from(most);
        if let Some(most) = self.of_all {
            let used = count_all(tx, intent.id, since).await?;
            if full(used, most) {
                return Ok(Some(UsedUp::OfAll { most, used }));
            }
        }
        if let Some(most) = self.of_rule {
            let used = count_rule(tx, intent, since).await?;
            if full(used, most) {
                return Ok(Some(UsedUp::OfRule { most, used }));
            }
        }
        if let Some(most) = self.items {
            let (used, known) = count_items(tx, intent, since).await?;
            if full(used, most) && !known {
                return Ok(Some(UsedUp::Items { most, used }));
            }
        }
        Ok(None)
    }
}

async fn count_all(tx: &mut Tx, except: IntentId, since: Micros) -> Result<u64, StoreError> {
    // effects_written_at.
    let count: i64 = on_tx!(tx, conn => {
        sqlx::query_scalar(
            "SELECT COUNT(*) FROM effects
             WHERE started_at >= $1 AND state IN ('writing', 'applied', 'undone') AND id <> $2",
        )
        .bind(since)
        .bind(except.0)
        .fetch_one(&mut *conn)
        .await?
    });
    unsigned("count", count)
}

async fn count_rule(tx: &mut Tx, intent: &Intent, since: Micros) -> Result<u64, StoreError> {
    // effects_written.
    let count: i64 = on_tx!(tx, conn => {
        sqlx::query_scalar(
            "SELECT COUNT(*) FROM effects
             WHERE rule = $1 AND started_at >= $2 AND state IN ('writing', 'applied', 'undone') AND id <> $3",
        )
        .bind(intent.rule.as_str())
        .bind(since)
        .bind(intent.id.0)
        .fetch_one(&mut *conn)
        .await?
    });
    unsigned("count", count)
}

/// How many items, and whether the intent's is one of them.
async fn count_items(tx: &mut Tx, intent: &Intent, since: Micros) -> Result<(u64, bool), StoreError> {
    // effects_written.
    let (items, known): (i64, i64) = on_tx!(tx, conn => {
        sqlx::query_as(
            "SELECT COUNT(*), COUNT(CASE WHEN i.repository = $4 AND i.number = $5 THEN 1 END) FROM
                (SELECT DISTINCT lower(repository) AS repository, number FROM effects
                 WHERE rule = $1 AND started_at >= $2 AND state IN ('writing', 'applied', 'undone') AND id <> $3) AS i",
        )
        .bind(intent.rule.as_str())
        .bind(since)
        .bind(intent.id.0)
        .bind(intent.target.repository.as_str().to_ascii_lowercase())
        .bind(signed(intent.target.number))
        .fetch_one(&mut *conn)
        .await?
    });
    Ok((unsigned("count", items)?, known > 0))
}
