//! The config: what runs, what is wrong, what is held; edited, checked, tried and saved; rolled back.

use orchd_fake::NewItem;

use super::checkout::{begin, git, read, signed_in};
use crate::login::{Browser, Page};
use crate::story::{Database, Story, WEB};

const RULES: &str = "  - {name: bugs, on: issues.opened, if: {title: \"(?i)crash\"}, then: [{label: {add: [bug]}}]}";

const HOLD: &str = "guards: {hold_reload_over: 1}";

fn text(story: &Story) -> String {
    std::fs::read_to_string(story.config()).unwrap()
}

fn running(story: &Story) -> String {
    story.json(&["status"])["config"]["revision"].as_str().unwrap().to_owned()
}

/// An editor in a browser.
struct Editor {
    browser: Browser,
    csrf: String,
    base: String,
    file: String,
}

impl Editor {
    async fn open(mut browser: Browser) -> Self {
        let page = browser.get("/config/edit").await;
        assert_eq!(page.status, 200, "{page:?}");
        let field = |name: &str| page.field(name).unwrap_or_else(|| panic!("{name} in {page:?}")).to_owned();
        let (csrf, base, file) = (field("csrf"), field("base"), field("file"));
        Self { browser, csrf, base, file }
    }

    async fn does(&mut self, step: &str, text: &str) -> Page {
        let text = text.replace('\n', "\r\n");
        let fields: [(&str, &str); 7] = [
            ("csrf", self.csrf.as_str()),
            ("base", &self.base),
            ("file", &self.file),
            ("text", &text),
            ("message", "Keep payloads for a month"),
            ("days", "30"),
            ("step", step),
        ];
        self.browser.post("/config/edit", &fields).await
    }
}

#[tokio::test]
async fn a_config_is_edited_checked_tried_saved_and_rolled_back() {
    let story = begin(Database::Sqlite, RULES, "").await;
    story.github.person("alice").opens_issue(WEB, NewItem::titled("A wish"));
    story.settles().await;
    let (first, old) = (running(&story), text(&story));
    let mut editor = Editor::open(signed_in(&story, "site-admin").await).await;
    assert_eq!(editor.base, first);
    let new = format!(
        "retention: {{payloads: 30d}}\n{}  - {{name: wishes, on: issues.opened, if: {{title: wish}}, then: [{{label: {{add: [wish]}}}}]}}\n",
        old.replace("(?i)crash", "(?i)crashes")
    );

    let checked = editor.does("check", &new).await;
    let told = read(&checked.body);
    for words in [
        "The text is valid",
        "- retention.payloads: 90d",
        "+ retention.payloads: 30d",
        "+ rule wishes",
        "~ rule bugs: if",
        "title: (?i)crash\n",
        "title: (?i)crashes",
    ] {
        assert!(told.contains(words) || told.contains(words.trim()), "{words} in {told}");
    }
    assert!(
        checked.says("{name: wishes, on: issues.opened") && checked.says("Keep payloads for a month"),
        "both are kept"
    );
    assert_eq!((text(&story), running(&story)), (old.clone(), first.clone()), "nothing is written");

    let tried = editor.does("backtest", &new).await;
    let told = read(&tried.body);
    assert!(told.contains("would do") && told.contains("label {add: [wish]}") && told.contains("acme/web#1"), "{told}");
    assert_eq!(text(&story), old);

    let saved = editor.does("save", &new).await;
    assert_eq!((saved.status, saved.location()), (303, Some("/config?done=config-committed")), "{}", read(&saved.body));
    assert_eq!(text(&story), new);
    assert_eq!(git(&story, &["log", "-1", "--format=%an|%s"]), "site-admin|Keep payloads for a month");
    let second = running(&story);
    assert_ne!(second, first);
    let page = editor.browser.get("/config?done=config-committed").await;
    let told = read(&page.body);
    for words in
        ["written, committed, and in use", &second, "+ rule wishes", "- retention.payloads: 90d", "Roll back to"]
    {
        assert!(told.contains(words), "{words} in {told}");
    }

    let stale = editor.does("save", &old).await;
    assert_eq!(stale.status, 409, "{stale:?}");
    assert!(
        stale.says("Your text is kept below") && read(&stale.body).contains("it was made from revision"),
        "{stale:?}"
    );

    let csrf = editor.csrf.clone();
    let back = editor.browser.post(&format!("/config/{first}/rollback"), &[("csrf", &csrf)]).await;
    assert_eq!((back.status, back.location()), (303, Some("/config?done=config-rolled-back")), "{back:?}");
    assert_eq!((running(&story), text(&story)), (first, new));
    let told = read(&editor.browser.get("/config").await.body);
    assert!(told.contains("A person put revision") && told.contains("+ rule wishes"), "{told}");
    // Whoever edits now is told that what is on disk does not run, and may replace it.
    let mut editor = Editor::open(editor.browser).await;
    assert_eq!(editor.base, "");
    let page = editor.browser.get("/config/edit").await;
    assert!(page.says("What is on disk does not run"), "{page:?}");
    let third = format!("retention: {{payloads: 31d}}\n{old}");
    assert_eq!(editor.does("save", &third).await.status, 303);
    assert_eq!(text(&story), third);
}

