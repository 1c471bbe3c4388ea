//! Budgets of requests to GitHub, as text that means something to others only: `rate_budgets`.

use chrono::{DateTime, Utc};

use super::columns::Micros;
use super::dialect::Tx;
use super::{Db, StoreError};

impl Db {
    /// Takes one step of the budget of this name: `change` is given what was kept (`None`: nothing) and the database's own
    /// time, which is one for all daemons, and gives what to keep (`None`: as it was) and what to return. Steps of one budget never overlap.
    ///
    /// # Errors
    /// When the row cannot be read or written; `Failed` with the words of `change`. Nothing has changed then.
    pub async fn step_budget<T>(
        &self,
        name: &str,
        change: impl FnOnce(Option<String>, DateTime<Utc>) -> Result<(Option<String>, T), String> + Send,
    ) -> Result<T, StoreError> {
        let mut tx = self.begin().await?;
        let (kept, now) = match locked(&mut tx, name).await? {
            Some(row) => row,
            None => {
                make(&mut tx, name).await?;
                locked(&mut tx, name).await?.ok_or_else(|| StoreError::Failed("the budget is gone".to_owned()))?
            }
        };
        let kept = Some(kept).filter(|text| !text.is_empty());
        let (state, reply) = change(kept, now.try_into()?).map_err(StoreError::Failed)?;
        let Some(state) = state else { return Ok(reply) };
        // rate_budgets: primary key.
        on_tx!(tx, conn => {
            sqlx::query("UPDATE rate_budgets SET state = $2, updated_at = $3 WHERE name = $1")
                .bind(name)
                .bind(state)
                .bind(now)
                .execute(&mut *conn)
                .await?;
        });
        tx.commit().await?;
        Ok(reply)
    }
}

/// What is kept under a name, locked until the transaction ends, and the time.
async fn locked(tx: &mut Tx, name: &str) -> Result<Option<(String, Micros)>, sqlx::Error> {
    let (time, lock) = (tx.time(), tx.lock_rows());
    // rate_budgets: primary key.
    on_tx!(tx, conn => {
        let sql = sqlx::AssertSqlSafe(format!("SELECT state, {time} FROM rate_budgets WHERE name = $1{lock}"));
        sqlx::query_as(sql).bind(name).fetch_optional(&mut *conn).await
    })
}

async fn make(tx: &mut Tx, name: &str) -> Result<(), sqlx::Error> {
    on_tx!(tx, conn => {
        // Another daemon may make it at the same time.
        sqlx::query("INSERT INTO rate_budgets (name, state, updated_at) VALUES ($1, '', 0) ON CONFLICT (name) DO NOTHING")
            .bind(name)
            .execute(&mut *conn)
            .await
            .map(|_| ())
    })
}
