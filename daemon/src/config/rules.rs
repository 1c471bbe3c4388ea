//! Rules as written, read into rules that can run.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::FileTerms;
use super::fields::Fields;
use super::findings::{Findings, Place};
use super::marked::{Entry, Node, Tree};
use super::suggest::did_you_mean;
use super::table::{Key, LIMITS, Presence, RULE};
use super::values::{count, list, one_of, one_or_more, refuse, text};
use crate::core::condition::Condition;
use crate::core::event::RepoName;
use crate::core::event_names::{EVENTS, actions_of, is_known};
use crate::core::intent::{ActionKind, ActionSpec};
use crate::core::pattern::{Case, Globs};
use crate::core::rule::{Limits, Mode, Repositories, Rule, RuleName, Trigger};
use crate::core::subject::can_be_about;

/// The rules of all files so far.
pub(super) struct Rulebook<'a> {
    actions: &'a [ActionKind],
    /// When the rules are those of a repository's own file.
    within: Option<Within<'a>>,
    pub(super) rules: Vec<Rule>,
    /// The rules with their defaults filled in.
    pub(super) shown: Vec<Value>,
    /// What each rule was read from.
    pub(super) nodes: Vec<Node>,
    /// Where each name was first given.
    names: HashMap<RuleName, Place>,
}

/// Whose file it is, and what the server lets it do.
#[derive(Clone, Copy)]
pub(super) struct Within<'a> {
    pub(super) repository: &'a RepoName,
    pub(super) terms: &'a FileTerms,
}

impl<'a> Rulebook<'a> {
    pub(super) fn new(actions: &'a [ActionKind]) -> Self {
        Self { actions, within: None, rules: Vec::new(), shown: Vec::new(), nodes: Vec::new(), names: HashMap::new() }
    }

    /// For the file of a repository.
    pub(super) fn within(actions: &'a [ActionKind], within: Within<'a>) -> Self {
        Self { within: Some(within), ..Self::new(actions) }
    }

    /// Reads the `rules` of one file.
    pub(super) fn read(&mut self, node: &Node, key: &Key, findings: &mut Findings) -> Option<()> {
        for (at, item) in list(node, key, findings)?.iter().enumerate() {
            if let Some(Within { terms, .. }) = self.within.filter(|within| at >= within.terms.max_rules) {
                let most = terms.max_rules;
                let message = format!("more than {most} rules: the server's `repository_config.allow.max_rules`");
                return refuse(item, findings, message);
            }
            let mut fields = Fields::open(item, &RULE, findings);
            if let Some(rule) = self.rule(&mut fields, findings) {
                self.rules.push(rule);
            }
            self.shown.push(Value::Object(fields.shown));
            self.nodes.push(item.clone());
        }
        Some(())
    }

