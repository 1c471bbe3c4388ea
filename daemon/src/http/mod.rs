//! The daemon's HTTP side: the webhook, the API, signing in, health and metrics.
//!
//! Owns the listeners and their limits, the URL map and the one place where an error becomes a response. Refuses to
//! know how an event is stored or decided: it hands events to ingest and reads rows from the store.
//!
//! Invariants: no 2xx before the event is on disk (1); the signature is checked over the raw bytes before anything is
//! parsed (2); no cause of an error and no secret leaves in an answer (11).

pub mod allowlist;
mod api;
mod arrival;
mod asked;
mod assets;
mod bearer;
mod bind;
mod body;
mod caller;
mod error;
mod event_names;
pub mod failures;
mod forward;
mod headers;
mod health;
mod hours;
pub mod limits;
pub mod listen;
pub mod live;
mod login;
mod metrics;
mod moment;
mod page;
mod pages;
mod person;
pub mod reference;
mod reply;
pub mod routes;
mod session;
pub mod setup;
mod socket;
pub mod token;
mod webhook;

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::config::live::LiveConfig;
use crate::engine::guards::reload::Asked;
use crate::engine::ingest::Ingest;
use crate::engine::login::{Desk, Means, NoMeans};
use crate::engine::recover::Recovery;
use crate::engine::sight::Sights;
use crate::github::client::GitHub;
use crate::github::oidc::Keys;
use crate::store::installations::InstallationCount;
use crate::store::jobs::QueueDepth;
use crate::store::recovery::Scope;
use crate::store::{Db, StoreError};

pub use self::health::{DISK_FAILING, DISK_WARNING};

use self::allowlist::Allowlist;
use self::body::LargeBodies;
use self::failures::Failures;
use self::hours::Hours;
use self::limits::Limits;
use self::live::Feed;
use self::metrics::EventCounters;
use self::moment::Moment;

/// What handlers need.
pub struct Site {
    pub db: Db,
    pub config: Arc<LiveConfig>,
    pub ingest: Ingest,
    /// Rung when a job was queued by hand.
    pub wake: Arc<Notify>,
    /// Rung when the App's installations are to be listed anew.
    pub refresh: Arc<Notify>,
    /// What people see.
    pub sights: Sights,
    pub recovery: Recovery,
    /// Rung when a rollback is to be planned.
    pub rollbacks: Arc<Notify>,
    /// Where a reload of the config is asked for.
    pub reload: mpsc::Sender<Asked>,
    pub allowlist: Arc<Allowlist>,
    pub github: Arc<ArcSwap<GitHub>>,
    pub metrics: PrometheusHandle,
    pub started_at: DateTime<Utc>,
    /// The public address, which may be systemd's and not the config's; `None` when it is no TCP address.
    pub listens_on: Option<SocketAddr>,
    /// Cancelled when the daemon stops: long polls answer at once.
    pub stopping: CancellationToken,
}

/// The site as handlers share it. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    site: Site,
    /// The API's, made once.
    description: Bytes,
    /// One backtest at a time: each takes as much of the machine as is left over.
    backtest: Arc<Semaphore>,
    /// One that changes which config runs at a time.
    config_turn: Arc<Mutex<()>>,
    events: EventCounters,
    large: LargeBodies,
    limits: Limits,
    failures: Failures,
    departures: Failures,
    feed: Feed,
    hours: Hours,
    desk: Desk,
    /// That workflows' tokens are signed with.
    token_keys: Keys,
    depth: Mutex<Option<(Instant, Depth)>>,
    installations: Moment<InstallationCount>,
    tripped: Moment<u64>,
    work: Moment<WorkAhead>,
}

/// What there is to do.
#[derive(Clone, Copy, Debug)]
struct WorkAhead {
    /// In which jobs wait or run.
    lanes: u64,
    /// How far recovery has looked; `None`: not yet.
    compared_until: Option<DateTime<Utc>>,
}

/// How deep the queue is, or why that is not known.
type Depth = Result<QueueDepth, StoreSilence>;

/// The store did not say.
#[derive(Clone, Copy, Debug)]
enum StoreSilence {
    Fails,
    Hangs,
}

/// The store must answer within this when anybody may ask.
const STORE_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// How long an answer about the queue serves everybody who asks: looking through the queue costs more the longer it is.
const DEPTH_SERVES_FOR: Duration = Duration::from_secs(1);

