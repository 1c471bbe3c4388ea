//! Rows, and the hash that ties each to the one before it.
//!
//! A row's hash covers the hash before it, its clear columns and one digest of its personal columns. The digest is salted:
//! once salt and clear text are dropped nobody can find the text by trying, and the chain still holds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Cause, Entry};

/// A SHA-256, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// Why something is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256: 64 hexadecimal digits, or 32 bytes")]
pub struct NotADigest;

impl Digest {
    /// What stands before the first row.
    pub const START: Self = Self([0; 32]);

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<&[u8]> for Digest {
    type Error = NotADigest;
    fn try_from(bytes: &[u8]) -> Result<Self, NotADigest> {
        bytes.try_into().map(Self).map_err(|_| NotADigest)
    }
}

impl FromStr for Digest {
    type Err = NotADigest;
    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotADigest);
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).map_err(|_| NotADigest)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;
    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What may be dropped of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Personal {
    /// Random, 16 bytes when we write it.
    pub salt: Vec<u8>,
    pub actor_name: Option<String>,
    pub before: Option<String>,
    pub after: Option<String>,
    pub note: Option<String>,
}

/// A row as it is stored. Nothing in it is believed before it was verified, so words are plain text here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// From 1, without gaps.
    pub seq: i64,
    /// Microseconds since 1970, UTC.
    pub at: i64,
    pub kind: String,
    pub actor: String,
    pub cause: Cause,
    pub repository: Option<String>,
    pub number: Option<i64>,
    /// `None`: pseudonymised.
    pub personal: Option<Personal>,
    /// Of what is personal, for ever.
    pub digest: Digest,
    pub hash: Digest,
}

impl Entry {
    /// The row that comes after the one with the hash `previous`. The salt must be random and used once.
    pub fn seal(self, seq: i64, previous: Digest, salt: [u8; 16]) -> Row {
        let personal = Personal {
            salt: salt.to_vec(),
            actor_name: self.actor.name(),
            before: self.before,
            after: self.after,
            note: self.note,
        };
        let mut row = Row {
            seq,
            at: self.at,
            kind: self.kind.word().to_owned(),
            actor: self.actor.word().to_owned(),
            cause: self.cause,
            repository: self.repository,
            number: self.number,
            digest: personal.digest(),
            personal: Some(personal),
            hash: previous,
        };
        row.hash = row.hash_after(previous, seq);
        row
    }
}

impl Personal {
    pub(super) fn digest(&self) -> Digest {
        let mut bytes = Fields::new(b"orchd audit personal 1");
        bytes.push(Some(&self.salt));
        for text in [&self.actor_name, &self.before, &self.after, &self.note] {
            bytes.push(text.as_ref().map(String::as_bytes));
        }
        bytes.hash()
    }
}

impl Row {
    /// The hash this row would have under the number `seq`, after a row with the hash `previous`.
    pub(super) fn hash_after(&self, previous: Digest, seq: i64) -> Digest {
        let Cause { event, rule, effect, action, config_revision } = &self.cause;
        let mut bytes = Fields::new(b"orchd audit row 1");
        bytes.push(Some(&previous.0));
        bytes.push(Some(&seq.to_be_bytes()));
        bytes.push(Some(&self.at.to_be_bytes()));
        bytes.push(Some(self.kind.as_bytes()));
        bytes.push(Some(self.actor.as_bytes()));
        bytes.push(event.as_ref().map(Uuid::as_bytes).map(<[u8; 16]>::as_slice));
        bytes.push(rule.as_ref().map(String::as_bytes));
        bytes.push(effect.as_ref().map(Uuid::as_bytes).map(<[u8; 16]>::as_slice));
        bytes.push(action.as_ref().map(String::as_bytes));
        bytes.push(config_revision.as_ref().map(String::as_bytes));
        bytes.push(self.repository.as_ref().map(String::as_bytes));
        bytes.push(self.number.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
        bytes.push(Some(&self.digest.0));
        bytes.hash()
    }

    /// Whether the personal columns are those that were written, as far as they are still there.
    pub(super) fn keeps_its_word(&self) -> bool {
        self.personal.as_ref().is_none_or(|personal| personal.digest() == self.digest)
    }
}

/// Fields one after another, each with its length before it: no two lists of fields give the same bytes.
struct Fields(Vec<u8>);

impl Fields {
    fn new(purpose: &[u8]) -> Self {
        let mut fields = Self(Vec::with_capacity(512));
        fields.push(Some(purpose));
        fields
    }

    /// An absent field is another one than an empty one.
    fn push(&mut self, field: Option<&[u8]>) {
        let length = field.map_or(u64::MAX, |bytes| bytes.len() as u64);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(field.unwrap_or_default());
    }

    fn hash(&self) -> Digest {
        Digest(Sha256::digest(&self.0).into())
    }
}
