//! `draft`: makes an open pull request a draft.

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

    const NAME: &'static str = "draft";
    const HELP: &'static str =
        "Makes the open pull request a draft. The App needs the permission `contents: write` for it.";
    const EXAMPLE: &'static str = "{}";
    const UNDOABLE: bool = true;
    const COMMANDS: &'static [Command] = &[Command {
        word: "draft",
        usage: "/draft",
        help: "Makes it a draft.",
        least: Role::Write,
        of_pulls: true,
        read: |asked| nothing(asked.arguments).map(|()| json!({})),
    }];
    const NEEDS: Needs = stage::NEEDS;

    fn asks_for(&self) -> Vec<Move> {
        vec![Move { thing: Thing::Draft, hand: Hand::Put }]
    }

    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<Option<State>, GitHubError> {
        stage::read(target, reader).await
    }

    fn plan(&self, _: &Origin, state: &Option<State>, hands: &[HandChange]) -> Plan<Change> {
        stage::plan(Stage::Draft, state, hands)
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
