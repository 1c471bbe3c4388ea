//! The presets that come with orchd: a line each, and what the docs need to know of them.

use std::path::Path;

use serde_json::Value;

use super::{PRESET_FILE, parameters};
use crate::config::fields::Fields;
use crate::config::findings::Findings;
use crate::config::marked;
use crate::config::values;

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        /// Each by its name, in the order of the docs.
        static SHIPPED: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../../config/presets/", $name, ".yaml")))),+];
    };
}

shipped!["triage", "docs", "dependencies", "stale", "release", "first-contribution", "security"];

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

pub(super) fn text_of(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// A preset as the docs need to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct PresetDoc {
    pub name: &'static str,
    pub about: String,
    pub parameters: Vec<ParameterDoc>,
    /// The names of its rules, in order.
    pub rules: Vec<String>,
    /// Its rules as they are written.
    pub text: &'static str,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ParameterDoc {
    pub name: String,
    pub help: String,
    /// `None`: it must be given.
    pub default: Option<Value>,
}

/// Every preset that comes with orchd. One that cannot be read is left out; a test says that there is none.
pub fn presets() -> Vec<PresetDoc> {
    SHIPPED.iter().filter_map(|(name, text)| preset(name, text)).collect()
}

fn preset(name: &'static str, preset: &'static str) -> Option<PresetDoc> {
    let mut findings = Findings::default();
    let file = findings.add_file(Path::new(name));
    let root = marked::parse(preset, file, &mut findings)?;
    let mut fields = Fields::open(&root, &PRESET_FILE, &mut findings);
    let about = fields.read("about", &mut findings, values::text)?;
    let parameters = match fields.written("parameters") {
        Some(node) => parameters(node, &mut findings)?,
        None => Vec::new(),
    };
    let doc = |parameter: super::Parameter<'_>| ParameterDoc {
        name: parameter.name.to_owned(),
        help: parameter.help,
        default: parameter.default.map(marked::Node::to_json),
    };
    let rules = fields.read("rules", &mut findings, |node, _, _| Some(node.to_json()))?;
    let rules = rules.as_array()?.iter().filter_map(|rule| Some(rule.get("name")?.as_str()?.to_owned())).collect();
    let (_, text) = preset.split_once("\nrules:\n")?;
    Some(PresetDoc { name, about, parameters: parameters.into_iter().map(doc).collect(), rules, text })
}
