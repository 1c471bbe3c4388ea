//! Whether a loop still moves: how long it has been in a step that has to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A loop's sign of life. Waiting for work is not a step, so an idle loop is never stuck. Cheap to clone; clones are one.
#[derive(Clone, Debug)]
pub struct Pulse {
    made: Instant,
    /// Milliseconds from `made` to the beginning of the step; 0: none is under way.
    step: Arc<AtomicU64>,
}

/// A step that is under way; it ends when this goes.
#[must_use]
pub struct Step<'a>(&'a Pulse);

impl Default for Pulse {
    fn default() -> Self {
        Self { made: Instant::now(), step: Arc::default() }
    }
}

impl Pulse {
    /// Begins a step.
    pub fn step(&self) -> Step<'_> {
        self.step.store(self.elapsed().max(1), Ordering::Relaxed);
        Step(self)
    }

    /// How long the step that is under way has taken so far; zero when there is none.
    pub fn stuck_for(&self) -> Duration {
        match self.step.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            began => Duration::from_millis(self.elapsed().saturating_sub(began)),
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.0.step.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_stuck_in_a_step_and_never_between_two() {
        let mut pulse = Pulse::default();
        assert_eq!(pulse.stuck_for(), Duration::ZERO);
        let seen = pulse.clone();
        let step = pulse.step();
        let later = Pulse { made: seen.made - Duration::from_secs(60), ..seen.clone() };
        assert!(later.stuck_for() >= Duration::from_secs(59));
        drop(step);
        assert_eq!(later.stuck_for(), Duration::ZERO);
        pulse = later;
        drop(pulse.step());
        assert_eq!(seen.stuck_for(), Duration::ZERO);
    }
}
