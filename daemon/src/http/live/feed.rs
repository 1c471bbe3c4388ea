//! The one task that looks for what is new, for all who read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{MOST_OF_ONE, MOST_READERS, message};
use crate::engine::ingest::Ingest;
use crate::http::pages::event_row;
use crate::store::audit::AuditFilter;
use crate::store::events::{EventFilter, EventRow, EventStatus};
use crate::store::{Db, StoreError};

/// News that wait for the slowest reader. Whoever is further behind is dropped.
const WAITING_NEWS: usize = 64;

/// The newest events, whose state is watched: as many as a live list keeps.
const WATCHED: u32 = 200;

/// From one look to the next: as soon as something is stored, but not more often than this; in calm, and while
/// deliveries come in batches.
const BREATH: Duration = Duration::from_millis(200);
const BREATH_WHEN_BUSY: Duration = Duration::from_secs(2);

/// Looks again at least this often: what other daemons store, and what jobs did, wakes nobody here.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The store answers a reader who begins within this.
const LOOKS_WITHIN: Duration = Duration::from_secs(5);

/// What one look found.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Events whose state changed, then those that arrived, each oldest first.
    pub(super) rows: Vec<Told>,
    /// Events that arrived are not all among the rows: too many came at once.
    pub(super) is_short: bool,
}

/// An event and how it is told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) row: EventRow,
    /// What its state was, of one that changed.
    pub(super) was: Option<EventStatus>,
    pub(super) frame: Bytes,
}

/// Where readers subscribe.
pub(in crate::http) struct Feed {
    news: broadcast::Sender<Arc<News>>,
    arrivals: mpsc::Sender<oneshot::Sender<()>>,
    places: Arc<Semaphore>,
    /// By account.
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

/// A reader's place. There are [`MOST_READERS`], and [`MOST_OF_ONE`] for each account.
pub(super) struct Place {
    pub(super) news: broadcast::Receiver<Arc<News>>,
    account: String,
    taken: Arc<Mutex<HashMap<String, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.account);
            }
        }
    }
}

/// Why there is no place.
pub(super) enum NoPlace {
    /// All are taken, or the store does not say where things stand.
    Now,
    /// This account has [`MOST_OF_ONE`].
    ForOne,
}

impl Feed {
    /// Starts the task, which ends when `stopping` is cancelled.
    pub(in crate::http) fn start(db: Db, ingest: Ingest, stopping: CancellationToken) -> Self {
        let (news, _) = broadcast::channel(WAITING_NEWS);
        let (arrivals, arriving) = mpsc::channel(MOST_READERS);
        let look = Look { db, ingest, news: news.clone(), arriving, known: None };
        tokio::spawn(async move { stopping.run_until_cancelled(look.go_on()).await });
        Self { news, arrivals, places: Arc::new(Semaphore::new(MOST_READERS)), taken: Arc::default() }
    }

    /// How many listen now.
    pub(in crate::http) fn readers(&self) -> usize {
        MOST_READERS.saturating_sub(self.places.available_permits())
    }

    /// A place, once the feed knows where things stand: whatever is stored from then on is told.
    pub(super) async fn place(&self, account: String) -> Result<Place, NoPlace> {
        let permit = Arc::clone(&self.places).try_acquire_owned().map_err(|_| NoPlace::Now)?;
        {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let count = taken.entry(account.clone()).or_default();
            if *count == MOST_OF_ONE {
                return Err(NoPlace::ForOne);
            }
            *count += 1;
        }
        let place = Place { news: self.news.subscribe(), account, taken: Arc::clone(&self.taken), _permit: permit };
        let (looked, known) = oneshot::channel();
        self.arrivals.send(looked).await.map_err(|_| NoPlace::Now)?;
        let known = tokio::time::timeout(LOOKS_WITHIN, known).await;
        known.map_err(|_| NoPlace::Now)?.map_err(|_| NoPlace::Now)?;
        Ok(place)
    }
}

