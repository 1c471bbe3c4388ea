//! The people and teams that CODEOWNERS names.

use super::super::Check;
use super::super::scene::{At, Scene, Seen};
use super::super::told::why_not;
use crate::core::codeowners::PLACES;
use crate::core::facts::Known;

pub(in super::super) static CHECK: Check = Check {
    id: "codeowners-owners",
    title: "The owners of CODEOWNERS exist and may write",
    finds: "An owner whom GitHub does not know, or who has no write access: nobody is asked to review then (errors).",
    points: 5,
    asks_github: true,
    look,
};

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    let Some(&path) = PLACES.iter().find(|place| scene.checkout.has(place)) else { return seen };
    let unknown = match &scene.told.owners {
        Known::Is(unknown) => unknown,
        not => return Seen::not_done(why_not(not, "whether the owners exist").unwrap_or_default()),
    };
    let text = scene.checkout.text(path).unwrap_or_default();
    for (at, line) in text.lines().enumerate() {
        let said = line.split_once(" #").map_or(line, |(said, _)| said);
        for word in said.split_whitespace().skip(1) {
            let Some(owner) = unknown.iter().find(|owner| owner.owner.eq_ignore_ascii_case(word)) else { continue };
            let column = line.find(word).map_or(1, |at| line[..at].chars().count() + 1);
            let message = format!("GitHub asks `{}` for nothing: {}", owner.owner, owner.message);
            seen.error(
                At::line(path, at + 1, column),
                message,
                "mend the name, or give them write access to the repository",
            );
        }
    }
    seen
}
