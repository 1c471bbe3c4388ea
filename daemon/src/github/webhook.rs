//! What arrives: signature, then envelope. Pure.

mod envelope;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::core::event::InstallationId;

/// Proof that a body comes from GitHub, and parsing takes nothing else: signed with one of our secrets ([`verify`]), or
/// read by ourselves from GitHub's API, as nobody but the App can (inside this folder only), or made by ourselves of what a
/// workflow's run proved (likewise).
#[derive(Clone, Debug)]
pub struct Verified {
    body: Bytes,
}

impl Verified {
    /// A payload that GitHub gave us when we asked for it, signed in as the App.
    #[cfg(feature = "server")]
    pub(super) fn read_from_github(body: Bytes) -> Self {
        Self { body }
    }

    /// A payload that orchd made itself of what was proved to be of a workflow's run.
    #[cfg(feature = "server")]
    pub(super) fn made_of_what_was_proved(body: Bytes) -> Self {
        Self { body }
    }

    /// The raw body, as it was signed.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the X-Hub-Signature-256 header is missing")]
    Missing,
    #[error("the X-Hub-Signature-256 header is not sha256=<64 hexadecimal digits>")]
    Malformed,
    #[error("the signature does not fit any configured webhook secret")]
    Wrong,
}

/// What a sender says the body's HMAC is: of the right form, and nothing more is known.
#[derive(Clone, Copy, Debug)]
pub struct Signature([u8; 32]);

impl Signature {
    /// Reads `X-Hub-Signature-256`, before there is a body.
    ///
    /// # Errors
    /// When the header is absent or is not `sha256=` and 64 hexadecimal digits.
    pub fn from_header(header: Option<&[u8]>) -> Result<Self, SignatureError> {
        parse_signature(header.ok_or(SignatureError::Missing)?).map(Self).ok_or(SignatureError::Malformed)
    }
}

/// HMAC-SHA256 of the raw body against every secret, each compared in constant time.
///
/// Every secret is tried, also after one has fitted, so that the time taken does not tell which one it was. An empty
/// secret fits nothing: anybody could sign with it.
///
/// # Errors
/// When the signature fits no secret.
pub fn verify(secrets: &[SecretString], signature: Signature, body: Bytes) -> Result<Verified, SignatureError> {
    let mut fits = false;
    for secret in secrets.iter().map(|secret| secret.expose_secret().as_bytes()) {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { continue };
        mac.update(&body);
        fits |= mac.verify_slice(&signature.0).is_ok() & !secret.is_empty();
    }
    if fits { Ok(Verified { body }) } else { Err(SignatureError::Wrong) }
}

/// The value of `X-Hub-Signature-256` for a body, for who sends one. An empty secret signs as any other; nobody takes it.
pub fn sign(secret: &SecretString, body: &[u8]) -> String {
    let mut text = "sha256=".to_owned();
    // HMAC takes keys of any length.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) {
        mac.update(body);
        for byte in mac.finalize().into_bytes() {
            let _ = write!(text, "{byte:02x}");
        }
    }
    text
}

fn parse_signature(header: &[u8]) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = header.strip_prefix(b"sha256=")?.try_into().ok()?;
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

/// How the body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Json,
    /// `payload=<percent-encoded JSON>`.
    Form,
}

/// Why an envelope cannot be taken: says what is wrong and where, for a 400. Never holds text of the payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadEnvelope(pub String);

/// The GUID and event name of a delivery, from its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers {
    /// 1 to 255 visible ASCII characters.
    pub delivery_id: String,
    /// 1 to 100 of `a-z 0-9 _`.
    pub event_type: String,
}

impl Headers {
    /// Reads `X-GitHub-Delivery` and `X-GitHub-Event`.
    ///
    /// # Errors
    /// When one is absent, is given twice, or is not of its form.
    pub fn parse(headers: &HeaderMap) -> Result<Self, BadEnvelope> {
        let read = |form: &Form| {
            let name = form.header;
            let mut values = headers.get_all(name).iter();
            let value = values.next().ok_or_else(|| BadEnvelope(format!("the {name} header is missing")))?;
            match form.read(value.as_bytes()) {
                Some(text) if values.next().is_none() => Ok(text),
                _ => Err(BadEnvelope(format!("the {name} header must be given once and hold {}", form.words))),
            }
        };
        Ok(Self { delivery_id: read(&GUID)?, event_type: read(&EVENT_NAME)? })
    }

