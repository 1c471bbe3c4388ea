//! One request from path to answer: signs in, waits for its turn, follows redirects, reads the body whole, sends a read
//! that failed again, tells what went wrong.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use rand::Rng;
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;
use tower::ServiceBuilder;
use tower::filter::FilterLayer;
use tower::timeout::TimeoutLayer;
use tower::util::MapRequestLayer;

use super::GitHubError;
use super::answer::{Answer, redact};
use super::auth::{AppKey, Token, Tokens};
use super::client::Settings;
use super::gate::{self, NoPermit, WritePermit};
use super::layers::{self, Measure, QuotaOf};
use super::limits::{Ask, Cost, Limits, Priority, Refusal, Resource, Told};
use crate::core::event::InstallationId;

/// Redirects followed for one request.
const MOST_REDIRECTS: u32 = 5;
/// Longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 64 << 20;
/// Times a read is sent again after a failure.
const RETRIES: u32 = 3;
/// What is asked to find out whether GitHub answers at all. It costs nothing, and any answer but a 5xx will do.
const SIGN_OF_LIFE: &str = "/rate_limit";

/// As whom a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    Anonymous,
    App,
    Installation(InstallationId),
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::App => f.write_str("app"),
            Self::Installation(id) => write!(f, "installation {id}"),
        }
    }
}

/// Who sends a request, and how urgently.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    pub identity: Identity,
    pub priority: Priority,
}

impl Sender {
    pub(super) fn new(identity: Identity) -> Self {
        Self { identity, priority: Priority::Event }
    }
}

/// A request to send. `path` is below `api_url`.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub method: Method,
    pub path: String,
    pub body: Bytes,
    pub permit: Option<WritePermit>,
}

impl Outgoing {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: Bytes::new(), permit: None }
    }

    /// A change. A body of `null` is none.
    pub(super) fn write(method: Method, path: &str, body: Vec<u8>, permit: WritePermit) -> Self {
        let body = if body == b"null" { Bytes::new() } else { Bytes::from(body) };
        Self { method, path: path.to_owned(), body, permit: Some(permit) }
    }
}

