//! What orchd tells of what it does: lines in journal form, a file of its own, traces.

mod collector;
mod fields;
mod file;
mod traces;

use serde_json::Value;

use crate::story::{Database, Story};

/// A daemon whose config has these lines at its top level, with logs of this level. Not started.
async fn prepare(rules: &str, top: &str, level: &str) -> Story {
    let mut story = Story::prepare(Database::Sqlite, rules, top).await;
    story.set_environment("ORCHD_LOG", level.as_ref());
    story
}

/// Each line as its object: a line that is none fails.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn message(line: &Value) -> &str {
    line["message"].as_str().unwrap_or_default()
}
