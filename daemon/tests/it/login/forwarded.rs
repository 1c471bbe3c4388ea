//! Whose address counts when a proxy says whom it speaks for, and when somebody else does.

use reqwest::{Method, RequestBuilder};

use super::{PUBLIC, Stage, with_form};

type Headers = &'static [(&'static str, &'static [u8])];

/// What an attacker adds in front of what the proxy writes, and whose address that leaves.
const SMUGGLED: [(Headers, &str); 8] = [
    (&[("x-forwarded-for", b"\xff, 192.0.2.1")], "192.0.2.1"),
    (&[("x-forwarded-for", b"203.0.113.66"), ("x-forwarded-for", b"192.0.2.2")], "192.0.2.2"),
    (&[("x-forwarded-for", b"203.0.113.66, 127.0.0.1, 192.0.2.3")], "192.0.2.3"),
    (&[("x-forwarded-for", b"\xff"), ("x-forwarded-for", b"192.0.2.4, 127.0.0.1")], "192.0.2.4"),
    (
        &[
            ("forwarded", b"for=203.0.113.66;host=evil.test;proto=http"),
            ("x-real-ip", b"203.0.113.66"),
            ("x-forwarded-host", b"evil.test"),
            ("x-forwarded-proto", b"http"),
            ("x-forwarded-for", b"192.0.2.5"),
        ],
        "192.0.2.5",
    ),
    // The proxy said nothing that can be read: its own address counts, not nobody's.
    (&[("forwarded", b"for=203.0.113.66"), ("x-real-ip", b"203.0.113.66")], "127.0.0.1"),
    (&[("x-forwarded-for", b"203.0.113.66, \xff")], "127.0.0.1"),
    (&[("x-forwarded-for", b"203.0.113.66, ")], "127.0.0.1"),
];

fn with(request: RequestBuilder, headers: Headers) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

/// The address that a session has which is made with these headers.
async fn kept(stage: &Stage, headers: Headers) -> String {
    let mut browser = stage.browser();
    let form = browser.request(Method::POST, "/login").header("origin", PUBLIC);
    let left = browser.send(with(with_form(form, &[]), headers)).await;
    assert!(left.status == 303 && !left.location().unwrap().contains("evil"), "{left:?}");
    let back = browser.leave("/account").await;
    let arriving = with(browser.request(Method::GET, &back), headers);
    let page = browser.send(arriving).await;
    assert_eq!((page.status, page.location()), (303, Some("/account")), "{page:?}");
    let page = browser.get("/account").await;
    page.body.split("from ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
}

/// What a failing return, and a bad key, are answered.
async fn fails(stage: &Stage, headers: Headers) -> (u16, u16) {
    let mut browser = stage.browser();
    let back = with(browser.request(Method::GET, "/login/callback?state=made-up"), headers);
    let sign_in = browser.send(back).await.status;
    let api = with(browser.request(Method::GET, "/api/events").header("authorization", "Bearer x"), headers);
    (sign_in, browser.send(api).await.status)
}

#[tokio::test]
async fn header_smuggling_through_the_proxy_settings_gets_around_no_limit() {
    let stage = Stage::set_behind(&["trusted_proxies: [127.0.0.1]"], "  failures_a_minute: 8\n").await;
    for (headers, address) in SMUGGLED {
        assert_eq!(kept(&stage, headers).await, address, "{headers:?}");
    }
    for (headers, address) in SMUGGLED {
        // Sign-ins and keys are counted together.
        let mut answers = Vec::new();
        for _ in 0..5 {
            answers.push(fails(&stage, headers).await);
        }
        assert_eq!(answers.last(), Some(&(429, 429)), "{address} {headers:?}: {answers:?}");
        if address != "127.0.0.1" {
            assert_eq!(answers[..4], [(400, 401); 4], "nobody else's failures count for {address}");
        }
    }
    assert_eq!(fails(&stage, &[("x-forwarded-for", b"192.0.2.99")]).await, (400, 401), "others are not held up");
}

#[tokio::test]
async fn what_an_untrusted_sender_says_of_its_address_is_not_heard() {
    let stage = Stage::set_with("  failures_a_minute: 8\n").await;
    for (headers, _) in SMUGGLED {
        assert_eq!(kept(&stage, headers).await, "127.0.0.1", "{headers:?}");
    }
    for (headers, _) in &SMUGGLED[..4] {
        assert_eq!(fails(&stage, headers).await, (400, 401), "{headers:?}");
    }
    for (headers, _) in SMUGGLED {
        assert_eq!(fails(&stage, headers).await, (429, 429), "{headers:?}");
    }
}
