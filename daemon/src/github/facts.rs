//! Fetches the facts a decision still needs, and just those.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::client::Reader;
use super::{GitHubError, path, roles, runs};
use crate::core::event::{Event, RepoName};
use crate::core::facts::{
    Check, CheckState, FactKind, FactKinds, Facts, Item, ItemKind, Known, Pull, Review, ReviewState, item_from_pull,
};
use crate::core::role::Role;

/// GitHub lists so many files of a pull request at most, and does not say when it left some out.
const MOST_FILES: usize = 3000;
const MOST_FILE_PAGES: u32 = 30;
/// 1,000 reviews, and as many check runs.
const MOST_PAGES: u32 = 10;
pub(super) const NOBODY_TO_ASK_AS: &str = "the event names no installation of the GitHub App to ask as";

/// Fills `facts` with what is needed. A fact that GitHub will not give (404, refused) becomes `Unavailable` with the
/// reason; what may work later is the error. An event that names no installation (a webhook of a repository or an
/// organisation) gives nobody to ask as: its facts are `Unavailable` too.
///
/// The checks are those of the pull request's head commit as it is now, not of the one the event saw.
pub async fn fetch(reader: &Reader, event: &Event, needs: &FactKinds, facts: &mut Facts) -> Result<(), GitHubError> {
    if needs.contains(&FactKind::Role) {
        facts.role = role(reader, event).await?;
    }
    if needs.contains(&FactKind::Run) {
        facts.run = runs::of_event(reader, event).await?;
    }
    let needs = needs - &FactKinds::from([FactKind::Role, FactKind::Run]);
    if needs.is_empty() { Ok(()) } else { fetch_of_pull(reader, event, &needs, facts).await }
}

async fn fetch_of_pull(
    reader: &Reader,
    event: &Event,
    needs: &FactKinds,
    facts: &mut Facts,
) -> Result<(), GitHubError> {
    let Some(pull) = event.repository.as_ref().zip(event.item).map(|(name, number)| Address { name, number }) else {
        withhold(needs, facts, "the event is about no pull request");
        return Ok(());
    };
    if event.installation.is_none() && !reader.has_token() {
        withhold(needs, facts, NOBODY_TO_ASK_AS);
        return Ok(());
    }
    let head_missing = needs.contains(&FactKind::Checks) && known_pull(facts).is_none();
    if needs.contains(&FactKind::Item) || head_missing {
        let item = known(reader.get::<Value>(&pull.below("")).await.map(|pull| item_from_pull(&pull)))?;
        put_item(facts, item);
    }
    if needs.contains(&FactKind::Files) {
        facts.files = known(changed_files(reader, pull.name, pull.number).await)?;
    }
    if needs.contains(&FactKind::Reviews) {
        facts.reviews = known(reviews(reader, &pull).await)?;
    }
    if needs.contains(&FactKind::Checks) {
        facts.checks = match known_pull(facts).map(|pull| pull.head_sha.clone()) {
            Some(sha) => known(checks(reader, pull.name, &sha).await)?,
            None => Known::Unavailable("the head commit of the pull request is not known".to_owned()),
        };
    }
    Ok(())
}

/// The role of whoever caused the event.
async fn role(reader: &Reader, event: &Event) -> Result<Known<Role>, GitHubError> {
    let (Some(repository), Some(actor)) = (&event.repository, &event.actor) else {
        return Ok(Known::Unavailable("the event names no repository, or nobody who caused it".to_owned()));
    };
    if event.installation.is_none() && !reader.has_token() {
        return Ok(Known::Unavailable(NOBODY_TO_ASK_AS.to_owned()));
    }
    known(roles::role_of(reader, repository, &actor.login).await)
}

struct Address<'a> {
    name: &'a RepoName,
    number: u64,
}

impl Address<'_> {
    fn below(&self, rest: &str) -> String {
        path::repository(self.name, format_args!("/pulls/{}{rest}", self.number))
    }
}

