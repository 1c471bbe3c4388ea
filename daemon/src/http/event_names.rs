//! What a metric's label may say of an event's name. Anything unknown is "other", so that no sender can grow the metrics.

use crate::core::event_names::EVENTS;

/// Label of a name that GitHub does not document.
const OTHER: &str = "other";

/// Where the name stands in [`EVENTS`]; one past its end for any other.
pub(super) fn position(name: &[u8]) -> usize {
    EVENTS.binary_search_by(|event| event.as_bytes().cmp(name)).unwrap_or(EVENTS.len())
}

/// The label of a position.
pub(super) fn label(position: usize) -> &'static str {
    EVENTS.get(position).copied().unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_keep_their_name_and_all_others_share_one() {
        for event in EVENTS {
            assert_eq!(label(position(event.as_bytes())), event);
        }
        assert_eq!(label(position(b"made_up")), "other");
        assert_eq!(label(position(b"\xff")), "other");
    }
}
