//! What rules would have done about a recorded event, beside what was done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::decide::decide_one;
use super::event::{Event, EventId, RepoName};
use super::facts::{FactKinds, Facts};
use super::intent::{Canonical, Intent, Target};
use super::rule::{Mode, Rule, RuleName};

/// Something that a rule did, or would have done, at an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Deed {
    pub event: EventId,
    pub rule: RuleName,
    pub action: String,
    pub target: Target,
    pub params: Value,
}

impl Deed {
    fn of(intent: Intent) -> Self {
        let Intent { event, rule, action, target, params, .. } = intent;
        Self { event, rule, action, target, params }
    }

    /// What comes to the same on GitHub has the same: whichever rule asks for it.
    fn deed(&self) -> (&str, String, String) {
        (&self.action, self.target.to_string(), Canonical(&self.params).to_string())
    }
}

/// How the past would have been different.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// It was not done, and would have been.
    Added(Deed),
    /// It was done, and would not have been.
    Removed(Deed),
    /// Whether the rule would have acted hangs on facts that nobody asked for at the time.
    Unknown(Unknown),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Unknown {
    pub event: EventId,
    pub rule: RuleName,
    pub repository: Option<RepoName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    pub needs: FactKinds,
}

impl Difference {
    pub fn rule(&self) -> &RuleName {
        match self {
            Self::Added(deed) | Self::Removed(deed) => &deed.rule,
            Self::Unknown(unknown) => &unknown.rule,
        }
    }

    /// `acme/web#7`; empty when it is about nothing.
    pub fn about(&self) -> String {
        match self {
            Self::Added(deed) | Self::Removed(deed) => deed.target.to_string(),
            Self::Unknown(Unknown { repository: Some(repository), number: Some(number), .. }) => {
                format!("{repository}#{number}")
            }
            Self::Unknown(Unknown { repository: Some(repository), .. }) => repository.to_string(),
            Self::Unknown(_) => String::new(),
        }
    }
}

/// How often, for one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Counts {
    pub added: u64,
    pub removed: u64,
    pub unchanged: u64,
    pub unknown: u64,
    /// What it would have done, were it not in the shadow.
    pub shadow: u64,
}

/// Counts by rule, and the differences in order of arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compared {
    pub counts: BTreeMap<RuleName, Counts>,
    pub differences: Vec<Difference>,
}

impl Compared {
    fn count(&mut self, rule: &RuleName) -> &mut Counts {
        if !self.counts.contains_key(rule) {
            self.counts.insert(rule.clone(), Counts::default());
        }
        // It was put there when it was not.
        self.counts.entry(rule.clone()).or_default()
    }

    fn note(&mut self, difference: Difference) {
        let counts = self.count(difference.rule());
        match &difference {
            Difference::Added(_) => counts.added += 1,
            Difference::Removed(_) => counts.removed += 1,
            Difference::Unknown(_) => counts.unknown += 1,
        }
        self.differences.push(difference);
    }

    /// What was done would not have been.
    pub fn remove(&mut self, deed: Deed) {
        self.note(Difference::Removed(deed));
    }

    /// Puts what came later behind.
    pub fn extend(&mut self, later: Self) {
        self.differences.extend(later.differences);
        add_counts(&mut self.counts, &later.counts);
    }
}

/// Adds what came later.
pub fn add_counts(to: &mut BTreeMap<RuleName, Counts>, more: &BTreeMap<RuleName, Counts>) {
    for (rule, more) in more {
        let counts = to.entry(rule.clone()).or_default();
        counts.added += more.added;
        counts.removed += more.removed;
        counts.unchanged += more.unchanged;
        counts.unknown += more.unknown;
        counts.shadow += more.shadow;
    }
}

/// Compares what `rules` would have done about an event with what was `done` about it.
pub fn compare(rules: &[Rule], event: &Event, facts: &Facts, done: Vec<Deed>, into: &mut Compared) {
    let (mut wanted, mut unknown): (Vec<Deed>, Vec<Unknown>) = (Vec::new(), Vec::new());
    for rule in rules {
        match decide_one(rule, event, facts) {
            Some(Ok(decision)) if rule.mode == Mode::Active => {
                wanted.extend(decision.intents.into_iter().map(Deed::of));
            }
            Some(Ok(decision)) if !decision.intents.is_empty() => {
                into.count(&rule.name).shadow += decision.intents.len() as u64;
            }
            None | Some(Ok(_)) => {}
            Some(Err(needs)) => unknown.push(Unknown {
                event: event.id,
                rule: rule.name.clone(),
                repository: event.repository.clone(),
                number: event.item,
                needs,
            }),
        }
    }
    // What a rule did itself first: of two that want the same the one that stays is unchanged.
    let mut done: Vec<Option<Deed>> = done.into_iter().map(Some).collect();
    wanted.retain(|deed| !take(deed, &mut done, true, into));
    wanted.retain(|deed| !take(deed, &mut done, false, into));
    let left = done.into_iter().flatten();
    let removed: Vec<Deed> = left.filter(|deed| !unknown.iter().any(|it| it.rule == deed.rule)).collect();
    unknown.into_iter().for_each(|it| into.note(Difference::Unknown(it)));
    wanted.into_iter().for_each(|deed| into.note(Difference::Added(deed)));
    removed.into_iter().for_each(|deed| into.remove(deed));
}

