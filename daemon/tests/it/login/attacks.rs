//! Those who want to be somebody else, and those who make another's browser do something.

use super::{Browser, PUBLIC, Stage, with_form};

fn state_of(url: &str) -> String {
    url.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_forged_or_missing_state_signs_nobody_in() {
    let stage = Stage::set().await;
    let mut browser = stage.browser();
    let back = browser.leave("/account").await;
    let state = state_of(&back);
    let forged = if state.starts_with('A') { "B" } else { "A" };
    for bad in [
        back.replace(&state, &format!("{forged}{}", &state[1..])),
        back.replace(&format!("state={state}"), "state="),
        back.replace(&format!("state={state}"), ""),
        format!("{back}&state={state}"),
        "/login/callback".to_owned(),
    ] {
        let mut attempt = browser.clone();
        let page = attempt.get(&bad).await;
        assert!(page.status == 400 && page.says("This sign-in is over"), "{bad}: {page:?}");
        assert!(!attempt.cookies.contains_key("__Host-orchd"));
    }
    assert_eq!(browser.get(&back).await.status, 303, "the true one is still expected");
}

#[tokio::test]
async fn a_state_is_good_for_one_return() {
    let stage = Stage::set().await;
    let mut browser = stage.browser();
    let back = browser.leave("/account").await;
    let mut replaying = browser.clone();
    assert_eq!(browser.get(&back).await.status, 303);
    assert_eq!(replaying.get(&back).await.status, 400);
    assert!(!replaying.is_signed_in().await);
}

#[tokio::test]
async fn a_link_back_is_worth_nothing_in_another_browser() {
    let stage = Stage::set().await;
    let (mut attacker, mut victim) = (stage.browser(), stage.browser());
    let link = attacker.leave("/account").await;
    let page = victim.get(&link).await;
    assert!(page.status == 400 && page.says("This sign-in began elsewhere"), "{page:?}");
    // Nor with a login of its own under way.
    let (link, _) = (attacker.leave("/account").await, victim.leave("/account").await);
    assert!(victim.get(&link).await.says("This sign-in began elsewhere"));
    assert!(!victim.is_signed_in().await);
}

#[tokio::test]
async fn nobody_is_led_to_another_site() {
    let stage = Stage::set().await;
    for nasty in [
        "//evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "https://evil.test",
        "/\t/evil.test",
        "/\r\nSet-Cookie: x=1",
        "javascript:alert(1)",
        " //evil.test",
        "https:evil.test",
        "/login/callback?code=1",
    ] {
        let mut browser = stage.browser();
        let page = browser.sign_in(nasty).await;
        assert_eq!(page.location(), Some("/"), "{nasty:?}");
        let asked = reqwest::Url::parse_with_params("http://x/login", [("return_to", nasty)]).unwrap();
        let page = stage.browser().get(&format!("/login?{}", asked.query().unwrap())).await;
        assert_eq!(page.field("return_to"), Some("/"), "{nasty:?}");
    }
}

#[tokio::test]
async fn a_planted_cookie_does_not_survive_signing_in() {
    let stage = Stage::set().await;
    let attacker = stage.signed_in("attacker").await;
    let planted = attacker.cookies["__Host-orchd"].clone();
    stage.github.sit_at_the_browser(Some("mona"));
    let mut victim = stage.browser();
    victim.cookies.insert("__Host-orchd".to_owned(), planted.clone());
    victim.sign_in("/account").await;
    assert_ne!(victim.cookies["__Host-orchd"], planted);
    assert!(victim.get("/account").await.says("<strong>mona</strong>"));
    assert!(!attacker.clone().is_signed_in().await, "the session that was planted has ended");

    let mut made_up = stage.browser();
    made_up.cookies.insert("__Host-orchd".to_owned(), "A".repeat(43));
    assert!(!made_up.is_signed_in().await);
    made_up.sign_in("/account").await;
    assert_ne!(made_up.cookies["__Host-orchd"], "A".repeat(43));
}

#[tokio::test]
async fn a_form_without_the_sessions_token_does_nothing() {
    let stage = Stage::set().await;
    let mut mona = stage.signed_in("mona").await;
    let mut another = stage.signed_in("mona").await;
    let (own, of_another) = (mona.csrf().await, another.csrf().await);
    let mut earlier = stage.signed_in("mona").await;
    let old = earlier.csrf().await;
    earlier.post("/logout", &[("csrf", &old)]).await;
    let forged = format!("{}{}", if own.starts_with('A') { "B" } else { "A" }, &own[1..]);
    for (path, fields) in [
        ("/logout", vec![]),
        ("/logout", vec![("csrf", "")]),
        ("/logout", vec![("csrf", forged.as_str())]),
        ("/logout", vec![("csrf", of_another.as_str())]),
        ("/logout", vec![("csrf", old.as_str())]),
        ("/logout/everywhere", vec![("csrf", old.as_str())]),
        ("/logout", vec![("csrf", own.as_str()), ("csrf", own.as_str())]),
    ] {
        let page = mona.post(path, &fields).await;
        assert_eq!(page.status, 403, "{path} {fields:?}: {page:?}");
    }
    assert!(mona.is_signed_in().await);
    let by_header =
        mona.request(reqwest::Method::POST, "/logout").header("origin", PUBLIC).header("x-csrf-token", &own);
    assert_eq!(mona.send(by_header).await.status, 303, "programs send it in a header");
}

#[tokio::test]
async fn a_form_of_another_site_does_nothing() {
    let stage = Stage::set().await;
    let mut mona = stage.signed_in("mona").await;
    let csrf = mona.csrf().await;
    let from = async |browser: &Browser, headers: &[(&str, &str)], path: &str| {
        let mut browser = browser.clone();
        let mut request = with_form(browser.request(reqwest::Method::POST, path), &[("csrf", &csrf)]);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        browser.send(request).await.status
    };
    let evil_referer = format!("https://evil.test/{PUBLIC}/");
    for headers in [
        vec![],
        vec![("origin", "https://evil.test")],
        vec![("origin", "null")],
        vec![("origin", "http://orchd.example.com")],
        vec![("origin", "https://orchd.example.com.evil.test")],
        vec![("origin", PUBLIC), ("origin", "https://evil.test")],
        vec![("origin", "https://evil.test"), ("sec-fetch-site", "same-origin")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site"), ("referer", PUBLIC)],
        vec![("sec-fetch-site", "none")],
        vec![("referer", "https://evil.test/")],
        vec![("referer", evil_referer.as_str())],
    ] {
        assert_eq!(from(&mona, &headers, "/logout").await, 403, "{headers:?}");
        assert_eq!(from(&stage.browser(), &headers, "/login").await, 403, "{headers:?}");
    }
    assert!(mona.is_signed_in().await);
    for headers in [
        vec![("sec-fetch-site", "same-origin")],
        vec![("referer", "https://orchd.example.com/account")],
        vec![("origin", "https://ORCHD.example.com")],
    ] {
        assert_eq!(from(&stage.browser(), &headers, "/login").await, 303, "{headers:?}");
    }
}

#[tokio::test]
async fn two_cookies_of_the_name_are_none() {
    let stage = Stage::set().await;
    let mona = stage.signed_in("mona").await;
    let cookie = &mona.cookies["__Host-orchd"];
    let twice = format!("__Host-orchd={cookie}; __Host-orchd={}", "A".repeat(43));
    let mut bare = stage.browser();
    let request = bare.request(reqwest::Method::GET, "/account").header("cookie", twice);
    assert_eq!(bare.send(request).await.location(), Some("/login"));
}

#[tokio::test]
async fn a_large_form_is_refused() {
    let stage = Stage::set().await;
    let page = stage.browser().post("/login", &[("return_to", &"a".repeat(9_000))]).await;
    assert_eq!(page.status, 413, "{page:?}");
}

#[tokio::test]
async fn what_a_browser_says_of_itself_is_shown_and_not_obeyed() {
    let stage = Stage::set().await;
    let mut mona = stage.browser();
    let back = mona.leave("/account").await;
    let odd = "<script>alert(1)</script>\u{202e}é".repeat(40);
    let arriving = mona.request(reqwest::Method::GET, &back).header("user-agent", odd.as_bytes());
    assert_eq!(mona.send(arriving).await.status, 303);
    let page = mona.get("/account").await;
    assert!(!page.says("<script>") && !page.says("\u{202e}"), "{page:?}");
    assert!(page.body.matches("alert(1)").count() < 22, "cut: {page:?}");
}
