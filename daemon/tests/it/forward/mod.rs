//! A running workflow tells what it is at: who is let in, what counts, and what rules make of it.

mod action;
mod door;

use orchd_fake::{AppKey, NewItem};
use serde_json::{Value, json};

use self::door::{AUDIENCE, Door, SECRET, SHA, WATCH, body};
use crate::on_both_databases;
use crate::story::{Database, WEB};

#[tokio::test]
async fn only_a_run_that_github_vouches_for_is_let_in() {
    let door = Door::open(Database::Sqlite, WATCH).await;
    let now = chrono::Utc::now().timestamp();
    let minutes = |minutes: i64| json!(now + minutes * 60);
    let id = |id: i64| json!(id.to_string());
    for (changes, status, why) in [
        (json!({"aud": "https://github.com/acme"}), 401, "made out to somebody else"),
        (json!({"iss": "https://token.actions.githubusercontent.com"}), 401, "another issuer"),
        (json!({"exp": minutes(-1)}), 401, "has expired"),
        (json!({"nbf": minutes(5)}), 401, "not valid yet"),
        (json!({"iat": minutes(-5), "nbf": minutes(-5)}), 401, "older than `forward.max_age`"),
        (json!({"jti": ""}), 401, "no `jti`"),
        (json!({"repository": "other/web"}), 403, "forward.repositories"),
        (json!({"repository": "acme/api", "repository_id": id(door.ids[1])}), 403, "forward.repositories"),
        (json!({"repository_id": "1"}), 403, "is not known here"),
        (
            json!({"workflow_ref": "acme/web/.github/workflows/cd.yml@refs/heads/main", "job_workflow_ref": ""}),
            403,
            "forward.workflows",
        ),
        (
            json!({"workflow_ref": "acme/web/.github/workflows/ci.yml@refs/tags/v1", "job_workflow_ref": ""}),
            403,
            "forward.workflows",
        ),
        (json!({"sha": "main"}), 401, "`sha` is missing"),
    ] {
        let said = door.send(&door.token(&changes), &body("ci")).await;
        assert_eq!(said.status, status, "{changes}: {said:?}");
        said.refused(status, why);
    }

    let claims = door.issuer.claims(AUDIENCE, &door.run());
    let stranger = door.issuer.sign_as(&claims, "key-1", &AppKey::generate());
    let good = door.token(&json!({}));
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, _) = rest.split_once('.').unwrap();
    // {"alg":"none","kid":"key-1"}
    let none = format!("eyJhbGciOiJub25lIiwia2lkIjoia2V5LTEifQ.{payload}.");
    for (token, why) in [
        (stranger, "not signed by the key"),
        (door.issuer.sign_with_the_public_key(&claims), "RS256"),
        (none, "RS256"),
        (format!("{head}.{payload}."), "not signed by the key"),
        ("nonsense".to_owned(), "not a JWT"),
    ] {
        door.send(&token, &body("ci")).await.refused(401, why);
    }
    nothing_is_parsed_before_it_is_known_whose_it_is(&door, &good).await;
    assert!(door.forwarded().is_empty(), "nothing of all that was stored");

    // The same door lets in who may come in, and counts who may not.
    door.send(&good, &body("ci")).await.accepted();
    let (_, metrics) = door.story.get("/metrics").await;
    let counted = |outcome: &str| {
        metrics.contains(&format!("orchd_events_total{{event=\"workflow_context\",outcome=\"{outcome}\"}}"))
    };
    assert!(
        ["accepted", "bad_signature", "forbidden", "too_large", "bad_envelope"].iter().all(|it| counted(it)),
        "{metrics}"
    );
    let stored = door.forwarded();
    assert_eq!((stored.len(), &stored[0]["source"]), (1, &json!("forwarded")));
    assert!(!door.story.log().contains(payload), "no token is in the log");

    only_when_the_config_says_so(door).await;
}

