//! Scripts into which a workflow pastes what strangers write.
//! <https://docs.github.com/en/actions/concepts/security/script-injections>

use super::super::Check;
use super::super::document::{Document, entry};
use super::super::expression::Expression;
use super::super::scene::{Scene, Seen};
use super::super::workflow::{text, uses};
use crate::core::marked::{Node, Tree};

pub(in super::super) static CHECK: Check = Check {
    id: "script-injection",
    title: "No script is made of what strangers write",
    finds: "`${{ github.event.… }}`, `${{ github.head_ref }}` and `${{ env.… }}` that holds one, in a `run:` or a script of actions/github-script: what outsiders write an error; what takes write access, as inputs of a dispatch do, a warning. What is only compared, and numbers, ids, hashes and logins, are no findings.",
    points: 12,
    asks_github: false,
    look,
};

/// How bad it is that a context reaches a script.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// Anybody may write it.
    Strangers,
    /// It takes write access, or starting the workflow by hand.
    Members,
}

/// Parts of events that outsiders write.
const STRANGERS: [&str; 12] = [
    "issue",
    "pull_request",
    "comment",
    "review",
    "review_comment",
    "discussion",
    "answer",
    "commits",
    "head_commit",
    "pages",
    "workflow_run",
    "forkee",
];
/// Parts of events that only GitHub or administrators write.
const OURS: [&str; 5] = ["repository", "organization", "enterprise", "installation", "sender"];
/// Parts of items that take write access, or at least triage.
const OF_MEMBERS: [&str; 5] = ["base", "labels", "milestone", "assignees", "requested_teams"];
/// Last parts of what has a form in which no script can be hidden.
const HARMLESS: [&str; 40] = [
    "number",
    "id",
    "node_id",
    "sha",
    "before",
    "after",
    "action",
    "state",
    "merged",
    "draft",
    "locked",
    "created_at",
    "updated_at",
    "merged_at",
    "closed_at",
    "submitted_at",
    "published_at",
    "timestamp",
    "type",
    "login",
    "full_name",
    "site_admin",
    "private",
    "fork",
    "forced",
    "created",
    "deleted",
    "additions",
    "deletions",
    "changed_files",
    "author_association",
    "conclusion",
    "event",
    "status",
    "run_number",
    "run_attempt",
    "merge_commit_sha",
    "head_sha",
    "prerelease",
    "rebaseable",
];

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    for document in scene.workflows.iter().chain(&scene.actions) {
        let top = document.root.as_ref();
        for job in document.jobs() {
            for step in job.steps() {
                let envs = [step.get("env"), job.get("env"), top.and_then(|root| root.get("env"))];
                look_at(document, step, &envs, &mut seen);
            }
        }
        for step in document.action_steps() {
            look_at(document, step, &[step.get("env")], &mut seen);
        }
    }
    seen
}

fn look_at(document: &Document<'_>, step: &Node, envs: &[Option<&Node>], seen: &mut Seen) {
    let run = text(step, "run");
    let script = uses(step).filter(|name| name.eq_ignore_ascii_case("actions/github-script"));
    let script = script.and_then(|_| text(step.get("with")?, "script"));
    for (node, script) in run.into_iter().chain(script) {
        for expression in Expression::all(script) {
            let flows = expression.flows();
            let told = flows.iter().filter_map(|path| Some((origin(document, path, envs)?, path)));
            let worst = told.min_by_key(|(from, _)| *from != From::Strangers);
            let Some((from, path)) = worst else { continue };
            let at = document.at_piece(node, expression.written, expression.nth);
            let advice = format!(
                "hand it over as an environment variable, `env: {{VALUE: {}}}`, and write `\"$VALUE\"` in the script",
                expression.written
            );
            match from {
                From::Strangers => {
                    seen.error(at, format!("whoever writes `{path}` can put commands into this script"), advice)
                }
                From::Members => {
                    seen.warning(at, format!("`{path}` becomes a part of this script, whatever it holds"), advice)
                }
            }
        }
    }
}

/// Whose words a context can hold; `None`: those of nobody to be wary of.
fn origin(document: &Document<'_>, path: &str, envs: &[Option<&Node>]) -> Option<From> {
    let parts: Vec<&str> = path.split('.').collect();
    match parts.as_slice() {
        ["env", name] => in_environment(document, name, envs),
        ["github", "head_ref"] | ["github"] | ["github", "event"] => Some(From::Strangers),
        ["inputs", name] | ["github", "event", "inputs", name] => free_text(document, name).then_some(From::Members),
        ["github", "event", first, between @ .., last] if !OURS.contains(first) => {
            let above = between.last().copied().unwrap_or(first);
            if is_plain(above, last) {
                None
            } else if STRANGERS.contains(first) && !between.iter().any(|part| OF_MEMBERS.contains(part)) {
                Some(From::Strangers)
            } else {
                Some(From::Members)
            }
        }
        ["github", "event", part] if STRANGERS.contains(part) => Some(From::Strangers),
        ["github", "event", "client_payload" | "release" | "label" | "milestone" | "ref" | "base_ref" | "*"] => {
            Some(From::Members)
        }
        _ => None,
    }
}

/// Whether a part of an event has a form in which no script can be hidden. Names of repositories have.
fn is_plain(above: &str, last: &str) -> bool {
    let of_repository = last == "name" && matches!(above, "repo" | "head_repository" | "repository" | "workflow_run");
    of_repository || HARMLESS.contains(&last) || last == "url" || last.ends_with("_url") || last.ends_with("_count")
}

/// Whether a dispatch has an input of this name that may hold any text.
fn free_text(document: &Document<'_>, name: &str) -> bool {
    let triggers = document.triggers();
    let dispatch = triggers.iter().find(|(trigger, _)| *trigger == "workflow_dispatch");
    let inputs = dispatch.and_then(|(_, about)| about.as_ref()?.get("inputs"));
    let Some(Tree::Map(inputs)) = inputs.map(|inputs| &inputs.tree) else { return false };
    let input = inputs.iter().find(|input| input.key.eq_ignore_ascii_case(name));
    input.is_some_and(|input| {
        let kind = input.node.get("type").and_then(Node::as_text).unwrap_or("string");
        kind == "string"
    })
}

/// What the nearest variable of this name is made of. One step only: a variable of a variable is not followed.
fn in_environment(document: &Document<'_>, name: &str, envs: &[Option<&Node>]) -> Option<From> {
    let named = |env: &Node| match &env.tree {
        Tree::Map(entries) => {
            entries.iter().find(|entry| entry.key.eq_ignore_ascii_case(name)).map(|entry| entry.key.clone())
        }
        _ => None,
    };
    let (env, key) = envs.iter().flatten().find_map(|env| Some((env, named(env)?)))?;
    let value = entry(env, &key)?.node.as_text()?;
    let flows = Expression::all(value).into_iter().flat_map(|expression| expression.flows());
    let origins: Vec<From> = flows.filter_map(|path| origin(document, &path, &[])).collect();
    let strangers = origins.contains(&From::Strangers);
    origins.first().map(|first| if strangers { From::Strangers } else { *first })
}
