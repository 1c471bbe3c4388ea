//! What people did by hand to an item: `hand_changes`. No rule changes it back (invariant 7).

use super::{Db, StoreError};
use crate::core::event::RepoName;

pub use crate::core::hand::{Hand, HandChange};

impl Db {
    /// The latest change by hand for each thing on the item.
    pub async fn hands_on(&self, _repository: &RepoName, _number: u64) -> Result<Vec<HandChange>, StoreError> {
        unimplemented!()
    }
}
