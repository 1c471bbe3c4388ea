//! Reads a request's body whole, within limits of size, time and memory.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::HttpError;

/// Most that is allocated on the word of a `Content-Length`, before the bytes are there.
const LARGEST_HEAD_START: usize = 256 * 1024;

/// A body up to this many bytes needs no share of the memory for large ones.
const SMALL: usize = 64 * 1024;

/// Memory for all large bodies that are under way, in KiB: beyond it senders are told to come back. Without it every
/// connection could hold a body of the largest size.
const LARGE_BODIES_KIB: usize = 256 * 1024;

/// What requests with large bodies share.
pub(super) struct LargeBodies {
    /// A permit is a KiB.
    pub(super) memory: Arc<Semaphore>,
    /// To be hashed and read on a thread of its own: no more at once than there are processors.
    pub(super) turns: Semaphore,
}

impl LargeBodies {
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { memory: Arc::new(Semaphore::new(LARGE_BODIES_KIB)), turns: Semaphore::new(processors) }
    }
}

/// What one body takes of the memory for large ones; given back when dropped.
pub(super) struct Share<'a> {
    memory: &'a Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl<'a> Share<'a> {
    pub(super) fn of(memory: &'a Arc<Semaphore>) -> Self {
        Self { memory, held: None }
    }

    fn grow_to(&mut self, bytes: usize) -> Result<(), HttpError> {
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(1024).saturating_sub(held);
        if bytes <= SMALL || more == 0 {
            return Ok(());
        }
        let permit = u32::try_from(more).ok().and_then(|more| self.memory.clone().try_acquire_many_owned(more).ok());
        let Some(permit) = permit else {
            let detail = "too many large bodies are under way; deliver again later".to_owned();
            return Err(HttpError::Unavailable { detail, cause: None });
        };
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        Ok(())
    }
}

/// Most that is read and thrown away of a body nobody wants, and for how long. Closing a connection with bytes unread
/// resets it, and the sender would never see why it was refused.
const DISCARD_MOST: u64 = 1024 * 1024;
const DISCARD_WITHIN: Duration = Duration::from_millis(250);

/// Reads on for a moment after a refusal, so that the answer arrives. A body that announces more than that is left.
pub(super) async fn discard<S, B, E>(mut body: Pin<&mut S>, headers: &HeaderMap)
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    if announced_length(headers).is_some_and(|length| length > DISCARD_MOST) {
        return;
    }
    let rest = async {
        let mut seen = 0;
        while let Some(Ok(piece)) = body.next().await {
            seen += piece.remaining() as u64;
            if seen > DISCARD_MOST {
                break;
            }
        }
    };
    // Whether it ended or the time did, the answer goes out now.
    let _ = tokio::time::timeout(DISCARD_WITHIN, rest).await;
}

/// The whole body.
///
/// # Errors
/// 413 when it has or announces more than `most` bytes (an announcement is refused before a byte is read), 408 when it
/// takes longer than `within`, 400 when it ends early, 503 when there is no memory for it now.
pub(super) async fn read<S, B, E>(
    body: Pin<&mut S>,
    headers: &HeaderMap,
    most: u64,
    within: Duration,
    share: &mut Share<'_>,
) -> Result<Bytes, HttpError>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let announced = announced_length(headers);
    if announced.is_some_and(|length| length > most) {
        return Err(HttpError::TooLarge(most));
    }
    match tokio::time::timeout(within, collect(body, announced, most, share)).await {
        Ok(collected) => collected,
        Err(_elapsed) => Err(HttpError::Timeout),
    }
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn collect<S, B, E>(
    mut body: Pin<&mut S>,
    announced: Option<u64>,
    most: u64,
    share: &mut Share<'_>,
) -> Result<Bytes, HttpError>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    // Most bodies arrive in one piece, which is then passed on without a copy.
    let Some(first) = body.next().await else { return Ok(Bytes::new()) };
    let mut first = piece(first, 0, most)?;
    let first = first.copy_to_bytes(first.remaining());
    let Some(second) = body.next().await else { return Ok(first) };
    let second = piece(second, first.len(), most)?;

    let expected = announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let capacity = expected.min(LARGEST_HEAD_START).max(first.len() + second.remaining());
    share.grow_to(capacity)?;
    let mut whole = BytesMut::with_capacity(capacity);
    whole.put(first);
    whole.put(second);
    while let Some(next) = body.next().await {
        let next = piece(next, whole.len(), most)?;
        whole.put(next);
        share.grow_to(whole.capacity())?;
    }
    Ok(whole.freeze())
}