/// The connection to GitHub and what is needed to sign in.
pub(super) struct Transport {
    octocrab: Octocrab,
    /// Scheme and authority of `api_url`.
    origin: String,
    /// Path of `api_url`, empty or `/api/v3`.
    base: String,
    timeout: Duration,
    /// Wait before a read is sent again for the first time, doubled each time.
    first_wait: Duration,
    app: Option<AppKey>,
    tokens: Tokens,
    pub(super) limits: Limits,
    /// The App's slug, once it was asked for.
    pub(super) slug: OnceCell<String>,
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
            origin: format!("{scheme}://{authority}"),
            base: settings.api_url.path().trim_end_matches('/').to_owned(),
            timeout: settings.timeout,
            app,
            tokens: Tokens::new(),
            slug: OnceCell::new(),
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
        match (sender.identity, &self.app) {
            (Identity::Anonymous, _) | (Identity::App, None) => Ok(None),
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
        let sender = Sender { identity: Identity::App, priority };
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
        let mut url = format!("{}{}{}", self.origin, self.base, outgoing.path);
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.send(sender, token.filter(|_| self.is_ours(&url)), outgoing, &url).await?;
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

    /// Sends a request to where it goes now, a read up to three times more when GitHub fails.
    async fn send(
        &self,
        sender: Sender,
        token: Option<&SecretString>,
        outgoing: &Outgoing,
        url: &str,
    ) -> Result<Answer, GitHubError> {
        let mut wait = self.first_wait;
        let mut left = if gate::is_safe(&outgoing.method) { RETRIES } else { 0 };
        loop {
            let tried = self.send_once(sender, token, outgoing, url).await;
            let failed = match &tried {
                Ok(answer) => answer.status.is_server_error(),
                Err(error) => matches!(error, GitHubError::Unavailable(_)),
            };
            if !failed {
                return tried;
            }
            if left == 0 {
                // Is it this request, or GitHub? A job must not pay for the latter.
                let down = !self.is_alive(sender, token).await;
                return if down {
                    Err(GitHubError::Down { retry_after: self.limits.down_for(sender.identity) })
                } else {
                    tried
                };
            }
            left -= 1;
            let part = rand::rng().random_range(0.5..=1.0);
            tokio::time::sleep(wait.mul_f64(part)).await;
            wait *= 2;
        }
    }

    /// Waits for its turn, sends, and tells budget and breaker what came of it.
    async fn send_once(
        &self,
        sender: Sender,
        token: Option<&SecretString>,
        outgoing: &Outgoing,
        url: &str,
    ) -> Result<Answer, GitHubError> {
        let identity = sender.identity;
        if self.limits.pass(identity, self.timeout * 2).await? && !self.is_alive(sender, token).await {
            return Err(GitHubError::Down { retry_after: self.limits.down_for(identity) });
        }
        let ask = Ask {
            resource: Resource::of(&outgoing.path),
            cost: Cost::of(&outgoing.method, &outgoing.path),
            priority: sender.priority,
            count: 1,
        };
        let admitted = self.limits.admit(identity, ask).await?;
        let sent = self.exchange(identity, token, outgoing, url).await;
        match &sent {
            Ok(answer) => {
                let told = Told::read(&answer.headers);
                if answer.status.is_server_error() {
                    self.limits.failed(identity);
                } else {
                    self.limits.alive(identity, false);
                }
                if let Some(message) = answer.limit(Utc::now()) {
                    let retry_after = admitted.refused(Refusal::read(&answer.headers), told).await;
                    return Err(GitHubError::Limited { retry_after, message });
                }
                let told_of_no_limit = answer.status.is_success() || answer.status == StatusCode::NOT_MODIFIED;
                admitted.answered(told, told_of_no_limit).await;
            }
            Err(GitHubError::Unavailable(_)) => self.limits.failed(identity),
            Err(_) => {}
        }
        sent
    }

    /// Whether GitHub answers at all. Counts for the breaker, and for no budget.
    async fn is_alive(&self, sender: Sender, token: Option<&SecretString>) -> bool {
        let url = format!("{}{}{SIGN_OF_LIFE}", self.origin, self.base);
        let sent = self.exchange(sender.identity, token, &Outgoing::get(SIGN_OF_LIFE), &url).await;
        let alive = sent.is_ok_and(|answer| !answer.status.is_server_error());
        if alive {
            self.limits.alive(sender.identity, true);
        } else {
            self.limits.failed(sender.identity);
        }
        alive
    }

    /// One request and its answer, as it is.
    async fn exchange(
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
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
                .map_err(|_| GitHubError::Credentials("the token is not fit for a header".to_owned()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let quota_of = match identity {
            Identity::Installation(id) => Some(id),
            Identity::App | Identity::Anonymous => None,
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
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }
}

/// What kept a request from an answer, in the words of the innermost errors.
fn explain(error: &octocrab::Error) -> GitHubError {
    let mut words: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(refused) = cause.downcast_ref::<NoPermit>() {
            return GitHubError::Refused { status: 0, message: refused.to_string() };
        }
        let text = cause.to_string();
        if words.last() != Some(&text) {
            words.push(text);
        }
        next = cause.source();
    }
    GitHubError::Unavailable(redact(&words.join(": ")))
}

/// Once signed in, "401" says that GitHub does not know us, however good the request is: a person has to mend that.
fn known(accepted: Result<Answer, GitHubError>) -> Result<Answer, GitHubError> {
    accepted.map_err(|error| match error {
        GitHubError::Refused { status: 401, message } => GitHubError::Credentials(message),
        error => error,
    })
}

type Connection = Client<HttpsConnector<HttpConnector>, OctoBody>;

/// As octocrab's own default client, with what it cannot be told: no delay for small writes. The machine's
/// certificates are read only when they can be needed, so that a plain `http://` API works without any.
fn connection(tls: bool) -> Result<Connection, GitHubError> {
    let refuse = |error: &dyn fmt::Display| GitHubError::Unavailable(format!("TLS cannot be set up: {error}"));
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(&error))?;
    let config = if tls {
        config.with_native_roots().map_err(|error| refuse(&error))?
    } else {
        config.with_root_certificates(RootCertStore::empty())
    };
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config.with_no_client_auth())
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_timer(TokioTimer::new())
        .build(connector))
}
