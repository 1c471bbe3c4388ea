//! The one evaluator: rules, an event and facts in; decisions out.

use serde::{Deserialize, Serialize};

use super::condition::{Evaluated, Scene};
use super::event::{Event, EventKind};
use super::explain::{Explanation, Truth};
use super::facts::{FactKinds, Facts};
use super::intent::{Intent, Target};
use super::rule::{Mode, Rule, RuleName};
use super::subject::{SubjectKind, subject_of};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Matched,
    NotMatched,
    /// Triggered, but not to be decided on: the rule is off, the repository is not selected, the event names nothing
    /// that the rule's actions act on, or a fact it needs cannot be had.
    Skipped,
}

/// A rule met an event: whether it matched, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub rule: RuleName,
    pub mode: Mode,
    pub verdict: Verdict,
    pub explanation: Explanation,
    /// What a matched rule wants done, in the order it was written. Filled for shadow rules too: what would be done.
    pub intents: Vec<Intent>,
}

/// Either every rule is decided, or these facts are still needed.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Decided(Vec<Decision>),
    Needs(FactKinds),
}

/// Decides every rule that the event triggers, in the order of the config.
pub fn decide(rules: &[Rule], event: &Event, facts: &Facts) -> Outcome {
    let scene = Scene { event, facts };
    let mut decisions = Vec::with_capacity(rules.len());
    let mut needs = FactKinds::new();
    for rule in rules.iter().filter(|rule| fires(rule, &event.kind)) {
        match decide_rule(rule, scene) {
            Ok(decision) => decisions.push(decision),
            Err(missing) => needs.extend(missing),
        }
    }
    if needs.is_empty() { Outcome::Decided(decisions) } else { Outcome::Needs(needs) }
}

/// Whether any rule has a say about such an event, be it to say that it is off. What `decide` gives is empty otherwise.
pub fn any_triggered(rules: &[Rule], kind: &EventKind) -> bool {
    rules.iter().any(|rule| fires(rule, kind))
}

/// Decides one rule; `None`: the event does not trigger it. `Err`: what is still needed to decide.
pub fn decide_one(rule: &Rule, event: &Event, facts: &Facts) -> Option<Result<Decision, FactKinds>> {
    fires(rule, &event.kind).then(|| decide_rule(rule, Scene { event, facts }))
}

fn fires(rule: &Rule, kind: &EventKind) -> bool {
    rule.on.iter().any(|trigger| trigger.fires_on(kind))
}

/// The decision, or the facts it still needs.
fn decide_rule(rule: &Rule, scene: Scene<'_>) -> Result<Decision, FactKinds> {
    let decided = |verdict, explanation, intents| {
        Ok(Decision { rule: rule.name.clone(), mode: rule.mode, verdict, explanation, intents })
    };
    if let Some(phrase) = why_not_considered(rule, scene.event) {
        return decided(Verdict::Skipped, Explanation::leaf(false, phrase), Vec::new());
    }
    let Some(condition) = &rule.when else {
        let always = Explanation::leaf(true, "the rule has no `if`");
        return decided(Verdict::Matched, always, intents(rule, scene.event));
    };
    let Evaluated { explanation, needs } = condition.evaluate(scene);
    match explanation.truth {
        Truth::True => decided(Verdict::Matched, explanation, intents(rule, scene.event)),
        Truth::False => decided(Verdict::NotMatched, explanation, Vec::new()),
        Truth::Unknown if needs.is_empty() => decided(Verdict::Skipped, explanation, Vec::new()),
        Truth::Unknown => Err(needs),
    }
}

/// How a decision begins that says no more than that the rule is about other repositories.
const ELSEWHERE: &str = "the rule does not look at ";

/// Whether a decision says only that its rule is about other repositories: its name is then for who sees those.
pub fn is_elsewhere(verdict: Verdict, explanation: &Explanation) -> bool {
    verdict == Verdict::Skipped && explanation.phrase.starts_with(ELSEWHERE)
}

fn why_not_considered(rule: &Rule, event: &Event) -> Option<String> {
    match &event.repository {
        Some(repository) if !rule.repositories.includes(repository) => {
            return Some(format!("{ELSEWHERE}`{repository}`"));
        }
        None if !rule.repositories.0.texts().is_empty() => return Some("the event names no repository".to_owned()),
        _ => {}
    }
    if rule.mode == Mode::Off {
        return Some("the rule is off".to_owned());
    }
    // All of the actions or none: a rule is not carried out by halves.
    let kinds = rule.then.iter().map(|spec| spec.acts_on);
    kinds.into_iter().find(|kind| subject_of(event, *kind).is_none()).map(|missing| {
        let what = match missing {
            SubjectKind::Item => "is about no issue or pull request",
            SubjectKind::Commit => "names no commit",
            SubjectKind::Repository => "names no repository",
        };
        format!("the event {what} that the rule could act on")
    })
}

