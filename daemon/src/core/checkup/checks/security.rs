//! SECURITY: how to tell of a weakness without telling everyone.

use super::super::Check;
use super::super::scene::{At, Scene, Seen};
use super::{Community, community, or_inherited};

pub(in super::super) static CHECK: Check = Check {
    id: "security-policy",
    title: "There is a security policy that says how to report",
    finds: "No SECURITY at the root, in `.github` or in `docs`, nor in the owner's repository `.github`; one without an address, a link or a word on private reporting (warnings).",
    points: 5,
    asks_github: false,
    look,
};

/// One of these stands in a policy that says where to report.
const WAYS: [&str; 6] = ["@", "http", "advisor", "privately", "private vulnerability", "security tab"];

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    let advice = "say where to report a weakness: a mail address, or GitHub's private vulnerability reporting";
    match community(scene, "SECURITY") {
        Community::Here(path) => {
            let text = scene.checkout.text(path).map(str::to_lowercase);
            if text.is_some_and(|text| !WAYS.iter().any(|way| text.contains(way))) {
                seen.warning(At::line(path, 1, 1), "the security policy does not say where to report", advice);
            }
        }
        Community::Inherited => {}
        Community::Nowhere => {
            let advice = format!("write a `SECURITY.md`: {advice}{}", or_inherited(scene));
            seen.warning(At::nowhere(), "there is no security policy", advice);
        }
    }
    seen
}
