//! `ready_for_review`: marks a draft as ready for review.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::registry::Action;
use super::stage::{self, Change, Stage, State};
use super::{Origin, Plan, Reversal, Settled};
use crate::core::command::{Command, nothing};
use crate::core::hand::{Hand, HandChange, Move, Thing};
use crate::core::intent::Target;
use crate::core::permission::Needs;
use crate::core::role::Role;
use crate::github::GitHubError;
use crate::github::client::{Reader, Writer};

/// There is nothing to say about how.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {}

impl Action for Params {
    type State = Option<State>;
    type Change = Change;

    const NAME: &'static str = "ready_for_review";
    const HELP: &'static str = "Marks the draft pull request as ready for review. The App needs the permission \
        `contents: write` for it.";
    const EXAMPLE: &'static str = "{}";
    const UNDOABLE: bool = true;
    const COMMANDS: &'static [Command] = &[Command {
        word: "ready",
        usage: "/ready",
        help: "Marks the draft as ready for review.",
        least: Role::Write,
        of_pulls: true,
        read: |asked| nothing(asked.arguments).map(|()| json!({})),
    }];
    const NEEDS: Needs = stage::NEEDS;

    fn asks_for(&self) -> Vec<Move> {
        vec![Move { thing: Thing::Draft, hand: Hand::Taken }]
    }

    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<Option<State>, GitHubError> {
        stage::read(target, reader).await
    }

    fn plan(&self, _: &Origin, state: &Option<State>, hands: &[HandChange]) -> Plan<Change> {
        stage::plan(Stage::Ready, state, hands)
    }

    fn settle(&self, _: &Option<State>, change: &Change, now: &Option<State>) -> Settled {
        stage::settle(change, now)
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Change) -> Result<(), GitHubError> {
        stage::write(target, writer, change).await
    }

    fn undo(&self, before: &Option<State>, after: &Option<State>, now: &Option<State>) -> Reversal<Change> {
        stage::undo(before, after, now)
    }

    fn moves(&self, _: &Option<State>, change: &Change) -> Vec<Move> {
        stage::moves(change)
    }
}
