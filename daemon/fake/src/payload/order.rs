//! Writes JSON with keys in the order GitHub writes them. A compression dictionary learns sequences of bytes, so
//! payloads to train one on must look like GitHub's, and `serde_json` sorts the keys of an object by name.

use serde_json::{Map, Value};

use super::objects::{REPOSITORY_URLS, USER_URLS};

/// Keys that come first in most of GitHub's objects, in their order.
const FIRST: [&str; 28] = [
    "action",
    "number",
    "ref",
    "before",
    "after",
    "zen",
    "hook_id",
    "review",
    "issue",
    "comment",
    "pull_request",
    "check_run",
    "check_suite",
    "workflow_run",
    "workflow",
    "release",
    "url",
    "repository_url",
    "labels_url",
    "id",
    "node_id",
    "html_url",
    "diff_url",
    "patch_url",
    "issue_url",
    "state",
    "locked",
    "title",
];
/// Keys that end a payload.
const LAST: [&str; 4] = ["repository", "organization", "sender", "installation"];
const USER_HEAD: [&str; 7] = ["login", "id", "node_id", "avatar_url", "gravatar_id", "url", "html_url"];
const REPOSITORY_HEAD: [&str; 10] =
    ["id", "node_id", "name", "full_name", "private", "owner", "html_url", "description", "fork", "url"];

/// `value` as compact JSON, keys in GitHub's order.
pub fn to_github_json(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(object) => {
            text.push('{');
            for (index, (key, each)) in ordered(object).into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key).to_string());
                text.push(':');
                write(each, text);
            }
            text.push('}');
        }
        Value::Array(list) => {
            text.push('[');
            for (index, each) in list.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(each, text);
            }
            text.push(']');
        }
        leaf => text.push_str(&leaf.to_string()),
    }
}

fn ordered(object: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut entries: Vec<(&str, &Value)> = object.iter().map(|(key, value)| (key.as_str(), value)).collect();
    if object.contains_key("login") {
        entries.sort_by_key(|(key, _)| rank(&USER_HEAD, &USER_URLS, key));
    } else if object.contains_key("full_name") {
        entries.sort_by_key(|(key, _)| rank(&REPOSITORY_HEAD, &REPOSITORY_URLS, key));
    } else {
        entries.sort_by_key(|(key, _)| match LAST.iter().position(|last| last == key) {
            Some(place) => 1_000 + place,
            None => FIRST.iter().position(|first| first == key).unwrap_or(500),
        });
    }
    entries
}

fn rank(head: &[&str], urls: &[(&str, &str)], key: &str) -> usize {
    let in_head = head.iter().position(|each| *each == key);
    let in_urls = || urls.iter().position(|(each, _)| *each == key).map(|place| head.len() + place);
    in_head.or_else(in_urls).unwrap_or(500)
}
