//! The section `schedule`: how often rules that wait for `schedule.daily` are told of open items.

use std::time::Duration;

use super::fields::Fields;
use super::findings::Findings;
use super::table::Presence::Default;
use super::table::{Kind, Section, key};
use super::values::{count, duration};

pub(super) static SCHEDULE: Section = Section {
    path: "schedule",
    help: "Rules with the trigger `schedule.daily` are told of every open issue and pull request of their repositories. An item that a rule says no to by what GitHub's list tells of it is not stored.",
    keys: &[
        key(
            "every",
            Kind::Duration { least: "1s", most: "30d" },
            Default("1d"),
            "How often. Nothing is listed when no rule waits for it.",
        ),
        key(
            "max_requests",
            Kind::Count { least: 10, most: 100_000 },
            Default("500"),
            "Requests that one round may cost: one for each repository, and one for each 100 open items. The rest has to wait for the next round.",
        ),
    ],
};

/// When open items are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub every: Duration,
    pub max_requests: u32,
}

pub(super) fn schedule(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Schedule> {
    let every = fields.read("every", findings, duration);
    let max_requests = fields.read("max_requests", findings, count);
    Some(Schedule { every: every?, max_requests: u32::try_from(max_requests?).ok()? })
}
