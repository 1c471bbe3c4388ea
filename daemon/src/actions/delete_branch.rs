//! `delete_branch`: deletes the branch that a merged or closed pull request came from.
//!
//! A branch holds people's work, so it goes only where nothing can be lost: it lies in the same repository, is neither
//! its default branch nor any other open pull request's, and stands at the very commit that the pull request ended with.
//! GitHub compares that commit once more itself, in the same step as it deletes: REST cannot do that, the mutation
//! `updateRefs` can (<https://docs.github.com/en/graphql/reference/mutations#updaterefs>).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::item::{self, NO_PULL, Open};
use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled};
use crate::core::command::{Command, nothing};
use crate::core::hand::HandChange;
use crate::core::intent::Target;
use crate::core::permission::Needs;
use crate::core::role::Role;
use crate::github::client::{Reader, Writer};
use crate::github::{GitHubError, path};

/// 3,000 happenings of a pull request are looked through.
const MOST_PAGES: u32 = 30;
/// How git says "no commit".
const NOWHERE: &str = "0000000000000000000000000000000000000000";
const UPDATE: &str = "mutation($repository: ID!, $updates: [RefUpdate!]!) { \
    updateRefs(input: {repositoryId: $repository, refUpdates: $updates}) { clientMutationId } }";

/// There is nothing to say about how.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {}

/// A pull request and its head branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    open: Open,
    /// The pull request's last commit.
    head: String,
    branch: String,
    /// In another repository, which is not ours to change.
    fork: bool,
    is_default: bool,
    /// Node id of the repository.
    repository: String,
    /// Commit of the branch; `None`: there is no such branch. Not looked for in a fork.
    at: Option<String>,
    /// An open pull request that goes into the branch or comes from it. This one is not meant.
    needed_by: Option<u64>,
    /// Who put the branch back after it had been deleted.
    restored_by: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Delete { repository: String, branch: String, at: String },
    Create { repository: String, branch: String, at: String },
}

#[derive(Deserialize)]
struct Shown {
    state: Open,
    head: Side,
    base: Side,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
    /// Null when the fork is gone.
    repo: Option<Repo>,
}

#[derive(Deserialize)]
struct Repo {
    id: u64,
    node_id: String,
    default_branch: String,
    owner: User,
}

