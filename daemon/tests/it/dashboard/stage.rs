//! A daemon that has seen a day: things done, things refused, dead letters, a held config, and what strangers write.

use std::net::{Ipv4Addr, SocketAddr};

use orchd_fake::{CLIENT_SECRET, Fault, NewItem};
use serde_json::Value;

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
        self.story.github.fault(Fault::on("POST", "/repos/acme/api/issues/").times(9).status(422));
        self.story.github.person("bob").opens_issue("acme/api", NewItem::titled("It does not start"));
        self.story.settles().await;
    }

    /// Every page there is, with things to show on it.
    pub(super) fn paths(&self) -> Vec<String> {
        let first = |args: &[&str]| self.story.json_lines(args).into_iter().next().unwrap_or_default();
        let text = |row: &Value, at: &str| row.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let event = text(&first(&["events", "list", "--type", "pull_request"]), "/id");
        let _ = (&first, &text);
        let mut paths: Vec<String> = ["/", "/events", "/events?actor=nobody"].map(str::to_owned).into();
        let _ = event;
        paths.push("/account".to_owned());
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
            other => panic!("nobody knows how: {other}"),
        }
    }
}

/// The config's directory is a checkout, as in life.
fn git(story: &Story, args: &[&str]) {
    let done = std::process::Command::new("git").arg("-C").arg(story.dir.path()).args(args).status().unwrap();
    assert!(done.success(), "git {args:?}");
}
