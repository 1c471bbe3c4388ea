//! What people did by hand to the thing an action is about to touch (invariant 7).

pub(super) use crate::core::hand::same_name;
use crate::core::hand::{Hand, HandChange, Thing};

/// The newest change a person made to this thing, when it went the way of `hand`. Names differ in case only by typing.
pub(super) fn newest<'a>(hands: &'a [HandChange], thing: &Thing, hand: Hand) -> Option<&'a HandChange> {
    // Of two changes in the same moment the one that came later in the list counts.
    let newest = hands.iter().filter(|change| thing.is(&change.thing)).max_by_key(|change| change.at)?;
    Some(newest).filter(|change| change.hand == hand)
}

/// "label `bug` was removed by alice on 2026-01-02".
pub fn phrase(change: &HandChange) -> String {
    let what = match (&change.thing, change.hand) {
        (Thing::Label(name), Hand::Put) => format!("label `{name}` was added"),
        (Thing::Label(name), Hand::Taken) => format!("label `{name}` was removed"),
        (Thing::Assignee(login), Hand::Put) => format!("`{login}` was assigned"),
        (Thing::Assignee(login), Hand::Taken) => format!("`{login}` was unassigned"),
        (Thing::Reviewer(name), Hand::Put) => format!("review by `{name}` was requested"),
        (Thing::Reviewer(name), Hand::Taken) => format!("the review request for `{name}` was removed"),
        (Thing::State, Hand::Put) => "it was reopened".to_owned(),
        (Thing::State, Hand::Taken) => "it was closed".to_owned(),
        (Thing::Lock, Hand::Put) => "it was locked".to_owned(),
        (Thing::Lock, Hand::Taken) => "it was unlocked".to_owned(),
        (Thing::Milestone(title), Hand::Put) => format!("milestone `{title}` was set"),
        (Thing::Milestone(title), Hand::Taken) => format!("milestone `{title}` was taken off"),
        (Thing::Title(title), _) => format!("the title `{title}` was changed"),
        (Thing::Draft, Hand::Put) => "it was made a draft".to_owned(),
        (Thing::Draft, Hand::Taken) => "it was marked ready for review".to_owned(),
        (Thing::Merged, Hand::Put) => "it was merged".to_owned(),
        (Thing::Merged, Hand::Taken) => "it was closed without a merge".to_owned(),
    };
    format!("{what} by {} on {}", change.by, change.at.format("%Y-%m-%d"))
}
