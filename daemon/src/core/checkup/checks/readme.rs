//! README: what a newcomer reads first.

use super::super::Check;
use super::super::checkout::COMMUNITY;
use super::super::scene::{At, Scene, Seen};
use super::is_blank;

pub(in super::super) static CHECK: Check = Check {
    id: "readme",
    title: "There is a README",
    finds: "No README at the root, in `.github` or in `docs`; one without a word (warnings).",
    points: 10,
    asks_github: false,
    look,
};

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    let Some(path) = scene.checkout.find("README", COMMUNITY) else {
        let advice = "write a `README.md`: what this is, how to try it, where to ask";
        seen.warning(At::nowhere(), "there is no README", advice);
        return seen;
    };
    if scene.checkout.text(path).is_some_and(is_blank) {
        seen.warning(At::line(path, 1, 1), "the README is empty", "say what this is, how to try it, where to ask");
    }
    seen
}
