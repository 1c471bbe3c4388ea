//! Runs jobs: claims what may run, at most one job a lane and `queue.workers` lanes at once, keeps the leases, and on
//! failure decides between a later try and the dead letters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::pulse::Pulse;
use super::{Engine, JobError, apply, process, story};
use crate::config::Queue;
use crate::store::StoreError;
use crate::store::guards::Guard;
use crate::store::jobs::{Claim, JobId, JobRow, Terms, Work};

/// Queued events behind a claimed one that are decided on with it when nothing has to be carried out in between.
const FOLLOWING: u32 = 255;

/// The same while deliveries come in batches: a turn of processing stays short, for ingest goes first.
const FOLLOWING_BUSY: u32 = 15;

/// How long running jobs may take to finish once the daemon was told to stop. Leaves room below the ten seconds that
/// the whole stop may take.
const DRAIN: Duration = Duration::from_secs(7);

/// When the store itself does not answer, how long until it is asked again.
const STORE_DOWN: Duration = Duration::from_secs(1);

/// Jobs this process runs, each with the token that stops it when its lease is lost.
type Running = Arc<Mutex<HashMap<JobId, CancellationToken>>>;

/// Runs jobs until told to stop; returns when what was running has finished or was given back. `pulse` tells others that it
/// moves.
pub async fn run(engine: Engine, pulse: Pulse, stop: CancellationToken) {
    begin_counting();
    let running: Running = Arc::default();
    let heartbeat = tokio::spawn(keep_leases(engine.clone(), Arc::clone(&running)));
    let mut jobs = JoinSet::new();
    let mut renewed = (engine.clock)();
    while !stop.is_cancelled() {
        engine.ingest.give_way().await;
        let queue = engine.config.current().queue.clone();
        let free = (queue.workers as usize).saturating_sub(jobs.len());
        let step = pulse.step();
        let claimed = claim(&engine, &running, &queue, free, &mut renewed).await;
        drop(step);
        let claimed = match claimed {
            Ok(claims) => claims,
            Err(error) => {
                tracing::error!(%error, "jobs could not be claimed; trying again");
                sleep_or_stop(STORE_DOWN, &stop).await;
                continue;
            }
        };
        let more = !claimed.claims.is_empty();
        for claim in claimed.claims {
            start(&engine, &running, &mut jobs, claim);
        }
        // A full house waits for a job to end; an empty-handed claim waits for news.
        if !more || jobs.len() >= queue.workers as usize {
            wait_for_news(&engine, &queue, claimed.now, &mut jobs, &stop).await;
        }
        while jobs.try_join_next().is_some() {}
    }
    drain(&engine, &running, jobs).await;
    heartbeat.abort();
}

async fn claim(
    engine: &Engine,
    running: &Running,
    queue: &Queue,
    free: usize,
    renewed: &mut DateTime<Utc>,
) -> Result<Claimed, StoreError> {
    let now = (engine.clock)();
    if free == 0 {
        return Ok(Claimed { now, claims: Vec::new() });
    }
    // A claim frees leases that ran out by the clock on the wall, and that clock may have jumped (a suspended machine)
    // between two heartbeats: what runs here is ours, and must not be handed to us a second time.
    let held = held(running);
    if (now - *renewed).abs() > delta(queue.lease / 3) {
        if !held.is_empty() {
            engine.db.renew(&engine.owner, &held, now, queue.lease).await?;
        }
        *renewed = now;
    }
    let terms = Terms { lease: queue.lease, max_attempts: queue.max_attempts };
    let following = if engine.ingest.is_busy() { FOLLOWING_BUSY } else { FOLLOWING };
    let claims = engine.db.claim(&engine.owner, now, terms, free as u32, following).await?;
    Ok(Claimed { now, claims })
}

/// What a claim brought, and the moment it looked at: what becomes ready later is found by its time.
struct Claimed {
    now: DateTime<Utc>,
    claims: Vec<Claim>,
}

