//! Reads the envelope in one pass over the payload: keeps a few dozen fields, skips the rest without building it.

use std::fmt;
use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{BadEnvelope, Envelope, EnvelopeInstallation, EnvelopeRepository};
use crate::core::event::{InstallationId, RepoName};

pub(super) fn read(payload: &[u8]) -> Result<Envelope, BadEnvelope> {
    let text = std::str::from_utf8(payload).map_err(|error| {
        let before = &payload[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        BadEnvelope(format!("the payload is not UTF-8 at line {line} column {column}"))
    })?;
    match text.trim_start_matches([' ', '\t', '\r', '\n']).as_bytes().first() {
        Some(b'{') => {}
        Some(_) => return Err(BadEnvelope("the payload is not a JSON object".to_owned())),
        None => return Err(BadEnvelope("the payload is empty".to_owned())),
    }
    // The visitors below accept every type, so the only errors are those of syntax, and they name a place, not a text.
    let delivery = serde_json::from_str::<Lax<Delivery>>(text)
        .map_err(|error| BadEnvelope(format!("the payload is not valid JSON: {error}")))?;
    Ok(delivery.0.into())
}

/// What to make of a JSON value; every type that is not overridden gives the default.
trait Lenient: Default {
    fn text(_text: &str) -> Self {
        Self::default()
    }
    fn unsigned(_number: u64) -> Self {
        Self::default()
    }
    fn signed(_number: i64) -> Self {
        Self::default()
    }
    fn boolean(_value: bool) -> Self {
        Self::default()
    }
    fn object<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_key::<Lax<()>>()?.is_some() {
            map.next_value::<Lax<()>>()?;
        }
        Ok(Self::default())
    }
    fn array<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Lax<()>>()?.is_some() {}
        Ok(Self::default())
    }
}

/// Skips a value. Not `IgnoredAny`: that takes any depth, broken escapes and numbers that do not fit, which whoever
/// reads the stored payload would then stumble over.
impl Lenient for () {}

struct Lax<T>(T);

impl<'de, T: Lenient> Deserialize<'de> for Lax<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LaxVisitor(PhantomData)).map(Self)
    }
}

struct LaxVisitor<T>(PhantomData<T>);

impl<'de, T: Lenient> Visitor<'de> for LaxVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        Ok(T::boolean(value))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        Ok(T::signed(value))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        Ok(T::unsigned(value))
    }
    fn visit_f64<E: Error>(self, _value: f64) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
        Ok(T::text(value))
    }
    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::object(map)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::array(list)
    }
}

impl Lenient for Option<String> {
    fn text(text: &str) -> Self {
        // PostgreSQL's text cannot hold a NUL.
        Some(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() })
    }
}

impl Lenient for Option<u64> {
    fn unsigned(number: u64) -> Self {
        Some(number)
    }
}

impl Lenient for Option<i64> {
    fn unsigned(number: u64) -> Self {
        i64::try_from(number).ok()
    }
    fn signed(number: i64) -> Self {
        Some(number)
    }
}

impl Lenient for Option<bool> {
    fn boolean(value: bool) -> Self {
        Some(value)
    }
}

impl Lenient for Option<DateTime<Utc>> {
    fn text(text: &str) -> Self {
        DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc))
    }
}

/// Whether an object is there, whatever is in it.
#[derive(Default)]
struct Present(bool);

impl Lenient for Present {
    fn object<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        <() as Lenient>::object(map)?;
        Ok(Self(true))
    }
}

/// The first element of an array.
#[derive(Default)]
struct First<T>(T);

impl<T: Lenient> Lenient for First<T> {
    fn array<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let first = list.next_element::<Lax<T>>()?.map(|first| Self(first.0)).unwrap_or_default();
        <() as Lenient>::array(list)?;
        Ok(first)
    }
}

/// Reads a key as one of the fields of an object, without keeping it.
struct Key<F>(fn(&str) -> F);

impl<'de, F> DeserializeSeed<'de> for Key<F> {
    type Value = F;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<F, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<F> Visitor<'_> for Key<F> {
    type Value = F;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: Error>(self, key: &str) -> Result<F, E> {
        Ok((self.0)(key))
    }
}

/// Declares an object by the fields to keep. Where a key comes twice the last one counts, as in `serde_json::Value`.
macro_rules! object {
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
    ($name:ident { $($field:ident $($key:literal)?: $kind:ty),* $(,)? }) => {
        #[derive(Default)]
        struct $name { $($field: $kind),* }

        impl Lenient for $name {
            fn object<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
                #[allow(non_camel_case_types)]
                enum Field { $($field,)* Another }
                let field_of = |key: &str| match key {
                    $(object!(@key $field $($key)?) => Field::$field,)*
                    _ => Field::Another,
                };
                let mut read = Self::default();
                while let Some(field) = map.next_key_seed(Key(field_of))? {
                    match field {
                        $(Field::$field => read.$field = map.next_value::<Lax<$kind>>()?.0,)*
                        Field::Another => { map.next_value::<Lax<()>>()?; }
                    }
                }
                Ok(read)
            }
        }
    };
}

