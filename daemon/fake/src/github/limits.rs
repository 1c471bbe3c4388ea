//! GitHub's limits, primary and secondary, as its documentation describes them. Told the time, so that a test can let an
//! hour pass in no time: docs.github.com, "Rate limits for the REST API".

use std::collections::VecDeque;
use std::time::Duration;

/// What one installation may do.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Requests in a window.
    pub quota: u32,
    pub window: Duration,
    /// Reads count 1, everything else 5.
    pub points_a_minute: u32,
    pub content_a_minute: u32,
    pub content_an_hour: u32,
    pub at_once: u32,
    /// What a secondary refusal says in `retry-after`; `None`: nothing, only the text tells what it is.
    pub retry_after: Option<Duration>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            quota: 5_000,
            window: Duration::from_secs(3_600),
            points_a_minute: 900,
            content_a_minute: 80,
            content_an_hour: 500,
            at_once: 100,
            retry_after: Some(Duration::from_secs(60)),
        }
    }
}

/// What was used of the rules. Times are milliseconds since 1970.
#[derive(Clone, Debug)]
pub struct Meter {
    pub rules: Rules,
    used: u32,
    reset: i64,
    points: VecDeque<(i64, u32)>,
    content: VecDeque<i64>,
    under_way: u32,
    refusals: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// The window's quota is used up.
    Primary,
    /// Too much at once or in too short a time; which limit that was.
    Secondary(&'static str),
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;

impl Meter {
    pub fn new(rules: Rules) -> Self {
        Self { rules, used: 0, reset: 0, points: VecDeque::new(), content: VecDeque::new(), under_way: 0, refusals: 0 }
    }

    /// A request arrives. It is under way until [`Meter::end`], whatever the verdict.
    pub fn begin(&mut self, now: i64, method: &str, path: &str) -> Verdict {
        self.under_way += 1;
        let verdict = self.judge(now, method, path);
        self.refusals += u32::from(verdict != Verdict::Allowed);
        verdict
    }

    pub fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// The answer was a 304, which costs nothing of the quota.
    pub fn give_back(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    fn judge(&mut self, now: i64, method: &str, path: &str) -> Verdict {
        if now >= self.reset {
            self.used = 0;
            self.reset = now + i64::try_from(self.rules.window.as_millis()).unwrap_or(HOUR);
        }
        while self.points.front().is_some_and(|(at, _)| *at <= now - MINUTE) {
            self.points.pop_front();
        }
        while self.content.front().is_some_and(|at| *at <= now - HOUR) {
            self.content.pop_front();
        }
        let reads = matches!(method, "GET" | "HEAD" | "OPTIONS");
        let points = if reads { 1 } else { 5 };
        let makes = method == "POST" && !path.contains("/access_tokens") && !path.ends_with("/labels");
        let in_a_minute = self.content.iter().filter(|at| **at > now - MINUTE).count();
        if self.under_way > self.rules.at_once {
            return Verdict::Secondary("too many at once");
        }
        if self.points.iter().map(|(_, points)| points).sum::<u32>() + points > self.rules.points_a_minute {
            return Verdict::Secondary("points in a minute");
        }
        if makes && in_a_minute >= self.rules.content_a_minute as usize {
            return Verdict::Secondary("content in a minute");
        }
        if makes && self.content.len() >= self.rules.content_an_hour as usize {
            return Verdict::Secondary("content in an hour");
        }
        if self.used >= self.rules.quota {
            return Verdict::Primary;
        }
        self.used += 1;
        self.points.push_back((now, points));
        if makes {
            self.content.push_back(now);
        }
        Verdict::Allowed
    }

    /// Requests of the quota used in this window.
    pub fn used(&self) -> u32 {
        self.used
    }

    /// Requests refused so far.
    pub fn refusals(&self) -> u32 {
        self.refusals
    }

    /// When the quota is whole again.
    pub fn reset(&self) -> i64 {
        self.reset
    }
}
