//! Somebody who looks at a page or sends a form of it.

use bytes::Bytes;
use form_urlencoded::Serializer;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use warp::reply::Response;

use super::super::App;
use super::super::api::{self, Ask, Told};
use super::super::asked::Form;
use super::super::caller::Caller;
use super::super::error::HttpError;
use super::super::page;
use super::layout::Layout;
use crate::core::access::{Needs, Op};
use crate::core::event::RepoName;
use crate::github::oauth::web_url;

/// Who visits, and what they asked for.
pub(in crate::http) struct Visit {
    pub(super) app: App,
    pub(super) caller: Caller,
    /// The path's parameters, decoded.
    pub(super) parameters: Vec<String>,
    pub(super) query: Form,
    /// What a form sent; empty for a page.
    pub(super) form: Form,
}

impl Visit {
    /// Asks an operation of the API as whoever visits. `path` are the operation's own parameters.
    ///
    /// # Errors
    /// As the API's.
    pub(super) async fn ask<A: Ask>(
        &self,
        operation: A,
        path: &[&str],
        query: Vec<(String, String)>,
    ) -> Result<A::Answer, HttpError> {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        api::ask(operation, &self.app, &self.caller, Told { path, query, body: Bytes::new() }).await
    }

    /// The same with a document.
    pub(super) async fn send<A: Ask>(
        &self,
        operation: A,
        query: Vec<(String, String)>,
        document: &impl Serialize,
    ) -> Result<A::Answer, HttpError> {
        let body = serde_json::to_vec(document)
            .map_err(|error| HttpError::Internal { cause: format!("a form does not serialise: {error}") })?;
        api::ask(operation, &self.app, &self.caller, Told { path: Vec::new(), query, body: body.into() }).await
    }

    /// The path's parameter at this place.
    pub(super) fn named(&self, at: usize) -> &str {
        self.parameters.get(at).map_or("", String::as_str)
    }

    /// What is around a page, which stands in this part of the navigation.
    pub(super) fn layout(&self, area: &'static str) -> Layout {
        Layout::of(self, area)
    }

    /// What this visitor's forms carry.
    pub(super) fn csrf(&self) -> String {
        self.caller.session().map_or_else(String::new, |session| session.csrf.expose_secret().to_owned())
    }

    /// Whether the operation is offered at all: what it takes is held somewhere.
    pub(super) fn may(&self, op: Op) -> bool {
        api::is_offered(op.operation(), &self.caller)
    }

    /// Whether it may be done to what is of this repository; `None`: to what is of none.
    pub(super) fn may_in(&self, op: Op, repository: Option<&RepoName>) -> bool {
        let sight = &self.caller.sight;
        let held = repository.map_or(sight.site, |repository| sight.level_in(repository));
        match op.operation().needs {
            Needs::Nothing | Needs::Oneself => true,
            Needs::Repository(level) => held >= Some(level),
            Needs::Site(level) => sight.site >= Some(level),
        }
    }

    /// The address for people on GitHub; `path` begins with a slash.
    pub(super) fn on_github(&self, path: &str) -> String {
        let config = self.app.config();
        let web = config.login.web_url.clone().unwrap_or_else(|| web_url(&config.github.api_url));
        format!("{}{path}", web.trim_end_matches('/'))
    }

    /// On to a page after something was done; `told` is one of the notices that layouts know.
    pub(super) fn done(&self, to: &str, told: &'static str) -> Result<Response, HttpError> {
        let separator = if to.contains('?') { '&' } else { '?' };
        page::see_other(&format!("{to}{separator}done={told}"))
    }
}

/// A path with a query.
pub(super) fn url(path: &str, query: &[(String, String)]) -> String {
    if query.is_empty() {
        return path.to_owned();
    }
    format!("{path}?{}", Serializer::new(String::new()).extend_pairs(query).finish())
}

/// Pairs of a query.
pub(super) fn query<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
