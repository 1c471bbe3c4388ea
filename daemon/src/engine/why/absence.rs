//! Why a rule did *not* act: from what is stored of an item or an event, and from the config that runs.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Story, stories_of, story_of, tell, why_so};
use crate::config::Config;
use crate::core::decide::Verdict;
use crate::core::event::{EventId, EventKind, RepoName};
use crate::core::rule::{Mode, Rule, RuleName};
use crate::core::text::{harmless, time};
use crate::engine::process::serde_label;
use crate::engine::repository_config;
use crate::store::effects::{EffectFilter, EffectState};
use crate::store::events::{EventFilter, EventRow, EventStatus};
use crate::store::{Db, StoreError};

/// Decisions of the rule on an item that are told, newest first.
const MOST_DECISIONS: u32 = 100;

/// Events about an item that are looked through, newest first.
const MOST_EVENTS: u32 = 1_000;

/// Kinds of events that a sentence lists.
const MOST_KINDS: usize = 12;

/// What the question is about.
#[derive(Clone, Debug)]
pub enum Asked {
    Event(Box<EventRow>),
    Item { repository: RepoName, number: u64 },
}

/// The answer about one rule.
#[derive(Clone, Debug)]
pub struct Told {
    /// Events that the rule decided on, newest first, with nothing of other rules.
    pub stories: Vec<Story>,
    /// Sentences, what explains it first; none when the rule acted.
    pub why_not: Vec<String>,
    head: String,
}

impl Told {
    /// For a person, of the newest `most` events.
    pub fn text(&self, most: usize) -> String {
        let mut text = String::new();
        if !self.why_not.is_empty() {
            text.push_str(&harmless(&self.head));
            text.push('\n');
            text.extend(self.why_not.iter().map(|sentence| format!("  {}\n", harmless(sentence))));
        }
        for story in self.stories.iter().take(most) {
            text.push_str(if text.is_empty() { "" } else { "\n" });
            text.push_str(&tell(story));
        }
        text
    }
}

/// Nothing is known of a rule of that name; the text says which may be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownRule(String);

impl UnknownRule {
    /// Of a name that is none of these rules'.
    pub fn of(rule: &RuleName, rules: &[Rule]) -> Self {
        Self(unknown(rule, &near_names(rule, rules)))
    }
}

/// Why a rule did what it did about an item or an event, or did nothing. `but`: an event that is only being decided on.
///
/// # Errors
/// When the store fails. [`UnknownRule`] when neither the config nor the store knows the rule.
pub async fn ask(
    db: &Db,
    (config, now): (&Config, DateTime<Utc>),
    asked: &Asked,
    rule: &RuleName,
    but: Option<EventId>,
) -> Result<Result<Told, UnknownRule>, StoreError> {
    let mut stories = match asked {
        Asked::Event(event) => vec![story_of(db, (**event).clone()).await?],
        Asked::Item { repository, number } => stories_of(db, repository, *number, (Some(rule), MOST_DECISIONS)).await?,
    };
    for story in &mut stories {
        story.decisions.retain(|decision| decision.rule == *rule);
        story.effects.retain(|effect| effect.intent.rule == *rule);
    }
    stories.retain(|story| Some(story.event.id) != but && !story.decisions.is_empty());
    let about = match asked {
        Asked::Event(event) => format!("event {}", event.id),
        Asked::Item { repository, number } => format!("{repository}#{number}"),
    };
    let head = format!("rule {rule} did not act on {about}:");
    let absence = absence(db, (config, now), asked, rule, but).await?;
    if stories.iter().any(acted) {
        // It acted; what came since and is not decided on may still be asked about.
        let head = format!("rule {rule} did not act again on {about}:");
        let newer = stories.first().map(|story| story.event.received_at);
        let waits = |each: &&Arrived| each.awaited && Some(each.at) > newer;
        let open = absence.arrived.iter().filter(waits).filter_map(|each| undecided(each, &absence, true));
        let mut why_not: Vec<String> = open.collect();
        if let Some(newest) = stories.first().filter(|story| !acted(story)) {
            why_not.extend(of_story(newest));
        }
        return Ok(Ok(Told { stories, why_not, head }));
    }
    if let (true, Standing::Unknown { near, once: false }) = (stories.is_empty(), &absence.standing) {
        return Ok(Err(UnknownRule(unknown(rule, near))));
    }
    let mut why_not: Vec<String> = stories.first().map(of_story).unwrap_or_default();
    why_not.extend(sentences(&absence, !stories.is_empty()));
    Ok(Ok(Told { stories, why_not, head }))
}

fn acted(story: &Story) -> bool {
    story.effects.iter().any(|effect| matches!(effect.state, EffectState::Applied | EffectState::Undone))
}

