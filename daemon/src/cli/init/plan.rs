//! What an update does to one file, and why.

use super::disk::Found;
use super::merge::{Conflict, merge};
use super::shape::Shape;

/// How a file stands to its template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// As the template has it.
    Current,
    /// A person changed it, and the template is the one that was installed.
    Edited,
    /// Not there, and never was.
    Missing,
    /// A person took it away.
    Removed,
    /// There already, and not from here: this path.
    Own(String),
    /// The template is newer, and nobody changed the file.
    Outdated,
    /// Both changed, in different places.
    Mergeable,
    /// Both changed the same lines; what else is new may be merged.
    Conflict,
}

impl State {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Edited => "edited",
            Self::Missing => "missing",
            Self::Removed => "removed",
            Self::Own(_) => "own",
            Self::Outdated => "outdated",
            Self::Mergeable => "mergeable",
            Self::Conflict => "conflict",
        }
    }
}

/// What is to be done for one template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) state: State,
    /// What to write, when it is not there already.
    pub(super) text: Option<String>,
    /// What to remember as installed. `None`: nothing.
    pub(super) base: Option<String>,
    pub(super) conflicts: Vec<Conflict>,
}

/// `new`: the template now; `base`: the one that was installed; `again`: what a person took away is wanted back.
pub(super) fn step(new: &str, base: Option<&str>, found: &Found, again: bool) -> Step {
    let whole = |state: State, text: Option<String>, base: Option<&str>| Step {
        state,
        text,
        base: base.map(str::to_owned),
        conflicts: Vec::new(),
    };
    let text = match (found, base) {
        (Found::Elsewhere(path), _) => return whole(State::Own(path.clone()), None, base),
        (Found::Nothing, Some(_)) if !again => return whole(State::Removed, None, base),
        (Found::Nothing, _) => return whole(State::Missing, Some(new.to_owned()), Some(new)),
        (Found::Text(text), _) => text,
    };
    let (shape, ours) = Shape::take(text);
    let Some(base) = base else {
        let same = ours == new;
        return if same {
            whole(State::Current, None, Some(new))
        } else {
            whole(State::Own(String::new()), None, None)
        };
    };
    let merged = merge(base, &ours, new);
    let state = match () {
        () if !merged.conflicts.is_empty() => State::Conflict,
        () if ours == new => State::Current,
        () if merged.text == ours => State::Edited,
        () if ours == base => State::Outdated,
        () => State::Mergeable,
    };
    let text = (merged.text != ours).then(|| shape.give(&merged.text));
    Step { state, text, base: Some(merged.base), conflicts: merged.conflicts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_what_is_done_about_it() {
        let text = |text: &str| Found::Text(text.to_owned());
        let elsewhere = || Found::Elsewhere("docs/A.md".to_owned());
        let (old, new) = ("one\ntwo\nthree\n", "one\ntwo\n3\n");
        for (base, found, again, word, written, kept) in [
            (None, Found::Nothing, false, "missing", Some(new), Some(new)),
            (None, text(new), false, "current", None, Some(new)),
            (None, text("mine\n"), false, "own", None, None),
            (None, elsewhere(), true, "own", None, None),
            (Some(old), Found::Nothing, false, "removed", None, Some(old)),
            (Some(old), Found::Nothing, true, "missing", Some(new), Some(new)),
            (Some(old), text(old), false, "outdated", Some(new), Some(new)),
            (Some(old), text(new), false, "current", None, Some(new)),
            (Some(old), text("1\ntwo\nthree\n"), false, "mergeable", Some("1\ntwo\n3\n"), Some(new)),
            (Some(old), text("1\ntwo\n3\n"), false, "edited", None, Some(new)),
            (Some(new), text("1\ntwo\n3\n"), false, "edited", None, Some(new)),
            (Some(old), text("one\ntwo\nIII\n"), false, "conflict", None, Some(old)),
            // Lines end as the person has them.
            (Some(old), text("one\r\ntwo\r\nthree\r\n"), false, "outdated", Some("one\r\ntwo\r\n3\r\n"), Some(new)),
            (Some(old), text("1\ntwo\nthree"), false, "mergeable", Some("1\ntwo\n3"), Some(new)),
        ] {
            let step = step(new, base, &found, again);
            assert_eq!(step.state.word(), word, "{base:?} {found:?}");
            assert_eq!((step.text.as_deref(), step.base.as_deref()), (written, kept), "{base:?} {found:?}");
            assert_eq!(step.conflicts.is_empty(), word != "conflict");
        }
    }
}
