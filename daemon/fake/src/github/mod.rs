//! A stateful GitHub on 127.0.0.1.
//!
//! Owns the state, the REST routes that orchd uses, people, faults, the journal and webhook deliveries. Refuses to know
//! who asks. Invariant: whatever changes, by a person or through the API, changes through `World::change`, so that it is
//! in the effects, in the timeline and in a delivery.

mod app_settings;
mod branches;
mod call;
mod change;
pub mod config;
mod contents;
pub mod deliveries;
pub mod faults;
mod graphql;
mod installing;
pub mod journal;
pub mod limits;
mod merging;
pub mod people;
mod registering;
mod reviewing;
mod routes;
mod run_tokens;
mod seeing;
mod server;
mod setup;
mod signing_in;
pub mod views;
mod workflows;
mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub use contents::MadeCheck;
pub use signing_in::CLIENT_SECRET;
pub use workflows::SetStatus;

use config::Config;
use deliveries::Delivery;
use faults::Fault;
use journal::{Effect, Request};
use views::ItemView;
use world::World;

use crate::key::AppKey;

/// How long [`GitHub::until`] waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running fake GitHub. Cheap to clone; it stops when the last clone goes.
#[derive(Clone)]
pub struct GitHub {
    inner: Arc<Inner>,
    address: SocketAddr,
    _tasks: Arc<Tasks>,
}

pub(crate) struct Inner {
    world: Mutex<World>,
    /// Woken at every request, change and delivery.
    news: watch::Sender<u64>,
    to_send: Notify,
    open: watch::Sender<bool>,
    /// Whether connections are taken.
    pub(crate) up: watch::Sender<bool>,
    client: reqwest::Client,
}

struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl Inner {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes whoever waits for that.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.world());
        self.news.send_modify(|count| *count += 1);
        self.to_send.notify_one();
        result
    }
}

