//! `milestone`: sets the milestone of an issue or pull request by its title, or clears it.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::hands::{newest, phrase, same_name};
use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled, item};
use crate::core::command::{Command, some_words};
use crate::core::hand::{Hand, HandChange, Move, Thing};
use crate::core::intent::Target;
use crate::core::role::Role;
use crate::github::client::{Reader, Writer};
use crate::github::{GitHubError, path};

/// 1,000 milestones of a repository, closed ones included, are looked through.
const MOST_PAGES: u32 = 10;

/// The milestone to have. Give `set` or `clear`, not both.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Title of a milestone that the repository has. None is made.
    #[serde(default)]
    set: Option<String>,
    /// `true`: it is to have none.
    #[serde(default)]
    clear: bool,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub(super) enum Params {
    Set(String),
    Clear,
}

impl TryFrom<Written> for Params {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written { set: Some(title), clear: false } if !title.trim().is_empty() => Ok(Self::Set(title)),
            Written { set: None, clear: true } => Ok(Self::Clear),
            Written { set: Some(_), clear: false } => Err("`set` is empty".to_owned()),
            Written { set: Some(_), clear: true } => Err("both `set` and `clear` are given".to_owned()),
            Written { set: None, clear: false } => Err("name a milestone in `set`, or say `clear: true`".to_owned()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Milestone {
    number: u64,
    title: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// What the item has.
    has: Option<Milestone>,
    /// The milestone of the repository that the parameters name; `None` when it has none of that title.
    named: Option<Milestone>,
}

/// What the item is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    to: Option<Milestone>,
}

#[derive(Deserialize)]
struct Shown {
    /// Null is "none"; an answer without it is not taken for that.
    #[serde(deserialize_with = "Option::deserialize")]
    milestone: Option<Milestone>,
}

async fn find(target: &Target, title: &str, reader: &Reader) -> Result<Option<Milestone>, GitHubError> {
    let path = path::repository(&target.repository, "/milestones?state=all");
    let listed = reader.get_all::<Milestone>(&path, None, MOST_PAGES).await?;
    let exact = listed.items.iter().find(|each| each.title == title);
    match exact.or_else(|| listed.items.iter().find(|each| same_name(&each.title, title))) {
        Some(found) => Ok(Some(found.clone())),
        None => listed.whole("milestones").map(|_| None),
    }
}

fn number(milestone: Option<&Milestone>) -> Option<u64> {
    milestone.map(|milestone| milestone.number)
}

/// What a person said that `wanted` would change back: they took that milestone off, or set the one that is there.
fn by_hand<'a>(hands: &'a [HandChange], has: Option<&Milestone>, wanted: Option<&Milestone>) -> Option<&'a HandChange> {
    let newest = |milestone: &Milestone, hand| newest(hands, &Thing::Milestone(milestone.title.clone()), hand);
    let taken = wanted.and_then(|wanted| newest(wanted, Hand::Taken));
    taken.or_else(|| newest(has?, Hand::Put))
}

impl Action for Params {
    type State = State;
    type Change = Change;

