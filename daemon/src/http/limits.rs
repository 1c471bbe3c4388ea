//! How much a key may ask.
//!
//! Each limit is a bucket that fills evenly: "1,000 an hour" lets 1,000 through at once and then one every 3.6 s. Answers
//! say how it stands in `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` with seconds to go, as
//! draft-ietf-httpapi-ratelimit-headers had them up to its revision 06 and as most clients read them; later revisions
//! fold them into one structured field that few read yet. GitHub's own `X-RateLimit-Reset` is a time, not seconds.
//!
//! Counted is in this process: of several daemons on one database each counts for itself.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use uuid::Uuid;

use crate::config::{Api, Rate};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

pub(super) const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// After so many counts what counts nothing any more is forgotten.
pub(super) const TIDIED_EVERY: u64 = 1_024;

pub(super) type Cells<K, C> = RateLimiter<K, DashMapStateStore<K>, C, StateInformationMiddleware>;

/// How a limit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Requests at once at most.
    pub limit: u32,
    /// Requests that may come now.
    pub remaining: u32,
    /// Seconds until there are as many as at most.
    pub reset: u64,
}

impl Standing {
    /// Says so in an answer.
    pub fn tell(&self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, HeaderValue::from(self.limit));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(self.reset));
    }
}

/// A request too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// `None`: which limit it is, is not the asker's business.
    pub standing: Option<Standing>,
    /// Seconds, at least one.
    pub retry_after: u64,
}

impl TooMany {
    /// Says so in an answer.
    pub fn tell(&self, headers: &mut HeaderMap) {
        headers.insert(RETRY_AFTER, HeaderValue::from(self.retry_after));
        if let Some(standing) = &self.standing {
            standing.tell(headers);
        }
    }
}

/// What keys asked.
pub struct Limits<C: Clock = DefaultClock> {
    clock: C,
    in_use: ArcSwap<InUse<C>>,
    counted: AtomicU64,
}

/// The limits of one config.
struct InUse<C: Clock> {
    api: Api,
    /// The shortest time first.
    each: Vec<Arc<Limit<C>>>,
}

/// One limit, and what was used of it.
struct Limit<C: Clock> {
    /// `None`: of whatever is asked.
    operation: Option<&'static str>,
    rate: Rate,
    cells: Cells<Uuid, C>,
}

impl Limits {
    pub fn new(api: &Api) -> Self {
        Self::by_clock(api, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limits<C> {
    fn by_clock(api: &Api, clock: C) -> Self {
        let in_use = ArcSwap::from_pointee(InUse { api: api.clone(), each: Limit::all(api, &[], &clock) });
        Self { clock, in_use, counted: AtomicU64::new(0) }
    }

    /// Counts a request of a key. A limit that the config has changed begins anew, the others go on.
    pub fn admit(&self, api: &Api, operation: &str, key: Uuid) -> Result<Standing, TooMany> {
        if self.in_use.load().api != *api {
            self.in_use.rcu(|old| InUse { api: api.clone(), each: Limit::all(api, &old.each, &self.clock) });
        }
        let in_use = self.in_use.load();
        if self.counted.fetch_add(1, Ordering::Relaxed) % TIDIED_EVERY == TIDIED_EVERY - 1 {
            in_use.each.iter().for_each(|limit| limit.cells.retain_recent());
        }
        let mut tightest: Option<Standing> = None;
        for limit in in_use.each.iter().filter(|limit| limit.operation.is_none_or(|only| only == operation)) {
            let standing = limit.count(key, &self.clock)?;
            let tighter = tightest.is_none_or(|other| standing.remaining < other.remaining);
            tightest = if tighter { Some(standing) } else { tightest };
        }
        // A config has the two limits of every request.
        Ok(tightest.unwrap_or(Standing { limit: u32::MAX, remaining: u32::MAX, reset: 0 }))
    }
}

impl<C: Clock + Clone> Limit<C> {
    /// Those of a config, with the count of those that were there before. The shortest comes first: a request that a
    /// minute's limit refuses does not count on the hour's.
    fn all(api: &Api, before: &[Arc<Self>], clock: &C) -> Vec<Arc<Self>> {
        let every = [(api.burst_a_minute, MINUTE), (api.requests_an_hour, HOUR)];
        let every = every.map(|(requests, within)| (None, Rate { requests, within }));
        let single = api.endpoints.iter().flat_map(|(name, rates)| rates.iter().map(|rate| (Some(*name), *rate)));
        let mut wanted: Vec<_> = every.into_iter().chain(single).collect();
        wanted.sort_by_key(|(_, rate)| rate.within);
        let one = |(operation, rate)| {
            let known = before.iter().find(|limit| limit.operation == operation && limit.rate == rate);
            known.map_or_else(|| Arc::new(Self { operation, rate, cells: cells(rate, clock) }), Arc::clone)
        };
        wanted.into_iter().map(one).collect()
    }

    fn count(&self, key: Uuid, clock: &C) -> Result<Standing, TooMany> {
        let standing = |remaining| {
            let missing = self.rate.requests.saturating_sub(remaining);
            Standing { limit: self.rate.requests, remaining, reset: seconds(each(self.rate) * missing) }
        };
        match self.cells.check_key(&key) {
            Ok(snapshot) => Ok(standing(snapshot.remaining_burst_capacity())),
            Err(until) => Err(TooMany {
                standing: Some(standing(0)),
                retry_after: seconds(until.wait_time_from(clock.now())).max(1),
            }),
        }
    }
}

/// How long one request takes to come back.
pub(super) fn each(rate: Rate) -> Duration {
    // Not nothing, of however many requests a second: nothing is no rate.
    (rate.within / rate.requests.max(1)).max(Duration::from_nanos(1))
}

fn quota(rate: Rate) -> Quota {
    let requests = NonZeroU32::new(rate.requests).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::with_period(each(rate)).unwrap_or(Quota::per_hour(requests));
    quota.allow_burst(requests)
}

pub(super) fn cells<K: std::hash::Hash + Eq + Clone, C: Clock + Clone>(rate: Rate, clock: &C) -> Cells<K, C> {
    RateLimiter::new(quota(rate), DashMapStateStore::default(), clock.clone())
}

/// The next whole second.
pub(super) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn api(requests_an_hour: u32, burst_a_minute: u32) -> Api {
        Api { requests_an_hour, burst_a_minute, endpoints: Default::default(), token_lifetime: MINUTE }
    }

    fn limits(api: &Api) -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Limits::by_clock(api, clock.clone()), clock)
    }

