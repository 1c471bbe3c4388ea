//! Items that are to be left alone: those with the sticky label.

use serde_json::Value;

use super::{Bound, labels_of};
use crate::core::hand::{Move, Thing, same_name};
use crate::github::GitHubError;
use crate::github::client::Reader;

/// Why the item is left alone, when it has the sticky label. Taking that label off is what no sticky item stops.
///
/// # Errors
/// As asking for the labels fails, where `state` does not have them.
pub async fn left_alone(
    sticky: &str,
    (action, state): (&Bound, &Value),
    moves: &[Move],
    reader: &Reader,
) -> Result<Option<String>, GitHubError> {
    let about_sticky = |each: &Move| matches!(&each.thing, Thing::Label(name) if same_name(name, sticky));
    if !moves.is_empty() && moves.iter().all(about_sticky) {
        return Ok(None);
    }
    let labels = match action.labels_in(state) {
        Some(labels) => labels,
        None => labels_of(&action.target, reader).await?,
    };
    let label = labels.iter().find(|name| same_name(name, sticky));
    Ok(label
        .map(|name| format!("it has the label `{name}`, so rules leave it alone; take the label off to let them act")))
}