/// Why the newest decision led to nothing.
fn of_story(story: &Story) -> Vec<String> {
    let Some(decision) = story.decisions.first() else { return Vec::new() };
    let reason = decision.explanation.reason();
    let came_to = match decision.verdict {
        Verdict::NotMatched => format!("its condition did not hold: {reason}"),
        Verdict::Skipped => format!("it was passed over: {reason}"),
        Verdict::Matched => {
            let effects = story.effects.iter().map(|effect| {
                let why = why_so(effect).map(|why| format!(": {why}")).unwrap_or_default();
                format!("`{}` {}{why}", effect.intent.action, serde_label(&effect.state))
            });
            let effects = effects.collect::<Vec<_>>().join("; ");
            format!("it matched; {}", if effects.is_empty() { "there was nothing to do" } else { &effects })
        }
    };
    vec![format!("when {} came, {} UTC, {came_to}", story.event.kind(), time(story.event.received_at))]
}

/// All that may explain that a rule did not decide on something.
#[derive(Clone, Debug)]
struct Absence {
    /// `acme/web#12`, or `event 0198…`.
    about: String,
    standing: Standing,
    /// Kinds of events that arrived about it.
    arrived: Vec<Arrived>,
    /// How long decisions are kept.
    kept: TimeDelta,
    now: DateTime<Utc>,
}

/// What the running config says of the rule.
#[derive(Clone, Debug)]
enum Standing {
    Unknown {
        /// Names that may be meant.
        near: Vec<String>,
        /// Effects of such a rule are stored: a config had it once.
        once: bool,
    },
    /// One of orchd's own, which no config writes.
    Ours,
    /// One of another repository's own file.
    Elsewhere(RepoName),
    There {
        mode: Mode,
        /// The repository, when its `repositories` leave it out. Which others they name is not for everybody to read.
        leaves_out: Option<RepoName>,
        waits_for: Vec<String>,
    },
}

/// Events of one kind.
#[derive(Clone, Debug)]
struct Arrived {
    kind: String,
    /// Whether the rule waits for such.
    awaited: bool,
    count: usize,
    /// The newest of them that is not decided on, or else the newest.
    event: EventId,
    at: DateTime<Utc>,
    status: EventStatus,
    error: Option<String>,
}

fn unknown(rule: &RuleName, near: &[String]) -> String {
    let meant = match near {
        [] => ": see `orchd config show`; a rule of a repository's own file is named owner/repo:name".to_owned(),
        names => {
            format!(": did you mean {}?", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "))
        }
    };
    format!("the running config has no rule `{rule}`{meant}")
}

/// The sentences, what explains it first. `decided`: the rule decided on it before, so that only what is newer matters.
fn sentences(absence: &Absence, decided: bool) -> Vec<String> {
    let Absence { about, standing, arrived, .. } = absence;
    let mut told = Vec::new();
    let (mode, leaves_out, waits_for) = match standing {
        Standing::Unknown { near, .. } => return vec![unknown_now(near)],
        Standing::Ours if decided => return told,
        Standing::Ours => {
            return vec![format!("it is one of orchd's own rules, and nothing about {about} called for it")];
        }
        Standing::Elsewhere(of) => return vec![format!("it is a rule of {of}'s own file, which is about {of} only")],
        Standing::There { mode, leaves_out, waits_for } => (mode, leaves_out, waits_for),
    };
    if *mode == Mode::Off {
        told.push("it is `mode: off` in the running config: set `mode: active`, or `shadow` to try it".to_owned());
    }
    if let Some(repository) = leaves_out {
        told.push(format!("its `repositories` leave {repository} out"));
    }
    let waited_for: Vec<&Arrived> = arrived.iter().filter(|each| each.awaited).collect();
    if waited_for.is_empty() && !decided {
        told.push(format!("it waits for {}, and {}", waits_for.join(", "), list(about, arrived)));
        if waits_for.iter().any(|trigger| trigger.starts_with("schedule.")) {
            told.push(
                "an item that the daily look passes by, because the rule says no to it, is not stored as an event"
                    .to_owned(),
            );
        }
    }
    told.extend(waited_for.into_iter().filter_map(|each| undecided(each, absence, decided)));
    told
}

fn unknown_now(near: &[String]) -> String {
    let meant = near.first().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    format!("it is not in the running config: it was renamed or removed since it acted{meant}")
}

/// "what arrived about acme/web#12 is issues.opened (1), issues.labeled (2)".
fn list(about: &str, arrived: &[Arrived]) -> String {
    if arrived.is_empty() {
        return format!("nothing about {about} arrived");
    }
    let mut kinds: Vec<String> =
        arrived.iter().take(MOST_KINDS).map(|each| format!("{} ({})", each.kind, each.count)).collect();
    if arrived.len() > MOST_KINDS {
        kinds.push(format!("{} other kinds", arrived.len() - MOST_KINDS));
    }
    format!("what arrived about {about} is {}", kinds.join(", "))
}

/// Why an event that the rule waits for has no decision of it.
fn undecided(event: &Arrived, absence: &Absence, decided: bool) -> Option<String> {
    let Arrived { kind, event: id, at, .. } = event;
    let came = format!("{kind} came {} UTC (event {id})", time(*at));
    match event.status {
        EventStatus::Received => Some(format!("{came} and is still queued: see `orchd status`")),
        EventStatus::Processing => Some(format!("{came} and is being decided on now")),
        EventStatus::Failed => Some(format!(
            "{came} and could not be decided on: {}; `orchd events replay {id}` tries again",
            event.error.as_deref().unwrap_or("no reason is stored")
        )),
        // Of what it decided on there is a decision: this is about the time before.
        EventStatus::Processed if decided => None,
        EventStatus::Processed if absence.now.checked_sub_signed(absence.kept).is_some_and(|begin| *at < begin) => {
            Some(format!(
                "{came}, and decisions are kept for {} days (`retention.decisions`): this one is gone",
                absence.kept.num_days()
            ))
        }
        EventStatus::Processed => Some(format!(
            "{came}, before the rule was in the config or waited for it: `orchd events replay {id}` decides on it again"
        )),
    }
}

async fn absence(
    db: &Db,
    (config, now): (&Config, DateTime<Utc>),
    asked: &Asked,
    rule: &RuleName,
    but: Option<EventId>,
) -> Result<Absence, StoreError> {
    let (about, repository, events) = match asked {
        Asked::Event(event) => (format!("event {}", event.id), event.repository.clone(), vec![(**event).clone()]),
        Asked::Item { repository, number } => {
            let filter = EventFilter {
                repository: Some(repository.clone()),
                number: Some(*number),
                limit: MOST_EVENTS,
                ..EventFilter::default()
            };
            let found = db.events(&filter).await?.rows;
            (format!("{repository}#{number}"), Some(repository.clone()), found)
        }
    };
    let mut rules = config.rules.to_vec();
    if let Some(name) = &repository {
        rules.extend(repository_config::shown_rules(db, config, name).await?);
    }
    let found = rules.iter().find(|known| known.name == *rule);
    let arrived = arrived(&events, found, but);
    let standing = match found {
        Some(rule) => standing(rule, repository),
        None if rule.is_ours() => Standing::Ours,
        None => match rule.repository().filter(|of| !repository.as_ref().is_some_and(|name| is_same(name, of))) {
            Some(of) => Standing::Elsewhere(of),
            None => {
                let filter = EffectFilter { rule: Some(rule.clone()), limit: 1, ..EffectFilter::default() };
                let once = !db.effects(&filter).await?.rows.is_empty();
                Standing::Unknown { near: near_names(rule, &rules), once }
            }
        },
    };
    let kept = TimeDelta::from_std(config.retention.decisions).unwrap_or(TimeDelta::MAX);
    Ok(Absence { about, standing, arrived, kept, now })
}

/// GitHub tells repositories apart by more than case.
fn is_same(one: &RepoName, other: &RepoName) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}

