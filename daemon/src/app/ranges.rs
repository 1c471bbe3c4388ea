//! GitHub's webhook address ranges: asked for at start, kept current.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::config::{Allow, Config};
use crate::engine::Engine;
use crate::github::{GitHubError, meta};
use crate::http::allowlist::Allowlist;

/// How often GitHub's webhook address ranges are read anew; they change a few times a year.
const RANGES_EVERY: Duration = Duration::from_secs(3_600);

/// How soon they are asked for again when GitHub did not answer.
const RANGES_RETRY: Duration = Duration::from_secs(30);

/// How long the start waits for GitHub's ranges. Without them deliveries are told to come back later.
const RANGES_AT_START: Duration = Duration::from_secs(3);

/// GitHub's webhook address ranges, for an allow list that names GitHub.
#[derive(Clone)]
pub(super) struct Ranges {
    pub(super) allowlist: Arc<Allowlist>,
    /// Rung when the config has come to want them.
    pub(super) wanted: Arc<Notify>,
}

pub(super) fn wants_ranges(config: &Config) -> bool {
    config.server.webhook_allow.contains(&Allow::GitHub)
}

impl Ranges {
    /// Asks once before the first delivery is taken. Returns whether they are known now.
    pub(super) async fn at_start(&self, engine: &Engine) -> bool {
        wants_ranges(&engine.config.current())
            && tokio::time::timeout(RANGES_AT_START, self.fetch(engine)).await.unwrap_or(false)
    }

    async fn fetch(&self, engine: &Engine) -> bool {
        let github = engine.github.load_full();
        let ranges = match meta::hook_ranges(&github.anonymous()).await {
            // An Enterprise Server may want to know who asks, and anybody behind our address uses up the hour's share.
            Err(GitHubError::Refused { .. } | GitHubError::NotFound(_) | GitHubError::Limited { .. }) => {
                meta::hook_ranges(&github.reader(None)).await
            }
            told => told,
        };
        match ranges {
            Ok(ranges) => {
                self.allowlist.set_github(ranges);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "GitHub's webhook address ranges could not be read");
                false
            }
        }
    }

    /// Keeps them current while the config wants them.
    pub(super) async fn keep(self, engine: Engine, mut known: bool) {
        loop {
            let pause = if known { RANGES_EVERY } else { RANGES_RETRY };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.wanted.notified() => {}
            }
            known = wants_ranges(&engine.config.current()) && self.fetch(&engine).await;
        }
    }
}
