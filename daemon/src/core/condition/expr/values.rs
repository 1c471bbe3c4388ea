//! From the event and its facts to CEL values: only what an expression names, and never more than a bound.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use cel::Value as Cel;
use cel::objects::{Key, Map};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::compile::Wanted;
use crate::core::condition::Scene;
use crate::core::condition::phrase::Quoted;
use crate::core::condition::sight::Unseen;
use crate::core::event::Event;
use crate::core::facts::{CheckState, FactKind, Item, ItemKind, ItemState, Pull, ReviewState, Run};

/// Values made for one evaluation at most, and how deep they nest. So many bytes of text count as one more.
const MAX_VALUES: usize = 50_000;
const BYTES_A_VALUE: usize = 256;
const MAX_DEPTH: usize = 64;
/// Most values shown in a phrase.
const MAX_SHOWN: usize = 3;

pub(super) enum NoValues<'e> {
    Unseen(Unseen),
    /// This variable holds more than is looked into.
    TooMuch(&'e str),
}

/// The variables an expression names, in the order of their names.
pub(super) fn variables<'e>(
    wanted: &'e BTreeMap<String, Wanted>,
    scene: Scene<'_>,
) -> Result<Vec<(&'e str, Cel)>, NoValues<'e>> {
    let mut left = MAX_VALUES;
    let value = |(name, wanted): (&'e String, &'e Wanted)| {
        let value = match name.as_str() {
            "event" => Ok(event(scene.event, wanted)),
            "item" => item(scene, wanted),
            "labels" => optional(scene.item()).map(|item| texts(item.map(|item| &item.labels))),
            "files" => optional(scene.of_pull(&scene.facts.files, FactKind::Files, "")).map(texts),
            "reviews" => reviews(scene),
            "checks" => checks(scene),
            "run" => optional(scene.run()).map(|run| run.map_or_else(|| map([]), |run| run_value(run, wanted))),
            "role" => optional(scene.known(&scene.facts.role, FactKind::Role))
                .map(|role| role.map_or(Cel::Null, |role| string(&role.to_string()))),
            _ => {
                let made =
                    match if name == PAYLOAD { Some(&scene.event.payload) } else { scene.event.payload.get(name) } {
                        Some(value) => from_json(value, wanted, &mut left, 0),
                        None => Some(map([])),
                    };
                return made.map(|value| (name.as_str(), value)).ok_or(NoValues::TooMuch(name));
            }
        };
        value.map(|value| (name.as_str(), value)).map_err(NoValues::Unseen)
    };
    wanted.iter().map(value).collect()
}

/// `None` stands for what the item cannot have: an expression sees it empty, and decides itself.
fn optional<T>(looked: Result<T, Unseen>) -> Result<Option<T>, Unseen> {
    match looked {
        Ok(value) => Ok(Some(value)),
        Err(Unseen::Inapplicable(_)) => Ok(None),
        Err(unseen) => Err(unseen),
    }
}

fn event(event: &Event, wanted: &Wanted) -> Cel {
    let text = |text: Option<&str>| text.map_or(Cel::Null, string);
    let actor = event.actor.as_ref();
    named(
        wanted,
        &[
            ("name", &|| string(&event.kind.name)),
            ("action", &|| text(event.kind.action.as_deref())),
            ("kind", &|| string(&event.kind.to_string())),
            ("actor", &|| text(actor.map(|actor| actor.login.as_str()))),
            ("actor_is_bot", &|| Cel::Bool(actor.is_some_and(|actor| actor.is_bot))),
            ("repository", &|| text(event.repository.as_ref().map(|name| name.as_str()))),
            ("number", &|| event.item.map_or(Cel::Null, number)),
            ("received_at", &|| time(event.received_at)),
        ],
    )
}

const OF_PULL: [&str; 4] = ["draft", "base", "head", "from_fork"];
/// The whole payload.
const PAYLOAD: &str = "payload";

fn item(scene: Scene<'_>, wanted: &Wanted) -> Result<Cel, Unseen> {
    let Some(item) = optional(scene.item())? else {
        return Ok(map([]));
    };
    let wants_pull = OF_PULL.iter().any(|field| wanted.field(field).is_some());
    let pull = if wants_pull { optional(scene.pull(""))? } else { None };
    Ok(item_value(item, pull, wanted))
}

fn item_value(item: &Item, pull: Option<&Pull>, wanted: &Wanted) -> Cel {
    let kind = match item.kind {
        ItemKind::Issue => "issue",
        ItemKind::PullRequest => "pull_request",
    };
    let state = match item.state {
        ItemState::Open => "open",
        ItemState::Closed => "closed",
        ItemState::Merged => "merged",
    };
    let at = |at: Option<DateTime<Utc>>| at.map_or(Cel::Null, time);
    named(
        wanted,
        &[
            ("kind", &|| string(kind)),
            ("number", &|| number(item.number)),
            ("title", &|| string(&item.title)),
            ("body", &|| string(&item.body)),
            ("state", &|| string(state)),
            ("author", &|| string(&item.author)),
            ("author_association", &|| string(&item.author_association)),
            ("labels", &|| texts(Some(&item.labels))),
            ("assignees", &|| texts(Some(&item.assignees))),
            ("milestone", &|| item.milestone.as_deref().map_or(Cel::Null, string)),
            ("created_at", &|| at(item.created_at)),
            ("updated_at", &|| at(item.updated_at)),
            ("draft", &|| pull.map_or(Cel::Null, |pull| Cel::Bool(pull.draft))),
            ("base", &|| pull.map_or(Cel::Null, |pull| string(&pull.base))),
            ("head", &|| pull.map_or(Cel::Null, |pull| string(&pull.head))),
            ("from_fork", &|| pull.map_or(Cel::Null, |pull| Cel::Bool(!pull.same_repository))),
        ],
    )
}

fn reviews(scene: Scene<'_>) -> Result<Cel, Unseen> {
    let reviews = optional(scene.of_pull(&scene.facts.reviews, FactKind::Reviews, ""))?;
    Ok(list(reviews.into_iter().flatten().map(|review| {
        let state = match review.state {
            ReviewState::Approved => "approved",
            ReviewState::ChangesRequested => "changes_requested",
            ReviewState::Commented => "commented",
            ReviewState::Dismissed => "dismissed",
        };
        map([("reviewer", string(&review.reviewer)), ("state", string(state))])
    })))
}

fn checks(scene: Scene<'_>) -> Result<Cel, Unseen> {
    let checks = optional(scene.of_pull(&scene.facts.checks, FactKind::Checks, ""))?;
    Ok(list(checks.into_iter().flatten().map(|check| {
        let state = match check.state {
            CheckState::Passing => "passing",
            CheckState::Failing => "failing",
            CheckState::Pending => "pending",
        };
        map([("name", string(&check.name)), ("state", string(state))])
    })))
}

fn run_value(run: &Run, wanted: &Wanted) -> Cel {
    let text = |text: &Option<String>| text.as_deref().map_or(Cel::Null, string);
    let jobs = || {
        list(run.jobs.iter().map(|job| {
            map([("name", string(&job.name)), ("status", string(&job.status)), ("conclusion", text(&job.conclusion))])
        }))
    };
    named(
        wanted,
        &[
            ("status", &|| string(&run.status)),
            ("conclusion", &|| text(&run.conclusion)),
            ("event", &|| string(&run.event)),
            ("head_sha", &|| string(&run.head_sha)),
            ("head_branch", &|| text(&run.head_branch)),
            ("attempt", &|| number(run.attempt)),
            ("jobs", &jobs),
        ],
    )
}

/// `None`: there is more than may be made.
fn from_json(value: &Value, wanted: &Wanted, left: &mut usize, depth: usize) -> Option<Cel> {
    *left = left.checked_sub(1)?;
    if depth > MAX_DEPTH {
        return None;
    }
    Some(match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(value) => match (value.as_i64(), value.as_u64()) {
            (Some(value), _) => Cel::Int(value),
            (None, Some(value)) => Cel::UInt(value),
            (None, None) => Cel::Float(value.as_f64()?),
        },
        Value::String(value) => {
            *left = left.checked_sub(value.len() / BYTES_A_VALUE)?;
            string(value)
        }
        Value::Array(values) => {
            // Fields of a list do not exist: who names one gets the error for it, without the entries being made.
            let entries = if wanted.is_whole() { values.as_slice() } else { &[] };
            let made = entries.iter().map(|each| from_json(each, wanted, left, depth + 1));
            Cel::List(Arc::new(made.collect::<Option<Vec<_>>>()?))
        }
        Value::Object(values) => {
            let mut made = HashMap::new();
            let mut add = |name: &String, value: &Value, wanted: &Wanted| {
                made.insert(Key::from(name.as_str()), from_json(value, wanted, left, depth + 1)?);
                Some(())
            };
            if wanted.is_whole() {
                values.iter().try_for_each(|(name, value)| add(name, value, wanted))?;
            } else {
                let mut named = wanted.fields().filter_map(|(name, wanted)| Some((name, values.get(name)?, wanted)));
                named.try_for_each(|(name, value, wanted)| add(name, value, wanted))?;
            }
            Cel::Map(Map { map: Arc::new(made) })
        }
    })
}

