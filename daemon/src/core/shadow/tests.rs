//! What counts as agreement, and the figures of it.

#![allow(clippy::unwrap_used)]

use uuid::Uuid;

use super::*;
use crate::core::event::RepoName;
use crate::core::subject::Subject;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_000_000 + second, 0).unwrap()
}

fn hand(thing: Thing, hand: Hand, second: i64) -> HandChange {
    let repository = RepoName::parse("acme/web").unwrap();
    HandChange { repository, number: 1, thing, hand, by: "alice".to_owned(), at: at(second) }
}

fn bug() -> Thing {
    Thing::Label("bug".to_owned())
}

fn next() -> Thing {
    Thing::Milestone("2.0".to_owned())
}

fn put(thing: Thing) -> Move {
    Move { thing, hand: Hand::Put }
}

fn taken(thing: Thing) -> Move {
    Move { thing, hand: Hand::Taken }
}

/// All moves are of second 10 and a half.
#[test]
fn the_latest_hand_decides_and_the_same_second_counts() {
    use Answer::{Agreed, Disagreed, Nothing};
    let (h, p, t) = (hand, Hand::Put, Hand::Taken);
    let other = || Thing::Milestone("3.0".to_owned());
    for (would, hands, answer, why) in [
        (put(bug()), vec![], Nothing, "nobody did anything"),
        (put(bug()), vec![h(bug(), p, 20)], Agreed, "the same later"),
        (put(bug()), vec![h(bug(), p, 10)], Agreed, "in the same second"),
        (put(bug()), vec![h(bug(), p, 9)], Nothing, "it was so already"),
        (put(bug()), vec![h(bug(), t, 20)], Disagreed, "the opposite later"),
        (put(bug()), vec![h(bug(), t, 2)], Disagreed, "it was the other way by a person's hand"),
        (put(Thing::Label("Bug".to_owned())), vec![h(bug(), p, 20)], Agreed, "GitHub ignores case"),
        (put(bug()), vec![h(Thing::Label("docs".to_owned()), p, 20)], Nothing, "another label"),
        (taken(Thing::State), vec![h(Thing::State, t, 20)], Agreed, "closed"),
        (taken(Thing::State), vec![h(Thing::State, p, 20)], Disagreed, "reopened"),
        (
            taken(Thing::State),
            vec![h(Thing::State, t, 20), h(Thing::Merged, p, 20)],
            Disagreed,
            "merged, which is not what closing is for",
        ),
        (put(Thing::Merged), vec![h(Thing::State, t, 20), h(Thing::Merged, p, 20)], Agreed, "merged"),
        (put(Thing::Merged), vec![h(Thing::State, t, 20), h(Thing::Merged, t, 20)], Disagreed, "closed unmerged"),
        (put(Thing::Merged), vec![h(Thing::State, p, 30), h(Thing::Merged, t, 20)], Nothing, "and reopened"),
        (put(next()), vec![h(next(), p, 20)], Agreed, "the milestone"),
        (put(next()), vec![h(other(), p, 20)], Disagreed, "another milestone"),
        (put(next()), vec![h(other(), t, 20), h(next(), p, 20)], Agreed, "in the place of another"),
        (put(next()), vec![h(next(), t, 20), h(other(), p, 20)], Disagreed, "replaced by another"),
        (put(next()), vec![h(other(), t, 20)], Nothing, "another taken off"),
    ] {
        let at = at(10) + chrono::TimeDelta::milliseconds(500);
        assert_eq!(judge(&would, at, &hands).0, answer, "{why}");
    }
}

fn shadowed(number: u64, second: i64, action: &str, moves: Vec<Move>) -> Shadowed {
    Shadowed {
        target: Target {
            repository: RepoName::parse("Acme/web").unwrap(),
            installation: None,
            number,
            subject: Subject::Item,
        },
        event: EventId(Uuid::from_u128(7)),
        at: at(second),
        action: action.to_owned(),
        params: serde_json::json!({}),
        written: format!("{action} {{}}"),
        moves,
    }
}

#[test]
fn a_move_counts_once_for_each_item_from_its_first_time_on() {
    let hands = HashMap::from([(("acme/web".to_owned(), 1), vec![hand(bug(), Hand::Put, 20)])]);
    let rows = compare(
        vec![
            // Recorded again after the hand: still agreed.
            shadowed(1, 30, "label", vec![put(bug())]),
            shadowed(1, 10, "label", vec![put(bug()), put(next())]),
            shadowed(2, 12, "label", vec![put(bug())]),
            shadowed(2, 13, "comment", vec![]),
            shadowed(2, 14, "comment", vec![]),
        ],
        &hands,
    );
    let seen: Vec<_> = rows.iter().map(|row| (row.target.number, row.what.as_str(), row.answer, row.at)).collect();
    assert_eq!(
        seen,
        [
            (2, "comment {}", Answer::NotComparable, at(13)),
            (2, "put label `bug` there", Answer::Nothing, at(12)),
            (1, "set milestone `2.0`", Answer::Nothing, at(10)),
            (1, "put label `bug` there", Answer::Agreed, at(10)),
        ]
    );
    let told = figures(&rows);
    assert_eq!((told.agreed, told.disagreed, told.nothing, told.not_comparable, told.items), (1, 0, 2, 1, 1));
    assert_eq!(told.rate, Some(1.0));
}

#[test]
fn the_figures_say_in_words_what_they_rest_on() {
    let figures = |agreed: u32, disagreed: u32, nothing: u32, not_comparable: u32, items: u32| {
        let share = |part: u32, whole: u32| (whole > 0).then(|| f64::from(part) / f64::from(whole));
        let (rate, coverage) =
            (share(agreed, agreed + disagreed), share(agreed + disagreed, agreed + disagreed + nothing));
        in_words(&Figures { agreed, disagreed, nothing, not_comparable, items, rate, coverage })
    };
    assert_eq!(
        figures(18, 2, 20, 0, 12),
        "It would have made 40 moves; people decided 20 of them by hand (50 %), and agreed with 18 of these (90 %)."
    );
    assert_eq!(
        figures(1, 0, 0, 3, 1),
        "It would have made 1 move; people decided 1 of them by hand (100 %), and agreed with 1 of these (100 %). \
         Caution: 1 item could be compared, and fewer than 10 say little. \
         3 effects no hand can be compared with: read what would have been done."
    );
    assert!(
        figures(0, 0, 5, 0, 0).starts_with("It would have made 5 moves; people have decided none of them by hand yet.")
    );
    assert!(figures(0, 0, 0, 2, 0).starts_with("It would have made no move that people make by hand"));
}
