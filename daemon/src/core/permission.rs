//! Which of GitHub's permissions and events rules need, and which of those an installation lacks.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::event_names::{SCHEDULE, WORKFLOW_CONTEXT};
use super::intent::ActionKind;
use super::rule::{Mode, Rule, RuleName};

/// What an action needs in order to write. Reading what it writes is part of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// To write what the event is about: `issues` or `pull_requests`.
    Item,
    /// To write this.
    Write(&'static str),
    /// To write all of these.
    WriteAll(&'static [&'static str]),
}

/// A permission that an installation does not grant, and the rules that cannot act without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Missing {
    pub permission: String,
    /// The level that is needed: `write` or `read`.
    pub level: String,
    pub rules: Vec<RuleName>,
}

/// Whether `granted` (permission to level) holds a permission at this level.
pub fn grants(granted: &BTreeMap<String, String>, permission: &str, level: &str) -> bool {
    let held = granted.get(permission).map_or(0, |level| rank(level));
    held > 0 && held >= rank(level)
}

fn rank(level: &str) -> u8 {
    match level {
        "read" => 1,
        "write" => 2,
        "admin" => 3,
        _ => 0,
    }
}

/// An event that rules wait for and an installation does not subscribe to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Unheard {
    /// As GitHub names it: `issues`.
    pub event: String,
    pub rules: Vec<RuleName>,
}

/// Events that GitHub sends to every App, or that are none of its webhooks.
/// <https://docs.github.com/en/webhooks/webhook-events-and-payloads>
const ALWAYS_HEARD: [&str; 6] =
    ["github_app_authorization", "installation", "installation_repositories", "ping", SCHEDULE, WORKFLOW_CONTEXT];

/// Events that rules wait for, unless they are off, and that are not among those an installation subscribes to.
pub fn unheard<'r>(rules: impl IntoIterator<Item = &'r Rule>, subscribed: &[String]) -> Vec<Unheard> {
    let mut lacking: BTreeMap<&str, BTreeSet<&RuleName>> = BTreeMap::new();
    for rule in rules.into_iter().filter(|rule| rule.mode != Mode::Off) {
        for event in rule.on.iter().filter_map(|trigger| trigger.event_name()) {
            if !ALWAYS_HEARD.contains(&event) && !subscribed.iter().any(|heard| heard == event) {
                lacking.entry(event).or_default().insert(&rule.name);
            }
        }
    }
    let unheard = |(event, rules): (&str, BTreeSet<&RuleName>)| Unheard {
        event: event.to_owned(),
        rules: rules.into_iter().cloned().collect(),
    };
    lacking.into_iter().map(unheard).collect()
}

/// What active rules need and `granted` (permission to level) does not hold. Facts that conditions fetch are not
/// counted: without them a rule is skipped, and says so.
pub fn missing<'r>(
    rules: impl IntoIterator<Item = &'r Rule>,
    kinds: &[ActionKind],
    granted: &BTreeMap<String, String>,
) -> Vec<Missing> {
    let mut lacking: BTreeMap<&str, BTreeSet<&RuleName>> = BTreeMap::new();
    for rule in rules.into_iter().filter(|rule| rule.mode == Mode::Active) {
        for permission in needed(rule, kinds) {
            if !grants(granted, permission, "write") {
                lacking.entry(permission).or_default().insert(&rule.name);
            }
        }
    }
    let missing = |(permission, rules): (&str, BTreeSet<&RuleName>)| Missing {
        permission: permission.to_owned(),
        level: "write".to_owned(),
        rules: rules.into_iter().cloned().collect(),
    };
    lacking.into_iter().map(missing).collect()
}

/// What reading repositories' own files, and checking them, takes and `granted` does not hold.
pub fn missing_for_files(granted: &BTreeMap<String, String>) -> Vec<Missing> {
    let needed = [("checks", "write"), ("contents", "read")];
    let lacking = needed.into_iter().filter(|(permission, level)| !grants(granted, permission, level));
    let missing = |(permission, level): (&str, &str)| Missing {
        permission: permission.to_owned(),
        level: level.to_owned(),
        rules: vec![RuleName::check_config()],
    };
    lacking.map(missing).collect()
}