    const NAME: &'static str = "milestone";
    const HELP: &'static str = "Sets the milestone of the issue or pull request by its title, or takes it off \
        (`clear: true`); a milestone that the repository lacks is not made.";
    const EXAMPLE: &'static str = "{set: \"2.0\"}";
    const UNDOABLE: bool = true;
    const COMMANDS: &'static [Command] = &[Command {
        word: "milestone",
        usage: "/milestone TITLE|none",
        help: "Sets its milestone, or takes it off.",
        least: Role::Triage,
        of_pulls: false,
        read: |asked| match some_words(asked.arguments, "a milestone, or say `none`")?.as_slice() {
            [none] if none == "none" => Ok(json!({"clear": true})),
            [title] => Ok(json!({"set": title})),
            _ => Err("name one milestone; a title with blanks stands in quotes".to_owned()),
        },
    }];

    fn asks_for(&self) -> Vec<Move> {
        match self {
            Self::Set(title) => vec![Move { thing: Thing::Milestone(title.clone()), hand: Hand::Put }],
            Self::Clear => Vec::new(),
        }
    }

    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<State, GitHubError> {
        let (shown, _) = item::get::<Shown>(target, reader).await?;
        let has = shown.milestone;
        let named = match (self, &has) {
            (Self::Set(title), Some(has)) if *title == has.title => Some(has.clone()),
            (Self::Set(title), _) => find(target, title, reader).await?,
            (Self::Clear, _) => None,
        };
        Ok(State { has, named })
    }

    fn plan(&self, _: &Origin, State { has, named }: &State, hands: &[HandChange]) -> Plan<Change> {
        match (self, has, named) {
            (Self::Set(title), _, None) => {
                return Plan::Held(format!(
                    "the repository has no milestone `{title}`: create it there, or name one that it has"
                ));
            }
            (Self::Set(_), Some(has), Some(named)) if has.number == named.number => {
                return Plan::Nothing(format!("its milestone is `{}` already", has.title));
            }
            (Self::Clear, None, _) => return Plan::Nothing("it has no milestone".to_owned()),
            _ => {}
        }
        match by_hand(hands, has.as_ref(), named.as_ref()) {
            Some(change) => Plan::Held(phrase(change)),
            None => Plan::Change(Change { to: named.clone() }),
        }
    }

    fn settle(&self, _: &State, change: &Change, now: &State) -> Settled {
        let there = number(now.has.as_ref()) == number(change.to.as_ref());
        if there { Settled::Happened } else { Settled::DidNot }
    }

    /// As an issue, which a pull request is too: GitHub knows milestones there only.
    async fn write(&self, target: &Target, writer: &Writer, change: &Change) -> Result<(), GitHubError> {
        let body = json!({"milestone": number(change.to.as_ref())});
        writer.send::<Value>(Method::PATCH, &item::below(target, "issues"), &body).await?;
        Ok(())
    }

    fn undo(&self, before: &State, after: &State, now: &State) -> Reversal<Change> {
        let [before_it, after_it, now_it] = [before, after, now].map(|state| number(state.has.as_ref()));
        if now_it == before_it || after_it == before_it {
            Reversal::Nothing
        } else if now_it == after_it {
            Reversal::Change(Change { to: before.has.clone() })
        } else {
            Reversal::Refused("the milestone was changed since".to_owned())
        }
    }

    fn moves(&self, before: &State, change: &Change) -> Vec<Move> {
        let moved = |milestone: &Option<Milestone>, hand| {
            milestone.as_ref().map(|it| Move { thing: Thing::Milestone(it.title.clone()), hand })
        };
        [moved(&before.has, Hand::Taken), moved(&change.to, Hand::Put)].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use chrono::DateTime;

    use super::*;
    use crate::core::event::RepoName;

    fn milestone(number: u64, title: &str) -> Option<Milestone> {
        Some(Milestone { number, title: title.to_owned() })
    }

    fn hand(title: &str, hand: Hand, at: i64) -> HandChange {
        HandChange {
            repository: RepoName::parse("acme/app").unwrap(),
            number: 7,
            thing: Thing::Milestone(title.to_owned()),
            hand,
            by: "alice".to_owned(),
            at: DateTime::from_timestamp(at, 0).unwrap(),
        }
    }

    fn plan(params: &Params, has: Option<Milestone>, named: Option<Milestone>, hands: &[HandChange]) -> Plan<Change> {
        let origin = Origin::of("r");
        params.plan(&origin, &State { has, named }, hands)
    }

    #[test]
    fn a_milestone_that_is_not_there_is_said_to_be_missing_and_not_made() {
        let Plan::Held(why) = plan(&Params::Set("3.0".to_owned()), None, None, &[]) else { panic!("held") };
        assert_eq!(why, "the repository has no milestone `3.0`: create it there, or name one that it has");
    }

    #[test]
    fn invariant_7_what_a_person_set_or_took_off_stays_so() {
        let set = Params::Set("2.0".to_owned());
        let (one, two) = (|| milestone(1, "1.0"), || milestone(2, "2.0"));
        let held = |plan: Plan<Change>| matches!(plan, Plan::Held(why) if why.contains("by alice"));
        assert!(held(plan(&set, None, two(), &[hand("2.0", Hand::Taken, 1)])));
        assert!(held(plan(&set, one(), two(), &[hand("1.0", Hand::Put, 1)])));
        assert!(held(plan(&Params::Clear, one(), None, &[hand("1.0", Hand::Put, 1)])));
        // GitHub tells both of an exchange, in the same second.
        let exchanged = [hand("2.0", Hand::Taken, 1), hand("1.0", Hand::Put, 1)];
        assert!(held(plan(&set, one(), two(), &exchanged)));
        // What a rule set, and what a person set and took off again, is nobody's wish any more.
        assert!(matches!(plan(&set, one(), two(), &[]), Plan::Change(_)));
        let again = [hand("2.0", Hand::Taken, 1), hand("2.0", Hand::Put, 2)];
        assert!(matches!(plan(&set, None, two(), &again), Plan::Change(_)));
    }

    #[test]
    fn undo_gives_back_the_one_before_unless_a_person_chose_another() {
        let state = |has| State { has, named: milestone(2, "2.0") };
        let undo = |now| {
            let (before, after) = (state(milestone(1, "1.0")), state(milestone(2, "2.0")));
            Params::Set("2.0".to_owned()).undo(&before, &after, &state(now))
        };
        assert_eq!(undo(milestone(2, "2.0 final")), Reversal::Change(Change { to: milestone(1, "1.0") }));
        assert_eq!(undo(milestone(1, "1.0")), Reversal::Nothing);
        assert!(matches!(undo(None), Reversal::Refused(_)));
    }
}
