//! How much a key may ask, and how often an address may fail.

use super::*;

#[tokio::test]
async fn a_key_has_its_limits_and_answers_say_how_they_stand() {
    let story = begin(Database::Sqlite, "api: {burst_a_minute: 4, endpoints: [\"jobs.list 1/d\"]}").await;
    let (one, other) = (key(&story, &["--scope", "events:read,jobs:read"]), key(&story, &["--scope", "events:read"]));
    let first = reads(&story, &one, "/api/events").await;
    assert_eq!((first.header("ratelimit-limit"), first.header("ratelimit-remaining")), ("4", "3"));
    assert!((1..=15).contains(&first.header("ratelimit-reset").parse::<u64>().unwrap()));
    // A refusal tells it too, and a token counts on its key.
    let lacks = reads(&story, &one, "/api/status").await;
    assert_eq!((lacks.status, lacks.header("ratelimit-remaining")), (StatusCode::FORBIDDEN, "2"));
    let token = writes(&story, &one, "/api/auth/token", json!({})).await;
    assert_eq!(token.header("ratelimit-remaining"), "1");
    let token = token.body["access_token"].as_str().unwrap();
    assert_eq!(reads(&story, token, "/api/events").await.header("ratelimit-remaining"), "0");
    for bearer in [&one, token] {
        let refused = reads(&story, bearer, "/api/events").await;
        assert_eq!((refused.status, refused.header("ratelimit-remaining")), (StatusCode::TOO_MANY_REQUESTS, "0"));
        let wait: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=15).contains(&wait), "{refused:?}");
    }
    assert_eq!(reads(&story, &other, "/api/events").await.status, StatusCode::OK);
    assert_eq!(story.cli(&["events", "list"]).status.code(), Some(0), "the machine's owner is not counted");
}

#[tokio::test]
async fn a_reload_takes_new_limits_up_and_forgets_none_of_the_others() {
    let mut story = begin(Database::Sqlite, "api: {endpoints: [\"jobs.list 1/d\"]}").await;
    let key = key(&story, &["--scope", "events:read,jobs:read"]);
    assert_eq!(reads(&story, &key, "/api/jobs").await.status, StatusCode::OK);
    assert_eq!(reads(&story, &key, "/api/jobs").await.status, StatusCode::TOO_MANY_REQUESTS);
    story.replace_more("login: {keys: [{file: login-key}]}\napi: {burst_a_minute: 77, endpoints: [\"jobs.list 1/d\"]}");
    story.write_rules(RULES);
    let began = std::time::Instant::now();
    while reads(&story, &key, "/api/events").await.header("ratelimit-limit") != "77" {
        assert!(began.elapsed().as_secs() < 60, "the new limit is not taken up");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert_eq!(reads(&story, &key, "/api/jobs").await.status, StatusCode::TOO_MANY_REQUESTS, "that did not change");
}

#[tokio::test]
async fn an_address_that_guesses_waits_before_anything_is_looked_up() {
    let mut story = begin(Database::Sqlite, "").await;
    let good = key(&story, &["--scope", "events:read"]);
    story.stop();
    story.replace_more("login: {failures_a_minute: 3}");
    story.write_rules(RULES);
    story.start();
    for _ in 0..3 {
        let guess = KeyText::new(rand::random());
        assert_eq!(reads(&story, guess.expose(), "/api/events").await.status, StatusCode::UNAUTHORIZED);
    }
    let refused = reads(&story, &good, "/api/events").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused:?}");
    assert!((1..=20).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    let (bearer, forwarded) = (format!("Bearer {good}"), ("X-Forwarded-For", "203.0.113.9"));
    let elsewhere = asks(&story, Method::GET, "/api/events", &[("Authorization", &bearer), forwarded], None).await;
    assert_eq!(elsewhere.status, StatusCode::TOO_MANY_REQUESTS, "what an untrusted sender says of itself is not heard");
    assert_eq!(asks(&story, Method::GET, "/health", &[], None).await.status, StatusCode::OK);
    assert_eq!(told(&story, "key_refused").len(), 3);
}
