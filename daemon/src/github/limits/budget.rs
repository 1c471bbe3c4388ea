//! The budget of one identity: the quotas and the windows of the secondary limits together. Pure, and small enough to be
//! kept as text. Times are milliseconds of the clock of whoever keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::quota::{Quota, Short};
use super::told::{Refusal, Told};
use super::window::{HOUR, MINUTE, Span, Window};
use super::{Cost, Priority, Resource, Terms, millis};

/// Of what GitHub allows, orchd uses so many hundredths: GitHub's windows need not begin where ours do.
const USED: u32 = 90;
/// Changes that may follow each other without a pause, by priority: the higher ones always have some.
const BURST: [i64; 3] = [4, 7, 10];
/// Hundredths of a window that a priority may fill.
const SHARE: [u32; 3] = [60, 90, 100];
/// When a refusal does not say how long: GitHub asks for at least a minute, then longer each time.
const UNSAID: i64 = 60_000;
const UNSAID_DOUBLINGS: u32 = 4;
/// Without a refusal for so long, the next one counts as the first again.
const FORGIVEN: i64 = 1_800_000;
/// When as much is under way as may be, and nothing tells when something ends.
const BUSY: i64 = 50;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Budget {
    /// The latest time it was told, and so the earliest that it believes.
    latest: i64,
    quotas: BTreeMap<Resource, Quota>,
    points: Window,
    content_minute: Window,
    content_hour: Window,
    /// When the changes made so far would have been made one by one.
    writes_until: i64,
    closed_until: i64,
    refusals: u32,
    refused_at: i64,
}

/// What somebody wants to send.
#[derive(Clone, Copy, Debug)]
pub(in crate::github) struct Ask {
    pub resource: Resource,
    pub cost: Cost,
    pub priority: Priority,
    /// Reads may be granted several at once.
    pub count: u32,
}

/// What became of what was granted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Report {
    Answered {
        resource: Resource,
        told: Option<Told>,
        success: bool,
    },
    /// No answer came.
    Lost {
        resource: Resource,
    },
    /// Granted `then` (this budget's time) and not sent.
    Unused {
        resource: Resource,
        then: i64,
        count: u32,
    },
    Refused {
        resource: Resource,
        refusal: Refusal,
    },
}

/// Which limit makes somebody wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// GitHub said so.
    Refused,
    /// The hour's quota is used up.
    Exhausted,
    /// The hour's quota has to last.
    Paced,
    /// How much there is is being found out.
    Unknown,
    Points,
    Content,
    Spacing,
    AtOnce,
}

impl Why {
    pub(super) const ALL: [Self; 8] = [
        Self::Refused,
        Self::Exhausted,
        Self::Paced,
        Self::Unknown,
        Self::Points,
        Self::Content,
        Self::Spacing,
        Self::AtOnce,
    ];

    /// One word for metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Exhausted => "exhausted",
            Self::Paced => "paced",
            Self::Unknown => "unknown",
            Self::Points => "points",
            Self::Content => "content",
            Self::Spacing => "spacing",
            Self::AtOnce => "at_once",
        }
    }
}

/// The answer to an `Ask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// So many may be sent. `then` is for giving back; `probe`: its answer is waited for.
    Granted { count: u32, then: i64, probe: bool },
    /// Ask again after so many milliseconds.
    Wait { wait: i64, why: Why },
    /// Nothing was asked. How long GitHub's latest refusal holds, in milliseconds.
    Noted { closed: i64 },
}

fn most(limit: u32, priority: Priority) -> u32 {
    let most = u64::from(limit) * u64::from(USED) * u64::from(SHARE[priority as usize]) / 10_000;
    u32::try_from(most).unwrap_or(u32::MAX).max(1)
}

impl Budget {
    /// Notes what happened, then answers what is asked.
    pub(super) fn step(&mut self, now: i64, terms: &Terms, reports: &[Report], ask: Option<Ask>) -> Reply {
        let now = self.tick(now);
        let mut closed = 0;
        for report in reports {
            closed = closed.max(self.note(now, *report));
        }
        match ask {
            Some(ask) => self.ask(now, terms, ask),
            None => Reply::Noted { closed },
        }
    }

    /// A clock that goes back takes everything noted with it: no time has passed, and none has to be waited for again.
    fn tick(&mut self, now: i64) -> i64 {
        let back = self.latest - now;
        if back > 0 && self.latest > 0 {
            self.points.shift(-back.div_euclid(MINUTE.slot));
            self.content_minute.shift(-back.div_euclid(MINUTE.slot));
            self.content_hour.shift(-back.div_euclid(HOUR.slot));
            self.quotas.values_mut().for_each(|quota| quota.shift(back));
            self.writes_until -= back;
            self.closed_until -= back;
            self.refused_at -= back;
        }
        self.latest = now;
        now
    }

