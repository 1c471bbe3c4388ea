//! The client: octocrab as transport, our tower layers around it, [`Reader`] and [`Writer`] on top.

use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

use super::{GateClosed, GitHubError};
use crate::core::event::InstallationId;
use crate::core::rule::Mode;

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
    pub dry_run: bool,
    pub read_only: bool,
}

/// The App's view of GitHub. Cheap to clone.
#[derive(Clone)]
pub struct GitHub {}

/// Reads as one installation. Cannot write.
#[derive(Clone)]
pub struct Reader {}

/// Reads and writes as one installation. Only [`GitHub::open_gate`] makes one: the write gate.
#[derive(Clone)]
pub struct Writer {}

impl GitHub {
    pub fn new(_settings: Settings) -> Result<Self, GitHubError> {
        unimplemented!()
    }

    /// `None`: as the App itself where an installation is not known (`GET /app`, `GET /meta`).
    pub fn reader(&self, _installation: Option<InstallationId>) -> Reader {
        unimplemented!()
    }

    /// The write gate: the one place that says whether a rule of this mode may change GitHub now.
    pub fn open_gate(&self, _installation: Option<InstallationId>, _mode: Mode) -> Result<Writer, GateClosed> {
        unimplemented!()
    }
}

impl Reader {
    /// `path` starts with `/`, below `api_url`.
    pub async fn get<T: DeserializeOwned>(&self, _path: &str) -> Result<T, GitHubError> {
        unimplemented!()
    }

    /// All pages of a list (100 a page), at most `max_pages`, following `Link: rel="next"`.
    /// `items` names the array when a page is an object (check runs: `check_runs`).
    pub async fn get_all<T: DeserializeOwned>(
        &self,
        _path: &str,
        _items: Option<&str>,
        _max_pages: u32,
    ) -> Result<Vec<T>, GitHubError> {
        unimplemented!()
    }
}

impl std::ops::Deref for Writer {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        unimplemented!()
    }
}

impl Writer {
    /// Sends a change. Never retried by the client: the engine checks what happened first. `T` may be
    /// `serde_json::Value`; an empty answer (204) is `null`.
    pub async fn send<T: DeserializeOwned>(
        &self,
        _method: http::Method,
        _path: &str,
        _body: &(impl Serialize + Sync),
    ) -> Result<T, GitHubError> {
        unimplemented!()
    }
}
