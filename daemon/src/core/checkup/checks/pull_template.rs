//! The template of pull requests: what its author is asked.

use super::super::Check;
use super::super::checkout::COMMUNITY;
use super::super::scene::{At, Scene, Seen};
use super::{Community, community, inherits, is_blank, or_inherited};

pub(in super::super) static CHECK: Check = Check {
    id: "pull-request-template",
    title: "Pull requests have a template",
    finds: "No PULL_REQUEST_TEMPLATE (a file, or a folder of them) at the root, in `.github` or in `docs`, nor in the owner's repository `.github`; an empty one (notices).",
    points: 3,
    asks_github: false,
    look,
};

const STEM: &str = "PULL_REQUEST_TEMPLATE";

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    let folder = |above: &&str| {
        let prefix = if above.is_empty() { format!("{STEM}/") } else { format!("{above}/{STEM}/") };
        let starts = |path: &String| path.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(&prefix));
        scene.checkout.paths().iter().any(starts)
    };
    match community(scene, STEM) {
        Community::Here(path) if scene.checkout.text(path).is_some_and(is_blank) => {
            let advice = "ask what a reviewer wants to know: what changes, why, how it was tried";
            seen.notice(At::line(path, 1, 1), "the template of pull requests is empty", advice);
        }
        Community::Here(_) | Community::Inherited => {}
        Community::Nowhere
            if COMMUNITY.iter().any(folder) || inherits(scene, |name| name.eq_ignore_ascii_case(STEM)) => {}
        Community::Nowhere => {
            let advice = format!(
                "write `.github/PULL_REQUEST_TEMPLATE.md`: what changes, why, how it was tried{}",
                or_inherited(scene)
            );
            seen.notice(At::nowhere(), "pull requests have no template", advice);
        }
    }
    seen
}
