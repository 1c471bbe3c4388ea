//! `Idempotency-Key`: a request that changes something may be sent again, and is carried out once.
//!
//! As draft-ietf-httpapi-idempotency-key-header has it: the same key with another request is 422, while the first is being
//! carried out 409. Kept is what was done. A refusal did nothing, so it frees the key; and so does a failure, after which
//! nobody knows: what writes to GitHub looks before it writes.

use chrono::Utc;
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::call::Call;
use super::endpoints::Endpoint;
use crate::core::access::{Op, Operation};
use crate::http::error::HttpError;
use crate::http::reply::Reply;
use crate::store::idempotent::{Begun, Once, Turn};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Characters.
const LONGEST_KEY: usize = 255;

/// The request's key, of an operation that takes one.
///
/// # Errors
/// 400 when it is not one of 1 to 255 visible ASCII characters.
pub(super) fn key(operation: &Operation, headers: &HeaderMap) -> Result<Option<String>, HttpError> {
    // A token leaves nothing behind: a second one does no harm.
    if !operation.writes() || operation.op == Op::TokensCreate {
        return Ok(None);
    }
    let mut all = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(only) = all.next() else { return Ok(None) };
    let fits = |key: &&str| (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = only.to_str().ok().filter(fits).filter(|_| all.next().is_none());
    let wrong = || format!("`Idempotency-Key` is one of 1 to {LONGEST_KEY} visible ASCII characters");
    key.map(|key| Some(key.to_owned())).ok_or_else(|| HttpError::BadRequest(wrong()))
}

/// Carries a request out, unless it was before; and whether it was.
pub(super) async fn carry_out(key: String, call: Call, endpoint: Endpoint) -> Result<(Reply, bool), HttpError> {
    let once = Once { caller: call.caller.account(), key, request: fingerprint(&call) };
    match call.app.db.begin_once(&once, Utc::now()).await? {
        Begun::Fresh(turn) => {
            // In a task of its own: whoever hangs up and asks again is to find it done.
            let done = tokio::spawn(finish(once, turn, call, endpoint)).await;
            let reply = done.map_err(|error| HttpError::Internal { cause: format!("it ended early: {error}") })??;
            Ok((reply, false))
        }
        Begun::Replay { status, body: Some(json) } => {
            let status =
                StatusCode::from_u16(status).map_err(|error| HttpError::Internal { cause: error.to_string() })?;
            Ok((Reply::Document { status, json: json.into() }, true))
        }
        Begun::Replay { body: None, .. } => Err(HttpError::Conflict(
            "this was done, and what it answered is told once: revoke the key that it made, and make another"
                .to_owned(),
        )),
        Begun::Different => {
            Err(HttpError::Unprocessable("this `Idempotency-Key` was used for another request".to_owned()))
        }
        Begun::UnderWay => Err(HttpError::Conflict("this request is being carried out now: ask again soon".to_owned())),
    }
}

async fn finish(once: Once, turn: Turn, call: Call, endpoint: Endpoint) -> Result<Reply, HttpError> {
    let (db, op) = (call.app.db.clone(), call.operation.op);
    let reply = (endpoint.handle)(call).await;
    let kept = match &reply {
        Ok(Reply::Document { status, json }) => {
            // A key's text is told once, and stands nowhere in clear.
            let body = (op != Op::KeysCreate).then_some(json.as_ref());
            db.finish_once(&once, turn, status.as_u16(), body).await
        }
        Ok(Reply::Lines(_)) | Err(_) => db.abandon_once(&once, turn).await,
    };
    if let Err(error) = kept {
        // It was done; that it was is known again when the turn is over.
        tracing::warn!(%error, "the answer to a request with an Idempotency-Key was not kept");
    }
    reply
}

/// SHA-256 of what is asked and of what a token may, each part with its length before it: of two tokens of a key the one
/// that may less is not told what the other was.
fn fingerprint(call: &Call) -> String {
    let query = call.query.written();
    let path = call.path.join("\0");
    let narrowed = call.caller.key().map(|bearer| json!([bearer.terms.scopes, bearer.terms.repositories]).to_string());
    let narrowed = narrowed.unwrap_or_default();
    let parts = [call.operation.name.as_bytes(), path.as_bytes(), query.as_bytes(), narrowed.as_bytes(), &call.body];
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(op: Op, values: &[&str]) -> Option<Option<String>> {
        let headers = values.iter().map(|value| (IDEMPOTENCY_KEY, HeaderValue::from_str(value).unwrap())).collect();
        key(op.operation(), &headers).ok()
    }

    #[test]
    fn a_key_is_visible_and_not_too_long() {
        let longest = "k".repeat(LONGEST_KEY);
        for good in ["a", "8e03978e-40d5-43dd-bc93-6894a57f9324", "\"quoted\"", &longest] {
            assert_eq!(read(Op::JobsRetry, &[good]), Some(Some(good.to_owned())));
        }
        for bad in [&[""][..], &["two words"], &[&format!("{longest}k")], &["a", "a"]] {
            assert_eq!(read(Op::JobsRetry, bad), None, "{bad:?}");
        }
        assert_eq!(read(Op::JobsRetry, &[]), Some(None));
        assert_eq!(read(Op::JobsList, &["a"]), Some(None), "it changes nothing");
    }
}
