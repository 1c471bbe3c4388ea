//! Who asks by key or token: `Authorization: Bearer …`.
//!
//! A key goes one way, whatever is right or wrong about it: its form, its hash, its row. How long that takes says nothing
//! of how much of a key was right; see `key_by_hash` of the store. The row is looked at each time, so a key that is revoked
//! is good for nothing from the next request on, and its tokens with it.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::App;
use super::allowlist::counted_address;
use super::arrival::Arrival;
use super::caller::{Caller, Via};
use super::error::HttpError;
use super::failures::Failed;
use super::person;
use super::token::{self, LONGEST_TOKEN, TokenTerms};
use crate::core::access::{Presented, Sight};
use crate::core::audit::{Actor, Entry, Kind};
use crate::store::api_keys::{Ended, KeyOwner, KeyRow, KeyTerms};

/// A key that asks, or a token of it.
#[derive(Clone, Debug)]
pub(super) struct Bearer {
    pub(super) key: KeyRow,
    /// Of the key, or of the token, which may do less.
    pub(super) terms: KeyTerms,
    pub(super) is_token: bool,
}

/// Why a key or token is not taken: whose it is where that is known, and what is said.
struct Refusal {
    who: Actor,
    why: String,
}

/// Whoever shows a key or token; `None`: the request shows neither.
///
/// # Errors
/// 401 when what is shown is not good, 429 when its address has shown too much of that.
pub(super) async fn caller(app: &App, arrival: &Arrival, headers: &HeaderMap) -> Result<Option<Caller>, HttpError> {
    if !headers.contains_key(AUTHORIZATION) {
        return Ok(None);
    }
    let config = app.config();
    let address = counted_address(arrival.peer, headers, &config.server.trusted_proxies);
    app.failures().turn_away(address)?;
    let now = Utc::now();
    let bearer = match find(app, headers, now).await? {
        Ok(bearer) => bearer,
        Err(refusal) => return Err(refused(app, address, refusal, now).await),
    };
    if let Err(error) = app.db.note_key_use(&bearer.key, now).await {
        // To know when a key was used is not worth a request.
        tracing::warn!(%error, "the last use of a key was not noted");
    }
    whoever_shows(app, bearer).await.map(Some)
}

async fn whoever_shows(app: &App, mut bearer: Bearer) -> Result<Caller, HttpError> {
    let sight = Arc::new(sight(app, &mut bearer).await?);
    let (who, scopes) = (bearer.key.actor(), Some(bearer.terms.scopes.clone()));
    Ok(Caller { who, sight, scopes, via: Via::Key(Box::new(bearer)) })
}

/// The same key or token once more; `None`: it has ended.
pub(super) async fn again(app: &App, bearer: &Bearer) -> Result<Option<Caller>, HttpError> {
    let now = Utc::now();
    let Some(key) = app.db.key(bearer.key.id).await?.filter(|key| key.ended(now).is_none()) else { return Ok(None) };
    if bearer.terms.expires_at.is_some_and(|end| end <= now) {
        return Ok(None);
    }
    whoever_shows(app, Bearer { key, ..bearer.clone() }).await.map(Some)
}

async fn find(app: &App, headers: &HeaderMap, now: DateTime<Utc>) -> Result<Result<Bearer, Refusal>, HttpError> {
    let nobodys = |why: &str| Refusal { who: Actor::Orchd, why: why.to_owned() };
    let presented = match read(headers) {
        Ok(presented) => presented,
        Err(why) => return Ok(Err(nobodys(&why))),
    };
    let (key, token) = match presented {
        Presented::Key(text) => (app.db.key_by_hash(&text.hash()).await?, None),
        Presented::Token(text) => {
            let config = app.config();
            let audience = token::audience(config.server.public_url.as_deref());
            match token::verify(&config.login.keys, audience, &text, now) {
                Ok(token) => (app.db.key(token.key).await?, Some(token)),
                Err(error) => return Ok(Err(nobodys(&error.to_string()))),
            }
        }
    };
    let Some(key) = key else { return Ok(Err(nobodys("there is no such key"))) };
    let why = match key.ended(now) {
        Some(Ended::Revoked) => "the key is revoked",
        Some(Ended::Expired) => "the key has expired",
        None => {
            let (terms, is_token) = (terms(&key, token.as_ref()), token.is_some());
            return Ok(Ok(Bearer { key, terms, is_token }));
        }
    };
    Ok(Err(Refusal { who: key.actor(), why: why.to_owned() }))
}

/// What stands behind `Bearer`, of which there is one.
fn read(headers: &HeaderMap) -> Result<Presented, String> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else {
        return Err("there is more than one `Authorization` header".to_owned());
    };
    if only.len() > LONGEST_TOKEN + "Bearer ".len() {
        return Err("the `Authorization` header is too long".to_owned());
    }
    let bearer = only.to_str().ok().and_then(|text| text.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, shown)| shown);
    let shown = bearer.ok_or("`Authorization` must be `Bearer`, a space, and a key or token")?;
    shown.parse().map_err(|error: crate::core::access::NotAKey| error.to_string())
}

/// What the key may, and no more than the token says.
fn terms(key: &KeyRow, token: Option<&TokenTerms>) -> KeyTerms {
    let mut terms = key.terms.clone();
    let Some(token) = token else { return terms };
    terms.scopes = terms.scopes.and(&token.scopes);
    terms.expires_at = Some(terms.expires_at.map_or(token.expires_at, |end| end.min(token.expires_at)));
    if let Some(narrower) = &token.repositories {
        terms.repositories = Some(match terms.repositories {
            Some(own) => narrower.iter().filter(|name| is_among(&own, name)).cloned().collect(),
            None => narrower.clone(),
        });
    }
    terms
}