#[tokio::test]
async fn what_is_wrong_stands_beside_the_text_which_is_kept() {
    let story = begin(Database::Sqlite, RULES, "").await;
    let old = text(&story);
    let mut editor = Editor::open(signed_in(&story, "site-admin").await).await;
    let wrong = format!("retentoin: {{payloads: 30d}} # <script>alert(1)</script>\n{old}");
    for step in ["check", "backtest", "save"] {
        let page = editor.does(step, &wrong).await;
        let told = read(&page.body);
        assert_eq!(page.status, 422, "{told}");
        for words in ["Line 1, column 1: unknown key `retentoin`", "1 ▸ retentoin: {payloads: 30d}", wrong.trim_end()]
        {
            assert!(told.contains(words), "{words} in {told}");
        }
        assert!(!page.says("<script>alert"), "{told}");
    }
    let moved = old.replace("api_url: ", "api_url: https://evil.example.com # ");
    let page = editor.does("save", &moved).await;
    assert!(read(&page.body).contains("`github.api_url` says where secrets go"), "{page:?}");
    // Somebody else was faster, with an editor on the machine.
    std::fs::write(story.config(), format!("# by hand\n{old}")).unwrap();
    story.until("it runs", |story| running(story) != editor.base).await;
    editor.base = running(&story);
    let page = editor.does("save", &format!("retention: {{payloads: 30d}}\n{old}")).await;
    assert!(page.status == 409 && read(&page.body).contains("the config file was changed meanwhile"), "{page:?}");
    assert!(text(&story).starts_with("# by hand"));
}