fn held(running: &Running) -> Vec<JobId> {
    lock(running).keys().copied().collect()
}

fn start(engine: &Engine, running: &Running, jobs: &mut JoinSet<()>, claim: Claim) {
    let engine = engine.clone();
    let lost = CancellationToken::new();
    let held = Held::new(running, claim.job.id, lost.clone());
    let span = story::of_job(&claim.job);
    let run = async move {
        tokio::select! {
            () = run_claim(&engine, claim) => {}
            () = lost.cancelled() => tracing::warn!("lease lost: another daemon has the job now"),
        }
        drop(held);
    };
    jobs.spawn(run.instrument(span));
}

/// A job this process runs. Dropped also when the job panics, so that its lease is no longer renewed and it comes back.
struct Held {
    running: Running,
    job: JobId,
}

impl Held {
    fn new(running: &Running, job: JobId, lost: CancellationToken) -> Self {
        lock(running).insert(job, lost);
        Self { running: Arc::clone(running), job }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.job);
    }
}

/// Waits for a ring, a job's end, the next retry's time, a lease that may have run out, or the stop.
async fn wait_for_news(
    engine: &Engine,
    queue: &Queue,
    now: DateTime<Utc>,
    jobs: &mut JoinSet<()>,
    stop: &CancellationToken,
) {
    let next = engine.db.next_run_at(now).await.ok().flatten();
    // Another daemon's lease runs out without a ring, so look at least once a lease.
    let pause = next.and_then(|at| (at - now).to_std().ok()).map_or(queue.lease, |wait| wait.min(queue.lease));
    tokio::select! {
        () = engine.wake.notified() => {}
        Some(_) = jobs.join_next(), if !jobs.is_empty() => {}
        () = tokio::time::sleep(pause.max(Duration::from_millis(1))) => {}
        () = stop.cancelled() => {}
    }
}

async fn sleep_or_stop(pause: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = stop.cancelled() => {}
    }
}

/// Each counter is there from the start: of one that begins with its first count no rate tells that count.
fn begin_counting() {
    for kind in ["process", "apply"] {
        for outcome in ["done", "waits", "retried", "dead", "lease_lost"] {
            metrics::counter!("orchd_jobs_total", "kind" => kind, "outcome" => outcome).increment(0);
        }
    }
    for guard in [Guard::Depth, Guard::FlipFlop] {
        metrics::counter!("orchd_guards_tripped_total", "guard" => process::serde_label(&guard)).increment(0);
    }
}

async fn run_claim(engine: &Engine, claim: Claim) {
    let job = claim.job.clone();
    let result = match job.work {
        // Attempts are counted when they begin, so one that took the process down with it counts too.
        _ if job.attempts > job.max_attempts => {
            Err(JobError::Hopeless(format!("{} attempts ended without an answer", job.attempts - 1)))
        }
        Work::Process { .. } => process::process(engine, &claim).await,
        Work::Apply { intent, .. } => apply::apply(engine, job.id, intent).await,
    };
    let outcome = match &result {
        Ok(()) => "done",
        Err(error) => {
            let outcome = settle_failure(engine, &job, error).await;
            story::ended(outcome);
            outcome
        }
    };
    let kind = match job.work {
        Work::Process { .. } => "process",
        Work::Apply { .. } => "apply",
    };
    metrics::counter!("orchd_jobs_total", "kind" => kind, "outcome" => outcome).increment(1);
}

