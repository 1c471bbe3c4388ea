//! A daemon that has seen a day: things done, things refused, dead letters, a held config, and what strangers write.

use std::net::{Ipv4Addr, SocketAddr};

use orchd_fake::{CLIENT_SECRET, Fault, NewItem};

use crate::login::KEY;
use crate::story::{Database, Story, WEB};
use crate::tls::end_tls_before;

/// Rules of every mode.
const RULES: &str = r#"
  - name: docs-label
    on: [pull_request.opened, pull_request.synchronize]
    if: {all: [{files: ["docs/**", "*.md"]}, {not: {label: no-bot}}]}
    then:
      - label: {add: [documentation]}
  - name: triage
    on: issues.opened
    if: {title: "(?i)crash|panic"}
    then:
      - label: {add: [bug]}
      - comment: {body: "Thank you. Somebody will look at it."}
  - name: everything
    on: issues.opened
    mode: shadow
    then:
      - label: {add: [seen]}
  - name: api-bugs
    repositories: [acme/api]
    on: issues.opened
    then:
      - label: {add: [bug]}
"#;

/// What somebody writes who means no good, or writes from right to left, or cannot stop.
pub(super) const HOSTILE: [&str; 5] = [
    "<script>document.title = 'taken over'; alert(1)</script>",
    "\"><img src=x onerror=alert(1)><svg onload=alert(1)>",
    "{{7*7}} ${7*7} </title></textarea></script><h1>crash",
    "\u{202e}שלום עולם مرحبا\u{2066} crash 🦀👩‍👩‍👧‍👦 ﷽",
    "javascript:alert(1)",
];

pub(super) struct Stage {
    pub(super) story: Story,
    /// What people call it: TLS ends before the daemon.
    pub(super) site: String,
}

impl Stage {
    pub(super) async fn set() -> Self {
        let mut story = Story::prepare(Database::Sqlite, RULES, "").await;
        let daemon = SocketAddr::from((Ipv4Addr::LOCALHOST, story.port));
        let front = end_tls_before(daemon, &story.path("ca.pem")).await;
        let site = format!("https://localhost:{}", front.port());
        story.github.allow_callback(&format!("{site}/login/callback"));
        story.github.sit_at_the_browser(Some("mona"));
        std::fs::write(story.path("client-secret"), CLIENT_SECRET).unwrap();
        std::fs::write(story.path("key"), KEY).unwrap();
        story.server = format!("  public_url: {site}\n");
        story.replace_more(&format!(
            "  client_id: Iv1.0123456789abcdef\n  client_secret: {{file: {}}}\nlogin: {{keys: [{{file: {}}}]}}\n\
             access: {{admins: [mona]}}\nguards: {{hold_reload_over: 2}}",
            story.path("client-secret").display(),
            story.path("key").display()
        ));
        story.write_rules(RULES);
        git(&story, &["init", "--quiet"]);
        story.start();
        let mut stage = Self { story, site };
        stage.a_day().await;
        stage
    }

    async fn a_day(&mut self) {
        let github = &self.story.github;
        let alice = github.person("alice");
        alice.opens_pull(WEB, NewItem::titled("Explain the installer").file("docs/install.md").head("docs/install"));
        alice.opens_issue(WEB, NewItem::titled("It crashes at night"));
        for (nth, text) in HOSTILE.iter().enumerate() {
            let new =
                NewItem::titled(text).body(text).label(text).head(&format!("{nth}\"><img/src=x/onerror=alert(1)>"));
            alice.opens_pull(WEB, new.file("docs/a.md"));
            alice.opens_issue(WEB, NewItem::titled(text).body(text));
        }
        alice.opens_issue(WEB, NewItem::titled(&"crash ".repeat(1_700)).body(&"long".repeat(2_500)));
        self.story.settles().await;
        for title in ["It does not start", "It does not stop"] {
            self.give_up_on(title).await;
        }
    }