/// What a matched rule wants done; the same thing written twice is wanted once.
fn intents(rule: &Rule, event: &Event) -> Vec<Intent> {
    let Some(repository) = &event.repository else {
        return Vec::new();
    };
    let mut intents: Vec<Intent> = Vec::with_capacity(rule.then.len());
    for spec in &rule.then {
        let Some(subject) = subject_of(event, spec.acts_on) else { continue };
        let number = event.item.unwrap_or(0);
        let target = Target { repository: repository.clone(), installation: event.installation, number, subject };
        let intent = Intent::new(event.id, &rule.name, spec, target);
        if intents.iter().all(|other| other.id != intent.id) {
            intents.push(intent);
        }
    }
    intents
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::core::condition::Condition;
    use crate::core::condition::properties::{any_condition, any_facts, any_json};
    use crate::core::condition::table::{event, facts, pull_request};
    use crate::core::facts::{FactKind, Known};
    use crate::core::intent::ActionSpec;
    use crate::core::pattern::{Case, Globs};
    use crate::core::rule::{Limits, Repositories, Trigger};

    fn spec(name: &str, params: Value, acts_on: SubjectKind) -> ActionSpec {
        ActionSpec { name: name.to_owned(), params, acts_on }
    }

    fn rule(name: &str, when: Value) -> Rule {
        Rule {
            name: RuleName::parse(name).unwrap(),
            repositories: Repositories(Globs::parse(&["acme/*", "!acme/secret"], Case::Insensitive).unwrap()),
            on: vec![Trigger::parse("pull_request.*").unwrap(), Trigger::parse("push").unwrap()],
            when: (!when.is_null()).then(|| Condition::parse(&when).unwrap()),
            then: vec![spec("label", json!({"add": ["documentation"]}), SubjectKind::Item)],
            mode: Mode::Active,
            limits: Limits::default(),
        }
    }

    fn decisions(rules: &[Rule], event: &Event, facts: &Facts) -> Vec<Decision> {
        match decide(rules, event, facts) {
            Outcome::Decided(decisions) => decisions,
            Outcome::Needs(needs) => panic!("still needs {needs:?}"),
        }
    }

    fn verdict(rule: Rule, event: &Event) -> (Verdict, String, usize) {
        let [decision] = &decisions(&[rule], event, &facts())[..] else { panic!("one decision") };
        (decision.verdict, decision.explanation.reason().to_owned(), decision.intents.len())
    }

    #[test]
    fn a_rule_matches_does_not_match_or_is_skipped_and_says_why() {
        let pull = pull_request();
        let matched = verdict(rule("a", json!({"label": "bug"})), &pull);
        assert_eq!(matched, (Verdict::Matched, "label `bug` is present".to_owned(), 1));
        let always = verdict(rule("a", json!(null)), &pull);
        assert_eq!(always, (Verdict::Matched, "the rule has no `if`".to_owned(), 1));
        let not = verdict(rule("a", json!({"draft": true})), &pull);
        assert_eq!(not, (Verdict::NotMatched, "is not a draft".to_owned(), 0));
        let off = verdict(Rule { mode: Mode::Off, ..rule("a", json!(null)) }, &pull);
        assert_eq!(off, (Verdict::Skipped, "the rule is off".to_owned(), 0));
        let mut secret = pull.clone();
        secret.repository = Some("acme/secret".to_owned().try_into().unwrap());
        let elsewhere = verdict(rule("a", json!(null)), &secret);
        assert_eq!(elsewhere, (Verdict::Skipped, "the rule does not look at `acme/secret`".to_owned(), 0));
        let push = event("push", json!({"repository": {"full_name": "acme/site"}}));
        let nothing = "the event is about no issue or pull request that the rule could act on".to_owned();
        assert_eq!(verdict(rule("a", json!(null)), &push), (Verdict::Skipped, nothing, 0));
    }

    #[test]
    fn actions_act_on_what_the_event_names_all_of_them_or_none() {
        const SHA: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";
        let on = |kinds: &[SubjectKind], name: &str, payload: Value| {
            let then = kinds.iter().map(|kind| spec("act", json!({"on": kind}), *kind)).collect();
            let [decision] =
                &decisions(&[Rule { then, ..rule("a", json!(null)) }], &event(name, payload), &facts())[..]
            else {
                panic!("one decision")
            };
            let targets: Vec<String> = decision.intents.iter().map(|intent| intent.target.to_string()).collect();
            (targets, decision.explanation.reason().to_owned())
        };
        let (item, commit, repository) = (SubjectKind::Item, SubjectKind::Commit, SubjectKind::Repository);
        let named = || json!({"full_name": "acme/site"});
        let push = || json!({"after": SHA, "repository": named()});
        assert_eq!(on(&[commit, repository], "push", push()).0, [format!("acme/site@{SHA}"), "acme/site".to_owned()]);
        let (none, why) = on(&[commit, item], "push", push());
        assert_eq!(
            (none.len(), why.as_str()),
            (0, "the event is about no issue or pull request that the rule could act on")
        );
        let deleted = json!({"after": "0".repeat(40), "repository": named()});
        assert_eq!(on(&[commit], "push", deleted).1, "the event names no commit that the rule could act on");
        let pull = json!({"pull_request": {"number": 7, "head": {"sha": SHA}}, "repository": named()});
        let both = on(&[item, commit], "pull_request", pull).0;
        assert_eq!(both, ["acme/site#7".to_owned(), format!("acme/site@{SHA}")]);
    }

    #[test]
    fn rules_that_are_not_triggered_are_not_mentioned() {
        let issue = event("issues", json!({"action": "opened", "issue": {"number": 1}}));
        let rules = [rule("a", json!(null))];
        assert_eq!(decide(&rules, &issue, &Facts::default()), Outcome::Decided(vec![]));
        assert!(!any_triggered(&rules, &issue.kind));
        assert!(any_triggered(&rules, &pull_request().kind));
    }

    #[test]
    fn needs_are_the_union_over_rules_that_may_act() {
        let pull = pull_request();
        let bare = Facts::from_event(&pull);
        let shadow = Rule { mode: Mode::Shadow, ..rule("b", json!({"checks": "passing"})) };
        let off = Rule { mode: Mode::Off, ..rule("c", json!({"review": "approved"})) };
        let rules = [rule("a", json!({"files": "docs/**"})), shadow, off, rule("d", json!({"label": "bug"}))];
        let needs = FactKinds::from([FactKind::Files, FactKind::Checks]);
        assert_eq!(decide(&rules, &pull, &bare), Outcome::Needs(needs));
        let verdicts: Vec<_> = decisions(&rules, &pull, &facts()).into_iter().map(|made| made.verdict).collect();
        assert_eq!(verdicts, [Verdict::Matched, Verdict::NotMatched, Verdict::Skipped, Verdict::Matched]);
    }

    #[test]
    fn what_cannot_be_had_skips_the_rule_only_when_it_matters() {
        let facts = Facts { files: Known::Unavailable("GitHub answered 404".to_owned()), ..facts() };
        let rules = [
            rule("matters", json!({"all": [{"label": "bug"}, {"files": "docs/**"}]})),
            rule("settled", json!({"all": [{"label": "absent"}, {"files": "docs/**"}]})),
        ];
        let decided = decisions(&rules, &pull_request(), &facts);
        assert_eq!(decided[0].verdict, Verdict::Skipped);
        let reason = "`files` is not known: the changed files could not be had: GitHub answered 404";
        assert_eq!(decided[0].explanation.reason(), reason);
        assert_eq!(decided[1].verdict, Verdict::NotMatched);
    }

    #[test]
    fn shadow_rules_tell_what_they_would_do_and_nothing_is_wanted_twice() {
        let mut twice = Rule { mode: Mode::Shadow, ..rule("a", json!(null)) };
        twice.then.extend(twice.then.clone());
        twice.then.push(spec("close", json!({}), SubjectKind::Item));
        let decided = decisions(&[twice], &pull_request(), &facts());
        let wanted: Vec<_> = decided[0].intents.iter().map(|intent| intent.action.as_str()).collect();
        assert_eq!(wanted, ["label", "close"]);
        assert_eq!(decided[0].mode, Mode::Shadow);
    }

    proptest! {
        #[test]
        fn any_payload_is_decided_on(name in "pull_request|push", payload in any_json(), when in any_condition()) {
            let event = event(&name, payload);
            decide(&[rule("a", when), rule("b", json!(null))], &event, &Facts::from_event(&event));
        }

        /// What a rule decides depends on no other rule, so neither on their order: that only orders the decisions.
        #[test]
        fn the_order_of_rules_changes_no_decision(
            written in prop::collection::vec(any_condition(), 2..6).prop_shuffle(),
            facts in any_facts(),
        ) {
            let rules: Vec<Rule> =
                written.iter().enumerate().map(|(index, when)| rule(&format!("r{index}"), when.clone())).collect();
            let backwards: Vec<Rule> = rules.iter().rev().cloned().collect();
            let event = pull_request();
            match (decide(&rules, &event, &facts), decide(&backwards, &event, &facts)) {
                (Outcome::Decided(one), Outcome::Decided(other)) => {
                    prop_assert_eq!(one, other.into_iter().rev().collect::<Vec<_>>());
                }
                (Outcome::Needs(one), Outcome::Needs(other)) => prop_assert_eq!(one, other),
                other => prop_assert!(false, "{other:?}"),
            }
        }

        #[test]
        fn invariant_3_same_rules_and_facts_same_decisions_byte_for_byte(
            written in prop::collection::vec(any_condition(), 1..5),
            facts in any_facts(),
        ) {
            // Everything is built twice, so that nothing that differs between two maps or two runs is shared.
            let once = || {
                let rules: Vec<Rule> =
                    written.iter().enumerate().map(|(index, when)| rule(&format!("r{index}"), when.clone())).collect();
                match decide(&rules, &pull_request(), &facts.clone()) {
                    Outcome::Decided(decisions) => serde_json::to_vec(&decisions).unwrap(),
                    Outcome::Needs(needs) => serde_json::to_vec(&needs).unwrap(),
                }
            };
            prop_assert_eq!(once(), once());
        }
    }
}
