//! Files of tests: which rules, which events, and what should be done about them.
//!
//! Owns their format. A file that is read is a list of cases that the core can decide and compare; every mistake in it has
//! its place, as in a config.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use self::scene::scene;
use self::table::{EXPECTED, TEST, TEST_FILE};
use super::extends::extends;
use super::fields::Fields;
use super::findings::{Findings, Place};
use super::marked::{self, Entry, Node, Tree};
use super::revision::Source;
use super::rule_files::{directory, text_of};
use super::rules::Rulebook;
use super::suggest::did_you_mean;
use super::table::Key;
use super::values::{flag, list, refuse, text};
use super::{Problem, Problems, load_rules, repository};
use crate::core::case::{Case, Deed, Expected};
use crate::core::intent::ActionKind;
use crate::core::rule::{Rule, RuleName};

mod scene;
pub(super) mod table;

/// The file of rules that a repository keeps for itself: it holds what such a file may, and no server's config.
const REPOSITORYS_OWN: &str = ".github/orchd.yml";

/// A file of tests, and the rules it tests.
#[derive(Clone, Debug)]
pub struct Cases {
    pub rules: Arc<[Rule]>,
    /// At least one.
    pub cases: Vec<NamedCase>,
}

#[derive(Clone, Debug)]
pub struct NamedCase {
    pub name: String,
    /// Where it begins. Lines and columns count from 1.
    pub line: usize,
    pub column: usize,
    pub case: Case,
}

/// Reads a file of tests and the rules of the config it names, or of `config` when it names none.
///
/// # Errors
/// Everything that is wrong with the file, or else with the rules.
pub fn read_cases(path: &Path, config: &Path, actions: &[ActionKind], now: DateTime<Utc>) -> Result<Cases, Problems> {
    let mut findings = Findings::default();
    let file = findings.add_file(path);
    let mut sources = Vec::new();
    let text = text_of(path, Place::start_of(file), "read", &mut sources, &mut findings);
    let root = text.and_then(|text| marked::parse(&text, file, &mut findings));
    let Some(root) = root else { return Err(refused(findings, path)) };
    let mut top = Fields::open(&root, &TEST_FILE, &mut findings);
    let before = findings.count();
    let rules = match rules(&mut top, path, config, actions, now, &mut sources, &mut findings) {
        Ok(rules) => rules,
        Err(problems) => return findings.finish().and(Err(problems)),
    };
    // Without the rules every name of one would be told as wrong.
    if findings.count() > before {
        return Err(refused(findings, path));
    }
    let cases = top.read("tests", &mut findings, |node, key, findings| cases(node, key, &rules, actions, findings));
    findings.finish()?;
    Ok(Cases { rules, cases: cases.unwrap_or_default() })
}

fn refused(findings: Findings, path: &Path) -> Problems {
    let lost = || {
        let message = "the file could not be read, for a reason that was lost".to_owned();
        Problems(vec![Problem { file: path.to_owned(), line: 1, column: 1, message }])
    };
    findings.finish().err().unwrap_or_else(lost)
}

/// The rules of a config, or those of presets alone.
fn rules(
    top: &mut Fields<'_>,
    path: &Path,
    config: &Path,
    actions: &[ActionKind],
    now: DateTime<Utc>,
    sources: &mut Vec<Source>,
    findings: &mut Findings,
) -> Result<Arc<[Rule]>, Problems> {
    let here = directory(path);
    let named = top.read("config", findings, |node, key, findings| super::values::path(here, node, key, findings));
    if top.written("extends").is_none() {
        let config: PathBuf = named.unwrap_or_else(|| config.to_owned());
        if config.canonicalize().is_ok_and(|config| config.ends_with(REPOSITORYS_OWN)) {
            let text = text_of(&config, top.place_of("config"), "read", sources, findings);
            // What it could not be read for is told with what else is wrong.
            let text = text.ok_or_else(|| Problems(Vec::new()))?;
            return repository::read_alone(&text, &config, actions).map(Arc::from);
        }
        return load_rules(&config, actions, now).map(|ruleset| ruleset.rules);
    }
    if top.written("config").is_some() {
        findings.report(top.place_of("extends"), "expected one of `config` and `extends`");
    }
    let mut rulebook = Rulebook::new(actions);
    top.read("extends", findings, |node, key, findings| extends(node, key, here, sources, &mut rulebook, findings));
    Ok(rulebook.rules.into())
}

