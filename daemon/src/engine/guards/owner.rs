//! Whose something is: what people did before orchd heard of an item, and items that are to be left alone.

use crate::actions::{self, Bound};
use crate::config::Guards;
use crate::core::hand::{HandChange, Move, Thing, same_name};
use crate::core::intent::Intent;
use crate::engine::{Engine, JobError};
use crate::github::client::{Listed, Reader};
use crate::github::{GitHubError, timeline};
use serde_json::Value;

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

/// Why the item is left alone, when it has the sticky label. Taking that label off is what no sticky item stops.
pub(in crate::engine) async fn sticky(
    guards: &Guards,
    intent: &Intent,
    (action, state): (&Bound, &Value),
    moves: &[Move],
    reader: &Reader,
) -> Result<Option<String>, JobError> {
    let sticky = &guards.sticky_label;
    let about_sticky = |each: &Move| matches!(&each.thing, Thing::Label(name) if same_name(name, sticky));
    if !moves.is_empty() && moves.iter().all(about_sticky) {
        return Ok(None);
    }
    let labels = match action.labels_in(state) {
        Some(labels) => labels,
        None => actions::labels_of(&intent.target, reader).await?,
    };
    let label = labels.iter().find(|name| same_name(name, sticky));
    Ok(label
        .map(|name| format!("it has the label `{name}`, so rules leave it alone; take the label off to let them act")))
}