/// Whether the same was done, by the same rule or by any; then it is unchanged, and done no more than once.
fn take(wanted: &Deed, done: &mut [Option<Deed>], by_itself: bool, into: &mut Compared) -> bool {
    let same = |other: &&mut Option<Deed>| {
        other.as_ref().is_some_and(|it| (!by_itself || it.rule == wanted.rule) && it.deed() == wanted.deed())
    };
    let Some(found) = done.iter_mut().find(same) else { return false };
    *found = None;
    into.count(&wanted.rule).unchanged += 1;
    true
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::condition::Condition;
    use crate::core::condition::table::{facts, pull_request};
    use crate::core::intent::ActionSpec;
    use crate::core::pattern::{Case, Globs};
    use crate::core::rule::{Limits, Repositories, Trigger};
    use crate::core::subject::SubjectKind;

    fn rule(name: &str, when: Value, label: &str) -> Rule {
        let then = ActionSpec { name: "label".to_owned(), params: json!({"add": [label]}), acts_on: SubjectKind::Item };
        Rule {
            name: RuleName::parse(name).unwrap(),
            repositories: Repositories(Globs::parse(&["**"], Case::Insensitive).unwrap()),
            on: vec![Trigger::parse("pull_request").unwrap()],
            when: Some(Condition::parse(&when).unwrap()),
            then: vec![then],
            mode: Mode::Active,
            limits: Limits::default(),
        }
    }

    fn compared(rules: &[Rule], facts: &Facts, done: Vec<Deed>) -> Compared {
        let mut compared = Compared::default();
        compare(rules, &pull_request(), facts, done, &mut compared);
        compared
    }

    fn deeds(rules: &[Rule]) -> Vec<Deed> {
        let told = compared(rules, &facts(), Vec::new());
        told.differences
            .into_iter()
            .filter_map(|each| if let Difference::Added(deed) = each { Some(deed) } else { None })
            .collect()
    }

    fn words(compared: &Compared) -> Vec<String> {
        let word = |each: &Difference| match each {
            Difference::Added(deed) => format!("+{} {}", deed.rule, deed.params["add"][0]),
            Difference::Removed(deed) => format!("-{} {}", deed.rule, deed.params["add"][0]),
            Difference::Unknown(unknown) => format!("?{} {:?}", unknown.rule, unknown.needs),
        };
        compared.differences.iter().map(word).collect()
    }

    #[test]
    fn the_same_rules_change_nothing_and_a_new_name_neither() {
        let rules = [rule("a", json!({"label": "bug"}), "x"), rule("b", json!({"files": "docs/**"}), "y")];
        let same = compared(&rules, &facts(), deeds(&rules));
        assert_eq!((words(&same).len(), same.counts.values().map(|counts| counts.unchanged).sum::<u64>()), (0, 2));
        let renamed = [rule("c", json!({"label": "bug"}), "x"), rules[1].clone()];
        assert!(words(&compared(&renamed, &facts(), deeds(&rules))).is_empty());
    }

    #[test]
    fn what_is_added_removed_or_not_known_is_told_by_rule() {
        let before = [rule("a", json!({"label": "bug"}), "x"), rule("b", json!({"files": "docs/**"}), "y")];
        let done = deeds(&before);
        let after =
            [rule("a", json!({"label": "absent"}), "x"), before[1].clone(), rule("c", json!({"draft": false}), "z")];
        assert_eq!(words(&compared(&after, &facts(), done.clone())), ["+c \"z\"", "-a \"x\""]);
        // Without the files nobody can say what `b` would have done: what it did is not called removed.
        let bare = Facts::from_event(&pull_request());
        assert_eq!(words(&compared(&after, &bare, done)), ["?b {Files}", "+c \"z\"", "-a \"x\""]);
    }

    #[test]
    fn of_two_rules_that_did_the_same_the_one_that_is_gone_is_told() {
        let both = [rule("b", json!({"label": "bug"}), "x"), rule("a", json!({"label": "bug"}), "x")];
        let left = compared(&both[1..], &facts(), deeds(&both));
        assert_eq!(words(&left), ["-b \"x\""]);
        assert_eq!(left.counts[&both[1].name].unchanged, 1);
    }

    #[test]
    fn a_rule_in_the_shadow_is_counted_apart() {
        let shadow = Rule { mode: Mode::Shadow, ..rule("a", json!({"label": "bug"}), "x") };
        let told = compared(&[shadow], &facts(), Vec::new());
        assert_eq!(told.differences, []);
        assert_eq!(told.counts.values().next().unwrap().shadow, 1);
    }
}
