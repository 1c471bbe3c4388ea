//! Reads a map against its section of the table: unknown keys are refused, defaults filled in, and what was read is
//! remembered for the effective config.

use serde_json::{Map, Value};

use super::findings::{Findings, Place};
use super::marked::{self, Entry, Node, Tree};
use super::suggest::{did_you_mean, nearest};
use super::table::{Key, Presence, SECTIONS, Section};

/// A map being read.
pub(super) struct Fields<'n> {
    section: &'static Section,
    /// Where a key that is missing would stand.
    pub(super) place: Place,
    entries: &'n [Entry],
    /// The effective values so far: as written, or the default.
    pub(super) shown: Map<String, Value>,
}

impl<'n> Fields<'n> {
    /// Opens a map, or an empty one in its place when `node` is null or something else (which is reported).
    pub(super) fn open(node: &'n Node, section: &'static Section, findings: &mut Findings) -> Self {
        let entries = match &node.tree {
            Tree::Map(entries) => entries.as_slice(),
            _ if node.is_null() => &[],
            _ => {
                let keys = section.names().collect::<Vec<_>>().join(", ");
                findings.report(node.place, format!("expected a map with the keys {keys}, not {}", node.kind()));
                &[]
            }
        };
        for entry in entries.iter().filter(|entry| section.key(&entry.key).is_none()) {
            findings.report(entry.place, unknown_key(&entry.key, section));
        }
        Self { section, place: node.place, entries, shown: Map::new() }
    }

    /// Stands for a section that is not written.
    pub(super) fn absent(section: &'static Section, place: Place) -> Self {
        Self { section, place, entries: &[], shown: Map::new() }
    }

    /// The written value of a key; a null counts as not written.
    pub(super) fn written(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key == name).map(|entry| &entry.node).filter(|node| !node.is_null())
    }

    /// Where a key stands that has no value.
    pub(super) fn blank(&self, name: &str) -> Option<Place> {
        self.entries.iter().find(|entry| entry.key == name && entry.node.is_null()).map(|entry| entry.place)
    }

    /// Where a problem with a key belongs: at its value, or where the value is missing.
    pub(super) fn place_of(&self, name: &str) -> Place {
        self.written(name).map_or(self.place, |node| node.place)
    }

    /// Opens the section that is the value of a key.
    pub(super) fn section(&self, name: &str, section: &'static Section, findings: &mut Findings) -> Fields<'n> {
        match self.written(name) {
            Some(node) => Fields::open(node, section, findings),
            None => Fields::absent(section, self.place),
        }
    }

    /// Reads a key, or its default, with `reader`. `None`: it is optional and not written, or a problem was reported.
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        findings: &mut Findings,
        reader: impl FnOnce(&Node, &Key, &mut Findings) -> Option<T>,
    ) -> Option<T> {
        let Some(key) = self.section.key(name) else {
            findings.report(self.place, format!("`{name}` is not in the table of {}", self.section.path));
            return None;
        };
        if let Some(node) = self.written(name) {
            self.shown.insert(name.to_owned(), node.to_json());
            return reader(node, key, findings);
        }
        match key.presence {
            Presence::Optional => {
                self.shown.insert(name.to_owned(), Value::Null);
                None
            }
            Presence::Required => {
                findings.report(self.place, format!("`{name}` is missing under `{}`: {}", self.section.path, key.help));
                None
            }
            Presence::Default(text) => {
                let mut node = marked::parse(text, self.place.file, findings)?;
                node.place = self.place;
                self.shown.insert(name.to_owned(), node.to_json());
                reader(&node, key, findings)
            }
        }
    }
}

fn unknown_key(name: &str, section: &Section) -> String {
    if nearest(name, section.names()).is_some() {
        return format!("unknown key `{name}`{}", did_you_mean(name, section.names()));
    }
    // Several sections may have a key of that name: one within this section is likelier to be meant than one elsewhere.
    let within = |other: &Section| other.path.strip_prefix(section.path).is_some_and(|rest| rest.starts_with('.'));
    let homes = SECTIONS.iter().filter(|other| other.key(name).is_some() && other.path != section.path);
    match homes.min_by_key(|other| !within(other)) {
        Some(home) if home.path.is_empty() => format!("unknown key `{name}`: it belongs at the top of the config file"),
        Some(home) => format!("unknown key `{name}`: it belongs under `{}`", home.path),
        None => format!("unknown key `{name}`: known here are {}", section.names().collect::<Vec<_>>().join(", ")),
    }
}
