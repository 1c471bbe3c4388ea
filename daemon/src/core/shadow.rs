//! What a rule in shadow would have done, beside what people then did by hand: how far the two agree.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::EventId;
use super::hand::{Hand, HandChange, Move, Thing};
use super::intent::Target;

/// Below so many compared items a rate says little.
pub const ENOUGH_ITEMS: u32 = 10;

/// How people answered what a rule would have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A person made the same move later.
    Agreed,
    /// A person made the opposite move, or had made it before: an active rule would have been held back.
    Disagreed,
    /// Nobody laid a hand on it, or it was so already by a person's hand.
    Nothing,
    /// No hand does such a thing, or none can be told to have done it.
    NotComparable,
}

/// An effect that was recorded and not carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Shadowed {
    pub target: Target,
    pub event: EventId,
    /// When it would have been done.
    pub at: DateTime<Utc>,
    pub action: String,
    pub params: Value,
    /// The action with its parameters, as a rule has them; long ones shortened.
    pub written: String,
    /// What a hand would move; empty: nothing that can be compared.
    pub moves: Vec<Move>,
}

/// One move on one item, however often it would have been made.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    pub target: Target,
    pub event: EventId,
    /// The first time.
    pub at: DateTime<Utc>,
    pub action: String,
    /// "put label `bug` there", or the action where there is no such move.
    pub what: String,
    pub answer: Answer,
    /// The change by hand that decided, or that had made it so before.
    pub hand: Option<HandChange>,
}

/// How many of each, and what follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Figures {
    pub agreed: u32,
    pub disagreed: u32,
    pub nothing: u32,
    pub not_comparable: u32,
    /// Items on which people agreed or disagreed.
    pub items: u32,
    /// Agreed, of those agreed and disagreed; `None`: there are none.
    pub rate: Option<f64>,
    /// Agreed and disagreed, of all that could have been: how much the rate rests on.
    pub coverage: Option<f64>,
}

/// Compares effects with the hands on their items, whose repositories are in lower case. Newest first.
pub fn compare(mut effects: Vec<Shadowed>, hands: &HashMap<(String, u64), Vec<HandChange>>) -> Vec<Compared> {
    effects.sort_by_key(|effect| effect.at);
    let mut rows: Vec<Compared> = Vec::new();
    let mut seen: HashMap<String, Vec<Move>> = HashMap::new();
    let mut deeds: BTreeSet<(String, String)> = BTreeSet::new();
    for effect in effects {
        let place = effect.target.to_string().to_lowercase();
        let row = |what: String, (answer, hand): (Answer, Option<&HandChange>)| Compared {
            target: effect.target.clone(),
            event: effect.event,
            at: effect.at,
            action: effect.action.clone(),
            what,
            answer,
            hand: hand.cloned(),
        };
        if effect.moves.is_empty() || !effect.target.subject.is_item() {
            if deeds.insert((place, format!("{} {}", effect.action, effect.params))) {
                rows.push(row(effect.written.clone(), (Answer::NotComparable, None)));
            }
            continue;
        }
        let key = (effect.target.repository.as_str().to_lowercase(), effect.target.number);
        let on_item = hands.get(&key).map_or(&[][..], Vec::as_slice);
        let made = seen.entry(place).or_default();
        for each in &effect.moves {
            if made.iter().all(|known| !known.is(each)) {
                made.push(each.clone());
                rows.push(row(infinitive(each), judge(each, effect.at, on_item)));
            }
        }
    }
    rows.reverse();
    rows
}

/// How people answered a move that would have been made at a time, and the hand that says so. The latest hand decides;
/// one of the same second counts as later: GitHub tells no more than the second.
pub fn judge<'h>(would: &Move, at: DateTime<Utc>, hands: &'h [HandChange]) -> (Answer, Option<&'h HandChange>) {
    let since = at.trunc_subsecs(0);
    let bearing = hands.iter().filter(|change| bears_on(would, change, hands));
    // A milestone that is replaced is taken off and another put there in the same second: the one asked for tells more.
    let Some(latest) = bearing.max_by_key(|change| (change.at, change.thing.is(&would.thing))) else {
        return (Answer::Nothing, None);
    };
    let answer = match is_same(would, latest, hands) {
        false => Answer::Disagreed,
        true if latest.at >= since => Answer::Agreed,
        true => Answer::Nothing,
    };
    (answer, Some(latest))
}

fn bears_on(would: &Move, change: &HandChange, hands: &[HandChange]) -> bool {
    match (&would.thing, &change.thing) {
        // An item has one milestone: another in its place says no to this one.
        (Thing::Milestone(_), Thing::Milestone(_)) if would.hand == Hand::Put => {
            change.thing.is(&would.thing) || change.hand == Hand::Put
        }
        // What was closed without a merge and reopened is undecided again.
        (Thing::Merged, Thing::Merged) => {
            let reopened =
                |other: &HandChange| other.thing == Thing::State && other.hand == Hand::Put && other.at >= change.at;
            change.hand == Hand::Put || !hands.iter().any(reopened)
        }
        _ => change.thing.is(&would.thing),
    }
}

