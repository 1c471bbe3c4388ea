//! What the config and the store mean for the GitHub client.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;

use crate::config::Config;
use crate::github::client::Settings;
use crate::github::heard::Heard;
use crate::github::limits::{BreakerTerms, Budgets, Change, Ledger, LedgerError, Reply, Terms};
use crate::store::Db;

/// Budgets in the database: they outlive a restart, and all daemons on it share them.
struct InStore(Db);

impl Ledger for InStore {
    fn step<'a>(
        &'a self,
        name: &'a str,
        change: Change,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, LedgerError>> + Send + 'a>> {
        let change = |kept, now| change(kept, now).map_err(|error| error.0);
        Box::pin(async move { self.0.step_budget(name, change).await.map_err(|error| LedgerError(error.to_string())) })
    }
}

/// What every client shares that is made while the daemon runs: a reload forgets nothing of it.
#[derive(Clone)]
pub struct Shared {
    pub budgets: Budgets,
    pub heard: Heard,
}

impl Shared {
    pub fn new(config: &Config, db: &Db) -> Self {
        // Where other daemons may take deliveries too, nobody hears of every change.
        let alone = config.database.url.expose_secret().starts_with("sqlite:");
        Self { budgets: budgets(db), heard: if alone { Heard::new() } else { Heard::nothing() } }
    }

    pub fn settings(&self, config: &Config) -> Settings {
        settings(config, self.budgets.clone(), self.heard.clone())
    }
}

/// How a config says that GitHub is reached.
pub fn settings(config: &Config, budgets: Budgets, heard: Heard) -> Settings {
    let github = &config.github;
    Settings {
        api_url: github.api_url.clone(),
        issuer: github.client_id.clone().or_else(|| github.app_id.map(|id| id.to_string())),
        private_key: github.private_key.clone(),
        timeout: github.timeout,
        terms: Terms {
            points_a_minute: github.limits.points_a_minute,
            content_a_minute: github.limits.content_a_minute,
            content_an_hour: github.limits.content_an_hour,
            write_spacing: github.limits.write_spacing,
            at_once: github.limits.at_once,
            // Connecting and sending, then reading, and some for the way.
            answer_within: github.timeout * 2 + Duration::from_secs(5),
        },
        breaker: BreakerTerms {
            failures: github.breaker.failures,
            open: github.breaker.open,
            open_cap: github.breaker.open_cap,
        },
        budgets,
        cache: github.cache,
        heard,
    }
}

pub fn budgets(db: &Db) -> Budgets {
    Budgets::kept(Arc::new(InStore(db.clone())))
}
