//! The table of docs/security.md: which permissions and events each feature takes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::{HEARD_WITH, Needed, OF_TEAMS, SIGNING_IN};
use crate::core::event_names::SCHEDULE;
use crate::core::intent::ActionKind;

/// A feature, as the table calls it, and what it adds to an App.
type Feature = (String, Needed);

/// Markdown, generated: a row for each feature, in the order of what everybody has to what few do.
pub fn markdown(kinds: &[ActionKind]) -> String {
    let mut text = "| Feature | Permissions | Events |\n|---|---|---|\n".to_owned();
    for (name, needed) in features(kinds) {
        let permissions =
            needed.permissions.iter().map(|(permission, need)| format!("`{permission}`: {}", need.level()));
        let events = needed.events.keys().map(|event| format!("`{event}`"));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {name} | {} | {} |", listed(permissions), listed(events));
    }
    text.push_str("\nBeside these, each event that a rule waits for takes its permission to read:\n\n| Permission | Events |\n|---|---|\n");
    let permissions: BTreeSet<_> = HEARD_WITH.iter().map(|(_, permission)| *permission).collect();
    for permission in permissions {
        let events = HEARD_WITH.iter().filter(|(_, with)| *with == permission).map(|(event, _)| format!("`{event}`"));
        let _ = writeln!(text, "| `{permission}` | {} |", listed(events));
    }
    text
}

fn features(kinds: &[ActionKind]) -> Vec<Feature> {
    let feature = |name: &str, fill: &dyn Fn(&mut Needed)| {
        let mut needed = Needed::default();
        fill(&mut needed);
        (name.to_owned(), needed)
    };
    let mut features = vec![
        feature("every App, and signing in", &|needed| {
            needed.read("metadata", SIGNING_IN);
            needed.hear("repository", SIGNING_IN);
        }),
        feature("teams in `access`", &|needed| OF_TEAMS.iter().for_each(|event| needed.hear(event, ""))),
        feature("`repository_config`, and what its actions take", &|needed| needed.add_own_files(&[], kinds)),
        feature("`commands`, and what they do", &|needed| needed.hear("issue_comment", "")),
        feature("conditions on files, reviews, or a pull request that the event only names", &|needed| {
            needed.read("pull_requests", "");
        }),
        feature("conditions on checks", &|needed| {
            needed.read("checks", "");
            needed.read("statuses", "");
        }),
        feature("expressions on `run`", &|needed| needed.read("actions", "")),
        feature(&format!("rules on `{SCHEDULE}.daily`"), &|needed| {
            needed.read("issues", "");
            needed.read("pull_requests", "");
        }),
    ];
    features.extend(kinds.iter().map(|kind| {
        feature(&format!("action `{}`", kind.name), &|needed| {
            needed.add_any(kind, "");
            (kind.reads)(&Value::Null).iter().for_each(|permission| needed.read(permission, ""));
        })
    }));
    features
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: BTreeSet<String> = items.collect();
    if items.is_empty() { "–".to_owned() } else { items.into_iter().collect::<Vec<_>>().join(", ") }
}
