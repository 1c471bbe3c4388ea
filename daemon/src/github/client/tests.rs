#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use serde_json::json;

use super::*;
use crate::core::rule::Mode;
use crate::github::stand_in::{Reply, Seen, StandIn, reply};

/// Answers with each of `replies` in turn, and with the last one for ever.
fn in_turn(replies: Vec<Reply>) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    let replies = Mutex::new(replies);
    move |_| {
        let mut replies = replies.lock().unwrap();
        if replies.len() > 1 { replies.remove(0) } else { replies[0].clone() }
    }
}

fn github(server: &StandIn) -> GitHub {
    GitHub::with_first_wait(server.settings(), Duration::from_millis(1)).unwrap()
}

#[tokio::test]
async fn a_request_says_who_asks_and_for_which_version() {
    let server = StandIn::start(|_| reply(200, &json!({"slug": "orchd"}))).await;
    assert_eq!(github(&server).app_slug().await.unwrap(), "orchd");
    let request = server.requests().remove(0);
    let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("x-github-api-version").as_deref(), Some("2022-11-28"));
    assert_eq!(header("user-agent").unwrap(), concat!("orchd/", env!("CARGO_PKG_VERSION")));
    assert_eq!(header("accept").as_deref(), Some("application/vnd.github+json"));
    assert!(header("authorization").unwrap().starts_with("Bearer ey"));
    assert!(header("x-request-id").is_some());
}

#[tokio::test]
async fn the_slug_is_asked_for_once() {
    let server = StandIn::start(|_| reply(200, &json!({"slug": "orchd"}))).await;
    let github = github(&server);
    github.app_slug().await.unwrap();
    github.reader(Some(InstallationId(1))).app_slug().await.unwrap();
    assert_eq!(server.seen(), ["GET /app"]);
}

#[tokio::test]
async fn a_read_is_tried_again_after_5xx_and_a_write_is_not() {
    let broken = reply(502, &json!({"message": "Server Error"}));
    let server = StandIn::start(in_turn(vec![broken.clone(), broken.clone(), reply(200, &json!(7))])).await;
    assert_eq!(github(&server).reader(None).get::<u8>("/x").await.unwrap(), 7);
    assert_eq!(server.seen().len(), 3);

    let server = StandIn::start(in_turn(vec![broken])).await;
    let failed = github(&server).reader(None).get::<u8>("/x").await.unwrap_err();
    assert!(matches!(failed, GitHubError::Down { .. }), "{failed}");
    assert_eq!(server.seen(), ["GET /x", "GET /x", "GET /x", "GET /x", "GET /rate_limit"]);

    let writer = github(&server).open_gate(None, WriteTerms::of(Mode::Active)).unwrap();
    let failed = writer.send::<Value>(http::Method::POST, "/y", &json!({})).await.unwrap_err();
    assert!(matches!(failed, GitHubError::Down { .. }), "{failed}");
    assert_eq!(server.seen()[5..], ["POST /y", "GET /rate_limit"]);
}

#[tokio::test]
async fn a_request_that_alone_fails_is_told_apart_from_a_github_that_is_down() {
    let server = StandIn::start(|seen| match seen.path.as_str() {
        "/rate_limit" => reply(200, &json!({})),
        _ => reply(502, &json!({"message": "Server Error"})),
    })
    .await;
    let reader = github(&server).reader(None);
    for _ in 0..5 {
        let failed = reader.get::<u8>("/poison").await.unwrap_err();
        assert!(matches!(failed, GitHubError::Unavailable(_)), "{failed}");
    }
}

