//! What GitHub says of the App itself: who it is, what it asks for, where its deliveries go and how the last ones went.
//!
//! All of it needs the App's own signature (docs.github.com, "REST API endpoints for GitHub Apps", "REST API endpoints for
//! GitHub App webhooks").

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::GitHubError;
use super::client::Reader;

/// The App, as `GET /app` shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct ShownApp {
    pub id: u64,
    pub slug: String,
    /// An old Enterprise Server does not tell.
    pub client_id: Option<String>,
    owner: Option<Owner>,
    /// Permission to level, as it asks for them. An installation may grant less.
    #[serde(default)]
    pub permissions: BTreeMap<String, String>,
    /// The events it subscribes to.
    #[serde(default)]
    pub events: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Owner {
    login: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl ShownApp {
    /// The page of its settings, below the host where people sign in.
    pub fn settings_page(&self, web: &str) -> String {
        let organization = self.owner.as_ref().filter(|owner| owner.kind.as_deref() == Some("Organization"));
        match organization.and_then(|owner| owner.login.as_deref()) {
            Some(login) => format!("{web}/organizations/{login}/settings/apps/{}", self.slug),
            None => format!("{web}/settings/apps/{}", self.slug),
        }
    }
}

/// Where GitHub delivers, and how.
#[derive(Clone, Debug, Deserialize)]
pub struct Hook {
    /// Absent when the App has no webhook.
    pub url: Option<String>,
    /// `json` or `form`.
    pub content_type: Option<String>,
    /// `0`, or `1` when certificates are not looked at. A number in some versions.
    pub insecure_ssl: Option<serde_json::Value>,
}

impl Hook {
    /// Whether GitHub delivers to whoever shows any certificate.
    pub fn is_insecure(&self) -> bool {
        let is_one = |value: &serde_json::Value| value == "1" || *value == 1;
        self.insecure_ssl.as_ref().is_some_and(is_one)
    }
}

/// How an attempt at a delivery went.
#[derive(Clone, Debug, Deserialize)]
pub struct Tried {
    pub event: String,
    pub delivered_at: DateTime<Utc>,
    /// GitHub's words: `OK`, `timed out`, `failed to connect to host`, …
    pub status: String,
    /// 0 when nothing answered.
    pub status_code: u16,
}

impl Tried {
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.status_code)
    }
}

/// The quota of an hour.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Quota {
    pub limit: u64,
    pub remaining: u64,
    /// Seconds since 1970.
    pub reset: i64,
}

/// The App that `app` signs in as.
///
/// # Errors
/// As [`Reader::get`]: `NotFound` when GitHub knows no App of that id ("Integration not found"), `Credentials` when the
/// signature does not fit the App or the time.
pub async fn shown(app: &Reader) -> Result<ShownApp, GitHubError> {
    app.get("/app").await
}

/// # Errors
/// As [`Reader::get`]; `NotFound` when the App has no webhook.
pub async fn hook(app: &Reader) -> Result<Hook, GitHubError> {
    app.get("/app/hook/config").await
}

/// The newest attempts, at most thirty, newest first. GitHub keeps them for three days.
///
/// # Errors
/// As [`Reader::get`].
pub async fn last_tried(app: &Reader) -> Result<Vec<Tried>, GitHubError> {
    app.get("/app/hook/deliveries?per_page=30").await
}

/// What is left of the quota of the installation that `reader` reads as. Asking costs nothing of it.
///
/// # Errors
/// As [`Reader::get`]; `NotFound` on an Enterprise Server that limits nothing.
pub async fn quota(reader: &Reader) -> Result<Quota, GitHubError> {
    #[derive(Deserialize)]
    struct Limits {
        resources: Resources,
    }
    #[derive(Deserialize)]
    struct Resources {
        core: Quota,
    }
    let limits: Limits = reader.get("/rate_limit").await?;
    Ok(limits.resources.core)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_page_of_the_settings_is_its_owners() {
        let app =
            |owner| -> ShownApp { serde_json::from_value(json!({"id": 1, "slug": "orchd", "owner": owner})).unwrap() };
        let page = |owner| app(owner).settings_page("https://github.com");
        let organization = page(json!({"login": "acme", "type": "Organization"}));
        assert_eq!(organization, "https://github.com/organizations/acme/settings/apps/orchd");
        assert_eq!(page(json!({"login": "mona", "type": "User"})), "https://github.com/settings/apps/orchd");
        assert_eq!(page(json!(null)), "https://github.com/settings/apps/orchd");
    }

    #[test]
    fn insecure_is_told_as_text_or_as_a_number() {
        let insecure = |value| serde_json::from_value::<Hook>(json!({"insecure_ssl": value})).unwrap().is_insecure();
        assert!(insecure(json!("1")) && insecure(json!(1)));
        assert!(!insecure(json!("0")) && !insecure(json!(0)) && !insecure(json!(null)));
    }
}
