//! What arrives: signature, then envelope. Pure.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use secrecy::SecretString;

use crate::core::event::InstallationId;

/// Proof that a body was signed with one of our secrets: only [`verify`] makes one, and parsing takes nothing else.
#[derive(Clone, Debug)]
pub struct Verified {
    pub body: Bytes,
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

/// HMAC-SHA256 of the raw body against every secret, each compared in constant time.
pub fn verify(_secrets: &[SecretString], _header: Option<&[u8]>, _body: Bytes) -> Result<Verified, SignatureError> {
    unimplemented!()
}

/// How the body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Json,
    /// `payload=<percent-encoded JSON>`.
    Form,
}

/// Why an envelope cannot be taken: says what is wrong, for a 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadEnvelope(pub String);

/// The GUID and event name of a delivery, from its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers {
    /// 1 to 255 visible ASCII characters.
    pub delivery_id: String,
    /// 1 to 100 of `a-z _`.
    pub event_type: String,
}

/// What ingest stores in columns, read from the payload in one pass without building it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    pub action: Option<String>,
    pub actor: Option<String>,
    pub number: Option<u64>,
    pub target_object_ids: serde_json::Value,
    pub github_timestamp: Option<DateTime<Utc>>,
    pub repository: Option<EnvelopeRepository>,
    pub installation: Option<EnvelopeInstallation>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeRepository {
    pub github_id: i64,
    pub full_name: String,
    pub description: Option<String>,
    pub url: String,
    pub is_private: bool,
    pub default_branch: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeInstallation {
    pub id: InstallationId,
    pub account_login: Option<String>,
    pub account_type: Option<String>,
}

/// Reads the envelope. Returns the payload as JSON text (decoded when it came as a form) beside it.
pub fn read_envelope(_body: &Verified, _encoding: Encoding) -> Result<(Envelope, Bytes), BadEnvelope> {
    unimplemented!()
}