/// A map of the wanted ones among these fields.
fn named(wanted: &Wanted, fields: &[(&'static str, &dyn Fn() -> Cel)]) -> Cel {
    let wanted = fields.iter().filter(|(name, _)| wanted.field(name).is_some());
    map(wanted.map(|(name, value)| (*name, value())))
}

fn map(entries: impl IntoIterator<Item = (&'static str, Cel)>) -> Cel {
    let entries = entries.into_iter().map(|(name, value)| (Key::from(name), value));
    Cel::Map(Map { map: Arc::new(entries.collect()) })
}

fn list(values: impl Iterator<Item = Cel>) -> Cel {
    Cel::List(Arc::new(values.collect()))
}

fn texts(texts: Option<&Vec<String>>) -> Cel {
    list(texts.into_iter().flatten().map(|text| string(text)))
}

fn string(text: &str) -> Cel {
    Cel::String(Arc::new(text.to_owned()))
}

fn number(number: u64) -> Cel {
    i64::try_from(number).map_or(Cel::UInt(number), Cel::Int)
}

fn time(at: DateTime<Utc>) -> Cel {
    Cel::Timestamp(at.fixed_offset())
}

/// The plain values an expression named, for its phrase: " (pull_request.additions = `3`)".
pub(super) fn shown(wanted: &BTreeMap<String, Wanted>, variables: &[(&str, Cel)]) -> String {
    let mut shown = Vec::new();
    for (name, value) in variables {
        if let Some(wanted) = wanted.get(*name) {
            show(name, value, wanted, &mut shown);
        }
    }
    match shown.is_empty() {
        true => String::new(),
        false => format!(" ({})", shown.join(", ")),
    }
}

fn show(path: &str, value: &Cel, wanted: &Wanted, shown: &mut Vec<String>) {
    if shown.len() == MAX_SHOWN {
        return;
    }
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _ = match value {
        Cel::Map(map) => {
            for (name, wanted) in wanted.fields() {
                if let Some(value) = map.map.get(&Key::from(name.as_str())) {
                    show(&format!("{path}.{name}"), value, wanted, shown);
                }
            }
            return;
        }
        Cel::Int(value) => write!(text, "{path} = `{value}`"),
        Cel::UInt(value) => write!(text, "{path} = `{value}`"),
        Cel::Float(value) => write!(text, "{path} = `{value}`"),
        Cel::Bool(value) => write!(text, "{path} = `{value}`"),
        Cel::Null => write!(text, "{path} = `null`"),
        Cel::String(value) => write!(text, "{path} = {}", Quoted(value)),
        Cel::Timestamp(value) => write!(text, "{path} = `{}`", value.to_rfc3339()),
        Cel::List(values) => write!(text, "{path} has {} entries", values.len()),
        _ => return,
    };
    shown.push(text);
}
