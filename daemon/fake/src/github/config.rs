//! How a fake GitHub starts.

use std::time::Duration;

use crate::key::AppKey;

/// `Config::default()` is what tests want: own port, App 12345 `orchd`, one key for the whole process.
#[derive(Clone, Debug)]
pub struct Config {
    /// Decides every id, GUID and token.
    pub seed: u64,
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    pub app_id: i64,
    pub client_id: String,
    /// The App acts as `<slug>[bot]`.
    pub slug: String,
    pub key: AppKey,
    pub token_lifetime: Duration,
    /// Events the App subscribes to; empty: all.
    pub events: Vec<String>,
    /// Where deliveries go; without it they wait for `take_deliveries`.
    pub webhook: Option<Webhook>,
}

#[derive(Clone, Debug)]
pub struct Webhook {
    pub url: String,
    pub secret: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1,
            port: 0,
            app_id: 12_345,
            client_id: "Iv1.0123456789abcdef".to_owned(),
            slug: "orchd".to_owned(),
            key: AppKey::shared(),
            token_lifetime: Duration::from_secs(3_600),
            events: Vec::new(),
            webhook: None,
        }
    }
}
