//! What states are called and how they are meant, the same on every page.

use super::parts::{Pill, Tone};
use crate::core::decide::Verdict;
use crate::core::rule::Mode;
use crate::store::effects::EffectState;
use crate::store::events::EventStatus;

pub(super) fn mode(mode: Mode) -> Pill {
    match mode {
        Mode::Active => Pill::new(Tone::Good, "active"),
        Mode::Shadow => Pill::new(Tone::Busy, "shadow"),
        Mode::Off => Pill::new(Tone::Quiet, "off"),
    }
}

/// `None`: it acts, as rules mostly do.
pub(super) fn unusual_mode(of: Mode) -> Option<Pill> {
    (of != Mode::Active).then(|| mode(of))
}

pub(super) fn verdict(verdict: Verdict) -> Pill {
    match verdict {
        Verdict::Matched => Pill::new(Tone::Good, "matched"),
        Verdict::NotMatched => Pill::new(Tone::Quiet, "not matched"),
        Verdict::Skipped => Pill::new(Tone::Quiet, "skipped"),
    }
}

pub(super) fn event(status: EventStatus) -> Pill {
    match status {
        EventStatus::Received => Pill::new(Tone::Busy, "received"),
        EventStatus::Processing => Pill::new(Tone::Busy, "processing"),
        EventStatus::Processed => Pill::new(Tone::Good, "processed"),
        EventStatus::Failed => Pill::new(Tone::Bad, "failed"),
    }
}

pub(super) fn effect(state: EffectState) -> Pill {
    let (tone, word) = match state {
        EffectState::Planned => (Tone::Busy, "planned"),
        EffectState::Writing => (Tone::Busy, "writing"),
        EffectState::Applied => (Tone::Good, "applied"),
        EffectState::Unchanged => (Tone::Quiet, "unchanged"),
        EffectState::Waiting => (Tone::Busy, "waiting"),
        EffectState::Held => (Tone::Look, "held"),
        EffectState::Gated => (Tone::Quiet, "gated"),
        EffectState::Shadow => (Tone::Busy, "shadow"),
        EffectState::Failed => (Tone::Bad, "failed"),
        EffectState::Quarantined => (Tone::Bad, "quarantined"),
        EffectState::Undone => (Tone::Quiet, "taken back"),
    };
    Pill::new(tone, word)
}
