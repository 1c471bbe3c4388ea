//! Runs rules over what is recorded, and tells how the past would have been different.
//!
//! The store is read in order of arrival, a batch at a time; batches are unpacked and decided on threads of their own,
//! which give way to the rest of the daemon. Memory does not grow with the past: what is found is told as it is found.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::core::backtest::{Compared, Counts, Deed, Difference, add_counts, compare};
use crate::core::condition::Condition;
use crate::core::event::{Event, EventId};
use crate::core::facts::Facts;
use crate::core::payload::without_urls;
use crate::core::rule::{Rule, RuleName};
use crate::store::effects::EffectState;
use crate::store::recorded::{AwaitedKinds, RecordedDeed, RecordedEvent, Span};
use crate::store::{Db, StoreError};

/// Events read at once.
const BATCH: u32 = 256;

/// What was done about events, read at once: the most that a part tells beside what would have been done.
const DEEDS: u32 = 2_048;

/// Batches under way at once: threads have work while one is read, and while another that takes longer is waited for.
const UNDER_WAY: usize = 6;

/// Threads that decide.
const THREADS: usize = 2;

/// By how much those threads give way to others (nice(2)).
const NICENESS: i32 = 10;

/// What to compare.
#[derive(Clone, Debug)]
pub struct Backtest {
    pub rules: Arc<[Rule]>,
    pub span: Span,
    /// Whether what was decided under a closed write gate (dry run, read-only) counts as done.
    pub gated_counts: bool,
}

/// What was found since the last part.
#[derive(Debug)]
pub struct Part {
    pub differences: Vec<Difference>,
    /// Arrival of the last event that was looked at.
    pub at: DateTime<Utc>,
    /// Events looked at so far.
    pub events: u64,
}

/// What a whole run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Summary {
    /// Events of a kind that the rules wait for.
    pub events: u64,
    /// Of these, events that could not be decided on: retention has dropped their payloads, or they cannot be read.
    pub without_payload: u64,
    /// Of these, events that rules have not decided on yet.
    pub not_processed: u64,
    /// By rule; one that never acted, and never would have, is not there.
    pub rules: BTreeMap<RuleName, Counts>,
    /// Whether the end was reached.
    pub complete: bool,
}

/// Runs it. `tell` is given each part in order of arrival; when it breaks off, the run ends and the summary says so.
///
/// # Errors
/// When the store does not tell what happened.
pub async fn run<F>(db: &Db, backtest: &Backtest, mut tell: impl FnMut(Part) -> F) -> Result<Summary, StoreError>
where
    F: Future<Output = ControlFlow<()>>,
{
    let mut summary = Summary::default();
    let kinds = AwaitedKinds::of(&backtest.rules);
    let deciders = Deciders::start(&backtest.rules, backtest.gated_counts);
    let mut under_way = VecDeque::new();
    let (mut after, mut read_all) = (None, false);
    loop {
        while !read_all && under_way.len() < UNDER_WAY {
            let batch = read_batch(db, &backtest.span, &kinds, after).await?;
            (after, read_all) = (batch.through.or(after), batch.is_last);
            under_way.push_back(deciders.decide(batch));
        }
        let Some(decided) = under_way.pop_front() else { break };
        let Decided { compared, at, events, without_payload, not_processed } =
            decided.await.map_err(|_| StoreError::Failed("the backtest's threads ended".to_owned()))?;
        summary.events += events;
        summary.without_payload += without_payload;
        summary.not_processed += not_processed;
        add_counts(&mut summary.rules, &compared.counts);
        let at = at.unwrap_or(backtest.span.until);
        if tell(Part { differences: compared.differences, at, events: summary.events }).await.is_break() {
            return Ok(summary);
        }
    }
    summary.complete = true;
    Ok(summary)
}

/// Some events, and what was done about them and about those in between that no rule waits for.
struct Batch {
    events: Vec<RecordedEvent>,
    deeds: Vec<RecordedDeed>,
    /// Up to which event all is in it.
    through: Option<EventId>,
    is_last: bool,
}

