//! Deliveries at a fixed rate, each on a connection of its own, as GitHub sends them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use orchd_fake::{payload, sign_webhook};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// GitHub gives up after so long.
/// <https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks>
const GIVES_UP: Duration = Duration::from_secs(10);

/// From connecting to sending, at most: a request is not there as soon as its connection is.
const MOST_LAG: Duration = Duration::from_millis(20);

/// Different payloads; they are made and signed before anything is sent.
const PAYLOADS: u64 = 500;

/// Stopped by [`Load::stop`].
pub struct Load {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Outcome>,
}

/// What came of all deliveries.
#[derive(Default)]
pub struct Outcome {
    /// GUIDs of those that were answered 202.
    pub acknowledged: BTreeSet<String>,
    /// GUIDs of those that were not, by what happened instead.
    pub refused: BTreeMap<String, Vec<String>>,
    pub longest: Duration,
    latencies: Vec<Duration>,
    lasted: Duration,
}

struct Template {
    event: &'static str,
    signature: String,
    body: Bytes,
}

struct Sent {
    guid: String,
    answer: Result<u16, String>,
    took: Duration,
}

impl Load {
    /// Sends so many a second from now on, whatever becomes of those before.
    pub fn start(address: SocketAddr, secret: &str, a_second: u32) -> Self {
        let templates: Vec<_> = (0..PAYLOADS).map(|seed| Arc::new(template(seed, secret))).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(send_all(address, templates, a_second, Arc::clone(&stop)));
        Self { stop, task }
    }

    /// No further ones; those on their way are waited for.
    pub async fn stop(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

async fn send_all(address: SocketAddr, templates: Vec<Arc<Template>>, a_second: u32, stop: Arc<AtomicBool>) -> Outcome {
    let (told, mut outcomes) = mpsc::unbounded_channel();
    let began = Instant::now();
    for (index, template) in (0u32..).zip(templates.iter().cycle()) {
        let due = began + Duration::from_secs(1) * index / a_second;
        tokio::time::sleep_until(due.into()).await;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (template, told) = (Arc::clone(template), told.clone());
        tokio::spawn(async move {
            let guid = uuid::Uuid::now_v7().to_string();
            let began = Instant::now();
            let lag = MOST_LAG * (index % 100) / 100;
            let answer = tokio::time::timeout(GIVES_UP, post(address, &template, &guid, lag)).await;
            let answer = answer.unwrap_or_else(|_| Err("no answer within ten seconds".to_owned()));
            // The receiver lives until every sender is gone.
            let _ = told.send(Sent { guid, answer, took: began.elapsed() });
        });
    }
    let lasted = began.elapsed();
    drop(told);
    let mut all = Outcome { lasted, ..Outcome::default() };
    while let Some(sent) = outcomes.recv().await {
        all.count(sent);
    }
    all.latencies.sort_unstable();
    all
}

fn template(seed: u64, secret: &str) -> Template {
    let (event, value) = payload::sample(seed);
    let body = payload::to_github_json(&value);
    Template { event, signature: sign_webhook(secret, body.as_bytes()), body: body.into() }
}

/// The status of the answer, or at which step it went wrong.
async fn post(address: SocketAddr, template: &Template, guid: &str, lag: Duration) -> Result<u16, String> {
    let socket = TcpStream::connect(address).await.map_err(|error| format!("connect: {error}"))?;
    tokio::time::sleep(lag).await;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .map_err(|error| format!("handshake: {error}"))?;
    let connection = tokio::spawn(connection);
    let request = http::Request::post("/webhooks/github")
        .header("host", address.to_string())
        .header("connection", "close")
        .header("content-type", "application/json")
        .header("user-agent", "GitHub-Hookshot/0a1b2c3")
        .header("x-github-event", template.event)
        .header("x-github-delivery", guid)
        .header("x-hub-signature-256", &template.signature)
        .body(Full::new(template.body.clone()))
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| format!("request: {}", chain(&error)))?;
    let status = answer.status().as_u16();
    answer.into_body().collect().await.map_err(|error| format!("answer: {}", chain(&error)))?;
    // It ends by itself once the answer is there; its error would have been seen above.
    let _ = connection.await;
    Ok(status)
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

impl Outcome {
    fn count(&mut self, sent: Sent) {
        self.longest = self.longest.max(sent.took);
        self.latencies.push(sent.took);
        match sent.answer {
            Ok(202) => {
                self.acknowledged.insert(sent.guid);
            }
            Ok(code) => self.refused.entry(format!("status {code}")).or_default().push(sent.guid),
            Err(why) => self.refused.entry(why).or_default().push(sent.guid),
        }
    }

    pub fn all(&self) -> usize {
        self.latencies.len()
    }

    /// Of those that were acknowledged, how many `stored` has not.
    pub fn lost(&self, stored: &BTreeSet<String>) -> Vec<String> {
        self.acknowledged.difference(stored).cloned().collect()
    }

    fn at(&self, percent: usize) -> Duration {
        let place = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(place).copied().unwrap_or_default()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        let refused: usize = self.refused.values().map(Vec::len).sum();
        write!(
            out,
            "{} deliveries in {:.1} s ({:.0}/s), {} acknowledged, {refused} refused; answers p50 {:.1} ms, p99 {:.0} ms, \
             longest {:.0} ms",
            self.all(),
            self.lasted.as_secs_f64(),
            self.all() as f64 / self.lasted.as_secs_f64().max(1e-9),
            self.acknowledged.len(),
            ms(self.at(50)),
            ms(self.at(99)),
            ms(self.longest),
        )?;
        for (why, guids) in &self.refused {
            write!(out, "\n    {} × {why}", guids.len())?;
        }
        Ok(())
    }
}