fn cases(
    node: &Node,
    key: &Key,
    rules: &[Rule],
    actions: &[ActionKind],
    findings: &mut Findings,
) -> Option<Vec<NamedCase>> {
    let items = list(node, key, findings)?;
    if items.is_empty() {
        return refuse(node, findings, "`tests` is empty");
    }
    let mut names = BTreeMap::new();
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        let mut fields = Fields::open(item, &TEST, findings);
        let name = fields.read("name", findings, text);
        if let Some(first) = name.clone().and_then(|name| names.insert(name, item.place)) {
            let message = format!("a test of this name is already there, at {}", findings.name_of(first));
            findings.report(fields.place_of("name"), message);
        }
        let scene = scene(&mut fields, findings);
        let expected =
            fields.read("expect", findings, |node, _, findings| expectations(node, rules, actions, findings));
        if let (Some(name), Some((event, facts)), Some(expected)) = (name, scene, expected) {
            let Place { line, column, .. } = item.place;
            found.push(NamedCase { name, line, column, case: Case { event, facts, expected } });
        }
    }
    Some(found)
}

fn expectations(
    node: &Node,
    rules: &[Rule],
    actions: &[ActionKind],
    findings: &mut Findings,
) -> Option<BTreeMap<RuleName, Expected>> {
    let entries = match &node.tree {
        Tree::Map(entries) => entries,
        _ if node.as_text() == Some("nothing") => return Some(BTreeMap::new()),
        _ => return refuse(node, findings, "`expect` expects `nothing`, or a map of rules"),
    };
    let mut found = Some(BTreeMap::new());
    for Entry { key, place, node } in entries {
        let rule = rules.iter().find(|rule| rule.name.as_str() == key);
        if rule.is_none() {
            let hint = did_you_mean(key, rules.iter().map(|rule| rule.name.as_str()));
            findings.report(*place, format!("there is no rule `{key}`{hint}"));
        }
        match (rule, expectation(node, actions, findings), &mut found) {
            (Some(rule), Some(expected), Some(found)) => drop(found.insert(rule.name.clone(), expected)),
            _ => found = None,
        }
    }
    found
}

fn expectation(node: &Node, actions: &[ActionKind], findings: &mut Findings) -> Option<Expected> {
    let mut fields = Fields::open(node, &EXPECTED, findings);
    let then = fields.read("then", findings, |node, key, findings| {
        let items = list(node, key, findings)?;
        if items.is_empty() {
            return refuse(node, findings, "`then` is empty: write `nothing: true`");
        }
        items.iter().map(|item| deed(item, actions, findings)).collect::<Vec<_>>().into_iter().collect()
    });
    let nothing = fields.read("nothing", findings, flag);
    let because = fields.read("because", findings, text);
    if fields.written("then").is_some() == nothing? {
        findings.report(fields.place, "expected one of `then` and `nothing: true`");
        return None;
    }
    let deeds: Vec<Deed> = if fields.written("then").is_some() { then? } else { Vec::new() };
    Some(Expected { deeds, because })
}

/// An action with its parameters, or its name alone.
fn deed(node: &Node, actions: &[ActionKind], findings: &mut Findings) -> Option<Deed> {
    let (name, place, params) = match &node.tree {
        Tree::Scalar(Value::String(name)) => (name, node.place, None),
        Tree::Map(entries) => match entries.as_slice() {
            [Entry { key, place, node }] => (key, *place, Some(node)),
            _ => return refuse(node, findings, "an action is a map with one key, its name; or its name alone"),
        },
        _ => return refuse(node, findings, "an action is a map with one key, its name; or its name alone"),
    };
    if actions.iter().all(|kind| kind.name != name) {
        let hint = did_you_mean(name, actions.iter().map(|kind| kind.name));
        findings.report(place, format!("there is no action `{name}`{hint}"));
        return None;
    }
    let params = params.map(|node| if node.is_null() { Value::Object(Map::new()) } else { node.to_json() });
    Some(Deed { action: name.clone(), params })
}
