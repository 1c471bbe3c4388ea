//! Three texts become one: what was installed, what a person made of it, and what would be installed now.
//!
//! The differences are those of `similar`. What is done with them is ours: where both changed the same lines the person's stay
//! whole, without marks between them, and what was not taken in is told apart.

use std::ops::Range;

use similar::{Algorithm, DiffTag, capture_diff_slices};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Merged {
    /// Every line of the person's, and of the new text what does not touch them.
    pub(super) text: String,
    /// The new text as far as it was taken in: what to compare with next time, so that what conflicts is told again.
    pub(super) base: String,
    pub(super) conflicts: Vec<Conflict>,
}

/// Lines that a person changed and the new text changes otherwise. Each ends in a newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    /// Where `ours` begins in the merged text, counted from 1; where it would stand when it is empty.
    pub(super) line: usize,
    pub(super) base: Vec<String>,
    pub(super) ours: Vec<String>,
    pub(super) theirs: Vec<String>,
}

/// Lines of the base that became other lines.
#[derive(Clone, Debug)]
struct Edit {
    old: Range<usize>,
    new: Range<usize>,
}

/// A side: its lines, and how they came from the base.
struct Side<'t> {
    lines: Vec<&'t str>,
    edits: Vec<Edit>,
    /// Edits that lie behind.
    done: usize,
    /// How much further a line stands here than in the base, behind these.
    shift: isize,
}

impl<'t> Side<'t> {
    fn new(base: &str, text: &'t str) -> Self {
        let (base, text) = (lines(base), lines(text));
        let edits = edits(&base, &text);
        Self { lines: text, edits, done: 0, shift: 0 }
    }

    fn next(&self) -> Option<&Edit> {
        self.edits.get(self.done)
    }

    /// The lines that stand here for `from..to` of the base, when no edit before `from` is left. Takes the edits in it.
    fn take(&mut self, from: usize, to: usize) -> &[&'t str] {
        let start = from.saturating_add_signed(self.shift);
        while let Some(edit) = self.edits.get(self.done).filter(|edit| edit.old.end <= to && edit.old.start >= from) {
            self.shift += edit.new.len() as isize - edit.old.len() as isize;
            self.done += 1;
        }
        let end = to.saturating_add_signed(self.shift);
        self.lines.get(start..end).unwrap_or_default()
    }
}

