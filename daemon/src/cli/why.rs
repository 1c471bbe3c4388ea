//! `orchd why`: explanations, with the effects under each rule.

use std::fmt::Write as _;
use std::str::FromStr;

use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::daemon::Daemon;
use super::events::{about, kind};
use super::failure::Failure;
use super::output::{self, Rows, harmless, word};
use crate::core::event::RepoName;
use crate::core::rule::Mode;
use crate::core::subject as target;
use crate::store::causes::CauseRow;
use crate::store::decisions::DecisionRow;
use crate::store::effects::EffectRow;
use crate::store::events::EventRow;

#[derive(Debug, Args)]
pub(super) struct Why {
    /// An event, or an issue or pull request; a repository, or nothing, for a table of its or all latest events.
    #[arg(value_name = "EVENT_ID|OWNER/REPO#N|OWNER/REPO")]
    subject: Option<Subject>,
    /// How many events the table tells of.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    latest: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Event(Uuid),
    Item { repository: RepoName, number: u64 },
    Repository(RepoName),
}

impl FromStr for Subject {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = Uuid::parse_str(text) {
            return Ok(Self::Event(id));
        }
        let found = match text.rsplit_once('#') {
            Some((repository, number)) => RepoName::parse(repository)
                .ok()
                .and_then(|repository| Some(Self::Item { repository, number: number.parse().ok()? })),
            None => RepoName::parse(text).ok().map(Self::Repository),
        };
        found.ok_or("write the id of an event, owner/repository#number, or owner/repository")
    }
}

/// An event with what followed from it.
#[derive(Deserialize)]
pub(super) struct Story {
    event: EventRow,
    decisions: Vec<DecisionRow>,
    effects: Vec<EffectRow>,
    cause: Option<CauseRow>,
}

#[derive(Deserialize)]
struct Answer {
    events: Vec<Story>,
}

impl Why {
    pub(super) async fn run(&self, daemon: &Daemon, json: bool) -> Result<(), Failure> {
        let latest = ("latest", Some(self.latest.to_string()));
        let parameters = match &self.subject {
            None => vec![latest],
            Some(Subject::Repository(repository)) => vec![("repo", Some(repository.to_string())), latest],
            Some(Subject::Event(id)) => vec![("event", Some(id.to_string()))],
            Some(Subject::Item { repository, number }) => vec![("item", Some(format!("{repository}#{number}")))],
        };
        let answer = daemon.get("/api/why", parameters).await?;
        if json {
            return output::print_json(&answer);
        }
        let answer: Answer = output::read(answer)?;
        if matches!(self.subject, None | Some(Subject::Repository(_))) {
            return table(&answer.events).print();
        }
        output::print(&answer.events.iter().map(tell).collect::<Vec<_>>().join("\n"))
    }
}

/// A row for each decision: event → rule → why → effect, oldest first, as things happened.
fn table(stories: &[Story]) -> Rows {
    let mut rows = Rows::new(["event", "rule", "why", "effect"]);
    for Story { event, decisions, effects, .. } in stories.iter().rev() {
        let about = match (&event.repository, event.number) {
            (Some(repository), Some(number)) => format!("{} {repository}#{number}", kind(event)),
            (Some(repository), None) => format!("{} {repository}", kind(event)),
            (None, _) => kind(event),
        };
        if decisions.is_empty() {
            rows.push([about.clone(), "-".to_owned(), "no rule was triggered".to_owned(), "-".to_owned()]);
        }
        for decision in decisions {
            let of_rule = effects.iter().filter(|effect| effect.intent.rule == decision.rule);
            let done: Vec<String> =
                of_rule.map(|effect| format!("{} {}", effect.intent.action, word(&effect.state))).collect();
            rows.push([
                about.clone(),
                decision.rule.to_string(),
                format!("{}: {}", word(&decision.verdict).replace('_', " "), decision.explanation.reason()),
                if done.is_empty() { "-".to_owned() } else { done.join(", ") },
            ]);
        }
    }
    rows
}

