//! `merge`: merges a pull request once its reviews and checks allow it, one at a time for each base branch.
//!
//! What was judged is what is merged: the request names the head commit, and GitHub refuses it when the branch moved. What
//! changes between the last look and the request (a check, a review) is for the rules of the branch on GitHub to catch.
//! A head that is behind is brought up to date first, which is a step of the same effect and not its end.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled};
use crate::core::command::Command;
use crate::core::hand::{Hand, HandChange, Move, Thing};
use crate::core::intent::Target;
use crate::core::merge::{self, Candidate, Line, Mergeable, Merged, Readiness, Required, Standing, Terms, Wait, judge};
use crate::core::permission::Needs;
use crate::core::role::Role;
use crate::github::client::{Reader, Writer};
use crate::github::{GitHubError, facts, path};

/// GitHub takes so many labels on an item, and nobody names more checks.
const MOST_NAMES: usize = 100;
/// Longest name of a check or label, in characters.
const LONGEST: usize = 255;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    #[default]
    Merge,
    Squash,
    Rebase,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Every {
    All,
}

/// `all`, or names of checks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Checks {
    Every(Every),
    Named(Vec<String>),
}

impl Default for Checks {
    fn default() -> Self {
        Self::Every(Every::All)
    }
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StopSigns {
    /// Labels that say stop.
    #[serde(default)]
    labels: Vec<String>,
}

/// How to merge, and what has to be so before.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// How the commits reach the base branch; `merge` when left out.
    #[serde(default)]
    method: Way,
    /// How many people of the repository, other than the author, have to approve; 1 when left out.
    #[serde(default = "one")]
    #[schemars(range(max = 100))]
    approvals: u32,
    /// Check runs and commit statuses that have to pass: `all` there are (at least one), or these; `[]` asks for none.
    /// `all` when left out.
    #[serde(default)]
    checks: Checks,
    /// Whether a branch that is behind its base is updated, and its checks waited for, before it is merged.
    #[serde(default)]
    update: bool,
    /// What makes the merge be given up.
    #[serde(default)]
    stop: StopSigns,
}

fn one() -> u32 {
    1
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// Bring the branch, whose head is this commit, up to date.
    Update { head: String },
    /// Merge this commit.
    Merge { head: String, method: Way },
}

/// A pull request as GitHub answers. What a merge is planned on must be there.
#[derive(Deserialize)]
struct Shown {
    state: String,
    draft: Option<bool>,
    merged: bool,
    merged_by: Option<User>,
    merge_commit_sha: Option<String>,
    /// Null when the account is gone.
    user: Option<User>,
    labels: Vec<Label>,
    base: Branch,
    head: Branch,
    mergeable: Option<bool>,
    mergeable_state: Option<String>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(rename = "ref")]
    name: String,
    sha: String,
}

#[derive(Deserialize)]
struct Compared {
    behind_by: u64,
}

fn login(user: Option<User>) -> String {
    user.map_or_else(|| "ghost".to_owned(), |user| user.login)
}

/// <https://docs.github.com/en/graphql/reference/enums#mergestatestatus>, in lower case in the REST API.
fn mergeable(shown: &Shown) -> Mergeable {
    match (shown.mergeable_state.as_deref(), shown.mergeable) {
        (Some("dirty"), _) | (_, Some(false)) => Mergeable::No,
        (Some("unknown"), _) | (_, None) => Mergeable::Unknown,
        (Some("blocked" | "behind"), _) => Mergeable::Blocked,
        (_, Some(true)) => Mergeable::Yes,
    }
}

fn below(target: &Target, rest: &str) -> String {
    path::repository(&target.repository, format_args!("/pulls/{}{rest}", target.number))
}

impl Params {
    fn terms(&self) -> Terms {
        let checks = match &self.checks {
            Checks::Every(Every::All) => Required::All,
            Checks::Named(names) => Required::Named(names.clone()),
        };
        Terms { approvals: self.approvals, checks, update: self.update, stop: self.stop.labels.clone() }
    }

    /// Whether the base branch has commits that the head lacks. GitHub says so by itself only where the rules of the
    /// branch ask for a head that is up to date.
    async fn behind(&self, target: &Target, shown: &Shown, reader: &Reader) -> Result<bool, GitHubError> {
        if !self.update {
            return Ok(shown.mergeable_state.as_deref() == Some("behind"));
        }
        let (base, head) = (path::segment(&shown.base.name), path::segment(&shown.head.sha));
        let compare = path::repository(&target.repository, format_args!("/compare/{base}...{head}?per_page=1"));
        Ok(reader.get::<Compared>(&compare).await?.behind_by > 0)
    }
}

impl Action for Params {
    /// `None`: there is no such pull request.
    type State = Option<Candidate>;
    type Change = Change;

