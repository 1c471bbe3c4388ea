//! Tokens as runs of workflows have them: for one repository, and for what `permissions:` of the job say.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#permissions>

use std::collections::BTreeSet;

use chrono::{Duration, Utc};
use serde_json::Value;

use super::GitHub;
use super::call::{Answer, Call};
use super::world::{Token, World};

impl GitHub {
    /// A token for a repository that an installation covers; `permissions` as a workflow writes them
    /// (`{"issues": "write"}`). What it writes is the App's: start with the slug `github-actions`.
    pub fn run_token(&self, repository: &str, permissions: &Value) -> String {
        let installation = self.installation_of(repository);
        self.inner.update(|world| {
            let text = format!("ghs_{}", world.seed.hex(36));
            let token = Token {
                installation,
                repositories: Some(BTreeSet::from([repository.to_lowercase()])),
                expires_at: Utc::now() + Duration::hours(6),
                permissions: Some(permissions.clone()),
            };
            world.tokens.insert(text.clone(), token);
            text
        })
    }
}

/// What GitHub says to a token that lacks a permission.
pub(super) fn refusal(world: &World, call: &Call) -> Option<Answer> {
    let granted = world.tokens.get(call.bearer()?)?.permissions.as_ref()?;
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let ["repos", owner, name, rest @ ..] = segments.as_slice() else { return None };
    let number = rest.get(1).and_then(|number| number.parse().ok());
    let is_pull = number.is_some_and(|number| {
        let repository = world.repository(&format!("{owner}/{name}"));
        repository.and_then(|found| found.items.get(&number)).is_some_and(|item| item.pull.is_some())
    });
    let reads = call.method == "GET";
    // Any one of them is enough.
    let enough: &[&str] = match rest {
        ["issues", ..] if is_pull || reads => &["issues", "pull-requests"],
        ["issues", ..] => &["issues"],
        ["pulls", _, "merge"] | ["git" | "contents" | "dispatches" | "compare", ..] => &["contents"],
        ["pulls", ..] => &["pull-requests"],
        ["commits", _, "check-runs"] | ["check-runs", ..] => &["checks"],
        ["commits", _, "status"] | ["statuses", ..] => &["statuses"],
        ["actions", ..] => &["actions"],
        _ => return None,
    };
    let holds = |name: &&&str| match granted[**name].as_str() {
        Some("write") => true,
        Some("read") => reads,
        _ => false,
    };
    if enough.iter().any(|name| holds(&name)) {
        return None;
    }
    Some(Answer::error(403, "Resource not accessible by integration"))
}
