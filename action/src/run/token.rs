//! What to tell of a token that may not do what rules ask for.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use orchd::actions;
use orchd::core::event::Event;
use orchd::core::manifest::{Needed, Wishes};
use orchd::core::rule::Rule;
use orchd::github::GitHubError;
use serde_json::Value;

use crate::workflow::Workflow;

/// What `permissions:` of a job can grant, by the name that Apps have for it.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#permissions>
const GRANTABLE: [&str; 10] = [
    "actions",
    "checks",
    "contents",
    "deployments",
    "discussions",
    "issues",
    "packages",
    "pages",
    "pull_requests",
    "statuses",
];
/// What every token has.
const FREE: &str = "metadata";

/// Whether GitHub's no is about what the token may do, in the words that a decision keeps of it.
pub(super) fn is_refusal(text: &str) -> bool {
    text.contains("GitHub refused (403)")
}

pub(super) fn is_refusal_of(error: &GitHubError) -> bool {
    matches!(error, GitHubError::Refused { status: 401 | 403, .. } | GitHubError::Credentials(_))
}

/// What to mend, in a message of several lines.
pub(super) fn advice(event: &Event, run: &Workflow, rules: &[Rule]) -> String {
    if let Some(why) = read_only(event, run) {
        return why;
    }
    let wishes = Wishes { rules, kinds: actions::kinds(), own_files: None, commands: false, teams: false };
    let needed: BTreeMap<&str, &str> = Needed::by(&wishes)
        .permissions
        .iter()
        .filter(|(name, _)| **name != FREE)
        .map(|(name, need)| (*name, need.level()))
        .collect();
    let mut told =
        "the token may not do what the rules ask for. They need, in the job:\npermissions:\n  contents: read"
            .to_owned();
    for (name, level) in needed.iter().filter(|(name, _)| GRANTABLE.contains(name)) {
        let line = format!("\n  {}: {level}", name.replace('_', "-"));
        if *name == "contents" {
            told = told.replace("\n  contents: read", &line);
        } else {
            told.push_str(&line);
        }
    }
    let beyond: Vec<&str> = needed.keys().copied().filter(|name| !GRANTABLE.contains(name)).collect();
    if !beyond.is_empty() {
        let _ = write!(
            told,
            "\nand {}, which no workflow's own token can have: give the input `token` one of an App that has it",
            beyond.join(", ")
        );
    }
    told
}

/// Why the run's token can only read, whatever the workflow says.
fn read_only(event: &Event, run: &Workflow) -> Option<String> {
    let text = |pointer: &str| event.payload.pointer(pointer).and_then(Value::as_str);
    if run.actor.as_deref() == Some("dependabot[bot]") && run.event_name != "pull_request_target" {
        return Some(
            "Dependabot caused this run, and GitHub gives such runs a read-only token: run on `pull_request_target` \
             instead, and check nothing of the pull request out (docs/action.md, \"Forks\")"
                .to_owned(),
        );
    }
    let of_pull =
        matches!(run.event_name.as_str(), "pull_request" | "pull_request_review" | "pull_request_review_comment");
    // A fork that is gone has no name.
    let of_fork = of_pull && text("/pull_request/head/repo/full_name") != text("/pull_request/base/repo/full_name");
    of_fork.then(|| {
        "the pull request comes from a fork, and GitHub gives such a run a read-only token whatever its `permissions:` \
         say: run on `pull_request_target` instead, and check nothing of the pull request out (docs/action.md, \"Forks\")"
            .to_owned()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::DateTime;
    use orchd::config::{FileTerms, repository};
    use orchd::core::event::{EventId, RepoName};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::workflow::tests::variables;

    fn rules(text: &str) -> Vec<Rule> {
        let actions: Vec<String> = actions::kinds().iter().map(|kind| kind.name.to_owned()).collect();
        let terms = FileTerms { actions, max_rules: 9, max_size: 9_999 };
        repository::read(text, "a.yml", &RepoName::parse("acme/web").unwrap(), &terms, actions::kinds()).unwrap()
    }

    fn told(name: &str, payload: Value, actor: &str, text: &str) -> String {
        let mut set = variables();
        set.insert("GITHUB_EVENT_NAME".to_owned(), name.to_owned());
        set.insert("GITHUB_ACTOR".to_owned(), actor.to_owned());
        let event = Event::from_payload(EventId(Uuid::nil()), name, DateTime::UNIX_EPOCH, payload);
        advice(&event, &Workflow::read(&set).unwrap(), &rules(text))
    }

    #[test]
    fn the_keys_to_add_are_named_as_a_workflow_writes_them() {
        let rules = "rules:\n- {name: a, on: [issues.opened, pull_request.opened], then: [{label: {add: [x]}}]}\n\
                     - {name: b, on: pull_request.opened, if: {checks: passing}, then: [{comment: {body: hi}}]}\n";
        let advice = told("issues", json!({"issue": {"number": 1}}), "alice", rules);
        let expected = "the token may not do what the rules ask for. They need, in the job:\npermissions:\n  contents: read\n  \
                        checks: read\n  issues: write\n  pull-requests: write\n  statuses: read";
        assert_eq!(advice, expected);
    }

    #[test]
    fn a_fork_and_dependabot_are_told_plainly() {
        let rules = "rules:\n- {name: a, on: pull_request.opened, then: [{label: {add: [x]}}]}\n";
        let pull = |head: Value| json!({"pull_request": {"number": 1, "head": {"repo": head}, "base": {"repo": {"full_name": "acme/web"}}}});
        let fork = told("pull_request", pull(json!({"full_name": "eve/web"})), "eve", rules);
        assert!(fork.contains("comes from a fork") && fork.contains("pull_request_target"), "{fork}");
        let gone = told("pull_request", pull(json!(null)), "eve", rules);
        assert!(gone.contains("comes from a fork"), "{gone}");
        let own = pull(json!({"full_name": "acme/web"}));
        assert!(told("pull_request", own.clone(), "dependabot[bot]", rules).starts_with("Dependabot caused"));
        assert!(told("pull_request", own, "alice", rules).contains("pull-requests: write"));
        let target = told("pull_request_target", pull(json!({"full_name": "eve/web"})), "eve", rules);
        assert!(target.contains("permissions:"), "{target}");
    }
}
