//! One request from path to answer: signs in, follows redirects, reads the body whole, tells what went wrong. What lies
//! between a redirect and the connection is in `send`.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;
use tower::ServiceBuilder;
use tower::filter::FilterLayer;
use tower::timeout::TimeoutLayer;
use tower::util::MapRequestLayer;

use super::GitHubError;
use super::answer::{Answer, redact};
use super::auth::{AppKey, Bearer, Token, Tokens};
use super::cache::Answers;
use super::client::Settings;
use super::connection::{connection, explain};
use super::gate::{self, WritePermit};
use super::graphql;
use super::heard::Heard;
use super::layers::{self, Measure, QuotaOf};
use super::limits::{Limits, Priority};
use super::send::Call;
use crate::core::event::InstallationId;

/// Redirects followed for one request.
const MOST_REDIRECTS: u32 = 5;
/// Longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 64 << 20;
/// As whom a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    Anonymous,
    App,
    Installation(InstallationId),
    /// A person, by GitHub's id of them. Whoever sends brings the token.
    User(i64),
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::App => f.write_str("app"),
            Self::Installation(id) => write!(f, "installation {id}"),
            Self::User(id) => write!(f, "user {id}"),
        }
    }
}

/// Who sends a request, and how urgently.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    pub identity: Identity,
    pub priority: Priority,
    /// May be answered from memory as long as no event has told of a change.
    pub recent: bool,
}

impl Sender {
    pub(super) fn new(identity: Identity) -> Self {
        Self { identity, priority: Priority::Event, recent: false }
    }
}

/// A request to send. `path` is below `api_url`.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub method: Method,
    pub path: String,
    pub body: Bytes,
    pub permit: Option<WritePermit>,
    /// `If-None-Match` or `If-Modified-Since`.
    pub condition: Option<(HeaderName, HeaderValue)>,
}

impl Outgoing {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: Bytes::new(), permit: None, condition: None }
    }

    /// A change. A body of `null` is none.
    pub(super) fn write(method: Method, path: &str, body: Vec<u8>, permit: WritePermit) -> Self {
        let body = if body == b"null" { Bytes::new() } else { Bytes::from(body) };
        Self { method, path: path.to_owned(), body, permit: Some(permit), condition: None }
    }
}

/// The connection to GitHub and what is needed to sign in.
pub(super) struct Transport {
    octocrab: Octocrab,
    /// Scheme and authority of `api_url`.
    pub(super) origin: String,
    /// Path of `api_url`, empty or `/api/v3`.
    pub(super) base: String,
    pub(super) timeout: Duration,
    /// Wait before a read is sent again for the first time, doubled each time.
    pub(super) first_wait: Duration,
    app: Option<AppKey>,
    /// In the place of the App and its installations.
    pub(super) bearer: Option<Bearer>,
    tokens: Tokens,
    pub(super) limits: Limits,
    pub(super) answers: Answers,
    pub(super) heard: Heard,
    /// The App's slug, once it was asked for.
    pub(super) slug: OnceCell<String>,
    /// Whose the bearer token is, once it was asked for.
    pub(super) login: OnceCell<String>,
}

impl Transport {
    pub(super) fn new(settings: &Settings, first_wait: Duration) -> Result<Self, GitHubError> {
        let app = match (&settings.issuer, &settings.private_key) {
            (Some(issuer), Some(pem)) => Some(AppKey::new(issuer.clone(), pem)?),
            _ => None,
        };
        let (Some(scheme), Some(authority)) = (settings.api_url.scheme_str(), settings.api_url.authority()) else {
            return Err(GitHubError::Credentials("`github.api_url` must be an absolute http or https URL".to_owned()));
        };
        let layers = ServiceBuilder::new()
            .layer(MapRequestLayer::new(layers::add_headers))
            .layer(FilterLayer::new(gate::check))
            .layer(Measure)
            .layer(TimeoutLayer::new(settings.timeout));
        let Ok(octocrab) = OctocrabBuilder::new_empty()
            .with_service(connection(scheme == "https")?)
            .with_layer(&layers)
            .with_auth(AuthState::None)
            .build();
        let limits = Limits::new(
            authority.to_string(),
            settings.terms.clone(),
            settings.breaker.clone(),
            settings.budgets.clone(),
        );
        Ok(Self {
            octocrab,
            first_wait,
            limits,
            answers: Answers::new(settings.cache),
            heard: settings.heard.clone(),
            origin: format!("{scheme}://{authority}"),
            base: settings.api_url.path().trim_end_matches('/').to_owned(),
            timeout: settings.timeout,
            app,
            bearer: None,
            tokens: Tokens::new(),
            slug: OnceCell::new(),
            login: OnceCell::new(),
        })
    }

