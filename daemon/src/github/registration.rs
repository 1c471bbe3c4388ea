//! The App's own registration: made from a manifest that a person sent to GitHub, and as GitHub tells it later.
//!
//! Facts: <https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest> and
//! <https://docs.github.com/en/rest/apps/apps#create-a-github-app-from-a-manifest>. A code is good for one use and an hour.

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::{ACCEPT, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use octocrab::OctoBody;
use secrecy::SecretString;
use serde::Deserialize;

use super::GitHubError;
use super::client::Reader;
use super::connection::{AGENT, API_VERSION, GITHUB_JSON, connection, whole};
use super::path;

/// An App that was just made, with its secrets: GitHub shows them this once.
#[derive(Clone, Debug, Deserialize)]
pub struct NewApp {
    pub id: u64,
    pub slug: String,
    pub name: String,
    /// Its page for people.
    pub html_url: String,
    pub owner: Owner,
    pub client_id: String,
    pub client_secret: SecretString,
    pub webhook_secret: SecretString,
    /// The private key.
    pub pem: SecretString,
}

/// Whose App it is: a person, or an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Owner {
    pub login: String,
    #[serde(rename = "type", default)]
    pub kind: String,
}

/// Why GitHub did not give an App for a code, by who can do something about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// The person: creates the App once more. What an earlier attempt made is on GitHub, and nobody has its key.
    #[error("GitHub does not know the code: it was used before, or is older than an hour")]
    CodeRefused,
    /// Nobody: GitHub cannot be reached, or asks to be left alone. The code may have been used or not.
    #[error("GitHub could not be asked: {0}")]
    Unavailable(String),
    /// An answer that is not what GitHub documents. Never with its text: there are secrets in it.
    #[error("GitHub's answer could not be read: {0}")]
    Unreadable(String),
}

/// The App for the code that GitHub sent a person back with.
///
/// # Errors
/// [`RegistrationError`]; the code is used up by then, unless GitHub was not reached.
pub async fn convert(api_url: &Uri, code: &str, within: Duration) -> Result<NewApp, RegistrationError> {
    let unavailable = |error: &dyn std::fmt::Display| RegistrationError::Unavailable(error.to_string());
    let connection = connection(api_url.scheme_str() == Some("https")).map_err(|error| unavailable(&error))?;
    let api = api_url.to_string();
    let url = format!("{}/app-manifests/{}/conversions", api.trim_end_matches('/'), path::segment(code));
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, GITHUB_JSON)
        .header(API_VERSION.0, API_VERSION.1)
        .body(OctoBody::empty())
        .map_err(|error| unavailable(&error))?;
    let answer = whole(&connection, request, within).await.map_err(RegistrationError::Unavailable)?;
    match answer.status() {
        StatusCode::CREATED | StatusCode::OK => read(answer.body()),
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::UNPROCESSABLE_ENTITY => {
            Err(RegistrationError::CodeRefused)
        }
        status => Err(RegistrationError::Unavailable(format!("it answered {status}"))),
    }
}

fn read(body: &[u8]) -> Result<NewApp, RegistrationError> {
    // Where it went wrong, and not what stands there.
    serde_json::from_slice(body).map_err(|error| {
        RegistrationError::Unreadable(format!(
            "line {}, column {}: {:?}",
            error.line(),
            error.column(),
            error.classify()
        ))
    })
}

/// The App as GitHub tells it.
#[derive(Clone, Debug, Deserialize)]
pub struct App {
    pub slug: String,
    /// Permission to `read`, `write` or `admin`.
    #[serde(default)]
    pub permissions: BTreeMap<String, String>,
    #[serde(default)]
    pub events: Vec<String>,
}

/// `app` reads as the App itself.
///
/// # Errors
/// As the request fails; `Credentials` or `Refused` when the key is not the App's.
pub async fn app(app: &Reader) -> Result<App, GitHubError> {
    app.get("/app").await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use secrecy::ExposeSecret as _;
    use serde_json::json;

    use super::*;
    use crate::github::stand_in::{StandIn, reply};

    const WITHIN: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_code_becomes_an_app() {
        let made = json!({
            "id": 7, "slug": "orchd-acme", "name": "orchd acme", "html_url": "https://github.com/apps/orchd-acme",
            "owner": {"login": "acme", "type": "Organization"}, "client_id": "Iv23.abc", "client_secret": "c", "webhook_secret": "w",
            "pem": "p", "permissions": {"issues": "write"},
        });
        let server = StandIn::start(move |_| reply(201, &made)).await;
        let app = convert(&server.settings().api_url, "a b/../c", WITHIN).await.unwrap();
        assert_eq!((app.id, app.owner.login.as_str(), app.webhook_secret.expose_secret()), (7, "acme", "w"));
        assert_eq!(server.seen(), ["POST /app-manifests/a%20b%2F..%2Fc/conversions"]);
        assert!(server.requests()[0].headers.get("authorization").is_none());
    }

    #[tokio::test]
    async fn a_refusal_is_told_by_who_can_do_something_and_no_secret_is_in_it() {
        for (status, body, expected) in [
            (404, json!({"message": "Not Found"}), "does not know the code"),
            (422, json!({}), "does not know the code"),
            (502, json!({}), "could not be asked"),
            (201, json!({"id": 7, "pem": "very secret", "client_secret": 5}), "could not be read"),
        ] {
            let server = StandIn::start(move |_| reply(status, &body)).await;
            let said = convert(&server.settings().api_url, "code", WITHIN).await.unwrap_err().to_string();
            assert!(said.contains(expected) && !said.contains("secret"), "{status}: {said}");
        }
    }
}
