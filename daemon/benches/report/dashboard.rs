//! What a page costs on a large database, and what live readers cost ingest.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use orchd::store::{Db, StoreOptions};
use orchd_fake::{CLIENT_SECRET, GitHub};
use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method};

use super::load::{self, Example};
use super::reads;
use super::server::{self, Server};

/// What people call it; nobody ends TLS here.
const PUBLIC: &str = "https://orchd.example.com";

/// Times each page is asked for.
const TIMES: usize = 100;

/// Pages that are open while ingest is measured.
const READERS: usize = 500;

/// As the stream tells browsers.
const COME_BACK: Duration = Duration::from_secs(2);

/// They are so many people: nobody has more than 64 pages live.
const PEOPLE: usize = 10;

/// Ingest is measured so many times with and without readers, in turn.
const ROUNDS: usize = 3;

const RULES: &str = r#"rules:
  - {name: bugs, mode: shadow, on: [issues.opened], if: {title: "^never written"}, then: [{label: {add: [bug]}}]}
  - {name: docs, mode: shadow, on: [pull_request.*], if: {title: "^never written"}, then: [{label: {add: [docs]}}]}
"#;

/// A browser in which an admin of the site is signed in.
struct Browser {
    client: Client,
    base: String,
    cookies: String,
}

impl Browser {
    async fn sign_in(port: u16) -> Result<Self> {
        let client = Client::builder().redirect(Policy::none()).build()?;
        let mut browser = Self { client, base: format!("http://127.0.0.1:{port}"), cookies: String::new() };
        let leave = browser.client.post(format!("{}/login", browser.base)).header(ORIGIN, PUBLIC);
        let leave = leave.header("content-type", "application/x-www-form-urlencoded").body("return_to=%2F");
        let left = leave.send().await?;
        browser.keep(&left)?;
        let away = left.headers().get(LOCATION).context("no way to GitHub")?.to_str()?.to_owned();
        let back = browser.client.get(away).send().await?;
        let back = back.headers().get(LOCATION).context("no way back")?.to_str()?.replace(PUBLIC, "");
        let arrived = browser.get(&back).send().await?;
        browser.keep(&arrived)?;
        ensure!(browser.get("/").send().await?.status() == 200, "nobody is signed in");
        Ok(browser)
    }

    fn keep(&mut self, answer: &reqwest::Response) -> Result<()> {
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default().to_owned();
            self.cookies = if self.cookies.is_empty() { pair } else { format!("{}; {pair}", self.cookies) };
        }
        Ok(())
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(Method::GET, format!("{}{path}", self.base));
        request.header(COOKIE, &self.cookies).header("accept", "text/html")
    }

    async fn first(&self, list: &str, pointer: &str) -> Result<String> {
        let page: serde_json::Value = self.get(list).send().await?.json().await?;
        let row = page["rows"].get(0).with_context(|| format!("{list} is empty: {page}"))?;
        let found = row.pointer(pointer).with_context(|| format!("{list} has no {pointer}: {row}"))?;
        Ok(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
    }
}

async fn start(dir: &Path, database: &str) -> Result<(GitHub, Server, Browser)> {
    let github = GitHub::start().await?;
    github.allow_callback(&format!("{PUBLIC}/login/callback"));
    github.sit_at_the_browser(Some("mona"));
    std::fs::create_dir_all(dir)?;
    std::fs::write(dir.join("client-secret"), CLIENT_SECRET)?;
    std::fs::write(dir.join("key"), "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")?;
    let app = format!(
        "  client_id: Iv1.0123456789abcdef\n  client_secret: {{file: {}}}\n  api_url: {}\n\
         login: {{keys: [{{file: {}}}]}}\naccess: {{admins: [mona, {}]}}\n",
        dir.join("client-secret").display(),
        github.url(),
        dir.join("key").display(),
        (0..PEOPLE).map(|nth| format!("reader{nth}")).collect::<Vec<_>>().join(", ")
    );
    let server = server::orchd_at(dir, database, RULES, &app, &format!("  public_url: {PUBLIC}\n"))?;
    let browser = Browser::sign_in(server.port).await?;
    Ok((github, server, browser))
}

/// Every page, on both databases.
pub fn pages(dir: &Path, postgres: &str, events: usize) -> Result<String> {
    // Where the reads were measured, if they were.
    let dir = dir.join("reads");
    std::fs::create_dir_all(&dir)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut text =
        String::from("| page | SQLite, p50 / p99 ms | PostgreSQL, p50 / p99 ms | bytes |\n|---|---|---|---|\n");
    let mut columns = Vec::new();
    for (name, url) in
        [("sqlite", format!("sqlite://{}", dir.join("orchd.db").display())), ("postgres", postgres.to_owned())]
    {
        let home = dir.join(name);
        columns.push(runtime.block_on(async {
            {
                // Gone before the daemon opens it: a SQLite file is one process's.
                let options = StoreOptions { url: url.clone().into(), objects: dir.join("objects") };
                let db = Db::open(&options).await?;
                reads::fill(&db, events).await?;
                db.close().await;
            }
            let (_github, server, browser) = start(&home, &url).await?;
            let measured = measure(&browser).await?;
            server.stop()?;
            anyhow::Ok(measured)
        })?);
    }
    for (one, other) in columns[0].iter().zip(&columns[1]) {
        let (name, (middle, slow), bytes) = one;
        writeln!(text, "| {name} | {middle:.1} / {slow:.1} | {:.1} / {:.1} | {bytes} |", other.1.0, other.1.1)?;
    }
    Ok(text)
}

