//! `/api/keys`: keys for scripts. A key may do what its maker may, or less.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::call::Call;
use super::params::{AFTER, LIMIT, Param};
use crate::config::parse_duration;
use crate::core::access::{KeyText, Level, Scope, Scopes};
use crate::core::event::RepoName;
use crate::core::text::is_dangerous;
use crate::engine::login::seal::{Keyring, SealError};
use crate::engine::login::{self, TokenError};
use crate::http::bearer::is_among;
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::store::Page;
use crate::store::api_keys::{KeyRow, KeyTerms, NewKey, Revoked};

/// Characters of a key's name.
const LONGEST_NAME: usize = 100;

/// Repositories of a key: more are better left to what its owner sees.
const MOST_REPOSITORIES: usize = 1_000;

/// Longest life of a key that ends.
const LONGEST_LIFE: TimeDelta = TimeDelta::days(3_650);

pub(super) const LIST: &[Param] = &[LIMIT, AFTER];

/// What is asked of a key to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KeyWish")]
pub(super) struct Wish {
    /// 1 to 100 characters, for people.
    name: String,
    scopes: Vec<Scope>,
    /// `None`: all that the owner sees.
    repositories: Option<Vec<String>>,
    /// `None`: as its maker.
    level: Option<Level>,
    /// Such as `90d`. `None`: as its maker.
    expires_in: Option<String>,
}

/// A key that was made.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyMade")]
pub(in crate::http) struct Made {
    pub(in crate::http) id: Uuid,
    pub(in crate::http) name: String,
    /// Told this once.
    pub(in crate::http) key: String,
    pub(in crate::http) beginning: String,
    #[serde(flatten)]
    pub(in crate::http) terms: KeyTerms,
}

/// A key that is good for nothing any more.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyEnded")]
pub(in crate::http) struct Ended {
    pub(in crate::http) id: Uuid,
    /// Now; else it was before.
    pub(in crate::http) revoked: bool,
}

/// One's own, newest first; an admin's list has everybody's.
pub(super) async fn list(call: Call) -> Result<Page<KeyRow>, HttpError> {
    let Call { app, caller, mut query, .. } = call;
    let (limit, after) = (query.limit()?, query.parsed("after")?);
    query.finish()?;
    if caller.holds(Level::Admin) {
        return Ok(app.db.keys(None, after, limit).await?);
    }
    if let Some(user) = caller.user().filter(|_| !caller.is_narrow_key()) {
        return Ok(app.db.keys(Some(user), after, limit).await?);
    }
    // A key that is nobody's knows itself.
    let own = caller.key().map(|bearer| bearer.key.clone());
    Ok(Page::<KeyRow> { rows: own.into_iter().collect(), next: None })
}

pub(super) async fn create(mut call: Call) -> Result<Made, HttpError> {
    call.no_query()?;
    let (wish, now): (Wish, _) = (call.document()?, Utc::now());
    let name = name(&wish.name)?;
    let terms = terms(&wish, &call.caller, now)?;
    let text = KeyText::new(rand::random());
    let (hash, beginning) = (text.hash(), text.beginning());
    let new = NewKey { id: Uuid::now_v7(), owner: call.caller.user(), name, hash, beginning, terms };
    call.app.db.create_key(&new, call.by(), now).await?;
    let NewKey { id, name, beginning, terms, .. } = new;
    Ok(Made { id, name, key: text.expose().to_owned(), beginning, terms })
}

/// Once more is no error.
pub(super) async fn revoke(mut call: Call) -> Result<Ended, HttpError> {
    call.no_query()?;
    let (id, caller) = (call.id()?, &call.caller);
    let missing = || HttpError::NotFound(format!("there is no key {id}"));
    let is_itself = caller.key().is_some_and(|bearer| bearer.key.id == id);
    let owner = match caller.user() {
        _ if caller.holds(Level::Admin) || is_itself => None,
        Some(user) if !caller.is_narrow_key() => Some(user),
        _ => return Err(missing()),
    };
    let revoked = match call.app.db.revoke_key(id, owner, call.by(), Utc::now()).await? {
        Revoked::Now => true,
        Revoked::Already => false,
        Revoked::NotThere => return Err(missing()),
    };
    Ok(Ended { id, revoked })
}

/// What `orchd keys rotate` did.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeysRotated")]
pub(in crate::http) struct Rotated {
    /// People whose tokens are encrypted anew.
    pub(in crate::http) rotated: u64,
    /// Logins of people whose tokens no key of `login.keys` opens: they have to sign in again.
    pub(in crate::http) unopened: Vec<String>,
}

