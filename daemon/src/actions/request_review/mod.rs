//! `request_review`: asks people and teams to review a pull request.
//!
//! Owns whom to ask: candidates (`candidates`), the choice among them (`choice`) and how a rule says it (`params`).
//! Refuses to know when it runs. Invariant: who has reviewed, is asked, wrote the pull request or was taken off by a
//! person is not asked; the choice is made once, and the stored change names the people.

mod candidates;
mod choice;
mod params;

use http::Method;
use serde_json::{Value, json};

pub(super) use self::choice::{Change, State};
pub(super) use self::params::Params;
use self::params::{Pick, Source};
use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled, reviews};
use crate::core::command::{Command, words};
use crate::core::hand::{Hand, HandChange, Move, Thing};
use crate::core::intent::Target;
use crate::core::permission::Needs;
use crate::core::reviewer::Reviewer;
use crate::core::role::Role;
use crate::github::GitHubError;
use crate::github::client::{Reader, Writer};

/// <https://docs.github.com/en/rest/pulls/review-requests>
fn body(who: &[Reviewer]) -> Value {
    let people: Vec<&str> = who.iter().filter_map(Reviewer::login).collect();
    let teams: Vec<&str> = who.iter().filter_map(|who| Some(who.team()?.1)).collect();
    // GitHub wants `reviewers` even where there are only teams.
    if teams.is_empty() { json!({"reviewers": people}) } else { json!({"reviewers": people, "team_reviewers": teams}) }
}

/// Those of `list` that are not in `other`, of the candidates of either state: others' requests are not ours.
fn gone(list: &[Reviewer], other: &State, states: [&State; 2]) -> Vec<Reviewer> {
    let is_ours =
        |who: &Reviewer| states.iter().any(|state| state.candidates.iter().any(|candidate| candidate.who == *who));
    list.iter().filter(|who| !other.is_asked(who) && is_ours(who)).cloned().collect()
}

impl Action for Params {
    type State = State;
    type Change = Change;

    const NAME: &'static str = "request_review";
    const HELP: &'static str = "Asks people and teams to review the pull request: a list of them (`org/team` is a team), \
        or `codeowners`, who own the changed files by the CODEOWNERS of the base branch. All of a list are asked, teams \
        as teams; with `count` (1 for `codeowners`) so many people, a team standing for its members if the App may read \
        them. `strategy: round_robin` chooses by the number of the pull request and costs nothing; `load` takes who has \
        the fewest open requests in the repository, and lists its open pull requests for that (one request for each 100, \
        the newest 1,000 at most); `all` asks everybody. Never asked: the author, `exclude`, who is asked or has reviewed \
        (both count towards `count`), who is no collaborator, and whom a person took off; his place stays empty, unless \
        he declined himself. Taking back removes the requests that are still open.";
    const EXAMPLE: &'static str = "{from: codeowners, count: 1, strategy: load, exclude: [dependabot]}";
    const UNDOABLE: bool = true;
    const ONE_REQUEST: bool = false;
    const COMMANDS: &'static [Command] = &[Command {
        word: "request-review",
        usage: "/request-review [LOGIN|ORG/TEAM…]",
        help: "Asks them to review it, or one of those who own the changed files.",
        least: Role::Triage,
        of_pulls: true,
        read: |asked| match words(asked.arguments)? {
            none if none.is_empty() => Ok(json!({"from": "codeowners"})),
            names => Ok(json!({"from": names.iter().map(|name| name.trim_start_matches('@')).collect::<Vec<_>>()})),
        },
    }];
    const NEEDS: Needs = Needs::Write("pull_requests");

    fn reads(&self) -> &'static [&'static str] {
        let names_a_team = |named: &[Reviewer]| named.iter().any(|who| who.team().is_some());
        match (&self.from, self.pick) {
            (Source::CodeOwners, _) => &["contents"],
            (Source::Named(named), Pick::Some { .. }) if names_a_team(named) => &["members"],
            (Source::Named(_), _) => &[],
        }
    }

    /// All of a list: who some of them would be is chosen when it is done.
    fn would_move(&self) -> Vec<Move> {
        match (&self.from, self.pick) {
            (Source::Named(named), Pick::All) => {
                let asked = named.iter().filter(|who| !self.exclude.contains(who));
                asked.map(|who| Move { thing: Thing::Reviewer(who.to_string()), hand: Hand::Put }).collect()
            }
            _ => Vec::new(),
        }
    }

    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<State, GitHubError> {
        candidates::read(self, target, reader).await
    }

    fn plan(&self, _: &Origin, state: &State, hands: &[HandChange]) -> Plan<Change> {
        choice::plan(self.pick, state, hands)
    }

    /// Asking somebody twice is asking once, unless he reviewed in between: then it is done.
    fn settle(&self, _: &State, change: &Change, now: &State) -> Settled {
        let requested = change.request.iter().all(|who| now.is_asked(who));
        let removed = !change.remove.iter().any(|who| now.requested.contains(who));
        if requested && removed { Settled::Happened } else { Settled::DidNot }
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Change) -> Result<(), GitHubError> {
        let path = reviews::below(target, "/requested_reviewers");
        for (method, who) in [(Method::POST, &change.request), (Method::DELETE, &change.remove)] {
            if !who.is_empty() {
                writer.send::<Value>(method, &path, &body(who)).await?;
            }
        }
        Ok(())
    }

    fn undo(&self, before: &State, after: &State, now: &State) -> Reversal<Change> {
        let put = gone(&after.requested, before, [before, after]);
        let taken = gone(&before.requested, after, [before, after]);
        let remove: Vec<Reviewer> = put.iter().filter(|who| now.requested.contains(who)).cloned().collect();
        let request: Vec<Reviewer> = taken.into_iter().filter(|who| !now.is_asked(who)).collect();
        if !remove.is_empty() || !request.is_empty() {
            return Reversal::Change(Change { request, remove });
        }
        match put.iter().find(|who| now.reviewed.contains(who)) {
            Some(who) => Reversal::Refused(format!("`{who}` has reviewed since: no request is open any more")),
            None => Reversal::Nothing,
        }
    }

    fn moves(&self, _: &State, change: &Change) -> Vec<Move> {
        let moved = |who: &Reviewer, hand| Move { thing: Thing::Reviewer(who.to_string()), hand };
        let asked = change.request.iter().map(|who| moved(who, Hand::Put));
        asked.chain(change.remove.iter().map(|who| moved(who, Hand::Taken))).collect()
    }
}

#[cfg(test)]
mod tests;