    fn ask(&mut self, now: i64, terms: &Terms, ask: Ask) -> Reply {
        if now < self.closed_until {
            return Reply::Wait { wait: self.closed_until - now, why: Why::Refused };
        }
        let answer_within = millis(terms.answer_within);
        let out: u32 = self.quotas.values_mut().map(|quota| quota.out(now, answer_within)).sum();
        let Some(slots) = terms.at_once.checked_sub(out).filter(|free| *free > 0) else {
            return Reply::Wait { wait: BUSY, why: Why::AtOnce };
        };
        let quota = self.quotas.entry(ask.resource).or_default();
        let free = match quota.free(now, ask.resource.window(), answer_within, ask.priority, ask.cost) {
            Ok(free) => free,
            Err(Short::Exhausted(wait)) => return Reply::Wait { wait, why: Why::Exhausted },
            Err(Short::Paced(wait)) => return Reply::Wait { wait, why: Why::Paced },
            Err(Short::Unknown(wait)) => return Reply::Wait { wait, why: Why::Unknown },
        };
        let room = match self.room(now, terms, ask) {
            Ok(room) => room,
            Err((wait, why)) => return Reply::Wait { wait, why },
        };
        let wanted = if ask.cost == Cost::Read { ask.count.max(1) } else { 1 };
        let count = wanted.min(free.count).min(slots).min(room);
        self.take(now, terms, ask, count);
        Reply::Granted { count, then: now, probe: free.probe }
    }

    /// How many fit into the secondary limits now.
    fn room(&mut self, now: i64, terms: &Terms, ask: Ask) -> Result<u32, (i64, Why)> {
        let mut room = u32::MAX;
        if terms.points_a_minute > 0 {
            let most = most(terms.points_a_minute, ask.priority);
            let points = self.points.room(MINUTE, now, most, ask.cost.points()).map_err(|wait| (wait, Why::Points))?;
            room = points / ask.cost.points();
        }
        if ask.cost == Cost::Content {
            let mut fits = |window: fn(&mut Self) -> &mut Window, span: Span, limit: u32| match limit {
                0 => Ok(u32::MAX),
                _ => window(self).room(span, now, most(limit, ask.priority), 1).map_err(|wait| (wait, Why::Content)),
            };
            fits(|budget| &mut budget.content_minute, MINUTE, terms.content_a_minute)?;
            fits(|budget| &mut budget.content_hour, HOUR, terms.content_an_hour)?;
        }
        if ask.cost != Cost::Read {
            let ahead = self.writes_until - now - millis(terms.write_spacing) * (BURST[ask.priority as usize] - 1);
            if ahead > 0 {
                return Err((ahead, Why::Spacing));
            }
        }
        Ok(room)
    }

    fn take(&mut self, now: i64, terms: &Terms, ask: Ask, count: u32) {
        self.quotas.entry(ask.resource).or_default().grant(now, millis(terms.answer_within), count);
        self.points.add(MINUTE, now, count * ask.cost.points());
        if ask.cost == Cost::Content {
            self.content_minute.add(MINUTE, now, 1);
            self.content_hour.add(HOUR, now, 1);
        }
        if ask.cost != Cost::Read {
            self.writes_until = self.writes_until.max(now) + millis(terms.write_spacing);
        }
    }

    /// Gives how long a refusal holds.
    fn note(&mut self, now: i64, report: Report) -> i64 {
        match report {
            Report::Answered { resource, told, success } => {
                // Of another quota than was thought: the request is over, and the numbers are that one's.
                let about = told.and_then(|told| told.resource).unwrap_or(resource);
                if about == resource {
                    self.quotas.entry(resource).or_default().answered(now, told, success);
                } else {
                    self.quotas.entry(resource).or_default().answered(now, None, false);
                    self.quotas.entry(about).or_default().answered(now, told, success);
                }
                0
            }
            Report::Lost { resource } => {
                self.quotas.entry(resource).or_default().lost();
                0
            }
            Report::Unused { resource, then, count } => {
                self.quotas.entry(resource).or_default().give_back(count);
                self.points.take_back(MINUTE, then, count);
                0
            }
            Report::Refused { resource, refusal } => self.refused(now, resource, refusal),
        }
    }

    fn refused(&mut self, now: i64, resource: Resource, refusal: Refusal) -> i64 {
        let wait = match refusal {
            Refusal::Exhausted { reset_in } => {
                return self.quotas.entry(resource).or_default().exhausted(now, reset_in);
            }
            Refusal::After(seconds) => seconds * 1_000,
            Refusal::Unsaid => {
                self.refusals = if now - self.refused_at > FORGIVEN { 1 } else { self.refusals.saturating_add(1) };
                self.refused_at = now;
                UNSAID << (self.refusals - 1).min(UNSAID_DOUBLINGS)
            }
        };
        self.closed_until = self.closed_until.max(now + wait);
        self.closed_until - now
    }
}
