//! What may stand in a URL's query: declared once for each operation, so that the API's description says what is read.

/// A query parameter.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Param {
    pub(in crate::http) name: &'static str,
    pub(super) kind: ParamKind,
    pub(in crate::http) help: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ParamKind {
    Text,
    /// RFC 3339.
    Time,
    /// A UUID.
    Id,
    Count {
        least: u64,
        most: u64,
    },
    Flag,
    /// `owner/name`.
    Repository,
    /// The name of a rule.
    Rule,
    Words(&'static [&'static str]),
}

pub(super) const fn param(name: &'static str, kind: ParamKind, help: &'static str) -> Param {
    Param { name, kind, help }
}

use ParamKind::{Count, Id, Repository, Rule, Time};

pub(super) const REPO: Param = param("repo", Repository, "Of this repository.");
pub(super) const NUMBER: Param =
    param("number", Count { least: 1, most: i64::MAX as u64 }, "Of the issue or pull request of this number.");
pub(super) const RULE: Param = param("rule", Rule, "Of this rule.");
pub(super) const EVENT: Param = param("event", Id, "Of this event.");
pub(super) const SINCE: Param = param("since", Time, "Not before.");
pub(super) const UNTIL: Param = param("until", Time, "Before.");
/// See [`super::query::Query::limit`].
pub(super) const LIMIT: Param =
    param("limit", Count { least: 1, most: 1_000 }, "Rows of a page; 50 unless it is said.");
pub(super) const AFTER: Param = param("after", Id, "Where the page begins: `next` of the one before.");