#[tokio::test]
async fn one_that_is_held_is_told_and_confirmed() {
    let story = begin(Database::Sqlite, RULES, HOLD).await;
    for n in 0..3 {
        story.github.person("alice").opens_issue(WEB, NewItem::titled(&format!("Number {n}")));
    }
    story.settles().await;
    let first = running(&story);
    let mut editor = Editor::open(signed_in(&story, "site-admin").await).await;
    let saved = editor.does("save", &text(&story).replace("(?i)crash", "Number")).await;
    assert_eq!(saved.location(), Some("/config?done=config-held"), "{}", read(&saved.body));
    let mut viewer = signed_in(&story, "site-viewer").await;
    let page = viewer.get("/config").await;
    let told = read(&page.body);
    for words in [
        "would have done on 3 issues",
        "More than 1 (guards.hold_reload_over)",
        "~ rule bugs: if",
        "An admin may confirm it",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
    assert!(!page.says("/confirm\"") && !page.says("/config/edit"), "{told}");
    let held = story.json(&["status"])["config"]["held"]["revision"].as_str().unwrap().to_owned();
    let csrf = viewer.csrf().await;
    assert_eq!(viewer.post(&format!("/config/{held}/confirm"), &[("csrf", &csrf)]).await.status, 403);
    assert_eq!(running(&story), first);

    let page = editor.browser.get("/config").await;
    assert!(page.says(&format!("action=\"/config/{held}/confirm\"")), "{page:?}");
    let csrf = editor.csrf.clone();
    let done = editor.browser.post(&format!("/config/{held}/confirm"), &[("csrf", &csrf)]).await;
    assert_eq!((done.status, done.location()), (303, Some("/config?done=config-confirmed")), "{done:?}");
    assert_eq!(running(&story), held);
    assert!(story.cli(&["audit", "verify"]).status.success());
}

#[tokio::test]
async fn errors_on_disk_are_told_with_their_line_and_no_secret_is_shown() {
    let story = begin(Database::Sqlite, RULES, "").await;
    let old = text(&story);
    let mut admin = signed_in(&story, "site-admin").await;
    let mut viewer = signed_in(&story, "site-viewer").await;
    let is_refused = |story: &Story| story.json(&["status"])["config"]["error"].is_string();
    std::fs::write(story.config(), format!("{old}wrogn: <b>1</b>\n")).unwrap();
    story.until("it is refused", is_refused).await;
    let (seen, less) = (admin.get("/config").await, viewer.get("/config").await);
    let line = old.lines().count() + 1;
    let told = read(&seen.body);
    assert!(
        told.contains("The config on disk is refused")
            && told.contains(&format!("orchd.yaml:{line}:1: unknown key `wrogn`")),
        "{told}"
    );
    assert!(told.contains("wrogn: <b>1</b>") && !seen.says("<b>1"), "{told}");
    assert!(read(&less.body).contains("unknown key `wrogn`") && !read(&less.body).contains("wrogn: <b>"), "{less:?}");
    assert_eq!(viewer.get("/config/edit").await.status, 403);

    std::fs::write(story.config(), format!("{}wrogn: 2\n", old.replace("{file: client-secret}", "hush-hush"))).unwrap();
    story
        .until("it is refused anew", |story| {
            story.json(&["status"])["config"]["error"].as_str().is_some_and(|error| error.contains("holds a secret"))
        })
        .await;
    for path in ["/config", "/config/edit", "/config/effective", "/api/config", "/api/config/file"] {
        let page = admin.get(path).await;
        assert!(!page.says("hush-hush"), "{path}: {page:?}");
    }
    assert_eq!(admin.get("/config/edit").await.status, 409);
}

#[tokio::test]
async fn the_config_is_for_those_who_see_the_whole_site() {
    let story = begin(Database::Sqlite, RULES, "").await;
    for (login, config, edit) in [("site-viewer", 200, 403), ("site-operator", 200, 403), ("api-admin", 403, 403)] {
        let mut browser = signed_in(&story, login).await;
        let page = browser.get("/config").await;
        assert_eq!(page.status, config, "{login}");
        assert!(!page.says("/config/edit") && !page.says("Roll back to"), "{login}");
        assert_eq!(browser.get("/config/edit").await.status, edit, "{login}");
        assert_eq!(browser.get("/config/effective").await.status, config, "{login}");
        let csrf = browser.csrf().await;
        let text = text(&story);
        let fields: [(&str, &str); 3] = [("csrf", &csrf), ("text", &text), ("step", "save")];
        assert_eq!(browser.post("/config/edit", &fields).await.status, 403, "{login}");
    }
    let mut admin = signed_in(&story, "site-admin").await;
    let page = admin.get("/config/effective").await;
    assert!(
        read(&page.body).contains("client_secret:\n    file: client-secret") && page.body.len() < 60_000,
        "{page:?}"
    );
}
