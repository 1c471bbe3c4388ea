//! What ingest learns from payloads: which repositories and installations there are.
//!
//! Almost every delivery names a repository we know already, so what was stored is remembered in RAM and an unchanged
//! one costs no statement. Deliveries come late and out of order: what a newer one told, an older one does not undo.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{LazyLock, PoisonError};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Db;
use super::columns::{Micros, clean};
use super::dialect::Tx;
use super::events::{NewEvent, SeenInstallation, SeenRepository};
use super::rows::{Cell, Column, Rows};

/// What is known to stand in the database.
#[derive(Clone, Debug, Default)]
pub(super) struct Learnt {
    /// By GitHub's id.
    repositories: HashMap<i64, Known>,
    installations: HashMap<i64, Known>,
    /// Installation and repository rows that are linked.
    links: HashSet<(Uuid, Uuid)>,
}

/// A row, and what was last told of its thing.
#[derive(Clone, Copy, Debug)]
struct Known {
    row: Uuid,
    /// Of what was told, as a hash; `None`: another daemon stored it.
    print: Option<u64>,
    told_at: Option<DateTime<Utc>>,
}

impl Known {
    /// Whether this tells nothing that would be stored: the same once more (from when on it is newer), or something older.
    fn covers(&mut self, print: u64, told_at: Option<DateTime<Utc>>) -> bool {
        let same = self.print == Some(print);
        if same {
            self.told_at = self.told_at.max(told_at);
        }
        same || told_at < self.told_at
    }
}

impl Learnt {
    fn absorb(&mut self, new: Self) {
        self.repositories.extend(new.repositories);
        self.installations.extend(new.installations);
        self.links.extend(new.links);
    }
}

/// Row ids of what one batch names, and what to remember once its transaction is on disk.
pub(super) struct Lesson {
    repositories: HashMap<i64, Uuid>,
    installations: HashMap<i64, Uuid>,
    new: Learnt,
}

impl Lesson {
    pub(super) fn repository(&self, event: &NewEvent) -> Option<Uuid> {
        self.repositories.get(&event.repository.as_ref()?.github_id).copied()
    }

    pub(super) fn installation(&self, event: &NewEvent) -> Option<Uuid> {
        self.installations.get(&event.installation.as_ref()?.id.0).copied()
    }
}

