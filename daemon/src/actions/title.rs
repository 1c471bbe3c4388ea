//! `title`: gives an issue or pull request a title, or puts something before or after the one it has.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled, hands, item};
use crate::core::command::Command;
use crate::core::hand::{Hand, HandChange, Move, Thing};
use crate::core::intent::Target;
use crate::core::role::Role;
use crate::github::GitHubError;
use crate::github::client::{Reader, Writer};

/// Characters that GitHub takes.
const LONGEST: usize = 256;

/// The title to have. Give `set`, or else `prefix`, `suffix` or both.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// What the title is to begin with, with the space after it if there is to be one. A title that begins so stays as
    /// it is.
    #[serde(default)]
    prefix: Option<String>,
    /// What the title is to end with, with the space before it if there is to be one.
    #[serde(default)]
    suffix: Option<String>,
    /// The whole title.
    #[serde(default)]
    set: Option<String>,
    /// With `set`: only while the title is this one, whoever gave it.
    #[serde(default)]
    instead_of: Option<String>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub(super) enum Params {
    Set(String),
    Instead { of: String, set: String },
    Around { prefix: String, suffix: String },
}

/// The title of the item before, after, and to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Title {
    title: String,
    /// Of a pull request.
    pull: bool,
}

#[derive(Deserialize)]
struct Shown {
    title: String,
}

/// GitHub cuts white space off both ends of a title: a part of one must not rely on it.
fn fits(key: &str, text: &str, begins: bool, ends: bool) -> Result<(), String> {
    let length = text.chars().count();
    if text.trim().is_empty() || length > LONGEST || text.chars().any(char::is_control) {
        return Err(format!("`{key}` has 1 to {LONGEST} characters on one line"));
    }
    let at_end = |cut: bool, rest: &str| cut && rest.len() != text.len();
    if at_end(begins, text.trim_start()) || at_end(ends, text.trim_end()) {
        return Err(format!("`{key}` has white space where the title begins or ends, which GitHub cuts off"));
    }
    Ok(())
}

impl TryFrom<Written> for Params {
    type Error = String;
    fn try_from(Written { prefix, suffix, set, instead_of }: Written) -> Result<Self, String> {
        if set.is_none() && instead_of.is_some() {
            return Err("`instead_of` goes with `set`".to_owned());
        }
        match (set, prefix, suffix) {
            (Some(set), None, None) => fits("set", &set, true, true).map(|()| match instead_of {
                Some(of) => Self::Instead { of, set },
                None => Self::Set(set),
            }),
            (Some(_), ..) => Err("`set` is the whole title: give no `prefix` or `suffix` with it".to_owned()),
            (None, None, None) => Err("give `prefix`, `suffix` or `set`".to_owned()),
            (None, prefix, suffix) => {
                prefix.iter().try_for_each(|prefix| fits("prefix", prefix, true, false))?;
                suffix.iter().try_for_each(|suffix| fits("suffix", suffix, false, true))?;
                Ok(Self::Around { prefix: prefix.unwrap_or_default(), suffix: suffix.unwrap_or_default() })
            }
        }
    }
}

/// The newest title that a person took away which `had` the part in question.
fn taken(hands: &[HandChange], had: impl Fn(&str) -> bool) -> Option<&HandChange> {
    let fits = |change: &&HandChange| matches!(&change.thing, Thing::Title(title) if had(title));
    hands.iter().filter(fits).max_by_key(|change| change.at)
}

