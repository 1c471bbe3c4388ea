//! `review`: approves a pull request, or reviews it with a comment. Once for each commit, rule and event.
//!
//! The hidden last line of `comment` tells which of the App's reviews is the rule's; what others wrote is never ours.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::comment::{LONGEST_BODY, MARKER, split, with_marker};
use super::registry::Action;
use super::reviews::{self, Given, Stand};
use super::{Origin, Plan, Reversal, Settled, hands};
use crate::core::hand::HandChange;
use crate::core::intent::Target;
use crate::core::permission::Needs;
use crate::github::GitHubError;
use crate::github::client::{Reader, Writer};

/// Said on the pull request when an approval is taken back.
const DISMISSED: &str = "Taken back by orchd.";

/// There is no `request_changes`: it blocks a merge until its author comes back, and a bot does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    Approve,
    Comment,
}

impl Event {
    /// GitHub's word in a request, and in the review that comes of it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Approve => ("APPROVE", "APPROVED"),
            Self::Comment => ("COMMENT", "COMMENTED"),
        }
    }
}

/// What the review says.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    event: Event,
    /// Markdown, at most 65,000 characters. An approval needs none.
    #[serde(default)]
    body: String,
}

/// A review of the rule, its hidden line included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ours {
    id: u64,
    /// GitHub's word.
    state: String,
    commit: String,
    body: String,
}

impl Ours {
    /// GitHub turns an approval that is dismissed into this, and nothing else.
    fn is_dismissed(&self) -> bool {
        self.state == "DISMISSED"
    }

    fn is_of(&self, event: Event) -> bool {
        self.state == event.words().1 || event == Event::Approve && self.is_dismissed()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    stand: Stand,
    /// Whether the pull request is the App's own.
    own: bool,
    /// Commit.
    head: String,
    /// The rule's reviews on any commit, oldest first.
    ours: Vec<Ours>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Submit { event: Event, commit: String, body: String },
    Dismiss { id: u64 },
}

fn ours(given: Vec<Given>, rule: &str, bot: &str) -> Vec<Ours> {
    let of_rule = |review: &Given| {
        hands::same_name(&review.author, bot) && split(&review.body).is_some_and(|(_, said, _)| said == rule)
    };
    let known =
        |review: Given| Some(Ours { id: review.id, state: review.state, commit: review.commit?, body: review.body });
    given.into_iter().filter(of_rule).filter_map(known).collect()
}

impl State {
    fn find(&self, id: u64) -> Option<&Ours> {
        self.ours.iter().find(|review| review.id == id)
    }

    /// What is here and was not there.
    fn news<'a>(&'a self, earlier: &'a Self) -> impl Iterator<Item = &'a Ours> {
        self.ours.iter().filter(|review| earlier.find(review.id).is_none())
    }
}

impl Action for Params {
    type State = State;
    type Change = Change;

    const NAME: &'static str = "review";
    const HELP: &'static str = "Approves the pull request's head commit (`approve`), or reviews it with a comment \
        (`comment`, which needs a `body`): once for each commit and rule. What was pushed after the event is not \
        approved: the push has its own event. Its own App's pull request it cannot approve: \
        GitHub lets nobody approve his own. An approval that was dismissed is not given again for the same commit. There \
        is no `request_changes`: it would block merging until the bot thinks otherwise, which a rule that no longer fires \
        never does; use a check or a label for that. Taking back dismisses an approval; a comment stays, as GitHub \
        deletes no submitted review.";
    const EXAMPLE: &'static str = "{event: approve, body: \"Only the lock file changed.\"}";
    const UNDOABLE: bool = true;
    const NEEDS: Needs = Needs::Write("pull_requests");

    fn check(&self) -> Result<(), String> {
        match self.body.chars().count() {
            _ if self.event == Event::Comment && self.body.trim().is_empty() => {
                Err("a review with `event: comment` needs a `body`".to_owned())
            }
            length if length > LONGEST_BODY => Err(format!("`body` has {length} characters, at most {LONGEST_BODY}")),
            _ if self.body.contains(MARKER) => Err(format!("`body` must not hold `{MARKER}`")),
            _ => Ok(()),
        }
    }

    async fn read(&self, target: &Target, origin: &Origin, reader: &Reader) -> Result<State, GitHubError> {
        let Some(pull) = reviews::pull(target, reader).await? else {
            return Ok(State { stand: Stand::NoPull, own: false, head: String::new(), ours: Vec::new() });
        };
        let bot = super::comment::bot(reader).await?;
        let given = reviews::given(target, reader).await?;
        Ok(State {
            stand: pull.stand,
            own: pull.author.is_some_and(|author| hands::same_name(&author, &bot)),
            head: pull.head,
            ours: ours(given, origin.rule.as_str(), &bot),
        })
    }

