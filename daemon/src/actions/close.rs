//! `close`: closes an open issue or pull request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::item::{self, Open, State, StateChange};
use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled, hands};
use crate::core::command::Command;
use crate::core::hand::{Hand, HandChange, Move, Thing};
use crate::core::intent::Target;
use crate::core::role::Role;
use crate::github::GitHubError;
use crate::github::client::{Reader, Writer};

/// Why an issue is closed. Of a pull request GitHub keeps no reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Reason {
    #[default]
    Completed,
    NotPlanned,
}

/// How to close it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// Why an issue is closed; `completed` when left out. Of a pull request GitHub keeps no reason.
    #[serde(default)]
    reason: Reason,
}

impl Action for Params {
    type State = State;
    type Change = StateChange;

    const NAME: &'static str = "close";
    const HELP: &'static str = "Closes the issue or pull request.";
    const EXAMPLE: &'static str = "{reason: not_planned}";
    const UNDOABLE: bool = true;
    const COMMANDS: &'static [Command] = &[Command {
        word: "close",
        usage: "/close [not-planned]",
        help: "Closes it.",
        least: Role::Triage,
        of_pulls: false,
        read: |asked| match asked.arguments {
            "" => Ok(json!({})),
            "not-planned" => Ok(json!({"reason": "not_planned"})),
            _ => Err("say nothing more, or `not-planned`".to_owned()),
        },
    }];

    fn asks_for(&self) -> Vec<Move> {
        vec![Move { thing: Thing::State, hand: Hand::Taken }]
    }

    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<State, GitHubError> {
        Ok(item::read(target, reader).await?.state)
    }

    fn plan(&self, _: &Origin, state: &State, hands: &[HandChange]) -> Plan<StateChange> {
        if state.state == Open::Closed {
            return Plan::Nothing(if state.merged { "it is merged" } else { "it is closed already" }.to_owned());
        }
        if let Some(reopened) = hands::newest(hands, &Thing::State, Hand::Put) {
            return Plan::Held(hands::phrase(reopened));
        }
        let reason = match self.reason {
            Reason::Completed => "completed",
            Reason::NotPlanned => "not_planned",
        };
        let reason = Some(reason.to_owned()).filter(|_| !state.pull);
        Plan::Change(StateChange { state: Open::Closed, reason, pull: state.pull })
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
