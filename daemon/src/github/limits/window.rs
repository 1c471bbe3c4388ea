//! A sliding window that counts in slots. Pure.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Counts what happened within a span. A slot counts until all of it has left the span, so the count is never too low.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Window {
    /// Number of the slot since 1970, and its count; oldest first.
    slots: VecDeque<(i64, u32)>,
}

/// How long a window is and how finely it counts, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub length: i64,
    pub slot: i64,
}

pub(super) const MINUTE: Span = Span { length: 60_000, slot: 1_000 };
pub(super) const HOUR: Span = Span { length: 3_600_000, slot: 60_000 };

impl Window {
    pub(super) fn add(&mut self, span: Span, now: i64, count: u32) {
        let slot = now.div_euclid(span.slot);
        match self.slots.back_mut() {
            Some((last, sum)) if *last >= slot => *sum = sum.saturating_add(count),
            _ => self.slots.push_back((slot, count)),
        }
    }

    /// Takes back what was counted at `then` and did not happen.
    pub(super) fn take_back(&mut self, span: Span, then: i64, count: u32) {
        let slot = then.div_euclid(span.slot);
        if let Some((_, sum)) = self.slots.iter_mut().find(|(number, _)| *number == slot) {
            *sum = sum.saturating_sub(count);
        }
    }

    pub(super) fn count(&mut self, span: Span, now: i64) -> u32 {
        while self.slots.front().is_some_and(|(slot, _)| leaves_at(span, *slot) <= now) {
            self.slots.pop_front();
        }
        self.slots.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// How much fits now under `most`; else how long until `wanted` do, in milliseconds.
    pub(super) fn room(&mut self, span: Span, now: i64, most: u32, wanted: u32) -> Result<u32, i64> {
        let mut count = self.count(span, now);
        if count.saturating_add(wanted) <= most {
            return Ok(most - count);
        }
        for (slot, leaving) in &self.slots {
            count -= leaving;
            if count.saturating_add(wanted) <= most {
                return Err(leaves_at(span, *slot) - now);
            }
        }
        // More than ever fits: when the window is empty.
        Err(span.length)
    }

    /// Forgets the oldest of what was counted: it is over.
    pub(super) fn finish(&mut self, mut count: u32) {
        while let Some((_, sum)) = self.slots.front_mut() {
            let done = count.min(*sum);
            *sum -= done;
            count -= done;
            if *sum > 0 {
                return;
            }
            self.slots.pop_front();
        }
    }

    /// Moves all that was counted by `delta` slots.
    pub(super) fn shift(&mut self, delta: i64) {
        for (slot, _) in &mut self.slots {
            *slot += delta;
        }
    }
}

fn leaves_at(span: Span, slot: i64) -> i64 {
    (slot + 1) * span.slot + span.length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slot_counts_until_all_of_it_is_past() {
        let mut window = Window::default();
        window.add(MINUTE, 500, 3);
        window.add(MINUTE, 900, 1);
        assert_eq!(window.count(MINUTE, 60_999), 4);
        assert_eq!(window.room(MINUTE, 60_000, 5, 2), Err(1_000));
        assert_eq!(window.room(MINUTE, 60_000, 5, 1), Ok(1));
        assert_eq!(window.count(MINUTE, 61_000), 0);
    }

    #[test]
    fn what_is_over_or_taken_back_counts_no_more() {
        let mut window = Window::default();
        window.add(MINUTE, 0, 3);
        window.add(MINUTE, 5_000, 4);
        window.finish(4);
        assert_eq!(window.count(MINUTE, 6_000), 3);
        window.take_back(MINUTE, 5_500, 2);
        assert_eq!(window.count(MINUTE, 6_000), 1);
        window.finish(9);
        assert_eq!(window.count(MINUTE, 6_000), 0);
    }

    proptest! {
        #[test]
        fn no_span_ever_holds_more_than_the_most(gaps in prop::collection::vec(0_i64..5_000, 1..300), most in 1_u32..20) {
            let mut window = Window::default();
            let mut now = 1_700_000_000_123;
            let mut taken: Vec<i64> = Vec::new();
            for gap in gaps {
                now += gap;
                match window.room(MINUTE, now, most, 1) {
                    Ok(room) => prop_assert!(room >= 1),
                    Err(wait) => {
                        prop_assert!(wait > 0 && wait <= 61_000);
                        now += wait;
                        prop_assert!(window.room(MINUTE, now, most, 1).is_ok(), "the wait told is long enough");
                    }
                }
                window.add(MINUTE, now, 1);
                taken.push(now);
                let within = taken.iter().filter(|at| **at > now - 60_000).count();
                prop_assert!(within <= most as usize);
            }
        }
    }
}
