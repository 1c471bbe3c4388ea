//! `Idempotency-Key`: a request that changes something may be sent again, and is carried out once.
//!
//! As draft-ietf-httpapi-idempotency-key-header has it: the same key with another request is 422, while the first is being
//! carried out 409. Kept is what was done. A refusal did nothing, so it frees the key. After a failure nobody knows: the
//! request counts as under way until it is given up, and then what writes to GitHub looks before it writes.

use std::future::Future;
use std::time::Duration;

use chrono::Utc;
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::call::Call;
use super::endpoints::Endpoint;
use crate::core::access::{Level, Op, Operation, Sight};
use crate::core::event::RepoName;
use crate::http::error::HttpError;
use crate::http::reply::Reply;
use crate::store::Db;
use crate::store::idempotent::{Begun, Once, Turn};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Characters.
const LONGEST_KEY: usize = 255;

/// How often it is told that a request is still being carried out: often enough to fail now and then.
const RENEWED_EVERY: Duration = Duration::from_secs(60);

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
            let detail = "this `Idempotency-Key` was used for another request, or what you may see has changed since";
            Err(HttpError::Unprocessable(detail.to_owned()))
        }
        Begun::UnderWay => Err(HttpError::Conflict("this request is being carried out now: ask again soon".to_owned())),
    }
}

async fn finish(once: Once, turn: Turn, call: Call, endpoint: Endpoint) -> Result<Reply, HttpError> {
    let (db, op) = (call.app.db.clone(), call.operation.op);
    let renew = |turn| {
        let (db, once) = (db.clone(), once.clone());
        async move { renewed(&db, &once, turn).await }
    };
    let (reply, turn) = while_renewed(turn, renew, (endpoint.handle)(call)).await;
    let kept = match &reply {
        Ok(Reply::Document { status, json }) => {
            // A key's text is told once, and stands nowhere in clear.
            let body = (op != Op::KeysCreate).then_some(json.as_ref());
            db.finish_once(&once, turn, status.as_u16(), body).await
        }
        Ok(Reply::Lines(_)) => db.abandon_once(&once, turn).await,
        Err(error) if error.did_nothing() => db.abandon_once(&once, turn).await,
        Err(_) => Ok(()),
    };
    if let Err(error) = kept {
        // It was done; that it was is known again when the turn is over.
        tracing::warn!(%error, "the answer to a request with an Idempotency-Key was not kept");
    }
    reply
}

async fn renewed(db: &Db, once: &Once, turn: Turn) -> Turn {
    match db.renew_once(once, turn, Utc::now()).await {
        Ok(renewed) => renewed.unwrap_or(turn),
        Err(error) => {
            tracing::warn!(%error, "a request with an Idempotency-Key may be taken for given up while it is carried out");
            turn
        }
    }
}

/// Does the work, and renews the turn while it lasts. A renewal that has begun is waited for: the turn that is given back
/// is the one that counts.
async fn while_renewed<T: Copy, R, F: Future<Output = T>>(
    mut turn: T,
    mut renew: impl FnMut(T) -> F,
    work: impl Future<Output = R>,
) -> (R, T) {
    let over = CancellationToken::new();
    let work = async {
        let _over = over.clone().drop_guard();
        work.await
    };
    let renewing = async {
        while over.run_until_cancelled(tokio::time::sleep(RENEWED_EVERY)).await.is_some() {
            turn = renew(turn).await;
        }
    };
    let (done, ()) = tokio::join!(work, renewing);
    (done, turn)
}

/// SHA-256 of what is asked, of what the caller sees and of what their key is for, each part with its length before it.
/// Whoever sees less by now, or of two tokens of a key the one that may less, is not told what was answered before.
fn fingerprint(call: &Call) -> String {
    let query = call.query.written();
    let path = call.path.join("\0");
    let may = json!([call.caller.scopes, seen(&call.caller.sight)]).to_string();
    let parts = [call.operation.name.as_bytes(), path.as_bytes(), query.as_bytes(), may.as_bytes(), &call.body];
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All of a sight: the level on the site, and where each level is held.
fn seen(sight: &Sight) -> Value {
    let levels = [Level::Viewer, Level::Operator, Level::Admin];
    let held =
        levels.map(|level| sight.where_at_least(level).map(|names| names.map(RepoName::as_str).collect::<Vec<_>>()));
    json!([sight.site, held])
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

    #[test]
    fn only_what_was_surely_not_done_frees_the_key() {
        let text = String::new;
        for free in [HttpError::Conflict(text()), HttpError::Unprocessable(text()), HttpError::NotYet(text())] {
            assert!(free.did_nothing(), "{free:?}");
        }
        let unavailable = HttpError::Unavailable { detail: text(), cause: None };
        for unknown in [HttpError::Internal { cause: text() }, unavailable] {
            assert!(!unknown.did_nothing(), "{unknown:?}");
        }
    }

    #[test]
    fn whoever_loses_a_repository_or_a_level_asks_something_else() {
        let repo = |name: &str| RepoName::parse(name).unwrap();
        let both = || vec![(repo("acme/api"), Level::Viewer), (repo("acme/web"), Level::Operator)];
        let sights = [
            Sight::new(None, both()),
            Sight::new(None, both().split_off(1)),
            Sight::new(None, both()).at_most(Level::Viewer),
            Sight::new(Some(Level::Viewer), both()),
            Sight::new(Some(Level::Operator), both()),
            Sight::everything(),
        ];
        for (at, one) in sights.iter().enumerate() {
            for other in &sights[at + 1..] {
                assert_ne!(seen(one), seen(other), "{one:?} {other:?}");
            }
        }
        assert_eq!(seen(&sights[0]), seen(&Sight::new(None, both().into_iter().rev())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_renewed_as_long_as_the_work_lasts() {
        let short = while_renewed(0, async |turn: u32| turn + 1, async { "done" }).await;
        assert_eq!(short, ("done", 0));
        let work = tokio::time::sleep(RENEWED_EVERY * 10 + RENEWED_EVERY / 2);
        assert_eq!(while_renewed(0, async |turn| turn + 1, work).await, ((), 10));
        // The work ends while the store is slow to renew.
        let slow = async |turn| {
            tokio::time::sleep(RENEWED_EVERY).await;
            turn + 1
        };
        assert_eq!(while_renewed(0, slow, tokio::time::sleep(RENEWED_EVERY * 3 / 2)).await, ((), 1));
    }
}