impl Params {
    /// The title to be, and what a person's hand keeps out of it.
    fn wanted<'a>(&self, now: &str, hands: &'a [HandChange]) -> (String, Option<&'a HandChange>) {
        match self {
            Self::Instead { of, set } => (if of == now { set.clone() } else { now.to_owned() }, None),
            Self::Set(title) if title == now => (title.clone(), None),
            // A person gave it a title: whichever, it is theirs.
            Self::Set(title) => match taken(hands, |_| true) {
                Some(change) => (now.to_owned(), Some(change)),
                None => (title.clone(), None),
            },
            Self::Around { prefix, suffix } => {
                let before = !now.starts_with(prefix.as_str());
                let after = !now.ends_with(suffix.as_str());
                let no_prefix = taken(hands, |had| before && had.starts_with(prefix.as_str()));
                let no_suffix = taken(hands, |had| after && had.ends_with(suffix.as_str()));
                let prefix = if before && no_prefix.is_none() { prefix } else { "" };
                let suffix = if after && no_suffix.is_none() { suffix } else { "" };
                (format!("{prefix}{now}{suffix}"), no_prefix.or(no_suffix))
            }
        }
    }
}

/// Whether a write that was planned for the title `before` took away `wanted`, which a person gave meanwhile; gives the
/// title that stands in its place.
pub fn overwritten_title(before: &Value, change: &Value, wanted: &str) -> Option<String> {
    let (before, change) = (Title::deserialize(before).ok()?, Title::deserialize(change).ok()?);
    (before.title != wanted && change.title != wanted).then_some(change.title)
}

impl Action for Params {
    type State = Title;
    type Change = Title;

