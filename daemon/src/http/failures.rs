//! How often an address may fail: refused keys and tokens, attempts to sign in.
//!
//! Who fails too often is told to wait before anything is looked up for them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::error::HttpError;
use super::limits::{Cells, MINUTE, TIDIED_EVERY, TooMany, cells, each, seconds};
use crate::config::Rate;

/// Networks of which failures are counted at once. More fail only in an attack from everywhere, and of one guess each:
/// those are not counted, since 256 bits are not guessed and everybody else must still get in.
const MOST_NETWORKS: usize = 65_536;

/// Failures of one kind that are written to the audit chain in a minute. A flood must not fill the disk.
const TOLD_A_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

/// What failed: refused keys and tokens, and attempts to sign in.
pub struct Failures<C: Clock = DefaultClock> {
    clock: C,
    in_use: ArcSwap<Counted<C>>,
    /// Networks that are told to wait, and until when.
    waits: Mutex<HashMap<IpAddr, C::Instant>>,
    noted: AtomicU64,
    keys: Telling<C>,
    sign_ins: Telling<C>,
}

/// What failed. Each kind is told by itself: a flood of bad keys must not hide who tries to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// A key, or a token of one.
    Key,
    SignIn,
}

/// How many failures of a kind have been written down.
struct Telling<C: Clock> {
    told: RateLimiter<NotKeyed, InMemoryState, C, StateInformationMiddleware>,
    untold: AtomicU64,
}

struct Counted<C: Clock> {
    a_minute: u32,
    cells: Cells<IpAddr, C>,
}

impl Failures {
    /// `a_minute` is `login.failures_a_minute`.
    pub fn new(a_minute: u32) -> Self {
        Self::by_clock(a_minute, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Failures<C> {
    fn by_clock(a_minute: u32, clock: C) -> Self {
        let in_use = ArcSwap::from_pointee(Counted::new(a_minute, &clock));
        let (keys, sign_ins) = (Telling::by_clock(&clock), Telling::by_clock(&clock));
        let (waits, noted) = Default::default();
        Self { clock, in_use, waits, noted, keys, sign_ins }
    }

    /// To be asked before anything is looked up.
    pub fn admit(&self, address: IpAddr) -> Result<(), TooMany> {
        let now = self.clock.now();
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        match waits.get(&network(address)) {
            Some(until) if *until > now => {
                let wait = seconds(until.duration_since(now).into()).max(1);
                Err(TooMany { standing: None, retry_after: wait })
            }
            _ => Ok(()),
        }
    }

    /// As [`Failures::admit`]; whoever has no address is let in.
    pub(super) fn turn_away(&self, address: Option<IpAddr>) -> Result<(), HttpError> {
        let Some(Err(wait)) = address.map(|address| self.admit(address)) else { return Ok(()) };
        let detail = "too many keys and sign-ins from this address failed".to_owned();
        Err(HttpError::TooMany { detail, retry_after: wait.retry_after })
    }

    /// Counts a failure. With another limit than before the count begins anew.
    pub fn note(&self, a_minute: u32, address: IpAddr) {
        if self.in_use.load().a_minute != a_minute {
            self.in_use.store(Arc::new(Counted::new(a_minute, &self.clock)));
        }
        let in_use = self.in_use.load();
        let now = self.clock.now();
        if self.noted.fetch_add(1, Ordering::Relaxed) % TIDIED_EVERY == TIDIED_EVERY - 1 {
            in_use.cells.retain_recent();
            self.waits.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, until| *until > now);
        }
        if in_use.cells.len() >= MOST_NETWORKS {
            return;
        }
        let network = network(address);
        let rate = Rate { requests: a_minute, within: MINUTE };
        let until = match in_use.cells.check_key(&network) {
            Ok(left) if has_more(&left) => return,
            Ok(_) => now + each(rate).into(),
            Err(until) => until.earliest_possible(),
        };
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).insert(network, until);
    }

    /// Whether to write a failure to the audit chain; and how many of its kind before it were not.
    pub fn to_be_told(&self, failed: Failed) -> Option<u64> {
        match failed {
            Failed::Key => self.keys.next(),
            Failed::SignIn => self.sign_ins.next(),
        }
    }
}

impl<C: Clock + Clone> Telling<C> {
    fn by_clock(clock: &C) -> Self {
        let told = RateLimiter::new(Quota::per_minute(TOLD_A_MINUTE), InMemoryState::default(), clock.clone());
        Self { told, untold: AtomicU64::new(0) }
    }