impl GitHub {
    /// Starts with [`Config::default`], on a free port.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> std::io::Result<Self> {
        Self::start_with(Config::default()).await
    }

    /// # Errors
    /// When the port cannot be bound.
    pub async fn start_with(config: Config) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", config.port)).await?;
        let address = listener.local_addr()?;
        let inner = Arc::new(Inner {
            world: Mutex::new(World::new(config)),
            news: watch::Sender::new(0),
            to_send: Notify::new(),
            open: watch::Sender::new(true),
            up: watch::Sender::new(true),
            client: reqwest::Client::new(),
        });
        let tasks = vec![
            tokio::spawn(server::serve(listener, Arc::clone(&inner))),
            tokio::spawn(server::send_deliveries(Arc::clone(&inner))),
        ];
        Ok(Self { inner, address, _tasks: Arc::new(Tasks(tasks)) })
    }

    /// `http://127.0.0.1:PORT`, for orchd's `github.api_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The App's key pair.
    pub fn app_key(&self) -> AppKey {
        self.inner.world().app.key.clone()
    }

    pub fn app_id(&self) -> i64 {
        self.inner.world().app.id
    }

    /// An issue or pull request as it is now.
    ///
    /// # Panics
    /// When there is none.
    pub fn issue(&self, repository: &str, number: u64) -> ItemView {
        let world = self.inner.world();
        let found = world.repository(repository).and_then(|repo| repo.items.get(&number));
        let Some(item) = found else { panic!("the fake GitHub has no {repository}#{number}") };
        let branch = world.repository(repository).and_then(|repo| repo.head_commit(item));
        ItemView::new(item.clone(), branch)
    }

    /// Every request so far, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.inner.world().journal.clone()
    }

    /// The requests that asked for a change.
    pub fn writes(&self) -> Vec<Request> {
        self.requests().into_iter().filter(Request::is_write).collect()
    }

    /// Every change so far, by people and by the App, oldest first.
    pub fn effects(&self) -> Vec<Effect> {
        self.inner.world().effects.clone()
    }

    /// The changes after the first `seen`.
    pub fn effects_since(&self, seen: usize) -> Vec<Effect> {
        self.inner.world().effects.iter().skip(seen).cloned().collect()
    }

    /// Changes at every request, change and delivery: for whoever watches.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.inner.news.subscribe()
    }

    pub fn effects_on(&self, repository: &str, number: u64) -> Vec<Effect> {
        let mut effects = self.effects();
        effects.retain(|each| each.repository.eq_ignore_ascii_case(repository) && each.number == number);
        effects
    }

    /// What the App did, also where nothing changed.
    pub fn app_effects(&self) -> Vec<Effect> {
        self.effects().into_iter().filter(|each| each.by_app).collect()
    }

    /// What the App did although it had done the same before and nobody had taken it back.
    pub fn duplicate_effects(&self) -> Vec<Effect> {
        journal::duplicates(&self.inner.world().effects)
    }

    /// Scripts what goes wrong. Faults are tried in the order they were added.
    pub fn fault(&self, fault: Fault) {
        self.inner.world().faults.push(fault);
    }

    /// Drops the faults that have not struck yet and the general latency.
    pub fn clear_faults(&self) {
        let mut world = self.inner.world();
        world.faults.clear();
        world.latency = Duration::ZERO;
    }

    /// Every answer takes at least this long.
    pub fn set_latency(&self, latency: Duration) {
        self.inner.world().latency = latency;
    }

    /// Requests are journalled but wait at a gate, unseen by the state, until [`GitHub::resume`].
    pub fn pause(&self) {
        self.inner.open.send_replace(false);
    }

    pub fn resume(&self) {
        self.inner.open.send_replace(true);
    }

    /// Connections are refused and those that are open are cut, until [`GitHub::come_back`]. People go on working.
    pub fn go_down(&self) {
        self.inner.up.send_replace(false);
    }

    pub fn come_back(&self) {
        self.inner.up.send_replace(true);
    }

    /// The installation that covers a repository.
    ///
    /// # Panics
    /// When none does.
    pub fn installation_of(&self, repository: &str) -> i64 {
        let found = self.inner.world().installation_of(repository);
        found.unwrap_or_else(|| panic!("the App is not installed on {repository}"))
    }

    /// From now on an installation is held to these rules, and refused as GitHub refuses.
    pub fn enforce_limits(&self, installation: i64, rules: limits::Rules) {
        if let Some(found) = self.inner.world().installations.get_mut(&installation) {
            found.meter = Some(limits::Meter::new(rules));
        }
    }

    /// How the rules were kept so far, if there are any.
    pub fn meter(&self, installation: i64) -> Option<limits::Meter> {
        self.inner.world().installations.get(&installation)?.meter.clone()
    }

    /// Where deliveries go from now on, and their secret.
    pub fn set_webhook(&self, url: &str, secret: &str) {
        let webhook = config::Webhook { url: url.to_owned(), secret: secret.to_owned() };
        self.inner.update(|world| {
            world.secret.clone_from(&webhook.secret);
            world.deliveries.webhook = Some(webhook);
        });
    }

    /// Deliveries wait for [`GitHub::take_deliveries`], though a webhook is known.
    pub fn hold_deliveries(&self) {
        self.inner.world().deliveries.held = true;
    }

    /// Waiting and new deliveries are sent again.
    pub fn release_deliveries(&self) {
        self.inner.update(|world| world.deliveries.held = false);
    }

    /// Takes the unsent deliveries, for a test to send, lose, reorder or repeat. The log shows each as an attempt that
    /// nothing answered, until [`GitHub::send`] or [`GitHub::delivered`] says otherwise.
    pub fn take_deliveries(&self) -> Vec<Delivery> {
        self.inner.update(|world| {
            let taken: Vec<Delivery> = world.deliveries.queue.drain(..).collect();
            for delivery in &taken {
                world.deliveries.record(lost(delivery));
            }
            taken
        })
    }

    /// Posts a taken delivery to the webhook and logs how it went; gives the status, 0 when nothing answered.
    ///
    /// # Panics
    /// When no webhook is configured.
    pub async fn send(&self, delivery: &Delivery) -> u16 {
        let webhook = self.inner.world().deliveries.webhook.clone();
        let Some(webhook) = webhook else { panic!("set_webhook was not called") };
        let attempt = deliveries::post(&self.inner.client, &webhook.url, delivery).await;
        let code = attempt.code;
        self.inner.update(|world| world.deliveries.record(attempt));
        code
    }

    /// Writes into the log what a taken delivery was answered.
    pub fn delivered(&self, delivery: &Delivery, code: u16) {
        let status = if (200..300).contains(&code) { "OK" } else { "Invalid HTTP Response" };
        let attempt = deliveries::Attempt { code, status: status.to_owned(), ..lost(delivery) };
        self.inner.update(|world| world.deliveries.record(attempt));
    }

    /// What is done from now on was done this long ago, as far as items tell it.
    pub fn set_back(&self, by: Duration) {
        self.inner.world().behind = chrono::Duration::from_std(by).unwrap_or_default();
    }

    /// Makes every attempt in the log older by this much. The log keeps attempts for three days.
    pub fn age_deliveries(&self, by: Duration) {
        let by = chrono::Duration::from_std(by).unwrap_or_default();
        self.inner.update(|world| world.deliveries.log.iter_mut().for_each(|each| each.at -= by));
    }

    /// The log forgets the payload of this GUID; it can still be delivered once more.
    pub fn forget_payload(&self, guid: &str) {
        self.inner.world().deliveries.without_payload.insert(guid.to_owned());
    }

    /// Whether each page of the list of deliveries repeats an entry of the one before.
    pub fn double_listed(&self, doubled: bool) {
        self.inner.world().deliveries.doubled = doubled;
    }

    /// What the log of deliveries holds, oldest first: each attempt and the status it was answered (0: none).
    pub fn delivery_log(&self) -> Vec<(Delivery, u16)> {
        let world = self.inner.world();
        world.deliveries.log.iter().map(|each| (each.delivery.clone(), each.code)).collect()
    }

    /// Attempts after the first `seen` that were not answered with 2xx: how many attempts there are now, and those.
    pub fn failed_deliveries_since(&self, seen: usize) -> (usize, Vec<(Delivery, String)>) {
        let world = self.inner.world();
        let failed = world.deliveries.log.iter().skip(seen).filter(|each| !(200..300).contains(&each.code));
        (world.deliveries.log.len(), failed.map(|each| (each.delivery.clone(), each.status.clone())).collect())
    }

    /// Waits until `condition` holds, looking again at every change.
    ///
    /// # Panics
    /// After 20 seconds, showing `what` and what the fake saw last.
    pub async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let mut news = self.inner.news.subscribe();
        let wait = async {
            while !condition(self) {
                let _ = news.changed().await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            let requests = self.requests();
            let last: Vec<String> = requests
                .iter()
                .rev()
                .take(12)
                .map(|each| format!("  {} {} {} → {:?}", each.seq, each.method, each.path, each.answered))
                .collect();
            panic!("waited in vain until {what}; the last requests, newest first:\n{}", last.join("\n"));
        }
    }

    /// Waits until every delivery has been sent and answered.
    pub async fn until_delivered(&self) {
        self.until("all deliveries are sent", |github| github.inner.world().deliveries.idle()).await;
    }

    /// Waits until no request has come and nothing has changed for `quiet`.
    pub async fn until_quiet(&self, quiet: Duration) {
        let mut news = self.inner.news.subscribe();
        loop {
            let idle = self.inner.world().deliveries.idle();
            match tokio::time::timeout(quiet, news.changed()).await {
                Err(_) if idle => return,
                _ => {}
            }
        }
    }
}

fn lost(delivery: &Delivery) -> deliveries::Attempt {
    deliveries::Attempt {
        delivery: delivery.clone(),
        at: chrono::Utc::now(),
        duration: 10.0,
        status: "timed out".to_owned(),
        code: 0,
        answer: String::new(),
    }
}

#[cfg(test)]
mod tests;
