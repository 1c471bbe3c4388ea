//! Changed configs that wait, or waited, for a person: `config_holds`.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::audit::append;
use super::columns::{Micros, from_json, to_json};
use super::{Db, StoreError};
use crate::core::audit::{Actor, Cause, Entry, Kind};

impl Db {
    /// What was counted of a revision, and whether a person let it in.
    pub async fn config_hold(&self, revision: &str) -> Result<Option<(Value, bool)>, StoreError> {
        // config_holds: primary key.
        let found: Option<(String, Option<Micros>)> = on_db!(self, conn => {
            sqlx::query_as("SELECT hold, confirmed_at FROM config_holds WHERE revision = $1")
                .bind(revision)
                .fetch_optional(conn)
                .await
        })?;
        found.map(|(hold, confirmed)| Ok((from_json("hold", &hold)?, confirmed.is_some()))).transpose()
    }

    /// Holds a revision. One that is held or was let in stays so.
    pub async fn hold_config(&self, revision: &str, counted: &Value, now: DateTime<Utc>) -> Result<(), StoreError> {
        let text = to_json(counted)?;
        let mut tx = self.begin().await?;
        // config_holds: primary key.
        let held = on_tx!(tx, conn => {
            sqlx::query(
                "INSERT INTO config_holds (revision, hold, held_at) VALUES ($1, $2, $3) ON CONFLICT (revision) DO NOTHING",
            )
            .bind(revision)
            .bind(text)
            .bind(Micros::from(now))
            .execute(&mut *conn)
            .await?
            .rows_affected()
        });
        if held > 0 {
            let entry = entry(Kind::ConfigHeld, Actor::Orchd, revision, now).states(None, Some(counted.clone()));
            append(&mut tx, vec![entry]).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Holds a revision because a person put an earlier one in its place, whatever was said of it before.
    pub async fn roll_back_config(
        &self,
        revision: &str,
        hold: &Value,
        by: Actor,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let text = to_json(hold)?;
        let mut tx = self.begin().await?;
        // config_holds: primary key.
        on_tx!(tx, conn => {
            sqlx::query(
                "INSERT INTO config_holds (revision, hold, held_at) VALUES ($1, $2, $3)
                 ON CONFLICT (revision) DO UPDATE SET hold = excluded.hold, held_at = excluded.held_at, confirmed_at = NULL",
            )
            .bind(revision)
            .bind(text)
            .bind(Micros::from(now))
            .execute(&mut *conn)
            .await?;
        });
        append(&mut tx, vec![entry(Kind::ConfigRolledBack, by, revision, now).states(None, Some(hold.clone()))])
            .await?;
        Ok(tx.commit().await?)
    }

    /// A person lets a held revision in.
    pub async fn confirm_config(&self, revision: &str, by: Actor, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // config_holds: primary key.
        let confirmed = on_tx!(tx, conn => {
            sqlx::query("UPDATE config_holds SET confirmed_at = $2 WHERE revision = $1 AND confirmed_at IS NULL")
                .bind(revision)
                .bind(Micros::from(now))
                .execute(&mut *conn)
                .await?
                .rows_affected()
        });
        if confirmed > 0 {
            append(&mut tx, vec![entry(Kind::ConfigConfirmed, by, revision, now)]).await?;
        }
        Ok(tx.commit().await?)
    }
}

fn entry(kind: Kind, by: Actor, revision: &str, now: DateTime<Utc>) -> Entry {
    let cause = Cause { config_revision: Some(revision.to_owned()), ..Cause::default() };
    Entry { cause, ..Entry::new(kind, by, now) }
}
