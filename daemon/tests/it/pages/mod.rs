//! The dashboard's pages and what is done on them, told with a browser that keeps cookies.

mod audit;
mod checkout;
mod config;
mod event;
mod item;
mod jobs;
mod repositories;
mod rollbacks;
mod rules;
mod settings;

use crate::login::{Browser, Page};

/// What a stranger writes to break a page.
pub fn hostile() -> String {
    format!("<script>alert(1)</script>\"><img src=x onerror=alert(1)>\u{202e}gnp.exe 🦀 {}", "x".repeat(10_000))
}

/// Fails when what a stranger wrote is more than text on a page, or when the page is too large.
pub fn is_harmless(page: &Page) {
    for broken in ["<script>alert", "<img src=x", "\u{202e}"] {
        assert!(!page.says(broken), "{broken:?} stands on the page: {}", page.body);
    }
    let beside = ["orchd.css", "orchd.js", "orchd.svg"].map(|name| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(name);
        std::fs::metadata(path).unwrap().len()
    });
    let bytes = page.body.len() as u64 + beside.iter().sum::<u64>();
    assert!(bytes < 60_000, "{bytes} bytes with what is loaded beside it");
}

/// Sends a form with the session's token; gives where it leads, or the page it answers.
pub async fn submit(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Page {
    let csrf = browser.csrf().await;
    browser.post(path, &[&[("csrf", csrf.as_str())], fields].concat()).await
}
