//! Query parameters and ids, parsed once: what is wrong is said in the 400.

use std::convert::Infallible;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use uuid::Uuid;
use warp::Filter;

use crate::core::event::RepoName;
use crate::core::rule::RuleName;
use crate::http::error::HttpError;

/// Rows a page when the client does not say.
const USUAL_LIMIT: u32 = 50;
/// Most rows a page.
const MOST_ROWS: u32 = 1_000;

/// The parameters that were not asked for yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

/// Extracts the query, empty when there is none.
pub(super) fn query() -> impl Filter<Extract = (Query,), Error = Infallible> + Clone + Send + Sync + 'static {
    warp::query::raw().or(warp::any().map(String::new)).unify().map(|raw: String| Query::parse(&raw))
}

impl Query {
    fn parse(raw: &str) -> Self {
        Self(form_urlencoded::parse(raw.as_bytes()).into_owned().collect())
    }

    /// Names and values that are read already.
    pub(super) fn of(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// What was not asked for yet, as a URL has it.
    pub(super) fn written(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// The value as written; an empty one counts as absent.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, HttpError> {
        let Some(position) = self.0.iter().position(|(key, _)| key == name) else { return Ok(None) };
        let (_, value) = self.0.remove(position);
        if self.0.iter().any(|(key, _)| key == name) {
            return Err(HttpError::BadRequest(format!("`{name}` is given twice")));
        }
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    /// A value that parses.
    pub(super) fn parsed<T>(&mut self, name: &str) -> Result<Option<T>, HttpError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.with(name, |text| text.parse::<T>().map_err(|error| error.to_string()))
    }

    /// A value of an enum, spelt as in JSON.
    pub(super) fn word<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, HttpError> {
        self.with(name, |text| {
            serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|error| error.to_string())
        })
    }

    pub(super) fn repository(&mut self, name: &str) -> Result<Option<RepoName>, HttpError> {
        self.with(name, |text| RepoName::parse(text).map_err(|error| error.to_string()))
    }

    pub(super) fn rule(&mut self, name: &str) -> Result<Option<RuleName>, HttpError> {
        self.with(name, |text| RuleName::parse(text).map_err(|error| error.to_string()))
    }

    /// `limit`, 1 to 1,000, 50 by default.
    pub(super) fn limit(&mut self) -> Result<u32, HttpError> {
        match self.parsed("limit")? {
            None => Ok(USUAL_LIMIT),
            Some(limit) if (1..=MOST_ROWS).contains(&limit) => Ok(limit),
            Some(_) => Err(HttpError::BadRequest(format!("`limit` must be 1 to {MOST_ROWS}"))),
        }
    }

    /// Refuses parameters that nobody asked for: a mistyped filter must not show everything.
    pub(super) fn finish(self) -> Result<(), HttpError> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().take(40).collect();
                Err(HttpError::BadRequest(format!("there is no parameter `{name}` here")))
            }
        }
    }

    fn with<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, HttpError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match parse(&text) {
            Ok(value) => Ok(Some(value)),
            Err(reason) => Err(HttpError::BadRequest(format!("`{name}` cannot be read: {reason}"))),
        }
    }
}

/// An id of a URL's path.
pub(super) fn id(text: &str) -> Result<Uuid, HttpError> {
    Uuid::parse_str(text).map_err(|_| {
        let text: String = text.chars().take(40).collect();
        HttpError::BadRequest(format!("`{text}` is not an id: it looks like 01980a2b-7c4d-7e5f-8a9b-0c1d2e3f4a5b"))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::events::EventStatus;

    fn reason<T: std::fmt::Debug>(result: Result<T, HttpError>) -> String {
        match result {
            Err(HttpError::BadRequest(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn parameters_are_parsed_and_leftovers_refused() {
        let mut query = Query::parse("repo=acme%2Fapi&status=failed&number=7&actor=");
        assert_eq!(query.repository("repo").unwrap().unwrap().as_str(), "acme/api");
        assert_eq!(query.word::<EventStatus>("status").unwrap(), Some(EventStatus::Failed));
        assert_eq!(query.parsed::<u64>("number").unwrap(), Some(7));
        assert_eq!(query.text("actor").unwrap(), None);
        assert_eq!(query.limit().unwrap(), 50);
        query.finish().unwrap();

        assert_eq!(reason(Query::parse("repoo=x").finish()), "there is no parameter `repoo` here");
        assert_eq!(reason(Query::parse("limit=0").limit()), "`limit` must be 1 to 1000");
        assert_eq!(reason(Query::parse("limit=1&limit=2").limit()), "`limit` is given twice");
        assert!(reason(Query::parse("status=done").word::<EventStatus>("status")).contains("processed"));
        assert!(reason(id("12")).contains("is not an id"));
    }
}
