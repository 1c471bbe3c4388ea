//! `mode: forward` as the runner runs it, with an issuer and a daemon that answers as it is told.

use std::sync::{Arc, Mutex};

use orchd_fake::Issuer;
use orchd_fake::issuer::REQUEST_TOKEN;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::runner::{Ended, Runner};

const EVENT: &str = "019ab1c2-0000-7000-8000-000000000001";

/// Gives the answers it was told to give, one after the other, and the last for ever.
struct Daemon {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

fn answer(status: u16, headers: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn problem(status: u16, detail: &str) -> String {
    answer(status, "", &json!({"title": "no", "status": status, "detail": detail, "request_id": "1"}))
}

fn accepted() -> String {
    answer(202, "", &json!({"event_id": EVENT, "status": "accepted"}))
}

impl Daemon {
    async fn that_says(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut request, mut piece) = (Vec::new(), [0; 4_096]);
                while !is_whole(&request) {
                    let count = stream.read(&mut piece).await.unwrap();
                    request.extend_from_slice(&piece[..count]);
                }
                let number = seen.lock().unwrap().len();
                seen.lock().unwrap().push(String::from_utf8(request).unwrap());
                let answer = answers.get(number).or(answers.last()).unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn body_of(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn step(daemon: &Daemon) -> Runner {
    Runner::new()
        .unset("INPUT_TOKEN")
        .input("mode", "forward")
        .input("url", &daemon.url)
        .input("name", "build 1/2")
        .input("status", "success")
}

async fn run(step: Runner) -> Ended {
    tokio::task::spawn_blocking(|| step.run()).await.unwrap()
}

fn with_token(step: Runner, issuer: &Issuer) -> Runner {
    step.set("ACTIONS_ID_TOKEN_REQUEST_URL", &issuer.request_url()).set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN)
}

#[tokio::test]
async fn what_may_work_later_is_tried_again_with_the_same_name() {
    let issuer = Issuer::start().await.unwrap();
    let later = |status| answer(status, "retry-after: 0\r\n", &json!({"detail": "not yet"}));
    let daemon = Daemon::that_says(vec![later(503), later(429), accepted()]).await;
    let ended = run(with_token(step(&daemon), &issuer)).await;
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!((ended.outputs["event_id"].as_str(), ended.outputs["forwarded"].as_str()), (EVENT, "accepted"));
    assert!(ended.log.contains("attempt 1: it answered 503: not yet"), "{}", ended.log);
    assert!(ended.summary.contains(EVENT), "{}", ended.summary);
    let asked = daemon.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|request| body_of(request) == body_of(&asked[0])), "the same each time");
    assert_eq!(body_of(&asked[0])["name"], "build-1-2");
    assert!(asked[0].starts_with("POST /events/forward ") && asked[0].contains("Bearer eyJ"), "{}", asked[0]);
    assert!(body_of(&asked[0])["context"].is_null(), "a token says itself whose run it is");
    assert_eq!(issuer.asked("/token"), 1);
}

#[tokio::test]
async fn each_refusal_says_what_to_mend() {
    let issuer = Issuer::start().await.unwrap();
    for (said, why) in [
        (problem(401, "the token has expired"), "does not believe whose run this is: the token has expired"),
        (problem(403, "this workflow may not"), "`forward.workflows`"),
        (problem(404, "nothing here"), "has a section `forward`"),
        (problem(413, "a body may have at most 10 bytes"), "raise its `forward.max_body`"),
        (answer(301, "location: https://orchd.example.com/x\r\n", &json!({})), "leads to https://orchd.example.com/x"),
        (answer(202, "", &json!({"hello": "world"})), "it is no orchd"),
        (problem(403, "\u{1b}[2J::error::evil\nnew line"), "forward.repositories"),
    ] {
        let daemon = Daemon::that_says(vec![said]).await;
        let ended = run(with_token(step(&daemon), &issuer)).await;
        let told = ended.refused();
        assert!(told.contains(why) && !told.contains('\u{1b}'), "{why}: {told}");
        assert_eq!(daemon.asked().len(), 1, "what is refused is not tried again");
    }
    let daemon = Daemon::that_says(vec![problem(400, "the body cannot be read")]).await;
    let ended = run(with_token(step(&daemon), &issuer)).await;
    assert!(ended.code == 1 && ended.told("error")[0].contains("400: the body cannot be read"), "{}", ended.log);
}

#[tokio::test]
async fn a_run_without_a_token_says_why_and_a_forks_is_skipped() {
    let daemon = Daemon::that_says(vec![accepted()]).await;
    let plain = run(step(&daemon)).await.refused();
    assert!(plain.contains("permissions: {id-token: write}") && plain.contains("`secret`"), "{plain}");

    let repo = |name: &str| json!({"repo": {"full_name": name}});
    let pull = json!({"pull_request": {"number": 7, "head": repo("eve/web"), "base": repo("acme/web")}});
    let of_fork = || step(&daemon).event("pull_request", &pull);
    let skipped = run(of_fork()).await;
    assert_eq!((skipped.code, skipped.outputs["forwarded"].as_str()), (0, "skipped"), "{}", skipped.log);
    assert!(skipped.told("notice")[0].contains("a fork's pull request"), "{}", skipped.log);
    let failed = run(of_fork().input("forks", "fail")).await.refused();
    assert!(failed.contains("a fork's pull request"), "{failed}");
    let own = json!({"pull_request": {"number": 7, "head": repo("acme/web"), "base": repo("acme/web")}});
    assert!(run(step(&daemon).event("pull_request", &own)).await.refused().contains("id-token: write"));
    assert!(run(step(&daemon).event("pull_request", &own).set("GITHUB_ACTOR", "dependabot[bot]")).await.code == 0);
    assert!(daemon.asked().is_empty());
}

#[tokio::test]
async fn a_bad_input_is_told_before_anybody_is_asked() {
    let issuer = Issuer::start().await.unwrap();
    let daemon = Daemon::that_says(vec![accepted()]).await;
    for (input, value, why) in [
        ("url", "", "input `url` is missing"),
        ("url", "orchd.example.com", "is no address of a daemon"),
        ("url", "https://user:word@orchd.example.com", "is no address of a daemon"),
        ("status", "fine", "none of `success`, `failure` or `cancelled`"),
        ("needs", "build", "`toJSON(needs)`"),
        ("outputs", "[]", "no object"),
        ("tests", "all", "passed=40 failed=1 skipped=2"),
        ("forks", "maybe", "none of `skip` or `fail`"),
        ("sumary", "x", "did you mean `summary`?"),
    ] {
        let told = run(with_token(step(&daemon), &issuer).input(input, value)).await.refused();
        assert!(told.contains(why), "{input}={value}: {told}");
    }
    assert!(daemon.asked().is_empty() && issuer.asked("/token") == 0);

    issuer.set_up(false);
    let broken = with_token(step(&daemon), &issuer).set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "x-wrong-x");
    issuer.set_up(true);
    let told = run(broken).await;
    assert!(
        told.code == 1 && told.told("error")[0].contains("no OIDC token came: GitHub answered 401"),
        "{}",
        told.log
    );
}

#[tokio::test]
async fn a_secret_signs_what_a_token_would_have_said() {
    let daemon = Daemon::that_says(vec![accepted()]).await;
    let secret = "a-secret-for-signing";
    let ended = run(step(&daemon).input("secret", secret)).await;
    assert_eq!(ended.code, 0, "{}", ended.log);
    let request = daemon.asked().remove(0);
    let text = request.split_once("\r\n\r\n").unwrap().1;
    assert!(request.contains(&orchd_fake::sign_webhook(secret, text.as_bytes())), "{request}");
    let body = body_of(&request);
    assert_eq!((&body["context"]["repository"], &body["context"]["run_id"]), (&json!("acme/web"), &json!("17")));
    assert!(body["sent_at"].is_string() && !request.contains("authorization"), "{request}");
}
