//! The contract of the store: every method, on both databases.

mod allowance;
mod among;
mod audit;
mod budgets;
mod decisions;
mod forward;
mod ingest;
mod installations;
mod jobs;
mod keys;
mod lists;
mod merge_queue;
mod open;
mod people;
mod recovery;
mod retention;
mod rollbacks;

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use orchd::core::audit::Actor;
use orchd::core::event::{EventId, InstallationId, RepoName};
use orchd::store::events::{IngestStatus, NewEvent, Replay, SeenInstallation, SeenRepository, Source};
use orchd::store::jobs::{Claim, JobId};
use orchd::store::{Db, StoreOptions};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) use self::decisions::store_effects;
use crate::postgres::Database;

/// Where a test's database lives.
pub(crate) struct Place {
    pub(crate) options: StoreOptions,
    pub(crate) directory: TempDir,
    database: Option<Database>,
}

impl Place {
    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("orchd.db").display());
        Self { options: options(&url, &directory), directory, database: None }
    }

    pub(crate) async fn postgres() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::create().await;
        Self { options: options(&database.url, &directory), directory, database: Some(database) }
    }

    pub(crate) async fn open(&self) -> Db {
        Db::open(&self.options).await.unwrap()
    }

    pub(crate) async fn drop(self) {
        if let Some(database) = self.database {
            database.drop().await;
        }
    }
}

fn options(url: &str, directory: &TempDir) -> StoreOptions {
    StoreOptions { url: url.into(), objects: directory.path().join("objects") }
}

/// Makes two tests of one: the same story on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($(async fn $name:ident($place:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn story($place: &Place) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let place = Place::sqlite().await;
                story(&place).await;
                place.drop().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let place = Place::postgres().await;
                story(&place).await;
                place.drop().await;
            }
        }
    )*};
}
use on_both;

/// Whoever does something through the admin socket.
const OPERATOR: Actor = Actor::Operator(Some(1000));

const LEASE: Duration = Duration::from_secs(30);
pub(crate) const TERMS: orchd::store::jobs::Terms = orchd::store::jobs::Terms { lease: LEASE, max_attempts: 8 };

/// A fixed time, later than the ids' own by nothing that matters.
fn noon() -> DateTime<Utc> {
    // Microseconds are what a database keeps.
    DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap()
}

fn seconds(count: i64) -> TimeDelta {
    TimeDelta::seconds(count)
}

fn name(text: &str) -> RepoName {
    RepoName::parse(text).unwrap()
}

fn repository(github_id: i64, full: &str) -> SeenRepository {
    SeenRepository {
        github_id,
        name: name(full),
        description: None,
        url: format!("https://github.com/{full}"),
        is_private: false,
        default_branch: "main".to_owned(),
        told_at: None,
    }
}

/// A delivery about `number` in a repository; the repository's id follows from its name.
fn event(full: &str, number: u64) -> NewEvent {
    let github_id = full.bytes().fold(7_i64, |sum, byte| sum * 31 % 1_000_003 + i64::from(byte));
    NewEvent {
        repository: Some(repository(github_id, full)),
        number: Some(number),
        target_object_ids: serde_json::json!({"issue_number": number}),
        ..bare_event()
    }
}

/// A delivery without repository, installation and sender.
fn bare_event() -> NewEvent {
    NewEvent {
        id: EventId(Uuid::now_v7()),
        delivery_id: Uuid::new_v4_text(),
        source: Source::Webhook,
        event_type: "issues".to_owned(),
        event_action: Some("opened".to_owned()),
        actor: None,
        number: None,
        target_object_ids: serde_json::json!({}),
        received_at: noon(),
        github_timestamp: None,
        repository: None,
        installation: None,
        payload: Bytes::from_static(br#"{"action":"opened"}"#),
        awaited: true,
    }
}

/// GUIDs as GitHub sends them: in no order.
trait Guid {
    fn new_v4_text() -> String;
}

impl Guid for Uuid {
    fn new_v4_text() -> String {
        Uuid::from_u128(rand::random()).to_string()
    }
}

fn installation(id: i64, login: Option<&str>) -> SeenInstallation {
    SeenInstallation {
        id: InstallationId(id),
        account_login: login.map(str::to_owned),
        account_type: login.map(|_| "Organization".to_owned()),
        told_at: None,
    }
}

/// An issue was opened that no rule waited for: stored as processed, with all that GitHub tells of it.
pub(crate) fn processed_event(number: u64) -> NewEvent {
    let payload = serde_json::json!({
        "action": "opened",
        "issue": {"number": number + 1, "title": format!("Number {number}"), "state": "open", "user": {"login": "mona"}},
        "repository": {"full_name": "acme/web"},
        "installation": {"id": 1},
        "sender": {"login": "mona", "type": "User"},
    });
    NewEvent { payload: payload.to_string().into(), awaited: false, ..event("acme/web", number + 1) }
}

/// Stores events that are new; their ids, in order.
async fn store(db: &Db, events: Vec<NewEvent>) -> Vec<EventId> {
    let stored = db.ingest(events).await.unwrap();
    assert!(stored.iter().all(|it| it.status == IngestStatus::Accepted));
    stored.into_iter().map(|it| it.id).collect()
}

async fn claim(db: &Db, owner: &str, now: DateTime<Utc>) -> Vec<Claim> {
    db.claim(owner, now, TERMS, 100, 100).await.unwrap()
}

/// The process job of an event.
fn job_of(event: EventId) -> JobId {
    JobId(event.0)
}
