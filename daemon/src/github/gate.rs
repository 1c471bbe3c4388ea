//! The write gate (invariant 4). Everything that can let a change out is in this file.
//!
//! A change leaves only as a request that carries a [`WritePermit`]; only [`Writer::send`] attaches one, and only
//! [`GitHub::open_gate`] makes a [`Writer`]. [`check`] sits in front of the connection and refuses the rest.

use http::{Method, Request};
use octocrab::OctoBody;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower::BoxError;

use super::client::{GitHub, Reader};
use super::graphql;
use super::limits::Priority;
use super::transport::Outgoing;
use super::{GateClosed, GitHubError};
use crate::core::event::InstallationId;
use crate::core::rule::Mode;

/// Shows that a request comes from a [`Writer`]. Cannot be made outside this file.
#[derive(Clone, Debug)]
pub(super) struct WritePermit(());

/// Reads and writes as one installation. Only [`GitHub::open_gate`] makes one: the write gate.
#[derive(Clone)]
pub struct Writer {
    reader: Reader,
}

/// What the config says about changing GitHub: one config, so that a reload in between cannot mix two.
#[derive(Clone, Copy, Debug)]
pub struct WriteTerms {
    /// `github.dry_run`
    pub dry_run: bool,
    /// `github.read_only`
    pub read_only: bool,
    /// Of the rule that asks.
    pub mode: Mode,
}

impl WriteTerms {
    /// A rule of this mode in a config that forbids nothing.
    pub fn of(mode: Mode) -> Self {
        Self { dry_run: false, read_only: false, mode }
    }
}

impl GitHub {
    /// The write gate: the one place that says whether a rule may change GitHub on these terms.
    ///
    /// # Errors
    /// Why it may not. What the daemon forbids is told before what the rule forbids.
    pub fn open_gate(&self, installation: Option<InstallationId>, terms: WriteTerms) -> Result<Writer, GateClosed> {
        if terms.dry_run {
            return Err(GateClosed::DryRun);
        }
        if terms.read_only {
            return Err(GateClosed::ReadOnly);
        }
        match terms.mode {
            Mode::Active => Ok(Writer { reader: self.reader(installation) }),
            Mode::Shadow => Err(GateClosed::Shadow),
            Mode::Off => Err(GateClosed::Off),
        }
    }
}

impl std::ops::Deref for Writer {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl Writer {
    /// The same writer, more or less urgent than an event's.
    #[must_use]
    pub fn at(mut self, priority: Priority) -> Self {
        self.reader = self.reader.at(priority);
        self
    }

    /// Sends a change. Never retried by the client after GitHub may have seen it: the engine checks what happened
    /// first. `T` may be `serde_json::Value`; an empty answer (204) is `null`. A `null` body is not sent.
    ///
    /// # Errors
    /// As [`GitHubError`] tells; after `Unavailable` the change may or may not have happened.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, GitHubError> {
        let body = serde_json::to_vec(body)
            .map_err(|error| GitHubError::Unreadable(format!("the change cannot be written as JSON: {error}")))?;
        let outgoing = Outgoing::write(method, path, body, WritePermit(()));
        self.reader.call(&outgoing).await?.json(path)
    }

    /// Sends a GraphQL mutation, for what REST cannot change. Through the same gate as [`Writer::send`], and as little
    /// retried. `about` is the path, as REST has it, of what is changed; `T` is read from the answer's `data`.
    ///
    /// # Errors
    /// As [`Writer::send`]: what GraphQL tells with status 200 is an error of the same kinds.
    pub async fn mutate<T: DeserializeOwned>(
        &self,
        about: &str,
        mutation: &str,
        variables: &Value,
    ) -> Result<T, GitHubError> {
        let body = json!({"query": mutation, "variables": variables});
        let sent = self.send::<graphql::Told<T>>(Method::POST, graphql::PATH, &body).await;
        // Whatever came of it.
        self.reader.changed(about);
        match sent {
            Ok(told) => Ok(told.data),
            Err(GitHubError::NotFound(_)) => Err(GitHubError::NotFound(about.to_owned())),
            Err(error) => Err(error),
        }
    }
}

/// A change without a permit reached the gate: a mistake in orchd. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("the write gate refused {0} {1}: it carries no permit")]
pub(super) struct NoPermit(Method, String);

/// The layer in front of the connection. Two POSTs change nothing that people see: signing in, and asking GitHub to send
/// us a delivery once more.
pub(super) fn check(request: Request<OctoBody>) -> Result<Request<OctoBody>, BoxError> {
    let path = request.uri().path();
    let harmless = *request.method() == Method::POST && (is_token_path(path) || is_redelivery_path(path));
    if is_safe(request.method()) || harmless || request.extensions().get::<WritePermit>().is_some() {
        Ok(request)
    } else {
        Err(Box::new(NoPermit(request.method().clone(), request.uri().path().to_owned())))
    }
}

