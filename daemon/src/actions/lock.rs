//! `lock`: locks the conversation of an issue or pull request.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled, hands, item};
use crate::core::command::{Command, words};
use crate::core::hand::{Hand, HandChange, Move, Thing};
use crate::core::intent::Target;
use crate::core::role::Role;
use crate::github::GitHubError;
use crate::github::client::{Reader, Writer};

/// The reasons GitHub takes: <https://docs.github.com/en/rest/issues/issues#lock-an-issue>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum Reason {
    #[serde(rename = "off-topic")]
    OffTopic,
    #[serde(rename = "too heated")]
    TooHeated,
    #[serde(rename = "resolved")]
    Resolved,
    #[serde(rename = "spam")]
    Spam,
}

/// How to lock it. From then on only people who may write to the repository can comment.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// Shown beside the lock; none when left out.
    #[serde(default)]
    reason: Option<Reason>,
}

/// The state of the conversation, and what leads to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lock {
    /// As GitHub names the reason, which may be one that a later GitHub knows.
    Locked {
        reason: Option<String>,
    },
    Unlocked,
}

#[derive(Deserialize)]
struct Shown {
    locked: bool,
    active_lock_reason: Option<String>,
}

fn same_way(a: &Lock, b: &Lock) -> bool {
    matches!(a, Lock::Unlocked) == matches!(b, Lock::Unlocked)
}

impl Action for Params {
    type State = Lock;
    type Change = Lock;

    const NAME: &'static str = "lock";
    const HELP: &'static str = "Locks the conversation of the issue or pull request, with a reason or none: \
        `off-topic`, `too heated`, `resolved` or `spam`.";
    const EXAMPLE: &'static str = "{reason: resolved}";
    const UNDOABLE: bool = true;
    const COMMANDS: &'static [Command] = &[Command {
        word: "lock",
        usage: "/lock [REASON]",
        help: "Locks the conversation: `off-topic`, `\"too heated\"`, `resolved` or `spam`.",
        least: Role::Write,
        of_pulls: false,
        read: |asked| match words(asked.arguments)?.as_slice() {
            [] => Ok(json!({})),
            [reason] => Ok(json!({"reason": reason})),
            _ => Err("give one reason; one of two words stands in quotes".to_owned()),
        },
    }];

    fn asks_for(&self) -> Vec<Move> {
        vec![Move { thing: Thing::Lock, hand: Hand::Put }]
    }

    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<Lock, GitHubError> {
        let (shown, _) = item::get::<Shown>(target, reader).await?;
        Ok(if shown.locked { Lock::Locked { reason: shown.active_lock_reason } } else { Lock::Unlocked })
    }

    fn plan(&self, _: &Origin, state: &Lock, hands: &[HandChange]) -> Plan<Lock> {
        if let Lock::Locked { .. } = state {
            return Plan::Nothing("it is locked already".to_owned());
        }
        if let Some(unlocked) = hands::newest(hands, &Thing::Lock, Hand::Taken) {
            return Plan::Held(hands::phrase(unlocked));
        }
        let reason = self.reason.map(|reason| {
            let word = match reason {
                Reason::OffTopic => "off-topic",
                Reason::TooHeated => "too heated",
                Reason::Resolved => "resolved",
                Reason::Spam => "spam",
            };
            word.to_owned()
        });
        Plan::Change(Lock::Locked { reason })
    }

    fn settle(&self, _: &Lock, change: &Lock, now: &Lock) -> Settled {
        if same_way(change, now) { Settled::Happened } else { Settled::DidNot }
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Lock) -> Result<(), GitHubError> {
        let path = format!("{}/lock", item::below(target, "issues"));
        let (method, body) = match change {
            Lock::Locked { reason: Some(reason) } => (Method::PUT, json!({"lock_reason": reason})),
            Lock::Locked { reason: None } => (Method::PUT, json!({})),
            Lock::Unlocked => (Method::DELETE, Value::Null),
        };
        writer.send::<Value>(method, &path, &body).await?;
        Ok(())
    }

    fn undo(&self, before: &Lock, after: &Lock, now: &Lock) -> Reversal<Lock> {
        if same_way(before, now) || same_way(before, after) {
            Reversal::Nothing
        } else if now != after {
            Reversal::Refused("it was unlocked and locked again since, for another reason".to_owned())
        } else {
            Reversal::Change(before.clone())
        }
    }

    fn moves(&self, _: &Lock, change: &Lock) -> Vec<Move> {
        let hand = if matches!(change, Lock::Unlocked) { Hand::Taken } else { Hand::Put };
        vec![Move { thing: Thing::Lock, hand }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(reason: &str) -> Lock {
        Lock::Locked { reason: Some(reason.to_owned()) }
    }

    #[test]
    fn what_was_locked_for_another_reason_meanwhile_stays_as_it_is() {
        let lock = Params { reason: Some(Reason::Spam) };
        let undo = |now: Lock| lock.undo(&Lock::Unlocked, &locked("spam"), &now);
        assert_eq!(undo(locked("spam")), Reversal::Change(Lock::Unlocked));
        assert_eq!(undo(Lock::Unlocked), Reversal::Nothing);
        assert!(matches!(undo(locked("resolved")), Reversal::Refused(_)));
        // Taking that back locks it for the same reason.
        let redo = lock.undo(&locked("spam"), &Lock::Unlocked, &Lock::Unlocked);
        assert_eq!(redo, Reversal::Change(locked("spam")));
    }
}