/// May be asked again: what is done is done.
pub(super) async fn rotate(mut call: Call) -> Result<Rotated, HttpError> {
    call.no_query()?;
    let keyring = Keyring::of(&call.app.config().login.keys);
    let rotation = login::rotate(&call.app.db, &keyring, call.by(), Utc::now()).await.map_err(|error| match error {
        TokenError::Seal(SealError::NoKey) => HttpError::Unprocessable("`login.keys` is not set".to_owned()),
        TokenError::Store(error) => error.into(),
        other => HttpError::Internal { cause: other.to_string() },
    })?;
    Ok(Rotated { rotated: rotation.rotated, unopened: rotation.unopened })
}

fn name(written: &str) -> Result<String, HttpError> {
    let name = written.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(is_dangerous) {
        let wrong = format!("`name` is 1 to {LONGEST_NAME} characters, none of them a control character");
        return Err(HttpError::Unprocessable(wrong));
    }
    Ok(name.to_owned())
}

/// What the key may, which its maker may too.
fn terms(wish: &Wish, maker: &Caller, now: DateTime<Utc>) -> Result<KeyTerms, HttpError> {
    let scopes: Scopes = wish.scopes.iter().copied().collect();
    if scopes.is_empty() {
        return Err(HttpError::Unprocessable("`scopes` is empty: such a key is for nothing".to_owned()));
    }
    narrows(&scopes, maker.scopes.as_ref())?;
    let highest = maker.sight.highest().ok_or_else(|| HttpError::Forbidden("you see no repository yet".to_owned()))?;
    let level = wish.level.unwrap_or(highest);
    if level > highest {
        return Err(HttpError::Forbidden(format!("a key may not do more than its maker: your level is {highest}")));
    }
    let own = maker.key().map(|bearer| &bearer.terms);
    let repositories = repositories(wish.repositories.as_deref(), maker)?;
    let expires_at = end(wish.expires_in.as_deref(), own.and_then(|own| own.expires_at), LONGEST_LIFE, now)?;
    Ok(KeyTerms { level, scopes, repositories, expires_at })
}

/// Refuses scopes that the maker has not; `None`: they have all.
pub(super) fn narrows(scopes: &Scopes, own: Option<&Scopes>) -> Result<(), HttpError> {
    match scopes.iter().find(|scope| own.is_some_and(|own| !own.has(*scope))) {
        None => Ok(()),
        Some(more) => Err(HttpError::Forbidden(format!("a key may not do more than its maker, which lacks `{more}`"))),
    }
}

/// Those that are wished for, which the maker sees; else the maker's.
pub(super) fn repositories(wish: Option<&[String]>, maker: &Caller) -> Result<Option<Vec<RepoName>>, HttpError> {
    let own = maker.key().and_then(|bearer| bearer.terms.repositories.clone());
    let Some(wish) = wish else { return Ok(own) };
    if wish.is_empty() || wish.len() > MOST_REPOSITORIES {
        let wrong = format!("`repositories` are 1 to {MOST_REPOSITORIES}, or left out for all that its owner sees");
        return Err(HttpError::Unprocessable(wrong));
    }
    let mut names: Vec<RepoName> = Vec::new();
    for written in wish {
        let name = RepoName::parse(written).map_err(|error| HttpError::Unprocessable(error.to_string()))?;
        if maker.sight.level_in(&name).is_none() {
            return Err(HttpError::Forbidden(format!("you see no repository {name}")));
        }
        if !is_among(&names, &name) {
            names.push(name);
        }
    }
    Ok(Some(names))
}

/// When it ends: never later than what makes it.
pub(super) fn end(
    wish: Option<&str>,
    own: Option<DateTime<Utc>>,
    longest: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, HttpError> {
    let Some(wish) = wish else { return Ok(own) };
    let life = parse_duration(wish).and_then(|life| TimeDelta::from_std(life).ok());
    let life = life.filter(|life| (TimeDelta::seconds(1)..=longest).contains(life)).ok_or_else(|| {
        let most = longest.num_minutes();
        HttpError::Unprocessable(format!("`expires_in` is a time such as 90d, 12h or 10m, of {most} minutes at most"))
    })?;
    let end = now + life;
    if own.is_some_and(|own| end > own) {
        return Err(HttpError::Forbidden("it may not end later than the key that makes it".to_owned()));
    }
    Ok(Some(end))
}
