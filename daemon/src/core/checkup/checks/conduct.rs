//! The code of conduct: how people treat each other, and whom to tell when they do not.

use super::super::Check;
use super::super::scene::{At, Scene, Seen};
use super::{Community, community, is_blank, or_inherited};

pub(in super::super) static CHECK: Check = Check {
    id: "code-of-conduct",
    title: "There is a code of conduct that names a contact",
    finds: "No CODE_OF_CONDUCT at the root, in `.github` or in `docs`, nor in the owner's repository `.github`; an empty one; a placeholder where the contact belongs (notices).",
    points: 3,
    asks_github: false,
    look,
};

/// What the Contributor Covenant has where a contact belongs.
const PLACEHOLDERS: [&str; 3] = ["[INSERT CONTACT METHOD]", "[INSERT EMAIL ADDRESS]", "[INSERT EMAIL]"];

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    match community(scene, "CODE_OF_CONDUCT") {
        Community::Here(path) => {
            let text = scene.checkout.text(path).unwrap_or("-a-");
            if is_blank(text) {
                seen.notice(
                    At::line(path, 1, 1),
                    "the code of conduct is empty",
                    "say what is expected, and whom to tell",
                );
            }
            for (number, line) in text.lines().enumerate() {
                let found = PLACEHOLDERS.iter().find_map(|placeholder| Some((line.find(placeholder)?, placeholder)));
                if let Some((at, placeholder)) = found {
                    let column = line[..at].chars().count() + 1;
                    let message = format!("the code of conduct still says `{placeholder}`");
                    seen.notice(At::line(path, number + 1, column), message, "name whom to tell, and how");
                }
            }
        }
        Community::Inherited => {}
        Community::Nowhere => {
            let advice =
                format!("write a `CODE_OF_CONDUCT.md`, or take the Contributor Covenant{}", or_inherited(scene));
            seen.notice(At::nowhere(), "there is no code of conduct", advice);
        }
    }
    seen
}
