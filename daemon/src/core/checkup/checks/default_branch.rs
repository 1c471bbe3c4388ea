//! The default branch, and workflows that wait for another one.

use super::super::Check;
use super::super::document::{Document, texts};
use super::super::scene::{At, Scene, Seen};
use super::super::told::why_not;
use crate::core::facts::Known;
use crate::core::marked::Node;

pub(in super::super) static CHECK: Check = Check {
    id: "default-branch",
    title: "The default branch is the one that workflows wait for",
    finds: "A default branch that is named as one for a while (`gh-pages`, `dependabot/…`); a workflow whose `branches` name `main`, `master` or `trunk` where the default branch is another of these, as is left over when a branch is renamed (warnings).",
    points: 3,
    asks_github: true,
    look,
};

/// Names that a default branch is renamed to and from. Who works on `develop` may well release from `main`.
const USUAL: [&str; 3] = ["main", "master", "trunk"];
const PASSING: [&str; 6] = ["gh-pages", "dependabot/", "renovate/", "copilot/", "feature/", "revert-"];

fn look(scene: &Scene) -> Seen {
    let branch = match &scene.told.default_branch {
        Known::Is(branch) => branch.as_str(),
        unknown => return Seen::not_done(why_not(unknown, "which branch is the default one").unwrap_or_default()),
    };
    let mut seen = Seen::default();
    if PASSING.iter().any(|name| branch == *name || name.ends_with(['/', '-']) && branch.starts_with(name)) {
        let message =
            format!("the default branch is `{branch}`: this is what people clone, and where their pull requests go");
        seen.warning(At::nowhere(), message, "Settings → General → Default branch: choose the one that is worked on");
    }
    let workflows = scene.workflows.iter().filter(|_| USUAL.contains(&branch));
    for workflow in workflows {
        for (_, about) in workflow
            .triggers()
            .iter()
            .filter(|(name, _)| matches!(*name, "push" | "pull_request" | "pull_request_target"))
        {
            if let Some(branches) = about.as_ref().and_then(|about| about.get("branches")) {
                left_over(workflow, branches, branch, &mut seen);
            }
        }
    }
    seen
}

/// A list in which one usual name stands, and nothing that the default branch could fit.
fn left_over(workflow: &Document<'_>, branches: &Node, branch: &str, seen: &mut Seen) {
    let named = texts(branches);
    let has_pattern = named.iter().any(|(_, name)| name.contains(['*', '?', '+', '[', '!', '$']));
    if has_pattern || named.iter().any(|(_, name)| name == branch) {
        return;
    }
    if let Some((node, name)) = named.iter().find(|(_, name)| USUAL.contains(&name.as_str())) {
        let message = format!("the workflow waits for `{name}`, and the default branch is `{branch}`");
        seen.warning(workflow.at(node), message, format!("write `{branch}`, if that is what it waits for"));
    }
}
