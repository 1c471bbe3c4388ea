//! Whether a pull request may be merged now, what a merge waits for, and which events may change the answer.
//!
//! Merges into one base branch take turns, in order of arrival. One that waits for GitHub (checks, an update of the
//! branch) keeps the others waiting for a while; one that waits for people does not.

use std::fmt;
use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::decide::{Outcome, Verdict, decide};
use super::event::{Event, EventKind};
use super::facts::{Check, CheckState, Facts, Known, Review, ReviewState};
use super::hand::{Hand, HandChange, Thing, changed_at};
use super::rule::Rule;

/// How soon GitHub is asked again for what no event tells: whether the branches can be merged.
const SOON: Duration = Duration::from_secs(3);
/// How soon it is asked again for what an event should have told by then.
const LATER: Duration = Duration::from_secs(60);
/// How soon it is asked again at the latest, whatever is waited for.
pub const SLOW: Duration = Duration::from_secs(600);
/// A merge that waited for the same thing so long no longer keeps those behind it waiting.
pub const PATIENCE: TimeDelta = TimeDelta::hours(2);

/// Where a merge stands in line, and the commit it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Branch that is merged into.
    pub base: String,
    /// Head commit that was judged.
    pub head: String,
}

/// What an effect waits for before it can go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// For a person.
    pub reason: String,
    /// Whether those behind it in line wait for it.
    pub holds_place: bool,
    /// When it is looked at again, though no event told of anything. Zero: at once.
    pub again: Duration,
}

impl Wait {
    /// Nothing goes on until somebody does something: the others in line go first.
    pub fn for_people(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), holds_place: false, again: SLOW }
    }

    /// Something is under way.
    pub fn for_github(reason: impl Into<String>, again: Duration) -> Self {
        Self { reason: reason.into(), holds_place: true, again }
    }

    /// The head branch is being brought up to date: GitHub does so behind its answer.
    pub fn for_update() -> Self {
        Self::for_github("its branch is being brought up to date", LATER)
    }

    /// GitHub said no to what looked ready, for a reason that passes.
    pub fn for_retry(refusal: &str) -> Self {
        Self::for_github(refusal, SOON)
    }

    /// What was read is out of date.
    pub fn for_nothing(reason: impl Into<String>) -> Self {
        Self::for_github(reason, Duration::ZERO)
    }

    /// Pull request `first` goes before it.
    pub fn for_turn(base: &str, first: u64) -> Self {
        Self::for_github(format!("#{first} goes first into `{base}`"), SLOW)
    }
}

/// Why a merge is given up, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    Closed,
    /// A label that says so.
    Label(String),
    /// The label that asked for the merge was taken off again.
    TakenBack {
        label: String,
        by: String,
    },
    /// With the labels that people put and took since, the rule would not have matched; the text says why.
    NoLongerMatches(String),
    ChangesRequested {
        by: String,
    },
    Conflict {
        base: String,
    },
    ChecksFailed {
        names: Vec<String>,
    },
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("it is closed"),
            Self::Label(name) => write!(f, "label `{name}` says stop"),
            Self::TakenBack { label, by } => write!(f, "label `{label}`, which asked for it, was removed by {by}"),
            Self::NoLongerMatches(why) => write!(f, "the rule no longer matches: {why}"),
            Self::ChangesRequested { by } => write!(f, "{by} requests changes"),
            Self::Conflict { base } => write!(f, "it conflicts with `{base}`"),
            Self::ChecksFailed { names } => write!(f, "{} failed", checks(names)),
        }
    }
}

fn checks(names: &[String]) -> String {
    let noun = if names.len() == 1 { "check" } else { "checks" };
    let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("{noun} {}", listed.join(", "))
}

/// Who merged it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    pub by: String,
    /// Whether that is this App.
    pub ours: bool,
    pub commit: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Open,
    Closed,
    Merged(Merged),
}

/// What GitHub says of merging the branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mergeable {
    Yes,
    /// They conflict.
    No,
    /// It is working that out.
    Unknown,
    /// They could be, but the rules of the branch are not met.
    Blocked,
}

