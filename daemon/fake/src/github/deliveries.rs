//! Webhook deliveries: what waits to be sent, how it is sent, and the log that `GET /app/hook/deliveries` shows.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::Utc;
use serde_json::Value;

use super::config::Webhook;
use super::world::World;
use crate::key::sign_webhook;
use crate::model::Time;
use crate::payload::to_github_json;

/// GitHub waits this long for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the log keeps an attempt.
pub(crate) const KEPT: chrono::Duration = chrono::Duration::days(3);

/// What every App hears, and none can subscribe to.
const UNASKED: [&str; 4] = ["github_app_authorization", "installation", "installation_repositories", "ping"];

/// One HTTP request that GitHub would send.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Of this attempt; a redelivery has another one.
    pub id: i64,
    /// `X-GitHub-Delivery`: a redelivery has the same one.
    pub guid: String,
    pub event: String,
    pub action: Option<String>,
    pub installation: Option<i64>,
    pub repository: Option<i64>,
    pub redelivery: bool,
    pub body: Bytes,
    /// Signed with the secret of the time it was made.
    pub headers: Vec<(String, String)>,
}

impl Delivery {
    /// The payload.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// An attempt as the log keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) delivery: Delivery,
    pub(crate) at: Time,
    /// Seconds.
    pub(crate) duration: f64,
    pub(crate) status: String,
    /// 0 when nothing answered.
    pub(crate) code: u16,
    pub(crate) answer: String,
}

#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    pub(crate) webhook: Option<Webhook>,
    /// Held deliveries wait for `take_deliveries` though a webhook is known.
    pub(crate) held: bool,
    pub(crate) queue: VecDeque<Delivery>,
    /// Oldest first.
    pub(crate) log: Vec<Attempt>,
    pub(crate) last_id: i64,
    pub(crate) sending: bool,
    /// GUIDs whose payload GitHub no longer has.
    pub(crate) without_payload: BTreeSet<String>,
    /// Each page of the list begins with the last entry of the one before.
    pub(crate) doubled: bool,
}

impl Deliveries {
    /// Nothing waits and nothing is under way.
    pub(crate) fn idle(&self) -> bool {
        self.queue.is_empty() && !self.sending
    }

    /// What the log still keeps, newest first.
    pub(crate) fn kept(&self) -> Vec<&Attempt> {
        let oldest = Utc::now() - KEPT;
        let mut kept: Vec<&Attempt> = self.log.iter().filter(|each| each.at >= oldest).collect();
        kept.sort_by_key(|each| std::cmp::Reverse(each.delivery.id));
        kept
    }

    pub(crate) fn attempt(&self, id: i64) -> Option<&Attempt> {
        self.log.iter().find(|each| each.delivery.id == id).filter(|each| each.at >= Utc::now() - KEPT)
    }

    pub(crate) fn next_to_send(&mut self) -> Option<(Webhook, Delivery)> {
        if self.held {
            return None;
        }
        let webhook = self.webhook.clone()?;
        let delivery = self.queue.pop_front()?;
        self.sending = true;
        Some((webhook, delivery))
    }

    /// Puts an attempt into the log, in place of an earlier word about the same attempt.
    pub(crate) fn record(&mut self, attempt: Attempt) {
        self.sending = false;
        match self.log.iter_mut().rev().find(|each| each.delivery.id == attempt.delivery.id) {
            Some(earlier) => *earlier = attempt,
            None => self.log.push(attempt),
        }
    }

    fn next_id(&mut self) -> i64 {
        self.last_id += 17;
        self.last_id + 40_000_000_000
    }
}

impl World {
    /// Queues a delivery when the App subscribes to the event.
    pub(crate) fn deliver(&mut self, event: &str, payload: &Value) {
        let subscribes = self.app.events.is_empty() || self.app.events.iter().any(|each| each == event);
        if !subscribes && !UNASKED.contains(&event) {
            return;
        }
        let guid = self.seed.guid();
        let id = self.deliveries.next_id();
        let delivery = Delivery {
            id,
            headers: self.headers(event, &guid, &[]),
            guid,
            event: event.to_owned(),
            action: payload["action"].as_str().map(str::to_owned),
            installation: payload.pointer("/installation/id").and_then(Value::as_i64),
            repository: payload.pointer("/repository/id").and_then(Value::as_i64),
            redelivery: false,
            body: Bytes::from(to_github_json(payload)),
        };
        self.queue(delivery);
    }

    /// Queues an attempt of the log once more: same GUID, new id. `None`: the log has no such attempt.
    pub(crate) fn redeliver(&mut self, id: i64) -> Option<()> {
        let mut delivery = self.deliveries.attempt(id)?.delivery.clone();
        delivery.id = self.deliveries.next_id();
        delivery.redelivery = true;
        self.queue(delivery);
        Some(())
    }

    fn queue(&mut self, mut delivery: Delivery) {
        delivery.headers = self.headers(&delivery.event, &delivery.guid, &delivery.body);
        self.deliveries.queue.push_back(delivery);
    }

    fn headers(&self, event: &str, guid: &str, body: &[u8]) -> Vec<(String, String)> {
        let secret = self.deliveries.webhook.as_ref().map_or(self.secret.as_str(), |webhook| webhook.secret.as_str());
        let signature = sign_webhook(secret, body);
        let hook_id = self.app.hook_id.to_string();
        let app_id = self.app.id.to_string();
        [
            ("Accept", "*/*"),
            ("Content-Type", "application/json"),
            ("User-Agent", "GitHub-Hookshot/0a1b2c3"),
            ("X-GitHub-Delivery", guid),
            ("X-GitHub-Event", event),
            ("X-GitHub-Hook-ID", &hook_id),
            ("X-GitHub-Hook-Installation-Target-ID", &app_id),
            ("X-GitHub-Hook-Installation-Target-Type", "integration"),
            ("X-Hub-Signature-256", &signature),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }
}

/// Posts one delivery and says how it went. Never fails: what goes wrong is what the log shows.
pub(crate) async fn post(client: &reqwest::Client, url: &str, delivery: &Delivery) -> Attempt {
    let started = Instant::now();
    let mut request = client.post(url).timeout(PATIENCE).body(delivery.body.clone());
    for (name, value) in &delivery.headers {
        request = request.header(name, value);
    }
    let (code, status, answer) = match request.send().await {
        Ok(answer) => {
            let status = answer.status();
            let words = if status.is_success() { "OK".to_owned() } else { status.to_string() };
            (status.as_u16(), words, answer.text().await.unwrap_or_default())
        }
        Err(error) if error.is_timeout() => (0, "timed out".to_owned(), String::new()),
        Err(_) => (0, "failed to connect to host".to_owned(), String::new()),
    };
    let duration = started.elapsed().as_secs_f64();
    Attempt { delivery: delivery.clone(), at: Utc::now(), duration, status, code, answer }
}