    /// How many of so many requests were let through.
    fn admitted(limits: &Limits<FakeRelativeClock>, api: &Api, operation: &str, tries: usize) -> usize {
        (0..tries).filter(|_| limits.admit(api, operation, ONE).is_ok()).count()
    }

    #[test]
    fn a_key_has_a_hundred_a_minute_and_a_thousand_an_hour() {
        let api = api(1_000, 100);
        let (limits, clock) = limits(&api);
        let standing = limits.admit(&api, "events.list", ONE).unwrap();
        assert_eq!(standing, Standing { limit: 100, remaining: 99, reset: 1 });
        assert_eq!(admitted(&limits, &api, "events.list", 200), 99);
        let refused = limits.admit(&api, "events.list", ONE).unwrap_err();
        let standing = Standing { limit: 100, remaining: 0, reset: 60 };
        assert_eq!(refused, TooMany { standing: Some(standing), retry_after: 1 });
        assert!(limits.admit(&api, "events.list", OTHER).is_ok(), "each key has its own");

        let mut hour = 100;
        for _ in 0..30 {
            clock.advance(MINUTE);
            hour += admitted(&limits, &api, "events.list", 101);
        }
        assert_eq!(hour, 1_000 + 1_000 / 2, "what refills in half an hour, and the bucket");
        clock.advance(Duration::from_secs(1));
        let refused = limits.admit(&api, "events.list", ONE).unwrap_err();
        assert_eq!((refused.standing.unwrap().limit, refused.retry_after), (1_000, 3));
    }

    #[test]
    fn headers_say_how_it_stands() {
        let mut headers = HeaderMap::new();
        let standing = Standing { limit: 100, remaining: 0, reset: 60 };
        TooMany { standing: Some(standing), retry_after: 2 }.tell(&mut headers);
        let told = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after"];
        assert_eq!(told.map(|name| headers[name].to_str().unwrap().to_owned()), ["100", "0", "60", "2"]);
    }

    #[test]
    fn an_operation_may_have_a_limit_of_its_own() {
        let rate = Rate { requests: 3, within: MINUTE };
        let api = Api { endpoints: [("events.list", vec![rate])].into(), ..api(1_000, 100) };
        let (limits, _) = limits(&api);
        assert_eq!(admitted(&limits, &api, "events.list", 10), 3);
        assert_eq!(admitted(&limits, &api, "jobs.list", 10), 10);
        assert_eq!(limits.admit(&api, "events.list", ONE).unwrap_err().standing.unwrap().limit, 3);
    }

    #[test]
    fn a_reload_forgets_only_what_it_changed() {
        let before = api(20, 10);
        let (limits, _) = limits(&before);
        assert_eq!(admitted(&limits, &before, "events.list", 10), 10);
        let unchanged = Api { token_lifetime: HOUR, ..before };
        assert_eq!(admitted(&limits, &unchanged, "events.list", 5), 0);
        let more = Api { burst_a_minute: 100, ..unchanged };
        assert_eq!(admitted(&limits, &more, "events.list", 30), 10, "the hour's limit remembers the first ten");
    }

    #[test]
    fn what_is_not_used_is_forgotten() {
        let api = api(1_000, 100);
        let (limits, clock) = limits(&api);
        for key in 0..TIDIED_EVERY - 1 {
            limits.admit(&api, "events.list", Uuid::from_u128(key.into())).unwrap();
        }
        clock.advance(HOUR);
        limits.admit(&api, "events.list", ONE).unwrap();
        assert!(limits.in_use.load().each.iter().all(|limit| limit.cells.len() == 1));
    }
}