#[tokio::test]
async fn while_the_breaker_is_open_github_is_left_alone_and_then_one_request_looks() {
    let down = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let server = StandIn::start(move |_| {
        let down = is_down.load(std::sync::atomic::Ordering::SeqCst);
        if down { reply(503, &json!({})) } else { reply(200, &json!(1)) }
    })
    .await;
    let open = Duration::from_millis(300);
    let breaker = BreakerTerms { failures: 3, open, open_cap: open };
    let github = GitHub::with_first_wait(Settings { breaker, ..server.settings() }, Duration::from_millis(1)).unwrap();
    let reader = github.anonymous();
    assert!(matches!(reader.get::<u8>("/x").await, Err(GitHubError::Down { .. })));
    assert_eq!(server.seen().len(), 3, "it opened before the fourth try");
    assert!(matches!(reader.get::<u8>("/x").await, Err(GitHubError::Down { .. })));
    assert_eq!(server.seen().len(), 3, "left alone");
    assert_eq!(github.troubles()[0].trouble, crate::github::limits::Trouble::Open);

    down.store(false, std::sync::atomic::Ordering::SeqCst);
    let failed = reader.get::<u8>("/x").await;
    let Err(GitHubError::Down { retry_after, .. }) = failed else { panic!("{failed:?}") };
    tokio::time::sleep(retry_after).await;
    let all = futures_util::future::join_all((0..8).map(|_| reader.get::<u8>("/x"))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(server.seen().iter().filter(|line| line.ends_with("/rate_limit")).count(), 1);
    assert!(github.troubles().is_empty());
}

#[tokio::test]
async fn where_nobody_listens_github_is_down() {
    let server = StandIn::start(|_| reply(200, &json!(1))).await;
    let nobody = Settings { api_url: StandIn::closed_address().await, ..server.settings() };
    let github = GitHub::with_first_wait(nobody, Duration::from_millis(1)).unwrap();
    let failed = github.reader(None).get::<u8>("/x").await.unwrap_err();
    assert!(matches!(&failed, GitHubError::Down { .. }), "{failed}");
}

#[tokio::test]
async fn a_request_without_an_answer_is_given_up() {
    let answer = |seen: &Seen| if seen.path == "/y" { Reply::never() } else { reply(200, &json!({})) };
    let server = StandIn::start(answer).await;
    let hasty = Settings { timeout: Duration::from_millis(20), ..server.settings() };
    let writer = GitHub::new(hasty).unwrap().open_gate(None, WriteTerms::of(Mode::Active)).unwrap();
    let failed = writer.send::<Value>(http::Method::POST, "/y", &json!({})).await.unwrap_err();
    assert!(matches!(&failed, GitHubError::Unavailable(why) if why.contains("timed out")), "{failed}");
}

#[tokio::test]
async fn pages_are_followed_to_the_last_or_the_bound() {
    let server = StandIn::start(|seen| {
        let page: u32 = seen.path.rsplit_once("page=").and_then(|(_, n)| n.parse().ok()).unwrap_or(1);
        let page = if seen.path.ends_with("per_page=100") { 1 } else { page };
        let link = format!("<https://elsewhere/api/v3/list?per_page=100&page={}>; rel=\"next\"", page + 1);
        let body = json!({"total_count": 9, "things": [page]});
        let answer = reply(200, &body);
        if page < 3 { answer.with("link", &link) } else { answer }
    })
    .await;
    let below = format!("{}/api/v3", server.settings().api_url.to_string().trim_end_matches('/'));
    let settings = Settings { api_url: below.parse().unwrap(), ..server.settings() };
    let reader = GitHub::new(settings).unwrap().anonymous();
    let all = reader.get_all::<u32>("/list", Some("things"), 3).await.unwrap();
    assert_eq!(all, Listed { items: vec![1, 2, 3], complete: true });
    assert_eq!(all.whole("things").unwrap(), [1, 2, 3]);
    let some = reader.get_all::<u32>("/list", Some("things"), 2).await.unwrap();
    assert_eq!(some, Listed { items: vec![1, 2], complete: false });
    let cut_off = some.whole("things").unwrap_err();
    assert!(matches!(&cut_off, GitHubError::Refused { status: 0, .. }));
    assert_eq!(cut_off.to_string(), "refused: GitHub lists only the first 2 things, and there may be more");
    assert_eq!(server.seen()[1], "GET /api/v3/list?per_page=100&page=2");
    let missing = reader.get_all::<u32>("/list", Some("others"), 2).await.unwrap_err();
    assert!(matches!(missing, GitHubError::Unreadable(_)));
}

#[tokio::test]
async fn a_moved_repository_is_followed_and_another_host_gets_no_token() {
    let other = StandIn::start(|_| reply(200, &json!(2))).await;
    let elsewhere = format!("{}x", other.settings().api_url);
    let server = StandIn::start(move |seen| match seen.path.as_str() {
        "/old" => reply(301, &json!({})).with("location", "/new"),
        "/loop" => reply(302, &json!({})).with("location", "/loop"),
        "/away" => reply(307, &json!({})).with("location", &elsewhere),
        _ => reply(200, &json!(1)),
    })
    .await;
    let github = github(&server);
    assert_eq!(github.reader(None).get::<u8>("/old").await.unwrap(), 1);
    assert!(server.requests()[1].headers.contains_key("authorization"));
    assert!(github.reader(None).get::<u8>("/loop").await.unwrap_err().to_string().contains("too many redirects"));
    // A plain http host other than ours is not followed at all.
    assert!(github.reader(None).get::<u8>("/away").await.unwrap_err().to_string().contains("redirected away"));
    assert_eq!(other.seen().len(), 0);
    let writer = github.open_gate(None, WriteTerms::of(Mode::Active)).unwrap();
    let away = writer.send::<Value>(http::Method::POST, "/away", &json!({})).await.unwrap_err();
    assert!(away.to_string().contains("redirected away"), "{away}");
    assert_eq!(other.seen().len(), 0);
}

#[tokio::test]
async fn a_change_follows_a_renamed_repository_as_it_is_or_not_at_all() {
    let server = StandIn::start(|seen| match seen.path.as_str() {
        "/renamed" => reply(307, &json!({})).with("location", "/kept"),
        "/kept" => reply(308, &json!({})).with("location", "/new"),
        "/old" => reply(301, &json!({})).with("location", "/new"),
        "/loop" => reply(308, &json!({})).with("location", "/loop"),
        "/off" => reply(307, &json!({})).with("location", "https://elsewhere.example/new"),
        _ => reply(200, &json!(1)),
    })
    .await;
    let writer = github(&server).open_gate(None, WriteTerms::of(Mode::Active)).unwrap();
    let change = json!({"title": "x"});
    assert_eq!(writer.send::<u8>(http::Method::PATCH, "/renamed", &change).await.unwrap(), 1);
    assert_eq!(server.seen(), ["PATCH /renamed", "PATCH /kept", "PATCH /new"]);
    let last = server.requests().remove(2);
    assert_eq!(last.body, change);
    assert!(last.headers.contains_key("authorization"));
    let failed = async |path: &str| writer.send::<u8>(http::Method::POST, path, &change).await.unwrap_err();
    let moved = failed("/old").await;
    assert!(matches!(&moved, GitHubError::Refused { status: 301, message } if message.contains("/new")), "{moved}");
    assert!(failed("/off").await.to_string().contains("redirected away"));
    assert_eq!(server.seen().len(), 5, "neither was followed");
    assert!(failed("/loop").await.to_string().contains("too many redirects"));
    assert_eq!(server.seen().len(), 11);
}

#[tokio::test]
async fn a_limit_is_told_and_not_tried_again() {
    let limited = reply(403, &json!({"message": "You have exceeded a secondary rate limit"}));
    let server = StandIn::start(in_turn(vec![limited.with("retry-after", "30")])).await;
    let failed = github(&server).reader(None).get::<u8>("/x").await.unwrap_err();
    assert!(matches!(failed, GitHubError::Limited { retry_after, .. } if retry_after.as_secs() == 30));
    assert_eq!(server.seen().len(), 1);
}

/// As GitHub answers, with so many requests left until the hour ends.
fn with_quota(left: &str) -> Reply {
    let reset = (chrono::Utc::now().timestamp() + 600).to_string();
    let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let answer = reply(200, &json!(1)).with("x-ratelimit-limit", "5000").with("x-ratelimit-remaining", left);
    answer.with("x-ratelimit-reset", &reset).with("date", &date)
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_waited_for_and_shown_and_github_is_not_asked() {
    let server = StandIn::start(|_| with_quota("0")).await;
    let github = github(&server);
    let reader = github.anonymous();
    reader.get::<u8>("/x").await.unwrap();
    let limited = reader.get::<u8>("/x").await.unwrap_err();
    let GitHubError::Limited { retry_after, .. } = limited else { panic!("{limited}") };
    assert!((595..=602).contains(&retry_after.as_secs()), "{retry_after:?}");
    assert_eq!(server.seen().len(), 1);
    let shown = serde_json::to_value(github.troubles()).unwrap();
    assert_eq!((&shown[0]["who"], &shown[0]["trouble"]), (&json!("anonymous"), &json!("exhausted")));
    // A person's is their own affair: anybody may read the list.
    let person = github.user(4_711, "ghu_x".to_owned().into());
    person.get::<u8>("/x").await.unwrap();
    assert!(matches!(person.get::<u8>("/x").await.unwrap_err(), GitHubError::Limited { .. }));
    assert_eq!(github.troubles().len(), 1, "{:?}", github.troubles());
    // Another identity has a quota of its own.
    let other = github.open_gate(None, WriteTerms::of(Mode::Active)).unwrap();
    other.send::<u8>(http::Method::PATCH, "/y", &json!({})).await.unwrap();
}

#[tokio::test]
async fn a_sweep_waits_where_an_event_may_go_and_an_event_where_a_person_may() {
    let server = StandIn::start(|_| with_quota("300")).await;
    let github = github(&server);
    // The first finds out how much there is.
    github.anonymous().get::<u8>("/x").await.unwrap();
    let mut at = Vec::new();
    for priority in [Priority::Sweep, Priority::Event, Priority::Command] {
        at.push(github.anonymous().at(priority).get::<u8>("/x").await.is_ok());
    }
    assert_eq!(at, [false, true, true], "of 5000, 500 are kept from sweeps for the last ten minutes, 250 from events");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_token_that_was_given_signs_in_as_whoever_is_asked_for_and_opens_no_gate() {
    let server = StandIn::start(|seen| match seen.path.as_str() {
        "/user" => reply(200, &json!({"login": "mona"})),
        _ => reply(200, &json!(7)),
    })
    .await;
    let given = |slug: Option<&str>| {
        let bearer = Bearer { token: SecretString::from("ghs_given"), slug: slug.map(str::to_owned) };
        GitHub::with_token(server.settings(), bearer).unwrap()
    };
    let (app, person) = (given(Some("github-actions")), given(None));
    assert_eq!(app.reader(None).get::<u8>("/x").await.unwrap(), 7);
    assert_eq!(app.reader(Some(InstallationId(5))).get::<u8>("/y").await.unwrap(), 7);
    assert_eq!(server.seen(), ["GET /x", "GET /y"], "no token is asked for");
    let bearers = server.requests();
    assert!(bearers.iter().all(|request| request.headers["authorization"] == "Bearer ghs_given"));
    assert!(app.reader(None).has_token() && !github(&server).reader(None).has_token());

    assert_eq!(app.reader(None).own_login().await.unwrap(), "github-actions[bot]");
    assert_eq!(person.reader(None).own_login().await.unwrap(), "mona");
    assert!(matches!(person.app_slug().await.unwrap_err(), GitHubError::Credentials(_)), "a person is no App");

    let dry = WriteTerms { dry_run: true, ..WriteTerms::of(Mode::Active) };
    assert!(app.open_gate(None, dry).is_err());
    let nobody = app.anonymous().get::<u8>("/z").await.unwrap();
    let last = server.requests().pop().unwrap();
    assert!(nobody == 7 && !last.headers.contains_key("authorization"), "nobody has no token");
}
