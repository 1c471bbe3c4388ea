//! From the 202 to the first request that GitHub sees for it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use chrono::Utc;
use orchd_fake::{GitHub, NewItem};

use super::load::SECRET;
use super::server;

const RULES: &str = "rules:\n  - name: docs\n    on: pull_request.opened\n    if: {files: [\"docs/**\"]}\n    then: [{label: {add: [docs]}}]\n";

pub fn run(dir: &Path, deliveries: usize) -> Result<String> {
    let dir = dir.join("latency");
    std::fs::create_dir_all(&dir)?;
    tokio::runtime::Runtime::new()?.block_on(measure(&dir, deliveries))
}

async fn measure(dir: &Path, deliveries: usize) -> Result<String> {
    let github = GitHub::start().await?;
    github.install("acme", &["acme/web"]);
    std::fs::write(dir.join("app.pem"), github.app_key().pem())?;
    // Without the limits of the minute: one delivery after the other would soon wait for them.
    let app = format!(
        "  limits: {{points_a_minute: 0, content_a_minute: 0, content_an_hour: 0, write_spacing: 0ms}}\n  \
         app_id: {}\n  api_url: {}\n  private_key: {{file: {}}}\n",
        github.app_id(),
        github.url(),
        dir.join("app.pem").display()
    );
    let url = format!("sqlite://{}", dir.join("orchd.db").display());
    let server = server::orchd(dir, &url, RULES, &app)?;
    github.set_webhook(&format!("http://127.0.0.1:{}/webhooks/github", server.port), SECRET);
    github.hold_deliveries();

    let mut waits = Vec::with_capacity(deliveries);
    for n in 0..deliveries {
        let number = github
            .person("alice")
            .opens_pull("acme/web", NewItem::titled("Docs").head(&format!("p{n}")).file("docs/a.md"));
        let opened = github.take_deliveries().remove(0);
        let before = github.requests().len();
        github.send(&opened).await;
        let answered = Utc::now();
        github.until("the daemon has asked", |github| github.requests().len() > before).await;
        let asked = github.requests()[before].at;
        waits.push((asked - answered).to_std().unwrap_or(Duration::ZERO));
        github.until("the label is there", |github| github.issue("acme/web", number).has_label("docs")).await;
        github.take_deliveries();
    }
    server.stop()?;
    waits.sort_unstable();
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    let mut text = String::from("| deliveries, one at a time | p50 ms | p95 ms | p99 ms |\n|---|---|---|---|\n");
    writeln!(text, "| {deliveries} | {:.2} | {:.2} | {:.2} |", at(0.5), at(0.95), at(0.99))?;
    Ok(text)
}