/// A pull request as a merge sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub line: Line,
    pub standing: Standing,
    pub draft: bool,
    pub author: String,
    pub labels: Vec<String>,
    /// The latest review of each reviewer; an approval is one of somebody who may give it.
    pub reviews: Vec<Review>,
    /// On the head commit.
    pub checks: Vec<Check>,
    pub mergeable: Mergeable,
    /// Whether the base branch has commits that the head lacks, as far as that matters.
    pub behind: bool,
}

/// Which checks have to pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Required {
    /// Every one there is, and there is one.
    All,
    Named(Vec<String>),
}

/// What a merge asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// People other than the author who approve.
    pub approvals: u32,
    pub checks: Required,
    /// Whether a head that is behind its base is brought up to date first.
    pub update: bool,
    /// Labels that say stop.
    pub stop: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// There is nothing left to merge.
    Merged(Merged),
    Stopped(Stop),
    Waits(Wait),
    /// Its branch is to be brought up to date.
    Behind,
    Ready,
}

/// Whether it may be merged now.
pub fn judge(now: &Candidate, terms: &Terms) -> Readiness {
    match &now.standing {
        Standing::Merged(merged) => return Readiness::Merged(merged.clone()),
        Standing::Closed => return Readiness::Stopped(Stop::Closed),
        Standing::Open => {}
    }
    if let Some(stop) = stop(now, terms) {
        return Readiness::Stopped(stop);
    }
    if let Some(reason) = lacks_people(now, terms) {
        return Readiness::Waits(Wait::for_people(reason));
    }
    if now.behind && terms.update {
        return Readiness::Behind;
    }
    if let Some(reason) = lacks_checks(now, terms) {
        return Readiness::Waits(Wait::for_github(reason, SLOW));
    }
    match now.mergeable {
        Mergeable::Unknown => {
            Readiness::Waits(Wait::for_github("GitHub works out whether the branches can be merged", SOON))
        }
        Mergeable::Blocked => Readiness::Waits(Wait::for_people(blocked(now))),
        // The latter was a reason to stop.
        Mergeable::Yes | Mergeable::No => Readiness::Ready,
    }
}

fn blocked(now: &Candidate) -> String {
    let base = &now.line.base;
    if now.behind {
        format!("the rules of `{base}` ask for a branch that is up to date; `update: true` would see to that")
    } else {
        format!("the rules of `{base}` are not met yet")
    }
}

fn stop(now: &Candidate, terms: &Terms) -> Option<Stop> {
    if let Some(label) = now.labels.iter().find(|label| terms.stop.iter().any(|stop| same(stop, label))) {
        return Some(Stop::Label(label.clone()));
    }
    if let Some(review) = now.reviews.iter().find(|review| review.state == ReviewState::ChangesRequested) {
        return Some(Stop::ChangesRequested { by: review.reviewer.clone() });
    }
    if now.mergeable == Mergeable::No {
        return Some(Stop::Conflict { base: now.line.base.clone() });
    }
    let names = in_state(now, terms, CheckState::Failing);
    (!names.is_empty()).then_some(Stop::ChecksFailed { names })
}

fn lacks_people(now: &Candidate, terms: &Terms) -> Option<String> {
    if now.draft {
        return Some("it is a draft".to_owned());
    }
    let approves = |review: &&Review| review.state == ReviewState::Approved && !same(&review.reviewer, &now.author);
    let given = now.reviews.iter().filter(approves).count();
    let asked = terms.approvals as usize;
    (given < asked).then(|| format!("{given} of {asked} approvals are there"))
}

fn lacks_checks(now: &Candidate, terms: &Terms) -> Option<String> {
    let commit = now.line.head.get(..7).unwrap_or(&now.line.head);
    let pending = in_state(now, terms, CheckState::Pending);
    if !pending.is_empty() {
        return Some(format!("{} on commit {commit} not finished", are(&pending)));
    }
    match &terms.checks {
        Required::All if now.checks.is_empty() => {
            Some(format!("no check has reported on commit {commit} yet (`checks: []` asks for none)"))
        }
        Required::All => None,
        Required::Named(names) => {
            let absent = |name: &&String| !now.checks.iter().any(|check| check.name == **name);
            let absent: Vec<String> = names.iter().filter(absent).cloned().collect();
            (!absent.is_empty()).then(|| format!("{} yet to report on commit {commit}", are(&absent)))
        }
    }
}

