//! Wires everything; start and stop order.
//!
//! Up: config, logs, store, listeners, GitHub, ingest, workers, HTTP, and only then "ready". Down, within ten seconds:
//! no new connection, requests in flight answered, running jobs finished or given back, store closed.

pub mod client;
mod ranges;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use chrono::Utc;
use rustix::process::{Resource, Rlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::client::Shared;
use crate::actions;
use crate::config::hold::Hold;
use crate::config::live::{LiveConfig, Objection, ReloadOutcome};
use crate::config::watch::Watch;
use crate::config::{self, Config};
use crate::core::audit::{Actor, Cause, Entry, Kind};
use crate::engine::guards::reload;
use crate::engine::ingest::Ingest;
use crate::engine::{Engine, audit, installations, recover, retention, rollback, schedule, system_clock, turns, work};
use crate::github::client::GitHub;
use crate::http::allowlist::Allowlist;
use crate::http::listen::{self, Inherited, Limits, Listener};
use crate::http::{App, Site, routes};
use crate::store::config_revisions::ConfigRevisionRow;
use crate::store::{Db, StoreOptions};
use crate::telemetry;

use self::ranges::{Ranges, wants_ranges};

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
    telemetry::install_logs(&config.logging)?;
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
    let (recovery, orders) = recover::desk();
    let rollbacks = Arc::new(Notify::new());
    let (reload, reloads) = mpsc::channel(1);
    let site = App::new(Site {
        db: db.clone(),
        config: Arc::clone(&live),
        ingest,
        wake,
        refresh: Arc::clone(&engine.refresh),
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
    tasks.push(tokio::spawn(work::run(engine.clone(), stop.clone())));
    tasks.push(tokio::spawn(retention::keep(engine.clone(), stop.clone())));
    tasks.push(tokio::spawn(schedule::keep(engine.clone(), stop.clone())));
    tasks.push(tokio::spawn(audit::keep(engine.clone(), stop.clone())));
    tasks.push(tokio::spawn(recover::run(engine.clone(), orders, stop.clone())));
    tasks.push(tokio::spawn(rollback::run(engine.clone(), rollbacks, stop.clone())));
    let side = [
        tokio::spawn(hear_other_daemons(engine.clone())),
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
    // Fails only outside systemd, where nobody waits for it.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let git_commit = config.revision.git_commit.as_deref();
    tracing::info!(revision = config.revision.hash, git_commit, rules = config.rules.len(), "ready");

    let news = News { changed, signals, asked: reloads };
    steer(path, &engine, &shared, &ranges.wanted, watch, news).await;

    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("stopping: no new connections, running jobs finish or are given back");
    stop.cancel();
    for task in tasks {
        if let Err(error) = task.await {
            tracing::error!(%error, "a task ended badly");
        }
    }
    for task in side {
        task.abort();
    }
    github.load().settle().await;
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

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// What there is to follow.
struct News {
    changed: mpsc::Receiver<()>,
    signals: Signals,
    asked: mpsc::Receiver<reload::Asked>,
}

/// Reloads when asked or when files change; returns when told to stop.
async fn steer(
    path: &Path,
    engine: &Engine,
    shared: &Shared,
    ranges_wanted: &Notify,
    mut watch: Watch,
    mut news: News,
) {
    // What changed between the first look at the files and the watch over them would be missed.
    take_up(path.to_path_buf(), engine, shared, ranges_wanted).await;
    loop {
        let mut asked = None;
        tokio::select! {
            _ = news.signals.terminate.recv() => return,
            _ = news.signals.interrupt.recv() => return,
            _ = news.signals.hangup.recv() => tracing::info!("reload asked for by SIGHUP"),
            Some(()) = news.changed.recv() => {}
            Some(answer) = news.asked.recv() => asked = Some(answer),
        }
        take_up(path.to_path_buf(), engine, shared, ranges_wanted).await;
        if let Some(answer) = asked {
            // Whoever asked may be gone.
            let _ = answer.send(());
        }
        if let Err(error) = watch.rearm() {
            tracing::warn!(%error, "the config's directories cannot be watched; SIGHUP reloads");
        }
    }
}

async fn take_up(path: PathBuf, engine: &Engine, shared: &Shared, ranges_wanted: &Notify) {
    let refused_before = engine.config.status().refused.map(|refusal| refusal.problems);
    let (live, github, shared) = (Arc::clone(&engine.config), Arc::clone(&engine.github), shared.clone());
    // Before the config: whoever sees its rules must not reach GitHub on the terms of the old one.
    let (db, old, runtime) = (engine.db.clone(), live.current(), tokio::runtime::Handle::current());
    let before = live.status().held.map(|held| held.revision);
    let prepare = move |new: &Config| {
        let unusable = |what: &str, why: &dyn std::fmt::Display| Objection::Unusable(format!("{what}: {why}"));
        match runtime.block_on(reload::review(&db, &old, new, Utc::now())) {
            Ok(None) => {}
            Ok(Some(hold)) => return Err(Objection::Hold(hold)),
            Err(error) => return Err(unusable("what its rules would touch cannot be counted", &error)),
        }
        let made =
            GitHub::new(shared.settings(new)).map_err(|error| unusable("GitHub cannot be reached so", &error))?;
        let old = github.swap(Arc::new(made));
        tokio::spawn(async move { old.settle().await });
        Ok(())
    };
    let read = tokio::task::spawn_blocking(move || live.reload(&path, actions::kinds(), Utc::now(), prepare)).await;
    match read {
        Ok(ReloadOutcome::Same) => {}
        Ok(ReloadOutcome::Refused(problems)) => {
            let running = engine.config.current().revision.hash.clone();
            tracing::error!(running, "the changed config is refused and the old one goes on:\n{problems}");
            // An editor's save is often several changes of the file.
            if refused_before.as_ref() != Some(&problems) {
                record_refusal(&engine.db, running, problems.to_string()).await;
            }
        }
        Ok(ReloadOutcome::Held(hold)) if before.as_ref() != Some(&hold.revision) => tell_of(&hold),
        Ok(ReloadOutcome::Held(_)) => {}
        Ok(ReloadOutcome::Swapped { old, new, needs_restart }) => {
            if wants_ranges(&new) && !wants_ranges(&old) {
                ranges_wanted.notify_one();
            }
            tracing::info!(
                from = old.revision.hash,
                to = new.revision.hash,
                git_commit = new.revision.git_commit.as_deref(),
                rules = new.rules.len(),
                "config reloaded"
            );
            if !needs_restart.is_empty() {
                tracing::warn!(keys = needs_restart.join(", "), "these take effect at the next start only");
            }
            announce_config(&engine.db, &new).await;
        }
        Err(error) => tracing::error!(%error, "the reload ended badly; the old config goes on"),
    }
}

fn tell_of(hold: &Hold) {
    let rules: Vec<String> = hold.rules.iter().map(|each| format!("{} ({})", each.rule, each.items)).collect();
    tracing::warn!(
        held = hold.revision,
        items = hold.items,
        rules = rules.join(", "),
        "the changed config is held and the old one goes on: its new or changed rules would have acted on more than {} \
         issues and pull requests in the last day; `orchd config confirm {}` takes it up",
        hold.most,
        hold.revision
    );
}

async fn announce_config(db: &Db, config: &Config) {
    for note in &config.notes {
        tracing::warn!("{}:{}:{}: {}", note.file.display(), note.line, note.column, note.message);
    }
    let row = ConfigRevisionRow {
        revision: config.revision.hash.clone(),
        git_commit: config.revision.git_commit.clone(),
        path: config.revision.path.display().to_string(),
        effective: config.effective.clone(),
        loaded_at: config.revision.loaded_at,
    };
    if let Err(error) = db.record_config(&row).await {
        tracing::warn!(%error, "the config revision could not be recorded");
    }
}

async fn record_refusal(db: &Db, running: String, problems: String) {
    let cause = Cause { config_revision: Some(running), ..Cause::default() };
    let entry = Entry::new(Kind::ConfigRefused, Actor::Orchd, Utc::now());
    if let Err(error) = db.audit(vec![Entry { cause, note: Some(problems), ..entry }]).await {
        tracing::warn!(%error, "the refusal of the config could not be recorded");
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
