//! Wires everything; start and stop order.
//!
//! Up: config, logs, store, listeners, GitHub, ingest, workers, HTTP, and only then "ready". Down, within ten seconds:
//! no new connection, requests in flight answered, running jobs finished or given back, store closed.

pub mod client;
mod ranges;
mod service;
mod steer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use chrono::Utc;
use rustix::process::{Resource, Rlimit};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::client::Shared;
use crate::actions;
use crate::config::live::LiveConfig;
use crate::config::watch::Watch;
use crate::config::{self, Config};
use crate::engine::guards::reload;
use crate::engine::ingest::Ingest;
use crate::engine::pulse::Pulse;
use crate::engine::sight::Sights;
use crate::engine::{Engine, audit, installations, recover, retention, rollback, schedule, system_clock, turns, work};
use crate::github::client::GitHub;
use crate::http::allowlist::Allowlist;
use crate::http::listen::{self, Inherited, Limits, Listener};
use crate::http::{App, Site, routes};
use crate::store::{Db, StoreOptions};
use crate::telemetry;

use self::ranges::Ranges;
use self::steer::{News, Signals, announce_config, steer};

/// Connections at once, where the system grants enough file descriptors.
const CONNECTIONS: u64 = 4_096;

/// File descriptors that are not for connections: the store, GitHub, watches, the log.
const OTHER_DESCRIPTORS: u64 = 256;

/// How soon a broken connection for wake-ups is made again; until then jobs are found by looking.
const LISTEN_RETRY: Duration = Duration::from_secs(1);

/// How often histograms are folded, so that they stay small between two scrapes.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// How many tasks a thread runs before it looks for what arrived, and for what other threads woke. Tokio's 61 suits tasks of
/// a microsecond; those of a delivery take fifty, so that a batch on its way to the database waited three milliseconds
/// at each of its steps.
const TASKS_A_TURN: u32 = 8;

/// What the daemon runs on.
///
/// # Errors
/// When the system gives no threads or no event queue.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(TASKS_A_TURN)
        .global_queue_interval(TASKS_A_TURN)
        .build()
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// When it cannot start: the config does not validate, the store cannot be opened or is another daemon's, an address is
/// taken. What fails later is retried or shown in health, and does not end the daemon.
pub async fn serve(path: &Path) -> anyhow::Result<()> {
    let config = config::load(path, actions::kinds(), Utc::now())?;
    let traces = telemetry::install(&config)?;
    let metrics = telemetry::install_metrics().context("the metrics recorder could not be installed")?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %path.display(), "orchd starts");
    let signals = Signals::listen()?;
    let limits = Limits { connections: raise_descriptors(), ..Limits::default() };
    let db = open_store(&config).await?;
    let listeners = Listeners::bind(&config).await?;
    let (watch, changed) = Watch::start(path).context("the config's directory cannot be watched")?;

    let config = reload::start_with(&db, config, Utc::now()).await?;
    let live = Arc::new(LiveConfig::new(config));
    let config = live.current();
    announce_config(&db, &config).await;
    let stop = CancellationToken::new();
    let wake = Arc::new(Notify::new());
    let shared = Shared::new(&config, &db);
    let ingest = Ingest::start(db.clone(), Arc::clone(&live), Arc::clone(&wake), shared.heard.clone());
    let engine = Engine {
        db: db.clone(),
        config: Arc::clone(&live),
        github: Arc::new(ArcSwap::from_pointee(GitHub::new(shared.settings(&config))?)),
        ingest: ingest.clone(),
        clock: system_clock(),
        owner: format!("{}-{}", std::process::id(), Uuid::now_v7().simple()).into(),
        wake: Arc::clone(&wake),
        refresh: Arc::new(Notify::new()),
        own_rules: Default::default(),
    };
    let github = Arc::clone(&engine.github);
    let allowlist = Arc::new(Allowlist::default());
    let changes = ingest.sights();
    let sights = Sights::new(Arc::clone(&live), Arc::clone(&github), changes.clone(), system_clock());
    let (recovery, orders) = recover::desk();
    let rollbacks = Arc::new(Notify::new());
    let (reload, reloads) = mpsc::channel(1);
    let site = App::new(Site {
        db: db.clone(),
        config: Arc::clone(&live),
        ingest,
        wake,
        refresh: Arc::clone(&engine.refresh),
        sights,
        recovery,
        rollbacks: Arc::clone(&rollbacks),
        reload,
        allowlist: Arc::clone(&allowlist),
        metrics: metrics.clone(),
        github: Arc::clone(&github),
        started_at: Utc::now(),
        listens_on: listeners.public.address(),
        stopping: stop.clone(),
    });

    let ranges = Ranges { allowlist, wanted: Arc::default() };
    let known = ranges.at_start(&engine).await;
    let mut tasks = listeners.serve(&site, limits, &stop);
    let working = Pulse::default();
    let loops = [("ingest", engine.ingest.pulse()), ("the queue", working.clone())];
    tasks.push(tokio::spawn(work::run(engine.clone(), working, stop.clone())));
    tasks.push(tokio::spawn(retention::keep(engine.clone(), stop.clone())));
    tasks.push(tokio::spawn(schedule::keep(engine.clone(), stop.clone())));
    tasks.push(tokio::spawn(audit::keep(engine.clone(), stop.clone())));
    tasks.push(tokio::spawn(recover::run(engine.clone(), orders, stop.clone())));
    tasks.push(tokio::spawn(rollback::run(engine.clone(), rollbacks, stop.clone())));
    let side = [
        tokio::spawn(hear_other_daemons(engine.clone())),
        tokio::spawn(changes.follow(db.clone())),
        tokio::spawn(installations::keep(engine.clone())),
        tokio::spawn(turns::keep(engine.clone())),
        tokio::spawn(ranges.clone().keep(engine.clone(), known)),
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(METRICS_UPKEEP).await;
                metrics.run_upkeep();
            }
        }),
    ];
    service::ready();
    tasks.push(tokio::spawn(service::keep_telling(engine.clone(), loops, stop.clone())));
    let git_commit = config.revision.git_commit.as_deref();
    tracing::info!(revision = config.revision.hash, git_commit, rules = config.rules.len(), "ready");

    let news = News { changed, signals, asked: reloads };
    steer(path, &engine, &shared, &ranges.wanted, watch, news).await;

    service::stopping();
    tracing::info!("stopping: no new connections, running jobs finish or are given back");
    stop.cancel();
    for task in tasks {
        if let Err(error) = task.await {
            tracing::error!(%error, "a task ended badly");
        }
    }
    for task in side {
        task.abort();
        // What it was at ends first: with the store closed it would only complain.
        let _ = task.await;
    }
    github.load().settle().await;
    traces.finish().await;
    db.close().await;
    tracing::info!("stopped");
    Ok(())
}

