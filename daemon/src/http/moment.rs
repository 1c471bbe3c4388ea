//! What the store said a moment ago, for questions that anybody may ask.

use std::future::Future;
use std::time::Instant;

use tokio::sync::Mutex;

use super::{DEPTH_SERVES_FOR, STORE_ANSWERS_WITHIN};
use crate::store::StoreError;

/// An answer that serves everybody who asks within a second: one question at a time reaches the store.
pub(super) struct Moment<T>(Mutex<Option<(Instant, Option<T>)>>);

impl<T> Default for Moment<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Moment<T> {
    /// `None`: the store does not say.
    pub(super) async fn of(&self, ask: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
        let mut known = self.0.lock().await;
        if let Some((_, said)) = known.as_ref().filter(|(at, _)| at.elapsed() < DEPTH_SERVES_FOR) {
            return said.clone();
        }
        let said = tokio::time::timeout(STORE_ANSWERS_WITHIN, ask).await.ok().and_then(Result::ok);
        *known = Some((Instant::now(), said.clone()));
        said
    }
}
