//! `react`: orchd's reaction to a comment that is a command: heard, or not allowed.
//!
//! No rule of a config names it: orchd's own rules do. GitHub keeps one reaction of a kind for each account.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled};
use crate::core::hand::HandChange;
use crate::core::intent::Target;
use crate::github::client::{Reader, Writer};
use crate::github::{GitHubError, path};

/// 1,000 reactions of one kind.
const MOST_PAGES: u32 = 10;

/// Which reaction, in GitHub's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum Content {
    #[serde(rename = "+1")]
    PlusOne,
    #[serde(rename = "confused")]
    Confused,
}

impl Content {
    fn word(self) -> &'static str {
        match self {
            Self::PlusOne => "+1",
            Self::Confused => "confused",
        }
    }
}

/// To which comment.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    comment: u64,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Add,
    Remove { id: u64 },
}

#[derive(Deserialize)]
struct Reaction {
    id: u64,
    /// Null when the account is gone.
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

impl Params {
    fn below(&self, target: &Target, rest: impl std::fmt::Display) -> String {
        path::repository(&target.repository, format_args!("/issues/comments/{}/reactions{rest}", self.comment))
    }
}

impl Action for Params {
    /// Id of our reaction.
    type State = Option<u64>;
    type Change = Change;

    const NAME: &'static str = "react";
    const HELP: &'static str = "Reacts to a comment.";
    const EXAMPLE: &'static str = "{comment: 7, content: \"+1\"}";
    const UNDOABLE: bool = true;

    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<Option<u64>, GitHubError> {
        let bot = reader.own_login().await?;
        let word = path::segment(self.content.word());
        let listed = self.below(target, format_args!("?content={word}"));
        let reactions = reader.get_all::<Reaction>(&listed, None, MOST_PAGES).await?;
        let is_ours =
            |reaction: &&Reaction| reaction.user.as_ref().is_some_and(|user| user.login.eq_ignore_ascii_case(&bot));
        Ok(reactions.items.iter().find(is_ours).map(|reaction| reaction.id))
    }

    fn plan(&self, _: &Origin, state: &Option<u64>, _: &[HandChange]) -> Plan<Change> {
        match state {
            Some(_) => Plan::Nothing("the reaction is there already".to_owned()),
            None => Plan::Change(Change::Add),
        }
    }

    fn settle(&self, _: &Option<u64>, change: &Change, now: &Option<u64>) -> Settled {
        let happened = match change {
            Change::Add => now.is_some(),
            Change::Remove { id } => *now != Some(*id),
        };
        if happened { Settled::Happened } else { Settled::DidNot }
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Change) -> Result<(), GitHubError> {
        let (method, path, body) = match change {
            Change::Add => (Method::POST, self.below(target, ""), json!({"content": self.content})),
            Change::Remove { id } => (Method::DELETE, self.below(target, format_args!("/{id}")), Value::Null),
        };
        match writer.send::<Value>(method, &path, &body).await {
            // Somebody deleted the comment in the same moment, and the reaction with it.
            Err(GitHubError::NotFound(_)) if matches!(change, Change::Remove { .. }) => Ok(()),
            sent => sent.map(|_| ()),
        }
    }

    fn undo(&self, before: &Option<u64>, _: &Option<u64>, now: &Option<u64>) -> Reversal<Change> {
        match (before, now) {
            (None, Some(id)) => Reversal::Change(Change::Remove { id: *id }),
            (Some(_), None) => Reversal::Change(Change::Add),
            _ => Reversal::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reaction_is_there_once_and_can_be_taken_back() {
        let params = Params { comment: 7, content: Content::PlusOne };
        assert_eq!(params.settle(&None, &Change::Add, &None), Settled::DidNot);
        assert_eq!(params.settle(&None, &Change::Add, &Some(3)), Settled::Happened);
        assert_eq!(params.undo(&None, &Some(3), &Some(3)), Reversal::Change(Change::Remove { id: 3 }));
        assert_eq!(params.undo(&None, &Some(3), &None), Reversal::Nothing);
        assert_eq!(params.undo(&Some(3), &None, &None), Reversal::Change(Change::Add), "and redone");
    }
}
