//! How the run proves to the daemon whose it is.

use chrono::{DateTime, Utc};
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request};
use orchd::core::forward::{Body, RawContext};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::post::Post;
use crate::failure::Failure;
use crate::workflow::Workflow;

/// What is shown to the daemon.
pub(super) enum Proof {
    /// Made out to the daemon by GitHub: its claims are what counts.
    Token(SecretString),
    /// Signs the body, which then has to say itself what run it is of.
    Secret(SecretString),
}

/// Why there is no token.
pub(super) enum NoToken {
    /// GitHub gives none to such a run.
    ByDesign(String),
    Failed(Failure),
}

/// What a token's answer holds.
#[derive(Deserialize)]
struct Given {
    value: String,
}

const HINT: &str = "GitHub gives this job no OIDC token: add `permissions: {id-token: write}` to it (a job that has \
                    `permissions:` has nothing else), or set the input `secret` where there are no such tokens";

/// Asks for the run's token.
///
/// # Errors
/// When GitHub gives none.
pub(super) async fn token(
    run: &Workflow,
    payload: &Value,
    audience: &str,
    post: &Post,
) -> Result<SecretString, NoToken> {
    let Some(ask) = &run.id_token else {
        return Err(match without_by_design(run, payload) {
            Some(whose) => NoToken::ByDesign(format!("GitHub gives runs of {whose} no OIDC token")),
            None => NoToken::Failed(Failure::setup(HINT)),
        });
    };
    let failed = |told: String| NoToken::Failed(Failure::failed(told));
    let separator = if ask.url.contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}audience={}", ask.url, orchd::github::path::segment(audience));
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", ask.token.expose_secret()))
        .map_err(|_| failed("`ACTIONS_ID_TOKEN_REQUEST_TOKEN` is not what a runner sets".to_owned()))?;
    bearer.set_sensitive(true);
    let request = || {
        Request::get(&url).header(AUTHORIZATION, &bearer).header(ACCEPT, "application/json").body(bytes::Bytes::new())
    };
    let answer = post.ask_patiently(request).await.map_err(|why| failed(format!("no OIDC token came: {why}")))?;
    let given: Given = serde_json::from_slice(&answer)
        .map_err(|_| failed("no OIDC token came: GitHub's answer holds none".to_owned()))?;
    Ok(given.value.into())
}

/// Whose run it is, when it is of those that get no token however the workflow is written.
fn without_by_design(run: &Workflow, payload: &Value) -> Option<&'static str> {
    let full_name =
        |side: &str| payload.pointer(&format!("/pull_request/{side}/repo/full_name")).and_then(Value::as_str);
    let of_pull = run.event_name.starts_with("pull_request") && run.event_name != "pull_request_target";
    if of_pull && full_name("head") != full_name("base") {
        return Some("a fork's pull request");
    }
    (run.actor.as_deref() == Some("dependabot[bot]")).then_some("Dependabot")
}

/// The body with what a token would have said, for who signs it.
///
/// # Errors
/// When the runner does not say what is needed.
pub(super) fn vouched_for_by_a_secret(body: &Body, run: &Workflow, now: DateTime<Utc>) -> Result<Body, Failure> {
    let needed = |what: Option<String>, name: &str| {
        what.ok_or_else(|| Failure::setup(format!("`{name}` is not set, and a signed body needs it")))
    };
    let number = |number: u64| number.to_string();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let context = RawContext {
        repository: run.repository.to_string(),
        repository_id: needed(run.repository_id.map(number), "GITHUB_REPOSITORY_ID")?,
        event_name: run.event_name.clone(),
        git_ref: needed(run.git_ref.clone(), "GITHUB_REF")?,
        sha: run.sha.clone(),
        run_id: number(run.run_id),
        run_attempt: number(run.run_attempt),
        workflow: run.workflow.clone().or_else(|| run.workflow_ref.clone()).unwrap_or_default(),
        workflow_ref: needed(run.workflow_ref.clone(), "GITHUB_WORKFLOW_REF")?,
        actor: needed(run.actor.clone(), "GITHUB_ACTOR")?,
        head_ref: text(&run.head_ref),
        base_ref: text(&run.base_ref),
        ..RawContext::default()
    };
    Ok(Body { context: Some(context), sent_at: Some(now), ..body.clone() })
}
