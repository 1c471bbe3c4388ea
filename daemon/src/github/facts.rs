//! Fetches the facts a decision still needs, and just those.

use super::GitHubError;
use super::client::Reader;
use crate::core::event::Event;
use crate::core::facts::{FactKinds, Facts};

/// Fills `facts` with what is needed. A fact that GitHub will not give (404, refused) becomes `Unavailable` with the
/// reason; what may work later is the error.
pub async fn fetch(
    _reader: &Reader,
    _event: &Event,
    _needs: &FactKinds,
    _facts: &mut Facts,
) -> Result<(), GitHubError> {
    unimplemented!()
}
