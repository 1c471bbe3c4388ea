//! Apps that are made from a manifest: the page that takes it, the code, and the App's secrets for the code.
//!
//! As GitHub documents it ("Registering a GitHub App from a manifest"): a form field `manifest` with JSON, a `state` that
//! comes back, a code that is good once and for an hour. Whoever sits at the browser presses GitHub's button at once. This
//! fake has one App: the new one takes the place of the one before.

use chrono::{Duration, Utc};
use serde_json::{Map, Value, json};

use super::GitHub;
use super::call::{Answer, Call};
use super::config::Webhook;
use super::world::{App, World};
use crate::key::AppKey;
use crate::model::{Time, UserKind};
use crate::payload::events;
use crate::payload::objects::{node_id, time, user};

/// How long a code is good.
const GOOD_FOR: Duration = Duration::hours(1);

/// Longest name of an App.
const LONGEST_NAME: usize = 34;

/// Permissions of a repository and of an organisation that a manifest may ask for: those that orchd could want, and some more.
const PERMISSIONS: [&str; 20] = [
    "actions",
    "administration",
    "checks",
    "contents",
    "deployments",
    "discussions",
    "environments",
    "issues",
    "members",
    "merge_queues",
    "metadata",
    "organization_administration",
    "packages",
    "pages",
    "pull_requests",
    "secrets",
    "security_events",
    "statuses",
    "vulnerability_alerts",
    "workflows",
];

/// Events, and the permission to read that each takes.
const EVENTS: [(&str, &str); 26] = [
    ("check_run", "checks"),
    ("check_suite", "checks"),
    ("commit_comment", "contents"),
    ("create", "contents"),
    ("delete", "contents"),
    ("deployment", "deployments"),
    ("deployment_status", "deployments"),
    ("discussion", "discussions"),
    ("issue_comment", "issues"),
    ("issues", "issues"),
    ("label", "metadata"),
    ("member", "members"),
    ("membership", "members"),
    ("milestone", "issues"),
    ("organization", "members"),
    ("pull_request", "pull_requests"),
    ("pull_request_review", "pull_requests"),
    ("pull_request_review_comment", "pull_requests"),
    ("pull_request_review_thread", "pull_requests"),
    ("push", "contents"),
    ("release", "contents"),
    ("repository", "metadata"),
    ("star", "metadata"),
    ("status", "statuses"),
    ("team", "members"),
    ("workflow_run", "actions"),
];

/// What a code is good for.
#[derive(Debug)]
pub(crate) struct Code {
    code: String,
    made_at: Time,
    /// What the conversion answers.
    app: Value,
}

impl World {
    /// A page of GitHub's about Apps; `None`: the path is none of those.
    pub(crate) fn app_page(&mut self, call: &Call) -> Option<Answer> {
        let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
        match (call.method.as_str(), segments.as_slice()) {
            ("POST", ["settings", "apps", "new"]) => Some(self.register(call, None)),
            ("POST", ["organizations", organization, "settings", "apps", "new"]) => {
                Some(self.register(call, Some(organization)))
            }
            ("GET", ["apps", slug, "installations", "new"]) => Some(self.install_page(slug)),
            ("POST", ["app-manifests", code, "conversions"]) => Some(self.convert(code)),
            _ => None,
        }
    }

    fn register(&mut self, call: &Call, organization: Option<&str>) -> Answer {
        let Some(person) = self.logins.at_the_browser().map(str::to_owned) else {
            let mut answer = Answer::empty(302);
            answer.headers.push(("location".to_owned(), "/login".to_owned()));
            return answer;
        };
        let sent = call.body["manifest"].as_str().unwrap_or_default();
        let manifest = match read(sent) {
            Ok(manifest) => manifest,
            Err(why) => return Answer::error(422, &why),
        };
        let kind = if organization.is_some() { UserKind::Organization } else { UserKind::User };
        let owner = organization.unwrap_or(&person).to_owned();
        let web = format!("http://{}", call.header("host").unwrap_or("127.0.0.1"));
        let code = self.make_app(&manifest, &owner, kind, &web);
        let redirect = manifest["redirect_url"].as_str().unwrap_or_default();
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("code", &code);
        if let Some(state) = call.query.get("state") {
            query.append_pair("state", state);
        }
        let mut answer = Answer::empty(302);
        answer.headers.push(("location".to_owned(), format!("{redirect}?{}", query.finish())));
        answer
    }

