//! Files that the other checks look into can be read.

use super::super::scene::{At, Scene, Seen};
use super::super::{Check, MOST_TEXT, Text};
use crate::core::codeowners::PLACES;

pub(in super::super) static CHECK: Check = Check {
    id: "files",
    title: "The files that are looked into can be read",
    finds: "A file that is not UTF-8, is over 3 MB, or is a link that leads out of the repository.",
    points: 2,
    asks_github: false,
    look,
};

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    for (path, text) in scene.checkout.texts() {
        match text {
            Text::Is(_) => {}
            // Its own check says what GitHub makes of it.
            Text::TooLarge(_) if PLACES.contains(&path) => {}
            Text::TooLarge(size) => seen.warning(
                At::file(path),
                format!("`{path}` has {size} bytes: nothing over {MOST_TEXT} was looked into"),
                "make it shorter: a file of this kind is read by people, or by GitHub, which has its limits too",
            ),
            Text::Unread(why) => seen.warning(
                At::file(path),
                format!("`{path}` could not be read: {why}"),
                "save it as UTF-8, as a file of this repository",
            ),
        }
    }
    seen
}