    const NAME: &'static str = "merge";
    const HELP: &'static str = "Merges the pull request once it may be merged; until then it waits, in order of arrival \
        for each base branch. A merge cannot be taken back.";
    const EXAMPLE: &'static str =
        "{method: squash, approvals: 1, checks: all, update: true, stop: {labels: [do-not-merge]}}";
    const UNDOABLE: bool = false;
    /// What became of a refused one is seen by how the pull request stands.
    const ONE_REQUEST: bool = false;
    const COMMANDS: &'static [Command] = &[Command {
        word: "merge",
        usage: "/merge [squash|rebase]",
        help: "Merges it once it may be merged: one approval, and all checks pass.",
        least: Role::Write,
        of_pulls: true,
        read: |asked| match asked.arguments {
            "" => Ok(json!({})),
            "squash" | "rebase" => Ok(json!({"method": asked.arguments})),
            _ => Err("say nothing more, or `squash` or `rebase`".to_owned()),
        },
    }];
    const NEEDS: Needs = Needs::WriteAll(&["contents", "pull_requests"]);
    const HEARS: &'static [&'static str] = merge::TOLD_BY;
    const WAITS: bool = true;

    fn check(&self) -> Result<(), String> {
        if self.approvals > 100 {
            return Err("`approvals` is at most 100".to_owned());
        }
        let checks = if let Checks::Named(names) = &self.checks { names.as_slice() } else { &[] };
        for (key, names) in [("checks", checks), ("stop.labels", self.stop.labels.as_slice())] {
            if names.len() > MOST_NAMES {
                return Err(format!("`{key}` has {} names, at most {MOST_NAMES}", names.len()));
            }
            if let Some(odd) = names.iter().find(|name| name.trim().is_empty() || name.chars().count() > LONGEST) {
                return Err(format!("`{odd}` in `{key}` is no name: it has 1 to {LONGEST} characters"));
            }
        }
        Ok(())
    }

    fn asks_for(&self) -> Vec<Move> {
        vec![Move { thing: Thing::Merged, hand: Hand::Put }]
    }

    /// The pull request first and its checks last: what changes most is read closest to the write.
    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<Option<Candidate>, GitHubError> {
        let shown: Shown = match reader.get(&below(target, "")).await {
            Err(GitHubError::NotFound(_)) => return Ok(None),
            answer => answer?,
        };
        let mut candidate = Candidate {
            line: Line { base: shown.base.name.clone(), head: shown.head.sha.clone() },
            standing: if shown.state == "open" { Standing::Open } else { Standing::Closed },
            draft: shown.draft.unwrap_or(false),
            author: String::new(),
            labels: shown.labels.iter().map(|label| label.name.clone()).collect(),
            reviews: Vec::new(),
            checks: Vec::new(),
            mergeable: mergeable(&shown),
            behind: false,
        };
        if shown.merged {
            let by = login(shown.merged_by);
            let ours = by.eq_ignore_ascii_case(&reader.own_login().await?);
            candidate.standing = Standing::Merged(Merged { by, ours, commit: shown.merge_commit_sha });
        } else if candidate.standing == Standing::Open {
            candidate.behind = self.behind(target, &shown, reader).await?;
            candidate.reviews = facts::binding_reviews(reader, &target.repository, target.number).await?;
            candidate.checks = facts::checks(reader, &target.repository, &candidate.line.head).await?;
        }
        candidate.author = login(shown.user);
        Ok(Some(candidate))
    }

    fn plan(&self, _: &Origin, state: &Option<Candidate>, _: &[HandChange]) -> Plan<Change> {
        let Some(candidate) = state else {
            return Plan::Held("there is no such pull request, or the App may not see it".to_owned());
        };
        let head = candidate.line.head.clone();
        match judge(candidate, &self.terms()) {
            Readiness::Merged(merged) => Plan::Nothing(format!("{} merged it", merged.by)),
            Readiness::Stopped(stop) => Plan::Held(stop.to_string()),
            Readiness::Waits(wait) => Plan::Wait(wait),
            Readiness::Behind => Plan::Change(Change::Update { head }),
            Readiness::Ready => Plan::Change(Change::Merge { head, method: self.method }),
        }
    }

    /// A merge that does not show may be asked for again: GitHub merges once, and only the commit that is named. So may
    /// an update, and whether it shows matters less than how the pull request stands now.
    fn settle(&self, _: &Option<Candidate>, change: &Change, now: &Option<Candidate>) -> Settled {
        match (change, now) {
            (Change::Merge { head, .. }, Some(Candidate { line, standing: Standing::Merged(merged), .. }))
                if merged.ours && line.head == *head =>
            {
                Settled::Happened
            }
            _ => Settled::DidNot,
        }
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Change) -> Result<(), GitHubError> {
        let (path, body) = match change {
            Change::Update { head } => (below(target, "/update-branch"), json!({"expected_head_sha": head})),
            Change::Merge { head, method } => (below(target, "/merge"), json!({"sha": head, "merge_method": method})),
        };
        writer.send::<Value>(Method::PUT, &path, &body).await.map(|_| ())
    }

    fn undo(&self, _: &Option<Candidate>, _: &Option<Candidate>, _: &Option<Candidate>) -> Reversal<Change> {
        Reversal::Refused("a merge cannot be taken back: open a pull request that reverts it".to_owned())
    }

    fn line(&self, state: &Option<Candidate>) -> Option<Line> {
        state.as_ref().map(|candidate| candidate.line.clone())
    }

    fn goes_on(&self, change: &Change) -> Option<Wait> {
        match change {
            Change::Update { .. } => Some(Wait::for_update()),
            Change::Merge { .. } => None,
        }
    }

    fn labels(state: &Option<Candidate>) -> Option<Vec<String>> {
        state.as_ref().map(|candidate| candidate.labels.clone())
    }

    /// An update is told of as `synchronize`, a merge also as a push to the base.
    fn told_by(change: &Change) -> &'static [&'static str] {
        match change {
            Change::Update { .. } => &["pull_request"],
            Change::Merge { .. } => &["push"],
        }
    }

    /// A merge closes the pull request.
    fn moves(&self, _: &Option<Candidate>, change: &Change) -> Vec<Move> {
        match change {
            Change::Update { .. } => Vec::new(),
            Change::Merge { .. } => vec![Move { thing: Thing::State, hand: Hand::Taken }],
        }
    }
}