    fn next(&self) -> Option<u64> {
        if self.told.check().is_ok() {
            return Some(self.untold.swap(0, Ordering::Relaxed));
        }
        self.untold.fetch_add(1, Ordering::Relaxed);
        None
    }
}

fn has_more(left: &StateSnapshot) -> bool {
    left.remaining_burst_capacity() > 0
}

impl<C: Clock + Clone> Counted<C> {
    fn new(a_minute: u32, clock: &C) -> Self {
        Self { a_minute, cells: cells(Rate { requests: a_minute, within: MINUTE }, clock) }
    }
}

/// Whoever has one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        four => four,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn failures(a_minute: u32) -> (Failures<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Failures::by_clock(a_minute, clock.clone()), clock)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_fails_too_often_waits() {
        let (failures, clock) = failures(3);
        let here = address("192.0.2.7");
        for _ in 0..3 {
            assert_eq!(failures.admit(here), Ok(()));
            failures.note(3, here);
        }
        assert_eq!(failures.admit(here), Err(TooMany { standing: None, retry_after: 20 }));
        assert_eq!(failures.admit(address("192.0.2.8")), Ok(()));
        assert!(failures.admit(address("::ffff:192.0.2.7")).is_err(), "the same address, written otherwise");
        clock.advance(Duration::from_secs(20));
        assert_eq!(failures.admit(here), Ok(()), "one more may fail now");
        failures.note(3, here);
        assert_eq!(failures.admit(here).unwrap_err().retry_after, 20);
        clock.advance(MINUTE);
        assert_eq!(failures.admit(here), Ok(()));
    }

    #[test]
    fn a_network_of_64_bits_is_one_address() {
        let (failures, _) = failures(2);
        failures.note(2, address("2001:db8:0:1::1"));
        failures.note(2, address("2001:db8:0:1:ffff::2"));
        assert!(failures.admit(address("2001:db8:0:1:8000::3")).is_err());
        assert!(failures.admit(address("2001:db8:0:2::1")).is_ok());
    }

    #[test]
    fn a_flood_from_everywhere_takes_bounded_memory_and_locks_nobody_out() {
        let (failures, clock) = failures(1);
        for network in 0..MOST_NETWORKS as u128 + 5_000 {
            failures.note(1, Ipv6Addr::from_bits(network << 64).into());
        }
        assert_eq!(failures.in_use.load().cells.len(), MOST_NETWORKS);
        let late = Ipv6Addr::from_bits((MOST_NETWORKS as u128 + 1) << 64).into();
        assert_eq!(failures.admit(late), Ok(()));
        clock.advance(60 * MINUTE);
        for _ in 0..TIDIED_EVERY {
            failures.note(1, late);
        }
        assert!(failures.in_use.load().cells.len() <= 1);
        assert!(failures.waits.lock().unwrap().len() <= 1);
    }

    #[test]
    fn a_flood_of_refusals_fills_no_audit_chain() {
        let (failures, clock) = failures(3);
        assert_eq!((0..100).filter(|_| failures.to_be_told(Failed::Key).is_some()).count(), 10);
        assert_eq!(failures.to_be_told(Failed::SignIn), Some(0), "bad keys hide no failed sign-in");
        clock.advance(MINUTE);
        assert_eq!(failures.to_be_told(Failed::Key), Some(90), "how many were not told is");
        assert_eq!(failures.to_be_told(Failed::SignIn), Some(0));
    }
}
