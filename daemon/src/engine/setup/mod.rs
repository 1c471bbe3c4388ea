//! The first run: from nothing to a GitHub App whose secrets are stored, whose webhook arrives and which a config names.
//!
//! Owns the order of the steps, what is kept between them, and the list that says how far it is. What is stored is looked
//! at first, so that a run goes on where an earlier one stopped. Refuses to know pages and the terminal: they show the list.
//!
//! Invariants: nothing that exists is overwritten unless that was asked for, and then it is set aside; GitHub is not asked
//! for the App's secrets before there is a place to keep them, since it tells them once (11).

mod files;
mod follow;
mod list;
mod starter;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Uri;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Notify;

use super::login::same;
use super::login::token::Token;
use crate::actions;
use crate::config::{self, Config};
use crate::core::manifest::{Needed, manifest};
use crate::github::registration::{self, RegistrationError};
use crate::github::webhook::{self, Signature};

pub use files::{AppRecord, FileError, NAMES, Stored};
pub use list::{Line, Standing};
pub use starter::rules as starter_rules;

/// For GitHub to answer the one request outside the client.
const WITHIN: Duration = Duration::from_secs(20);

/// Pages with the button that may be open at once; of more, the oldest no longer counts.
const MOST_DEPARTURES: usize = 8;

/// What is to be set up.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Without a slash at its end.
    pub public_url: String,
    /// GitHub's pages, without a slash at its end.
    pub web_url: String,
    pub api_url: Uri,
    /// Whose App it becomes; `None`: that of whoever presses the button.
    pub organization: Option<String>,
    /// The App's, until the person writes another.
    pub name: String,
    pub needed: Needed,
    /// For the starter config.
    pub listen: SocketAddr,
    /// Globs over `owner/name`, for the rules of the starter config.
    pub repositories: Vec<String>,
    pub places: Places,
    /// How long it is waited for deliveries and an installation, once there is an App.
    pub patience: Duration,
}

/// Where files go.
#[derive(Clone, Debug)]
pub struct Places {
    pub config: PathBuf,
    /// A directory that only its owner may look into.
    pub credentials: PathBuf,
    /// Whether what is there is set aside.
    pub replace: bool,
}

/// The unit that a package brings, and the config that it runs with.
const UNIT: &str = "/lib/systemd/system/orchd.service";
const UNITS_CONFIG: &str = "/etc/orchd/orchd.yaml";

impl Plan {
    /// How the daemon is started with this config.
    pub fn start_command(&self) -> String {
        match self.places.config == Path::new(UNITS_CONFIG) && Path::new(UNIT).exists() {
            true => "systemctl enable --now orchd.socket orchd.service".to_owned(),
            false => format!("orchd serve --config {}", self.places.config.display()),
        }
    }

    /// Where the button leads, but for the state.
    pub fn registration_url(&self) -> String {
        match &self.organization {
            Some(organization) => format!("{}/organizations/{organization}/settings/apps/new", self.web_url),
            None => format!("{}/settings/apps/new", self.web_url),
        }
    }

    /// What the button sends.
    pub fn manifest(&self) -> String {
        manifest(&self.needed, &self.name, &self.public_url).to_string()
    }

    pub fn webhook_url(&self) -> String {
        format!("{}/webhooks/github", self.public_url)
    }
}

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Nobody left with it, or somebody has come back with it.
    #[error("this is not the answer to a button that was pressed here, or it was used before")]
    UnknownState,
    #[error("there is an App already")]
    AppExists,
    #[error(transparent)]
    Files(#[from] FileError),
    #[error(transparent)]
    Registration(#[from] RegistrationError),
}

/// What a delivery was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// There is no secret yet to verify it with.
    NotYet,
    /// Not signed with the App's secret.
    Wrong,
    /// GitHub's own test, of which nothing has to be kept.
    Ping,
    /// An event: nobody keeps it now, and it is recovered from GitHub once the daemon runs.
    Event,
}