/// Reads what comes after an event: as much as both lists have room for, and of no event a part.
async fn read_batch(db: &Db, span: &Span, kinds: &AwaitedKinds, after: Option<EventId>) -> Result<Batch, StoreError> {
    let mut events = match kinds.is_empty() {
        true => Vec::new(),
        false => db.recorded_events(span, kinds, after, BATCH).await?,
    };
    let mut is_last = events.len() < BATCH as usize;
    // What was done after the last event belongs to the last batch.
    let through = if is_last { None } else { events.last().map(|event| event.id) };
    let mut deeds = db.recorded_deeds(span, (after, through), DEEDS).await?;
    let cut = deeds.last().map(|last| last.deed.event).filter(|_| deeds.len() == DEEDS as usize);
    if let Some(cut) = cut {
        let whole = deeds.partition_point(|it| it.deed.event < cut);
        is_last = false;
        if whole > 0 {
            deeds.truncate(whole);
            events.retain(|event| event.id < cut);
        } else {
            // More was done about one event than a batch has room for: then it is a batch of its own.
            deeds = db.recorded_deeds(span, (after, Some(cut)), u32::MAX).await?;
            events.retain(|event| event.id <= cut);
        }
    }
    let through = events.last().map(|event| event.id).max(deeds.last().map(|it| it.deed.event));
    Ok(Batch { events, deeds, through, is_last })
}

#[derive(Default)]
struct Decided {
    compared: Compared,
    at: Option<DateTime<Utc>>,
    events: u64,
    without_payload: u64,
    not_processed: u64,
}

type Order = (Batch, oneshot::Sender<Decided>);

/// The threads; they end when this is dropped.
struct Deciders(mpsc::Sender<Order>);

impl Deciders {
    fn start(rules: &Arc<[Rule]>, gated_counts: bool) -> Self {
        let (orders, received) = mpsc::channel::<Order>();
        let received = Arc::new(Mutex::new(received));
        for _ in 0..THREADS {
            let (rules, received) = (Arc::clone(rules), Arc::clone(&received));
            let work = move || {
                // Where the system does not let us give way, the run is as welcome as anything else.
                let _ = rustix::process::nice(NICENESS);
                loop {
                    let order = received.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((batch, decided)) = order else { return };
                    // Nobody waits for it any more when the run was broken off.
                    let _ = decided.send(decide_batch(&rules, batch, gated_counts));
                }
            };
            // Without a thread the order is dropped, and whoever waits for it is told.
            let _ = thread::Builder::new().name("backtest".to_owned()).spawn(work);
        }
        Self(orders)
    }

    fn decide(&self, batch: Batch) -> oneshot::Receiver<Decided> {
        let (decided, waiting) = oneshot::channel();
        let _ = self.0.send((batch, decided));
        waiting
    }
}

fn decide_batch(rules: &[Rule], batch: Batch, gated_counts: bool) -> Decided {
    let mut decided = Decided::default();
    let with_urls = rules.iter().filter_map(|rule| rule.when.as_ref()).any(Condition::may_see_urls);
    let acted = |state: EffectState| match state {
        EffectState::Shadow => false,
        EffectState::Gated => gated_counts,
        _ => true,
    };
    // A repository's own rules, commands and orchd's own are no part of a config.
    let of_config = |deed: &Deed| deed.rule.repository().is_none() && !deed.rule.is_ours();
    let deeds = batch.deeds.into_iter().filter(|it| acted(it.state) && of_config(&it.deed)).map(|it| it.deed);
    let mut deeds = deeds.peekable();
    for event in &batch.events {
        let mut done = Vec::new();
        while let Some(deed) = deeds.next_if(|deed| deed.event <= event.id) {
            if deed.event == event.id { done.push(deed) } else { decided.compared.remove(deed) }
        }
        decided.events += 1;
        decided.at = Some(event.received_at);
        if !event.is_processed {
            decided.not_processed += 1;
            continue;
        }
        match read(event, with_urls) {
            Some((event, facts)) => compare(rules, &event, &facts, done, &mut decided.compared),
            None => decided.without_payload += 1,
        }
    }
    deeds.for_each(|deed| decided.compared.remove(deed));
    decided
}

/// The event with what was known of it; `None`: nobody can say any more.
///
/// Most of a payload are addresses, and reading them takes half of the time: they are left out when no rule may look at one.
fn read(recorded: &RecordedEvent, with_urls: bool) -> Option<(Event, Facts)> {
    let payload = recorded.payload().ok()??;
    // Looked through once: text by text it would take several times as long.
    let payload = std::str::from_utf8(&payload).ok()?;
    let payload = if with_urls { serde_json::from_str(payload).ok()? } else { without_urls(payload).ok()? };
    let event = Event::from_payload(recorded.id, &recorded.name, recorded.received_at, payload);
    let facts = Facts::recorded(&event, recorded.facts().ok()?);
    Some((event, facts))
}
