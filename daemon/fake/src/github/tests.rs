#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Fault, GitHub};
use crate::github::people::NewItem;
use crate::key::sign_webhook;
use crate::model::BranchRules;

/// A client with an installation token, as orchd would be.
struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

fn jwt(github: &GitHub, issuer: &str) -> String {
    let now = chrono::Utc::now().timestamp();
    let claims = json!({"iat": now - 60, "exp": now + 540, "iss": issuer});
    let key = EncodingKey::from_rsa_pem(github.app_key().pem().as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap()
}

impl Client {
    async fn sign_in(github: &GitHub, installation: i64) -> Self {
        let jwt = jwt(github, "12345");
        let http = reqwest::Client::builder().user_agent("test").build().unwrap();
        let mut client = Self { http, base: github.url(), token: jwt };
        let path = format!("/app/installations/{installation}/access_tokens");
        let answer = client.send(Method::POST, &path, json!({})).await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let body: Value = answer.json().await.unwrap();
        body["token"].as_str().unwrap().clone_into(&mut client.token);
        assert!(client.token.len() > 500, "tokens are long since 2026");
        client
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> reqwest::Result<reqwest::Response> {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        request.timeout(Duration::from_secs(2)).json(&body).send().await
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        request.send().await.unwrap()
    }
}

async fn with_web() -> (GitHub, Client) {
    let github = GitHub::start().await.unwrap();
    let installation = github.install("acme", &["acme/web"]);
    let client = Client::sign_in(&github, installation).await;
    (github, client)
}

#[tokio::test]
async fn a_persons_label_is_delivered_as_issues_labeled() {
    let (github, _) = with_web().await;
    let number = github.person("alice").opens_issue("acme/web", NewItem::titled("Crash at start"));
    github.person("alice").labels("acme/web", number, "bug");

    let deliveries = github.take_deliveries();
    assert_eq!(deliveries.iter().map(|each| each.event.as_str()).collect::<Vec<_>>(), ["issues", "issues"]);
    let labeled = &deliveries[1];
    let payload = labeled.json();
    assert_eq!(payload["action"], "labeled");
    assert_eq!(payload["label"]["name"], "bug");
    assert_eq!(payload["sender"]["login"], "alice");
    assert_eq!(payload["sender"]["type"], "User");
    assert!(payload["installation"]["id"].is_i64());
    let header = |name: &str| labeled.headers.iter().find(|(key, _)| key == name).unwrap().1.clone();
    assert_eq!(header("X-Hub-Signature-256"), sign_webhook("a secret", &labeled.body));
    assert_eq!(header("X-GitHub-Delivery"), labeled.guid);
}

#[tokio::test]
async fn the_apps_own_writes_are_recorded_and_delivered_as_a_bots() {
    let (github, client) = with_web().await;
    let number = github.person("alice").opens_pull("acme/web", NewItem::titled("Fix typo").file("docs/a.md"));
    github.take_deliveries();
    let path = format!("/repos/acme/web/issues/{number}/labels");
    client.send(Method::POST, &path, json!({"labels": ["documentation"]})).await.unwrap();

    assert_eq!(github.issue("acme/web", number).labels(), ["documentation"]);
    let delivery = github.take_deliveries().remove(0).json();
    assert_eq!((&delivery["sender"]["login"], &delivery["sender"]["type"]), (&"orchd[bot]".into(), &"Bot".into()));
    assert_eq!(delivery["pull_request"]["number"], number);
    assert!(github.duplicate_effects().is_empty());
    assert_eq!(github.app_effects()[0].to_string(), "orchd[bot] adds label documentation to acme/web#1");

    client.send(Method::POST, &path, json!({"labels": ["documentation"]})).await.unwrap();
    assert_eq!(github.duplicate_effects().len(), 1, "the same label once more is a duplicate");
    github.person("alice").unlabels("acme/web", number, "documentation");
    let writes = github.writes();
    assert_eq!(writes.len(), 2);
    assert_eq!((writes[0].path.as_str(), writes[0].answered), (path.as_str(), Some(200)));

    let answer = client.send(Method::DELETE, &format!("{path}/needs%20work"), json!({})).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    github.person("alice").labels("acme/web", number, "needs work");
    client.send(Method::DELETE, &format!("{path}/needs%20work"), json!({})).await.unwrap();
    assert!(github.issue("acme/web", number).labels().is_empty());
}

#[tokio::test]
async fn lists_come_in_pages_with_links_to_the_next() {
    let (github, client) = with_web().await;
    let alice = github.person("alice");
    let number = alice.opens_issue("acme/web", NewItem::titled("Long talk"));
    for index in 0..5 {
        alice.comments("acme/web", number, &format!("Comment {index}"));
    }
    let answer = client.get(&format!("/repos/acme/web/issues/{number}/comments?per_page=2&page=2")).await;
    assert_eq!(answer.headers()["x-ratelimit-limit"], "5000");
    assert!(answer.headers().contains_key("x-github-request-id"));
    let link = answer.headers()["link"].to_str().unwrap().to_owned();
    assert!(link.contains("page=3") && link.contains("rel=\"next\"") && link.contains("rel=\"prev\""), "{link}");
    let page: Vec<Value> = answer.json().await.unwrap();
    assert_eq!(page.iter().map(|each| &each["body"]).collect::<Vec<_>>(), ["Comment 2", "Comment 3"]);
    let last = client.get(&format!("/repos/acme/web/issues/{number}/comments?per_page=2&page=3")).await;
    assert!(!last.headers()["link"].to_str().unwrap().contains("next"));
}

#[tokio::test]
async fn a_redelivery_keeps_its_guid_and_a_lost_delivery_stays_in_the_log() {
    let (github, mut client) = with_web().await;
    github.person("alice").opens_issue("acme/web", NewItem::titled("Lost"));
    let lost = github.take_deliveries().remove(0);
    client.token = jwt(&github, "Iv1.0123456789abcdef");

    let log: Vec<Value> = client.get("/app/hook/deliveries").await.json().await.unwrap();
    assert_eq!(log[0]["guid"], lost.guid.as_str());
    assert_eq!(log[0]["status_code"], 0);
    let failures: Vec<Value> = client.get("/app/hook/deliveries?status=failure").await.json().await.unwrap();
    assert!(failures.is_empty(), "GitHub's filter misses what nothing answered");
    let whole: Value = client.get(&format!("/app/hook/deliveries/{}", lost.id)).await.json().await.unwrap();
    assert_eq!(whole["request"]["payload"], lost.json());

    let path = format!("/app/hook/deliveries/{}/attempts", lost.id);
    let answer = client.send(Method::POST, &path, json!({})).await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let again = github.take_deliveries().remove(0);
    assert_eq!((again.guid.as_str(), again.redelivery), (lost.guid.as_str(), true));
    assert_ne!(again.id, lost.id);
}

#[tokio::test]
async fn the_log_of_deliveries_forgets_and_repeats_as_told() {
    let (github, mut client) = with_web().await;
    let alice = github.person("alice");
    for turn in 0..5 {
        alice.opens_issue("acme/web", NewItem::titled(&format!("Issue {turn}")));
    }
    let taken = github.take_deliveries();
    client.token = jwt(&github, "12345");
    github.forget_payload(&taken[0].guid);
    let whole: Value = client.get(&format!("/app/hook/deliveries/{}", taken[0].id)).await.json().await.unwrap();
    assert!(whole["request"]["payload"].is_null());

    github.double_listed(true);
    let first = client.get("/app/hook/deliveries?per_page=2").await;
    let link = first.headers()["link"].to_str().unwrap().to_owned();
    let cursor = link.split("cursor=").nth(1).unwrap().split(['&', '>']).next().unwrap().to_owned();
    let first: Vec<Value> = first.json().await.unwrap();
    let path = format!("/app/hook/deliveries?per_page=2&cursor={cursor}");
    let second: Vec<Value> = client.get(&path).await.json().await.unwrap();
    assert_eq!(first[1]["guid"], second[0]["guid"]);
    assert_ne!(first[0]["guid"], second[1]["guid"]);

    github.age_deliveries(Duration::from_secs(3 * 86_400 + 1));
    let kept: Vec<Value> = client.get("/app/hook/deliveries").await.json().await.unwrap();
    assert!(kept.is_empty());
    assert_eq!(client.get(&format!("/app/hook/deliveries/{}", taken[1].id)).await.status(), 404);
}

#[tokio::test]
async fn items_are_listed_by_when_they_changed() {
    let (github, client) = with_web().await;
    let alice = github.person("alice");
    github.set_back(Duration::from_secs(3_600));
    let old = alice.opens_issue("acme/web", NewItem::titled("Old"));
    let changed = alice.opens_issue("acme/web", NewItem::titled("Changed since"));
    github.set_back(Duration::ZERO);
    alice.closes("acme/web", changed);
    let numbers = async |query: &str| {
        let list: Vec<Value> =
            client.get(&format!("/repos/acme/web/issues?state=all&{query}")).await.json().await.unwrap();
        list.iter().map(|each| each["number"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers("sort=updated&direction=asc").await, [old, changed]);
    assert_eq!(numbers("sort=updated").await, [changed, old]);
    let since = (chrono::Utc::now() - chrono::Duration::minutes(5)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    assert_eq!(numbers(&format!("sort=updated&since={since}")).await, [changed]);
}

#[tokio::test]
async fn faults_strike_before_or_after_the_write_and_then_are_over() {
    let (github, client) = with_web().await;
    let number = github.person("alice").opens_issue("acme/web", NewItem::titled("Fragile"));
    let path = format!("/repos/acme/web/issues/{number}/labels");
    let add = |name: &'static str| client.send(Method::POST, &path, json!({"labels": [name]}));

    github.fault(Fault::on("POST", &path).status(500));
    assert_eq!(add("bug").await.unwrap().status(), 500);
    assert!(!github.issue("acme/web", number).has_label("bug"));

    github.fault(Fault::on("POST", &path).after_doing().status(500));
    assert_eq!(add("bug").await.unwrap().status(), 500);
    assert!(github.issue("acme/web", number).has_label("bug"));

    github.fault(Fault::on("*", "/repos").after_doing().closes());
    assert!(add("question").await.is_err());
    assert!(github.issue("acme/web", number).has_label("question"));

    github.fault(Fault::on("POST", &path).times(2).too_many(Duration::from_secs(7)));
    for _ in 0..2 {
        let answer = add("late").await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    }
    assert_eq!(add("late").await.unwrap().status(), 200);

    github.fault(Fault::on("POST", &path).hangs());
    assert!(add("never").await.unwrap_err().is_timeout());
}

#[tokio::test]
async fn tokens_expire_and_see_only_their_installation() {
    let (github, client) = with_web().await;
    github.install("other", &["other/secret"]);
    github.add_repository("other/secret", true);
    assert_eq!(client.get("/repos/acme/web").await.status(), 200);
    assert_eq!(client.get("/repos/other/nothing").await.status(), 404);

    github.set_remaining(client_installation(&github), 1, Duration::from_secs(60));
    assert_eq!(client.get("/repos/acme/web").await.status(), 200);
    let limited = client.get("/repos/acme/web").await;
    assert_eq!((limited.status().as_u16(), limited.headers()["x-ratelimit-remaining"].to_str().unwrap()), (403, "0"));

    github.expire_tokens();
    assert_eq!(client.get("/repos/acme/web").await.status(), 401);
}

fn client_installation(github: &GitHub) -> i64 {
    github.requests().iter().find_map(|request| request.installation).unwrap()
}

#[tokio::test]
async fn a_jwt_of_another_key_or_issuer_is_refused() {
    let (github, mut client) = with_web().await;
    client.token = jwt(&github, "999");
    assert_eq!(client.get("/app").await.status(), 401);
    client.token = format!("{}x", jwt(&github, "12345"));
    assert_eq!(client.get("/app").await.status(), 401);
    client.token = jwt(&github, "12345");
    assert_eq!(client.get("/app").await.status(), 200);
}

#[tokio::test]
async fn an_unchanged_answer_is_a_free_304() {
    let (_github, client) = with_web().await;
    let first = client.get("/repos/acme/web").await;
    let (etag, remaining) = (first.headers()["etag"].clone(), first.headers()["x-ratelimit-remaining"].clone());
    let url = format!("{}/repos/acme/web", client.base);
    let request = client.http.get(url).bearer_auth(&client.token).header("if-none-match", etag);
    assert_eq!(request.send().await.unwrap().status(), 304);
    let next = client.get("/repos/acme/web").await;
    let count = |value: &http::HeaderValue| value.to_str().unwrap().parse::<u32>().unwrap();
    assert_eq!(count(&next.headers()["x-ratelimit-remaining"]), count(&remaining) - 1);
}

#[tokio::test]
async fn assignees_who_are_no_collaborators_are_dropped_and_checks_are_listed() {
    let (github, client) = with_web().await;
    github.add_collaborator("acme/web", "bob");
    let number = github.person("alice").opens_pull("acme/web", NewItem::titled("Add a page"));
    let path = format!("/repos/acme/web/issues/{number}/assignees");
    client.send(Method::POST, &path, json!({"assignees": ["bob", "stranger"]})).await.unwrap();
    assert_eq!(github.issue("acme/web", number).assignees(), ["bob"]);

    github.check_run("acme/web", number, "lint", Some("failure"));
    github.status("acme/web", number, "ci/build", "success");
    let sha = github.issue("acme/web", number).head_sha().unwrap();
    let runs: Value = client.get(&format!("/repos/acme/web/commits/{sha}/check-runs")).await.json().await.unwrap();
    assert_eq!((&runs["total_count"], &runs["check_runs"][0]["conclusion"]), (&1.into(), &"failure".into()));
    let status: Value = client.get(&format!("/repos/acme/web/commits/{sha}/status")).await.json().await.unwrap();
    assert_eq!(status["state"], "success");
}

#[tokio::test]
async fn deliveries_reach_the_webhook_in_order_and_requests_wait_at_the_gate() {
    let (github, client) = with_web().await;
    // Another fake serves as a webhook: it journals what arrives, and answers 401.
    let receiver = GitHub::start().await.unwrap();
    github.set_webhook(&receiver.url(), "s3cret");
    let alice = github.person("alice");
    let number = alice.opens_issue("acme/web", NewItem::titled("One"));
    alice.labels("acme/web", number, "bug").closes("acme/web", number);
    github.until_delivered().await;
    let actions: Vec<Value> = receiver.requests().iter().map(|each| each.body["action"].clone()).collect();
    assert_eq!(actions, ["opened", "labeled", "closed"]);
    assert!(github.delivery_log().iter().all(|(_, code)| *code == 401));

    github.pause();
    let waiting = tokio::spawn(async move { client.get("/repos/acme/web").await.status() });
    github.until("the request waits", |github| github.requests().last().unwrap().answered.is_none()).await;
    github.resume();
    assert_eq!(waiting.await.unwrap(), 200);
}

#[tokio::test]
async fn a_merge_is_done_or_refused_as_github_does() {
    let (github, client) = with_web().await;
    let (alice, bob) = (github.person("alice"), github.person("bob"));
    let number = alice.opens_pull("acme/web", NewItem::titled("Docs").draft());
    let put = async |what: &str, body: Value| {
        let answer = client.send(Method::PUT, &format!("/repos/acme/web/pulls/{number}/{what}"), body).await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["message"].as_str().unwrap().to_owned())
    };
    assert_eq!(put("merge", json!({})).await, (405, "Pull Request is still a draft".to_owned()));
    alice.marks_ready("acme/web", number);
    let rules = BranchRules { checks: vec!["build".to_owned()], approvals: 1, up_to_date: true };
    github.protect("acme/web", "main", rules);
    assert_eq!(put("merge", json!({})).await, (405, "Required status check \"build\" is expected.".to_owned()));
    github.check_run("acme/web", number, "build", Some("success"));
    assert_eq!(put("merge", json!({})).await.0, 405, "nobody approved");
    bob.approves("acme/web", number);
    assert_eq!(put("merge", json!({"merge_method": "swallow"})).await.0, 422);
    assert_eq!(put("merge", json!({"sha": "another"})).await.0, 409);
    assert_eq!(put("update-branch", json!({})).await.0, 422, "there is nothing to update with");

    bob.commits("acme/web", "README.md", Some("News."));
    assert_eq!(put("merge", json!({})).await.0, 405, "it is behind");
    assert_eq!(put("update-branch", json!({"expected_head_sha": "another"})).await.0, 422);
    assert_eq!(put("update-branch", json!({})).await.0, 202);
    github.check_run("acme/web", number, "build", Some("success"));
    github.take_deliveries();
    assert_eq!(put("merge", json!({})).await, (200, "Pull Request successfully merged".to_owned()));
    let told: Vec<String> = github.take_deliveries().into_iter().map(|each| each.event).collect();
    assert_eq!(told, ["pull_request", "push"]);
    assert_eq!(put("merge", json!({})).await, (405, "Pull Request is not mergeable".to_owned()));
}