async fn open_store(config: &Config) -> anyhow::Result<Db> {
    let options = StoreOptions { url: config.database.url.clone(), objects: config.database.objects.clone() };
    Db::open(&options).await.context("the store cannot be opened")
}

struct Listeners {
    public: Listener,
    admin: Option<Listener>,
}

impl Listeners {
    /// Takes what systemd hands over, binds the rest.
    async fn bind(config: &Config) -> anyhow::Result<Self> {
        let inherited = Inherited::take()?;
        let public = match inherited.public {
            Some(listener) => listener,
            None => Listener::tcp(config.server.listen).await?,
        };
        let admin = match (inherited.admin, &config.server.admin_socket) {
            (Some(listener), _) => Some(listener),
            (None, Some(path)) => Some(Listener::unix(path)?),
            (None, None) => None,
        };
        Ok(Self { public, admin })
    }

    fn serve(self, site: &App, limits: Limits, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
        let serve = |listener, routes| tokio::spawn(listen::serve(listener, routes, limits, stop.clone()));
        if let Some(address) = self.public.address() {
            tracing::info!(%address, "webhooks at POST /webhooks/github, health at GET /health, metrics at GET /metrics");
        }
        let mut tasks = vec![serve(self.public, routes::public(site))];
        if let Some(admin) = self.admin {
            tasks.push(serve(admin, routes::admin(site)));
        }
        tasks
    }
}

/// Rings when another daemon on the same database has queued something.
async fn hear_other_daemons(engine: Engine) {
    loop {
        match engine.db.listen().await {
            Ok(mut wakeups) => {
                // What was queued while nobody listened.
                engine.wake.notify_one();
                while let Ok(()) = wakeups.next().await {
                    engine.wake.notify_one();
                }
                tracing::warn!("the wake-ups of other daemons are not heard for a moment");
            }
            Err(error) => tracing::warn!(%error, "the wake-ups of other daemons cannot be heard"),
        }
        tokio::time::sleep(LISTEN_RETRY).await;
    }
}

/// Asks for all the file descriptors the system grants, and says how many connections they are enough for.
fn raise_descriptors() -> usize {
    let granted = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: granted.maximum, maximum: granted.maximum };
    let soft = match rustix::process::setrlimit(Resource::Nofile, raised) {
        Ok(()) => granted.maximum,
        // A unit may forbid to change limits, having set this one.
        Err(_) if granted.current == granted.maximum => granted.current,
        Err(error) => {
            tracing::warn!(%error, "the limit of file descriptors stays as it is");
            granted.current
        }
    };
    let connections = connections_within(soft);
    tracing::info!(descriptors = soft, connections, "file descriptors bound how many connections are served at once");
    connections
}

/// `None`: no limit.
fn connections_within(descriptors: Option<u64>) -> usize {
    let left = descriptors.map_or(CONNECTIONS, |most| most.saturating_sub(OTHER_DESCRIPTORS));
    usize::try_from(left.clamp(1, CONNECTIONS)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        assert_eq!(connections_within(Some(1_024)), 768);
        assert_eq!(connections_within(Some(1_048_576)), 4_096);
        assert_eq!(connections_within(None), 4_096);
        assert_eq!(connections_within(Some(64)), 1, "little, but alive");
    }
}
