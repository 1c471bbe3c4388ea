//! Where a pull request stands: a draft, or ready for review. `draft` and `ready_for_review` share it.
//!
//! REST tells the stage and cannot change it (<https://docs.github.com/en/rest/pulls/pulls#update-a-pull-request>); two
//! mutations of GraphQL can: <https://docs.github.com/en/graphql/reference/mutations#convertpullrequesttodraft>.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::item::{self, NO_PULL, Open};
use super::{Plan, Reversal, Settled, hands};
use crate::core::hand::{Hand, HandChange, Move, Thing};
use crate::core::intent::Target;
use crate::core::permission::Needs;
use crate::github::GitHubError;
use crate::github::client::{Reader, Writer};

/// GitHub refuses both mutations to an App that may not write contents, though its documentation does not say so:
/// <https://github.com/cli/cli/issues/8910>.
pub(super) const NEEDS: Needs = Needs::WriteAll(&["pull_requests", "contents"]);

const TO_DRAFT: &str = "mutation($id: ID!) { \
    convertPullRequestToDraft(input: {pullRequestId: $id}) { pullRequest { isDraft } } }";
const TO_READY: &str = "mutation($id: ID!) { \
    markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { isDraft } } }";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    Draft,
    Ready,
}

/// What the receipt keeps of a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    stage: Stage,
    open: Open,
    /// What GraphQL knows it by.
    node_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    stage: Stage,
    node_id: String,
}

#[derive(Deserialize)]
struct Shown {
    draft: bool,
    state: Open,
    node_id: String,
}

pub(super) async fn read(target: &Target, reader: &Reader) -> Result<Option<State>, GitHubError> {
    let pull = item::get_pull::<Shown>(target, reader).await?;
    Ok(pull.map(|Shown { draft, state, node_id }| {
        let stage = if draft { Stage::Draft } else { Stage::Ready };
        State { stage, open: state, node_id }
    }))
}

pub(super) fn plan(wanted: Stage, state: &Option<State>, hands: &[HandChange]) -> Plan<Change> {
    let Some(State { stage, open, node_id }) = state else { return Plan::Held(NO_PULL.to_owned()) };
    let (already, opposite) = match wanted {
        Stage::Draft => ("it is a draft already", Hand::Taken),
        Stage::Ready => ("it is ready for review already", Hand::Put),
    };
    if *stage == wanted {
        Plan::Nothing(already.to_owned())
    } else if *open == Open::Closed {
        Plan::Held("it is closed, and GitHub changes the stage of open pull requests only".to_owned())
    } else if let Some(change) = hands::newest(hands, &Thing::Draft, opposite) {
        Plan::Held(hands::phrase(change))
    } else {
        Plan::Change(Change { stage: wanted, node_id: node_id.clone() })
    }
}

pub(super) fn moves(change: &Change) -> Vec<Move> {
    let hand = if change.stage == Stage::Draft { Hand::Put } else { Hand::Taken };
    vec![Move { thing: Thing::Draft, hand }]
}

pub(super) fn settle(change: &Change, now: &Option<State>) -> Settled {
    match now {
        Some(now) if now.stage == change.stage => Settled::Happened,
        _ => Settled::DidNot,
    }
}

pub(super) async fn write(target: &Target, writer: &Writer, change: &Change) -> Result<(), GitHubError> {
    let mutation = match change.stage {
        Stage::Draft => TO_DRAFT,
        Stage::Ready => TO_READY,
    };
    writer.mutate::<Value>(&item::below(target, "pulls"), mutation, &json!({"id": change.node_id})).await?;
    Ok(())
}

pub(super) fn undo(before: &Option<State>, after: &Option<State>, now: &Option<State>) -> Reversal<Change> {
    let (Some(before), Some(after)) = (before, after) else { return Reversal::Nothing };
    let Some(now) = now else { return Reversal::Refused(NO_PULL.to_owned()) };
    if now.stage == before.stage || after.stage == before.stage {
        Reversal::Nothing
    } else if now.open == Open::Closed {
        Reversal::Refused("it was closed since, and GitHub changes the stage of open pull requests only".to_owned())
    } else {
        Reversal::Change(Change { stage: before.stage, node_id: now.node_id.clone() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use chrono::DateTime;

    use super::*;
    use crate::core::event::RepoName;

    fn pull(stage: Stage, open: Open) -> Option<State> {
        Some(State { stage, open, node_id: "PR_1".to_owned() })
    }

    fn hand(hand: Hand) -> [HandChange; 1] {
        [HandChange {
            repository: RepoName::parse("acme/app").unwrap(),
            number: 7,
            thing: Thing::Draft,
            hand,
            by: "alice".to_owned(),
            at: DateTime::from_timestamp(1, 0).unwrap(),
        }]
    }

    #[test]
    fn invariant_7_what_a_person_made_a_draft_or_ready_stays_so() {
        let (draft, ready) = (pull(Stage::Draft, Open::Open), pull(Stage::Ready, Open::Open));
        let held = |plan| matches!(plan, Plan::Held(why) if why.contains("by alice"));
        assert!(held(plan(Stage::Draft, &ready, &hand(Hand::Taken))));
        assert!(held(plan(Stage::Ready, &draft, &hand(Hand::Put))));
        assert!(matches!(plan(Stage::Draft, &ready, &hand(Hand::Put)), Plan::Change(_)));
        assert!(matches!(plan(Stage::Ready, &draft, &[]), Plan::Change(_)));
        assert!(matches!(plan(Stage::Ready, &ready, &hand(Hand::Put)), Plan::Nothing(_)));
    }

    #[test]
    fn an_issue_and_what_is_closed_are_left_alone() {
        assert_eq!(plan(Stage::Draft, &None, &[]), Plan::Held(NO_PULL.to_owned()));
        let closed = pull(Stage::Ready, Open::Closed);
        assert!(matches!(plan(Stage::Draft, &closed, &[]), Plan::Held(why) if why.contains("closed")));
        let (before, after) = (pull(Stage::Draft, Open::Open), pull(Stage::Ready, Open::Open));
        assert!(matches!(undo(&before, &after, &closed), Reversal::Refused(_)));
        assert!(matches!(undo(&before, &after, &after), Reversal::Change(change) if change.stage == Stage::Draft));
    }
}