/// The state of the look at the store.
struct Look {
    db: Db,
    ingest: Ingest,
    news: broadcast::Sender<Arc<News>>,
    arriving: mpsc::Receiver<oneshot::Sender<()>>,
    /// What was last seen; `None`: nobody looked for a while.
    known: Option<Known>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    newest: Uuid,
    states: HashMap<Uuid, EventStatus>,
    audited: Option<i64>,
    queued: u64,
    /// Rollbacks that are being planned: as long as there are some, they are further at each look.
    planning: usize,
}

impl Known {
    /// Whether an event was not there when this was learnt. Of several daemons, one may commit an earlier id later.
    fn has_not(&self, id: Uuid) -> bool {
        let oldest = self.states.keys().min().filter(|_| self.states.len() == WATCHED as usize);
        id > self.newest || (!self.states.contains_key(&id) && oldest.is_none_or(|oldest| id > *oldest))
    }
}

impl Look {
    async fn go_on(mut self) {
        let mut stored = self.ingest.subscribe();
        let mut waiting = Vec::new();
        loop {
            if self.news.receiver_count() == 0 {
                self.known = None;
                let Some(arrived) = self.arriving.recv().await else { return };
                waiting.push(arrived);
            }
            waiting.extend(std::iter::from_fn(|| self.arriving.try_recv().ok()));
            stored.mark_unchanged();
            match self.look().await {
                Ok(news) => {
                    // Nobody may be there any more, neither to read nor to begin.
                    if let Some(news) = news {
                        let _ = self.news.send(Arc::new(news));
                    }
                    for arrived in waiting.drain(..) {
                        let _ = arrived.send(());
                    }
                }
                Err(error) => tracing::warn!(%error, "live pages are not told what is new"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                Some(arrived) = self.arriving.recv() => waiting.push(arrived),
                _ = stored.changed() => {
                    let breath = if self.ingest.is_busy() { BREATH_WHEN_BUSY } else { BREATH };
                    tokio::time::sleep(breath).await;
                }
            }
        }
    }

    /// What changed since the last look, if anything did. The first look only learns where things stand.
    async fn look(&mut self) -> Result<Option<News>, StoreError> {
        let filter = EventFilter { limit: WATCHED, ..EventFilter::default() };
        let mut rows = self.db.events(&filter).await?.rows;
        let audited = self.db.audit_rows(&AuditFilter { limit: 1, ..AuditFilter::default() }).await?;
        let audited = audited.rows.first().map(|row| row.seq);
        let queued = self.db.queue_depth().await?.queued;
        let planning = self.db.unplanned_rollbacks().await?.len();
        let newest = rows.first().map_or(Uuid::nil(), |row| row.id.0);
        let states = rows.iter().map(|row| (row.id.0, row.processing_status)).collect();
        let now = Known { newest, states, audited, queued, planning };
        let Some(before) = self.known.replace(now.clone()) else { return Ok(None) };
        rows.reverse();
        let is_short = rows.len() == WATCHED as usize && rows.first().is_some_and(|row| row.id.0 > before.newest);
        let (new, old): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| before.has_not(row.id.0));
        let changed = old.into_iter().filter_map(|row| {
            let was = before.states.get(&row.id.0).copied().filter(|was| *was != row.processing_status)?;
            Some(tell(row, Some(was)))
        });
        let told: Vec<Told> = changed.chain(new.into_iter().map(|row| tell(row, None))).collect();
        let is_calm = before.planning == 0 && now.planning == 0;
        let is_same = told.is_empty() && is_calm && before.audited == now.audited && before.queued == now.queued;
        Ok((!is_same).then_some(News { rows: told, is_short }))
    }
}

/// `row`: it arrived, and has an id to come back with; `state`: what is told of it is another now.
pub(super) fn tell(row: EventRow, was: Option<EventStatus>) -> Told {
    let frame = match was {
        None => message("row", Some(row.id.0), &event_row(&row)).into(),
        Some(_) => tell_state(&row),
    };
    Told { row, was, frame }
}

pub(super) fn tell_state(row: &EventRow) -> Bytes {
    message("state", None, &event_row(row)).into()
}
