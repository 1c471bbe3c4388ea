//! `stale`: marks an item that nobody has touched for long, takes the mark off when a person comes back, and closes it when
//! nobody does.
//!
//! What counts is what people do: the timeline says who. What Apps do, orchd first of all, keeps nothing alive. The item
//! is marked by a label; the comment with it goes when the mark goes, so that the next one is news again.

use chrono::{DateTime, TimeDelta, Utc};
use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::comment::{self, Comment};
use super::item::{self, Open};
use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled, hands};
use crate::core::hand::{Hand, HandChange, Move, Thing};
use crate::core::intent::Target;
use crate::github::client::{Reader, Writer};
use crate::github::timeline::{self, Moment};
use crate::github::{GitHubError, path};

/// What tells nothing of a person's interest: it happens to them.
const NO_TOUCH: [&str; 4] = ["subscribed", "unsubscribed", "mentioned", "cross-referenced"];

fn default_label() -> String {
    "stale".to_owned()
}

/// When, how it shows, and what is left alone.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// Days without anything that a person did, after which the item is marked.
    #[schemars(range(min = 1, max = 3650))]
    days: u32,
    /// Days with the mark and without anything that a person did, after which it is closed; never when left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 3650))]
    close_days: Option<u32>,
    /// The mark; `stale` when left out.
    #[serde(default = "default_label")]
    label: String,
    /// What to say when it is marked. Nothing when left out.
    #[serde(default)]
    comment: Option<String>,
    /// Items with one of these labels are left alone.
    #[serde(default)]
    exempt_labels: Vec<String>,
    /// Items with assignees are left alone.
    #[serde(default)]
    exempt_assigned: bool,
    /// Items with a milestone are left alone.
    #[serde(default)]
    exempt_milestones: bool,
}

/// What the receipt keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    open: Open,
    pull: bool,
    marked: bool,
    /// When the mark was put there.
    marked_at: Option<DateTime<Utc>>,
    /// What a person did last; the opening counts.
    touched_at: DateTime<Utc>,
    /// Why it is left alone.
    exempt: Option<String>,
    comment: Option<Comment>,
}

/// What to write: each part that is to be another than it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    mark: Option<bool>,
    post: Option<String>,
    delete: Option<u64>,
    open: Option<Open>,
    pull: bool,
}

#[derive(Deserialize)]
struct Shown {
    state: Open,
    labels: Vec<Label>,
    assignees: Vec<Value>,
    milestone: Option<Value>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    pull_request: Option<Value>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

impl Params {
    fn exemption(&self, shown: &Shown) -> Option<String> {
        let has = |name: &&String| shown.labels.iter().any(|label| hands::same_name(&label.name, name));
        if let Some(name) = self.exempt_labels.iter().find(has) {
            return Some(format!("it has the label `{name}`"));
        }
        if self.exempt_assigned && !shown.assignees.is_empty() {
            return Some("somebody is assigned".to_owned());
        }
        (self.exempt_milestones && shown.milestone.is_some()).then(|| "it has a milestone".to_owned())
    }

    fn is_mark(&self, moment: &Moment) -> bool {
        moment.label.as_ref().is_some_and(|label| hands::same_name(label, &self.label))
    }

    fn mark(&self, origin: &Origin, state: &State) -> Change {
        let body = self.comment.as_ref().filter(|_| state.comment.is_none());
        let post = body.map(|body| comment::with_marker(body, origin));
        Change { mark: Some(true), post, pull: state.pull, ..Change::default() }
    }

    fn unmark(state: &State) -> Change {
        let delete = state.comment.as_ref().map(|comment| comment.id);
        Change { mark: Some(false), delete, pull: state.pull, ..Change::default() }
    }
}

fn days(days: u32) -> TimeDelta {
    TimeDelta::days(i64::from(days))
}

/// When a person last did something, as far as the moments tell.
fn last_touch(moments: &[Moment]) -> Option<DateTime<Utc>> {
    let by_person = |moment: &&Moment| {
        !NO_TOUCH.contains(&moment.what.as_str()) && !moment.by.as_ref().is_some_and(timeline::Author::is_bot)
    };
    moments.iter().filter(by_person).filter_map(|moment| moment.at).max()
}

impl Action for Params {
    type State = State;
    type Change = Change;

    const NAME: &'static str = "stale";
    const HELP: &'static str = "Marks an issue or pull request that no person has touched for long, takes the mark off when \
        somebody does, and closes it when nobody does. Use it in a rule with the trigger `schedule.daily`, and \
        `issue_comment.created` if the mark is to go at once. What Apps do keeps nothing alive.";
    const EXAMPLE: &'static str = "{days: 60, close_days: 14, comment: \"Is this still so?\", exempt_labels: [pinned]}";
    const UNDOABLE: bool = true;
    const ONE_REQUEST: bool = false;

    fn asks_for(&self) -> Vec<Move> {
        let mark = |hand| Move { thing: Thing::Label(self.label.clone()), hand };
        vec![mark(Hand::Put), mark(Hand::Taken), Move { thing: Thing::State, hand: Hand::Taken }]
    }

