//! A daemon whose config lies in a checkout, and people who sign in to it.

use std::process::Command;

use crate::login::{Browser, PUBLIC, prepare};
use crate::story::{Database, Story, WEB};

pub(super) const API: &str = "acme/api";

/// Names and texts as strangers choose them.
pub(super) const HOSTILE: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>\u{202e}🦀";

/// With these rules, and these lines more: `site-admin`, `site-operator` and `site-viewer` hold their levels in all of it,
/// `web-read` and `web-triage` in `acme/web`, `api-admin` in `acme/api`.
pub(super) async fn begin(database: Database, rules: &str, more: &str) -> Story {
    let access = "access: {admins: [site-admin], operators: [site-operator], viewers: [site-viewer]}";
    let mut story = prepare(database, rules, PUBLIC, &format!("{access}\n{more}")).await;
    for (repository, login, role) in
        [(WEB, "web-read", "read"), (WEB, "web-triage", "triage"), (API, "api-admin", "admin")]
    {
        story.github.change_role(repository, login, Some(role), "alice");
    }
    git(&story, &["init", "--quiet"]);
    git(&story, &["add", "orchd.yaml"]);
    git(&story, &["commit", "--quiet", "--message", "By hand"]);
    story.start();
    story
}

pub(super) fn git(story: &Story, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(story.dir.path()).args(["-c", "user.name=a", "-c", "user.email=a@localhost"]);
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub(super) async fn signed_in(story: &Story, login: &str) -> Browser {
    story.github.sit_at_the_browser(Some(login));
    let mut browser = Browser::at(&story.url());
    let page = browser.sign_in("/account").await;
    assert_eq!((page.status, page.location()), (303, Some("/account")), "{login}: {page:?}");
    browser
}

/// A page as it reads: without tags, with what they escape.
pub(super) fn read(body: &str) -> String {
    let mut text = String::new();
    let mut is_tag = false;
    for c in body.chars() {
        match c {
            '<' => is_tag = true,
            '>' => is_tag = false,
            c if !is_tag => text.push(c),
            _ => {}
        }
    }
    let escapes = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&#38;", "&")];
    escapes.iter().fold(text, |text, (escape, is)| text.replace(escape, is))
}
