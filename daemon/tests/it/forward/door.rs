//! The door that workflows come to: a daemon that lets some of them forward, and an issuer that vouches for them.

use orchd_fake::{Issuer, sign_webhook};
use reqwest::header::RETRY_AFTER;
use serde_json::{Value, json};

use crate::story::{Database, Story, WEB};

pub const AUDIENCE: &str = "https://orchd.example.com";
pub const SHA: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";
pub const SECRET: &str = "a secret that workflows of acme/api sign with";

pub const WATCH: &str = "  - {name: watch, mode: shadow, on: [workflow_context], then: [{label: {add: [seen]}}]}\n";

pub struct Door {
    pub story: Story,
    pub issuer: Issuer,
    http: reqwest::Client,
    /// GitHub's ids of acme/web and acme/api.
    pub ids: [i64; 2],
}

/// What the daemon answered.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    pub body: Value,
    pub retry_after: bool,
}

impl Said {
    #[track_caller]
    pub fn accepted(&self) -> String {
        assert_eq!((self.status, &self.body["status"]), (202, &json!("accepted")), "{self:?}");
        self.body["event_id"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn duplicate_of(&self, event: &str) {
        assert_eq!((self.status, &self.body["status"]), (202, &json!("duplicate")), "{self:?}");
        assert_eq!(self.body["event_id"], event);
    }

    #[track_caller]
    pub fn refused(&self, status: u16, why: &str) {
        let detail = self.body["detail"].as_str().unwrap_or_default();
        assert!(self.status == status && detail.contains(why), "{status} {why}: {self:?}");
    }
}

impl Door {
    pub async fn open(database: Database, rules: &str) -> Self {
        let issuer = Issuer::start().await.unwrap();
        let mut story = Story::prepare(database, rules, &config(&issuer)).await;
        std::fs::write(story.path("forward-secret"), SECRET).unwrap();
        story.start();
        let ids = loop {
            let known = story.as_owner("/api/repositories").await.unwrap_or_default();
            let id = |name: &str| {
                let rows = known["rows"].as_array()?;
                rows.iter().find(|row| row["name"] == name)?["github_id"].as_i64()
            };
            if let (Some(web), Some(api)) = (id(WEB), id("acme/api")) {
                break [web, api];
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        Self { story, issuer, http: without_reuse(), ids }
    }

    /// What GitHub says of a run of `ci.yml` on the main branch of acme/web.
    pub fn run(&self) -> Value {
        json!({
            "repository": WEB, "repository_id": self.ids[0].to_string(), "repository_owner": "acme", "event_name": "push",
            "ref": "refs/heads/main", "ref_type": "branch", "sha": SHA, "run_id": "900", "run_attempt": "1",
            "run_number": "12", "workflow": "CI", "workflow_ref": "acme/web/.github/workflows/ci.yml@refs/heads/main",
            "job_workflow_ref": "acme/web/.github/workflows/ci.yml@refs/heads/main", "actor": "mona", "actor_id": "7",
            "head_ref": "", "base_ref": "", "runner_environment": "github-hosted",
        })
    }

    pub fn run_with(&self, changes: &Value) -> Value {
        let mut run = self.run();
        for (name, value) in changes.as_object().unwrap() {
            run[name] = value.clone();
        }
        run
    }

    /// A token for that run, with these claims changed.
    pub fn token(&self, changes: &Value) -> String {
        self.issuer.sign(&self.issuer.claims(AUDIENCE, &self.run_with(changes)))
    }

    pub async fn send(&self, token: &str, body: &Value) -> Said {
        self.post(&[("authorization", &format!("Bearer {token}"))], body.to_string()).await
    }

    /// Signed with a secret.
    pub async fn send_signed(&self, secret: &str, body: &Value) -> Said {
        let body = body.to_string();
        self.post(&[("x-hub-signature-256", &sign_webhook(secret, body.as_bytes()))], body).await
    }

    pub async fn post(&self, headers: &[(&str, &str)], body: String) -> Said {
        let mut request = self.http.post(format!("{}/events/forward", self.story.url())).body(body);
        request = request.header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let (status, retry_after) = (answer.status().as_u16(), answer.headers().contains_key(RETRY_AFTER));
        let body = answer.text().await.unwrap();
        Said { status, retry_after, body: serde_json::from_str(&body).unwrap_or(Value::String(body)) }
    }

    /// Events of the store that came this way.
    pub fn forwarded(&self) -> Vec<Value> {
        self.story.json_lines(&["events", "list", "--type", "workflow_context"])
    }
}

pub fn config(issuer: &Issuer) -> String {
    format!(
        "forward:\n  repositories: [\"acme/*\", \"!acme/api\"]\n  \
         workflows: [\".github/workflows/ci.yml@refs/heads/*\", \".github/workflows/ci.yml@refs/pull/*/merge\"]\n  \
         issuer: {}\n  audience: {AUDIENCE}\n  max_age: 2m\n  max_body: 4KiB\n  \
         secrets: [{{secret: {{file: forward-secret}}, repositories: acme/api}}]",
        issuer.url()
    )
}

pub fn body(name: &str) -> Value {
    json!({"name": name, "status": "failure", "told": {"summary": "It broke."}})
}

/// A daemon that was killed takes its connections with it.
fn without_reuse() -> reqwest::Client {
    reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap()
}
