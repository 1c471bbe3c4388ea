//! Fetches the facts a decision still needs, and just those.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::client::Reader;
use super::{GitHubError, path};
use crate::core::event::{Event, RepoName};
use crate::core::facts::{
    Check, CheckState, FactKind, FactKinds, Facts, Item, ItemKind, Known, Pull, Review, ReviewState, item_from_pull,
};

/// GitHub lists so many files of a pull request at most, and does not say when it left some out.
const MOST_FILES: usize = 3000;
const MOST_FILE_PAGES: u32 = 30;
/// 1,000 reviews, and as many check runs.
const MOST_PAGES: u32 = 10;

/// Fills `facts` with what is needed. A fact that GitHub will not give (404, refused) becomes `Unavailable` with the
/// reason; what may work later is the error. An event that names no installation (a webhook of a repository or an
/// organisation) gives nobody to ask as: its facts are `Unavailable` too.
///
/// The checks are those of the pull request's head commit as it is now, not of the one the event saw.
pub async fn fetch(reader: &Reader, event: &Event, needs: &FactKinds, facts: &mut Facts) -> Result<(), GitHubError> {
    let Some(pull) = event.repository.as_ref().zip(event.item).map(|(name, number)| Address { name, number }) else {
        withhold(needs, facts, "the event is about no pull request");
        return Ok(());
    };
    if event.installation.is_none() {
        withhold(needs, facts, "the event names no installation of the GitHub App to ask as");
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
fn known<T>(result: Result<T, GitHubError>) -> Result<Known<T>, GitHubError> {
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
}

#[derive(Deserialize)]
struct GivenReview {
    /// Null when the account is gone.
    user: Option<User>,
    state: String,
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

async fn checks(reader: &Reader, name: &RepoName, sha: &str) -> Result<Vec<Check>, GitHubError> {
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
mod tests {
    #![allow(clippy::unwrap_used)]

    use chrono::DateTime;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::core::event::EventId;
    use crate::github::client::GitHub;
    use crate::github::stand_in::{Reply, Seen, StandIn, reply};

    fn event(payload: Value) -> Event {
        Event::from_payload(EventId(Uuid::nil()), "issue_comment", DateTime::UNIX_EPOCH, payload)
    }

    fn comment_on_pull() -> Event {
        event(json!({
            "repository": {"full_name": "acme/app"},
            "installation": {"id": 5},
            "issue": {"number": 7, "title": "Fix", "state": "open", "pull_request": {"url": "u"}},
        }))
    }

    async fn fetched(
        event: &Event,
        needs: &[FactKind],
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> (Result<Facts, GitHubError>, Vec<String>) {
        let server = StandIn::start(answer).await;
        let reader = GitHub::new(server.settings()).unwrap().reader(None);
        let mut facts = Facts::from_event(event);
        let result = fetch(&reader, event, &needs.iter().copied().collect(), &mut facts).await;
        (result.map(|()| facts), server.seen())
    }

    fn tell(seen: &Seen) -> Reply {
        let body = match seen.path.split('?').next().unwrap().strip_prefix("/repos/acme/app").unwrap() {
            "/pulls/7" => json!({"number": 7, "title": "Fix", "state": "open", "base": {"ref": "main"},
                "head": {"ref": "fix", "sha": "abc"}}),
            "/pulls/7/files" => json!([{"filename": "docs/a.md"}, {"filename": "b.rs"}]),
            "/pulls/7/reviews" => json!([{"user": {"login": "Bob"}, "state": "APPROVED"}]),
            "/commits/abc/check-runs" => json!({"check_runs":
                [{"id": 1, "name": "build", "status": "completed", "conclusion": "success"}]}),
            "/commits/abc/status" => json!({"state": "pending", "statuses": [{"context": "ci", "state": "pending"}]}),
            _ => return reply(404, &json!({"message": "Not Found"})),
        };
        reply(200, &body)
    }

    #[tokio::test]
    async fn only_what_is_needed_is_fetched() {
        let (facts, seen) = fetched(&comment_on_pull(), &[FactKind::Files], tell).await;
        assert_eq!(facts.unwrap().files, Known::Is(vec!["docs/a.md".to_owned(), "b.rs".to_owned()]));
        assert_eq!(seen, ["GET /repos/acme/app/pulls/7/files?per_page=100"]);
    }

    #[tokio::test]
    async fn checks_need_the_head_commit_first() {
        let (facts, seen) = fetched(&comment_on_pull(), &[FactKind::Checks], tell).await;
        let facts = facts.unwrap();
        let check = |name: &str, state| Check { name: name.to_owned(), state };
        assert_eq!(
            facts.checks,
            Known::Is(vec![check("build", CheckState::Passing), check("ci", CheckState::Pending)])
        );
        assert_eq!(known_pull(&facts).unwrap().base, "main");
        assert_eq!(seen.len(), 3);
    }

    #[tokio::test]
    async fn what_github_will_not_tell_is_unavailable_and_what_it_told_stays() {
        let gone = |_: &Seen| reply(404, &json!({"message": "Not Found"}));
        let needs = [FactKind::Item, FactKind::Reviews, FactKind::Checks];
        let facts = fetched(&comment_on_pull(), &needs, gone).await.0.unwrap();
        let item = facts.known_item().unwrap();
        assert_eq!(item.title, "Fix");
        assert!(matches!(&item.pull, Known::Unavailable(why) if why.contains("/repos/acme/app/pulls/7")));
        assert!(matches!(facts.reviews, Known::Unavailable(_)));
        assert!(matches!(facts.checks, Known::Unavailable(_)));
    }

    #[tokio::test]
    async fn a_list_that_goes_on_is_not_known() {
        let endless = |seen: &Seen| {
            let (path, query) = seen.path.split_once('?').unwrap();
            let page: u32 = query.rsplit_once("&page=").map_or(1, |(_, page)| page.parse().unwrap());
            let body = match path.rsplit('/').next().unwrap() {
                "files" => json!([{"filename": format!("{page}.md")}]),
                "reviews" => json!([{"user": {"login": format!("r{page}")}, "state": "APPROVED"}]),
                _ => return tell(seen),
            };
            reply(200, &body).with("link", &format!("<https://h{path}?per_page=100&page={}>; rel=\"next\"", page + 1))
        };
        let (facts, seen) = fetched(&comment_on_pull(), &[FactKind::Files, FactKind::Reviews], endless).await;
        let facts = facts.unwrap();
        assert_eq!(
            facts.files,
            Known::Unavailable("GitHub lists only the first 30 files, and there may be more".to_owned())
        );
        assert_eq!(
            facts.reviews,
            Known::Unavailable("GitHub lists only the first 10 reviews, and there may be more".to_owned())
        );
        assert_eq!(seen.len(), 40);
    }

    #[tokio::test]
    async fn as_many_files_as_github_lists_may_not_be_all() {
        let full = |_: &Seen| reply(200, &(0..3000).map(|n| json!({"filename": n.to_string()})).collect());
        let facts = fetched(&comment_on_pull(), &[FactKind::Files], full).await.0.unwrap();
        assert_eq!(
            facts.files,
            Known::Unavailable("GitHub lists only the first 3000 files, and there may be more".to_owned())
        );
    }

    #[tokio::test]
    async fn what_may_work_later_is_an_error() {
        let limited = |_: &Seen| reply(429, &json!({"message": "slow down"}));
        let failed = fetched(&comment_on_pull(), &[FactKind::Reviews], limited).await.0.unwrap_err();
        assert!(matches!(failed, GitHubError::Limited { .. }));
    }

    #[tokio::test]
    async fn an_event_about_nothing_asks_nothing() {
        let star = event(json!({"repository": {"full_name": "acme/app"}}));
        let (facts, seen) = fetched(&star, &[FactKind::Item, FactKind::Files], tell).await;
        assert!(matches!(facts.unwrap().files, Known::Unavailable(_)));
        assert_eq!(seen.len(), 0);
    }

    #[tokio::test]
    async fn an_event_without_an_installation_asks_nothing() {
        let mut event = comment_on_pull();
        event.installation = None;
        let (facts, seen) = fetched(&event, &[FactKind::Files], tell).await;
        assert!(matches!(facts.unwrap().files, Known::Unavailable(why) if why.contains("names no installation")));
        assert_eq!(seen.len(), 0);
    }

    #[test]
    fn a_comment_takes_back_no_approval() {
        let given = |list: &[(&str, &str)]| {
            let review = |(login, state): &(&str, &str)| GivenReview {
                user: Some(User { login: (*login).to_owned() }),
                state: (*state).to_owned(),
            };
            let latest = latest_reviews(list.iter().map(review).collect());
            latest.into_iter().map(|review| (review.reviewer, review.state)).collect::<Vec<_>>()
        };
        let one = |state| vec![("bob".to_owned(), state)];
        assert_eq!(given(&[("bob", "APPROVED"), ("bob", "COMMENTED")]), one(ReviewState::Approved));
        assert_eq!(given(&[("bob", "APPROVED"), ("bob", "CHANGES_REQUESTED")]), one(ReviewState::ChangesRequested));
        assert_eq!(given(&[("bob", "COMMENTED"), ("bob", "APPROVED")]), one(ReviewState::Approved));
        assert_eq!(given(&[("bob", "DISMISSED"), ("bob", "COMMENTED")]), one(ReviewState::Commented));
        assert_eq!(given(&[("bob", "PENDING")]), []);
    }

    fn check_run(id: u64, app: u64, status: &str, conclusion: Option<&str>) -> CheckRun {
        CheckRun {
            id,
            name: "build".to_owned(),
            status: status.to_owned(),
            conclusion: conclusion.map(str::to_owned),
            app: Some(App { id: app }),
        }
    }

    #[test]
    fn a_run_of_another_app_hides_no_failing_one() {
        let run = |id, app, conclusion| check_run(id, app, "completed", Some(conclusion));
        let states = |runs| latest_checks(runs, Vec::new()).iter().map(|check| check.state).collect::<Vec<_>>();
        let both = states(vec![run(1, 7, "failure"), run(2, 8, "success")]);
        assert_eq!(both, [CheckState::Failing, CheckState::Passing]);
        assert_eq!(states(vec![run(1, 7, "failure"), run(2, 7, "success")]), [CheckState::Passing]);
    }

    #[test]
    fn the_latest_run_of_a_name_counts() {
        let run = |id, status: &str, conclusion: Option<&str>| check_run(id, 1, status, conclusion);
        let state = |runs| latest_checks(runs, Vec::new())[0].state;
        let failed = || run(1, "completed", Some("failure"));
        assert_eq!(state(vec![run(2, "in_progress", None), failed()]), CheckState::Pending);
        assert_eq!(state(vec![run(2, "completed", Some("skipped")), failed()]), CheckState::Passing);
        assert_eq!(state(vec![run(3, "completed", Some("stale")), run(2, "queued", None)]), CheckState::Failing);
    }
}