fn are(names: &[String]) -> String {
    format!("{} {}", checks(names), if names.len() == 1 { "is" } else { "are" })
}

/// Names of required checks in a state, each once.
fn in_state(now: &Candidate, terms: &Terms, state: CheckState) -> Vec<String> {
    let required = |check: &&Check| match &terms.checks {
        Required::All => true,
        Required::Named(names) => names.contains(&check.name),
    };
    let fits = now.checks.iter().filter(required).filter(|check| check.state == state);
    let mut names: Vec<String> = fits.map(|check| check.name.clone()).collect();
    names.sort();
    names.dedup();
    names
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// Whether people took back since, by labels, what made `rule` ask for a merge when it met the event `asked`.
pub fn taken_back(asked: &Event, rule: &Rule, hands: &[HandChange]) -> Option<Stop> {
    let since = changed_at(asked);
    let mut facts = Facts::from_event(asked);
    let Some(Known::Is(item)) = &mut facts.item else { return None };
    let mut labels = Vec::new();
    for change in hands.iter().filter(|change| change.at >= since) {
        if let Thing::Label(name) = &change.thing {
            labels.push((name, change));
        }
    }
    // Of two changes in the same moment the one that came later in the list counts.
    labels.sort_by_key(|(_, change)| change.at);
    for (name, change) in &labels {
        item.labels.retain(|label| !same(label, name));
        if change.hand == Hand::Put {
            item.labels.push((*name).clone());
        }
    }
    if let Some(label) = asking_label(asked)
        && let Some((_, newest)) = labels.iter().rev().find(|(name, _)| same(name, label))
        && newest.hand == Hand::Taken
    {
        return Some(Stop::TakenBack { label: label.to_owned(), by: newest.by.clone() });
    }
    if labels.is_empty() {
        return None;
    }
    // What else the rule looked at is not known here, and does not matter: it matched, and only labels differ.
    match decide(std::slice::from_ref(rule), asked, &facts) {
        Outcome::Decided(decisions) => {
            let no = decisions.into_iter().find(|decision| decision.verdict == Verdict::NotMatched)?;
            Some(Stop::NoLongerMatches(no.explanation.reason().to_owned()))
        }
        Outcome::Needs(_) => None,
    }
}

/// The label whose coming is the event.
fn asking_label(asked: &Event) -> Option<&str> {
    let labeled = asked.kind.name == "pull_request" && asked.kind.action.as_deref() == Some("labeled");
    asked.payload.pointer("/label/name").and_then(Value::as_str).filter(|_| labeled)
}

/// Which merges an event may change something for, of those in its repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Pull request it is about.
    pub number: Option<u64>,
    /// Commit that a check or status is on.
    pub head: Option<String>,
    /// Branch that was pushed to.
    pub base: Option<String>,
}

/// Events that can change something for a merge.
pub const TOLD_BY: &[&str] =
    &["check_run", "pull_request", "pull_request_review", "pull_request_review_thread", "push", "status"];

/// Whether an event of this kind can change something for a merge: all that needs no payload to say.
pub fn may_tell(kind: &EventKind) -> bool {
    TOLD_BY.contains(&kind.name.as_str()) && (kind.name != "check_run" || kind.action.as_deref() == Some("completed"))
}

/// What an event tells.
pub fn news(event: &Event) -> Option<News> {
    if !may_tell(&event.kind) {
        return None;
    }
    let text = |pointer: &str| event.payload.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some(match event.kind.name.as_str() {
        "push" => News { base: text("/ref")?.strip_prefix("refs/heads/").map(str::to_owned), ..News::default() },
        "status" if text("/state").as_deref() == Some("pending") => return None,
        "status" => News { head: text("/sha"), ..News::default() },
        "check_run" => News { number: event.item, head: text("/check_run/head_sha"), ..News::default() },
        _ => News { number: event.item, ..News::default() },
    })
}

#[cfg(test)]
mod tests;
