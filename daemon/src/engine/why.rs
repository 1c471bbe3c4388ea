//! What was decided on an event, and why: the one telling, for the command line, the API and a comment.

mod absence;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

pub use self::absence::{Asked, Told, UnknownRule, ask};
use super::process::serde_label;
use crate::core::decide::is_elsewhere;
use crate::core::event::{EventId, RepoName};
use crate::core::intent::written;
use crate::core::rule::{Mode, RuleName};
use crate::core::subject::Subject;
use crate::core::text::{harmless, time};
use crate::store::causes::CauseRow;
use crate::store::decisions::DecisionRow;
use crate::store::effects::{EffectRow, EffectState};
use crate::store::events::EventRow;
use crate::store::{Among, Db, StoreError};

/// Effects of one event that are told.
const MOST_EFFECTS: usize = 1_000;

/// An event with everything that followed from it.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Story {
    pub event: EventRow,
    pub decisions: Vec<DecisionRow>,
    pub effects: Vec<EffectRow>,
    /// The effect of ours that caused the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseRow>,
    /// The git commits of the config revisions that decided and acted, where they have one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commits: BTreeMap<String, String>,
}

impl Story {
    /// Without effects in repositories that whoever asks does not see, and without rules that are about others only. What
    /// caused the event was done where the event happened.
    pub fn cut_to(mut self, among: &Among) -> Self {
        if *among != Among::All {
            self.decisions.retain(|decision| !is_elsewhere(decision.verdict, &decision.explanation));
        }
        self.effects.retain(|effect| among.has(Some(&effect.intent.target.repository)));
        self
    }
}

/// An event's decisions and effects beside it.
pub async fn story_of(db: &Db, event: EventRow) -> Result<Story, StoreError> {
    let told = tell_of(db, vec![event]).await?;
    told.into_iter().next().ok_or_else(|| StoreError::Failed("an event has no story".to_owned()))
}

/// The same of several events, in their order, at the cost of one: three queries, and one for each config revision.
pub async fn tell_of(db: &Db, events: Vec<EventRow>) -> Result<Vec<Story>, StoreError> {
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    let (mut decisions, mut effects) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
    // In the order of the config.
    for decision in db.decided_on(&ids, None).await?.into_iter().rev() {
        decisions.entry(decision.event).or_default().push(decision);
    }
    for effect in db.effects_of(&ids).await? {
        effects.entry(effect.intent.event).or_default().push(effect);
    }
    let mut causes = db.causes_of(&ids).await?;
    let mut known = BTreeMap::new();
    let mut stories = Vec::with_capacity(events.len());
    for event in events {
        let mut effects = effects.remove(&event.id).unwrap_or_default();
        effects.truncate(MOST_EFFECTS);
        let (decisions, cause) = (decisions.remove(&event.id).unwrap_or_default(), causes.remove(&event.id));
        let commits = commits_of(db, &decisions, &effects, &mut known).await?;
        stories.push(Story { event, decisions, effects, cause, commits });
    }
    Ok(stories)
}

/// The commits of the revisions that decided and acted; `known` are those that were asked for already.
async fn commits_of(
    db: &Db,
    decisions: &[DecisionRow],
    effects: &[EffectRow],
    known: &mut BTreeMap<String, Option<String>>,
) -> Result<BTreeMap<String, String>, StoreError> {
    let by_decisions = decisions.iter().map(|decision| &decision.config_revision);
    let mut commits = BTreeMap::new();
    for revision in by_decisions.chain(effects.iter().map(|effect| &effect.config_revision)) {
        let revision = server_part(revision);
        if !known.contains_key(revision) {
            known.insert(revision.to_owned(), db.commit_of_config(revision).await?);
        }
        if let Some(Some(commit)) = known.get(revision) {
            commits.insert(revision.to_owned(), commit.clone());
        }
    }
    Ok(commits)
}

/// Of a revision `0123456789abcdef+<git's id of a repository's own file>` what names the server's config.
pub fn server_part(revision: &str) -> &str {
    revision.split_once('+').map_or(revision, |(server, _)| server)
}