    fn vouches_for<'a>(&self, state: &'a State) -> Option<&'a str> {
        (self.event == Event::Approve && state.stand == Stand::Open).then_some(&state.head)
    }

    fn plan(&self, origin: &Origin, state: &State, _: &[HandChange]) -> Plan<Change> {
        if let Some(why) = state.stand.hindrance() {
            return Plan::Held(why.to_owned());
        }
        let mut on_head = state.ours.iter().filter(|review| review.commit == state.head && review.is_of(self.event));
        match (on_head.next_back(), self.event) {
            (Some(review), _) if review.is_dismissed() => {
                Plan::Held("the rule's approval of this commit was dismissed".to_owned())
            }
            (Some(_), Event::Approve) => Plan::Nothing("this commit is approved already".to_owned()),
            (Some(_), Event::Comment) => Plan::Nothing("this commit is reviewed already".to_owned()),
            (None, Event::Approve) if state.own => {
                Plan::Held("the App opened this pull request, and GitHub lets nobody approve his own".to_owned())
            }
            (None, event) => {
                let body = with_marker(&self.body, origin).trim_start().to_owned();
                Plan::Change(Change::Submit { event, commit: state.head.clone(), body })
            }
        }
    }

    fn settle(&self, before: &State, change: &Change, now: &State) -> Settled {
        let happened = match change {
            Change::Submit { event, commit, .. } => {
                now.news(before).any(|review| review.commit == *commit && review.is_of(*event))
            }
            Change::Dismiss { id } => now.find(*id).is_none_or(Ours::is_dismissed),
        };
        if happened { Settled::Happened } else { Settled::DidNot }
    }

    /// <https://docs.github.com/en/rest/pulls/reviews>
    async fn write(&self, target: &Target, writer: &Writer, change: &Change) -> Result<(), GitHubError> {
        let (method, path, body) = match change {
            Change::Submit { event, commit, body } => (
                Method::POST,
                reviews::below(target, "/reviews"),
                json!({"commit_id": commit, "event": event.words().0, "body": body}),
            ),
            Change::Dismiss { id } => (
                Method::PUT,
                reviews::below(target, format_args!("/reviews/{id}/dismissals")),
                json!({"message": DISMISSED, "event": "DISMISS"}),
            ),
        };
        writer.send::<Value>(method, &path, &body).await?;
        Ok(())
    }

    fn undo(&self, before: &State, after: &State, now: &State) -> Reversal<Change> {
        if let Some(given) = after.news(before).next() {
            // Taken back and redone, it is another review that says the same.
            let stands = |review: &&Ours| review.commit == given.commit && review.state == given.state;
            return match now.ours.iter().find(stands).or_else(|| now.find(given.id)) {
                None => Reversal::Nothing,
                Some(review) if review.is_dismissed() => Reversal::Nothing,
                Some(review) if review.is_of(Event::Approve) => Reversal::Change(Change::Dismiss { id: review.id }),
                Some(_) => Reversal::Refused("GitHub deletes no submitted review: the comment stays".to_owned()),
            };
        }
        // An approval that was taken back is wanted again.
        let lost = |review: &&Ours| !review.is_dismissed() && after.find(review.id).is_some_and(Ours::is_dismissed);
        let Some(lost) = before.ours.iter().find(lost) else { return Reversal::Nothing };
        let stands = |review: &Ours| review.commit == lost.commit && review.state == lost.state;
        if now.ours.iter().any(stands) {
            Reversal::Nothing
        } else if now.head == lost.commit {
            let (commit, body) = (lost.commit.clone(), lost.body.clone());
            Reversal::Change(Change::Submit { event: Event::Approve, commit, body })
        } else {
            Reversal::Refused("there are new commits since: what was approved is not what is there now".to_owned())
        }
    }

    fn told_by(_: &Change) -> &'static [&'static str] {
        &["pull_request_review"]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn origin() -> Origin {
        Origin::of("lock")
    }

    fn review(event: Event) -> Params {
        Params { event, body: "Fine.".to_owned() }
    }

    fn given(id: u64, state: &str, commit: &str) -> Ours {
        let body = with_marker("Fine.", &origin());
        Ours { id, state: state.to_owned(), commit: commit.to_owned(), body }
    }

    fn state(head: &str, ours: &[Ours]) -> State {
        State { stand: Stand::Open, own: false, head: head.to_owned(), ours: ours.to_vec() }
    }

    fn plan(event: Event, state: &State) -> Plan<Change> {
        review(event).plan(&origin(), state, &[])
    }

    #[test]
    fn a_commit_is_reviewed_once() {
        let Plan::Change(Change::Submit { event, commit, body }) = plan(Event::Approve, &state("a", &[])) else {
            panic!("it is approved")
        };
        assert_eq!((event, commit.as_str(), split(&body).unwrap().1), (Event::Approve, "a", "lock"));
        let approved = state("a", &[given(1, "APPROVED", "a")]);
        assert!(matches!(plan(Event::Approve, &approved), Plan::Nothing(_)));
        assert!(matches!(plan(Event::Comment, &approved), Plan::Change(_)));
        let pushed = State { head: "b".to_owned(), ..approved };
        assert!(matches!(plan(Event::Approve, &pushed), Plan::Change(Change::Submit { commit, .. }) if commit == "b"));
    }

    #[test]
    fn invariant_7_an_approval_that_was_dismissed_is_not_given_again() {
        let dismissed = state("a", &[given(1, "DISMISSED", "a")]);
        assert!(matches!(plan(Event::Approve, &dismissed), Plan::Held(why) if why.contains("dismissed")));
        let pushed = State { head: "b".to_owned(), ..dismissed };
        assert!(matches!(plan(Event::Approve, &pushed), Plan::Change(_)));
    }

    #[test]
    fn its_own_pull_request_it_does_not_approve() {
        let own = State { own: true, ..state("a", &[]) };
        assert!(matches!(plan(Event::Approve, &own), Plan::Held(why) if why.contains("nobody approve his own")));
        assert!(matches!(plan(Event::Comment, &own), Plan::Change(_)));
        let closed = State { stand: Stand::Closed, ..state("a", &[]) };
        assert!(matches!(plan(Event::Comment, &closed), Plan::Held(why) if why.contains("not open")));
    }

    #[test]
    fn only_the_apps_reviews_of_the_rule_are_ours() {
        let body = with_marker("Fine.", &origin());
        let by = |author: &str, body: &str| Given {
            id: 1,
            author: author.to_owned(),
            state: "APPROVED".to_owned(),
            commit: Some("a".to_owned()),
            body: body.to_owned(),
        };
        let count = |review: Given| ours(vec![review], "lock", "orchd[bot]").len();
        assert_eq!(count(by("orchd[bot]", &body)), 1);
        assert_eq!(count(by("mallory", &body)), 0);
        assert_eq!(count(by("orchd[bot]", "Fine.")), 0);
        assert_eq!(count(by("orchd[bot]", &body.replace("=lock", "=other"))), 0);
        assert_eq!(count(Given { commit: None, ..by("orchd[bot]", &body) }), 0);
    }

    #[test]
    fn an_interrupted_review_is_judged_by_what_is_there() {
        let params = review(Event::Approve);
        let submit = Change::Submit { event: Event::Approve, commit: "a".to_owned(), body: String::new() };
        let before = state("a", &[given(1, "APPROVED", "0")]);
        let with = |review: Ours| state("a", &[before.ours[0].clone(), review]);
        assert_eq!(params.settle(&before, &submit, &before), Settled::DidNot);
        assert_eq!(params.settle(&before, &submit, &with(given(2, "COMMENTED", "a"))), Settled::DidNot);
        assert_eq!(params.settle(&before, &submit, &with(given(2, "APPROVED", "a"))), Settled::Happened);
        // Somebody dismissed it at once: it was given all the same.
        assert_eq!(params.settle(&before, &submit, &with(given(2, "DISMISSED", "a"))), Settled::Happened);
        let dismiss = Change::Dismiss { id: 1 };
        assert_eq!(params.settle(&before, &dismiss, &before), Settled::DidNot);
        assert_eq!(params.settle(&before, &dismiss, &state("a", &[given(1, "DISMISSED", "0")])), Settled::Happened);
    }

    #[test]
    fn undo_dismisses_an_approval_and_leaves_a_comment() {
        let params = review(Event::Approve);
        let (before, after) = (state("a", &[]), state("a", &[given(1, "APPROVED", "a")]));
        let dismissed = state("a", &[given(1, "DISMISSED", "a")]);
        assert_eq!(params.undo(&before, &after, &after), Reversal::Change(Change::Dismiss { id: 1 }));
        assert_eq!(params.undo(&before, &after, &dismissed), Reversal::Nothing);
        let said = state("a", &[given(1, "COMMENTED", "a")]);
        let refused = review(Event::Comment).undo(&before, &said, &said);
        assert!(matches!(refused, Reversal::Refused(why) if why.contains("deletes no submitted review")));
    }

    #[test]
    fn redo_approves_the_same_commit_and_no_other() {
        let params = review(Event::Approve);
        let (approved, dismissed) =
            (state("a", &[given(1, "APPROVED", "a")]), state("a", &[given(1, "DISMISSED", "a")]));
        let redo = |now: &State| params.undo(&approved, &dismissed, now);
        assert!(matches!(redo(&dismissed), Reversal::Change(Change::Submit { commit, .. }) if commit == "a"));
        let moved = State { head: "b".to_owned(), ..dismissed.clone() };
        assert!(matches!(redo(&moved), Reversal::Refused(why) if why.contains("new commits")));
        let again = state("a", &[given(1, "DISMISSED", "a"), given(2, "APPROVED", "a")]);
        assert_eq!(redo(&again), Reversal::Nothing);
        assert_eq!(params.undo(&dismissed, &again, &again), Reversal::Change(Change::Dismiss { id: 2 }));
    }

    #[test]
    fn an_empty_giant_or_forged_body_is_refused() {
        let check = |event, body: &str| Params { event, body: body.to_owned() }.check();
        assert!(check(Event::Comment, " ").is_err());
        assert!(check(Event::Approve, "").is_ok());
        assert!(check(Event::Approve, &"x".repeat(65_001)).is_err());
        assert!(check(Event::Comment, "a <!-- orchd:rule=other -->").is_err());
    }
}