/// What the rule's actions write with.
pub(super) fn needed(rule: &Rule, kinds: &[ActionKind]) -> BTreeSet<&'static str> {
    let mut needed = BTreeSet::new();
    for spec in &rule.then {
        match kinds.iter().find(|kind| kind.name == spec.name).map(|kind| (kind.needs)(&spec.params)) {
            Some(Needs::Item) => needed.extend(rule.on.iter().flat_map(|trigger| items_of(trigger.event_name()))),
            Some(Needs::Write(permission)) => {
                needed.insert(permission);
            }
            Some(Needs::WriteAll(permissions)) => needed.extend(permissions),
            None => {}
        }
    }
    needed
}

/// What an event of that name can be about; of the schedule, every open item. A comment can be on either; the App that hears of it may write issues.
fn items_of(event: Option<&str>) -> &'static [&'static str] {
    match event {
        Some("issues" | "issue_comment") => &["issues"],
        None | Some(SCHEDULE) => &["issues", "pull_requests"],
        Some(_) => &["pull_requests"],
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::core::intent::ActionSpec;
    use crate::core::pattern::{Case, Globs};
    use crate::core::rule::{Limits, Repositories, Trigger};
    use crate::core::subject::SubjectKind;

    fn kind(name: &'static str, needs: fn(&Value) -> Needs) -> ActionKind {
        let (help, example, acts_on) = ("", "", SubjectKind::Item);
        ActionKind {
            name,
            help,
            example,
            undoable: true,
            commands: &[],
            acts_on,
            needs,
            reads: |_| &[],
            hears: &[],
            check: |_| Ok(()),
            schema: || json!({}),
        }
    }

    fn rule(name: &str, on: &str, action: &str) -> Rule {
        Rule {
            name: RuleName::parse(name).unwrap(),
            repositories: Repositories(Globs::parse(&["**"], Case::Insensitive).unwrap()),
            on: vec![Trigger::parse(on).unwrap()],
            when: None,
            then: vec![ActionSpec { name: action.to_owned(), params: json!({}), acts_on: SubjectKind::Item }],
            mode: Mode::Active,
            limits: Limits::default(),
        }
    }

    #[test]
    fn what_rules_need_follows_from_their_triggers_and_actions() {
        let all = |_: &Value| Needs::WriteAll(&["checks", "contents"]);
        let kinds = [kind("label", |_| Needs::Item), kind("check", |_| Needs::Write("checks")), kind("all", all)];
        let granted =
            BTreeMap::from([("issues".to_owned(), "write".to_owned()), ("checks".to_owned(), "read".to_owned())]);
        let lacks = |rules: &[Rule]| -> Vec<String> {
            missing(rules, &kinds, &granted).into_iter().map(|each| each.permission).collect()
        };
        assert!(lacks(&[rule("a", "issues.opened", "label")]).is_empty());
        assert_eq!(lacks(&[rule("a", "pull_request.opened", "label")]), ["pull_requests"]);
        assert_eq!(lacks(&[rule("a", "*", "label"), rule("b", "push", "check")]), ["checks", "pull_requests"]);
        assert_eq!(lacks(&[rule("a", "issues.opened", "all")]), ["checks", "contents"]);
        assert!(lacks(&[Rule { mode: Mode::Shadow, ..rule("a", "push", "check") }]).is_empty());
    }

    #[test]
    fn events_that_nobody_subscribed_to_are_not_heard() {
        let subscribed = ["issues".to_owned()];
        let events = |rules: &[Rule]| -> Vec<String> {
            unheard(rules, &subscribed).into_iter().map(|each| each.event).collect()
        };
        assert_eq!(events(&[rule("a", "issues.opened", "label"), rule("b", "*", "label")]), [""; 0]);
        let rules = [rule("a", "push", "label"), rule("b", "schedule", "label"), rule("c", "installation", "label")];
        assert_eq!(events(&rules), ["push"]);
        assert_eq!(unheard(&rules, &subscribed)[0].rules, [RuleName::parse("a").unwrap()]);
        assert!(events(&[Rule { mode: Mode::Off, ..rule("a", "push", "label") }]).is_empty());
    }
}