fn fingerprint(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn repository_print(seen: &SeenRepository) -> u64 {
    fingerprint((seen.name.as_str(), &seen.description, &seen.url, seen.is_private, &seen.default_branch))
}

/// 0: nothing but the id was told.
fn installation_print(seen: &SeenInstallation) -> u64 {
    match (&seen.account_login, &seen.account_type) {
        (None, None) => 0,
        told => fingerprint(told).max(1),
    }
}

impl Db {
    /// Brings repositories, installations and their links up to what the batch says. The newest mention of a thing in
    /// the batch counts, of equally new ones the last. Rows are written in the order of their ids, so two daemons cannot wait for each other.
    pub(super) async fn learn(&self, tx: &mut Tx, batch: &[&NewEvent], now: Micros) -> Result<Lesson, sqlx::Error> {
        let known = |lesson: &mut Lesson, repositories: &mut BTreeMap<_, _>, installations: &mut BTreeMap<_, _>| {
            let mut learnt = self.shared.learnt.lock().unwrap_or_else(PoisonError::into_inner);
            repositories.retain(|id, seen: &mut &SeenRepository| {
                let print = repository_print(seen);
                let known = learnt.repositories.get_mut(id);
                match known.and_then(|known| known.covers(print, seen.told_at).then_some(known.row)) {
                    Some(row) => lesson.repositories.insert(*id, row).is_some(),
                    None => true,
                }
            });
            installations.retain(|id, (seen, _): &mut (&SeenInstallation, _)| {
                let print = installation_print(seen);
                let known = learnt.installations.get_mut(id);
                match known.and_then(|known| (print == 0 || known.covers(print, seen.told_at)).then_some(known.row)) {
                    Some(row) => lesson.installations.insert(*id, row).is_some(),
                    None => true,
                }
            });
        };
        let mut repositories = BTreeMap::new();
        let mut installations = BTreeMap::new();
        for event in batch {
            if let Some(seen) = &event.repository {
                let newest = repositories.entry(seen.github_id).or_insert(seen);
                if newest.told_at <= seen.told_at {
                    *newest = seen;
                }
            }
            if let Some(seen) = &event.installation {
                let owner = event.repository.as_ref().map(|repository| repository.name.owner());
                let told = installation_print(seen) != 0;
                let newest = installations.entry(seen.id.0).or_insert((seen, owner));
                if told && newest.0.told_at <= seen.told_at {
                    *newest = (seen, owner);
                }
            }
        }
        let mut lesson = Lesson { repositories: HashMap::new(), installations: HashMap::new(), new: Learnt::default() };
        known(&mut lesson, &mut repositories, &mut installations);
        for (id, seen) in repositories {
            let known = match store_repository(tx, seen, now).await? {
                Some(row) => Known { row, print: Some(repository_print(seen)), told_at: seen.told_at },
                None => newer(tx, "SELECT id, told_at FROM repositories WHERE github_id = $1", id).await?,
            };
            lesson.repositories.insert(id, known.row);
            lesson.new.repositories.insert(id, known);
        }
        for (id, (seen, owner)) in installations {
            let known = match store_installation(tx, seen, owner, now).await? {
                Some(row) => Known { row, print: Some(installation_print(seen)), told_at: seen.told_at },
                None => newer(tx, "SELECT id, told_at FROM installations WHERE installation_id = $1", id).await?,
            };
            lesson.installations.insert(id, known.row);
            lesson.new.installations.insert(id, known);
        }
        self.link(tx, batch, &mut lesson, now).await?;
        Ok(lesson)
    }

    async fn link(
        &self,
        tx: &mut Tx,
        batch: &[&NewEvent],
        lesson: &mut Lesson,
        now: Micros,
    ) -> Result<(), sqlx::Error> {
        let mut links: Vec<(Uuid, Uuid)> = {
            let learnt = self.shared.learnt.lock().unwrap_or_else(PoisonError::into_inner);
            let named = batch.iter().filter_map(|event| Some((lesson.installation(event)?, lesson.repository(event)?)));
            named.filter(|link| !learnt.links.contains(link)).collect()
        };
        links.sort_unstable();
        links.dedup();
        for (installation, repository) in links {
            on_tx!(tx, conn => {
                sqlx::query(
                    "INSERT INTO installation_repositories (id, installation_id, repository_id, created_at)
                     VALUES ($1, $2, $3, $4) ON CONFLICT (installation_id, repository_id) DO NOTHING",
                )
                .bind(Uuid::now_v7())
                .bind(installation)
                .bind(repository)
                .bind(now)
                .execute(&mut *conn)
                .await?;
            });
            lesson.new.links.insert((installation, repository));
        }
        Ok(())
    }

    /// Remembers a lesson, once it is on disk.
    pub(super) fn remember(&self, lesson: Lesson) {
        self.shared.learnt.lock().unwrap_or_else(PoisonError::into_inner).absorb(lesson.new);
    }
}

/// What is stored of something and newer than what was told, by GitHub's id: repositories_github_id,
/// installations_installation_id.
async fn newer(tx: &mut Tx, sql: &'static str, github_id: i64) -> Result<Known, sqlx::Error> {
    let (row, told_at): (Uuid, Option<Micros>) =
        on_tx!(tx, conn => sqlx::query_as(sql).bind(github_id).fetch_one(&mut *conn).await?);
    Ok(Known { row, print: None, told_at: told_at.and_then(|at| at.try_into().ok()) })
}

/// `None`: what is stored is newer.
async fn store_repository(tx: &mut Tx, seen: &SeenRepository, now: Micros) -> Result<Option<Uuid>, sqlx::Error> {
    // repositories_github_id. A rename changes `full_name` of the same row.
    const SQL: &str = "INSERT INTO repositories (id, github_id, owner, name, full_name, description, url, is_private,
            default_branch, created_at, updated_at, told_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11)
         ON CONFLICT (github_id) DO UPDATE SET owner = excluded.owner, name = excluded.name,
            full_name = excluded.full_name, description = excluded.description, url = excluded.url,
            is_private = excluded.is_private, default_branch = excluded.default_branch,
            updated_at = excluded.updated_at, told_at = excluded.told_at
         WHERE repositories.told_at IS NULL OR excluded.told_at >= repositories.told_at
         RETURNING id";
    on_tx!(tx, conn => {
        sqlx::query_scalar(SQL)
            .bind(Uuid::now_v7())
            .bind(seen.github_id)
            .bind(seen.name.owner())
            .bind(seen.name.name())
            .bind(seen.name.as_str())
            .bind(seen.description.as_deref().map(clean))
            .bind(clean(&seen.url))
            .bind(seen.is_private)
            .bind(clean(&seen.default_branch))
            .bind(now)
            .bind(seen.told_at.map(Micros::from))
            .fetch_optional(&mut *conn)
            .await
    })
}