fn standing(rule: &Rule, repository: Option<RepoName>) -> Standing {
    Standing::There {
        mode: rule.mode,
        leaves_out: repository.filter(|name| !rule.repositories.includes(name)),
        waits_for: rule.on.iter().map(ToString::to_string).collect(),
    }
}

/// By kind, in the order in which the newest of each came, newest first.
fn arrived(events: &[EventRow], rule: Option<&Rule>, but: Option<EventId>) -> Vec<Arrived> {
    let mut kinds: Vec<Arrived> = Vec::new();
    for event in events.iter().filter(|event| Some(event.id) != but) {
        let name = event.kind();
        let known = kinds.iter_mut().find(|known| known.kind == name);
        let open = event.processing_status != EventStatus::Processed;
        match known {
            Some(known) if !open || known.status != EventStatus::Processed => known.count += 1,
            known => {
                let kind = EventKind { name: event.event_type.clone(), action: event.event_action.clone() };
                let one = Arrived {
                    awaited: rule.is_some_and(|rule| rule.on.iter().any(|trigger| trigger.fires_on(&kind))),
                    kind: name,
                    count: known.as_ref().map_or(0, |known| known.count) + 1,
                    event: event.id,
                    at: event.received_at,
                    status: event.processing_status,
                    error: event.error_message.clone(),
                };
                match known {
                    Some(known) => *known = one,
                    None => kinds.push(one),
                }
            }
        }
    }
    kinds
}

/// Names of rules that a mistyped one may stand for: the same one of a repository's own file, else what is nearest.
fn near_names(rule: &RuleName, rules: &[Rule]) -> Vec<String> {
    let last = |name: &str| name.rsplit_once(':').map_or(name, |(_, last)| last).to_lowercase();
    let wanted = last(rule.as_str());
    let same = rules.iter().filter(|known| last(known.name.as_str()) == wanted);
    let same: Vec<String> = same.map(|known| known.name.to_string()).collect();
    if !same.is_empty() {
        return same;
    }
    let most = |candidate: &str| (wanted.len().max(candidate.len()) / 3).clamp(1, 3);
    let typed = rules.iter().filter_map(|known| {
        let candidate = last(known.name.as_str());
        let errors = strsim::damerau_levenshtein(&wanted, &candidate);
        (errors <= most(&candidate)).then(|| (errors, known.name.to_string()))
    });
    typed.min().map(|(_, name)| name).into_iter().collect()
}

#[cfg(test)]
mod tests;
