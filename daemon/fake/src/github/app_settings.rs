//! What the owner of the App sets on its pages, and GitHub's clock.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use super::GitHub;
use super::world::World;

/// The settings that a test has changed; what is `None` follows from how the fake began.
#[derive(Debug, Default)]
pub(crate) struct AppSettings {
    hook_url: Option<String>,
    form: bool,
    insecure_ssl: bool,
    /// Permission to level, as the App asks for it.
    pub(crate) permissions: Option<Value>,
    /// How far GitHub's clock is ahead.
    ahead: Duration,
}

impl World {
    /// The time by GitHub's clock.
    pub(crate) fn clock(&self) -> DateTime<Utc> {
        Utc::now() + self.settings.ahead
    }

    /// `GET /app/hook/config`.
    pub(crate) fn shown_hook(&self) -> Value {
        let settings = &self.settings;
        let url = self.deliveries.webhook.as_ref().map(|webhook| webhook.url.clone());
        json!({
            "content_type": if settings.form { "form" } else { "json" },
            "insecure_ssl": if settings.insecure_ssl { "1" } else { "0" },
            "secret": "********",
            "url": settings.hook_url.clone().or(url),
        })
    }
}

impl GitHub {
    /// What the App's page shows as the webhook's URL, though deliveries go where they went. `None`: where they go.
    pub fn show_webhook_url(&self, url: Option<&str>) {
        self.inner.world().settings.hook_url = url.map(str::to_owned);
    }

    /// Whether the App's page says that deliveries are forms; these are JSON all the same.
    pub fn show_webhook_as_form(&self, form: bool) {
        self.inner.world().settings.form = form;
    }

    /// Whether the App's page says that GitHub looks at no certificate.
    pub fn show_webhook_as_insecure(&self, insecure: bool) {
        self.inner.world().settings.insecure_ssl = insecure;
    }

    /// The App asks for these permissions from now on; its installations have what they have.
    pub fn ask_for_permissions(&self, permissions: &Value) {
        self.inner.world().settings.permissions = Some(permissions.clone());
    }

    /// The App is told of these events only, from now on.
    pub fn subscribe(&self, events: &[&str]) {
        self.inner.world().app.events = events.iter().map(|&event| event.to_owned()).collect();
    }

    /// Seconds that GitHub's clock is ahead of everybody else's, or behind.
    pub fn set_clock_ahead(&self, seconds: i64) {
        self.inner.world().settings.ahead = Duration::seconds(seconds);
    }

    /// Drops what the log of deliveries holds.
    pub fn forget_deliveries(&self) {
        self.inner.update(|world| world.deliveries.log.clear());
    }
}
