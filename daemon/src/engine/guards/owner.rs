//! Whose something is: what people did before orchd heard of an item.

use crate::core::hand::HandChange;
use crate::core::intent::Intent;
use crate::engine::{Engine, JobError};
use crate::github::client::{Listed, Reader};
use crate::github::{GitHubError, timeline};

/// Learns from the item's timeline what people did to it, when no event tells of its beginning and nobody asked before.
/// `None`: there was nothing to learn.
pub(in crate::engine) async fn learn(
    engine: &Engine,
    intent: &Intent,
    reader: &Reader,
) -> Result<Option<Vec<HandChange>>, JobError> {
    let target = &intent.target;
    if engine.db.knows_from_the_beginning(&target.repository, target.number).await? {
        return Ok(None);
    }
    match timeline::hands(reader, &target.repository, target.number).await {
        Ok(Listed { items: hands, .. }) => {
            engine.db.learn_hands(&target.repository, target.number, &hands, (engine.clock)()).await?;
            Ok(Some(hands))
        }
        // A server that has no timelines, or does not show them to the App: what events tell is all there is.
        Err(error @ (GitHubError::NotFound(_) | GitHubError::Refused { .. } | GitHubError::Unreadable(_))) => {
            tracing::debug!(repository = %target.repository, item = target.number, %error, "no timeline");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
