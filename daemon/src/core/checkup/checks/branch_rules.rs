//! What guards the default branch.

use super::super::Check;
use super::super::scene::{At, Scene, Seen};
use super::super::told::why_not;
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

fn look(scene: &Scene) -> Seen {
    let protection = match &scene.told.protection {
        Known::Is(protection) => protection,
        unknown => return Seen::not_done(why_not(unknown, "the rules of the default branch").unwrap_or_default()),
    };
    let mut seen = Seen::default();
    if protection.rules.is_empty() {
        if protection.protected {
            seen.open.push(
                "the default branch has branch protection of old, whose terms GitHub shows to administrators only"
                    .to_owned(),
            );
        } else {
            let message = "nothing guards the default branch: whoever may push can rewrite it";
            seen.warning(
                At::nowhere(),
                message,
                format!("{WHERE}: ask for a pull request and for passing checks, and block force pushes"),
            );
        }
        return seen;
    }
    let has = |rule: &str| protection.rules.iter().any(|each| each == rule);
    // Branch protection of old may ask for what the rulesets do not, and does not show.
    if protection.protected && !has("pull_request") {
        seen.open.push(
            "whether branch protection of old asks for more than the rulesets do is shown to administrators only"
                .to_owned(),
        );
    }
    if !has("pull_request") && !has("merge_queue") {
        seen.warning(
            At::nowhere(),
            "the rules of the default branch ask for no pull request",
            format!("{WHERE}: “Require a pull request before merging”"),
        );
    }
    if !has("required_status_checks") && !has("workflows") {
        seen.notice(
            At::nowhere(),
            "the rules of the default branch ask for no passing checks",
            format!("{WHERE}: “Require status checks to pass”"),
        );
    }
    if !has("non_fast_forward") {
        seen.notice(
            At::nowhere(),
            "the history of the default branch can be rewritten",
            format!("{WHERE}: “Block force pushes”"),
        );
    }
    if !has("deletion") {
        seen.notice(At::nowhere(), "the default branch can be deleted", format!("{WHERE}: “Restrict deletions”"));
    }
    seen
}
