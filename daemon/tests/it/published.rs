//! The answers that GitHub publishes as examples in its OpenAPI description are read by the real daemon: what the fake
//! answers comes from us, these do not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use orchd::actions::{self, Bound, Origin};
use orchd::core::event::RepoName;
use orchd::core::intent::{IntentId, Target};
use orchd::core::role::Role;
use orchd::core::rule::RuleName;
use orchd::core::subject::{CommitId, Subject, SubjectKind};
use orchd::github::GitHubError;
use orchd::github::client::{GitHub, Settings};
use orchd::github::deliveries::{self, Pulled};
use orchd::github::heard::Heard;
use orchd::github::items::{self, Place, Which};
use orchd::github::limits::{BreakerTerms, Budgets, Terms};
use orchd::github::{roles, timeline};
use orchd_fake::{AppKey, NewItem};
use serde_json::Value;
use warp::Filter;
use warp::http::{Method, StatusCode};
use warp::reply::{json, with_status};

use crate::npm;
use crate::story::{Database, Story, WEB};

/// GitHub as its description says: the published example of whatever is asked.
pub struct Published {
    description: Value,
    /// Whether the published pull request, which is open, is shown as closed.
    closed: bool,
    /// Files of every repository, by path; others are what is published as a file.
    pub files: BTreeMap<String, String>,
    /// `METHOD template` of what was asked; without a template, what the description does not know.
    asked: Mutex<BTreeSet<String>>,
}

impl Published {
    pub fn load() -> Self {
        let file = npm::install("@octokit/openapi@23.0.2").join("@octokit/openapi/generated/api.github.com.json");
        let description = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        Self { description, closed: false, files: BTreeMap::new(), asked: Mutex::default() }
    }

    /// The template that fits best: the most segments that are written out.
    fn template(&self, path: &str) -> Option<&str> {
        // The path of a file is one parameter, whatever slashes it has.
        let path =
            path.split_once("/contents/").map_or(path.to_owned(), |(before, _)| format!("{before}/contents/file"));
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |template: &&str| {
            let words: Vec<&str> = template.split('/').collect();
            words.len() == parts.len()
                && words.iter().zip(&parts).all(|(word, part)| word.starts_with('{') || word == part)
        };
        let templates = self.description["paths"].as_object().unwrap().keys().map(String::as_str);
        templates.filter(fits).min_by_key(|template| template.matches('{').count())
    }

    fn answer(&self, method: &Method, path: &str) -> (StatusCode, Value) {
        if let Some(text) = path.split_once("/contents/").and_then(|(_, file)| self.files.get(file)) {
            let content = base64::engine::general_purpose::STANDARD.encode(text);
            let file = serde_json::json!({
                "type": "file", "sha": "0".repeat(40), "size": text.len(), "encoding": "base64", "content": content,
            });
            return (StatusCode::OK, file);
        }
        let Some(template) = self.template(path) else {
            self.asked.lock().unwrap().insert(format!("{method} ? {path}"));
            return (StatusCode::NOT_FOUND, Value::Null);
        };
        self.asked.lock().unwrap().insert(format!("{method} {template}"));
        let operation = &self.description["paths"][template][method.as_str().to_lowercase()];
        let success =
            operation["responses"].as_object().and_then(|all| all.iter().find(|(code, _)| code.starts_with('2')));
        let Some((code, response)) = success else { return (StatusCode::METHOD_NOT_ALLOWED, Value::Null) };
        let examples = response["content"]["application/json"]["examples"].as_object();
        let example = examples.and_then(|all| all.get("default").or_else(|| all.values().next()));
        let mut shown = example.map_or(Value::Null, |example| self.resolve(example));
        if self.closed && template.ends_with("/pulls/{pull_number}") {
            shown["state"] = "closed".into();
        }
        (code.parse().unwrap(), shown)
    }

    /// The value of an example, which may stand elsewhere.
    fn resolve(&self, example: &Value) -> Value {
        if let Some(place) = example["$ref"].as_str() {
            return self.resolve(self.description.pointer(place.trim_start_matches('#')).unwrap());
        }
        match &example["value"] {
            elsewhere if elsewhere["$ref"].is_string() => self.resolve(elsewhere),
            value => value.clone(),
        }
    }
}

