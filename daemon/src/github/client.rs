//! The client: octocrab as transport, our tower layers around it, [`Reader`] and [`Writer`] on top.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::GitHubError;
use super::answer::Answer;
pub use super::auth::Bearer;
pub use super::gate::{WriteTerms, Writer};
use super::heard::Heard;
use super::limits::{BreakerTerms, Budgets, PartyState, Priority, Terms};
use super::transport::{Identity, Outgoing, Sender, Transport};
use crate::core::event::InstallationId;

/// Wait before a read is sent again for the first time.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// How to reach and sign in to GitHub.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `https://api.github.com`, or `https://HOST/api/v3` of an Enterprise Server; no slash at the end.
    pub api_url: http::Uri,
    /// `iss` of the App's JWT: the client id when there is one, else the App id.
    pub issuer: Option<String>,
    /// PEM of the App's private key.
    pub private_key: Option<SecretString>,
    /// For one request, connecting included.
    pub timeout: Duration,
    /// What GitHub allows beside the hour's quota.
    pub terms: Terms,
    pub breaker: BreakerTerms,
    /// Where it is kept what was used of it.
    pub budgets: Budgets,
    /// Bytes of memory for answers; 0: none are kept.
    pub cache: u64,
    /// What events have told, so that what is known need not be asked for.
    pub heard: Heard,
}

/// The App's view of GitHub. Cheap to clone; made anew when the settings change.
#[derive(Clone)]
pub struct GitHub {
    transport: Arc<Transport>,
}

/// Reads as one installation, as the App, or as a person. Cannot write.
#[derive(Clone)]
pub struct Reader {
    transport: Arc<Transport>,
    sender: Sender,
    /// A person's own.
    token: Option<SecretString>,
}

/// A list, as far as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// In GitHub's order.
    pub items: Vec<T>,
    /// Whether these are all there are; else the bound on pages cut the list off.
    pub complete: bool,
}

impl<T> Listed<T> {
    /// All items.
    ///
    /// # Errors
    /// `Refused`, status 0, when there may be more than were read. `what` names the items.
    pub fn whole(self, what: &str) -> Result<Vec<T>, GitHubError> {
        if self.complete {
            return Ok(self.items);
        }
        let message = format!("GitHub lists only the first {} {what}, and there may be more", self.items.len());
        Err(GitHubError::Refused { status: 0, message })
    }
}

impl GitHub {
    /// Sends nothing yet. Must be called within a tokio runtime, which then carries the connections.
    ///
    /// # Errors
    /// `Credentials` when the private key is not an RSA key in PEM form; `Unavailable` when an `https` API is to be
    /// reached and the machine has no CA certificates.
    pub fn new(settings: Settings) -> Result<Self, GitHubError> {
        Self::with_first_wait(settings, FIRST_WAIT)
    }

    pub(super) fn with_first_wait(settings: Settings, first_wait: Duration) -> Result<Self, GitHubError> {
        Ok(Self { transport: Arc::new(Transport::new(&settings, first_wait)?) })
    }

    /// Signs in with a token that somebody gave us, as whatever a reader or writer is asked for.
    ///
    /// # Errors
    /// As [`GitHub::new`].
    pub fn with_token(settings: Settings, bearer: Bearer) -> Result<Self, GitHubError> {
        let mut transport = Transport::new(&settings, FIRST_WAIT)?;
        transport.bearer = Some(bearer);
        Ok(Self { transport: Arc::new(transport) })
    }

    /// `None`: as the App itself where an installation is not known (`GET /app`, `GET /meta`).
    pub fn reader(&self, installation: Option<InstallationId>) -> Reader {
        let identity = installation.map_or(Identity::App, Identity::Installation);
        Reader { transport: self.transport.clone(), sender: Sender::new(identity), token: None }
    }

    /// Whether an App is configured to sign in as.
    pub fn has_app(&self) -> bool {
        self.transport.has_app()
    }

    /// Reads as nobody: what GitHub tells everyone, at 60 requests an hour.
    pub fn anonymous(&self) -> Reader {
        Reader { transport: self.transport.clone(), sender: Sender::new(Identity::Anonymous), token: None }
    }

    /// Reads as a person (GitHub's id of them), with their own token and at the expense of their own quota: 5,000 requests
    /// an hour. A token that GitHub refuses is `Refused` with status 401.
    pub fn user(&self, id: i64, token: SecretString) -> Reader {
        let sender = Sender { priority: Priority::Command, ..Sender::new(Identity::User(id)) };
        Reader { transport: self.transport.clone(), sender, token: Some(token) }
    }

    /// The App's slug: its comments are by `SLUG[bot]`. One request, the first time.
    ///
    /// # Errors
    /// As `GET /app` fails; `Credentials` when no App is configured.
    pub async fn app_slug(&self) -> Result<String, GitHubError> {
        self.reader(None).app_slug().await
    }