/// Methods that change nothing, and so may also be sent again.
pub(super) fn is_safe(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

fn is_token_path(path: &str) -> bool {
    is_number_between(path, "/app/installations/", "/access_tokens")
}

fn is_redelivery_path(path: &str) -> bool {
    is_number_between(path, "/app/hook/deliveries/", "/attempts")
}

fn is_number_between(path: &str, before: &str, after: &str) -> bool {
    let below = path.strip_prefix("/api/v3").unwrap_or(path);
    let id = below.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    id.is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;
    use crate::github::stand_in::{StandIn, reply};

    #[tokio::test]
    async fn invariant_4_nothing_but_the_gate_writes() {
        let server = StandIn::start(|_| reply(200, &json!({"done": true}))).await;
        let closed = |dry_run, read_only, mode| {
            GitHub::new(server.settings()).unwrap().open_gate(None, WriteTerms { dry_run, read_only, mode }).err()
        };
        assert_eq!(closed(true, true, Mode::Active), Some(GateClosed::DryRun));
        assert_eq!(closed(false, true, Mode::Active), Some(GateClosed::ReadOnly));
        assert_eq!(closed(false, false, Mode::Shadow), Some(GateClosed::Shadow));
        assert_eq!(closed(false, false, Mode::Off), Some(GateClosed::Off));

        // Even code inside this folder that builds a request by hand gets no further than the layer.
        let github = GitHub::new(server.settings()).unwrap();
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let outgoing = Outgoing { method, permit: None, ..Outgoing::get("/repos/a/b/issues/1/labels") };
            let refused = github.reader(None).call(&outgoing).await.unwrap_err();
            assert!(refused.to_string().contains("carries no permit"), "{refused}");
        }
        assert_eq!(server.seen(), [] as [String; 0]);

        let writer = github.open_gate(None, WriteTerms::of(Mode::Active)).unwrap();
        let done: Value = writer.send(Method::POST, "/repos/a/b/issues/1/labels", &json!({})).await.unwrap();
        assert_eq!(done, json!({"done": true}));
        assert_eq!(server.seen(), ["POST /repos/a/b/issues/1/labels"]);
    }

    #[tokio::test]
    async fn invariant_4_a_mutation_goes_through_the_gate_and_its_errors_are_errors() {
        let server = StandIn::start(|seen| match seen.body["variables"]["id"].as_str() {
            Some("PR_1") => reply(200, &json!({"data": {"x": {"y": 5}}})),
            Some("PR_2") => {
                let gone = json!({"type": "NOT_FOUND", "message": "Could not resolve to a node"});
                reply(200, &json!({"data": {"x": null}, "errors": [gone]}))
            }
            Some("PR_3") => {
                let limited = json!({"type": "RATE_LIMITED", "message": "API rate limit exceeded"});
                reply(200, &json!({"errors": [limited]})).with("retry-after", "17")
            }
            _ => reply(200, &json!({"data": null, "errors": [{"message": "Something went wrong"}]})),
        })
        .await;
        let github = GitHub::new(server.settings()).unwrap();
        let outgoing = Outgoing { method: Method::POST, permit: None, ..Outgoing::get(graphql::PATH) };
        let refused = github.reader(None).call(&outgoing).await.unwrap_err();
        assert!(refused.to_string().contains("carries no permit"), "{refused}");

        let writer = github.open_gate(None, WriteTerms::of(Mode::Active)).unwrap();
        let mutate =
            async |id: &str| writer.mutate::<Value>("/repos/a/b/pulls/1", "mutation", &json!({"id": id})).await;
        assert_eq!(mutate("PR_1").await.unwrap(), json!({"x": {"y": 5}}));
        assert_eq!(server.requests()[0].body, json!({"query": "mutation", "variables": {"id": "PR_1"}}));
        assert_eq!(server.seen(), ["POST /graphql"]);
        assert!(matches!(mutate("PR_2").await, Err(GitHubError::NotFound(what)) if what == "/repos/a/b/pulls/1"));
        assert!(matches!(mutate("PR_4").await, Err(GitHubError::Unavailable(_))));
        let limited = mutate("PR_3").await;
        assert!(
            matches!(&limited, Err(GitHubError::Limited { retry_after, .. }) if retry_after.as_secs() >= 16),
            "{limited:?}"
        );
    }

    #[test]
    fn only_the_exact_path_signs_in() {
        assert!(is_token_path("/app/installations/5/access_tokens"));
        assert!(is_token_path("/api/v3/app/installations/5/access_tokens"));
        for path in [
            "/app/installations//access_tokens",
            "/app/installations/5/access_tokens/",
            "/app/installations/5/x/access_tokens",
            "/repos/app/installations/5/access_tokens",
            "/app/installations/5",
        ] {
            assert!(!is_token_path(path), "{path}");
        }
    }

    #[test]
    fn only_the_exact_path_asks_for_a_redelivery() {
        assert!(is_redelivery_path("/app/hook/deliveries/5/attempts"));
        assert!(is_redelivery_path("/api/v3/app/hook/deliveries/40000000017/attempts"));
        for path in [
            "/app/hook/deliveries//attempts",
            "/app/hook/deliveries/5/attempts/",
            "/app/hook/deliveries/5/../6/attempts",
            "/app/hook/deliveries/v1_5/attempts",
            "/repos/app/hook/deliveries/5/attempts",
            "/repos/acme/web/hooks/1/deliveries/5/attempts",
            "/app/hook/deliveries/5",
            "/app/hook/config",
        ] {
            assert!(!is_redelivery_path(path), "{path}");
        }
    }
}