pub async fn serve(published: Arc<Published>) -> u16 {
    let answer = warp::method().and(warp::path::full()).map(move |method: Method, path: warp::path::FullPath| {
        let (status, body) = published.answer(&method, path.as_str());
        with_status(json(&body), status)
    });
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(warp::serve(answer).incoming(listener).run());
    port
}

const RULES: &str = "
  - name: everything
    on: pull_request.opened
    if:
      not:
        any:
          - files: [\"never/written\"]
          - review: {state: approved, count: \">= 99\"}
          - checks: {names: [never-run], state: passing}
    then:
      - label: {add: [documentation], remove: [bug]}
      - comment: {body: \"Thank you.\"}
      - assign: {add: [bob], remove: [octocat]}
      - close: {}
      - lock: {}
      - milestone: {set: \"no such milestone\"}
      - title: {prefix: \"[new] \"}
      - ready_for_review: {}
      - delete_branch: {}
  - name: back
    on: issue_comment.created
    if: {draft: false}
    then: [{reopen: {}}]
";

/// What the daemon asks of GitHub; a new endpoint belongs here, and the story must lead to it.
const ENDPOINTS: [&str; 24] = [
    "DELETE /repos/{owner}/{repo}/issues/{issue_number}/assignees",
    "DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}",
    "GET /app",
    "GET /app/installations",
    "GET /app/installations/{installation_id}",
    "GET /installation/repositories",
    "GET /meta",
    "GET /repos/{owner}/{repo}/commits/{ref}/check-runs",
    "GET /repos/{owner}/{repo}/commits/{ref}/status",
    "GET /repos/{owner}/{repo}/contents/{path}",
    "GET /repos/{owner}/{repo}/git/ref/{ref}",
    "GET /repos/{owner}/{repo}/issues/{issue_number}",
    "GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "GET /repos/{owner}/{repo}/issues/{issue_number}/labels",
    "GET /repos/{owner}/{repo}/milestones",
    "GET /repos/{owner}/{repo}/pulls/{pull_number}",
    "GET /repos/{owner}/{repo}/pulls/{pull_number}/files",
    "GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews",
    "PATCH /repos/{owner}/{repo}/pulls/{pull_number}",
    "POST /app/installations/{installation_id}/access_tokens",
    "POST /repos/{owner}/{repo}/check-runs",
    "POST /repos/{owner}/{repo}/issues/{issue_number}/assignees",
    "POST /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "POST /repos/{owner}/{repo}/issues/{issue_number}/labels",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_published_answer_that_we_ask_for_can_be_read() {
    let published = Arc::new(Published::load());
    let port = serve(Arc::clone(&published)).await;
    // The file that GitHub's example of a pull request changes.
    let own = "repository_config: {enabled: true, path: file1.txt}";
    let mut story = Story::prepare(Database::Sqlite, RULES, own).await;
    story.reach_github_at(&format!("http://127.0.0.1:{port}"));
    story.write_rules(RULES);
    let config = std::fs::read_to_string(story.config()).unwrap();
    let config = config.replace("server:\n", "server:\n  webhook_allow: [github, 127.0.0.1]\n");
    std::fs::write(story.config(), config).unwrap();
    story.start();
    let id = story.github.install("other", &["other/site"]);
    story.github.tell_installed(id, "alice");
    let alice = story.github.person("alice");
    let number = alice.opens_pull(WEB, NewItem::titled("Mend a typo").file("docs/guide.md"));
    alice.comments(WEB, number, "It is closed?");
    story.settles().await;

    let asked = published.asked.lock().unwrap().clone();
    let (_, metrics) = story.get("/metrics").await;
    let errors: Vec<_> = metrics.lines().filter(|line| line.starts_with("orchd_github_errors_total")).collect();
    assert!(asked.iter().all(|one| !one.contains('?')), "not in GitHub's description: {asked:#?}");
    assert!(!errors.iter().any(|line| line.contains("unreadable")), "{errors:#?}\n{asked:#?}");
    let expected: BTreeSet<String> = ENDPOINTS.map(str::to_owned).into();
    assert_eq!(asked, expected, "{errors:#?}");
}

fn client(port: u16) -> GitHub {
    let settings = Settings {
        api_url: format!("http://127.0.0.1:{port}").parse().unwrap(),
        issuer: Some("12345".to_owned()),
        private_key: Some(AppKey::generate().pem().to_owned().into()),
        timeout: Duration::from_secs(10),
        terms: Terms::default(),
        breaker: BreakerTerms::default(),
        budgets: Budgets::in_memory(chrono::Utc::now),
        cache: 0,
        heard: Heard::nothing(),
    };
    GitHub::new(settings).unwrap()
}

/// Whatever an action looks at before it plans. What is read of an example may be a refusal; it may not be beyond us.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_every_action_reads_can_be_read() {
    let published = Arc::new(Published::load());
    let port = serve(Arc::clone(&published)).await;
    let reader = client(port).reader(None);
    for kind in actions::kinds() {
        let params: Value = serde_yaml::from_str(kind.example).unwrap();
        let subject = match kind.acts_on {
            SubjectKind::Item => Subject::Item,
            SubjectKind::Commit => {
                Subject::Commit(CommitId::parse("6dcb09b5b57875f334f61aebed695e2e4193db5e").unwrap())
            }
            SubjectKind::Repository => Subject::Repository,
        };
        let of_pull = Target::item(RepoName::parse("octocat/Hello-World").unwrap(), None, 1347);
        let bound = Bound::new(kind.name, &params, Target { subject, ..of_pull }, origin()).unwrap();
        if let Err(error) = bound.read(&reader).await {
            assert!(!matches!(error, GitHubError::Unreadable(_)), "{}: {error}", kind.name);
        }
    }
    let asked = published.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|one| !one.contains('?')), "not in GitHub's description: {asked:#?}");
    assert!(asked.len() >= 15, "{asked:#?}");
}

fn origin() -> Origin {
    Origin { rule: RuleName::parse("r").unwrap(), intent: IntentId(uuid::Uuid::nil()), at: chrono::Utc::now() }
}

/// What is asked before a branch is deleted, which is not asked of an open pull request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_deletion_of_a_branch_asks_can_be_read_too() {
    let published = Arc::new(Published { closed: true, ..Published::load() });
    let port = serve(Arc::clone(&published)).await;
    let target = Target::item(RepoName::parse("octocat/Hello-World").unwrap(), None, 1347);
    let bound = Bound::new("delete_branch", &Value::Null, target, origin()).unwrap();
    let state = bound.read(&client(port).reader(None)).await.unwrap();
    assert_eq!(state["branch"], "new-topic");
    assert!(state["at"].is_string() && state["needed_by"].is_null(), "{state}");
    let asked = published.asked.lock().unwrap().clone();
    let expected = ["git/ref/{ref}", "issues/{issue_number}/events", "pulls", "pulls/{pull_number}"];
    assert_eq!(asked, BTreeSet::from(expected.map(|below| format!("GET /repos/{{owner}}/{{repo}}/{below}"))));
}

/// What a daemon asks after something was lost, once a day, and when somebody commands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_now_and_then_can_be_read_too() {
    let published = Arc::new(Published::load());
    let port = serve(Arc::clone(&published)).await;
    let reader = client(port).reader(None);

    let page = deliveries::list(&reader, None).await.unwrap();
    assert_eq!((page.attempts.len(), page.unreadable), (2, 0));
    assert!(page.attempts[1].redelivery);
    // GitHub's example has the headers that it sent, and an empty object as payload.
    assert!(matches!(deliveries::pull(&reader, &page.attempts[0]).await.unwrap(), Pulled::Event { .. }));
    deliveries::ask_again(&reader, page.attempts[0].id).await.unwrap();

    let name = RepoName::parse(WEB).unwrap();
    let place = Place::since(chrono::Utc::now());
    let changed = items::page(&reader, &name, Which::All, place).await.unwrap();
    assert_eq!(changed[0].number, 1347);
    assert!(items::described(&reader, &name).await.unwrap()["full_name"].is_string());
    assert!(items::pull_request(&reader, &name, 1347).await.unwrap()["number"].is_u64());
    assert_eq!(roles::role_of(&reader, &name, "octocat").await.unwrap(), Role::Admin);
    let moments = timeline::timeline(&reader, &name, 1347).await.unwrap().items;
    assert!(moments.iter().any(|moment| moment.what == "locked" && moment.at.is_some()), "{moments:?}");
    let asked = published.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|one| !one.contains('?')), "not in GitHub's description: {asked:#?}");
}
