//! What an answer's headers say about limits. Pure.

use chrono::DateTime;
use http::HeaderMap;

use super::Resource;

/// The headers of the primary limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::github) struct Told {
    pub resource: Option<Resource>,
    pub limit: u32,
    pub remaining: u32,
    /// Milliseconds by GitHub's own clock (the `Date` of the answer), so that ours may be wrong; zero or less: it has
    /// passed. `None`: not told, or no `Date` to judge it by.
    pub reset_in: Option<i64>,
}

/// A 403 or 429 that was about a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::github) enum Refusal {
    /// GitHub named the seconds.
    After(i64),
    /// Nothing remains until the reset, in milliseconds.
    Exhausted { reset_in: Option<i64> },
    /// Only the text says so: a secondary limit.
    Unsaid,
}

impl Told {
    /// `None`: the headers name no quota.
    pub(in crate::github) fn read(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        let number = |name: &str| text(name)?.parse::<u32>().ok();
        Some(Self {
            resource: text("x-ratelimit-resource").and_then(Resource::named),
            limit: number("x-ratelimit-limit")?,
            remaining: number("x-ratelimit-remaining")?,
            reset_in: reset_in(headers),
        })
    }
}

/// Milliseconds from the answer's `Date` to its `x-ratelimit-reset`.
pub(in crate::github) fn reset_in(headers: &HeaderMap) -> Option<i64> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let reset: i64 = text("x-ratelimit-reset")?.parse().ok()?;
    let date = DateTime::parse_from_rfc2822(text("date")?).ok()?;
    Some(reset.saturating_sub(date.timestamp()).clamp(-86_400, 86_400) * 1_000)
}

impl Refusal {
    /// Of an answer that is known to be about a limit.
    pub(in crate::github) fn read(headers: &HeaderMap) -> Self {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
        match number("retry-after") {
            Some(seconds) => Self::After(seconds.clamp(1, 3_600)),
            None if number("x-ratelimit-remaining") == Some(0) => Self::Exhausted { reset_in: reset_in(headers) },
            None => Self::Unsaid,
        }
    }
}
