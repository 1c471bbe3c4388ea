//! What the token of a workflow may do.

use super::super::Check;
use super::super::document::Document;
use super::super::scene::{Scene, Seen};

pub(in super::super) static CHECK: Check = Check {
    id: "workflow-permissions",
    title: "Workflows say what their token may do",
    finds: "A workflow without `permissions` of its own or of all its jobs, and `write-all` (warnings).",
    points: 8,
    asks_github: false,
    look,
};

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    for workflow in &scene.workflows {
        look_into(workflow, &mut seen);
    }
    seen
}

fn look_into(workflow: &Document<'_>, seen: &mut Seen) {
    let Some(root) = &workflow.root else { return };
    let own = root.get("permissions");
    let of_jobs = workflow.jobs().filter_map(|job| job.get("permissions"));
    for node in own.into_iter().chain(of_jobs).filter(|node| node.as_text() == Some("write-all")) {
        let advice = "name what it needs, such as `contents: read`; everything else is then refused";
        seen.warning(workflow.at(node), "`write-all` lets every step change everything", advice);
    }
    if own.is_some() {
        return;
    }
    let without: Vec<_> = workflow.jobs().filter(|job| job.get("permissions").is_none()).collect();
    if let Some(first) = without.first() {
        let names: Vec<String> = without.iter().map(|job| format!("`{}`", job.entry.key)).collect();
        let message = format!("neither the workflow nor {} says what the token may do", names.join(", "));
        let advice = "write `permissions: {contents: read}` at the top, and let jobs that need more say so";
        seen.warning(workflow.key(first.entry), message, advice);
    }
}
