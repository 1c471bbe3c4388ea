//! The example files of the repository, and what is generated.

use super::ACTIONS;
use crate::config::reference::{markdown, reference};
use crate::config::schema::schema;

#[test]
fn the_reference_names_every_key_condition_and_action() {
    let page = markdown(ACTIONS);
    for key in reference().iter().flat_map(|section| &section.keys) {
        assert!(page.contains(&format!("| `{}` |", key.name)), "{}", key.name);
    }
    for name in ["all", "any", "not"].into_iter().chain(ACTIONS.iter().map(|kind| kind.name)) {
        assert!(page.contains(&format!("\n### `{name}`\n")), "{name}");
    }
}

#[test]
fn the_schema_knows_every_key_and_every_default() {
    let schema = schema(ACTIONS);
    assert_eq!(schema["properties"]["queue"]["properties"]["lease"]["default"], "30s");
    assert_eq!(schema["properties"]["github"]["required"], serde_json::json!(["webhook_secrets"]));
    assert_eq!(schema["$defs"]["rule"]["properties"]["mode"]["enum"][1], "shadow");
    assert!(schema["$defs"]["action"]["properties"]["label"].is_object());
    assert!(schema["$defs"]["condition"]["properties"]["not"].is_object());
}