    /// A path below `api_url` of a path that GitHub named.
    pub(super) fn below<'a>(&self, path: &'a str) -> &'a str {
        path.strip_prefix(self.base.as_str()).unwrap_or(path)
    }

    /// Whether an App is configured to sign in as.
    pub(super) fn has_app(&self) -> bool {
        self.app.is_some()
    }

    /// Sends a request and gives its answer when that is a success.
    pub(super) async fn call(&self, sender: Sender, outgoing: &Outgoing) -> Result<Answer, GitHubError> {
        let result = self.signed(sender, outgoing).await;
        if let Err(error) = &result {
            metrics::counter!("orchd_github_errors_total", "kind" => error.kind()).increment(1);
        }
        result
    }

    /// As [`Transport::call`], with a person's own token. One that GitHub refuses is for that person to renew.
    pub(super) async fn call_with(
        &self,
        sender: Sender,
        token: &SecretString,
        outgoing: &Outgoing,
    ) -> Result<Answer, GitHubError> {
        let result = match self.follow(sender, Some(token), outgoing).await {
            Ok(answer) => answer.accept(&outgoing.path, Utc::now()),
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            metrics::counter!("orchd_github_errors_total", "kind" => error.kind()).increment(1);
        }
        result
    }

    async fn signed(&self, sender: Sender, outgoing: &Outgoing) -> Result<Answer, GitHubError> {
        let token = self.sign_in(sender).await?;
        let answer = self.follow(sender, token.as_ref(), outgoing).await?;
        let refused = answer.status == StatusCode::UNAUTHORIZED;
        match (sender.identity, token) {
            // GitHub did nothing with a request it does not know the sender of: sending it again is safe.
            (Identity::Installation(id), Some(token)) if refused => {
                self.tokens.forget(id, &token).await;
                let token = self.sign_in(sender).await?;
                let answer = self.follow(sender, token.as_ref(), outgoing).await?;
                known(answer.accept(&outgoing.path, Utc::now()))
            }
            (Identity::App, _) => known(answer.accept(&outgoing.path, Utc::now())),
            _ => answer.accept(&outgoing.path, Utc::now()),
        }
    }

    async fn sign_in(&self, sender: Sender) -> Result<Option<SecretString>, GitHubError> {
        if let (Identity::App | Identity::Installation(_), Some(bearer)) = (sender.identity, &self.bearer) {
            return Ok(Some(bearer.token.clone()));
        }
        match (sender.identity, &self.app) {
            (Identity::Anonymous | Identity::User(_), _) | (Identity::App, None) => Ok(None),
            (Identity::App, Some(app)) => app.jwt(Utc::now()).map(Some),
            (Identity::Installation(id), Some(app)) => {
                self.tokens.get(id, Box::pin(self.ask_token(id, app, sender.priority))).await.map(Some)
            }
            (Identity::Installation(_), None) => Err(GitHubError::Credentials(
                "set `github.private_key` and `github.client_id` or `github.app_id`".to_owned(),
            )),
        }
    }

    async fn ask_token(&self, id: InstallationId, app: &AppKey, priority: Priority) -> Result<Token, GitHubError> {
        let jwt = app.jwt(Utc::now())?;
        let path = format!("/app/installations/{id}/access_tokens");
        let outgoing = Outgoing { method: Method::POST, ..Outgoing::get(path) };
        let sender = Sender { priority, ..Sender::new(Identity::App) };
        let answer = self.follow(sender, Some(&jwt), &outgoing).await?;
        // The error of reading the answer could quote the token: it is not passed on.
        known(answer.accept(&outgoing.path, Utc::now()))?
            .json(&outgoing.path)
            .map_err(|_| GitHubError::Unreadable(format!("{}: no token in it", outgoing.path)))
    }

    /// Follows redirects. A read follows 301 and 302 as well as 307 and 308, and another host gets no token. A change
    /// follows only what asks for the same method and body again, 307 and 308, and never leaves our host: so GitHub
    /// redirects one to a renamed repository.
    async fn follow(
        &self,
        sender: Sender,
        token: Option<&SecretString>,
        outgoing: &Outgoing,
    ) -> Result<Answer, GitHubError> {
        let base = if outgoing.path == graphql::PATH { graphql::base(&self.base) } else { &self.base };
        let mut url = format!("{}{base}{}", self.origin, outgoing.path);
        for _ in 0..=MOST_REDIRECTS {
            let token = token.filter(|_| self.is_ours(&url));
            let answer = self.recall_or_send(Call { sender, token, outgoing, url: &url }).await?;
            let status = answer.status.as_u16();
            let moved = matches!(status, 301 | 302 | 307 | 308);
            let reads = gate::is_safe(&outgoing.method);
            match answer.header("location").filter(|_| moved) {
                Some(location) if !reads && matches!(status, 301 | 302) => {
                    let to = redact(location);
                    let message =
                        format!("{} moved to {to}, and a change is not sent on after {status}", outgoing.path);
                    return Err(GitHubError::Refused { status, message });
                }
                Some(location) if location.starts_with('/') => url = format!("{}{location}", self.origin),
                Some(location) if self.is_ours(location) || reads && location.starts_with("https://") => {
                    url = location.to_owned();
                }
                Some(_) => return Err(GitHubError::Unreadable(format!("{}: redirected away", outgoing.path))),
                None => return Ok(answer),
            }
        }
        Err(GitHubError::Unreadable(format!("{}: too many redirects", outgoing.path)))
    }

    fn is_ours(&self, url: &str) -> bool {
        url.strip_prefix(&self.origin).is_some_and(|rest| rest.starts_with('/'))
    }

    /// One request and its answer, as it is.
    pub(super) async fn exchange(
        &self,
        identity: Identity,
        token: Option<&SecretString>,
        outgoing: &Outgoing,
        url: &str,
    ) -> Result<Answer, GitHubError> {
        let unreadable = |what: &str| GitHubError::Unreadable(redact(&format!("{}: {what}", outgoing.path)));
        let uri: Uri = url.parse().map_err(|_| unreadable("not a URL"))?;
        let mut request = Request::new(OctoBody::from(outgoing.body.clone()));
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = uri;
        if !outgoing.body.is_empty() {
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some((name, value)) = &outgoing.condition {
            request.headers_mut().insert(name, value.clone());
        }
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
                .map_err(|_| GitHubError::Credentials("the token is not fit for a header".to_owned()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let quota_of = match identity {
            Identity::Installation(id) => Some(id),
            Identity::App | Identity::Anonymous | Identity::User(_) => None,
        };
        request.extensions_mut().insert(QuotaOf(quota_of));
        if let Some(permit) = &outgoing.permit {
            request.extensions_mut().insert(permit.clone());
        }
        let (parts, body) = self.octocrab.send(request).await.map_err(|error| explain(&error))?.into_parts();
        let whole = tokio::time::timeout(self.timeout, Limited::new(body, LONGEST_ANSWER).collect()).await;
        let body = whole
            .map_err(|_| GitHubError::Unavailable(format!("{}: the answer stopped midway", outgoing.path)))?
            .map_err(|_| GitHubError::Unavailable(format!("{}: the answer broke off", outgoing.path)))?;
        let body = body.to_bytes();
        let status = if outgoing.path == graphql::PATH { graphql::status(parts.status, &body) } else { parts.status };
        Ok(Answer { status, headers: parts.headers, body })
    }
}

/// Once signed in, "401" says that GitHub does not know us, however good the request is: a person has to mend that.
fn known(accepted: Result<Answer, GitHubError>) -> Result<Answer, GitHubError> {
    accepted.map_err(|error| match error {
        GitHubError::Refused { status: 401, message } => GitHubError::Credentials(message),
        error => error,
    })
}