    /// Once: whoever tries again finds GitHub well.
    async fn give_up_on(&self, title: &str) {
        self.story.github.fault(Fault::on("POST", "/repos/acme/api/issues/").times(1).status(422));
        self.story.github.person("bob").opens_issue("acme/api", NewItem::titled(title));
        self.story.settles().await;
    }

    /// Every page there is, with things to show on it.
    pub(super) fn paths(&self) -> Vec<String> {
        let first = |args: &[&str], at: &str| {
            let row = self.story.json_lines(args).into_iter().next().unwrap_or_default();
            let found = row.pointer(at).unwrap_or_else(|| panic!("{args:?} has no {at}: {row}"));
            found.as_str().map_or_else(|| found.to_string(), str::to_owned)
        };
        let event = first(&["events", "list", "--type", "pull_request", "--action", "opened"], "/id");
        let hostile = first(&["events", "list", "--type", "issues", "--action", "opened", "--number", "4"], "/id");
        let job = first(&["jobs", "list", "--state", "dead"], "/id");
        let row = first(&["audit", "list"], "/seq");
        let mut paths = vec![
            format!("/events/{event}"),
            format!("/events/{event}/payload"),
            format!("/events/{hostile}"),
            format!("/events/{hostile}/payload"),
            format!("/jobs/{job}"),
            format!("/audit/{row}"),
        ];
        // The longest title, the one from right to left, and one with things on it.
        paths.extend([3, 4, 10, 13].map(|number| format!("/items/acme/web/{number}")));
        let more = [
            "/",
            "/events",
            "/events?actor=nobody",
            "/items/acme/web/4?rule=everything",
            "/repositories",
            "/repositories/acme/web",
            "/rules",
            "/rules/triage",
            "/rules/everything",
            "/shadow/everything",
            "/jobs",
            "/jobs?state=dead",
            "/jobs?state=running",
            "/rollbacks",
            "/rollbacks/new?rule=triage",
            "/audit",
            "/audit?actor=nobody",
            "/config",
            "/config/effective",
            "/config/edit",
            "/settings",
            "/settings/keys",
            "/settings/keys/new",
            "/settings/people",
            "/account",
            "/api",
        ];
        paths.extend(more.map(str::to_owned));
        paths
    }

    /// What happens outside of the browser.
    pub(super) async fn act(&mut self, deed: &str) -> String {
        match deed {
            "an issue is opened" => {
                let number = self.story.github.person("alice").opens_issue(WEB, NewItem::titled("A quiet one"));
                self.story.settles().await;
                number.to_string()
            }
            "another job is given up" => {
                self.give_up_on("It does neither").await;
                String::new()
            }
            "somebody writes a rule that is about everything" => {
                self.story.write_rules(&RULES.replace("if: {title: \"(?i)crash|panic\"}", ""));
                self.until_held().await
            }
            "the config is broken" => {
                self.story.write_rules("  - name: triage\n    on: issues.opend\n    then: []");
                let refused = |story: &Story| !story.json(&["status"])["config"]["error"].is_null();
                self.story.until("it is refused", refused).await;
                String::new()
            }
            "the labels of the rollback" => {
                let taken_back = |number| !self.story.github.issue(WEB, number).has_label("documentation");
                taken_back(1).to_string()
            }
            "the running rules" => self.story.as_owner("/api/config").await.unwrap()["effective"]["rules"].to_string(),
            other => panic!("nobody knows how: {other}"),
        }
    }

    async fn until_held(&self) -> String {
        let held = |story: &Story| story.json(&["status"])["config"]["held"]["revision"].as_str().map(str::to_owned);
        self.story.until("it is held", |story| held(story).is_some()).await;
        held(&self.story).unwrap()
    }
}

/// The config's directory is a checkout, as in life.
fn git(story: &Story, args: &[&str]) {
    let done = std::process::Command::new("git").arg("-C").arg(story.dir.path()).args(args).status().unwrap();
    assert!(done.success(), "git {args:?}");
}
