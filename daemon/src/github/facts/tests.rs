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
    assert_eq!(facts.checks, Known::Is(vec![check("build", CheckState::Passing), check("ci", CheckState::Pending)]));
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
            user: Some(User { login: (*login).to_owned(), kind: "User".to_owned() }),
            state: (*state).to_owned(),
            author_association: String::new(),
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

#[test]
fn an_approval_binds_only_when_somebody_of_the_house_gave_it() {
    let given = |login: &str, association: &str, kind: &str| GivenReview {
        user: Some(User { login: login.to_owned(), kind: kind.to_owned() }),
        state: "APPROVED".to_owned(),
        author_association: association.to_owned(),
    };
    assert!(given("bob", "MEMBER", "User").is_of_the_house());
    assert!(given("bob", "COLLABORATOR", "User").is_of_the_house());
    assert!(!given("mallory", "NONE", "User").is_of_the_house());
    assert!(!given("mallory", "CONTRIBUTOR", "User").is_of_the_house());
    assert!(!given("helper[bot]", "MEMBER", "Bot").is_of_the_house());
}
