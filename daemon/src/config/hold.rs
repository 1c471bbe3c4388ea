//! A changed config that waits for a person, and what of a config makes the difference: its rules, and whether it writes.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fields::Fields;
use super::findings::{Findings, Place};
use super::guards::{GUARDS, guards};
use super::rules::Rulebook;
use super::table::{GITHUB, RULES_FILE};
use super::values::flag;
use super::{Config, Problems, Revision, marked};
use crate::core::intent::ActionKind;
use crate::core::rule::{Mode, Rule, RuleName};

/// A valid config that is not in use because its rules would touch much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Hold {
    /// Of the config that waits.
    pub revision: String,
    pub git_commit: Option<String>,
    /// Issues, pull requests, commits and repositories on which its new or changed rules would have done in the last day
    /// what nothing did.
    pub items: u64,
    /// `guards.hold_reload_over` of the config in use.
    pub most: u32,
    /// Whether all events of the day that could still be decided on were looked at; else there may be more.
    pub complete: bool,
    /// The rules that would have acted, with how many items each.
    pub rules: Vec<HeldRule>,
    pub held_at: DateTime<Utc>,
    /// The revision that a person put in its place; then nothing was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back_to: Option<String>,
}

impl Hold {
    /// Because a person put an earlier revision in its place.
    pub fn rolled_back(from: &Revision, to: &str, now: DateTime<Utc>) -> Self {
        Self {
            revision: from.hash.clone(),
            git_commit: from.git_commit.clone(),
            items: 0,
            most: 0,
            complete: true,
            rules: Vec::new(),
            held_at: now,
            rolled_back_to: Some(to.to_owned()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HeldRule {
    pub rule: RuleName,
    pub items: u64,
}

impl Config {
    /// The active rules that are new or changed since `old`; all of them when `old` was not allowed to write.
    pub fn rules_changed_since(&self, old: &Self) -> Vec<Rule> {
        let shown =
            |config: &Self| config.effective.get("rules").and_then(Value::as_array).cloned().unwrap_or_default();
        let wrote = !old.github.dry_run && !old.github.read_only;
        let writes = !self.github.dry_run && !self.github.read_only;
        let (before, now) = (shown(old), shown(self));
        let rules = self.rules.iter().zip(&now);
        let changed = rules.filter(|(_, shown)| !(wrote && before.contains(shown)));
        let changed = changed.filter(|(rule, _)| writes && rule.mode == Mode::Active);
        changed.map(|(rule, _)| rule.clone()).collect()
    }

    /// This config with what made an earlier one act as it did: its rules, its guards, and whether it wrote. `effective`
    /// is what was shown of the earlier one.
    ///
    /// # Errors
    /// When this version cannot read what is in it.
    pub fn acting_as(&self, revision: Revision, effective: &Value, actions: &[ActionKind]) -> Result<Self, Problems> {
        let mut findings = Findings::default();
        let file = findings.add_file(Path::new("the config that ran last"));
        let of = |name: &str| effective.get(name).cloned().unwrap_or_default();
        let read = |value: Value, findings: &mut Findings| marked::parse(&value.to_string(), file, findings);
        let rules = read(json!({"rules": written(&of("rules"))}), &mut findings);
        let (limits, github) = (read(of("guards"), &mut findings), read(of("github"), &mut findings));
        let mut rulebook = Rulebook::new(actions);
        let mut config = Self { revision, stands_in: true, ..self.clone() };
        if let (Some(rules), Some(limits), Some(github)) = (rules, limits, github) {
            let mut fields = Fields::open(&rules, &RULES_FILE, &mut findings);
            fields.read("rules", &mut findings, |node, key, findings| rulebook.read(node, key, findings));
            let mut fields = Fields::open(&limits, &GUARDS, &mut findings);
            let limits = guards(&mut fields, &mut findings);
            let mut fields = Fields::open(&github, &GITHUB, &mut findings);
            let dry_run = fields.read("dry_run", &mut findings, flag);
            let read_only = fields.read("read_only", &mut findings, flag);
            if let (Some(limits), Some(dry_run), Some(read_only)) = (limits, dry_run, read_only) {
                (config.guards, config.github.dry_run, config.github.read_only) = (limits, dry_run, read_only);
            }
        } else {
            findings.report(Place::start_of(file), "nothing can be read of it");
        }
        (config.rules, config.places) = (rulebook.rules.into(), Arc::default());
        for name in ["rules", "guards"] {
            config.effective[name] = effective.get(name).cloned().unwrap_or_default();
        }
        for name in ["dry_run", "read_only"] {
            config.effective["github"][name] =
                effective.pointer(&format!("/github/{name}")).cloned().unwrap_or_default();
        }
        findings.finish().map(|_| config)
    }
}

/// Rules from what `config show` shows of them.
///
/// # Errors
/// Everything that is wrong with them, with its place in the JSON text of `{"rules": …}`.
pub fn rules_of(shown: &Value, actions: &[ActionKind]) -> Result<Arc<[Rule]>, Problems> {
    let mut findings = Findings::default();
    let file = findings.add_file(Path::new("rules"));
    let mut rulebook = Rulebook::new(actions);
    if let Some(rules) = marked::parse(&json!({"rules": written(shown)}).to_string(), file, &mut findings) {
        let mut fields = Fields::open(&rules, &RULES_FILE, &mut findings);
        fields.read("rules", &mut findings, |node, key, findings| rulebook.read(node, key, findings));
    }
    findings.finish().map(|_| rulebook.rules.into())
}

/// Rules as they could be written: what was left out is shown as null, and `if` may not be written without a value.
fn written(rules: &Value) -> Value {
    let rule = |rule: &Value| match rule {
        Value::Object(keys) => {
            keys.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())).collect()
        }
        other => other.clone(),
    };
    rules.as_array().map_or(Value::Null, |rules| rules.iter().map(rule).collect())
}