type Measured = (&'static str, (f64, f64), usize);

async fn measure(browser: &Browser) -> Result<Vec<Measured>> {
    let event = browser.first("/api/events?type=issues", "/id").await?;
    let place = browser.first("/api/github/issues?repo=org0/repo0", "/repository").await?;
    let number = browser.first("/api/github/issues?repo=org0/repo0", "/number").await?;
    let job = browser.first("/api/jobs", "/id").await?;
    let row = browser.first("/api/audit", "/seq").await?;
    let pages = [
        ("overview", "/".to_owned()),
        ("repositories", "/repositories".to_owned()),
        ("one repository", format!("/repositories/{place}")),
        ("events", "/events".to_owned()),
        ("events by an actor", "/events?actor=person7".to_owned()),
        ("one event", format!("/events/{event}")),
        ("its payload", format!("/events/{event}/payload")),
        ("one item", format!("/items/{place}/{number}")),
        ("rules", "/rules".to_owned()),
        ("one rule", "/rules/bugs".to_owned()),
        ("jobs", "/jobs".to_owned()),
        ("dead letters", "/jobs?state=dead".to_owned()),
        ("one job", format!("/jobs/{job}")),
        ("rollbacks", "/rollbacks".to_owned()),
        ("a rollback to plan", "/rollbacks/new?rule=bugs".to_owned()),
        ("audit", "/audit".to_owned()),
        ("an audit row", format!("/audit/{row}")),
        ("config", "/config".to_owned()),
        ("config, to edit", "/config/edit".to_owned()),
        ("settings", "/settings".to_owned()),
    ];
    let mut measured = Vec::new();
    for (name, path) in pages {
        let mut took = Vec::with_capacity(TIMES);
        let mut bytes = 0;
        for _ in 0..TIMES {
            let began = Instant::now();
            let answer = browser.get(&path).send().await?;
            let status = answer.status();
            bytes = answer.bytes().await?.len();
            took.push(began.elapsed().as_secs_f64() * 1e3);
            ensure!(status == 200, "{path}: {status}");
        }
        took.sort_by(f64::total_cmp);
        let at = |share: f64| took[((took.len() - 1) as f64 * share).round() as usize];
        eprintln!("{name}: {:.1} / {:.1} ms, {bytes} bytes", at(0.5), at(0.99));
        measured.push((name, (at(0.5), at(0.99)), bytes));
    }
    Ok(measured)
}

/// Deliveries a second with [`READERS`] pages that listen, and with none.
pub fn live(dir: &Path, examples: &[Example], seconds: u32) -> Result<String> {
    let dir = dir.join("live");
    std::fs::create_dir_all(&dir)?;
    let hooks = dir.join("requests");
    load::write_requests(examples, "/webhooks/github", &hooks)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let url = format!("sqlite://{}", dir.join("orchd.db").display());
    let (github, server, _) = runtime.block_on(start(&dir, &url))?;
    let mut browsers = Vec::with_capacity(PEOPLE);
    for nth in 0..PEOPLE {
        github.sit_at_the_browser(Some(&format!("reader{nth}")));
        browsers.push(runtime.block_on(Browser::sign_in(server.port))?);
    }
    load::wrk(&dir, &hooks, server.port, 64, 2)?;
    let (mut without, mut with, mut heard, mut dropped) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..ROUNDS {
        without.push(load::wrk(&dir, &hooks, server.port, 64, seconds)?);
        let (bytes, returns) = <(Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let readers = runtime.block_on(listen(&browsers, &bytes, &returns))?;
        with.push(load::wrk(&dir, &hooks, server.port, 64, seconds)?);
        readers.iter().for_each(tokio::task::JoinHandle::abort);
        heard += bytes.load(Ordering::Relaxed);
        dropped += returns.load(Ordering::Relaxed);
    }
    server.stop()?;
    let rate = |loads: &[load::Load]| loads.iter().map(load::Load::rate).sum::<f64>() / ROUNDS as f64;
    let slowest = |loads: &[load::Load]| loads.iter().map(|load| load.p99_ms).fold(0.0, f64::max);
    let mut text = String::from("| readers | deliveries/s | of none | worst p99 ms |\n|---|---|---|---|\n");
    writeln!(text, "| 0 | {:.0} | 100 % | {:.1} |", rate(&without), slowest(&without))?;
    let share = rate(&with) / rate(&without) * 100.0;
    writeln!(text, "| {READERS} | {:.0} | {share:.1} % | {:.1} |", rate(&with), slowest(&with))?;
    let (heard, each) = (heard / 1_000_000, ROUNDS * READERS);
    writeln!(text, "\nThey were told {heard} MB meanwhile; {dropped} times one of {each} was dropped and came back.")?;
    Ok(text)
}

/// Readers that come back when they are dropped, as browsers do.
async fn listen(
    browsers: &[Browser],
    bytes: &Arc<AtomicU64>,
    returns: &Arc<AtomicU64>,
) -> Result<Vec<tokio::task::JoinHandle<()>>> {
    let mut readers = Vec::with_capacity(READERS);
    for browser in browsers.iter().cycle().take(READERS) {
        let request = browser.get("/live/events");
        let again = request.try_clone().context("a request without a body")?;
        let mut answer = request.send().await?;
        ensure!(answer.status() == 200, "no place for a reader: {}", answer.status());
        let (bytes, returns) = (Arc::clone(bytes), Arc::clone(returns));
        readers.push(tokio::spawn(async move {
            loop {
                while let Ok(Some(chunk)) = answer.chunk().await {
                    bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                }
                returns.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(COME_BACK).await;
                let Some(request) = again.try_clone() else { return };
                if let Ok(back) = request.send().await {
                    answer = back;
                }
            }
        }));
    }
    Ok(readers)
}
