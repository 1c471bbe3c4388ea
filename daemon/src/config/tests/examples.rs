//! The example files of the repository, and what is generated.

use std::fs;

use super::{ACTIONS, Home, repository_file};
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

#[test]
fn the_example_config_and_its_rules_load() {
    let home = Home::new();
    for name in ["github-app.pem", "webhook-secret", "oauth-secret"] {
        let text = if name.ends_with("pem") { super::private_key() } else { "a secret".to_owned() };
        home.write(&format!("credentials/{name}"), text);
    }
    let folder = repository_file("config");
    home.write("orchd.yaml", fs::read(folder.join("orchd.yaml")).unwrap());
    for file in fs::read_dir(folder.join("rules.d")).unwrap() {
        let file = file.unwrap();
        home.write(&format!("rules.d/{}", file.file_name().to_string_lossy()), fs::read(file.path()).unwrap());
    }
    // With the actions that there are: the files are to be tried as they stand.
    let config = home.load_with(crate::actions::kinds(), &home.path().join("orchd.yaml"));
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(config.rules.len() >= 5);
    assert!(config.notes.is_empty());
}
