//! `reopen`: opens a closed issue or pull request again.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::item::{self, Open, State, StateChange};
use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled, hands};
use crate::core::command::{Command, nothing};
use crate::core::hand::{Hand, HandChange, Move, Thing};
use crate::core::intent::Target;
use crate::core::role::Role;
use crate::github::GitHubError;
use crate::github::client::{Reader, Writer};

/// There is nothing to say about how.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {}

impl Action for Params {
    type State = State;
    type Change = StateChange;

    const NAME: &'static str = "reopen";
    const HELP: &'static str = "Opens the closed issue or pull request again; a merged one stays as it is.";
    const EXAMPLE: &'static str = "{}";
    const UNDOABLE: bool = true;
    const COMMANDS: &'static [Command] = &[Command {
        word: "reopen",
        usage: "/reopen",
        help: "Opens it again.",
        least: Role::Triage,
        of_pulls: false,
        read: |asked| nothing(asked.arguments).map(|()| json!({})),
    }];

    fn asks_for(&self) -> Vec<Move> {
        vec![Move { thing: Thing::State, hand: Hand::Put }]
    }

    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<State, GitHubError> {
        Ok(item::read(target, reader).await?.state)
    }

    fn plan(&self, _: &Origin, state: &State, hands: &[HandChange]) -> Plan<StateChange> {
        if state.state == Open::Open {
            return Plan::Nothing("it is open already".to_owned());
        }
        if state.merged {
            return Plan::Held("it is merged".to_owned());
        }
        if let Some(closed) = hands::newest(hands, &Thing::State, Hand::Taken) {
            return Plan::Held(hands::phrase(closed));
        }
        Plan::Change(StateChange { state: Open::Open, reason: None, pull: state.pull })
    }

    fn settle(&self, _: &State, change: &StateChange, now: &State) -> Settled {
        item::settle(change, now)
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &StateChange) -> Result<(), GitHubError> {
        item::write(target, writer, change).await
    }

    fn undo(&self, before: &State, after: &State, now: &State) -> Reversal<StateChange> {
        item::undo(before, after, now)
    }

    fn touched(&self, before: &State, after: &State) -> Vec<Thing> {
        item::touched(before, after)
    }

    fn moves(&self, _: &State, change: &StateChange) -> Vec<Move> {
        item::moves(change)
    }
}
