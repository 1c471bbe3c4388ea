//! Where the values of the effective config came from.

use serde_json::Value;

use super::{ACTIONS, APP, Home, now};
use crate::config::Origins;
use crate::config::load::load_whole;

fn origins(home: &Home, text: &str) -> (Value, Origins) {
    home.write("orchd.yaml", text);
    let credentials = home.path().join("credentials").into_os_string();
    let env = |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| credentials.clone());
    let (config, origins) = load_whole(&home.path().join("orchd.yaml"), None, ACTIONS, now(), &env).unwrap();
    (config.effective, origins)
}

const TEXT: &str = "database: sqlite:state.db
server: {listen: '[::1]:9000', public_url: , webhook_allow: [github, 192.0.2.0/24]}
include: rules.d/*.yaml
extends: [{preset: docs, with: {paths: [a/**]}, mode: shadow}]
rules:
- {name: one, on: issues, then: [label: {add: [x]}, reopen: ], mode: }
";

#[test]
fn every_value_says_where_it_came_from() {
    let home = Home::new();
    home.write("rules.d/a.yaml", "rules:\n- name: two\n  on: [issues]\n  then: [reopen: ]\n");
    let (effective, origins) = origins(&home, &format!("{APP}{TEXT}"));
    for (pointer, origin) in [
        ("/server/listen", "orchd.yaml:3:18"),
        ("/server/webhook_allow/1", "orchd.yaml:3:70"),
        ("/server/max_body", "default"),
        ("/database/url", "orchd.yaml:2:11"),
        ("/database/objects", "default"),
        ("/github/private_key/credential", "orchd.yaml:1:56"),
        ("/github/limits/at_once", "default"),
        ("/include", "orchd.yaml:4:10"),
        ("/rules/0/name", "preset docs:14:11"),
        ("/rules/0/if/files/0", "orchd.yaml:5:41"),
        ("/rules/0/mode", "orchd.yaml:5:55"),
        ("/rules/0/then/0/label/add/0", "preset docs:6:14"),
        ("/rules/4/on/0", "orchd.yaml:7:19"),
        ("/rules/4/then/1/reopen", "orchd.yaml:7:61"),
        ("/rules/4/mode", "default"),
        ("/rules/4/limits/actions_per_hour", "default"),
        ("/rules/5/name", "rules.d/a.yaml:2:9"),
        ("/rules/5/repositories/0", "default"),
    ] {
        assert!(effective.pointer(pointer).is_some(), "{pointer}: {effective:#}");
        assert_eq!(origins.get(pointer).map(String::as_str), Some(origin), "{pointer}");
    }
}

/// What holds no others, and nothing else, has an origin.
#[test]
fn no_value_is_without_an_origin() {
    fn leaves(value: &Value, pointer: String, found: &mut Vec<String>) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                map.iter().for_each(|(key, value)| leaves(value, format!("{pointer}/{key}"), found));
            }
            Value::Array(items) if !items.is_empty() => {
                items.iter().enumerate().for_each(|(at, item)| leaves(item, format!("{pointer}/{at}"), found));
            }
            _ => found.push(pointer),
        }
    }
    let (effective, origins) = origins(&Home::new(), &format!("{APP}{TEXT}"));
    let mut found = Vec::new();
    leaves(&effective, String::new(), &mut found);
    found.sort();
    assert_eq!(found, origins.into_keys().collect::<Vec<_>>());
}
