//! Route × role: everything the running server can be asked, by everybody who can ask it.

use std::time::{Duration, Instant};

use chrono::Utc;
use orchd::core::access::{Level, Needs, OPERATIONS, Op, Operation, Scope};
use orchd::core::event::RepoName;
use orchd::core::rule::RuleName;
use orchd::store::guards::{Guard, TripRow};
use orchd::store::{Db, StoreOptions};
use orchd_fake::{CLIENT_SECRET, NewItem};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::login::{Browser, KEY, PUBLIC};
use crate::story::{Database, Story, WEB};

const API: &str = "acme/api";

const RULES: &str = "  - {name: watch, mode: shadow, on: [\"*\"], then: [{label: {add: [seen]}}]}
  - {name: label, on: issues.opened, then: [{label: {add: [new]}}]}";

const ACCESS: &str = "access: {admins: [site-admin], operators: [site-operator], viewers: [site-viewer]}";

/// How somebody proves who they are.
#[derive(Clone, Debug)]
enum Way {
    Nothing,
    Socket,
    Cookie { cookie: String, csrf: String },
    Key(String),
    Token(String),
}

/// Somebody, and what they may by GitHub and the config.
#[derive(Clone, Debug)]
struct Who {
    name: String,
    way: Way,
    site: Option<Level>,
    web: Option<Level>,
    api: Option<Level>,
    /// It is a key that is nobody's.
    has_no_sessions: bool,
}

impl Who {
    fn in_web(&self) -> Option<Level> {
        self.site.max(self.web)
    }

    fn highest(&self) -> Option<Level> {
        self.site.max(self.web).max(self.api)
    }
}

/// What there is in `acme/web`.
struct World {
    story: Story,
    db: Db,
    trip: TripRow,
    client: reqwest::Client,
    socket: reqwest::Client,
    event: String,
    job: String,
    effect: String,
    decision: String,
    audit: String,
    rollback: String,
    installation: String,
}