/// A first run. Shared by the pages, the webhook and the terminal.
#[derive(Debug)]
pub struct Setup {
    plan: Plan,
    state: Mutex<State>,
    /// One conversion at a time.
    turn: tokio::sync::Mutex<()>,
    /// Rung when there is something new to look at.
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    departures: VecDeque<Token>,
    app: Option<Arc<Stored>>,
    /// Whether this run found the App, and did not make it.
    found: bool,
    config: Option<Result<Arc<Config>, String>>,
    /// Name of the last event whose signature fitted.
    delivered: Option<String>,
    /// What the App lacks; `None`: it is not known yet.
    lacks: Option<Vec<String>>,
    installed: Option<Installed>,
    /// Why GitHub did not answer the last question.
    trouble: Option<String>,
    until: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Installed {
    accounts: Vec<String>,
    repositories: usize,
    /// Whether there may be more than were counted.
    more: bool,
}

impl Setup {
    /// Looks at what is stored.
    ///
    /// # Errors
    /// When half of an App is, or what is there cannot be read.
    pub fn open(plan: Plan) -> Result<Self, FileError> {
        let app = if plan.places.replace { None } else { files::find(&plan.places)? };
        let state = State { found: app.is_some(), app: app.map(Arc::new), ..State::default() };
        let setup = Self { plan, state: Mutex::new(state), turn: tokio::sync::Mutex::default(), news: Notify::new() };
        if let Some(app) = setup.app() {
            setup.settle_config(&app);
        }
        Ok(setup)
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The App, once there is one.
    pub fn app(&self) -> Option<Arc<Stored>> {
        self.state().app.clone()
    }

    /// Whether the App was there before this run.
    pub fn goes_on(&self) -> bool {
        self.state().found
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody is shown the button: what GitHub sends them back with.
    pub fn depart(&self) -> Token {
        let token = Token::random();
        let mut state = self.state();
        if state.departures.len() == MOST_DEPARTURES {
            state.departures.pop_front();
        }
        state.departures.push_back(token.clone());
        token
    }

    /// Somebody is back from GitHub: takes over the App, stores its secrets, and writes the config unless there is one.
    ///
    /// # Errors
    /// [`SetupError`]. The state is used up in any case.
    pub async fn arrive(&self, state: &str, code: &str) -> Result<(), SetupError> {
        self.use_up(state)?;
        let _turn = self.turn.lock().await;
        if self.app().is_some() {
            return Err(SetupError::AppExists);
        }
        files::make_ready(&self.plan.places)?;
        let made = registration::convert(&self.plan.api_url, code, WITHIN).await?;
        let app = Arc::new(files::store(&self.plan.places, made)?);
        tracing::info!(app = app.record.slug, "the App is made and its secrets are stored");
        self.state().app = Some(Arc::clone(&app));
        self.settle_config(&app);
        self.news.notify_one();
        Ok(())
    }

    fn use_up(&self, given: &str) -> Result<(), SetupError> {
        let mut state = self.state();
        let is = |token: &Token| same(token.secret().expose_secret().as_bytes(), given.as_bytes());
        let place = state.departures.iter().position(is).ok_or(SetupError::UnknownState)?;
        state.departures.remove(place);
        Ok(())
    }

    /// Writes the starter config where there is none, and sees whether what is there can be used with the App.
    fn settle_config(&self, app: &Stored) {
        let places = &self.plan.places;
        let text = starter::config(&self.plan, &app.record);
        let replace = places.replace && !self.goes_on();
        let result = if replace || !places.config.exists() {
            config::load_text(&places.config, &text, actions::kinds(), Utc::now())
                .map_err(|problems| problems.to_string())
                .and_then(|config| {
                    files::put_config(&places.config, &text, replace).map_err(|error| error.to_string())?;
                    Ok(config)
                })
        } else {
            self.check_config(app)
        };
        self.state().config = Some(result.map(Arc::new));
    }

    /// The config that was there before: nobody but its owner changes it.
    fn check_config(&self, app: &Stored) -> Result<Config, String> {
        let places = &self.plan.places;
        let section = starter::sections(&self.plan, &app.record);
        let add = |why: &str| format!("{why} Add to {}:\n{section}", places.config.display());
        let config = config::load(&places.config, actions::kinds(), Utc::now())
            .map_err(|problems| add(&format!("It does not validate yet ({}).", problems.to_string().trim())))?;
        let record = &app.record;
        let named = config.github.client_id.as_ref() == Some(&record.client_id)
            || config.github.client_id.is_none() && config.github.app_id == Some(record.id);
        let signed = config
            .github
            .webhook_secrets
            .iter()
            .any(|secret| same(secret.expose_secret().as_bytes(), app.webhook_secret.expose_secret().as_bytes()));
        match (named, signed) {
            (true, true) => Ok(config),
            (false, _) => Err(add("It does not name this App.")),
            (true, false) => Err(add("It does not have this App's webhook secret.")),
        }
    }

    /// A delivery has come. `event` is what its header names it.
    pub fn hear(&self, signature: Signature, event: &str, body: Bytes) -> Heard {
        let Some(app) = self.app() else { return Heard::NotYet };
        let secrets: [SecretString; 1] = [app.webhook_secret.clone()];
        if webhook::verify(&secrets, signature, body).is_err() {
            return Heard::Wrong;
        }
        self.state().delivered = Some(event.to_owned());
        self.news.notify_one();
        if event == "ping" { Heard::Ping } else { Heard::Event }
    }
}

#[cfg(test)]
mod tests;
