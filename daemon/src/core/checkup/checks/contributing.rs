//! CONTRIBUTING: how to take part. GitHub links to it where issues and pull requests are opened.

use super::super::Check;
use super::super::scene::{At, Scene, Seen};
use super::{Community, community, is_blank, or_inherited};

pub(in super::super) static CHECK: Check = Check {
    id: "contributing",
    title: "There are guidelines for contributors",
    finds: "No CONTRIBUTING at the root, in `.github` or in `docs`, nor in the owner's repository `.github`; an empty one (notices).",
    points: 5,
    asks_github: false,
    look,
};

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    let advice = "say how to build and test, and what a change should look like";
    match community(scene, "CONTRIBUTING") {
        Community::Here(path) if scene.checkout.text(path).is_some_and(is_blank) => {
            seen.notice(At::line(path, 1, 1), "the guidelines for contributors are empty", advice);
        }
        Community::Here(_) | Community::Inherited => {}
        Community::Nowhere => {
            let advice = format!("write a `CONTRIBUTING.md`: {advice}{}", or_inherited(scene));
            seen.notice(At::nowhere(), "there are no guidelines for contributors", advice);
        }
    }
    seen
}