impl World {
    async fn build() -> Self {
        let story = begin().await;
        story.github.person("alice").opens_issue(WEB, NewItem::titled("One"));
        // Whose events are replayed, and whose are not: then its decisions stay.
        story.github.person("alice").opens_issue(WEB, NewItem::titled("Another"));
        story.github.person("alice").opens_issue(API, NewItem::titled("Two"));
        story.settles().await;
        let socket = reqwest::Client::builder().unix_socket(story.socket()).build().unwrap();
        let ask = async |path: &str| -> Value {
            socket.get(format!("http://orchd{path}")).send().await.unwrap().json().await.unwrap()
        };
        let first = async |path: &str, pointer: &str| {
            let found = ask(path).await;
            let told = found.pointer(pointer).unwrap_or_else(|| panic!("{path} has no {pointer}: {found}")).clone();
            told.as_str().map_or_else(|| told.to_string(), str::to_owned)
        };
        let planned = socket.post(format!("http://orchd/api/rollbacks?repo={WEB}")).send().await.unwrap();
        let rollback = planned.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
        let began = Instant::now();
        while ask(&format!("/api/rollbacks/{rollback}")).await["planned_at"].is_null() {
            assert!(began.elapsed() < Duration::from_secs(20), "the rollback is never planned");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let url = story.database().into();
        let db = Db::open(&StoreOptions { url, objects: story.path("objects") }).await.unwrap();
        let of_web = format!("?repo={WEB}");
        Self {
            trip: TripRow {
                id: Uuid::now_v7(),
                rule: RuleName::parse("label").unwrap(),
                repository: RepoName::parse(WEB).unwrap(),
                number: 1,
                guard: Guard::Depth,
                note: "it went round".to_owned(),
                tripped_at: Utc::now(),
                ends_at: None,
                reset_at: None,
            },
            db,
            client: reqwest::Client::new(),
            event: first(&format!("/api/events{of_web}&number=2"), "/rows/0/id").await,
            job: first(&format!("/api/jobs?lane={WEB}"), "/rows/0/id").await,
            effect: first(&format!("/api/effects{of_web}"), "/rows/0/intent/id").await,
            decision: first(&format!("/api/decisions{of_web}&number=1"), "/rows/0/key").await,
            audit: first(&format!("/api/audit{of_web}"), "/rows/0/seq").await,
            installation: first("/api/installations", "/rows/0/id").await,
            rollback,
            socket,
            story,
        }
    }

    /// Path and query about things of `acme/web`.
    fn url(&self, operation: &Operation) -> String {
        let own = [
            ("events", &self.event),
            ("jobs", &self.job),
            ("effects", &self.effect),
            ("decisions", &self.decision),
            ("audit", &self.audit),
            ("installations", &self.installation),
            ("rollbacks", &self.rollback),
            ("rollback", &self.rollback),
        ];
        let area = operation.name.split('.').next().unwrap();
        let id = own.iter().find(|(name, _)| *name == area).map(|(_, id)| id.to_string());
        let trip = self.trip.id.to_string();
        let id = if area == "guards" { trip } else { id.unwrap_or_else(|| Uuid::nil().to_string()) };
        let path = operation.path.replace("{id}", &id).replace("{seq}", &self.audit).replace("{rule*}", "watch");
        let path = path.replace("{owner}/{name}", WEB).replace("{issue}", "acme%2Fweb%232");
        let path = path.replace("{revision}", "0123456789abcdef");
        match operation.op {
            Op::EventsTail => format!("{path}?wait=0&newer_than={}", Uuid::nil()),
            Op::BacktestsRun | Op::RollbacksPlan | Op::RollbackCreate => format!("{path}?repo={WEB}"),
            Op::Why => format!("{path}?event={}", self.event),
            _ => path,
        }
    }

    async fn ask(&self, who: &Who, operation: &Operation) -> (StatusCode, String) {
        if matches!(operation.op, Op::GuardsReset | Op::GuardsList) {
            self.db.trip(&self.trip).await.unwrap();
        }
        let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
        let url = self.url(operation);
        let mut request = match who.way {
            Way::Socket => self.socket.request(method, format!("http://orchd{url}")),
            _ => self.client.request(method, format!("{}{url}", self.story.url())),
        };
        request = signed(request, who);
        if operation.writes() {
            request = request.json(&match operation.op {
                Op::BacktestsRun => json!({"rules": []}),
                Op::KeysCreate => json!({"name": "one more", "scopes": ["events:read"]}),
                Op::AutomationConfig => json!({"text": "not: a config"}),
                _ => json!({}),
            });
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }
}

/// With what proves who asks.
fn signed(request: reqwest::RequestBuilder, who: &Who) -> reqwest::RequestBuilder {
    match &who.way {
        Way::Nothing | Way::Socket => request,
        Way::Cookie { cookie, csrf } => request
            .header("cookie", format!("__Host-orchd={cookie}"))
            .header("x-csrf-token", csrf)
            .header("origin", PUBLIC),
        Way::Key(key) | Way::Token(key) => request.bearer_auth(key),
    }
}

async fn begin() -> Story {
    let mut story = Story::prepare(Database::Postgres, RULES, "").await;
    story.github.allow_callback(&format!("{PUBLIC}/login/callback"));
    std::fs::write(story.path("client-secret"), CLIENT_SECRET).unwrap();
    std::fs::write(story.path("key"), KEY).unwrap();
    story.server = format!("  public_url: {PUBLIC}\n");
    story.replace_more(&format!(
        "  client_id: Iv1.0123456789abcdef\n  client_secret: {{file: client-secret}}\n\
         login: {{keys: [{{file: key}}]}}\n{ACCESS}\n\
         api: {{requests_an_hour: 1000000, burst_a_minute: 1000000}}"
    ));
    for (repository, prefix) in [(WEB, "web"), (API, "api")] {
        for role in ["read", "triage", "admin"] {
            story.github.change_role(repository, &format!("{prefix}-{role}"), Some(role), "alice");
        }
    }
    story.write_rules(RULES);
    story.start();
    story
}

/// Signs in, and makes a key and a token of it: the same person in three ways.
async fn in_three_ways(world: &World, login: &str) -> Vec<Who> {
    world.story.github.sit_at_the_browser(Some(login));
    let mut browser = Browser::at(&world.story.url());
    assert_eq!(browser.sign_in("/account").await.status, 303, "{login}");
    let (csrf, cookie) = (browser.csrf().await, browser.cookies["__Host-orchd"].clone());
    let scopes: Vec<_> = Scope::ALL.iter().map(|scope| scope.word()).collect();
    let request = browser.request(Method::POST, "/api/keys").header("x-csrf-token", &csrf).header("origin", PUBLIC);
    let made = browser.send(request.json(&json!({"name": login, "scopes": scopes}))).await;
    if made.status == 403 && login == "stranger" {
        // Whoever sees nothing makes no key.
        let way = Way::Cookie { cookie, csrf };
        return vec![Who { name: login.to_owned(), way, site: None, web: None, api: None, has_no_sessions: false }];
    }
    assert_eq!(made.status, 201, "{made:?}");
    let key = serde_json::from_str::<Value>(&made.body).unwrap()["key"].as_str().unwrap().to_owned();
    let token = world.client.post(format!("{}/api/auth/token", world.story.url())).bearer_auth(&key).send().await;
    let token = token.unwrap().json::<Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned();
    let level = |prefix: &str| {
        let role = login.strip_prefix(prefix)?;
        let levels = [
            ("read", Level::Viewer),
            ("triage", Level::Operator),
            ("viewer", Level::Viewer),
            ("operator", Level::Operator),
            ("admin", Level::Admin),
        ];
        levels.iter().find(|(word, _)| *word == role).map(|(_, level)| *level)
    };
    let who = |way: Way, how: &str| Who {
        name: format!("{login} by {how}"),
        way,
        site: level("site-"),
        web: level("web-"),
        api: level("api-"),
        has_no_sessions: false,
    };
    vec![who(Way::Cookie { cookie, csrf }, "cookie"), who(Way::Key(key), "key"), who(Way::Token(token), "token")]
}

/// What the table of operations promises.
#[derive(Debug, PartialEq)]
enum Expected {
    /// Whatever comes, it is no refusal. `about`: nor is the thing missing.
    Allowed {
        about: bool,
    },
    /// 200, and `acme/web` is in it or is not.
    List {
        shows_web: bool,
    },
    Refused(u16),
}

fn expected(operation: &Operation, who: &Who) -> Expected {
    let is_list = matches!(
        operation.op,
        Op::EventsList
            | Op::EventsTail
            | Op::JobsList
            | Op::EffectsList
            | Op::InstallationsList
            | Op::AuditList
            | Op::GuardsList
            | Op::RollbacksList
            | Op::DecisionsList
            | Op::RulesList
            | Op::RepositoriesList
            | Op::IssuesList
    );
    let nobodys = matches!(who.way, Way::Nothing);
    match (operation.op, operation.needs) {
        (_, Needs::Nothing) => Expected::Allowed { about: true },
        _ if nobodys => Expected::Refused(401),
        // A key makes tokens, and only people have sessions.
        (Op::TokensCreate, _) if !matches!(who.way, Way::Key(_)) => Expected::Refused(403),
        // Whoever sees nothing makes no key, either.
        (Op::KeysCreate, _) if who.highest().is_none() => Expected::Refused(403),
        (Op::SessionsList | Op::SessionsEnd | Op::SessionsEndAll, _) if matches!(who.way, Way::Socket) => {
            Expected::Refused(403)
        }
        (Op::SessionsList | Op::SessionsEnd | Op::SessionsEndAll, _) if who.has_no_sessions => Expected::Refused(403),
        (_, Needs::Oneself) => Expected::Allowed { about: false },
        (_, Needs::Site(level)) if who.site >= Some(level) => Expected::Allowed { about: false },
        (_, Needs::Site(_)) => Expected::Refused(403),
        (_, Needs::Repository(_)) if is_list => Expected::List { shows_web: who.in_web().is_some() },
        // The installation covers both repositories.
        (Op::InstallationsShow, _) if who.highest().is_some() => Expected::Allowed { about: true },
        (_, Needs::Repository(level)) => match (who.in_web(), who.highest()) {
            (_, highest) if operation.writes() && highest < Some(level) => Expected::Refused(403),
            (None, _) => Expected::Refused(404),
            (Some(_), _) => Expected::Allowed { about: true },
        },
    }
}

/// The paths of `/api/openapi.json`.
async fn described(world: &World) -> Value {
    let document: Value = serde_json::from_str(&world.story.get("/api/openapi.json").await.1).unwrap();
    document["paths"].clone()
}

/// A key that the owner of the machine made for less.
fn narrowed(world: &World, name: &str, less: Value, what: impl FnOnce(&mut Who)) -> Who {
    let mut args = vec!["--json", "keys", "create", name, "--expires", "1d"];
    args.extend(Scope::ALL.iter().flat_map(|scope| ["--scope", scope.word()]));
    for repository in less["repositories"].as_array().into_iter().flatten() {
        args.extend(["--repo", repository.as_str().unwrap()]);
    }
    args.extend(less["level"].as_str().into_iter().flat_map(|level| ["--level", level]));
    let output = world.story.cli(&args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let key = serde_json::from_slice::<Value>(&output.stdout).unwrap()["key"].as_str().unwrap().to_owned();
    let mut who = Who {
        name: format!("a key {name}"),
        way: Way::Key(key),
        site: Some(Level::Admin),
        web: None,
        api: None,
        has_no_sessions: false,
    };
    what(&mut who);
    who
}

#[tokio::test]
async fn every_route_is_open_to_whom_the_table_says_and_to_nobody_else() {
    let world = World::build().await;
    let mut all = vec![
        Who { name: "nobody".to_owned(), way: Way::Nothing, site: None, web: None, api: None, has_no_sessions: false },
        Who {
            name: "the socket".to_owned(),
            way: Way::Socket,
            site: Some(Level::Admin),
            web: None,
            api: None,
            has_no_sessions: false,
        },
    ];
    for group in ["web", "api"] {
        for role in ["read", "triage", "admin"] {
            all.extend(in_three_ways(&world, &format!("{group}-{role}")).await);
        }
    }
    for level in ["viewer", "operator", "admin"] {
        all.extend(in_three_ways(&world, &format!("site-{level}")).await);
    }
    // Somebody who sees nothing, and keys of an administrator that may do less.
    all.extend(in_three_ways(&world, "stranger").await);
    all.push(narrowed(&world, "cut to acme/api", json!({"repositories": [API]}), |who| {
        (who.site, who.api, who.has_no_sessions) = (None, Some(Level::Admin), true);
    }));
    all.push(narrowed(&world, "cut to looking", json!({"level": "viewer"}), |who| {
        (who.site, who.has_no_sessions) = (Some(Level::Viewer), true);
    }));
    let described = described(&world).await;
    let mut wrong = Vec::new();
    // What ends people's sessions comes last.
    let (last, first): (Vec<_>, Vec<_>) = OPERATIONS.iter().partition(|operation| operation.op == Op::SessionsEndAll);
    for operation in first.into_iter().chain(last) {
        for who in &all {
            let (status, body) = world.ask(who, operation).await;
            let expected = expected(operation, who);
            let fits = match expected {
                Expected::Refused(code) => status == code,
                Expected::List { shows_web } => {
                    // An installation's row names no repository, and everybody here sees one that it covers.
                    status == 200 && (body.contains(WEB) == shows_web || operation.op == Op::InstallationsList)
                }
                Expected::Allowed { about } => {
                    !matches!(status.as_u16(), 401 | 403 | 500..) && (!about || status != 404)
                }
            };
            // Whoever sees nothing of acme/web reads nothing of it, whatever is asked.
            let is_public = operation.needs == Needs::Nothing;
            let leaks = who.in_web().is_none() && !is_public && status == 200 && body.contains(WEB);
            let told = &described[operation.path.replace("*}", "}")][operation.method.to_ascii_lowercase()];
            let undescribed = told["responses"][status.as_str()].is_null();
            if !fits || leaks || undescribed {
                let body: String = body.chars().take(300).collect();
                wrong.push(format!("{} for {}: {expected:?}, and it was {status}: {body}", operation.name, who.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), OPERATIONS.len() * all.len(), wrong.join("\n"));
}

/// What is somebody's own is not there for others, whatever they may do.
#[tokio::test]
async fn nobody_ends_anothers_session_or_revokes_anothers_key() {
    let world = World::build().await;
    let mona = in_three_ways(&world, "web-admin").await;
    let other = in_three_ways(&world, "site-operator").await;
    let ids = async |who: &Who, path: &str| -> Vec<String> {
        let request = world.client.get(format!("{}{path}", world.story.url()));
        let listed: Value = signed(request, who).send().await.unwrap().json().await.unwrap();
        listed["rows"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let delete = async |who: &Who, path: String| {
        signed(world.client.delete(format!("{}{path}", world.story.url())), who).send().await.unwrap().status()
    };
    let (sessions, keys) = (ids(&mona[0], "/api/sessions").await, ids(&mona[0], "/api/keys").await);
    assert_eq!((sessions.len(), keys.len()), (1, 1));
    for who in &other {
        assert_eq!(delete(who, format!("/api/sessions/{}", sessions[0])).await, 404, "{}", who.name);
        assert_eq!(delete(who, format!("/api/keys/{}", keys[0])).await, 404, "{}", who.name);
    }
    assert_eq!(ids(&mona[0], "/api/sessions").await, sessions);
    // One's own end, and are good for nothing from then on.
    assert_eq!(delete(&mona[0], format!("/api/keys/{}", keys[0])).await, 200);
    for way in &mona[1..] {
        assert_eq!(delete(way, format!("/api/keys/{}", keys[0])).await, 401, "{}", way.name);
    }
    assert_eq!(delete(&mona[0], format!("/api/sessions/{}", sessions[0])).await, 200);
    assert_eq!(delete(&mona[0], format!("/api/sessions/{}", sessions[0])).await, 401);
}

/// GitHub shows alerts and settings of a repository to some of those who see it only.
#[tokio::test]
async fn what_is_for_administrators_is_not_told_to_readers() {
    let world = World::build().await;
    let (reader, admin) = (in_three_ways(&world, "web-read").await, in_three_ways(&world, "web-admin").await);
    world.story.github.change_role(WEB, "dave", Some("read"), "alice");
    world.story.settles().await;
    let ask = async |who: &Who, path: &str| {
        let answer = signed(world.client.get(format!("{}{path}", world.story.url())), who).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (_, listed) = ask(&admin[1], "/api/events?type=member").await;
    let event = listed["rows"][0]["id"].as_str().unwrap();
    for path in [format!("/api/events/{event}?payload=true"), format!("/api/why?event={event}")] {
        assert_eq!(ask(&admin[1], &path).await.0, 200, "{path}");
        assert_eq!(ask(&reader[1], &path).await.0, 404, "{path}");
    }
    let since = Uuid::nil();
    for path in [
        "/api/events?type=member".to_owned(),
        format!("/api/events/tail?type=member&wait=0&newer_than={since}"),
        format!("/api/decisions?event={event}"),
    ] {
        assert_ne!(ask(&admin[1], &path).await.1["rows"], json!([]), "{path}");
        assert_eq!(ask(&reader[1], &path).await.1["rows"], json!([]), "{path}");
    }
}

/// Whoever waits for events is looked at again before each answer.
#[tokio::test]
async fn a_long_poll_sees_no_more_than_one_may_when_it_is_answered() {
    let world = World::build().await;
    let reader = in_three_ways(&world, "web-read").await;
    let poll = |who: &Who, wait: u32| {
        let url = format!("{}/api/events/tail?wait={wait}&newer_than={}", world.story.url(), Uuid::now_v7());
        let request = signed(world.client.get(url), who);
        tokio::spawn(async move {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        })
    };
    let (by_cookie, by_key) = (poll(&reader[0], 4), poll(&reader[1], 60));
    // Both have looked once: nothing is there for them yet.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let keys: Value = signed(world.client.get(format!("{}/api/keys", world.story.url())), &reader[0])
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let key = keys["rows"][0]["id"].as_str().unwrap();
    world.story.github.change_role(WEB, "web-read", None, "alice");
    assert!(world.story.cli(&["keys", "revoke", key]).status.success());
    world.story.github.person("alice").opens_issue(WEB, NewItem::titled("Not for them"));
    assert_eq!(by_key.await.unwrap().0, 401, "the key was revoked while it waited");
    let (status, told) = by_cookie.await.unwrap();
    assert_eq!((status, &told["rows"]), (200, &json!([])), "the role is gone");
}
