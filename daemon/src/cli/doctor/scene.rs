//! What the checks look at, and what they have learnt so far.

use std::sync::OnceLock;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Asked;
use crate::app::client;
use crate::config::Config;
use crate::core::installation::Installation;
use crate::github::GitHubError;
use crate::github::app::ShownApp;
use crate::github::client::GitHub;
use crate::github::limits::Budgets;
use crate::github::oauth;

/// The config, and what one check learns for the next.
pub(super) struct Scene {
    pub(super) asked: Asked,
    pub(super) config: Config,
    github: Result<GitHub, GitHubError>,
    /// How far this machine's clock is ahead of GitHub's, by `github`.
    pub(super) ahead: OnceLock<TimeDelta>,
    /// The revision that the daemon runs, by `daemon`.
    pub(super) running: OnceLock<String>,
    /// When the daemon was started, by `daemon`.
    pub(super) started: OnceLock<DateTime<Utc>>,
    /// By `app`.
    pub(super) app: OnceLock<ShownApp>,
    /// Those that may act, by `installations`.
    pub(super) installations: OnceLock<Vec<Installation>>,
}

/// Longest time of one request to GitHub, whatever the config has.
const GITHUB_ANSWERS_WITHIN: Duration = Duration::from_secs(10);

impl Scene {
    /// Sends nothing yet. Must be called within a tokio runtime.
    pub(super) fn new(config: Config, asked: &Asked) -> Self {
        // What is asked here is not written down among what the daemon asks.
        let budgets = Budgets::in_memory(Utc::now);
        let mut settings = client::settings(&config, budgets, crate::github::heard::Heard::nothing());
        settings.timeout = settings.timeout.min(GITHUB_ANSWERS_WITHIN);
        Self {
            asked: asked.clone(),
            github: GitHub::new(settings),
            config,
            ahead: OnceLock::new(),
            running: OnceLock::new(),
            started: OnceLock::new(),
            app: OnceLock::new(),
            installations: OnceLock::new(),
        }
    }

    /// # Errors
    /// When the client cannot be made.
    pub(super) fn github(&self) -> Result<&GitHub, GitHubError> {
        self.github.as_ref().map_err(Clone::clone)
    }

    /// Where people meet GitHub.
    pub(super) fn web(&self) -> String {
        let web = self.config.login.web_url.clone();
        web.unwrap_or_else(|| oauth::web_url(&self.config.github.api_url))
    }

    /// The page of the App's settings, as far as it is known which App it is.
    pub(super) fn settings_page(&self) -> String {
        let web = self.web();
        self.app.get().map_or_else(|| format!("{web}/settings/apps"), |app| app.settings_page(&web))
    }

    pub(super) fn installations(&self) -> &[Installation] {
        self.installations.get().map_or(&[], Vec::as_slice)
    }

    pub(super) fn has_app(&self) -> bool {
        let github = &self.config.github;
        github.private_key.is_some() && (github.client_id.is_some() || github.app_id.is_some())
    }
}
