//! `label`: puts labels on an item and takes labels off.

use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::names::{Names, Sort};
use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled};
use crate::core::command::{Command, some_words};
use crate::core::hand::{HandChange, Move, Thing};
use crate::core::intent::Target;
use crate::core::role::Role;
use crate::github::client::{Reader, Writer};
use crate::github::{GitHubError, path};

/// GitHub takes 100 labels on an item at most.
const MOST_PAGES: u32 = 2;
const LABELS: Sort = Sort { noun: "label", thing: Thing::Label, longest: 50 };

/// Labels to put on the item and to take off it. A label that the repository lacks is created by GitHub.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct Params(Names);

#[derive(Deserialize)]
struct Label {
    name: String,
}

fn below(target: &Target, rest: &str) -> String {
    path::repository(&target.repository, format_args!("/issues/{}/labels{rest}", target.number))
}

/// The labels on the item.
///
/// # Errors
/// As the request fails.
pub async fn labels_of(target: &Target, reader: &Reader) -> Result<Vec<String>, GitHubError> {
    let labels: Vec<Label> = reader.get_all(&below(target, ""), None, MOST_PAGES).await?.whole("labels")?;
    Ok(labels.into_iter().map(|label| label.name).collect())
}

impl Action for Params {
    type State = Vec<String>;
    type Change = Names;

    const NAME: &'static str = "label";
    const HELP: &'static str = "Puts labels on the issue or pull request and takes labels off.";
    const EXAMPLE: &'static str = "{add: [documentation], remove: [needs-triage]}";
    const UNDOABLE: bool = true;
    const ONE_REQUEST: bool = false;
    const COMMANDS: &'static [Command] = &[
        Command {
            word: "label",
            usage: "/label NAME…",
            help: "Puts labels on it.",
            least: Role::Triage,
            of_pulls: false,
            read: |asked| Ok(json!({"add": some_words(asked.arguments, "a label")?})),
        },
        Command {
            word: "unlabel",
            usage: "/unlabel NAME…",
            help: "Takes labels off it.",
            least: Role::Triage,
            of_pulls: false,
            read: |asked| Ok(json!({"remove": some_words(asked.arguments, "a label")?})),
        },
    ];

    fn asks_for(&self) -> Vec<Move> {
        self.0.moves(LABELS)
    }

    fn check(&self) -> Result<(), String> {
        self.0.check(LABELS)
    }

    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<Vec<String>, GitHubError> {
        labels_of(target, reader).await
    }

    fn plan(&self, _: &Origin, state: &Vec<String>, hands: &[HandChange]) -> Plan<Names> {
        self.0.plan(LABELS, state, hands)
    }

    fn settle(&self, _: &Vec<String>, change: &Names, now: &Vec<String>) -> Settled {
        Names::settle(change, now)
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Names) -> Result<(), GitHubError> {
        if !change.add.is_empty() {
            let body = json!({"labels": change.add});
            writer.send::<Value>(Method::POST, &below(target, ""), &body).await?;
        }
        for name in &change.remove {
            let one = below(target, &format!("/{}", path::segment(name)));
            match writer.send::<Value>(Method::DELETE, &one, &Value::Null).await {
                // Somebody took it off in the same moment.
                Ok(_) | Err(GitHubError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn undo(&self, before: &Vec<String>, after: &Vec<String>, now: &Vec<String>) -> Reversal<Names> {
        self.0.undo(LABELS, before, after, now)
    }

    fn touched(&self, before: &Vec<String>, after: &Vec<String>) -> Vec<Thing> {
        self.0.touched(LABELS, before, after)
    }

    fn labels(state: &Vec<String>) -> Option<Vec<String>> {
        Some(state.clone())
    }

    fn moves(&self, _: &Vec<String>, change: &Names) -> Vec<Move> {
        change.moves(LABELS)
    }
}
