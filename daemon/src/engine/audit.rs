//! The audit chain over time: its head is put down elsewhere every day, what is old in it goes, and it is proved on demand.

mod anchors;

use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::Engine;
use crate::core::audit::{Anchor, Report, Verifier};
use crate::store::{Db, StoreError};

/// How often the head is anchored and old rows are looked for, beside once at start.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);

const LAST_ANCHOR: &str = "orchd_audit_last_anchor_timestamp_seconds";

/// The least rest between two batches.
const LEAST_REST: Duration = Duration::from_millis(2);

/// Rows read at once when the chain is proved: the next ones are read while these are hashed.
const PAGE: u32 = 4_096;

/// How often a proof begins anew when the chain's beginning moved under it.
const ATTEMPTS: u32 = 3;

/// Does what has to be done every day, until told to stop.
pub async fn keep(engine: Engine, stop: CancellationToken) {
    metrics::describe_gauge!(LAST_ANCHOR, "When the head of the audit chain was last anchored");
    loop {
        match tidy(&engine, &stop).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "old audit rows could not be looked after; trying again tomorrow"),
        }
        if let Err(error) = anchor(&engine).await {
            tracing::error!(%error, "the audit chain could not be anchored: until it is, nothing shows whether its end was cut off");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Old rows go, and less old ones lose what is personal. One daemon at a time.
async fn tidy(engine: &Engine, stop: &CancellationToken) -> Result<(), StoreError> {
    let Some(alone) = engine.db.alone_at("audit upkeep").await? else { return Ok(()) };
    let done = tidy_alone(engine, stop).await;
    alone.end().await;
    done
}

async fn tidy_alone(engine: &Engine, stop: &CancellationToken) -> Result<(), StoreError> {
    let (db, now) = (&engine.db, (engine.clock)());
    let config = engine.config.current();
    let age = |age: Duration| TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
    if let Some(cut) = db.audit_cut(age(config.audit.retention), now).await? {
        tracing::info!(until = cut.until, rows = cut.rows, "dropping audit rows that are over their age");
    }
    // Also without a cut of today: an earlier run may have been interrupted.
    let mut began = Instant::now();
    while !stop.is_cancelled() && db.audit_drop().await? > 0 {
        began = rest(engine, began).await;
    }
    let Some(until) = db.audit_pseudonymise(age(config.audit.pseudonymise_after), now).await? else { return Ok(()) };
    tracing::info!(until, "pseudonymising audit rows that are old enough");
    let mut after = Some(0);
    while let (Some(from), false) = (after, stop.is_cancelled()) {
        after = db.audit_forget(from, until).await?;
        began = rest(engine, began).await;
    }
    Ok(())
}

/// As long as the last batch took: half of the one writer's time stays with others, and deliveries go before.
async fn rest(engine: &Engine, began: Instant) -> Instant {
    engine.ingest.give_way().await;
    tokio::time::sleep(began.elapsed().max(LEAST_REST)).await;
    Instant::now()
}

/// Puts the head down in the log, and in the file where there is one.
async fn anchor(engine: &Engine) -> Result<(), ProofError> {
    let Some((seq, hash)) = engine.db.audit_head().await? else { return Ok(()) };
    let at = (engine.clock)();
    tracing::info!(seq, %hash, "audit anchor: the chain's last row and its hash");
    if let Some(path) = engine.config.current().audit.anchor.clone() {
        anchors::write(path, Anchor { at: Some(at), seq, hash }).await?;
    }
    metrics::gauge!(LAST_ANCHOR).set(at.timestamp() as f64);
    Ok(())
}

/// What is told while a chain is proved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Progress {
        rows: u64,
        of: u64,
    },
    Report(Report),
    /// Nothing could be proved.
    Failed(String),
}

/// Why nothing can be said about the chain, or why it could not be anchored.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the anchor file {0} (`audit.anchor.file`) cannot be used: {1}")]
    Anchors(String, std::io::Error),
    #[error("the proof ended badly: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

/// What the chain is compared with.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    /// The file of the config.
    pub file: Option<PathBuf>,
    /// Typed in, from a log.
    pub given: Vec<Anchor>,
}

/// Proves the chain from its beginning to the row that is the last one now. `tell` hears how far it is, and says false when
/// nobody wants to know any more: then there is no report.
pub async fn verify<F>(db: &Db, anchors: &Anchors, tell: &impl Fn(Step) -> F) -> Result<Option<Report>, ProofError>
where
    F: Future<Output = bool>,
{
    let mut attempt = 1;
    loop {
        // In this order: an anchor is never of a later row than the last one looked at.
        let mut known = match &anchors.file {
            Some(path) => anchors::read(path.clone()).await?,
            None => Vec::new(),
        };
        known.extend_from_slice(&anchors.given);
        let begins = db.audit_bounds().await?;
        let after = begins.cut.as_ref().map_or(i64::MIN, |cut| cut.until);
        let verifier = Verifier::begin(begins.cut.clone(), begins.pseudonymised.as_deref(), known);
        let Some(report) = prove(db, verifier, (after, begins.last), tell).await? else { return Ok(None) };
        let ended = db.audit_bounds().await?;
        // What went by plan while it was looked at is no fault.
        let moved = (&begins.cut, &begins.pseudonymised) != (&ended.cut, &ended.pseudonymised);
        if report.is_proved() || !moved || attempt == ATTEMPTS {
            return Ok(Some(report));
        }
        attempt += 1;
    }
}

async fn prove<F>(
    db: &Db,
    mut verifier: Verifier,
    (mut after, last): (i64, i64),
    tell: &impl Fn(Step) -> F,
) -> Result<Option<Report>, ProofError>
where
    F: Future<Output = bool>,
{
    let of = u64::try_from(last.saturating_sub(after.max(0))).unwrap_or(0);
    let mut page = db.audit_chain(after, last, PAGE).await?;
    while let Some(end) = page.last() {
        after = match end {
            Ok(row) => row.seq,
            Err(seq) => *seq,
        };
        let hashed = tokio::task::spawn_blocking(move || {
            for row in page {
                match row {
                    Ok(row) => verifier.row(row),
                    Err(seq) => verifier.unreadable(seq),
                }
            }
            verifier
        });
        let next = db.audit_chain(after, last, PAGE).await;
        verifier = hashed.await?;
        if !tell(Step::Progress { rows: verifier.rows(), of }).await {
            return Ok(None);
        }
        page = next?;
    }
    Ok(Some(verifier.finish()))
}