#[derive(Deserialize)]
struct User {
    login: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Ref {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    sha: String,
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

/// Something that happened on the pull request.
#[derive(Deserialize)]
struct Happening {
    event: String,
    /// Null when the account is gone.
    actor: Option<User>,
}

async fn commit_of(target: &Target, branch: &str, reader: &Reader) -> Result<Option<String>, GitHubError> {
    let reference = path::segment(&format!("heads/{branch}"));
    let path = path::repository(&target.repository, format_args!("/git/ref/{reference}"));
    match reader.get::<Ref>(&path).await {
        Ok(found) => Ok(Some(found.object.sha)),
        Err(GitHubError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn needed_by(target: &Target, owner: &str, branch: &str, reader: &Reader) -> Result<Option<u64>, GitHubError> {
    let (into, from) = (path::segment(branch), path::segment(&format!("{owner}:{branch}")));
    for filter in [format!("base={into}"), format!("head={from}")] {
        let open = path::repository(&target.repository, format_args!("/pulls?state=open&{filter}&per_page=2"));
        let found = reader.get::<Vec<Numbered>>(&open).await?;
        if let Some(other) = found.iter().find(|pull| pull.number != target.number) {
            return Ok(Some(other.number));
        }
    }
    Ok(None)
}

/// A person who restored the branch, when that is the last that happened to it.
async fn restored_by(target: &Target, reader: &Reader) -> Result<Option<String>, GitHubError> {
    let path = format!("{}/events", item::below(target, "issues"));
    let happened = reader.get_all::<Happening>(&path, None, MOST_PAGES).await?.whole("events")?;
    let last = happened.into_iter().rev().find(|each| each.event.starts_with("head_ref_"));
    let restored = last.filter(|last| last.event == "head_ref_restored").and_then(|last| last.actor);
    Ok(restored.filter(|by| by.kind.as_deref() != Some("Bot")).map(|by| by.login))
}

impl State {
    /// Why the branch must stay, if it is there.
    fn why_it_stays(&self) -> Option<String> {
        let branch = &self.branch;
        if self.open == Open::Open {
            Some(format!("the pull request is open, and branch `{branch}` is its own"))
        } else if self.fork {
            Some(format!("branch `{branch}` is in a fork"))
        } else if self.is_default {
            Some(format!("branch `{branch}` is the default branch"))
        } else if let Some(number) = self.needed_by {
            Some(format!("the open pull request #{number} needs branch `{branch}`"))
        } else {
            self.restored_by.as_ref().map(|by| format!("branch `{branch}` was restored by {by}"))
        }
    }

    fn delete(&self, at: &str) -> Change {
        Change::Delete { repository: self.repository.clone(), branch: self.branch.clone(), at: at.to_owned() }
    }
}

impl Action for Params {
    type State = Option<State>;
    type Change = Change;

    const NAME: &'static str = "delete_branch";
    const HELP: &'static str = "Deletes the head branch of the merged or closed pull request: never one in a fork, the \
        default branch, one that an open pull request needs, or one with commits that are not in the pull request. \
        The App needs the permission `contents: write` for it.";
    const EXAMPLE: &'static str = "{}";
    const UNDOABLE: bool = true;
    /// GraphQL's refusal does not say whether the branch moved or is gone: reading back does.
    const ONE_REQUEST: bool = false;
    const COMMANDS: &'static [Command] = &[Command {
        word: "delete-branch",
        usage: "/delete-branch",
        help: "Deletes its branch, once it is merged or closed.",
        least: Role::Write,
        of_pulls: true,
        read: |asked| nothing(asked.arguments).map(|()| json!({})),
    }];
    const NEEDS: Needs = Needs::WriteAll(&["contents", "pull_requests"]);

    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<Option<State>, GitHubError> {
        let Some(Shown { state: open, head, base }) = item::get_pull::<Shown>(target, reader).await? else {
            return Ok(None);
        };
        let home = base
            .repo
            .ok_or_else(|| GitHubError::Unreadable(format!("{}: no base repository", item::below(target, "pulls"))))?;
        let mut state = State {
            open,
            fork: head.repo.is_none_or(|repo| repo.id != home.id),
            is_default: head.branch == home.default_branch,
            head: head.sha,
            branch: head.branch,
            repository: home.node_id,
            at: None,
            needed_by: None,
            restored_by: None,
        };
        if !state.fork {
            state.at = commit_of(target, &state.branch, reader).await?;
        }
        // Nobody asks further of what stays anyway.
        if state.at.is_some() && state.why_it_stays().is_none() {
            state.needed_by = needed_by(target, &home.owner.login, &state.branch, reader).await?;
            state.restored_by = restored_by(target, reader).await?;
        }
        Ok(Some(state))
    }

    /// No event on the item tells of a person's hand on its branch: what is known of that is in the state.
    fn plan(&self, _: &Origin, state: &Option<State>, _: &[HandChange]) -> Plan<Change> {
        let Some(state) = state else { return Plan::Held(NO_PULL.to_owned()) };
        if let Some(why) = state.why_it_stays() {
            return Plan::Held(why);
        }
        match &state.at {
            None => Plan::Nothing(format!("branch `{}` is gone already", state.branch)),
            Some(at) if *at == state.head => Plan::Change(state.delete(at)),
            Some(_) => Plan::Held(format!("branch `{}` has commits that are not in the pull request", state.branch)),
        }
    }

    fn settle(&self, _: &Option<State>, change: &Change, now: &Option<State>) -> Settled {
        let Some(now) = now else { return Settled::CannotTell(NO_PULL.to_owned()) };
        match (change, &now.at) {
            (Change::Delete { .. }, None) => Settled::Happened,
            (Change::Create { at, .. }, Some(now)) if now == at => Settled::Happened,
            (Change::Create { .. }, None) => Settled::DidNot,
            (Change::Delete { at, .. }, Some(now)) if now == at => Settled::DidNot,
            _ => Settled::CannotTell(format!("branch `{}` stands at another commit by now", now.branch)),
        }
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Change) -> Result<(), GitHubError> {
        let (repository, branch, from, to) = match change {
            Change::Delete { repository, branch, at } => (repository, branch, at.as_str(), NOWHERE),
            Change::Create { repository, branch, at } => (repository, branch, NOWHERE, at.as_str()),
        };
        let update = json!({"name": format!("refs/heads/{branch}"), "beforeOid": from, "afterOid": to});
        let variables = json!({"repository": repository, "updates": [update]});
        writer.mutate::<Value>(&item::below(target, "pulls"), UPDATE, &variables).await?;
        Ok(())
    }

    fn undo(&self, before: &Option<State>, after: &Option<State>, now: &Option<State>) -> Reversal<Change> {
        let (Some(before), Some(after)) = (before, after) else { return Reversal::Nothing };
        let Some(now) = now else { return Reversal::Refused(NO_PULL.to_owned()) };
        let branch = &now.branch;
        if now.at == before.at || after.at == before.at {
            return Reversal::Nothing;
        }
        match (&before.at, &now.at) {
            (Some(at), None) => Reversal::Change(Change::Create {
                repository: now.repository.clone(),
                branch: branch.clone(),
                at: at.clone(),
            }),
            (None, Some(at)) if now.at == after.at => match now.why_it_stays() {
                Some(why) => Reversal::Refused(why),
                None => Reversal::Change(now.delete(at)),
            },
            _ => Reversal::Refused(format!("branch `{branch}` stands at another commit by now")),
        }
    }

    fn told_by(_: &Change) -> &'static [&'static str] {
        &["delete", "create", "push"]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn merged() -> State {
        State {
            open: Open::Closed,
            head: "c0ffee".to_owned(),
            branch: "fix/it".to_owned(),
            fork: false,
            is_default: false,
            repository: "R_1".to_owned(),
            at: Some("c0ffee".to_owned()),
            needed_by: None,
            restored_by: None,
        }
    }

    fn plan(state: State) -> Plan<Change> {
        let origin = Origin::of("r");
        Params {}.plan(&origin, &Some(state), &[])
    }

    fn standing_at(at: Option<&str>) -> Option<State> {
        Some(State { at: at.map(str::to_owned), ..merged() })
    }

    #[test]
    fn a_branch_stays_wherever_something_could_be_lost() {
        assert!(matches!(plan(merged()), Plan::Change(Change::Delete { at, .. }) if at == "c0ffee"));
        for (state, why) in [
            (State { open: Open::Open, ..merged() }, "is open"),
            (State { fork: true, at: None, ..merged() }, "is in a fork"),
            (State { is_default: true, ..merged() }, "default branch"),
            (State { needed_by: Some(9), ..merged() }, "#9 needs branch `fix/it`"),
            (State { at: Some("beef".to_owned()), ..merged() }, "commits that are not in the pull request"),
            (State { restored_by: Some("alice".to_owned()), ..merged() }, "restored by alice"),
        ] {
            let planned = plan(state);
            assert!(matches!(&planned, Plan::Held(held) if held.contains(why)), "{why}: {planned:?}");
        }
        assert!(matches!(plan(State { at: None, ..merged() }), Plan::Nothing(_)));
    }

    #[test]
    fn undo_puts_it_back_where_it_was_and_nothing_else() {
        let (there, gone) = (standing_at(Some("c0ffee")), standing_at(None));
        let undo = |now: &Option<State>| Params {}.undo(&there, &gone, now);
        assert!(matches!(undo(&gone), Reversal::Change(Change::Create { at, .. }) if at == "c0ffee"));
        assert_eq!(undo(&there), Reversal::Nothing);
        assert!(matches!(undo(&standing_at(Some("beef"))), Reversal::Refused(_)));
        // And the other way round, where what is in the way of deleting it counts again.
        let redo = |now: &Option<State>| Params {}.undo(&gone, &there, now);
        assert!(matches!(redo(&there), Reversal::Change(Change::Delete { at, .. }) if at == "c0ffee"));
        assert_eq!(redo(&gone), Reversal::Nothing);
        assert!(matches!(redo(&standing_at(Some("beef"))), Reversal::Refused(_)));
        let reopened = Some(State { open: Open::Open, ..merged() });
        assert!(matches!(redo(&reopened), Reversal::Refused(why) if why.contains("is open")));
    }

    #[test]
    fn a_branch_that_moved_during_a_crash_is_for_a_person_to_judge() {
        let delete = merged().delete("c0ffee");
        let settle = |at| Params {}.settle(&Some(merged()), &delete, &standing_at(at));
        assert_eq!(settle(None), Settled::Happened);
        assert_eq!(settle(Some("c0ffee")), Settled::DidNot);
        assert!(matches!(settle(Some("beef")), Settled::CannotTell(_)));
    }
}