    /// What is wrong between orchd and GitHub right now: open breakers, budgets that are used up. No person's.
    pub fn troubles(&self) -> Vec<PartyState> {
        self.transport.limits.troubles()
    }

    /// Puts down what is used of the budgets, before a stop. Without it what was granted and not used counts as used.
    pub async fn settle(&self) {
        self.transport.limits.settle().await;
    }
}

impl Reader {
    /// The same reader, more or less urgent than an event's.
    #[must_use]
    pub fn at(mut self, priority: Priority) -> Self {
        self.sender.priority = priority;
        self
    }

    /// The same reader, content with what it was told a moment ago as long as no event has told of a change since. Not for
    /// what decides a write.
    #[must_use]
    pub fn recent(mut self) -> Self {
        self.sender.recent = true;
        self
    }

    /// `path` starts with `/`, below `api_url`.
    ///
    /// # Errors
    /// As [`GitHubError`] tells. A 5xx or failed connection was tried three times more before.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, GitHubError> {
        self.call(&Outgoing::get(path)).await?.json(path)
    }

    /// The pages of a list (100 a page), at most `max_pages`, following `Link: rel="next"`; says whether it was all.
    /// `items` names the array when a page is an object (check runs: `check_runs`).
    ///
    /// # Errors
    /// As [`Reader::get`]; nothing of a list is given when one of its pages fails.
    pub async fn get_all<T: DeserializeOwned>(
        &self,
        path: &str,
        items: Option<&str>,
        max_pages: u32,
    ) -> Result<Listed<T>, GitHubError> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut next = Some(format!("{path}{separator}per_page=100"));
        let mut all = Vec::new();
        for _ in 0..max_pages {
            let Some(page) = next else { break };
            let answer = self.call(&Outgoing::get(page)).await?;
            all.extend(page_items::<T>(&answer, path, items)?);
            next = answer.next_page().map(|path| self.transport.below(&path).to_owned());
        }
        Ok(Listed { items: all, complete: next.is_none() })
    }

    /// Whether it signs in with a token that somebody gave us, be the event of an installation or not.
    pub fn has_token(&self) -> bool {
        self.transport.bearer.is_some()
    }

    /// The App's slug, whoever this reads as.
    pub(crate) async fn app_slug(&self) -> Result<String, GitHubError> {
        #[derive(Deserialize)]
        struct App {
            slug: String,
        }
        if let Some(bearer) = &self.transport.bearer {
            let persons = || GitHubError::Credentials("the token is a person's, and not an App's".to_owned());
            return bearer.slug.clone().ok_or_else(persons);
        }
        if !self.transport.has_app() {
            return Err(GitHubError::Credentials("no App is configured".to_owned()));
        }
        let ask = async {
            let answer =
                self.transport.call(Sender { identity: Identity::App, ..self.sender }, &Outgoing::get("/app")).await?;
            Ok::<_, GitHubError>(answer.json::<App>("/app")?.slug)
        };
        self.transport.slug.get_or_try_init(|| ask).await.cloned()
    }

    /// The login that what orchd writes is by: the App's, or that of the person whose token it is.
    pub(crate) async fn own_login(&self) -> Result<String, GitHubError> {
        #[derive(Deserialize)]
        struct Person {
            login: String,
        }
        match &self.transport.bearer {
            Some(Bearer { slug: None, .. }) => {
                let ask = async { Ok::<_, GitHubError>(self.get::<Person>("/user").await?.login) };
                self.transport.login.get_or_try_init(|| ask).await.cloned()
            }
            _ => Ok(format!("{}[bot]", self.app_slug().await?)),
        }
    }

    /// orchd has changed what this path is about in a way that the path of the request did not tell.
    pub(super) fn changed(&self, path: &str) {
        self.transport.heard.changed(path);
    }

    pub(super) async fn call(&self, outgoing: &Outgoing) -> Result<Answer, GitHubError> {
        match &self.token {
            Some(token) => self.transport.call_with(self.sender, token, outgoing).await,
            None => self.transport.call(self.sender, outgoing).await,
        }
    }
}

fn page_items<T: DeserializeOwned>(answer: &Answer, path: &str, items: Option<&str>) -> Result<Vec<T>, GitHubError> {
    let Some(key) = items else { return answer.json(path) };
    let list = answer.json::<Map<String, Value>>(path)?.remove(key);
    let list = list.ok_or_else(|| GitHubError::Unreadable(format!("{path}: `{key}` is missing")))?;
    serde_json::from_value(list).map_err(|error| GitHubError::Unreadable(format!("{path}: {error}")))
}

#[cfg(test)]
mod tests;