/// What lies between the lines that are the same. Only what is the same for certain counts as that.
fn edits(base: &[&str], text: &[&str]) -> Vec<Edit> {
    let (mut edits, mut old, mut new) = (Vec::new(), 0, 0);
    let mut until = |o: usize, n: usize, length: usize| {
        if old < o || new < n {
            edits.push(Edit { old: old..o, new: new..n });
        }
        (old, new) = (o + length, n + length);
    };
    let mut last = (0, 0);
    for change in capture_diff_slices(Algorithm::Myers, base, text) {
        let (o, n) = (change.old_range(), change.new_range());
        let same = change.tag() == DiffTag::Equal && base.get(o.clone()) == text.get(n.clone());
        if same && o.start >= last.0 && n.start >= last.1 {
            last = (o.end, n.end);
            until(o.start, n.start, o.len());
        }
    }
    until(base.len(), text.len(), 0);
    edits
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Merges. Each text ends in a newline, or is empty.
pub(super) fn merge(base: &str, ours: &str, theirs: &str) -> Merged {
    let merged = merge_places(base, ours, theirs, false);
    // Lines that occur often can be taken for one another the next time, and more would be merged then. In such a text
    // nothing is: the person is told of each place.
    let settled = merged.conflicts.is_empty() || merge_places(&merged.base, &merged.text, theirs, false) == merged;
    if settled { merged } else { merge_places(base, ours, theirs, true) }
}

/// `keep`: the person's text and the base stay as they are, and all that is new is told.
fn merge_places(base: &str, ours: &str, theirs: &str, keep: bool) -> Merged {
    let base_lines = lines(base);
    let (mut our, mut their) = (Side::new(base, ours), Side::new(base, theirs));
    let mut merged = Merged { text: String::new(), base: String::new(), conflicts: Vec::new() };
    let mut at = 0;
    while let Some(place) = next_place(&our, &their) {
        let same = &base_lines[at..place.start];
        push(&mut merged, same, same);
        let before = &base_lines[place.clone()];
        let (o, t) = (our.take(place.start, place.end), their.take(place.start, place.end));
        if !keep && (o == t || o == before) {
            push(&mut merged, t, t);
        } else if o == t || t == before {
            push(&mut merged, o, before);
        } else {
            let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
            let line = merged.text.matches('\n').count() + 1;
            merged.conflicts.push(Conflict { line, base: owned(before), ours: owned(o), theirs: owned(t) });
            push(&mut merged, o, before);
        }
        at = place.end;
    }
    push(&mut merged, &base_lines[at..], &base_lines[at..]);
    merged
}

fn push(merged: &mut Merged, text: &[&str], base: &[&str]) {
    merged.text.extend(text.iter().copied());
    merged.base.extend(base.iter().copied());
}

/// The next lines of the base that somebody changed, with every change that overlaps or touches them.
fn next_place(our: &Side<'_>, their: &Side<'_>) -> Option<Range<usize>> {
    let first = [our.next(), their.next()].into_iter().flatten().min_by_key(|edit| edit.old.start)?;
    let mut place = first.old.clone();
    let mut more = true;
    while more {
        more = false;
        for side in [our, their] {
            for edit in &side.edits[side.done..] {
                if edit.old.start <= place.end && edit.old.end > place.end {
                    place.end = edit.old.end;
                    more = true;
                }
            }
        }
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE: &str = "one\ntwo\nthree\nfour\nfive\n";

    #[test]
    fn what_does_not_touch_is_merged() {
        let merged = merge(BASE, "ONE\ntwo\nthree\nfour\nfive\nmine\n", "one\ntwo\nTHREE\nfive\n");
        assert_eq!(merged.text, "ONE\ntwo\nTHREE\nfive\nmine\n");
        assert_eq!((merged.base.as_str(), merged.conflicts), ("one\ntwo\nTHREE\nfive\n", vec![]));
    }

    #[test]
    fn where_both_changed_the_same_the_person_wins_and_is_told() {
        let merged = merge(BASE, "one\n2\nthree\nfour\nfive\n", "one\nTWO\nthree\nfour\nFIVE\n");
        assert_eq!(merged.text, "one\n2\nthree\nfour\nFIVE\n");
        let owned = |line: &str| vec![line.to_owned()];
        let conflict = Conflict { line: 2, base: owned("two\n"), ours: owned("2\n"), theirs: owned("TWO\n") };
        assert_eq!(merged.conflicts, std::slice::from_ref(&conflict));
        // The next run tells the same, and merges nothing twice.
        assert_eq!(merged.base, "one\ntwo\nthree\nfour\nFIVE\n");
        let again = merge(&merged.base, &merged.text, "one\nTWO\nthree\nfour\nFIVE\n");
        assert_eq!(again, Merged { conflicts: vec![conflict], ..merged });
        // The person takes it in.
        let settled = merge(&again.base, "one\nTWO\nthree\nfour\nFIVE\n", "one\nTWO\nthree\nfour\nFIVE\n");
        assert_eq!((settled.base, settled.conflicts), (settled.text, vec![]));
    }

    #[test]
    fn both_at_the_same_place_is_a_conflict_both_the_same_is_none() {
        let merged = merge(BASE, "one\ntwo\nthree\nfour\nfive\nmine\n", "one\ntwo\nthree\nfour\nfive\nnew\n");
        assert_eq!(merged.text, "one\ntwo\nthree\nfour\nfive\nmine\n");
        assert_eq!(merged.conflicts[0].line, 6);
        let same = merge(BASE, "one\nthree\nfour\nfive\n", "one\nthree\nfour\nfive\n");
        assert!(same.conflicts.is_empty() && same.text == same.base);
        let emptied = merge(BASE, "", "one\n2\nthree\nfour\nfive\n");
        assert_eq!((emptied.text.as_str(), emptied.conflicts.len()), ("", 1));
        assert_eq!(merge("", "", "a\n").text, "a\n");
        assert_eq!(merge("", "mine\n", "a\n").conflicts.len(), 1);
    }

    fn texts() -> impl Strategy<Value = String> {
        prop::collection::vec("[a-d]\n", 0..12).prop_map(|lines| lines.concat())
    }

    /// The lines that a person added to the base, by the differences that everybody sees.
    fn added<'t>(base: &str, ours: &'t str) -> Vec<&'t str> {
        let side = Side::new(base, ours);
        side.edits.iter().flat_map(|edit| side.lines[edit.new.clone()].to_vec()).collect()
    }

    fn is_in_order(needles: &[&str], text: &str) -> bool {
        let mut left = text.split_inclusive('\n');
        needles.iter().all(|needle| left.any(|line| line == *needle))
    }

    proptest! {
        #[test]
        fn no_line_of_a_person_is_lost(base in texts(), ours in texts(), theirs in texts()) {
            let merged = merge(&base, &ours, &theirs);
            prop_assert!(is_in_order(&added(&base, &ours), &merged.text), "{merged:?}");
            for Conflict { line, ours, .. } in &merged.conflicts {
                let there: Vec<_> = merged.text.split_inclusive('\n').skip(line - 1).take(ours.len()).collect();
                prop_assert_eq!(&there, ours);
            }
            // Once more changes nothing, and says the same.
            let again = merge(&merged.base, &merged.text, &theirs);
            if merged.conflicts.is_empty() {
                prop_assert_eq!(&merged.base, &theirs);
                prop_assert!(again.conflicts.is_empty());
                prop_assert_eq!(&again.text, &merged.text);
            } else {
                prop_assert_eq!(&again, &merged);
            }
        }

        #[test]
        fn one_side_alone_is_taken_whole(base in texts(), other in texts()) {
            prop_assert_eq!(merge(&base, &base, &other), Merged { text: other.clone(), base: other.clone(), conflicts: vec![] });
            prop_assert_eq!(merge(&base, &other, &base), Merged { text: other, base, conflicts: vec![] });
        }
    }
}
