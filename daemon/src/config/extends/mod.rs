//! `extends`: presets and files of one's own, made into rules.
//!
//! Owns the format of a preset, its parameters (`fill`) and the list of those that come with orchd (`shipped`). A preset
//! is filled in before it is read, as a tree in which everything knows its place: the readers of rules see no difference
//! between what a preset says and what a config says.

use std::path::{Path, PathBuf};

use self::fill::{Values, fill, there_are};
use self::table::{EXTENDED, PARAMETER, PRESET_FILE};
use super::fields::Fields;
use super::findings::Findings;
use super::marked::{self, Entry, Node, Tree};
use super::revision::Source;
use super::rule_files::text_of;
use super::rules::{Rulebook, repositories};
use super::suggest::did_you_mean;
use super::table::{Key, Kind, Presence, key};
use super::values::{list, one_of, refuse, text};

mod fill;
pub(super) mod shipped;
pub(super) mod table;

/// Longest name of a parameter.
const MAX_NAME: usize = 50;

/// How the rules of a preset are read.
const RULES: Key = key("rules", Kind::Rules, Presence::Required, "");

/// Reads what an `extends` lists, in order. `here` is where its paths start.
pub(super) fn extends(
    node: &Node,
    key: &Key,
    here: &Path,
    sources: &mut Vec<Source>,
    rulebook: &mut Rulebook<'_>,
    findings: &mut Findings,
) -> Option<()> {
    for item in list(node, key, findings)? {
        extend(item, here, sources, rulebook, findings);
    }
    Some(())
}

/// The files that an `extends` names, as far as they can be told.
pub(super) fn files_extended(root: &Node, here: &Path) -> Vec<PathBuf> {
    let Some(Tree::List(items)) = root.get("extends").map(|node| &node.tree) else { return Vec::new() };
    items.iter().filter_map(|item| Some(here.join(item.get("file")?.as_text()?))).collect()
}

fn extend(
    item: &Node,
    here: &Path,
    sources: &mut Vec<Source>,
    rulebook: &mut Rulebook<'_>,
    findings: &mut Findings,
) -> Option<()> {
    let mut fields = Fields::open(item, &EXTENDED, findings);
    let instead = instead(&mut fields, findings);
    let (name, path, preset) = source(&mut fields, here, sources, findings)?;
    let file = findings.add_file(&path);
    let before = findings.count();
    let root = without_extends(marked::parse(&preset, file, findings)?, findings);
    let mut preset = Fields::open(&root, &PRESET_FILE, findings);
    preset.read("about", findings, text);
    let parameters = preset.written("parameters").map_or(Some(Vec::new()), |node| parameters(node, findings));
    let mut rules = preset.read("rules", findings, |node, _, _| Some(node.clone()));
    let values = values(&fields, &name, &parameters?, findings)?;
    fill(rules.as_mut()?, &values, findings);
    if let Tree::List(rules) = &mut rules.as_mut()?.tree {
        rules.iter_mut().for_each(|rule| replace(rule, &instead));
    }
    // What was not filled in would be told once more, as something else.
    if findings.count() == before {
        rulebook.read(&rules?, &RULES, findings);
    }
    let why = format!(" (extended at {})", findings.name_of(item.place));
    findings.explain(before, file, &why);
    Some(())
}

/// What is extended: how to call it, under which name it is a source, and its text.
fn source(
    fields: &mut Fields<'_>,
    here: &Path,
    sources: &mut Vec<Source>,
    findings: &mut Findings,
) -> Option<(String, PathBuf, String)> {
    let preset = fields.read("preset", findings, |node, key, findings| {
        let name = text(node, key, findings)?;
        let found = shipped::text_of(&name);
        found.map(|text| (name.clone(), text)).or_else(|| {
            let names = || shipped::names();
            let hint = did_you_mean(&name, names());
            let hint = if hint.is_empty() { there_are(names()) } else { hint };
            refuse(node, findings, format!("there is no preset `{name}`{hint}"))
        })
    });
    let file = fields.read("file", findings, |node, key, findings| Some((node.place, text(node, key, findings)?)));
    if fields.written("preset").is_some() == fields.written("file").is_some() {
        findings.report(fields.place, "expected one of `preset` and `file`");
        return None;
    }
    if let Some((name, text)) = preset {
        let (name, path) = (format!("the preset `{name}`"), PathBuf::from(format!("preset {name}")));
        if sources.iter().all(|source| source.path != path) {
            sources.push(Source { path: path.clone(), text: text.to_owned() });
        }
        return Some((name, path, text.to_owned()));
    }
    let (place, file) = file?;
    let path = here.join(file);
    let text = text_of(&path, place, "extended", sources, findings)?;
    Some((path.display().to_string(), path, text))
}

