//! What charts are drawn from: how much happened each hour. An hour that is over is counted once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use tokio::sync::Mutex;

use crate::core::rule::RuleName;
use crate::store::hours::{EventCount, RuleCount};
use crate::store::{Among, Db, StoreError};

/// Hours that a chart shows.
pub(super) const HOURS: i64 = 24;

/// How long the count of the hour that goes on serves all who ask.
const CURRENT_SERVES_FOR: Duration = Duration::from_secs(5);

/// The same of an hour that is over, for what it led to may be done late.
const RECENT_SERVES_FOR: Duration = Duration::from_secs(60);

/// An hour is counted for good when it is over for so long.
const SETTLED_AFTER: TimeDelta = TimeDelta::hours(3);

/// One hour, of everything; a reader's share is summed from it.
#[derive(Debug)]
struct Hour {
    events: Vec<EventCount>,
    matches: Vec<RuleCount>,
    effects: Vec<RuleCount>,
}

/// Hours that were counted.
#[derive(Debug, Default)]
pub(super) struct Hours {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    over: BTreeMap<DateTime<Utc>, Arc<Hour>>,
    fresh: BTreeMap<DateTime<Utc>, (Instant, Arc<Hour>)>,
}

/// An hour's counts for a reader.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) events: u64,
    pub(super) matches: HashMap<RuleName, u64>,
    pub(super) effects: HashMap<RuleName, u64>,
}

impl Hours {
    /// The last [`HOURS`], oldest first, the last one as far as it is.
    pub(super) async fn of(
        &self,
        db: &Db,
        among: &Among,
        now: DateTime<Utc>,
    ) -> Result<Vec<(DateTime<Utc>, Counts)>, StoreError> {
        let last = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
        let first = last - TimeDelta::hours(HOURS - 1);
        let mut kept = self.kept.lock().await;
        kept.over.retain(|hour, _| *hour >= first);
        kept.fresh.retain(|hour, (at, _)| {
            let serves = if *hour == last { CURRENT_SERVES_FOR } else { RECENT_SERVES_FOR };
            *hour >= first && at.elapsed() < serves
        });
        let mut told = Vec::new();
        for back in (0..HOURS).rev() {
            let from = last - TimeDelta::hours(back);
            let hour = match kept.over.get(&from).or_else(|| kept.fresh.get(&from).map(|(_, hour)| hour)) {
                Some(hour) => Arc::clone(hour),
                None => {
                    let to = from + TimeDelta::hours(1);
                    let hour = Arc::new(count(db, from, to).await?);
                    match now - to > SETTLED_AFTER {
                        true => drop(kept.over.insert(from, Arc::clone(&hour))),
                        false => drop(kept.fresh.insert(from, (Instant::now(), Arc::clone(&hour)))),
                    }
                    hour
                }
            };
            told.push((from, hour.share(among)));
        }
        Ok(told)
    }
}

async fn count(db: &Db, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Hour, StoreError> {
    Ok(Hour {
        events: db.count_events(from, to).await?,
        matches: db.count_matches(from, to).await?,
        effects: db.count_effects(from, to).await?,
    })
}

impl Hour {
    fn share(&self, among: &Among) -> Counts {
        let events = self.events.iter().filter(|count| among.has(count.repository.as_ref()));
        let by_rule = |counts: &[RuleCount]| {
            let mut sums: HashMap<RuleName, u64> = HashMap::new();
            for count in counts.iter().filter(|count| among.has(count.repository.as_ref())) {
                *sums.entry(count.rule.clone()).or_default() += count.count;
            }
            sums
        };
        Counts {
            events: events.map(|count| count.events).sum(),
            matches: by_rule(&self.matches),
            effects: by_rule(&self.effects),
        }
    }
}