    fn rule(&mut self, fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Rule> {
        let name = fields.read("name", findings, |node, key, findings| self.name(node, key, findings));
        let repositories = match self.within {
            None => fields.read("repositories", findings, repositories),
            Some(Within { repository, .. }) => own_repository(fields, repository, findings),
        };
        let on = fields.read("on", findings, triggers);
        if let Some(on) = &on {
            fields.shown.insert("on".to_owned(), on.iter().map(Trigger::to_string).collect());
        }
        // All conditions commented out must not turn a rule into one that always acts.
        if let Some(place) = fields.blank("if") {
            findings.report(place, "`if` has no condition: leave the key out for a rule that needs none");
        }
        // Written and wrong is not the same as not written.
        let has_condition = fields.written("if").is_some();
        let when = fields.read("if", findings, |node, _, findings| condition(node, on.as_deref(), findings));
        let then = fields.read("then", findings, |node, key, findings| {
            let then = self.actions(node, key, findings)?;
            suits_a_trigger(node, &then, on.as_deref().unwrap_or_default(), findings).then_some(then)
        });
        if let Some(then) = &then {
            fields.shown.insert("then".to_owned(), then.iter().map(|spec| json!({&spec.name: spec.params})).collect());
        }
        let mode = fields.read("mode", findings, one_of).map(mode);
        let limits = limits(fields, findings);
        Some(Rule {
            name: name?,
            repositories: repositories?,
            on: on?,
            when: if has_condition { Some(when?) } else { None },
            then: then?,
            mode: mode?,
            limits,
        })
    }

    fn name(&mut self, node: &Node, key: &Key, findings: &mut Findings) -> Option<RuleName> {
        let name = match RuleName::written(&text(node, key, findings)?) {
            Ok(name) => name,
            Err(error) => return refuse(node, findings, error.to_string()),
        };
        let name = self.within.map_or_else(|| name.clone(), |it| RuleName::of_repository(it.repository, &name));
        if let Some(first) = self.names.get(&name) {
            let first = findings.name_of(*first);
            return refuse(node, findings, format!("a rule `{name}` is already there, at {first}: names are unique"));
        }
        self.names.insert(name.clone(), node.place);
        Some(name)
    }

    fn actions(&self, node: &Node, key: &Key, findings: &mut Findings) -> Option<Vec<ActionSpec>> {
        let items = list(node, key, findings)?;
        if items.is_empty() {
            return refuse(node, findings, "`then` is empty: a rule without an action does nothing");
        }
        let read: Vec<_> = items.iter().map(|item| self.action(item, findings)).collect();
        read.into_iter().collect()
    }

    fn action(&self, item: &Node, findings: &mut Findings) -> Option<ActionSpec> {
        let spec = action(self.actions, item, findings)?;
        match self.within {
            Some(Within { terms, .. }) if !terms.actions.contains(&spec.name) => {
                let allowed = terms.actions.join(", ");
                let message = format!(
                    "the server allows no `{}` here: its `repository_config.allow.actions` are {allowed}",
                    spec.name
                );
                refuse(item, findings, message)
            }
            _ => Some(spec),
        }
    }
}

/// Whether a trigger can give every action what it acts on; else the first action that none can is told.
fn suits_a_trigger(node: &Node, then: &[ActionSpec], on: &[Trigger], findings: &mut Findings) -> bool {
    let Tree::List(items) = &node.tree else { return true };
    let mut left: Vec<&Trigger> = on.iter().collect();
    for (item, ActionSpec { name, acts_on, .. }) in items.iter().zip(then) {
        let suits = |trigger: &&Trigger| can_be_about(trigger.event_name(), *acts_on);
        let any = on.iter().any(|trigger| suits(&trigger));
        left.retain(suits);
        if on.is_empty() || !left.is_empty() {
            continue;
        }
        let message = if any {
            format!(
                "`{name}` acts on {acts_on}, the actions before it on something else, and no event of `on` names both: write two rules"
            )
        } else {
            format!("`{name}` acts on {acts_on}, and no event of `on` names one")
        };
        findings.report(item.place, message);
        return false;
    }
    true
}

fn mode(word: &str) -> Mode {
    match word {
        "off" => Mode::Off,
        "shadow" => Mode::Shadow,
        _ => Mode::Active,
    }
}

fn limits(fields: &mut Fields<'_>, findings: &mut Findings) -> Limits {
    let mut inner = fields.section("limits", &LIMITS, findings);
    let mut most = |key| inner.read(key, findings, count).and_then(|most| u32::try_from(most).ok());
    let (actions_per_hour, items_per_run) = (most("actions_per_hour"), most("items_per_run"));
    fields.shown.insert("limits".to_owned(), Value::Object(inner.shown));
    Limits { actions_per_hour, items_per_run }
}

/// A repository's own file looks at that repository, whatever it says.
fn own_repository(fields: &mut Fields<'_>, repository: &RepoName, findings: &mut Findings) -> Option<Repositories> {
    if fields.written("repositories").is_some() {
        let message = format!("the rules of this file look at {repository} only: leave `repositories` out");
        findings.report(fields.place_of("repositories"), message);
        return None;
    }
    Globs::parse(&[repository.as_str()], Case::Insensitive).ok().map(Repositories)
}

pub(super) fn repositories(node: &Node, key: &Key, findings: &mut Findings) -> Option<Repositories> {
    let items = one_or_more(node, key, findings)?;
    if items.is_empty() {
        let all = matches!(key.presence, Presence::Default(_));
        let without = if all { "all of them" } else { "none" };
        return refuse(node, findings, format!("`repositories` is empty: leave it out for {without}"));
    }
    let read: Vec<_> = items.iter().map(|item| repository(item, key, findings)).collect();
    let globs: Vec<String> = read.into_iter().collect::<Option<_>>()?;
    match Globs::parse(&globs, Case::Insensitive) {
        Ok(globs) => Some(Repositories(globs)),
        Err(error) => refuse(node, findings, error.to_string()),
    }
}

fn repository(node: &Node, key: &Key, findings: &mut Findings) -> Option<String> {
    let glob = text(node, key, findings)?;
    let bare = glob.strip_prefix('!').unwrap_or(&glob);
    if !bare.contains('/') && bare != "**" {
        return refuse(node, findings, format!("`{glob}` fits no repository: write owner/name, owner/* or **"));
    }
    match Globs::parse(std::slice::from_ref(&glob), Case::Insensitive) {
        Ok(_) => Some(glob),
        Err(error) => refuse(node, findings, error.to_string()),
    }
}

fn triggers(node: &Node, key: &Key, findings: &mut Findings) -> Option<Vec<Trigger>> {
    let items = one_or_more(node, key, findings)?;
    if items.is_empty() {
        return refuse(node, findings, "`on` is empty: without a trigger the rule never runs");
    }
    let read: Vec<_> = items.iter().map(|item| trigger(item, key, findings)).collect();
    read.into_iter().collect()
}

pub(super) fn trigger(node: &Node, key: &Key, findings: &mut Findings) -> Option<Trigger> {
    let trigger = match Trigger::parse(&text(node, key, findings)?) {
        Ok(trigger) => trigger,
        Err(error) => return refuse(node, findings, error.to_string()),
    };
    let Some(name) = trigger.event_name() else { return Some(trigger) };
    if !is_known(name) {
        let hint = did_you_mean(name, EVENTS);
        return refuse(node, findings, format!("GitHub has no webhook event `{name}`{hint}"));
    }
    match (trigger.action(), actions_of(name)) {
        (Some(action), Some(known)) if !known.contains(&action) => {
            let hint = did_you_mean(action, known.iter().copied());
            let hint = if hint.is_empty() { format!(": there are {}", known.join(", ")) } else { hint };
            refuse(node, findings, format!("the event `{name}` has no action `{action}`{hint}"))
        }
        _ => Some(trigger),
    }
}

/// `on`: the rule's triggers, when they are right.
fn condition(node: &Node, on: Option<&[Trigger]>, findings: &mut Findings) -> Option<Condition> {
    let read = Condition::parse(&node.to_json()).and_then(|condition| {
        // A trigger without a name waits for every event.
        let names = on.and_then(|on| on.iter().map(Trigger::event_name).collect::<Option<Vec<_>>>());
        let unseen = names.map(|names| condition.unseen_at(names)).unwrap_or_default();
        if unseen.is_empty() { Ok(condition) } else { Err(unseen) }
    });
    match read {
        Ok(condition) => Some(condition),
        Err(errors) => {
            for error in errors {
                let (place, message) = node.place_in(&error.at, error.offset, error.message);
                findings.report(place, message);
            }
            None
        }
    }
}

fn action(kinds: &[ActionKind], node: &Node, findings: &mut Findings) -> Option<ActionSpec> {
    let names = || kinds.iter().map(|kind| kind.name);
    let Entry { key: name, place, node: params } = match &node.tree {
        Tree::Map(entries) if entries.len() == 1 => entries.first()?,
        _ => {
            let known = names().collect::<Vec<_>>().join(", ");
            return refuse(node, findings, format!("an action is a map with one key, its name: one of {known}"));
        }
    };
    let Some(kind) = kinds.iter().find(|kind| kind.name == name) else {
        let known = names().collect::<Vec<_>>().join(", ");
        let hint = did_you_mean(name, names());
        let hint = if hint.is_empty() { format!(": there are {known}") } else { hint };
        findings.report(*place, format!("there is no action `{name}`{hint}"));
        return None;
    };
    let written = if params.is_null() { Value::Object(Map::new()) } else { params.to_json() };
    match (kind.check)(&written) {
        Ok(()) => Some(ActionSpec { name: name.clone(), params: written, acts_on: kind.acts_on }),
        Err(reason) => refuse(params, findings, format!("`{name}`: {reason}")),
    }
}