/// Says of what is needed that it cannot be had, and why.
pub fn withhold(needs: &FactKinds, facts: &mut Facts, reason: &str) {
    for need in needs {
        match need {
            FactKind::Item => put_item(facts, Known::Unavailable(reason.to_owned())),
            FactKind::Files => facts.files = Known::Unavailable(reason.to_owned()),
            FactKind::Reviews => facts.reviews = Known::Unavailable(reason.to_owned()),
            FactKind::Checks => facts.checks = Known::Unavailable(reason.to_owned()),
            FactKind::Role => facts.role = Known::Unavailable(reason.to_owned()),
            FactKind::Run => facts.run = Known::Unavailable(reason.to_owned()),
        }
    }
}

/// What the payload told of the item is kept when GitHub will not tell the rest.
fn put_item(facts: &mut Facts, item: Known<Item>) {
    match (&mut facts.item, item) {
        (Some(Known::Is(told)), Known::Unavailable(reason)) if told.kind == ItemKind::PullRequest => {
            told.pull = Known::Unavailable(reason);
        }
        (Some(Known::Is(_)), Known::Unavailable(_)) => {}
        (place, item) => *place = Some(item),
    }
}

fn known_pull(facts: &Facts) -> Option<&Pull> {
    match &facts.known_item()?.pull {
        Known::Is(pull) => Some(pull),
        Known::NotYet | Known::Unavailable(_) => None,
    }
}

/// Parts what will not be told from what may be told later.
pub(super) fn known<T>(result: Result<T, GitHubError>) -> Result<Known<T>, GitHubError> {
    match result {
        Ok(value) => Ok(Known::Is(value)),
        Err(GitHubError::Refused { status: 0, message }) => Ok(Known::Unavailable(message)),
        Err(refusal @ (GitHubError::NotFound(_) | GitHubError::Refused { .. })) => {
            Ok(Known::Unavailable(refusal.to_string()))
        }
        Err(later) => Err(later),
    }
}

/// Paths that a pull request changes. One request for each 100.
///
/// # Errors
/// As [`Reader::get`]; `Refused`, status 0, when there may be more than GitHub lists.
pub async fn changed_files(reader: &Reader, name: &RepoName, number: u64) -> Result<Vec<String>, GitHubError> {
    #[derive(Deserialize)]
    struct File {
        filename: String,
    }
    let mut files = reader.get_all::<File>(&Address { name, number }.below("/files"), None, MOST_FILE_PAGES).await?;
    files.complete &= files.items.len() < MOST_FILES;
    Ok(files.whole("files")?.into_iter().map(|file| file.filename).collect())
}

#[derive(Deserialize)]
struct User {
    login: String,
    #[serde(rename = "type", default)]
    kind: String,
}

#[derive(Deserialize)]
struct GivenReview {
    /// Null when the account is gone.
    user: Option<User>,
    state: String,
    #[serde(default)]
    author_association: String,
}

impl GivenReview {
    /// Whoever can see a repository can approve; who may belong to it is what GitHub says beside the review.
    /// <https://docs.github.com/en/graphql/reference/enums#commentauthorassociation>
    fn is_of_the_house(&self) -> bool {
        matches!(self.author_association.as_str(), "OWNER" | "MEMBER" | "COLLABORATOR")
            && self.user.as_ref().is_some_and(|user| user.kind != "Bot")
    }
}

/// As the reviews that are facts, but an approval by a bot, or by somebody who may not write to the repository, is none. A
/// request for each who approved: a member of the organisation need not have any right in a repository.
///
/// # Errors
/// As [`Reader::get`]; `Refused` when there are too many.
pub(crate) async fn binding_reviews(reader: &Reader, name: &RepoName, number: u64) -> Result<Vec<Review>, GitHubError> {
    let given = reader.get_all(&Address { name, number }.below("/reviews"), None, MOST_PAGES).await?;
    let mut given: Vec<GivenReview> = given.whole("reviews")?;
    for review in given.iter_mut().filter(|review| review.state == "APPROVED" && !review.is_of_the_house()) {
        "DISMISSED".clone_into(&mut review.state);
    }
    let mut latest = latest_reviews(given);
    for review in latest.iter_mut().filter(|review| review.state == ReviewState::Approved) {
        if roles::role_of(reader, name, &review.reviewer).await? < Role::Write {
            review.state = ReviewState::Dismissed;
        }
    }
    Ok(latest)
}