/// `config revision 0123456789abcdef (commit 0123456789ab) and the repository's own file 0123456789ab`.
fn revision_phrase(revision: &str, commits: &BTreeMap<String, String>) -> String {
    let server = server_part(revision);
    let commit = commits.get(server).map(|commit| format!(" (commit {commit:.12})")).unwrap_or_default();
    let own = revision.split_once('+').map(|(_, file)| format!(" and the repository's own file {file:.12}"));
    format!("config revision {server}{commit}{}", own.unwrap_or_default())
}

/// The events about an item on which rules decided, newest first, of its `most` newest decisions, by one rule if one is
/// named.
pub async fn stories_of(
    db: &Db,
    repository: &RepoName,
    number: u64,
    (rule, most): (Option<&RuleName>, u32),
) -> Result<Vec<Story>, StoreError> {
    let mut ids: Vec<EventId> = Vec::new();
    for decision in db.decisions_on(repository, number, rule, most).await? {
        if !ids.contains(&decision.event) {
            ids.push(decision.event);
        }
    }
    let mut events = db.events_by_id(&ids).await?;
    events.reverse();
    tell_of(db, events).await
}

/// The story for a person.
pub fn tell(story: &Story) -> String {
    let Story { event, decisions, effects, cause, commits } = story;
    let mut text = String::new();
    let mut line = |indent: usize, content: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:indent$}{}", "", harmless(content));
    };
    let about = event.about().map(|about| format!(" on {about}")).unwrap_or_default();
    let actor = event.actor.as_ref().map(|actor| format!(" by {actor}")).unwrap_or_default();
    line(0, &format!("{}{about}{actor}, {} UTC", event.kind(), time(event.received_at)));
    line(0, &format!("event {}, {}", event.id, serde_label(&event.processing_status)));
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
    // All decisions on an event are made and replaced together.
    if let Some(decision) = decisions.first() {
        let by = revision_phrase(&decision.config_revision, commits);
        line(0, &format!("decided {} UTC by {by}", time(decision.decided_at)));
    }
    for decision in decisions {
        let mode = if decision.mode == Mode::Shadow { " (shadow)" } else { "" };
        line(2, &format!("rule {}{mode}: {}", decision.rule, serde_label(&decision.verdict).replace('_', " ")));
        for reason in decision.explanation.lines() {
            line(4, &reason);
        }
        for effect in effects.iter().filter(|effect| effect.intent.rule == decision.rule) {
            let by = Some(&effect.config_revision).filter(|by| **by != decision.config_revision);
            let by = by.map(|by| format!(", by {}", revision_phrase(by, commits))).unwrap_or_default();
            line(4, &format!("{}{by}", effect_line(effect)));
        }
    }
    text
}

/// `→ label {add: [documentation]}: applied`, `→ check {…} on commit 6dcb09b5b578: applied`.
fn effect_line(effect: &EffectRow) -> String {
    let note = why_so(effect).map(|note| format!(" ({note})")).unwrap_or_default();
    let on = match &effect.intent.target.subject {
        Subject::Commit(id) => format!(" on commit {:.12}", id.as_str()),
        Subject::Item | Subject::Repository => String::new(),
    };
    let what = written(&effect.intent.action, &effect.intent.params);
    format!("→ {what}{on}: {}{note}", serde_label(&effect.state))
}

/// Why an effect is in its state: what was noted then, and in words where the state says it all.
pub fn why_so(effect: &EffectRow) -> Option<&str> {
    let usual = match effect.state {
        EffectState::Shadow => "the rule was in shadow: recorded, and not done",
        EffectState::Planned => "its turn has not come yet, or GitHub did not answer: see `orchd jobs list`",
        EffectState::Writing => "the write began and its answer is not known yet",
        _ => return effect.note.as_deref(),
    };
    Some(effect.note.as_deref().unwrap_or(usual))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

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
                "config_revision": "abc+0f1e2d3c4b5a69788796", "decided_at": at
            }],
            "effects": [{
                "intent": {
                    "id": event, "event": event, "rule": "docs-label", "action": "label",
                    "target": {"repository": "acme/api", "installation": 1, "number": 12},
                    "params": {"add": ["documentation"]}
                },
                "state": "unchanged", "config_revision": "abc", "change": null, "before": null, "after": null,
                "note": "it is there already", "created_at": at, "started_at": null, "finished_at": null
            }],
            "commits": {"abc": "0123456789abcdef0123456789abcdef01234567"}
        }))
        .unwrap();
        insta::assert_snapshot!(tell(&story));
    }
}
