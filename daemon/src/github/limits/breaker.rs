//! The circuit breaker of one identity at one host: when GitHub does not answer, it is left alone for a while. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Answers that are looked back on.
const LOOK_BACK: u32 = 20;

/// When it opens, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerTerms {
    /// Failures in a row; or half of the last twenty.
    pub failures: u32,
    /// The first time; doubled each time GitHub still does not answer.
    pub open: Duration,
    pub open_cap: Duration,
}

impl Default for BreakerTerms {
    fn default() -> Self {
        Self { failures: 5, open: Duration::from_secs(5), open_cap: Duration::from_secs(60) }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Breaker {
    terms: BreakerTerms,
    state: State,
    /// One bit an answer, the latest lowest: 1 is a failure.
    past: u32,
    seen: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: DateTime<Utc>,
        wait: Duration,
    },
    /// One request finds out; after `until` it counts as lost and another one may.
    Probing {
        until: DateTime<Utc>,
        wait: Duration,
    },
}

/// Whether a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::github) enum Pass {
    Go,
    /// Find out first, and say how that went.
    Probe,
    /// Somebody finds out right now.
    Soon,
    Wait(Duration),
}

impl Breaker {
    pub(super) fn new(terms: BreakerTerms) -> Self {
        Self { terms, state: State::Closed, past: 0, seen: 0 }
    }

    /// `patience`: how long a probe may take.
    pub(super) fn ask(&mut self, now: DateTime<Utc>, patience: Duration) -> Pass {
        let (until, wait, probing) = match self.state {
            State::Closed => return Pass::Go,
            State::Open { until, wait } => (until, wait, false),
            State::Probing { until, wait } => (until, wait, true),
        };
        // A clock that went back must not keep it open for longer than it was opened for.
        let left = (until - now).to_std().unwrap_or_default();
        if !left.is_zero() && left <= wait.max(patience) {
            return if probing { Pass::Soon } else { Pass::Wait(left) };
        }
        self.state = State::Probing { until: now + delta(patience), wait };
        Pass::Probe
    }

    /// GitHub answered, whatever it said. True: it had been open.
    pub(super) fn answered(&mut self) -> bool {
        self.remember(false);
        let was_open = self.state != State::Closed;
        if was_open {
            (self.past, self.seen) = (0, 0);
        }
        self.state = State::Closed;
        was_open
    }

    /// GitHub answered when it was asked for nothing but a sign of life: what failed before was not its fault.
    pub(super) fn proved_alive(&mut self) -> bool {
        (self.past, self.seen) = (0, 0);
        self.answered()
    }

    /// No answer, or a 5xx. Gives how long it is open from now when this opened it.
    pub(super) fn failed(&mut self, now: DateTime<Utc>) -> Option<Duration> {
        self.remember(true);
        let wait = match self.state {
            // Sent before it opened: that it fails is no news.
            State::Open { .. } => return None,
            State::Probing { wait, .. } => (wait * 2).min(self.terms.open_cap),
            State::Closed if self.is_bad() => self.terms.open.min(self.terms.open_cap),
            State::Closed => return None,
        };
        self.state = State::Open { until: now + delta(wait), wait };
        Some(wait)
    }

    /// How long it stays open; `None`: it is closed.
    pub(super) fn open_for(&self, now: DateTime<Utc>) -> Option<Duration> {
        match self.state {
            State::Closed => None,
            State::Open { until, wait } => Some((until - now).to_std().unwrap_or_default().min(wait)),
            State::Probing { .. } => Some(Duration::ZERO),
        }
    }

    fn remember(&mut self, failure: bool) {
        self.past = (self.past << 1 | u32::from(failure)) & ((1 << LOOK_BACK) - 1);
        self.seen = (self.seen + 1).min(LOOK_BACK);
    }

    fn is_bad(&self) -> bool {
        let in_a_row = (!self.past).trailing_zeros();
        in_a_row >= self.terms.failures || self.seen == LOOK_BACK && self.past.count_ones() * 2 >= LOOK_BACK
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn breaker() -> Breaker {
        Breaker::new(BreakerTerms { failures: 3, open: Duration::from_secs(5), open_cap: Duration::from_secs(15) })
    }

    #[test]
    fn it_opens_probes_and_closes() {
        let mut it = breaker();
        assert_eq!((it.failed(at(0)), it.failed(at(0))), (None, None));
        it.answered();
        assert_eq!((it.failed(at(0)), it.failed(at(0))), (None, None));
        assert_eq!(it.failed(at(0)), Some(Duration::from_secs(5)));
        assert_eq!(it.failed(at(1)), None, "sent before it opened");
        assert_eq!(it.ask(at(1), PATIENCE), Pass::Wait(Duration::from_secs(4)));
        assert_eq!(it.ask(at(5), PATIENCE), Pass::Probe);
        assert_eq!(it.ask(at(6), PATIENCE), Pass::Soon);
        for (second, wait) in [(6, 10), (16, 15), (31, 15)] {
            assert_eq!(it.failed(at(second)), Some(Duration::from_secs(wait)));
            assert_eq!(it.ask(at(second + 1), PATIENCE), Pass::Wait(Duration::from_secs(wait - 1)));
            assert_eq!(it.ask(at(second + i64::try_from(wait).unwrap()), PATIENCE), Pass::Probe);
        }
        assert!(it.answered());
        assert_eq!(it.ask(at(47), PATIENCE), Pass::Go);
        assert_eq!(it.failed(at(47)), None, "it begins anew");
    }

    #[test]
    fn a_probe_that_never_ends_is_followed_by_another() {
        let mut it = breaker();
        assert_eq!([0; 3].map(|_| it.failed(at(0)).is_some()), [false, false, true]);
        assert_eq!(it.ask(at(5), PATIENCE), Pass::Probe);
        assert_eq!(it.ask(at(14), PATIENCE), Pass::Soon);
        assert_eq!(it.ask(at(15), PATIENCE), Pass::Probe);
    }

    #[test]
    fn half_of_twenty_is_too_many() {
        let mut it = breaker();
        let opened = (0..20).any(|n| if n % 2 == 0 { it.answered() } else { it.failed(at(n)).is_some() });
        assert!(opened);
    }

    #[test]
    fn a_clock_that_goes_back_does_not_keep_it_open() {
        let mut it = breaker();
        assert_eq!([0; 3].map(|_| it.failed(at(0)).is_some()), [false, false, true]);
        assert_eq!(it.ask(at(-100_000), PATIENCE), Pass::Probe);
    }
}
