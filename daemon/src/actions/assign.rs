//! `assign`: assigns people and unassigns them.

use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::names::{Names, Sort};
use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled, item};
use crate::core::command::{Asked, Command, words};
use crate::core::hand::{HandChange, Move, Thing};
use crate::core::intent::Target;
use crate::core::role::Role;
use crate::github::client::{Reader, Writer};
use crate::github::{GitHubError, path};

const ASSIGNEES: Sort = Sort { noun: "assignee", thing: Thing::Assignee, longest: 45 };

/// Logins to assign and to unassign. GitHub assigns at most ten, and leaves out without a word whoever may not be
/// assigned: the receipt shows who is assigned after.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct Params(Names);

/// Those named, with or without `@`; nobody named is whoever asks.
fn logins(asked: Asked<'_>) -> Result<Vec<String>, String> {
    let named = words(asked.arguments)?;
    let bare = |login: &String| login.strip_prefix('@').unwrap_or(login).to_owned();
    Ok(if named.is_empty() { vec![asked.by.to_owned()] } else { named.iter().map(bare).collect() })
}

impl Action for Params {
    type State = Vec<String>;
    type Change = Names;

    const NAME: &'static str = "assign";
    const HELP: &'static str = "Assigns people to the issue or pull request and unassigns them.";
    const EXAMPLE: &'static str = "{add: [alice]}";
    const UNDOABLE: bool = true;
    const ONE_REQUEST: bool = false;
    const COMMANDS: &'static [Command] = &[
        Command {
            word: "assign",
            usage: "/assign [LOGIN…]",
            help: "Assigns people, or whoever writes it.",
            least: Role::Triage,
            of_pulls: false,
            read: |asked| Ok(json!({"add": logins(asked)?})),
        },
        Command {
            word: "unassign",
            usage: "/unassign [LOGIN…]",
            help: "Unassigns people, or whoever writes it.",
            least: Role::Triage,
            of_pulls: false,
            read: |asked| Ok(json!({"remove": logins(asked)?})),
        },
    ];

    fn asks_for(&self) -> Vec<Move> {
        self.0.moves(ASSIGNEES)
    }

    fn check(&self) -> Result<(), String> {
        self.0.check(ASSIGNEES)
    }

    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<Vec<String>, GitHubError> {
        Ok(item::read(target, reader).await?.assignees)
    }

    fn plan(&self, _: &Origin, state: &Vec<String>, hands: &[HandChange]) -> Plan<Names> {
        self.0.plan(ASSIGNEES, state, hands)
    }

    fn settle(&self, _: &Vec<String>, change: &Names, now: &Vec<String>) -> Settled {
        Names::settle(change, now)
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Names) -> Result<(), GitHubError> {
        let path = path::repository(&target.repository, format_args!("/issues/{}/assignees", target.number));
        for (method, logins) in [(Method::POST, &change.add), (Method::DELETE, &change.remove)] {
            if !logins.is_empty() {
                writer.send::<Value>(method, &path, &json!({"assignees": logins})).await?;
            }
        }
        Ok(())
    }

    fn undo(&self, before: &Vec<String>, after: &Vec<String>, now: &Vec<String>) -> Reversal<Names> {
        self.0.undo(ASSIGNEES, before, after, now)
    }

    fn touched(&self, before: &Vec<String>, after: &Vec<String>) -> Vec<Thing> {
        self.0.touched(ASSIGNEES, before, after)
    }

    fn moves(&self, _: &Vec<String>, change: &Names) -> Vec<Move> {
        change.moves(ASSIGNEES)
    }
}