/// No preset extends another: what it says is all there is to it, and none can go in circles.
fn without_extends(mut root: Node, findings: &mut Findings) -> Node {
    if let Tree::Map(entries) = &mut root.tree {
        entries.retain(|entry| {
            if entry.key == "extends" {
                let message = "a file that is extended has no `extends` of its own: list both where this one is listed";
                findings.report(entry.place, message);
            }
            entry.key != "extends"
        });
    }
    root
}

/// A parameter as a preset has it.
struct Parameter<'n> {
    name: &'n str,
    help: String,
    /// May be null, which is a default too.
    default: Option<&'n Node>,
}

fn parameters<'n>(node: &'n Node, findings: &mut Findings) -> Option<Vec<Parameter<'n>>> {
    let Tree::Map(entries) = &node.tree else {
        return refuse(node, findings, format!("`parameters` expects a map of names, not {}", node.kind()));
    };
    entries.iter().map(|entry| parameter(entry, findings)).collect::<Vec<_>>().into_iter().collect()
}

fn parameter<'n>(entry: &'n Entry, findings: &mut Findings) -> Option<Parameter<'n>> {
    let Entry { key: name, place, node } = entry;
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(allowed) {
        let message = format!("a parameter's name has 1 to {MAX_NAME} of the characters a-z 0-9 _ -");
        findings.report(*place, message);
        return None;
    }
    let mut fields = Fields::open(node, &PARAMETER, findings);
    let help = fields.read("help", findings, text)?;
    Some(Parameter { name, help, default: node.get("default") })
}

/// The value of each parameter: what is given, or else the default.
fn values<'n>(
    fields: &Fields<'n>,
    preset: &str,
    parameters: &[Parameter<'n>],
    findings: &mut Findings,
) -> Option<Values<'n>> {
    let given: &[Entry] = match fields.written("with").map(|node| (node, &node.tree)) {
        None => &[],
        Some((_, Tree::Map(entries))) => entries,
        Some((node, _)) => return refuse(node, findings, format!("`with` expects a map, not {}", node.kind())),
    };
    let names = || parameters.iter().map(|parameter| parameter.name);
    let mut fine = true;
    for Entry { key, place, .. } in given.iter().filter(|entry| names().all(|name| name != entry.key)) {
        let hint = did_you_mean(key, names());
        let hint = if hint.is_empty() { there_are(names()) } else { hint };
        findings.report(*place, format!("{preset} has no parameter `{key}`{hint}"));
        fine = false;
    }
    let mut values = Values::new();
    for Parameter { name, help, default } in parameters {
        let found = given.iter().find(|entry| entry.key == *name).map(|entry| &entry.node);
        match found.or(*default) {
            Some(node) => drop(values.insert(*name, node)),
            None => {
                let message = format!("{preset} needs the parameter `{name}` under `with`: {help}");
                findings.report(fields.place_of("with"), message);
                fine = false;
            }
        }
    }
    fine.then_some(values)
}

/// What stands instead of a key of every rule of a preset.
type Instead = Vec<Entry>;

fn instead(fields: &mut Fields<'_>, findings: &mut Findings) -> Instead {
    let mode = fields.read("mode", findings, |node, key, findings| one_of(node, key, findings).map(|_| node.clone()));
    let chosen = fields.read("repositories", findings, |node, key, findings| {
        if matches!(&node.tree, Tree::List(items) if items.is_empty()) {
            return refuse(node, findings, "`repositories` is empty: leave it out for those of the preset's rules");
        }
        repositories(node, key, findings).map(|_| node.clone())
    });
    let entry = |key: &str, node: Node| Entry { key: key.to_owned(), place: node.place, node };
    [("mode", mode), ("repositories", chosen)].into_iter().filter_map(|(key, node)| Some(entry(key, node?))).collect()
}

fn replace(rule: &mut Node, instead: &Instead) {
    if let Tree::Map(entries) = &mut rule.tree {
        entries.retain(|entry| instead.iter().all(|other| other.key != entry.key));
        entries.extend(instead.iter().cloned());
    }
}
