//! Finds what GitHub could not deliver, and fetches it.
//!
//! GitHub never repeats a delivery by itself. So its list of deliveries is read at start, every `recovery.every`, and
//! when a person asks, and compared with the ledger by GUID; what is missing is pulled and stored as any other delivery
//! (`deliveries`). What no delivery tells at all is found by looking at the issues and pull requests themselves (`sweep`).
//!
//! Owns when recovery runs, what one run may cost, and how far it has looked. Refuses to know HTTP. Invariants: how far
//! was looked moves only past what is stored; what arrives while it is being recovered is stored once, because ingest
//! knows its GUID.

mod deliveries;
mod report;
pub(super) mod stop;
mod sweep;

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Engine;

pub use self::report::{Outcome, Report, Span};

/// How long until the config is looked at again, for a reload may have changed how often recovery runs.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Runs asked for by people that wait for their turn. One is rarely asked for while another runs.
const WAITING: usize = 8;

/// Runs that failed in a row before a person should look: one alone may be GitHub's bad moment.
const FAILURES: u32 = 3;

/// What to look through. The default is what the daemon does by itself: everything since the last time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Order {
    /// From here on, whatever was looked through before; what GitHub no longer keeps is out of reach.
    pub since: Option<DateTime<Utc>>,
    /// Find, fetch nothing.
    pub dry_run: bool,
    /// Sweep afterwards, where the config says which repositories are swept.
    pub sweep: bool,
    /// The daemon was not there until now: nothing that GitHub sent is on its way to it, so all of it is looked at,
    /// without `recovery.grace`.
    pub at_start: bool,
}

type Asked = (Order, oneshot::Sender<Report>);

/// Orders that wait for [`run`].
pub struct Orders {
    asked: mpsc::Receiver<Asked>,
    told: watch::Sender<Seen>,
}

/// How recovery went lately.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The last run, if there was one since the start.
    pub last: Option<Report>,
    /// Runs that failed since the last one that did not.
    pub failures: u32,
}

impl Seen {
    /// Whether a person should look.
    pub fn keeps_failing(&self) -> bool {
        self.failures >= FAILURES
    }
}

/// Where recovery is asked for and asked about. Cheap to clone.
#[derive(Clone)]
pub struct Recovery {
    orders: mpsc::Sender<Asked>,
    seen: watch::Receiver<Seen>,
}

/// Why an order was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    #[error("too many runs are asked for already")]
    Busy,
    #[error("the daemon is stopping")]
    Stopping,
}

/// The two ends: one to ask at, one for [`run`].
pub fn desk() -> (Recovery, Orders) {
    let (orders, asked) = mpsc::channel(WAITING);
    let (told, seen) = watch::channel(Seen::default());
    (Recovery { orders, seen }, Orders { asked, told })
}

impl Recovery {
    /// Runs once and tells how it went; waits for a run that is under way.
    ///
    /// # Errors
    /// When too many wait, or the daemon stops meanwhile.
    pub async fn look(&self, order: Order) -> Result<Report, NotTaken> {
        let (answer, answered) = oneshot::channel();
        self.orders.try_send((order, answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotTaken::Busy,
            mpsc::error::TrySendError::Closed(_) => NotTaken::Stopping,
        })?;
        answered.await.map_err(|_| NotTaken::Stopping)
    }

    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }
}

/// Runs at start, as often as the config says, and when asked, until told to stop. One run at a time.
pub async fn run(engine: Engine, mut orders: Orders, stop: CancellationToken) {
    report::describe_metrics();
    let mut next = Instant::now();
    let mut at_start = true;
    loop {
        let every = engine.config.current().recovery.every;
        let pause = every.map_or(LOOK_AGAIN, |_| next.saturating_duration_since(Instant::now()).min(LOOK_AGAIN));
        let asked = tokio::select! {
            () = stop.cancelled() => return,
            Some(asked) = orders.asked.recv() => Some(asked),
            () = tokio::time::sleep(pause) => None,
        };
        if asked.is_none() && (every.is_none() || Instant::now() < next) {
            continue;
        }
        at_start &= every.is_some();
        let usual = Order { at_start, ..Order::default() };
        let (order, answer) = asked.map_or((usual, None), |(order, answer)| (order, Some(answer)));
        // What was stored stays stored, and the next start looks again: a run may be dropped at any point.
        let report = tokio::select! {
            () = stop.cancelled() => return,
            report = deliveries::look_through(&engine, order) => report,
        };
        report.tell();
        // Whatever GitHub can still give as it was comes before what can only be made up.
        if (answer.is_none() || order.sweep) && report.outcome == Outcome::Complete {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sweep::sweep(&engine, report.looked.until) => {}
            }
        }
        if answer.is_none() {
            at_start = false;
            next = Instant::now() + wait_after(&report, every.unwrap_or(LOOK_AGAIN));
        }
        orders.told.send_modify(|seen| {
            seen.failures = if report.outcome.failed() { seen.failures.saturating_add(1) } else { 0 };
            seen.last = Some(report.clone());
        });
        if let Some(answer) = answer {
            // Whoever asked may be gone.
            let _ = answer.send(report);
        }
    }
}

/// After a limit, as long as GitHub asked for: then what is left is fetched at once.
fn wait_after(report: &Report, every: Duration) -> Duration {
    match report.outcome {
        Outcome::Limited { wait_seconds } => Duration::from_secs(wait_seconds),
        _ => every,
    }
}
