//! What is around every page: where one is, who one is, and what was just done.

use super::Visit;
use crate::core::access::Op;

/// What deeds tell on the page they lead to. The URL holds the word, never the text.
const NOTICES: &[(&str, &str)] = &[
    ("replayed", "The rules look at the event again."),
    ("breaker-reset", "The breaker is reset: the rule acts there again, on what arrives from now on."),
    ("breakers-reset", "Every breaker is reset: the rules act again, on what arrives from now on."),
    ("config-confirmed", "The config is confirmed and in use."),
    ("config-rolled-back", "The earlier config is in use. What is on disk is held until it changes or is confirmed."),
    ("config-in-use", "The config is written and in use."),
    ("config-committed", "The config is written, committed, and in use."),
    (
        "config-held",
        "The config is written, and held: it would touch much. What it would do is told below; confirm it or change it.",
    ),
    ("config-not-committed", "The config is written, and could not be committed: the audit log says why."),
    ("config-not-taken-up", "The config is written, and is not in use: why is told below."),
    ("refreshing", "GitHub is asked where the App is installed: what it says shows here in a moment."),
    ("retried", "The job is tried again, in its lane's order."),
    ("discarded", "The job was given up for good."),
    ("executed", "The rollback is being carried out."),
    ("session-ended", "The session has ended."),
    ("key-revoked", "The key is good for nothing any more."),
    ("signed-out", "Their sessions have ended. Keys go on until they are revoked."),
];

/// A part of the navigation.
pub(in crate::http) struct Link {
    pub(in crate::http) name: &'static str,
    pub(in crate::http) url: &'static str,
    pub(in crate::http) is_here: bool,
}

/// Passed to every template of a page as `layout`.
pub(in crate::http) struct Layout {
    pub(in crate::http) links: Vec<Link>,
    pub(in crate::http) login: String,
    pub(in crate::http) csrf: String,
    /// What was just done.
    pub(in crate::http) notice: Option<&'static str>,
    /// GitHub shows more repositories than orchd looks at.
    pub(in crate::http) is_short: bool,
}

/// Name, URL, and what it takes to be offered.
const AREAS: &[(&str, &str, Option<Op>)] = &[
    ("Overview", "/", None),
    ("Events", "/events", Some(Op::EventsList)),
    ("Repositories", "/repositories", Some(Op::RepositoriesList)),
    ("Rules", "/rules", Some(Op::RulesList)),
    ("Jobs", "/jobs", Some(Op::JobsList)),
    ("Rollbacks", "/rollbacks", Some(Op::RollbacksList)),
    ("Audit", "/audit", Some(Op::AuditList)),
    ("Config", "/config", Some(Op::ConfigShow)),
    ("Settings", "/settings", Some(Op::SessionsList)),
];

impl Layout {
    /// `area`: the name of a part of the navigation, or of none.
    pub(super) fn of(visit: &Visit, area: &'static str) -> Self {
        let offered = AREAS.iter().filter(|(.., op)| op.is_none_or(|op| visit.may(op)));
        let links = offered.map(|&(name, url, _)| Link { name, url, is_here: name == area }).collect();
        let told = visit.query.get("done");
        Self {
            links,
            login: visit.caller.who.name().unwrap_or_default(),
            csrf: visit.csrf(),
            notice: NOTICES.iter().find(|(word, _)| Some(*word) == told).map(|(_, text)| *text),
            is_short: visit.caller.sight.is_short,
        }
    }
}
