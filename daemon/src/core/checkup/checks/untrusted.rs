//! Workflows that run a stranger's code with the repository's rights.
//! <https://docs.github.com/en/actions/reference/security/securely-using-pull_request_target>

use super::super::Check;
use super::super::document::{Document, entries};
use super::super::expression::Expression;
use super::super::scene::{Scene, Seen};
use super::super::workflow::{text, uses};
use crate::core::marked::Node;

pub(in super::super) static CHECK: Check = Check {
    id: "untrusted-checkout",
    title: "No workflow with secrets checks out a stranger's code",
    finds: "A checkout of a pull request's head, by actions/checkout, `gh pr checkout` or git, in a workflow that `pull_request_target`, `workflow_run` or `issue_comment` starts (errors).",
    points: 12,
    asks_github: false,
    look,
};

/// Events that start a workflow with the repository's secrets for what anybody does.
const PRIVILEGED: [&str; 3] = ["pull_request_target", "workflow_run", "issue_comment"];

const ADVICE: &str =
    "let `pull_request` start what runs the code of a pull request: it has no secrets and a token that only reads";

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    for workflow in &scene.workflows {
        let Some(trigger) = workflow.triggers_on(&PRIVILEGED) else { continue };
        for step in workflow.jobs().flat_map(|job| job.steps()) {
            look_at(workflow, step, trigger, &mut seen);
        }
    }
    seen
}

fn look_at(workflow: &Document<'_>, step: &Node, trigger: &str, seen: &mut Seen) {
    let message = format!("`{trigger}` starts this with the repository's secrets, and this takes a stranger's code");
    if uses(step).is_some_and(|name| name.eq_ignore_ascii_case("actions/checkout")) {
        let with = step.get("with").map(entries).unwrap_or_default();
        let taken = with.iter().filter(|entry| matches!(entry.key.as_str(), "ref" | "repository"));
        let foreign = taken.filter(|entry| entry.node.as_text().is_some_and(is_foreign));
        if let Some(entry) = foreign.into_iter().next() {
            seen.error(workflow.at(&entry.node), message, ADVICE);
        }
        return;
    }
    let Some((node, script)) = text(step, "run") else { return };
    let fetches = script.lines().find(|line| {
        let line = line.trim();
        line.contains("gh pr checkout")
            || line.contains("git fetch") && line.contains("pull/")
            || line.contains("git checkout") && is_foreign(line)
    });
    if let Some(line) = fetches {
        seen.error(workflow.at_piece(node, line.trim(), 0), message, ADVICE);
    }
}

/// Whether a reference or repository is that of whoever asks.
fn is_foreign(text: &str) -> bool {
    let named = |path: &String| {
        path == "github.head_ref"
            || path.starts_with("github.event.pull_request.head")
            || path.starts_with("github.event.workflow_run.head")
            || path == "github.event.pull_request.merge_commit_sha"
    };
    text.contains("refs/pull/") || Expression::all(text).iter().any(|expression| expression.flows().iter().any(named))
}
