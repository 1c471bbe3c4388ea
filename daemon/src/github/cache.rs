//! Answers to reads, kept with what GitHub needs to say "not modified", which costs nothing of the quota.
//!
//! Bounded by bytes, bodies compressed. An answer is given without asking GitHub only where the reader allows it and
//! [`Heard`](super::heard::Heard) says that nothing has changed; what decides a write is always asked for.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use moka::future::Cache;

use super::answer::Answer;
use super::transport::Identity;

/// A longer body is not kept, in bytes.
const LONGEST: usize = 1 << 20;
/// What an entry needs beside its body, about.
const OVERHEAD: usize = 300;
/// Of an answer's headers, those that mean something later.
const KEPT_HEADERS: [HeaderName; 2] = [header::LINK, header::CONTENT_TYPE];

type Key = (Identity, String);

/// The answers at hand.
pub(super) struct Answers(Option<Cache<Key, Arc<Kept>>>);

/// An answer at hand.
#[derive(Debug)]
pub(super) struct Kept {
    condition: (HeaderName, HeaderValue),
    headers: HeaderMap,
    body: Bytes,
    length: usize,
    /// When it was asked for, by [`super::heard::Heard::now`].
    pub asked: u64,
}

impl Answers {
    /// `bytes`: 0 keeps nothing.
    pub(super) fn new(bytes: u64) -> Self {
        let weigh = |(_, url): &Key, kept: &Arc<Kept>| {
            u32::try_from(kept.body.len() + url.len() + OVERHEAD).unwrap_or(u32::MAX)
        };
        Self((bytes > 0).then(|| Cache::builder().max_capacity(bytes).weigher(weigh).build()))
    }

    pub(super) async fn find(&self, who: Identity, url: &str) -> Option<Arc<Kept>> {
        self.0.as_ref()?.get(&(who, url.to_owned())).await
    }

    /// Keeps an answer when GitHub gave something to ask with later, else drops what was kept.
    pub(super) async fn keep(&self, who: Identity, url: &str, answer: &Answer, asked: u64) {
        let Some(cache) = &self.0 else { return };
        let key = (who, url.to_owned());
        match Kept::of(answer, asked) {
            Some(kept) => cache.insert(key, Arc::new(kept)).await,
            None => cache.invalidate(&key).await,
        }
        self.note_size();
    }

    /// GitHub said that it still is so.
    pub(super) async fn renew(&self, who: Identity, url: &str, kept: &Kept, asked: u64) {
        let Some(cache) = &self.0 else { return };
        let (condition, headers, body) = (kept.condition.clone(), kept.headers.clone(), kept.body.clone());
        let renewed = Kept { condition, headers, body, length: kept.length, asked };
        cache.insert((who, url.to_owned()), Arc::new(renewed)).await;
    }

    fn note_size(&self) {
        if let Some(cache) = &self.0 {
            metrics::gauge!("orchd_github_cache_bytes").set(cache.weighted_size() as f64);
        }
    }
}

impl Kept {
    fn of(answer: &Answer, asked: u64) -> Option<Self> {
        let named = |name: HeaderName, condition: HeaderName| Some((condition, answer.headers.get(name)?.clone()));
        let condition = named(header::ETAG, header::IF_NONE_MATCH)
            .or_else(|| named(header::LAST_MODIFIED, header::IF_MODIFIED_SINCE))?;
        if answer.status != StatusCode::OK || answer.body.len() > LONGEST {
            return None;
        }
        let kept = KEPT_HEADERS.iter().filter_map(|name| Some((name.clone(), answer.headers.get(name)?.clone())));
        let body = pack(&answer.body)?;
        Some(Self { condition, headers: kept.collect(), body, length: answer.body.len(), asked })
    }

    /// What makes a request conditional.
    pub(super) fn condition(&self) -> (HeaderName, HeaderValue) {
        self.condition.clone()
    }

    /// As GitHub gave it. `None`: the memory was damaged.
    pub(super) fn answer(&self) -> Option<Answer> {
        let body = unpack(&self.body, self.length)?;
        Some(Answer { status: StatusCode::OK, headers: self.headers.clone(), body })
    }
}

#[cfg(feature = "server")]
fn pack(body: &[u8]) -> Option<Bytes> {
    zstd::bulk::compress(body, 1).ok().map(Bytes::from)
}

#[cfg(feature = "server")]
fn unpack(packed: &Bytes, length: usize) -> Option<Bytes> {
    zstd::bulk::decompress(packed, length).ok().map(Bytes::from)
}

/// What an Action links brings no zstd, and it lives too short to need much memory.
#[cfg(not(feature = "server"))]
fn pack(body: &[u8]) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(body))
}

#[cfg(not(feature = "server"))]
fn unpack(packed: &Bytes, _: usize) -> Option<Bytes> {
    Some(packed.clone())
}

#[cfg(test)]
mod tests;
