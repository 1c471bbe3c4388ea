//! CODEOWNERS: every line does what whoever wrote it meant.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::super::scene::{At, Scene, Seen};
use super::super::{Check, Text};
use crate::core::codeowners::{CodeOwners, Line, PLACES};

pub(in super::super) static CHECK: Check = Check {
    id: "codeowners",
    title: "CODEOWNERS is one, and each line decides about something",
    finds: "No CODEOWNERS (notice); a line that GitHub skips, or a file of 3 MB or more (errors); a second file, which is ignored; a pattern that fits no file; a line that never decides because later ones fit all of its files (warnings).",
    points: 8,
    asks_github: false,
    look,
};

/// Most comparisons of a line with a path.
const MOST_COMPARED: usize = 20_000_000;

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    let mut places = PLACES.iter().filter(|place| scene.checkout.has(place));
    let Some(&path) = places.next() else {
        let advice = "write `.github/CODEOWNERS`: whom GitHub asks to review what";
        seen.notice(At::nowhere(), "there is no CODEOWNERS, so nobody is asked to review", advice);
        return seen;
    };
    for ignored in places {
        let message = format!("GitHub reads `{path}`, and ignores this file");
        seen.warning(At::line(ignored, 1, 1), message, "keep one of them");
    }
    let too_large = scene.checkout.texts().find_map(|(each, text)| match text {
        Text::TooLarge(size) if each == path => Some(*size),
        _ => None,
    });
    if let Some(size) = too_large {
        let message =
            format!("the file has {size} bytes, and GitHub loads none of 3 MB or more: nobody is asked to review");
        seen.error(At::file(path), message, "join lines by patterns with `*`");
    }
    if let Some(text) = scene.checkout.text(path) {
        look_into(path, &CodeOwners::parse(text), scene.checkout.paths(), &mut seen);
    }
    seen
}

fn look_into(path: &str, owners: &CodeOwners, paths: &BTreeSet<String>, seen: &mut Seen) {
    for fault in owners.faults() {
        let message = format!("GitHub skips this line: {}", fault.message);
        seen.error(At::line(path, fault.line, fault.column), message, "mend the line; those before and after it count");
    }
    let mut decided: BTreeSet<&str> = BTreeSet::new();
    let mut left = MOST_COMPARED;
    for line in owners.lines().iter().rev() {
        let at = At::line(path, line.number, line.column);
        let (mut fits, mut decides) = (false, false);
        for candidate in candidates(line, paths) {
            left = left.saturating_sub(1);
            if line.fits(candidate) {
                fits = true;
                decides |= decided.insert(candidate);
            }
        }
        if left == 0 {
            let why = format!("the lines of `{path}` up to line {}: there are too many for so many files", line.number);
            seen.open.push(why);
            return;
        }
        if !fits {
            seen.warning(
                at,
                "the pattern fits no file",
                "mend the pattern, or drop the line; files are told apart by letters' case",
            );
        } else if !decides {
            let message =
                "the line never decides: later lines fit every file that it fits, and the last that fits counts";
            seen.warning(at, message, "put it behind them, or drop it");
        }
    }
}

/// The paths that a line may fit.
fn candidates<'p>(line: &Line, paths: &'p BTreeSet<String>) -> impl Iterator<Item = &'p String> {
    let root = line.root();
    let from = paths.range::<str, _>((Bound::Included(root.as_str()), Bound::Unbounded));
    let mut taken = Vec::new();
    taken.extend(from.take_while(|path| path.starts_with(&root)));
    taken.into_iter()
}
