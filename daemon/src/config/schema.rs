//! JSON Schema of a config.

use serde_json::Value;

use crate::core::intent::ActionKind;

/// The whole schema.
pub fn schema(_actions: &[ActionKind]) -> Value {
    unimplemented!()
}
