//! What guards the default branch.

use super::super::scene::{At, Scene, Seen};
use super::super::told::why_not;
use super::super::{Check, Severity};
use crate::core::facts::Known;

pub(in super::super) static CHECK: Check = Check {
    id: "branch-rules",
    title: "The default branch is guarded",
    finds: "A default branch without any rule or protection, or whose rules ask for no pull request (warnings), for no passing checks, or let its history be rewritten or the branch be deleted (notices).",
    points: 10,
    asks_github: true,
    look,
};

const WHERE: &str = "Settings → Rules → Rulesets";

/// A rule that a default branch should have.
struct Wanted {
    /// Any one of these types will do.
    rules: &'static [&'static str],
    severity: Severity,
    /// What is so without it.
    without: &'static str,
    /// What GitHub's page calls it.
    setting: &'static str,
}

static WANTED: [Wanted; 4] = [
    Wanted {
        rules: &["pull_request", "merge_queue"],
        severity: Severity::Warning,
        without: "the rules of the default branch ask for no pull request",
        setting: "Require a pull request before merging",
    },
    Wanted {
        rules: &["required_status_checks", "workflows"],
        severity: Severity::Notice,
        without: "the rules of the default branch ask for no passing checks",
        setting: "Require status checks to pass",
    },
    Wanted {
        rules: &["non_fast_forward"],
        severity: Severity::Notice,
        without: "the history of the default branch can be rewritten",
        setting: "Block force pushes",
    },
    Wanted {
        rules: &["deletion"],
        severity: Severity::Notice,
        without: "the default branch can be deleted",
        setting: "Restrict deletions",
    },
];

fn look(scene: &Scene) -> Seen {
    let protection = match &scene.told.protection {
        Known::Is(protection) => protection,
        unknown => return Seen::not_done(why_not(unknown, "the rules of the default branch").unwrap_or_default()),
    };
    let has = |rule: &str| protection.rules.iter().any(|each| each == rule);
    let guarded = WANTED.iter().all(|wanted| wanted.rules.iter().any(|rule| has(rule)));
    if protection.classic && !guarded {
        let why = "the default branch has branch protection of old, whose terms GitHub shows to administrators only";
        return Seen::not_done(why);
    }
    let mut seen = Seen::default();
    if protection.rules.is_empty() {
        let message = "nothing guards the default branch: whoever may push can rewrite it";
        let advice = format!("{WHERE}: ask for a pull request and for passing checks, and block force pushes");
        seen.warning(At::nowhere(), message, advice);
        return seen;
    }
    for wanted in WANTED.iter().filter(|wanted| !wanted.rules.iter().any(|rule| has(rule))) {
        seen.find(wanted.severity, At::nowhere(), wanted.without, format!("{WHERE}: “{}”", wanted.setting));
    }
    seen
}