fn is_same(would: &Move, change: &HandChange, hands: &[HandChange]) -> bool {
    // Merging closes too, and says the opposite of closing.
    let by_merge = would.thing == Thing::State
        && change.hand == Hand::Taken
        && hands.iter().any(|other| other.thing == Thing::Merged && other.hand == Hand::Put && other.at == change.at);
    change.hand == would.hand && change.thing.is(&would.thing) && !by_merge
}

/// "put label `bug` there", "close it".
fn infinitive(would: &Move) -> String {
    match (&would.thing, would.hand) {
        (Thing::Label(name), Hand::Put) => format!("put label `{name}` there"),
        (Thing::Label(name), Hand::Taken) => format!("take label `{name}` off"),
        (Thing::Assignee(login), Hand::Put) => format!("assign `{login}`"),
        (Thing::Assignee(login), Hand::Taken) => format!("unassign `{login}`"),
        (Thing::Reviewer(name), Hand::Put) => format!("ask `{name}` for a review"),
        (Thing::Reviewer(name), Hand::Taken) => format!("take the review request for `{name}` back"),
        (Thing::State, Hand::Put) => "reopen it".to_owned(),
        (Thing::State, Hand::Taken) => "close it".to_owned(),
        (Thing::Merged, Hand::Put) => "merge it".to_owned(),
        (Thing::Merged, Hand::Taken) => "close it without a merge".to_owned(),
        (Thing::Lock, Hand::Put) => "lock it".to_owned(),
        (Thing::Lock, Hand::Taken) => "unlock it".to_owned(),
        (Thing::Milestone(title), Hand::Put) => format!("set milestone `{title}`"),
        (Thing::Milestone(title), Hand::Taken) => format!("take milestone `{title}` off"),
        (Thing::Title(title), _) => format!("change the title `{title}`"),
        (Thing::Draft, Hand::Put) => "make it a draft".to_owned(),
        (Thing::Draft, Hand::Taken) => "mark it ready for review".to_owned(),
    }
}

/// The figures of some rows.
pub fn figures(rows: &[Compared]) -> Figures {
    let count =
        |answer: Answer| u32::try_from(rows.iter().filter(|row| row.answer == answer).count()).unwrap_or(u32::MAX);
    let decided = rows.iter().filter(|row| matches!(row.answer, Answer::Agreed | Answer::Disagreed));
    let items: BTreeSet<String> = decided.map(|row| row.target.to_string().to_lowercase()).collect();
    let (agreed, disagreed, nothing) = (count(Answer::Agreed), count(Answer::Disagreed), count(Answer::Nothing));
    let share = |part: u32, whole: u32| (whole > 0).then(|| f64::from(part) / f64::from(whole));
    Figures {
        agreed,
        disagreed,
        nothing,
        not_comparable: count(Answer::NotComparable),
        items: u32::try_from(items.len()).unwrap_or(u32::MAX),
        rate: share(agreed, agreed + disagreed),
        coverage: share(agreed + disagreed, agreed + disagreed + nothing),
    }
}

/// `3 moves`, `1 move`.
fn counted(count: u32, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn percent(share: Option<f64>) -> String {
    share.map(|share| format!(" ({:.0} %)", share * 100.0)).unwrap_or_default()
}

/// The figures in words, for whoever has to decide whether to turn the rule on.
pub fn in_words(figures: &Figures) -> String {
    let Figures { agreed, disagreed, nothing, not_comparable, items, rate, coverage } = figures;
    let (decided, of) = (agreed + disagreed, agreed + disagreed + nothing);
    let mut text = if of == 0 {
        "It would have made no move that people make by hand, so there is nothing to compare.".to_owned()
    } else if decided == 0 {
        format!("It would have made {}; people have decided none of them by hand yet.", counted(of, "move"))
    } else {
        format!(
            "It would have made {}; people decided {decided} of them by hand{}, and agreed with {agreed} of these{}.",
            counted(of, "move"),
            percent(*coverage),
            percent(*rate)
        )
    };
    if of > 0 && *items < ENOUGH_ITEMS {
        text.push_str(&format!(
            " Caution: {} could be compared, and fewer than {ENOUGH_ITEMS} say little.",
            counted(*items, "item")
        ));
    }
    if *not_comparable > 0 {
        text.push_str(&format!(
            " {} no hand can be compared with: read what would have been done.",
            counted(*not_comparable, "effect")
        ));
    }
    text
}

#[cfg(test)]
mod tests;
