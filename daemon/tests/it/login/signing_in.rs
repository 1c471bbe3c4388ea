//! Signing in: the way there and back, and what can go wrong on it.

use orchd::core::audit::Kind;
use orchd::store::audit::AuditFilter;
use orchd_fake::Fault;

use super::{PUBLIC, Stage};
use crate::site::spawn_site;

async fn told(stage: &Stage, kind: Kind) -> Vec<String> {
    let filter = AuditFilter { kind: Some(kind), limit: 100, ..AuditFilter::default() };
    let rows = stage.site.db.audit_rows(&filter).await.unwrap().rows;
    rows.into_iter().map(|row| row.note.unwrap_or_default()).collect()
}

#[tokio::test]
async fn somebody_signs_in_looks_around_and_signs_out() {
    let stage = Stage::set().await;
    let mut browser = stage.browser();
    assert_eq!(browser.get("/account").await.location(), Some("/login"));
    let login = browser.get("/login?return_to=/account").await;
    assert!(login.status == 200 && login.says("Sign in with GitHub"), "{login:?}");
    assert_eq!(login.field("return_to"), Some("/account"));

    let page = browser.sign_in("/account").await;
    assert_eq!((page.status, page.location()), (303, Some("/account")), "{page:?}");
    assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), ["__Host-orchd"]);
    let account = browser.get("/account").await;
    assert!(account.says("mona") && account.says("this browser") && account.says("from 127.0.0.1"), "{account:?}");
    assert_eq!(browser.get("/login?return_to=/account").await.location(), Some("/account"), "they are signed in");

    let csrf = browser.csrf().await;
    let kept = browser.clone();
    let out = browser.post("/logout", &[("csrf", &csrf)]).await;
    assert_eq!((out.status, out.location()), (303, Some("/login?signed_out=1")));
    assert!(browser.cookies.is_empty());
    assert!(browser.get("/login?signed_out=1").await.says("You are signed out."));
    assert!(!kept.clone().is_signed_in().await, "the cookie is worth nothing any more");
    assert_eq!(told(&stage, Kind::SignedIn).await, ["from 127.0.0.1"]);
    assert_eq!(told(&stage, Kind::SignedOut).await, ["one session"]);
}

#[tokio::test]
async fn whoever_does_not_agree_is_told_so() {
    let stage = Stage::set().await;
    stage.github.sit_at_the_browser(None);
    let mut browser = stage.browser();
    let page = browser.sign_in("/account").await;
    assert!(page.status == 403 && page.says("You are not signed in"), "{page:?}");
    assert!(browser.cookies.is_empty());
    assert_eq!(told(&stage, Kind::SignInFailed).await, ["from 127.0.0.1: the person did not agree"]);
}

#[tokio::test]
async fn a_code_that_github_refuses_with_http_200_signs_nobody_in() {
    let stage = Stage::set().await;
    let mut browser = stage.browser();
    let back = browser.leave("/account").await;
    let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let page = browser.get(&back.replace(code, "another")).await;
    assert!(page.status == 400 && page.says("GitHub refused this sign-in"), "{page:?}");
    assert!(!browser.is_signed_in().await);
    assert!(told(&stage, Kind::SignInFailed).await[0].contains("GitHub does not know the code"));
}

#[tokio::test]
async fn a_code_given_to_another_browser_fails_at_its_verifier() {
    let stage = Stage::set().await;
    let (mut one, mut other) = (stage.browser(), stage.browser());
    let (back, theirs) = (one.leave("/").await, other.leave("/").await);
    let code = |url: &str| url.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let page = one.get(&back.replace(&code(&back), &code(&theirs))).await;
    assert!(page.status == 400 && page.says("does not know the code"), "{page:?}");
}

#[tokio::test]
async fn what_only_an_operator_can_mend_is_said_to_be_theirs() {
    let stage = Stage::set().await;
    let mut browser = stage.browser();
    let left = browser.post("/login", &[]).await;
    let state = left.location().unwrap().split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let page = browser.get(&format!("/login/callback?error=redirect_uri_mismatch&state={state}")).await;
    assert!(
        page.status == 502 && page.says("redirect_uri_mismatch") && page.says("Whoever runs this orchd"),
        "{page:?}"
    );
}

#[tokio::test]
async fn a_github_that_does_not_answer_is_no_reason_to_give_up() {
    let stage = Stage::set().await;
    let mut browser = stage.browser();
    let back = browser.leave("/account").await;
    stage.github.fault(Fault::on("POST", "/login/oauth/access_token").status(502));
    let page = browser.get(&back).await;
    assert!(page.status == 503 && page.says("Try again in a moment"), "{page:?}");
    assert!(browser.sign_in("/account").await.status == 303);
}

#[tokio::test]
async fn without_what_it_takes_the_page_says_what_is_missing() {
    let site = spawn_site(&[&format!("public_url: {PUBLIC}")]).await;
    let mut browser = super::Browser::at(&format!("http://{}", site.address));
    let page = browser.get("/login").await;
    assert_eq!(page.status, 503);
    for key in ["github.client_id", "github.client_secret", "login.keys"] {
        assert!(page.says(&format!("<code>{key}</code>")), "{key}: {page:?}");
    }
    assert!(!page.says("server.public_url"), "that is there");
    assert_eq!(browser.post("/login", &[]).await.status, 503);
}

#[tokio::test]
async fn every_answer_tells_a_browser_what_it_may_do() {
    let stage = Stage::set().await;
    let mut browser = stage.signed_in("mona").await;
    let mut nobody = stage.browser();
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    for path in ["/account", "/", "/health", "/nowhere", "/login/callback", "/account/sessions/7/end"] {
        let page = browser.get(path).await;
        assert_eq!(page.header("content-security-policy"), Some(policy), "{path}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(page.header("referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"), "{path}");
        assert_eq!(page.header("strict-transport-security"), Some("max-age=31536000"), "{path}");
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
        assert!(!page.says("style=") && !page.says("<style") && !page.says("<script>") && !page.says(" onclick"));
    }
    let page = nobody.get("/login").await;
    let leading = format!("form-action 'self' {};", stage.github.url());
    assert!(page.header("content-security-policy").unwrap().contains(&leading), "{page:?}");
    let sheet = page.body.split("href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let sheet = nobody.get(&sheet).await;
    assert_eq!(sheet.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(sheet.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(nobody.get("/assets/orchd-0000000000000000.css").await.status, 404);
}
