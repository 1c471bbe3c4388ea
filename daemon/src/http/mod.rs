//! The daemon's HTTP side: the webhook, the admin API, health and metrics.
//!
//! Owns the listeners and their limits, the URL map and the one place where an error becomes a response. Refuses to
//! know how an event is stored or decided: it hands events to ingest and reads rows from the store.
//!
//! Invariants: no 2xx before the event is on disk (1); the signature is checked over the raw bytes before anything is
//! parsed (2); no cause of an error and no secret leaves in an answer (11).

pub mod allowlist;
mod api;
mod arrival;
mod bind;
mod body;
mod error;
mod event_names;
mod health;
pub mod listen;
mod metrics;
mod reply;
pub mod routes;
mod webhook;

use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::config::live::LiveConfig;
use crate::engine::ingest::Ingest;
use crate::store::Db;

use self::allowlist::Allowlist;
use self::metrics::EventCounters;

/// What handlers need.
pub struct Site {
    pub db: Db,
    pub config: Arc<LiveConfig>,
    pub ingest: Ingest,
    /// Rung when a job was queued by hand.
    pub wake: Arc<Notify>,
    pub allowlist: Arc<Allowlist>,
    pub metrics: PrometheusHandle,
    pub started_at: DateTime<Utc>,
    /// Cancelled when the daemon stops: long polls answer at once.
    pub stopping: CancellationToken,
}

/// The site as handlers share it. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    site: Site,
    events: EventCounters,
}

impl App {
    /// Registers the metrics of this folder: the recorder must be installed before.
    pub fn new(site: Site) -> Self {
        Self(Arc::new(Shared { site, events: EventCounters::new() }))
    }

    /// The config in use now.
    fn config(&self) -> Arc<Config> {
        self.config.current()
    }

    fn events(&self) -> &EventCounters {
        &self.0.events
    }
}

impl Deref for App {
    type Target = Site;
    fn deref(&self) -> &Site {
        &self.0.site
    }
}