/// Invariant 2: what cannot be read is told to nobody who has not proved who they are.
async fn nothing_is_parsed_before_it_is_known_whose_it_is(door: &Door, good: &str) {
    let bearer = format!("Bearer {good}");
    let (good, bad) = (("authorization", bearer.as_str()), ("authorization", "Bearer a.b.c"));
    let garbage = || "{\"name\": ".to_owned();
    door.post(&[bad], garbage()).await.refused(401, "not a JWT");
    door.post(&[("x-hub-signature-256", &format!("sha256={}", "0".repeat(64)))], garbage())
        .await
        .refused(401, "does not fit");
    door.post(&[], garbage()).await.refused(401, "OIDC token");
    door.post(&[("authorization", "Basic eDp5")], garbage()).await.refused(401, "OIDC token");
    door.post(&[good, ("x-hub-signature-256", "sha256=00")], garbage()).await.refused(400, "one proof");
    door.post(&[bad], "x".repeat(100_000)).await.refused(401, "not a JWT");
    door.post(&[good], "x".repeat(5_000)).await.refused(413, "4096 bytes");
    door.post(&[good], garbage()).await.refused(400, "not valid JSON");
    door.post(&[good], json!({"name": "a/b", "status": "failure"}).to_string()).await.refused(400, "`name` must be");
    door.post(&[good], json!({"name": "a", "status": "fine"}).to_string()).await.refused(400, "`status` is");
    let claims = json!({"name": "a", "status": "failure", "context": {"sha": SHA}});
    door.post(&[good], claims.to_string()).await.refused(400, "leave `context` out");
    let answer = reqwest::Client::new()
        .post(format!("{}/events/forward", door.story.url()))
        .header("authorization", good.1)
        .body(body("ci").to_string())
        .send();
    assert_eq!(answer.await.unwrap().status(), 415, "it does not say that it is JSON");
}

async fn only_when_the_config_says_so(mut door: Door) {
    door.story.permit_everything();
    door.story.write_rules(WATCH);
    door.story.until("forwarding is off", |story| story.log().contains("config reloaded")).await;
    door.send(&door.token(&json!({})), &body("ci")).await.refused(404, "`forward` is not in orchd's config");
}