impl App {
    /// Registers the metrics of this folder: the recorder must be installed before. To be called in a runtime: what feeds
    /// live pages is a task.
    pub fn new(site: Site) -> Self {
        let (events, large) = (EventCounters::new(), LargeBodies::new());
        let desk = Desk::default();
        let (depth, installations, tripped, work) = Default::default();
        let backtest = Arc::new(Semaphore::new(1));
        let config = site.config.current();
        let (limits, failures) = (Limits::new(&config.api), Failures::new(config.login.failures_a_minute));
        let description = api::describe();
        let feed = Feed::start(site.db.clone(), site.ingest.clone(), site.stopping.clone());
        Self(Arc::new(Shared {
            site,
            description,
            backtest,
            config_turn: Arc::default(),
            events,
            large,
            limits,
            departures: Failures::new(config.login.failures_a_minute),
            failures,
            feed,
            hours: Hours::default(),
            desk,
            token_keys: Keys::default(),
            depth,
            installations,
            tripped,
            work,
        }))
    }

    /// The config in use now.
    fn config(&self) -> Arc<Config> {
        self.config.current()
    }

    /// The API's description as JSON.
    fn description(&self) -> Bytes {
        self.0.description.clone()
    }

    fn events(&self) -> &EventCounters {
        &self.0.events
    }

    /// The turn at a backtest; `None`: one is under way.
    fn backtest(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.backtest).try_acquire_owned().ok()
    }

    /// The turn at writing the config, letting one in, or putting one back: what was looked at holds until it is done.
    async fn config_turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.0.config_turn).lock_owned().await
    }

    /// What keys asked.
    fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Who leaves for GitHub how often.
    fn departures(&self) -> &Failures {
        &self.0.departures
    }

    /// What is new, for live pages.
    fn feed(&self) -> &Feed {
        &self.0.feed
    }

    /// What charts are drawn from.
    fn hours(&self) -> &Hours {
        &self.0.hours
    }

    /// Keys and logins that were refused.
    fn failures(&self) -> &Failures {
        &self.0.failures
    }

    fn large(&self) -> &LargeBodies {
        &self.0.large
    }

    /// What signing in takes, by the config in use.
    fn means(&self) -> Result<Means, NoMeans> {
        self.0.desk.means(&self.config())
    }

    /// That workflows' tokens are signed with.
    fn token_keys(&self) -> &Keys {
        &self.0.token_keys
    }

    /// As the store said at most a second ago. For what anybody may ask: one question at a time reaches the store.
    async fn queue_depth(&self) -> Depth {
        let mut known = self.0.depth.lock().await;
        if let Some((_, depth)) = known.as_ref().filter(|(at, _)| at.elapsed() < DEPTH_SERVES_FOR) {
            return depth.clone();
        }
        let depth = match tokio::time::timeout(STORE_ANSWERS_WITHIN, look(&self.db)).await {
            Ok(Ok(depth)) => Ok(depth),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the store does not tell how deep the queue is");
                Err(StoreSilence::Fails)
            }
            Err(_elapsed) => Err(StoreSilence::Hangs),
        };
        *known = Some((Instant::now(), depth.clone()));
        depth
    }
}

impl App {
    /// As [`App::queue_depth`]; `None`: the store does not say.
    async fn installations(&self) -> Option<InstallationCount> {
        self.0.installations.of(self.db.count_installations()).await
    }

    /// Breakers that are tripped, likewise.
    async fn tripped(&self) -> Option<u64> {
        self.0.tripped.of(self.db.count_tripped(Utc::now())).await
    }

    /// What of the work to do only metrics tell, likewise.
    async fn work(&self) -> Option<WorkAhead> {
        let db = &self.db;
        let ask = async || {
            let compared = db.recovery_progress(&Scope::Deliveries).await?;
            Ok(WorkAhead {
                lanes: db.count_lanes().await?,
                compared_until: compared.map(|progress| progress.seen_until),
            })
        };
        self.0.work.of(ask()).await
    }
}

impl Deref for App {
    type Target = Site;
    fn deref(&self) -> &Site {
        &self.0.site
    }
}

/// How deep the queue is, if the store takes writes: one that can only be read loses deliveries and looks well.
async fn look(db: &Db) -> Result<QueueDepth, StoreError> {
    db.ping().await?;
    db.queue_depth().await
}
