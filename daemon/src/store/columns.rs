//! How values stand in columns: times, JSON, words, untrusted text.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use crate::core::event::RepoName;

/// A time in a column: microseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub(super) struct Micros(pub(super) i64);

impl From<DateTime<Utc>> for Micros {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_micros())
    }
}

impl TryFrom<Micros> for DateTime<Utc> {
    type Error = StoreError;

    fn try_from(Micros(micros): Micros) -> Result<Self, StoreError> {
        Self::from_timestamp_micros(micros).ok_or_else(|| StoreError::Corrupt(format!("{micros} is not a time")))
    }
}

/// `None` stays `None`.
pub(super) fn time(at: Option<Micros>) -> Result<Option<DateTime<Utc>>, StoreError> {
    at.map(DateTime::try_from).transpose()
}

/// Text that came from outside. PostgreSQL's TEXT cannot hold the character NUL, which JSON strings can.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// [`clean`] in place.
pub(super) fn make_clean(text: &mut String) {
    if let Cow::Owned(cleaned) = clean(text) {
        *text = cleaned;
    }
}

/// JSON in a TEXT column.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(format!("cannot be written as JSON: {error}")))
}

pub(super) fn from_json<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("column {column}: {error}")))
}

/// The word a unit variant is stored as: the same one that serde writes.
pub(super) fn word<T: Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        other => Err(StoreError::Failed(format!("not a word: {other:?}"))),
    }
}

pub(super) fn from_word<T: DeserializeOwned>(column: &str, word: String) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(word))
        .map_err(|error| StoreError::Corrupt(format!("column {column}: {error}")))
}

pub(super) fn repo_name(text: &str) -> Result<RepoName, StoreError> {
    RepoName::parse(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// A count or number that is never negative.
pub(super) fn unsigned<T: TryFrom<i64>>(column: &str, value: i64) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| StoreError::Corrupt(format!("column {column}: {value} is out of range")))
}

/// A number for a BIGINT column. GitHub's numbers are far below the limit; a forged one is cut to it.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
