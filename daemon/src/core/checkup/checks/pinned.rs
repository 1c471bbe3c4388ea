//! Actions that are used by the hash of a commit: a tag can be moved to other code.

use super::super::Check;
use super::super::document::Document;
use super::super::scene::{Scene, Seen};
use crate::core::marked::Node;

pub(in super::super) static CHECK: Check = Check {
    id: "pinned-actions",
    title: "Actions are pinned to a full commit hash",
    finds: "An action, reusable workflow or image that is used by a tag or branch: of others a warning, GitHub's own (`actions/*`, `github/*`) a notice; without any version an error.",
    points: 8,
    asks_github: false,
    look,
};

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    for document in scene.workflows.iter().chain(&scene.actions) {
        let of_jobs = document.jobs().filter_map(|job| job.get("uses"));
        let of_steps = document.steps().filter_map(|step| step.get("uses"));
        for node in of_jobs.chain(of_steps) {
            if let Some(used) = node.as_text() {
                look_at(document, node, used.trim(), &mut seen);
            }
        }
    }
    seen
}

fn look_at(document: &Document<'_>, node: &Node, used: &str, seen: &mut Seen) {
    if used.starts_with("./") || used.starts_with("../") {
        return;
    }
    if let Some(image) = used.strip_prefix("docker://") {
        if !image.contains("@sha256:") {
            let message = format!("the image `{image}` is named by a tag, which can be moved");
            seen.notice(document.at(node), message, "name it by its digest: `docker://IMAGE@sha256:…`");
        }
        return;
    }
    let Some((name, version)) = used.rsplit_once('@') else {
        seen.error(document.at(node), format!("`{used}` is used without a version"), "write `OWNER/NAME@COMMIT`");
        return;
    };
    let is_hash = version.len() == 40 && version.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash {
        return;
    }
    let message = format!("`{name}` is used at `{version}`, which can be moved to other code");
    let advice =
        format!("pin it to the full hash of a commit, with the version as a comment: `{name}@COMMIT # {version}`");
    let owner = name.split('/').next().unwrap_or_default();
    if matches!(owner, "actions" | "github") {
        seen.notice(document.at(node), message, advice);
    } else {
        seen.warning(document.at(node), message, advice);
    }
}