/// The story for a person.
pub(super) fn tell(story: &Story) -> String {
    let Story { event, decisions, effects, cause } = story;
    let mut text = String::new();
    let mut line = |indent: usize, content: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:indent$}{}", "", harmless(content));
    };
    let about = about(event).map(|about| format!(" on {about}")).unwrap_or_default();
    let actor = event.actor.as_ref().map(|actor| format!(" by {actor}")).unwrap_or_default();
    line(0, &format!("{}{about}{actor}, {} UTC", kind(event), output::time(event.received_at)));
    line(0, &format!("event {}, {}", event.id, word(&event.processing_status)));
    if let Some(cause) = cause {
        let CauseRow { effect, depth, rule, action, event } = cause;
        let row = if *depth > 1 { format!(", {depth} effects in a row") } else { String::new() };
        line(0, &format!("caused by effect {effect} ({action}) of rule {rule} on event {event}{row}"));
    }
    if let Some(error) = &event.error_message {
        line(0, &format!("error: {error}"));
    }
    if decisions.is_empty() {
        line(2, "no rule was triggered");
    }
    for decision in decisions {
        let mode = if decision.mode == Mode::Shadow { " (shadow)" } else { "" };
        line(2, &format!("rule {}{mode}: {}", decision.rule, word(&decision.verdict).replace('_', " ")));
        for reason in decision.explanation.lines() {
            line(4, &reason);
        }
        for effect in effects.iter().filter(|effect| effect.intent.rule == decision.rule) {
            line(4, &effect_line(effect));
        }
    }
    text
}

/// `→ label {add: [documentation]}: applied`, `→ check {…} on commit 6dcb09b5b578: applied`.
fn effect_line(effect: &EffectRow) -> String {
    let note = effect.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    let params = match as_written(&effect.intent.params).as_str() {
        "" | "{}" => String::new(),
        params => format!(" {params}"),
    };
    let on = match &effect.intent.target.subject {
        target::Subject::Commit(id) => format!(" on commit {:.12}", id.as_str()),
        target::Subject::Item | target::Subject::Repository => String::new(),
    };
    format!("→ {}{params}{on}: {}{note}", effect.intent.action, word(&effect.state))
}

/// Parameters as a rule has them, long texts shortened.
fn as_written(params: &Value) -> String {
    match params {
        Value::Null => String::new(),
        Value::String(text) => output::shortened(text.lines().next().unwrap_or_default()),
        Value::Array(items) => format!("[{}]", items.iter().map(as_written).collect::<Vec<_>>().join(", ")),
        Value::Object(keys) => {
            let pairs: Vec<String> = keys.iter().map(|(key, value)| format!("{key}: {}", as_written(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_subject_is_an_event_an_item_or_a_repository() {
        let id = Uuid::from_u128(7);
        assert_eq!(id.to_string().parse(), Ok(Subject::Event(id)));
        let item = Subject::Item { repository: RepoName::parse("acme/api").unwrap(), number: 12 };
        assert_eq!("acme/api#12".parse(), Ok(item));
        assert_eq!("acme/api".parse(), Ok(Subject::Repository(RepoName::parse("acme/api").unwrap())));
        for odd in ["", "acme", "acme/a/b", "acme#12", "acme/api#x", "acme/api#-1", "acme/a pi#1"] {
            assert!(odd.parse::<Subject>().is_err(), "{odd}");
        }
    }

    #[test]
    fn a_story_reads_from_event_to_effect() {
        let event = "01980a2b-7c4d-7e5f-8a9b-0c1d2e3f4a5b";
        let at = "2026-03-10T12:00:00Z";
        let story: Story = serde_json::from_value(json!({
            "event": {
                "id": event, "delivery_id": "d", "source": "webhook", "event_type": "pull_request",
                "event_action": "opened", "actor": "mona\u{1b}[2J", "number": 12, "repository": "acme/api",
                "installation": 1, "target_object_ids": {}, "received_at": at, "github_timestamp": null,
                "processing_status": "processed", "error_message": null, "retry_count": 0
            },
            "decisions": [{
                "id": event, "event": event, "rule": "docs-label", "mode": "active", "verdict": "matched",
                "explanation": {"truth": "true", "phrase": "all of", "parts": [
                    {"truth": "true", "phrase": "file `docs/a.md` matches `docs/**`"},
                    {"truth": "true", "phrase": "label `no-bot` is absent"}
                ]},
                "config_revision": "abc", "decided_at": at
            }],
            "effects": [{
                "intent": {
                    "id": event, "event": event, "rule": "docs-label", "action": "label",
                    "target": {"repository": "acme/api", "installation": 1, "number": 12},
                    "params": {"add": ["documentation"]}
                },
                "state": "unchanged", "config_revision": "abc", "change": null, "before": null, "after": null,
                "note": "it is there already", "created_at": at, "started_at": null, "finished_at": null
            }]
        }))
        .unwrap();
        insta::assert_snapshot!(tell(&story));
    }
}