fn piece<B: Buf, E>(piece: Result<B, E>, so_far: usize, most: u64) -> Result<B, HttpError> {
    let piece = piece.map_err(|_broken| HttpError::BadRequest("the body ended before it was complete".to_owned()))?;
    if (so_far as u64).saturating_add(piece.remaining() as u64) > most {
        return Err(HttpError::TooLarge(most));
    }
    Ok(piece)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http::HeaderValue;
    use std::pin::pin;

    type Pieces = Vec<Result<Bytes, ()>>;

    async fn read_pieces(pieces: Pieces, most: u64) -> Result<Bytes, HttpError> {
        let memory = Arc::new(Semaphore::new(1000));
        read_within(pieces, most, &mut Share::of(&memory)).await
    }

    async fn read_within(pieces: Pieces, most: u64, share: &mut Share<'_>) -> Result<Bytes, HttpError> {
        read(pin!(stream::iter(pieces)), &HeaderMap::new(), most, Duration::from_secs(5), share).await
    }

    #[tokio::test]
    async fn pieces_become_one_body() {
        let pieces = || ["ab", "cd", "e"].map(|piece| Ok(Bytes::from(piece))).to_vec();
        assert_eq!(read_pieces(pieces(), 5).await.unwrap(), "abcde");
        assert!(matches!(read_pieces(pieces(), 4).await, Err(HttpError::TooLarge(4))));
        assert_eq!(read_pieces(vec![], 4).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_refused() {
        let broken = vec![Ok(Bytes::from("ab")), Err(())];
        assert!(matches!(read_pieces(broken, 10).await, Err(HttpError::BadRequest(_))));
    }

    #[tokio::test]
    async fn an_announced_giant_is_refused_before_a_byte_is_read() {
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static("11"))]);
        let never = stream::pending::<Result<Bytes, ()>>();
        let memory = Arc::new(Semaphore::new(0));
        let refused = read(pin!(never), &headers, 10, Duration::from_secs(3600), &mut Share::of(&memory)).await;
        assert!(matches!(refused, Err(HttpError::TooLarge(10))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_is_too_slow_is_cut_off() {
        let never = stream::pending::<Result<Bytes, ()>>();
        let memory = Arc::new(Semaphore::new(0));
        let mut share = Share::of(&memory);
        let refused = read(pin!(never), &HeaderMap::new(), 10, Duration::from_secs(10), &mut share).await;
        assert!(matches!(refused, Err(HttpError::Timeout)));
    }

    #[tokio::test]
    async fn large_bodies_share_what_memory_there_is_and_small_ones_need_none() {
        let memory = Arc::new(Semaphore::new(200));
        let pieces = |count: usize| vec![Ok(Bytes::from(vec![b'x'; 32 * 1024])); count];
        let (mut first, mut second) = (Share::of(&memory), Share::of(&memory));
        assert_eq!(read_within(pieces(4), u64::MAX, &mut first).await.unwrap().len(), 128 * 1024);
        assert!(memory.available_permits() <= 72, "{}", memory.available_permits());
        assert!(read_within(pieces(2), u64::MAX, &mut Share::of(&memory)).await.is_ok());
        let refused = read_within(pieces(4), u64::MAX, &mut second).await;
        assert!(matches!(refused, Err(HttpError::Unavailable { .. })));
        drop((first, second));
        assert_eq!(memory.available_permits(), 200, "all of it is given back");
    }
}
