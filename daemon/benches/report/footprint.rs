//! Memory when idle, time until ready on a large database, bytes an event.
//!
//! Its events are older than retention keeps them: what comes after measures how they are dropped.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use orchd::core::event::EventId;
use orchd::engine::ingest;
use orchd::github::webhook::{self, Encoding, Headers, Signature};
use orchd::store::events::{EventFilter, NewEvent, Source};
use orchd::store::jobs::Terms;
use orchd::store::{Db, StoreOptions};
use uuid::{NoContext, Timestamp, Uuid};

use super::load::{self, Example};
use super::server;

/// How old the events are: more than the 365 days that they are kept.
const AGE: TimeDelta = TimeDelta::days(400);

/// Deliveries stored in one transaction while the database is filled.
const BATCH: usize = 1_000;

pub fn run(dir: &Path, events: usize) -> Result<String> {
    let dir = dir.join("footprint");
    std::fs::create_dir_all(&dir)?;
    let file = dir.join("orchd.db");
    let url = format!("sqlite://{}", file.display());
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(fill(&url, &dir, &load::examples()?, events))?;
    let bytes = std::fs::metadata(&file)?.len();

    let started = Instant::now();
    let server = server::orchd(&dir, &url, "", "")?;
    let ready = started.elapsed();
    std::thread::sleep(std::time::Duration::from_secs(10));
    let memory = server.memory()?;
    server.stop()?;

    let options = StoreOptions { url: url.clone().into(), objects: dir.join("objects") };
    let filter = EventFilter { event_type: Some("never_sent".to_owned()), limit: 50, ..EventFilter::default() };
    let listed = runtime.block_on(async {
        let db = Db::open(&options).await?;
        let started = Instant::now();
        db.events(&filter).await?;
        anyhow::Ok(started.elapsed())
    })?;

    let mut text = String::from("| what | figure |\n|---|---|\n");
    writeln!(text, "| ready (port open) on a database of {events} events | {} ms |", ready.as_millis())?;
    writeln!(text, "| resident memory on it, idle for 10 s | {:.1} MiB |", memory as f64 / 1_048_576.0)?;
    writeln!(text, "| a list that reads all of them: a type that never came | {} ms |", listed.as_millis())?;
    writeln!(text, "| database bytes an event, indexes and job included | {:.0} |", bytes as f64 / events as f64)?;
    Ok(text)
}

async fn fill(url: &str, dir: &Path, examples: &[Example], events: usize) -> Result<()> {
    let options = StoreOptions { url: url.to_owned().into(), objects: dir.join("objects") };
    let db = Db::open(&options).await?;
    let mut cycle = examples.iter().cycle();
    let mut left = events;
    while left > 0 {
        let count = left.min(BATCH);
        let batch = cycle
            .by_ref()
            .take(count)
            .map(|example| new_event(example, Utc::now() - AGE))
            .collect::<Result<Vec<_>>>()?;
        db.ingest(batch).await?;
        left -= count;
    }
    // As processed events are what a database mostly holds, the queue is drained before the daemon is measured.
    let owner = "bench";
    let terms = Terms { lease: std::time::Duration::from_secs(600), max_attempts: 8 };
    loop {
        let claims = db.claim(owner, Utc::now(), terms, 64, 5_000).await?;
        if claims.is_empty() {
            break;
        }
        for claim in claims {
            let jobs = std::iter::once(&claim.job).chain(&claim.following);
            let processed: Vec<_> = jobs.map(done).collect::<Result<_>>()?;
            db.finish_processed(owner, &processed, Utc::now()).await?;
        }
    }
    db.close().await;
    Ok(())
}

fn done(job: &orchd::store::jobs::JobRow) -> Result<orchd::store::decisions::Processed> {
    let orchd::store::jobs::Work::Process { event } = job.work else { anyhow::bail!("not a process job") };
    Ok(orchd::store::decisions::Processed {
        job: job.id,
        event,
        decisions: Vec::new(),
        config_revision: "0000000000000000".into(),
        hand_changes: Vec::new(),
        cause: None,
        facts: None,
    })
}

/// A delivery of the example that arrived at a time.
pub fn new_event(example: &Example, at: DateTime<Utc>) -> Result<NewEvent> {
    let body = Bytes::from(example.body.clone());
    let signature = orchd_fake::sign_webhook(load::SECRET, &body);
    let verified =
        webhook::verify(&[load::SECRET.to_owned().into()], Signature::from_header(Some(signature.as_bytes()))?, body)?;
    let (envelope, payload) = webhook::read_envelope(&verified, Encoding::Json)?;
    let named = Headers { delivery_id: Uuid::now_v7().to_string(), event_type: example.event.clone() };
    let time = Timestamp::from_unix(NoContext, u64::try_from(at.timestamp())?, at.timestamp_subsec_nanos());
    let event = ingest::new_event(named, envelope, payload, Source::Webhook, at);
    Ok(NewEvent { id: EventId(Uuid::new_v7(time)), ..event })
}