    /// Nothing can be told: whether it marks or closes depends on what nobody did.
    fn would_move(&self) -> Vec<Move> {
        Vec::new()
    }

    fn check(&self) -> Result<(), String> {
        let whole = |days: u32| (1..=3650).contains(&days);
        if !whole(self.days) || !self.close_days.is_none_or(whole) {
            return Err("`days` and `close_days` are 1 to 3650".to_owned());
        }
        if self.label.trim().is_empty() || self.label.chars().count() > 50 {
            return Err("`label` has 1 to 50 characters".to_owned());
        }
        self.comment.as_ref().map_or(Ok(()), |body| comment::check_body(body, "comment"))
    }

    async fn read(&self, target: &Target, origin: &Origin, reader: &Reader) -> Result<State, GitHubError> {
        let issue = path::repository(&target.repository, format_args!("/issues/{}", target.number));
        let shown: Shown = reader.get(&issue).await?;
        let moments = timeline::timeline(reader, &target.repository, target.number).await?;
        let marked = shown.labels.iter().any(|label| hands::same_name(&label.name, &self.label));
        let put = |moment: &&Moment| moment.what == "labeled" && self.is_mark(moment);
        let marked_at = moments.items.iter().rev().find(put).and_then(|moment| moment.at).filter(|_| marked);
        let touched_at = match last_touch(&moments.items) {
            // What came after is not known: better too young than closed.
            _ if !moments.complete => shown.updated_at,
            touched => touched.map_or(shown.created_at, |at| at.max(shown.created_at)),
        };
        let rule = origin.rule.as_str();
        let comment = match self.comment {
            Some(_) => comment::find(target, reader, |body| comment::is_of(body, rule)).await?,
            None => None,
        };
        let exempt = self.exemption(&shown);
        Ok(State {
            open: shown.state,
            pull: shown.pull_request.is_some(),
            marked,
            marked_at,
            touched_at,
            exempt,
            comment,
        })
    }

    fn plan(&self, origin: &Origin, state: &State, people: &[HandChange]) -> Plan<Change> {
        if state.open == Open::Closed {
            return Plan::Nothing("it is closed".to_owned());
        }
        let marked_at = state.marked_at.filter(|_| state.marked);
        if let Some(why) = &state.exempt {
            return match marked_at {
                Some(_) => Plan::Change(Self::unmark(state)),
                None => Plan::Nothing(format!("{why}: left alone")),
            };
        }
        if state.marked && marked_at.is_none() {
            return Plan::Held(format!("it has the label `{}`, but its timeline does not say since when", self.label));
        }
        let Some(marked_at) = marked_at else {
            let idle = origin.at - state.touched_at;
            return if idle < days(self.days) {
                Plan::Nothing(format!(
                    "last touched by a person {} days ago, fewer than {}",
                    idle.num_days(),
                    self.days
                ))
            } else {
                Plan::Change(self.mark(origin, state))
            };
        };
        if state.touched_at > marked_at {
            return Plan::Change(Self::unmark(state));
        }
        match self.close_days {
            Some(left) if origin.at - marked_at >= days(left) => {
                match hands::newest(people, &Thing::State, Hand::Put) {
                    Some(reopened) => Plan::Held(hands::phrase(reopened)),
                    None => Plan::Change(Change { open: Some(Open::Closed), pull: state.pull, ..Change::default() }),
                }
            }
            _ => Plan::Nothing(format!("marked since {}", marked_at.format("%Y-%m-%d"))),
        }
    }