object!(Delivery {
    action: Option<String>,
    sender: Account,
    repository: Repository,
    installation: Installation,
    pull_request: Numbered,
    issue: Issue,
    comment: Dated,
    review: Review,
    check_run: Check,
    check_suite: Check,
    workflow_run: Check,
    workflow_context: Forwarded,
    discussion: Numbered,
    release: Release,
    head_commit: Commit,
});
object!(Account { login: Option<String>, kind "type": Option<String> });
object!(Repository {
    id: Option<i64>,
    full_name: Option<String>,
    description: Option<String>,
    html_url: Option<String>,
    private: Option<bool>,
    default_branch: Option<String>,
    updated_at: Option<DateTime<Utc>>,
});
object!(Installation { id: Option<i64>, account: Account, updated_at: Option<DateTime<Utc>> });
object!(Numbered { number: Option<u64>, updated_at: Option<DateTime<Utc>> });
object!(Issue { number: Option<u64>, updated_at: Option<DateTime<Utc>>, pull_request: Present });
object!(Dated { id: Option<u64>, updated_at: Option<DateTime<Utc>> });
object!(Review { id: Option<u64>, submitted_at: Option<DateTime<Utc>> });
object!(Release { id: Option<u64>, published_at: Option<DateTime<Utc>>, created_at: Option<DateTime<Utc>> });
object!(Forwarded { number: Option<u64>, run_id: Option<u64> });
object!(Commit { timestamp: Option<DateTime<Utc>> });
object!(Check {
    id: Option<u64>,
    pull_requests: First<Numbered>,
    updated_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
});

impl Check {
    fn at(&self) -> Option<DateTime<Utc>> {
        self.updated_at.or(self.completed_at).or(self.started_at)
    }

    fn pull(&self) -> Option<u64> {
        self.pull_requests.0.number
    }
}

impl Delivery {
    /// The order is that of `core::event`.
    fn number(&self) -> Option<u64> {
        (self.pull_request.number)
            .or(self.issue.number)
            .or_else(|| self.check_run.pull())
            .or_else(|| self.check_suite.pull())
            .or_else(|| self.workflow_run.pull())
            .or(self.workflow_context.number)
            .or(self.discussion.number)
    }

    /// The most particular thing first: a comment's own time, not that of the issue it is on.
    fn at(&self) -> Option<DateTime<Utc>> {
        (self.comment.updated_at)
            .or(self.review.submitted_at)
            .or_else(|| self.check_run.at())
            .or_else(|| self.check_suite.at())
            .or_else(|| self.workflow_run.at())
            .or(self.pull_request.updated_at)
            .or(self.issue.updated_at)
            .or(self.discussion.updated_at)
            .or(self.release.published_at)
            .or(self.release.created_at)
            .or(self.head_commit.timestamp)
    }

    fn objects(&self) -> Value {
        let issue_is_pull = self.issue.pull_request.0;
        let checks = [&self.check_run, &self.check_suite, &self.workflow_run];
        let pull = (self.pull_request.number)
            .or(self.issue.number.filter(|_| issue_is_pull))
            .or_else(|| checks.iter().find_map(|check| check.pull()))
            .or(self.workflow_context.number);
        let found = [
            ("issue_number", self.issue.number.filter(|_| !issue_is_pull)),
            ("pr_number", pull),
            ("comment_id", self.comment.id),
            ("review_id", self.review.id),
            ("check_run_id", self.check_run.id),
            ("check_suite_id", self.check_suite.id),
            ("workflow_run_id", self.workflow_run.id.or(self.workflow_context.run_id)),
            ("release_id", self.release.id),
            ("discussion_number", self.discussion.number),
        ];
        let ids: Map<String, Value> =
            found.into_iter().filter_map(|(name, id)| Some((name.to_owned(), id?.into()))).collect();
        if ids.is_empty() { Value::Null } else { Value::Object(ids) }
    }
}

impl From<Delivery> for Envelope {
    fn from(delivery: Delivery) -> Self {
        Self {
            number: delivery.number(),
            target_object_ids: delivery.objects(),
            github_timestamp: delivery.at(),
            action: delivery.action,
            actor: delivery.sender.login,
            repository: delivery.repository.into(),
            installation: delivery.installation.into(),
        }
    }
}

/// A repository without an id or with a name that GitHub does not allow is none.
impl From<Repository> for Option<EnvelopeRepository> {
    fn from(read: Repository) -> Self {
        let full_name = read.full_name.filter(|name| RepoName::parse(name).is_ok())?;
        Some(EnvelopeRepository {
            github_id: read.id?,
            full_name,
            description: read.description,
            url: read.html_url.unwrap_or_default(),
            is_private: read.private.unwrap_or_default(),
            default_branch: read.default_branch.unwrap_or_default(),
            updated_at: read.updated_at,
        })
    }
}

impl From<Installation> for Option<EnvelopeInstallation> {
    fn from(read: Installation) -> Self {
        Some(EnvelopeInstallation {
            id: InstallationId(read.id?),
            account_login: read.account.login,
            account_type: read.account.kind,
            updated_at: read.updated_at,
        })
    }
}