async fn reviews(reader: &Reader, pull: &Address<'_>) -> Result<Vec<Review>, GitHubError> {
    let given = reader.get_all(&pull.below("/reviews"), None, MOST_PAGES).await?;
    Ok(latest_reviews(given.whole("reviews")?))
}

/// The one that counts of each reviewer: the latest, where a mere comment takes back neither an approval nor a request
/// for changes. `given` is in order of time.
fn latest_reviews(given: Vec<GivenReview>) -> Vec<Review> {
    let mut latest: BTreeMap<String, Review> = BTreeMap::new();
    for review in given {
        let state = match review.state.to_ascii_uppercase().as_str() {
            "APPROVED" => ReviewState::Approved,
            "CHANGES_REQUESTED" => ReviewState::ChangesRequested,
            "COMMENTED" => ReviewState::Commented,
            "DISMISSED" => ReviewState::Dismissed,
            _ => continue,
        };
        let reviewer = review.user.map_or_else(|| "ghost".to_owned(), |user| user.login);
        let key = reviewer.to_ascii_lowercase();
        let stands = latest
            .get(&key)
            .is_some_and(|before| matches!(before.state, ReviewState::Approved | ReviewState::ChangesRequested));
        if !(stands && state == ReviewState::Commented) {
            latest.insert(key, Review { reviewer, state });
        }
    }
    latest.into_values().collect()
}

#[derive(Deserialize)]
struct CheckRun {
    id: u64,
    name: String,
    status: String,
    conclusion: Option<String>,
    /// Null when the App is gone.
    app: Option<App>,
}

#[derive(Deserialize)]
struct App {
    id: u64,
}

#[derive(Deserialize)]
struct CommitStatus {
    context: String,
    state: String,
}

/// # Errors
/// As [`Reader::get`]; `Refused` when there are too many.
pub(crate) async fn checks(reader: &Reader, name: &RepoName, sha: &str) -> Result<Vec<Check>, GitHubError> {
    let commit = |rest: &str| path::repository(name, format_args!("/commits/{}/{rest}", path::segment(sha)));
    let runs = reader.get_all(&commit("check-runs"), Some("check_runs"), MOST_PAGES).await?;
    let statuses = reader.get_all(&commit("status"), Some("statuses"), MOST_PAGES).await?;
    Ok(latest_checks(runs.whole("check runs")?, statuses.whole("statuses")?))
}

/// The latest run of each name of each App (the name is not the App's own), and the combined statuses, of which GitHub gives the latest of each context.
fn latest_checks(mut runs: Vec<CheckRun>, statuses: Vec<CommitStatus>) -> Vec<Check> {
    runs.sort_by_key(|run| run.id);
    let runs = runs.into_iter().map(|run| ((run.app.as_ref().map(|app| app.id), run.name.clone()), run_state(&run)));
    let runs: BTreeMap<(Option<u64>, String), CheckState> = runs.collect();
    let runs = runs.into_iter().map(|((_, name), state)| (name, state));
    let statuses = statuses.into_iter().map(|status| {
        let state = match status.state.as_str() {
            "success" => CheckState::Passing,
            "pending" => CheckState::Pending,
            _ => CheckState::Failing,
        };
        (status.context, state)
    });
    let mut checks: Vec<Check> = runs.chain(statuses).map(|(name, state)| Check { name, state }).collect();
    checks.sort_by(|a, b| a.name.cmp(&b.name).then(a.state.cmp(&b.state)));
    checks
}

fn run_state(run: &CheckRun) -> CheckState {
    match (run.status.as_str(), run.conclusion.as_deref()) {
        ("completed", Some("success" | "neutral" | "skipped")) => CheckState::Passing,
        ("completed", _) => CheckState::Failing,
        _ => CheckState::Pending,
    }
}

#[cfg(test)]
mod tests;
