//! `/api/auth/token`: a short-lived token, for what a key may or less.

use chrono::{SubsecRound, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::keys;
use crate::core::access::{Scope, Scopes};
use crate::core::event::RepoName;
use crate::http::error::HttpError;
use crate::http::token::{self, TokenError, TokenTerms};

/// What is asked of a token. Nothing asks for all that the key may.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TokenWish")]
pub(super) struct Wish {
    scopes: Option<Vec<Scope>>,
    repositories: Option<Vec<String>>,
    /// Such as `10m`; `api.token_lifetime` at most, which is usual.
    expires_in: Option<String>,
}

/// As RFC 6749 has it, section 5.1.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TokenMade")]
pub(in crate::http) struct Made {
    pub(in crate::http) access_token: String,
    pub(in crate::http) token_type: &'static str,
    /// Seconds.
    pub(in crate::http) expires_in: i64,
    pub(in crate::http) scope: String,
    pub(in crate::http) repositories: Option<Vec<RepoName>>,
}

pub(super) async fn create(mut call: Call) -> Result<Made, HttpError> {
    call.no_query()?;
    let wish = if call.body.is_empty() { Wish::default() } else { call.document()? };
    let bearer = call.caller.key().filter(|bearer| !bearer.is_token).ok_or_else(|| {
        HttpError::Forbidden("a key makes tokens: send one, `Authorization: Bearer orchd_…`".to_owned())
    })?;
    let now = Utc::now();
    let config = call.app.config();
    let own = &bearer.terms;
    let scopes: Scopes = wish.scopes.map_or_else(|| own.scopes.clone(), |scopes| scopes.into_iter().collect());
    keys::narrows(&scopes, Some(&own.scopes))?;
    let repositories = match &wish.repositories {
        // The key's own count whenever the token is used.
        None => None,
        some => keys::repositories(some.as_deref(), &call.caller)?,
    };
    let longest = TimeDelta::from_std(config.api.token_lifetime).unwrap_or(TimeDelta::MAX);
    let usual = own.expires_at.map_or(now + longest, |end| end.min(now + longest));
    let expires_at =
        keys::end(wish.expires_in.as_deref(), own.expires_at, longest, now)?.map_or(usual, |end| end.min(usual));
    let terms = TokenTerms { key: bearer.key.id, scopes, repositories, expires_at: expires_at.trunc_subsecs(0) };

    let audience = token::audience(config.server.public_url.as_deref());
    let text = token::issue(&config.login.keys, audience, &terms, now).map_err(|error| match error {
        TokenError::NoKeys | TokenError::TooLong => HttpError::Unprocessable(error.to_string()),
        other => HttpError::Internal { cause: other.to_string() },
    })?;
    let scopes: Vec<&str> = terms.scopes.iter().map(Scope::word).collect();
    let made = Made {
        access_token: secrecy::ExposeSecret::expose_secret(&text).to_owned(),
        token_type: "Bearer",
        expires_in: (terms.expires_at - now).num_seconds().max(0),
        scope: scopes.join(" "),
        repositories: terms.repositories,
    };
    Ok(made)
}