/// Most payloads tell only the installation's id: until one tells more, its account is the repository's owner, who it
/// always is. Once GitHub was asked (`known_at`), a payload that may be old changes nothing. `None`: what is stored is newer, or told with a time and this is not.
async fn store_installation(
    tx: &mut Tx,
    seen: &SeenInstallation,
    owner: Option<&str>,
    now: Micros,
) -> Result<Option<Uuid>, sqlx::Error> {
    // installations_installation_id.
    const SQL: &str = "INSERT INTO installations (id, installation_id, account_login, account_type, target_type,
            created_at, updated_at, told_at)
         VALUES ($1, $2, COALESCE($3, $4, ''), COALESCE($5, ''), COALESCE($5, ''), $6, $6, $7)
         ON CONFLICT (installation_id) DO UPDATE SET
            account_login = CASE WHEN installations.known_at = 0 THEN COALESCE($3, installations.account_login)
                ELSE installations.account_login END,
            account_type = CASE WHEN installations.known_at = 0 THEN COALESCE($5, installations.account_type)
                ELSE installations.account_type END,
            target_type = CASE WHEN installations.known_at = 0 THEN COALESCE($5, installations.target_type)
                ELSE installations.target_type END,
            updated_at = excluded.updated_at, told_at = excluded.told_at
         WHERE installations.told_at IS NULL OR excluded.told_at >= installations.told_at
         RETURNING id";
    on_tx!(tx, conn => {
        sqlx::query_scalar(SQL)
            .bind(Uuid::now_v7())
            .bind(seen.id.0)
            .bind(seen.account_login.as_deref().map(clean))
            .bind(owner)
            .bind(seen.account_type.as_deref().map(clean))
            .bind(now)
            .bind(seen.told_at.map(Micros::from))
            .fetch_optional(&mut *conn)
            .await
    })
}

/// Counts new events, one entry a repository. Last in the transaction: on PostgreSQL these rows are what two daemons
/// that ingest at once have to wait for.
pub(super) async fn count_events(tx: &mut Tx, counts: &BTreeMap<Uuid, (i64, Micros)>) -> Result<(), sqlx::Error> {
    // repositories: primary key.
    static SQL: LazyLock<Rows<3>> = LazyLock::new(|| {
        Rows::new(
            "UPDATE repositories SET event_count = event_count + v.column2,
                last_event_at = CASE WHEN last_event_at > v.column3 THEN last_event_at ELSE v.column3 END
             FROM {rows} AS v WHERE repositories.id = v.column1",
            [Column::Id, Column::Int, Column::Int],
        )
    });
    let cells: Vec<_> = counts
        .iter()
        .map(|(id, (count, last))| [Cell::Id(Some(*id)), Cell::Int(Some(*count)), Cell::Int(Some(last.0))])
        .collect();
    SQL.execute(tx, &cells).await.map(|_| ())
}
