//! Workflows: YAML that GitHub can start.

use super::super::Check;
use super::super::document::{Document, entries, items};
use super::super::scene::{Scene, Seen};
use crate::core::marked::Tree;

pub(in super::super) static CHECK: Check = Check {
    id: "workflows",
    title: "Workflows can be read",
    finds: "A workflow that is no YAML, has no `on` or no `jobs`; a job without `runs-on` and without `uses`; one that needs a job that is not there; a step that neither runs nor uses anything (errors). actionlint looks deeper.",
    points: 5,
    asks_github: false,
    look,
};

const ADVICE: &str = "mend it, or GitHub does not start the workflow";

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    for workflow in &scene.workflows {
        workflow.tell_faults(&mut seen, ADVICE);
        look_into(workflow, &mut seen);
    }
    for action in &scene.actions {
        action.tell_faults(&mut seen, "mend it, or no workflow can use the action");
    }
    seen
}

fn look_into(workflow: &Document<'_>, seen: &mut Seen) {
    let Some(root) = &workflow.root else { return };
    if !matches!(root.tree, Tree::Map(_)) {
        seen.error(workflow.at(root), format!("a workflow is a map, not {}", root.kind()), ADVICE);
        return;
    }
    if workflow.triggers().is_empty() {
        seen.error(workflow.start(), "the workflow does not say `on` what it starts", ADVICE);
    }
    if root.get("jobs").is_none_or(|jobs| entries(jobs).is_empty()) {
        seen.error(workflow.start(), "the workflow has no `jobs`", ADVICE);
    }
    for job in workflow.jobs() {
        let name = &job.entry.key;
        if job.get("runs-on").is_none() && job.get("uses").is_none() {
            seen.error(
                workflow.key(job.entry),
                format!("the job `{name}` has no `runs-on`, and uses no workflow"),
                ADVICE,
            );
        }
        let needs = job.get("needs").map(super::super::document::texts).unwrap_or_default();
        for (node, needed) in needs {
            if !workflow.jobs().any(|other| other.entry.key == needed) {
                seen.error(
                    workflow.at(node),
                    format!("the job `{name}` needs `{needed}`, which is no job here"),
                    ADVICE,
                );
            }
        }
        for step in job.get("steps").map(items).unwrap_or_default() {
            if step.get("run").is_none() && step.get("uses").is_none() {
                seen.error(workflow.at(step), "the step has neither `run` nor `uses`", ADVICE);
            }
        }
    }
}