/// Stores what becomes of a failed job. When even that fails, the lease runs out and the job comes back by itself.
async fn settle_failure(engine: &Engine, job: &JobRow, error: &JobError) -> &'static str {
    let now = (engine.clock)();
    let queue = engine.config.current().queue.clone();
    let text = error.to_string();
    let later = |wait: TimeDelta| engine.db.retry_later(&engine.owner, job.id, &text, now + wait, now);
    let (outcome, stored) = match error {
        JobError::LeaseLost => ("lease_lost", Ok(())),
        JobError::Wait { wait, .. } => {
            ("waits", engine.db.postpone(&engine.owner, job.id, &text, now + delta(*wait), now).await)
        }
        JobError::Retry(_) if job.attempts < job.max_attempts => {
            ("retried", later(backoff(&queue, job.attempts)).await)
        }
        JobError::Retry(_) | JobError::Hopeless(_) => ("dead", engine.db.bury(&engine.owner, job.id, &text, now).await),
    };
    match error {
        // Nothing went wrong with the job, and whole queues may wait: who makes them wait has said so, once.
        JobError::Wait { .. } => tracing::debug!(reason = text, "job waits"),
        _ => report(engine, job, outcome, &text).await,
    }
    if let Err(error) = stored {
        tracing::error!(%error, "the failure could not be stored; the job comes back when its lease ends");
    }
    outcome
}

async fn report(engine: &Engine, job: &JobRow, outcome: &str, error: &str) {
    let (event, effect) = match job.work {
        Work::Process { event } => (event, None),
        Work::Apply { event, intent } => (event, engine.db.effect(intent).await.ok().flatten()),
    };
    let delivery_id = engine.delivery_of(event).await;
    let attempt = job.attempts;
    let intent = effect.as_ref().map(|effect| &effect.intent);
    // A job that took the process down each time was not begun once more, which would have told of its effect.
    if let Some(effect) = effect.as_ref().filter(|_| job.attempts > job.max_attempts) {
        story::met_effect(effect);
    }
    let failed = story::failed_in_words(intent, event);
    if outcome == "dead" {
        let id = job.id.0;
        tracing::error!(
            delivery_id,
            attempt,
            outcome,
            error,
            "{failed} and is a dead letter (`orchd jobs retry {id}`): {error}"
        );
    } else {
        tracing::warn!(delivery_id, attempt, outcome, error, "{failed} ({outcome}): {error}");
    }
}

/// Exponential, capped, with jitter (half to all of it) so that lanes that failed together do not come back together.
fn backoff(queue: &Queue, attempts: u32) -> TimeDelta {
    let doubled = queue.backoff.saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
    let wait = doubled.min(queue.backoff_cap);
    delta(wait.mul_f64(rand::rng().random_range(0.5..=1.0)))
}

fn delta(wait: Duration) -> TimeDelta {
    TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)
}

/// Renews the leases of running jobs three times a lease, and stops those that were lost.
async fn keep_leases(engine: Engine, running: Running) {
    loop {
        let lease = engine.config.current().queue.lease;
        tokio::time::sleep(lease / 3).await;
        let held = held(&running);
        if held.is_empty() {
            continue;
        }
        match engine.db.renew(&engine.owner, &held, (engine.clock)(), lease).await {
            Ok(lost) => {
                let running = lock(&running);
                for id in lost {
                    if let Some(token) = running.get(&id) {
                        token.cancel();
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "leases could not be renewed"),
        }
    }
}

async fn drain(engine: &Engine, running: &Running, mut jobs: JoinSet<()>) {
    let all_done = async { while jobs.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, all_done).await;
    let left = held(running);
    jobs.shutdown().await;
    match engine.db.give_back(&engine.owner, &left, (engine.clock)()).await {
        // Also with nothing to give back: other daemons hear that there are lanes to take over.
        Ok(()) => tracing::info!(jobs = left.len(), "running jobs were given back"),
        Err(error) => tracing::warn!(%error, "leases could not be given back; they end by themselves"),
    }
}

fn lock(running: &Running) -> std::sync::MutexGuard<'_, HashMap<JobId, CancellationToken>> {
    // A panic while the map is held cannot leave it half changed: every critical section is one map call.
    running.lock().unwrap_or_else(PoisonError::into_inner)
}
