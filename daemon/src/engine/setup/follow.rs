//! Once there is an App: what GitHub says of it, until all is as it should be or the time is up.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};

use super::files::Stored;
use super::{Installed, Setup, WITHIN};
use crate::github::client::{GitHub, Reader, Settings};
use crate::github::deliveries::{ask_again, list};
use crate::github::heard::Heard;
use crate::github::limits::{BreakerTerms, Budgets, Terms};
use crate::github::{GitHubError, installations, registration};

/// How often GitHub is asked. A delivery that arrives is looked at as soon.
const LOOK: Duration = Duration::from_secs(3);

/// How long a delivery may take that was asked for, before it is asked for again.
const DELIVERS_WITHIN: Duration = Duration::from_secs(10);

impl Setup {
    /// Waits for the App, then asks GitHub until everything is as it should be, or the plan's patience ends.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub async fn follow(&self) -> Result<(), GitHubError> {
        let app = loop {
            match self.app() {
                Some(app) => break app,
                None => self.news.notified().await,
            }
        };
        let github = GitHub::new(self.settings(&app))?;
        let end = Instant::now() + self.plan.patience;
        self.state().until = Some(Utc::now() + TimeDelta::from_std(self.plan.patience).unwrap_or_default());
        let mut asked_at: Option<Instant> = None;
        loop {
            let looked = self.look(&github, &mut asked_at).await;
            self.state().trouble = looked.err().map(|error| error.to_string());
            if self.is_done() || Instant::now() >= end {
                return Ok(());
            }
            tokio::select! {
                () = self.news.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn look(&self, github: &GitHub, asked_at: &mut Option<Instant>) -> Result<(), GitHubError> {
        let reader = github.reader(None);
        let told = registration::app(&reader).await?;
        self.state().lacks = Some(self.plan.needed.missing(&told.permissions, &told.events));
        let heard = self.state().delivered.is_some();
        if !heard && asked_at.is_none_or(|at| at.elapsed() >= DELIVERS_WITHIN) {
            *asked_at = Some(Instant::now());
            ask_for_ping(&reader).await?;
        }
        let installed = count(github, &reader).await?;
        self.state().installed = installed;
        Ok(())
    }

    fn settings(&self, app: &Stored) -> Settings {
        Settings {
            api_url: self.plan.api_url.clone(),
            issuer: Some(app.record.client_id.clone()),
            private_key: Some(app.private_key.clone()),
            timeout: WITHIN,
            // Connecting and sending, then reading, and some for the way.
            terms: Terms { answer_within: WITHIN * 2 + Duration::from_secs(5), ..Terms::default() },
            breaker: BreakerTerms::default(),
            budgets: Budgets::in_memory(Utc::now),
            cache: 0,
            heard: Heard::nothing(),
        }
    }
}

/// GitHub sends one when it makes the App, before anybody has the secret to verify it. It is asked for that once more, or
/// for the newest of whatever it sent.
async fn ask_for_ping(app: &Reader) -> Result<(), GitHubError> {
    let attempts = list(app, None).await?.attempts;
    let ping = attempts.iter().find(|attempt| attempt.event == "ping").or(attempts.first());
    match ping {
        Some(attempt) => ask_again(app, attempt.id).await,
        None => Ok(()),
    }
}

/// `None`: it is installed nowhere.
async fn count(github: &GitHub, app: &Reader) -> Result<Option<Installed>, GitHubError> {
    let all = installations::all(app).await?;
    let mut counted = Installed { more: !all.complete, ..Installed::default() };
    for installation in all.items.iter().filter(|each| each.suspended_at.is_none()) {
        let listed = installations::repositories(&github.reader(Some(installation.id))).await?;
        counted.accounts.push(installation.account_login.clone());
        counted.repositories += listed.items.len();
        counted.more |= !listed.complete;
    }
    Ok((counted.repositories > 0).then_some(counted))
}