    /// The same two, told in another way than by headers.
    ///
    /// # Errors
    /// When one is not of its form.
    pub fn named(delivery_id: &str, event_type: &str) -> Result<Self, BadEnvelope> {
        let read = |form: &Form, text: &str| {
            let refuse =
                || BadEnvelope(format!("the {} header must be given once and hold {}", form.header, form.words));
            form.read(text.as_bytes()).ok_or_else(refuse)
        };
        Ok(Self { delivery_id: read(&GUID, delivery_id)?, event_type: read(&EVENT_NAME, event_type)? })
    }
}

/// What a header may hold.
struct Form {
    header: &'static str,
    longest: usize,
    allowed: fn(u8) -> bool,
    words: &'static str,
}

const GUID: Form = Form {
    header: "X-GitHub-Delivery",
    longest: 255,
    allowed: |byte| byte.is_ascii_graphic(),
    words: "1 to 255 visible ASCII characters",
};

const EVENT_NAME: Form = Form {
    header: "X-GitHub-Event",
    longest: 100,
    allowed: |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_',
    words: "1 to 100 of the characters a-z 0-9 and _",
};

impl Form {
    fn read(&self, value: &[u8]) -> Option<String> {
        let fits = (1..=self.longest).contains(&value.len()) && value.iter().all(|byte| (self.allowed)(*byte));
        std::str::from_utf8(value).ok().filter(|_| fits).map(str::to_owned)
    }
}

/// What ingest stores in columns, read from the payload in one pass without building it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    pub action: Option<String>,
    pub actor: Option<String>,
    /// Number of the issue or pull request the event is about, as [`crate::core::event::Event`] has it.
    pub number: Option<u64>,
    /// What the event is about, by GitHub's ids: an object with those of `issue_number`, `pr_number`, `comment_id`,
    /// `review_id`, `check_run_id`, `check_suite_id`, `workflow_run_id`, `release_id` and `discussion_number` that the
    /// payload has; null when it has none.
    pub target_object_ids: serde_json::Value,
    /// When the thing changed, by GitHub's clock.
    pub github_timestamp: Option<DateTime<Utc>>,
    pub repository: Option<EnvelopeRepository>,
    pub installation: Option<EnvelopeInstallation>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeRepository {
    pub github_id: i64,
    pub full_name: String,
    pub description: Option<String>,
    /// The page for people (`html_url`).
    pub url: String,
    pub is_private: bool,
    pub default_branch: String,
    /// When it last changed, by GitHub's clock.
    pub updated_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeInstallation {
    pub id: InstallationId,
    pub account_login: Option<String>,
    pub account_type: Option<String>,
    /// When it last changed, by GitHub's clock.
    pub updated_at: Option<DateTime<Utc>>,
}

/// Reads the envelope. Returns the payload as JSON text (decoded when it came as a form) beside it.
///
/// Accepts exactly the JSON objects that `serde_json::Value` accepts, so that what was acknowledged can be read later:
/// at most 127 levels deep, UTF-8, nothing after the object. A field of another type than GitHub documents is absent.
///
/// # Errors
/// When the body is not such JSON, or not a form with exactly one `payload`.
pub fn read_envelope(body: &Verified, encoding: Encoding) -> Result<(Envelope, Bytes), BadEnvelope> {
    let payload = match encoding {
        Encoding::Json => body.body.clone(),
        Encoding::Form => form_payload(&body.body)?,
    };
    let envelope = envelope::read(&payload)?;
    Ok((envelope, payload))
}

fn form_payload(body: &[u8]) -> Result<Bytes, BadEnvelope> {
    let fields = body.split(|byte| *byte == b'&').filter_map(|field| {
        let mut halves = field.splitn(2, |byte| *byte == b'=');
        let name = halves.next()?;
        (*decode(name) == *b"payload").then(|| halves.next().unwrap_or_default())
    });
    match fields.collect::<Vec<_>>().as_slice() {
        [payload] => Ok(Bytes::from(decode(payload).into_owned())),
        found => Err(BadEnvelope(format!("the form must have one field `payload`, and has {}", found.len()))),
    }
}

/// Undoes `application/x-www-form-urlencoded` without touching bytes that are not UTF-8: they are refused later.
fn decode(field: &[u8]) -> Cow<'_, [u8]> {
    if !field.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(field);
    }
    let spaced: Vec<u8> = field.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Cow::Owned(percent_encoding::percent_decode(&spaced).collect())
}