    /// The App with its key and secrets, the ping to its webhook, and a code for all of it.
    fn make_app(&mut self, manifest: &Value, owner: &str, kind: UserKind, web: &str) -> String {
        let (id, hook_id) = (self.seed.id() >> 16, self.seed.id() >> 8);
        let name = manifest["name"].as_str().map_or_else(|| format!("{owner}'s app"), str::to_owned);
        let slug: String =
            name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let texts = |list: &Value| -> Vec<String> {
            list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let owner = self.user(owner, kind);
        self.app = App {
            id,
            client_id: format!("Iv23{}", self.seed.hex(16)),
            client_secret: self.seed.hex(40),
            slug: slug.clone(),
            hook_id,
            key: AppKey::generate(),
            events: texts(&manifest["default_events"]),
            permissions: Some(manifest["default_permissions"].clone()),
            owner: Some(owner.clone()),
            created_at: Utc::now(),
            token_lifetime: self.app.token_lifetime,
        };
        self.logins.set_callbacks(texts(&manifest["callback_urls"]));
        let hook = manifest.pointer("/hook_attributes/url").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.secret = self.seed.hex(40);
        self.deliveries.webhook = Some(Webhook { url: hook.clone(), secret: self.secret.clone() });
        let app = json!({
            "id": id,
            "slug": slug,
            "client_id": self.app.client_id,
            "node_id": node_id("A", id),
            "owner": user(&owner),
            "name": name,
            "description": manifest["description"],
            "external_url": manifest["url"],
            "html_url": format!("{web}/apps/{slug}"),
            "created_at": time(self.app.created_at),
            "updated_at": time(self.app.created_at),
            "permissions": manifest["default_permissions"],
            "events": manifest["default_events"],
            "client_secret": self.app.client_secret,
            "webhook_secret": self.secret,
            "pem": self.app.key.pem(),
        });
        let code = self.seed.hex(40);
        self.codes.push(Code { code: code.clone(), made_at: Utc::now(), app });
        let (event, payload) = events::ping(hook_id, id, &hook, Utc::now());
        self.deliver(event, &payload);
        code
    }

    fn convert(&mut self, code: &str) -> Answer {
        let Some(place) = self.codes.iter().position(|each| each.code == code) else { return Answer::not_found() };
        let found = self.codes.remove(place);
        if Utc::now() - found.made_at > GOOD_FOR { Answer::not_found() } else { Answer::new(201, found.app) }
    }

    /// Whoever sits at the browser installs the App on all repositories of its owner.
    fn install_page(&mut self, slug: &str) -> Answer {
        let person = self.logins.at_the_browser().map(str::to_owned);
        let (Some(person), Some(owner)) = (person, self.app.owner.clone()) else { return Answer::not_found() };
        if slug != self.app.slug {
            return Answer::not_found();
        }
        let prefix = format!("{}/", owner.login.to_lowercase());
        let id = self.install_on(owner, |name| name.starts_with(&prefix));
        self.tell_installed(id, &person);
        let mut answer = Answer::empty(302);
        answer.headers.push(("location".to_owned(), format!("/settings/installations/{id}")));
        answer
    }
}

/// The manifest, or what is wrong with it in words as GitHub's page has them.
fn read(sent: &str) -> Result<Value, String> {
    let manifest: Map<String, Value> =
        serde_json::from_str(sent).map_err(|_| "Error Problem parsing JSON manifest".to_owned())?;
    let is_url = |value: Option<&Value>| {
        value.and_then(Value::as_str).is_some_and(|url| url.starts_with("https://") || url.starts_with("http://"))
    };
    let manifest = Value::Object(manifest);
    if !is_url(manifest.get("url")) {
        return Err("Error Homepage URL must be set".to_owned());
    }
    if manifest.get("hook_attributes").is_some() && !is_url(manifest.pointer("/hook_attributes/url")) {
        return Err("Error Hook url cannot be blank".to_owned());
    }
    if !is_url(manifest.get("redirect_url")) {
        return Err("Error Redirect url must be a valid URL".to_owned());
    }
    if manifest["name"].as_str().is_some_and(|name| name.chars().count() > LONGEST_NAME) {
        return Err(format!("Error Name is too long (maximum is {LONGEST_NAME} characters)"));
    }
    let none = Map::new();
    let permissions = manifest["default_permissions"].as_object().unwrap_or(&none);
    for (name, level) in permissions {
        if !PERMISSIONS.contains(&name.as_str()) || !matches!(level.as_str(), Some("read" | "write")) {
            return Err(format!("Error Default permission records resource is not included in the list: {name}"));
        }
    }
    for event in manifest["default_events"].as_array().into_iter().flatten() {
        let name = event.as_str().unwrap_or_default();
        let known = EVENTS.iter().find(|(known, _)| *known == name);
        // Every App may read metadata.
        if !known.is_some_and(|(_, takes)| *takes == "metadata" || permissions.contains_key(*takes)) {
            return Err(format!("Error Default events unsupported: {name}"));
        }
    }
    Ok(manifest)
}

impl GitHub {
    /// Id and slug of the App there is now.
    pub fn app(&self) -> (i64, String) {
        let world = self.inner.world();
        (world.app.id, world.app.slug.clone())
    }

    /// Secrets of the App there is now: its webhook's and its client's.
    pub fn app_secrets(&self) -> (String, String) {
        let world = self.inner.world();
        (world.secret.clone(), world.app.client_secret.clone())
    }

    /// Codes that nobody came with yet are older by this much.
    pub fn age_codes(&self, by: std::time::Duration) {
        let by = Duration::from_std(by).unwrap_or_default();
        self.inner.update(|world| world.codes.iter_mut().for_each(|code| code.made_at -= by));
    }
}
