//! Which fields GitHub's payloads have, of which types: `payload_fields.txt`, made from GitHub's OpenAPI description of
//! webhooks and its published examples (a test makes it anew and compares).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::kinds::{Fields, Type};
use crate::core::event_names::{SCHEDULE, WORKFLOW_CONTEXT};
use crate::core::forward;

/// A line for each event (`push #12`), an empty line, a line for each shape (`login:s id:i`).
const TABLE: &str = include_str!("payload_fields.txt");

/// Names and types of the fields of a map, by name.
type Shape = Vec<(&'static str, &'static str)>;

struct Table {
    events: BTreeMap<&'static str, Type>,
    shapes: Vec<Shape>,
}

static FIELDS: LazyLock<Table> = LazyLock::new(|| {
    let (events, shapes) = TABLE.split_once("\n\n").unwrap_or_default();
    let shape = |line: &'static str| line.split(' ').filter_map(|field| field.split_once(':')).collect();
    let event = |line: &'static str| line.split_once(' ').map(|(name, letters)| (name, Type::read(letters)));
    Table { events: events.lines().filter_map(event).collect(), shapes: shapes.lines().map(shape).collect() }
});

/// The fields of a shape.
pub(super) fn shape(number: usize) -> &'static [(&'static str, &'static str)] {
    FIELDS.shapes.get(number).map_or(&[], Vec::as_slice)
}

/// What orchd's own event of the day tells, beside the item's `number`: of a pull request too the issue that it is.
const SCHEDULED: [&str; 4] = ["action", "installation", "issue", "repository"];

/// The payloads of some events.
#[derive(Clone, Debug)]
pub struct Payloads {
    /// `None`: one of them may hold anything.
    known: Option<Vec<(&'static str, Type)>>,
}

impl Payloads {
    /// Of events by their names. GitHub does not describe the payloads of all.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a str>) -> Self {
        let mut known: BTreeMap<&'static str, Type> = BTreeMap::new();
        for event in events {
            if event == WORKFLOW_CONTEXT {
                for (name, of) in forwarded() {
                    let of = known.remove(name).unwrap_or_default().or(of);
                    known.insert(name, of);
                }
                continue;
            }
            let is_ours = event == SCHEDULE;
            let payload = FIELDS.events.get(if is_ours { "issues" } else { event });
            let Some(payload) = payload else { return Self { known: None } };
            let mut keys = keys_of(payload);
            if is_ours {
                keys.retain(|(name, _)| SCHEDULED.contains(name));
                keys.push(("number", "i"));
            }
            for (name, letters) in keys {
                let of = known.remove(name).unwrap_or_default().or(Type::read(letters));
                known.insert(name, of);
            }
        }
        Self { known: Some(known.into_iter().collect()) }
    }

    /// Of every event that GitHub describes, and of what a workflow forwards.
    pub(crate) fn described() -> &'static Self {
        static ALL: LazyLock<Payloads> =
            LazyLock::new(|| Payloads::of(FIELDS.events.keys().copied().chain([WORKFLOW_CONTEXT])));
        &ALL
    }

    /// A top-level key; `None`: no such payload has it.
    pub(crate) fn key(&self, name: &str) -> Option<Type> {
        let Some(known) = &self.known else { return Some(Type::any()) };
        known.iter().find(|(key, _)| *key == name).map(|(_, of)| of.clone())
    }

    /// The whole payload: a map of these keys.
    pub(crate) fn whole(&self) -> Type {
        let known = self.known.as_ref().map(|known| Type::map(Fields::Listed(known.clone())));
        known.unwrap_or_else(Type::any)
    }

    /// The top-level keys, sorted; those of all described events where anything may be there.
    pub fn keys(&self) -> Vec<&'static str> {
        let known = self.known.as_ref().or(Self::described().known.as_ref());
        known.into_iter().flatten().map(|(name, _)| *name).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// What orchd makes of what a workflow forwards. Of the installation and the repository it tells less than GitHub does.
fn forwarded() -> Vec<(&'static str, Type)> {
    let listed = |fields: &[(&'static str, &'static str)]| {
        let fields = fields.iter().map(|(name, letters)| (*name, Type::read(letters)));
        Type::map(Fields::Listed(fields.collect()))
    };
    let mut known = vec![
        ("action", Type::read("s")),
        ("installation", listed(&[("id", "i")])),
        ("repository", listed(&forward::REPOSITORY_FIELDS)),
        ("sender", listed(&[("login", "s"), ("type", "s")])),
        ("workflow_context", listed(&forward::CONTEXT_FIELDS)),
    ];
    let mut told = forward::TOLD_FIELDS.map(|(name, letters)| (name, Type::read(letters))).to_vec();
    told.push(("tests", listed(&forward::TESTS_FIELDS).or(Type::read("?"))));
    known.push(("told", Type::map(Fields::Listed(told))));
    known
}

fn keys_of(payload: &Type) -> Vec<(&'static str, &'static str)> {
    let shapes =
        payload.maps.iter().filter_map(|map| if let Fields::Shape(number) = map { Some(*number) } else { None });
    shapes.flat_map(|number| shape(number).iter().copied()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::event_names::{EVENTS, is_known};
    use crate::core::vocabulary::Kinds;

    #[test]
    fn the_table_is_read_whole() {
        assert!(FIELDS.events.len() > 70 && FIELDS.shapes.len() > 300);
        assert!(FIELDS.events.keys().all(|name| is_known(name)));
        for fields in &FIELDS.shapes {
            assert!(fields.is_sorted(), "{fields:?}");
            assert!(fields.iter().all(|(_, letters)| !Type::read(letters).kinds.is_empty()), "{fields:?}");
        }
        let additions = Payloads::of(["pull_request"]).key("pull_request").unwrap().field("additions").unwrap();
        assert_eq!(additions.kinds, Kinds::INT);
    }

    #[test]
    fn what_github_does_not_describe_may_hold_anything_and_the_event_of_the_day_holds_items() {
        let is_ours = |name: &str| matches!(name, SCHEDULE | WORKFLOW_CONTEXT);
        let unknown = EVENTS.iter().find(|name| !FIELDS.events.contains_key(**name) && !is_ours(name)).unwrap();
        assert!(Payloads::of([*unknown]).key("whatever").unwrap().is_any());
        let daily = Payloads::of([SCHEDULE]);
        assert!(daily.key("issue").unwrap().field("title").is_some() && daily.key("number").is_some());
        assert!(["comment", "pull_request", "sender"].iter().all(|key| daily.key(key).is_none()));
        assert!(Payloads::of(["push"]).key("issue").is_none());
        let forwarded = Payloads::of([WORKFLOW_CONTEXT]);
        assert_eq!(forwarded.key("workflow_context").unwrap().field("run_id").unwrap().kinds, Kinds::INT);
        assert!(forwarded.key("told").unwrap().field("tests").unwrap().field("failed").is_some());
        assert!(forwarded.key("issue").is_none());
    }
}