    const NAME: &'static str = "title";
    const HELP: &'static str = "Gives the issue or pull request a title (`set`), or puts something before (`prefix`) \
        and after (`suffix`) the one it has, once.";
    const EXAMPLE: &'static str = "{prefix: \"[blocked] \"}";
    const UNDOABLE: bool = true;
    const COMMANDS: &'static [Command] = &[Command {
        word: "title",
        usage: "/title TEXT",
        help: "Gives it this title.",
        least: Role::Write,
        of_pulls: false,
        read: |asked| match asked.arguments {
            "" => Err("write the title".to_owned()),
            text => Ok(json!({"set": text})),
        },
    }];

    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<Title, GitHubError> {
        let (Shown { title }, pull) = item::get(target, reader).await?;
        Ok(Title { title, pull })
    }

    fn plan(&self, _: &Origin, state: &Title, hands: &[HandChange]) -> Plan<Title> {
        let (title, held) = self.wanted(&state.title, hands);
        let held = held.map(hands::phrase);
        let length = title.chars().count();
        match (title == state.title, held) {
            (true, None) => Plan::Nothing("the title is so already".to_owned()),
            (true, Some(held)) => Plan::Held(held),
            (false, _) if length > LONGEST => {
                Plan::Held(format!("the title would have {length} characters, and GitHub takes {LONGEST}"))
            }
            (false, None) => Plan::Change(Title { title, pull: state.pull }),
            (false, Some(held)) => Plan::Part(Title { title, pull: state.pull }, held),
        }
    }

    fn settle(&self, before: &Title, change: &Title, now: &Title) -> Settled {
        if now.title == change.title {
            Settled::Happened
        } else if now.title == before.title {
            Settled::DidNot
        } else {
            Settled::CannotTell(format!("the title was changed meanwhile, to `{}`", now.title))
        }
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Title) -> Result<(), GitHubError> {
        let path = item::below(target, if change.pull { "pulls" } else { "issues" });
        writer.send::<Value>(Method::PATCH, &path, &json!({"title": change.title})).await?;
        Ok(())
    }

    fn undo(&self, before: &Title, after: &Title, now: &Title) -> Reversal<Title> {
        if now.title == before.title || after.title == before.title {
            Reversal::Nothing
        } else if now.title == after.title {
            Reversal::Change(before.clone())
        } else {
            Reversal::Refused("the title was edited since".to_owned())
        }
    }

    /// GitHub tells which title is gone.
    fn moves(&self, before: &Title, _: &Title) -> Vec<Move> {
        vec![Move { thing: Thing::Title(before.title.clone()), hand: Hand::Taken }]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use chrono::DateTime;

    use super::*;
    use crate::core::event::RepoName;
    use crate::core::hand::Hand;

    fn params(written: Value) -> Result<Params, String> {
        serde_json::from_value(written).map_err(|error| error.to_string())
    }

    fn plan(written: Value, title: &str, taken: &[&str]) -> Plan<Title> {
        let origin = Origin::of("r");
        let hand = |title: &&str| HandChange {
            repository: RepoName::parse("acme/app").unwrap(),
            number: 7,
            thing: Thing::Title((*title).to_owned()),
            hand: Hand::Taken,
            by: "alice".to_owned(),
            at: DateTime::from_timestamp(1, 0).unwrap(),
        };
        let hands: Vec<HandChange> = taken.iter().map(hand).collect();
        params(written).unwrap().plan(&origin, &Title { title: title.to_owned(), pull: false }, &hands)
    }

    fn becomes(written: Value, title: &str, taken: &[&str]) -> String {
        match plan(written, title, taken) {
            Plan::Change(change) | Plan::Part(change, _) => change.title,
            other => panic!("it changes, not {other:?}"),
        }
    }

    #[test]
    fn what_is_there_already_is_not_put_there_twice() {
        let both = || json!({"prefix": "[WIP] ", "suffix": " (draft)"});
        assert_eq!(becomes(both(), "Mend it", &[]), "[WIP] Mend it (draft)");
        assert_eq!(becomes(both(), "[WIP] Mend it", &[]), "[WIP] Mend it (draft)");
        assert!(matches!(plan(both(), "[WIP] Mend it (draft)", &[]), Plan::Nothing(_)));
        assert!(matches!(plan(json!({"set": "Mend it"}), "Mend it", &["Old"]), Plan::Nothing(_)));
    }

    #[test]
    fn invariant_7_what_a_person_took_out_of_the_title_stays_out() {
        let held = |plan: Plan<Title>| matches!(plan, Plan::Held(why) if why.ends_with("by alice on 1970-01-01"));
        assert!(held(plan(json!({"prefix": "[WIP] "}), "Mend it", &["[WIP] Break it"])));
        assert!(held(plan(json!({"suffix": " (old)"}), "Mend it", &["It (old)", "It"])));
        assert!(held(plan(json!({"set": "Mend it"}), "My own words", &["It breaks"])));
        // A new title does not mean that the rule's part was not wanted.
        assert_eq!(becomes(json!({"prefix": "[WIP] "}), "Mend it", &["It breaks"]), "[WIP] Mend it");
        let both = json!({"prefix": "[WIP] ", "suffix": " (old)"});
        let rest = Title { title: "Mend it (old)".to_owned(), pull: false };
        assert!(matches!(plan(both, "Mend it", &["[WIP] It"]), Plan::Part(part, _) if part == rest));
    }

    #[test]
    fn a_title_that_github_would_not_take_is_not_sent() {
        let long = "x".repeat(250);
        assert!(matches!(plan(json!({"prefix": "[blocked] "}), &long, &[]), Plan::Held(why) if why.contains("260")));
        for (written, why) in [
            (json!({}), "give `prefix`, `suffix` or `set`"),
            (json!({"set": "a", "prefix": "b"}), "whole title"),
            (json!({"prefix": " a"}), "cuts off"),
            (json!({"suffix": "a "}), "cuts off"),
            (json!({"set": "a\nb"}), "on one line"),
            (json!({"prefix": "  "}), "1 to 256 characters"),
            (json!({"pre": "a"}), "unknown field `pre`"),
        ] {
            let refused = params(written).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn undo_leaves_alone_what_a_person_edited_since() {
        let title = |title: &str| Title { title: title.to_owned(), pull: true };
        let undo = |now: &str| {
            params(json!({"prefix": "[WIP] "})).unwrap().undo(&title("It"), &title("[WIP] It"), &title(now))
        };
        assert_eq!(undo("[WIP] It"), Reversal::Change(title("It")));
        assert_eq!(undo("It"), Reversal::Nothing);
        assert_eq!(undo("[WIP] It breaks"), Reversal::Refused("the title was edited since".to_owned()));
    }
}