on_both_databases!(a_token_is_good_for_one_delivery, |database| async move {
    let mut door = Door::open(database, WATCH).await;
    let token = door.token(&json!({}));
    let event = door.send(&token, &body("ci")).await.accepted();
    // The answer was lost: the same again is the same, whatever else it says.
    door.send(&token, &body("ci")).await.duplicate_of(&event);
    door.send(&token, &body("other")).await.refused(401, "used before");
    door.send(&door.token(&json!({})), &body("ci")).await.duplicate_of(&event);
    // Another attempt, another run and another name are other deliveries.
    door.send(&door.token(&json!({"run_attempt": "2"})), &body("ci")).await.accepted();
    door.send(&door.token(&json!({"run_id": "901"})), &body("ci")).await.accepted();
    door.send(&door.token(&json!({})), &body("other")).await.accepted();

    // Invariant 1, and what was used stays used: the daemon was killed the moment it had answered.
    let last = door.token(&json!({"run_id": "902"}));
    let event = door.send(&last, &body("ci")).await.accepted();
    door.story.kill();
    door.story.start();
    door.send(&last, &body("ci")).await.duplicate_of(&event);
    door.send(&last, &body("other")).await.refused(401, "used before");
    let mut ids: Vec<_> = door.forwarded().iter().map(|row| row["delivery_id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    let id = door.ids[0];
    let expected = ["900:1:ci", "900:1:other", "900:2:ci", "901:1:ci", "902:1:ci"];
    assert_eq!(ids, expected.map(|rest| format!("forward:{id}:{rest}")));
});

#[tokio::test]
async fn the_issuer_may_be_down_and_change_its_keys() {
    let door = Door::open(Database::Sqlite, WATCH).await;
    let send = async |run: &str| door.send(&door.token(&json!({"run_id": run})), &body("ci")).await;
    door.issuer.set_up(false);
    let early = send("1").await;
    early.refused(503, "cannot be had now");
    assert!(early.retry_after, "the sender is told to come back");
    door.issuer.set_up(true);
    send("1").await.accepted();
    let before = door.token(&json!({"run_id": "2"}));
    door.issuer.rotate();
    send("3").await.accepted();
    door.send(&before, &body("ci")).await.refused(401, "does not have");
    door.issuer.set_up(false);
    send("4").await.accepted();

    // Whatever keys strangers name, the issuer is not asked for each.
    door.issuer.set_up(true);
    let claims = door.issuer.claims(AUDIENCE, &door.run());
    for number in 0..40 {
        let forged = door.issuer.sign_as(&claims, &format!("random-{number}"), &AppKey::shared());
        let said = door.send(&forged, &body("ci")).await;
        assert!(matches!(said.status, 401 | 503), "{said:?}");
    }
    assert!(door.issuer.asked("/.well-known/openid-configuration") <= 4);
    send("5").await.accepted();
}

#[tokio::test]
async fn where_there_is_no_token_a_secret_speaks_for_its_repositories_only() {
    let door = Door::open(Database::Sqlite, WATCH).await;
    let now = || chrono::Utc::now();
    let signed = |name: &str, at: chrono::DateTime<chrono::Utc>, changes: &Value| {
        let api = json!({"repository": "acme/api", "repository_id": door.ids[1].to_string(),
            "workflow_ref": "acme/api/.github/workflows/ci.yml@refs/heads/main", "job_workflow_ref": ""});
        let mut context = door.run_with(&api);
        for (name, value) in changes.as_object().unwrap() {
            context[name] = value.clone();
        }
        let mut body = body(name);
        (body["context"], body["sent_at"]) = (context, json!(at.to_rfc3339()));
        body
    };
    let good = signed("ci", now(), &json!({}));
    let event = door.send_signed(SECRET, &good).await.accepted();
    door.send_signed(SECRET, &good).await.duplicate_of(&event);
    door.send_signed("another secret", &good).await.refused(401, "does not fit");
    door.send_signed(SECRET, &body("ci")).await.refused(400, "needs `context`");
    let minutes = chrono::TimeDelta::minutes;
    door.send_signed(SECRET, &signed("old", now() - minutes(5), &json!({}))).await.refused(401, "longer ago");
    door.send_signed(SECRET, &signed("new", now() + minutes(5), &json!({}))).await.refused(401, "longer ago");
    for (changes, why) in [
        (json!({"repository": WEB, "repository_id": door.ids[0].to_string()}), "forward.secrets"),
        // A name that it may speak for with another's id.
        (json!({"repository_id": door.ids[0].to_string()}), "another name"),
        (json!({"repository_id": "1"}), "is not known here"),
        (json!({"workflow_ref": "acme/api/.github/workflows/cd.yml@refs/heads/main"}), "forward.workflows"),
    ] {
        door.send_signed(SECRET, &signed("ci", now(), &changes)).await.refused(403, why);
    }
    let id = door.forwarded()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((door.forwarded().len(), &id), (1, &event));
    let shown = door.story.json(&["events", "show", &id, "--payload"]);
    assert!(shown.to_string().contains(r#""proof":"hmac""#), "{shown}");
}

const RULES: &str = "
  - name: broken-tests
    on: workflow_context.failure
    if:
      all:
        - expr: \"workflow_context.proof == 'oidc' && told.tests.failed > 0\"
        - expr: \"run.jobs.exists(job, job.name == 'build' && job.conclusion == 'failure')\"
        - {base: main}
    then: [{label: {add: [tests-fail]}}, {comment: {body: \"Tests fail.\"}}]
  - name: never
    on: workflow_context.success
    then: [{label: {add: [never]}}]
";

#[tokio::test]
async fn a_rule_labels_the_pull_request_of_a_run_and_why_tells() {
    let door = Door::open(Database::Sqlite, RULES).await;
    let number = door.story.github.person("alice").opens_pull(WEB, NewItem::titled("Mend it"));
    let head = door.story.github.issue(WEB, number);
    let run = json!({"id": 900, "status": "in_progress", "conclusion": null, "event": "pull_request", "head_sha": SHA,
        "head_branch": "topic", "run_attempt": 1});
    let jobs = json!([{"name": "build", "status": "completed", "conclusion": "failure"},
        {"name": "tell", "status": "in_progress", "conclusion": null}]);
    door.story.github.describe_run(WEB, (900, 1), run, jobs);
    let changes = json!({"event_name": "pull_request", "ref": format!("refs/pull/{number}/merge"), "head_ref": "topic",
        "base_ref": "main", "workflow_ref": format!("acme/web/.github/workflows/ci.yml@refs/pull/{number}/merge"),
        "job_workflow_ref": "", "actor": "alice"});
    // What the sender says of other things changes nothing about what the event is about.
    let told = json!({"outputs": {"number": 99, "sha": "0"}, "needs": {"build": {"result": "success", "outputs": {}}},
        "summary": "3 of 40 failed\u{1b}[31m", "tests": {"passed": 37, "failed": 3}});
    let body = json!({"name": "tell", "status": "failure", "told": told});
    door.send(&door.token(&changes), &body).await.accepted();
    door.story.settles().await;

    let after = door.story.github.issue(WEB, number);
    assert!(after.has_label("tests-fail") && !after.has_label("never"), "{:?}: {}", after.labels(), door.story.log());
    assert_eq!(after.comments().len(), head.comments().len() + 1);
    let out = door.story.cli_and_github(&["why", &format!("{WEB}#{number}")]).await;
    let why = String::from_utf8(out.stdout).unwrap();
    for told in ["workflow_context.failure", "broken-tests", "tests-fail"] {
        assert!(why.contains(told), "{told}: {why}");
    }
    let row = door.forwarded().remove(0);
    assert_eq!(
        (&row["number"], &row["actor"], &row["event_action"]),
        (&json!(number), &json!("alice"), &json!("failure"))
    );
    assert_eq!(row["target_object_ids"], json!({"pr_number": number, "workflow_run_id": 900}));
    let fetched = |end: &str| door.story.asked().iter().filter(|request| request.path.contains(end)).count();
    assert_eq!(fetched("/actions/runs/900/attempts/1/jobs"), 1, "what matters was asked of GitHub");
}