/// GitHub's names differ by more than case.
pub(super) fn is_among(names: &[crate::core::event::RepoName], name: &crate::core::event::RepoName) -> bool {
    names.iter().any(|known| known.as_str().eq_ignore_ascii_case(name.as_str()))
}

/// What its owner sees, cut to what the key is for. The owner goes by the name they have now.
async fn sight(app: &App, bearer: &mut Bearer) -> Result<Sight, HttpError> {
    let whole = match &mut bearer.key.owner {
        Some(owner) => sight_of(app, owner).await?,
        None => Sight::everything(),
    };
    let seen = match &bearer.terms.repositories {
        Some(names) => whole.cut_to(names),
        None => whole,
    };
    Ok(seen.at_most(bearer.terms.level))
}

/// What the owner of a key sees now.
async fn sight_of(app: &App, owner: &mut KeyOwner) -> Result<Sight, HttpError> {
    let user = app.db.user(owner.id).await?;
    let user = user.ok_or_else(|| HttpError::Unauthorised("the key's owner is gone".to_owned()))?;
    let sighted = person::sight_of(app, &user).await?;
    owner.login = sighted.login;
    Ok(sighted.sight)
}

/// Counts a refusal, and tells the audit chain: not of each one of a flood.
async fn refused(app: &App, address: Option<IpAddr>, refusal: Refusal, now: DateTime<Utc>) -> HttpError {
    let Refusal { who, why } = refusal;
    if let Some(address) = address {
        app.failures().note(app.config().login.failures_a_minute, address);
    }
    if let Some(untold) = app.failures().to_be_told(Failed::Key) {
        let from = address.map(|address| format!(" from {address}")).unwrap_or_default();
        let more = if untold > 0 { format!("; {untold} more were refused before, untold") } else { String::new() };
        let entry = Entry { note: Some(format!("{why}{from}{more}")), ..Entry::new(Kind::KeyRefused, who, now) };
        if let Err(error) = app.db.audit(vec![entry]).await {
            tracing::warn!(%error, "a refused key is not in the audit chain");
        }
    }
    HttpError::Unauthorised(why)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::TimeDelta;
    use http::HeaderValue;
    use uuid::Uuid;

    use super::*;
    use crate::core::access::{KeyText, Level, Scope};
    use crate::core::event::RepoName;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn one_header_with_one_key_is_read_and_nothing_else() {
        let key = KeyText::new([3; 32]).expose().to_owned();
        for good in [format!("Bearer {key}"), format!("bearer {key}"), "Bearer a.b.c".to_owned()] {
            assert!(read(&headers(&[&good])).is_ok(), "{good}");
        }
        let good = format!("Bearer {key}");
        for (bad, why) in [
            (vec![good.as_str(), good.as_str()], "more than one"),
            (vec!["Basic dXNlcjpwYXNz"], "must be `Bearer`"),
            (vec![&key], "must be `Bearer`"),
            (vec!["Bearer"], "must be `Bearer`"),
            (vec![""], "must be `Bearer`"),
            (vec![&format!("Bearer  {key}")], "mistyped"),
            (vec![&format!("Bearer {key} ")], "mistyped"),
            (vec![&format!("Bearer {key}, Bearer {key}")], "mistyped"),
            (vec![&format!("Bearer {}", "a".repeat(LONGEST_TOKEN + 1))], "too long"),
        ] {
            let said = read(&headers(&bad)).unwrap_err();
            assert!(said.contains(why) && !said.contains(&key), "{bad:?}: {said}");
        }
    }

    #[test]
    fn a_token_never_widens_its_key() {
        let repo = |name: &str| RepoName::parse(name).unwrap();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let key = KeyRow {
            id: Uuid::nil(),
            owner: None,
            name: "ci".to_owned(),
            beginning: "orchd_000000".to_owned(),
            terms: KeyTerms {
                level: Level::Viewer,
                scopes: [Scope::EventsRead, Scope::JobsRead].into_iter().collect(),
                repositories: Some(vec![repo("acme/web"), repo("acme/api")]),
                expires_at: Some(now),
            },
            last_used_at: None,
            revoked_at: None,
            created_at: now,
        };
        let token = |repositories, expires_at| TokenTerms {
            key: key.id,
            scopes: [Scope::EventsRead, Scope::ConfigWrite].into_iter().collect(),
            repositories,
            expires_at,
        };
        let wide = token(Some(vec![repo("Acme/Web"), repo("acme/secret")]), now + TimeDelta::days(1));
        let narrowed = terms(&key, Some(&wide));
        assert_eq!(narrowed.scopes, [Scope::EventsRead].into_iter().collect());
        assert_eq!(narrowed.repositories, Some(vec![repo("Acme/Web")]));
        assert_eq!((narrowed.expires_at, narrowed.level), (Some(now), Level::Viewer));
        let all = terms(&key, Some(&token(None, now - TimeDelta::days(1))));
        assert_eq!(all.repositories, key.terms.repositories);
        assert_eq!(all.expires_at, Some(now - TimeDelta::days(1)));
        assert_eq!(terms(&key, None), key.terms);
    }
}
