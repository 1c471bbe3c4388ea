//! The primary limit of one resource: what GitHub's headers told, and what was granted since. Pure.
//!
//! GitHub's own count is believed when it says less, never when it says more before the reset that it had named: answers
//! overtake each other, and different machines of GitHub tell different numbers. Times are the ledger's milliseconds.

use serde::{Deserialize, Serialize};

use super::told::Told;
use super::window::{MINUTE, Span, Window};
use super::{Cost, Priority};

/// A reset may move by so much within one window: what differs is rounding and the time an answer takes.
const RESET_SLACK: i64 = 120_000;
/// GitHub names the reset in whole seconds, and its clock in whole seconds: this much later it has surely come.
const RESET_GUARD: i64 = 1_000;
/// A reset that has passed or is missing says nothing: then GitHub is asked again after this.
const UNKNOWN_RESET: i64 = 60_000;
/// Longest window that is believed, in milliseconds.
const LONGEST: i64 = 3_600_000;
/// While one request finds out how much there is, the others look again this soon.
const PROBE: i64 = 50;

/// Requests under way are counted by the second; the span is how long one can be.
fn under_way(answer_within: i64) -> Span {
    Span { length: answer_within, slot: MINUTE.slot }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Quota {
    known: Option<Known>,
    /// GitHub answers without naming a quota: an Enterprise Server without limits.
    unmetered: bool,
    /// Granted and not answered.
    out: Window,
    /// Sent and never answered since the last answer: GitHub may have counted them.
    lost: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    limit: u32,
    /// The least that was told in this window.
    remaining: u32,
    reset_at: i64,
    /// As it was told first in this window.
    first_reset: i64,
}

/// What part of the quota is kept for others while the window is young, in thousandths. It shrinks to nothing towards the
/// reset, so what is kept is used in the end: a steady stream gets at least this part of the hour's rate all the time.
fn kept(priority: Priority, cost: Cost) -> i64 {
    match (priority, cost) {
        (Priority::Command, _) => 0,
        (Priority::Event, Cost::Write | Cost::Content) => 50,
        (Priority::Event, Cost::Read) => 300,
        (Priority::Sweep, Cost::Write | Cost::Content) => 400,
        (Priority::Sweep, Cost::Read) => 600,
    }
}

/// Why there is nothing now, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Short {
    /// Used up until the reset.
    Exhausted(i64),
    /// There is some, and it has to last until the reset.
    Paced(i64),
    /// Somebody is finding out.
    Unknown(i64),
}

/// What may be taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Free {
    pub count: u32,
    /// Nothing is known: this one finds out.
    pub probe: bool,
}

impl Quota {
    pub(super) fn free(
        &mut self,
        now: i64,
        window: i64,
        answer_within: i64,
        priority: Priority,
        cost: Cost,
    ) -> Result<Free, Short> {
        if self.unmetered {
            return Ok(Free { count: u32::MAX, probe: false });
        }
        let out = self.out(now, answer_within);
        let Some(known) = self.known.as_ref().filter(|known| now < known.reset_at) else {
            return if out == 0 { Ok(Free { count: 1, probe: true }) } else { Err(Short::Unknown(PROBE)) };
        };
        let left = i64::from(known.remaining) - i64::from(out) - i64::from(self.lost);
        let until_reset = known.reset_at - now;
        // What is under way may turn out to have been free (304).
        if left < 1 {
            return Err(if known.remaining > 0 && out > 0 {
                Short::Unknown(PROBE)
            } else {
                Short::Exhausted(until_reset)
            });
        }
        let keep = kept(priority, cost) * i64::from(known.limit);
        let floor = keep * until_reset.min(window) / (1_000 * window);
        let free = left - floor;
        if free >= 1 {
            return Ok(Free { count: u32::try_from(free).unwrap_or(u32::MAX), probe: false });
        }
        // When the floor has come down to one below what is left.
        let then = ((left - 1) * 1_000 * window + 999) / keep.max(1);
        Err(Short::Paced((until_reset - then).max(1)))
    }

    pub(super) fn grant(&mut self, now: i64, answer_within: i64, count: u32) {
        self.out.add(under_way(answer_within), now, count);
    }

    pub(super) fn out(&mut self, now: i64, answer_within: i64) -> u32 {
        self.out.count(under_way(answer_within), now)
    }

    /// Granted and not sent.
    pub(super) fn give_back(&mut self, count: u32) {
        self.out.finish(count);
    }

    pub(super) fn lost(&mut self) {
        self.out.finish(1);
        self.lost = self.lost.saturating_add(1);
    }

    /// An answer. `None`: it names no quota.
    pub(super) fn answered(&mut self, now: i64, told: Option<Told>, success: bool) {
        self.out.finish(1);
        match told {
            Some(told) => self.told(now, told),
            None => self.unmetered |= success && self.known.is_none(),
        }
    }

    fn told(&mut self, now: i64, told: Told) {
        self.unmetered = false;
        self.lost = 0;
        let reset = told.reset_in.filter(|wait| *wait > 0).map(|wait| now + wait.min(LONGEST) + RESET_GUARD);
        match &mut self.known {
            Some(known) if now < known.reset_at => {
                known.limit = told.limit;
                known.remaining = known.remaining.min(told.remaining);
                if let Some(reset) = reset {
                    // A reset that keeps moving must not hold the window for ever; one that ends a wait is obeyed.
                    let most = if known.remaining == 0 { i64::MAX } else { known.first_reset + RESET_SLACK };
                    known.reset_at = known.reset_at.max(reset.min(most));
                }
            }
            known => {
                let reset_at = reset.unwrap_or(now + UNKNOWN_RESET);
                let (limit, remaining) = (told.limit, told.remaining);
                *known = Some(Known { limit, remaining, reset_at, first_reset: reset_at });
            }
        }
    }

    /// GitHub refused because nothing is left. Gives the wait.
    pub(super) fn exhausted(&mut self, now: i64, reset_in: Option<i64>) -> i64 {
        let reset = reset_in.filter(|wait| *wait > 0).map(|wait| now + wait.min(LONGEST) + RESET_GUARD);
        let reset_at = reset.unwrap_or(now + UNKNOWN_RESET);
        let known = self.known.get_or_insert(Known { limit: 0, remaining: 0, reset_at, first_reset: reset_at });
        known.remaining = 0;
        known.reset_at = if now < known.reset_at { known.reset_at.max(reset_at) } else { reset_at };
        known.first_reset = known.reset_at;
        known.reset_at - now
    }

    /// The clock went back by `delta` milliseconds: so did everything that was noted.
    pub(super) fn shift(&mut self, delta: i64) {
        self.out.shift(-delta.div_euclid(MINUTE.slot));
        if let Some(known) = &mut self.known {
            known.reset_at -= delta;
            known.first_reset -= delta;
        }
    }
}
