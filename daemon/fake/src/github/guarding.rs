//! What guards a repository: rules of its branches, what GitHub says of its CODEOWNERS, the settings of its Actions.
//! <https://docs.github.com/en/rest/repos/rules#get-rules-for-a-branch>

use serde_json::{Value, json};

use super::GitHub;
use super::call::{Answer, Call};
use super::world::World;

/// Nothing, by default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guards {
    /// Types of the rules of every branch.
    rules: Vec<String>,
    owner_errors: Vec<Value>,
}

impl GitHub {
    /// From now on a ruleset with rules of these types guards every branch of a repository.
    pub fn guard_branches(&self, repository: &str, rules: &[&str]) {
        self.inner.update(|world| {
            let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
            world.guards.entry(repository.to_lowercase()).or_default().rules = rules;
        });
    }

    /// GitHub finds an owner of a line of CODEOWNERS unknown. `source` is the line, the column counts from 1.
    pub fn unknown_owner(&self, repository: &str, line: u64, column: u64, source: &str) {
        let name: String =
            source.chars().skip(usize::try_from(column).unwrap_or(1) - 1).take_while(|c| *c != ' ').collect();
        let suggestion = format!("make sure {name} exists and has write access to the repository");
        let error = json!({
            "line": line, "column": column, "kind": "Unknown owner", "source": source, "suggestion": suggestion,
            "message": format!("Unknown owner on line {line}: {suggestion}\n\n  {source}\n"), "path": ".github/CODEOWNERS",
        });
        self.inner.update(|world| {
            world.guards.entry(repository.to_lowercase()).or_default().owner_errors.push(error);
        });
    }
}

/// `None`: it is about something else.
pub(crate) fn show(world: &World, call: &Call, repository: &str, rest: &[&str]) -> Option<Answer> {
    if call.method != "GET" {
        return None;
    }
    let guards = world.guards.get(&repository.to_lowercase()).cloned().unwrap_or_default();
    match rest {
        ["rules", "branches", _] => {
            let rule = |kind: &String| json!({"type": kind, "ruleset_source_type": "Repository", "ruleset_id": 1});
            Some(Answer::page(call, guards.rules.iter().map(rule).collect()))
        }
        ["branches", branch] => {
            let protected = !guards.rules.is_empty();
            Some(Answer::ok(json!({"name": branch, "protected": protected, "protection": {"enabled": false}})))
        }
        ["codeowners", "errors"] => Some(Answer::ok(json!({"errors": guards.owner_errors}))),
        // It takes `administration`, which no token of a run has.
        ["actions", "permissions", "workflow"] => Some(Answer::error(403, "Resource not accessible by integration")),
        _ => None,
    }
}