    /// Each part may be written again without harm, but for the comment: that shows when it is there.
    fn settle(&self, _: &State, change: &Change, now: &State) -> Settled {
        let says = |body: &String| now.comment.as_ref().is_some_and(|comment| comment::says(comment, body));
        let shows = change.mark.is_none_or(|mark| mark == now.marked)
            && change.open.is_none_or(|open| open == now.open)
            && change.post.as_ref().is_none_or(says)
            && change.delete.is_none_or(|id| now.comment.as_ref().is_none_or(|comment| comment.id != id));
        if shows { Settled::Happened } else { Settled::DidNot }
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Change) -> Result<(), GitHubError> {
        let issue = |rest: &str| path::repository(&target.repository, format_args!("/issues/{}{rest}", target.number));
        let gone_is_fine = |sent: Result<Value, GitHubError>| match sent {
            Ok(_) | Err(GitHubError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        };
        if let Some(body) = &change.post {
            writer.send::<Value>(Method::POST, &issue("/comments"), &json!({"body": body})).await?;
        }
        match change.mark {
            Some(true) => {
                writer.send::<Value>(Method::POST, &issue("/labels"), &json!({"labels": [self.label]})).await?;
            }
            Some(false) => {
                let one = issue(&format!("/labels/{}", path::segment(&self.label)));
                gone_is_fine(writer.send(Method::DELETE, &one, &Value::Null).await)?;
            }
            None => {}
        }
        if let Some(id) = change.delete {
            let one = path::repository(&target.repository, format_args!("/issues/comments/{id}"));
            gone_is_fine(writer.send(Method::DELETE, &one, &Value::Null).await)?;
        }
        match change.open {
            Some(state) => {
                let reason = (state == Open::Closed && !change.pull).then(|| "not_planned".to_owned());
                item::write(target, writer, &item::StateChange { state, reason, pull: change.pull }).await
            }
            None => Ok(()),
        }
    }

    fn undo(&self, before: &State, after: &State, now: &State) -> Reversal<Change> {
        let back = |before: bool, after: bool, now: bool| (before != after && now == after).then_some(before);
        let (was, is) = (before.comment.as_ref(), after.comment.as_ref());
        let kept = now.comment.as_ref();
        let edited = matches!((is, kept), (Some(is), Some(kept)) if !comment::says(kept, &is.body));
        if edited {
            return Reversal::Refused("the comment was edited since".to_owned());
        }
        let open = |open: Open| open == Open::Open;
        let opened = back(open(before.open), open(after.open), open(now.open));
        let change = Change {
            mark: back(before.marked, after.marked, now.marked),
            post: was.filter(|_| is.is_none() && kept.is_none()).map(|comment| comment.body.clone()),
            delete: kept.filter(|_| was.is_none()).map(|comment| comment.id),
            open: opened.map(|open| if open { Open::Open } else { Open::Closed }),
            pull: now.pull,
        };
        let nothing = Change { pull: now.pull, ..Change::default() };
        if change == nothing { Reversal::Nothing } else { Reversal::Change(change) }
    }

    fn moves(&self, _: &State, change: &Change) -> Vec<Move> {
        let hand = |put| if put { Hand::Put } else { Hand::Taken };
        let mark = change.mark.map(|put| Move { thing: Thing::Label(self.label.clone()), hand: hand(put) });
        let open = change.open.map(|open| Move { thing: Thing::State, hand: hand(open == Open::Open) });
        mark.into_iter().chain(open).collect()
    }

    fn told_by(_: &Change) -> &'static [&'static str] {
        &["issue_comment"]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::core::intent::IntentId;
    use crate::core::rule::RuleName;

    fn day(day: i64) -> DateTime<Utc> {
        "2026-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(day)
    }

    fn origin(now: i64) -> Origin {
        Origin { rule: RuleName::parse("tidy").unwrap(), intent: IntentId(uuid::Uuid::nil()), at: day(now) }
    }

    fn params() -> Params {
        serde_json::from_value(json!({"days": 60, "close_days": 14, "comment": "Still so?"})).unwrap()
    }

    fn state(touched: i64, marked: Option<i64>) -> State {
        let marked_at = marked.map(day);
        State {
            open: Open::Open,
            pull: false,
            marked: marked.is_some(),
            marked_at,
            touched_at: day(touched),
            exempt: None,
            comment: None,
        }
    }

    fn plan(now: i64, state: &State) -> Plan<Change> {
        params().plan(&origin(now), state, &[])
    }

    #[test]
    fn it_is_marked_unmarked_and_closed_in_time() {
        assert!(matches!(plan(59, &state(0, None)), Plan::Nothing(why) if why.contains("59 days ago, fewer than 60")));
        assert!(matches!(
            plan(60, &state(0, None)),
            Plan::Change(Change { mark: Some(true), post: Some(_), open: None, .. })
        ));
        assert!(matches!(plan(73, &state(0, Some(60))), Plan::Nothing(why) if why == "marked since 2026-03-02"));
        assert!(matches!(
            plan(74, &state(0, Some(60))),
            Plan::Change(Change { mark: None, open: Some(Open::Closed), .. })
        ));
        assert!(matches!(plan(74, &state(61, Some(60))), Plan::Change(Change { mark: Some(false), open: None, .. })));
        let exempt = State { exempt: Some("it has a milestone".to_owned()), ..state(0, None) };
        assert!(matches!(plan(600, &exempt), Plan::Nothing(why) if why == "it has a milestone: left alone"));
        assert!(matches!(
            plan(600, &State { marked: true, marked_at: Some(day(60)), ..exempt }),
            Plan::Change(Change { mark: Some(false), .. })
        ));
        assert!(matches!(plan(600, &State { open: Open::Closed, ..state(0, None) }), Plan::Nothing(_)));
    }

    #[test]
    fn only_what_people_do_counts() {
        let moment = |what: &str, login: &str, at: i64| Moment {
            what: what.to_owned(),
            at: Some(day(at)),
            by: serde_json::from_value(json!({"login": login})).ok(),
            label: None,
            assignee: None,
        };
        let moments =
            [moment("commented", "alice", 3), moment("commented", "orchd[bot]", 9), moment("mentioned", "alice", 8)];
        assert_eq!(last_touch(&moments), Some(day(3)));
        assert_eq!(last_touch(&[Moment { by: None, ..moment("committed", "x", 4) }]), Some(day(4)));
    }
}
