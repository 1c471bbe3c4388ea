//! Cases: an event that is made up, what is known of it, and what rules should do. A config's own tests are made of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::condition::Scene;
use super::decide::{Outcome, Verdict, decide};
use super::event::{Event, EventId, EventKind, RepoName};
use super::event_names::WORKFLOW_CONTEXT;
use super::explain::Explanation;
use super::facts::{FactKind, FactKinds, Facts, Item, ItemKind, ItemState, Known, Pull};
use super::rule::{Rule, RuleName};
use super::subject::commit_pointer;

/// The commit that made-up events are about.
pub const COMMIT: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

/// What happens, as far as somebody cared to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    pub kind: EventKind,
    pub repository: RepoName,
    /// Whoever caused it. A login that ends in `[bot]` is no person's.
    pub actor: String,
    pub received_at: DateTime<Utc>,
    /// The issue or pull request it is about.
    pub item: Option<Item>,
    /// Merged into the payload that is made of the rest: maps key by key, all else replaces.
    pub payload: Value,
}

/// What a rule should do.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Empty: nothing.
    pub deeds: Vec<Deed>,
    /// Part of the reason: which condition decided.
    pub because: Option<String>,
}

/// An action as it is expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    pub action: String,
    /// `None`: whatever they are.
    pub params: Option<Value>,
}

/// What rules should do about an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub event: Event,
    pub facts: Facts,
    /// A rule that is not here should do nothing.
    pub expected: BTreeMap<RuleName, Expected>,
}

/// A rule would do something else than expected, or it cannot be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub rule: RuleName,
    pub why: String,
    /// A list of actions; of those that may have any parameters the name alone.
    pub expected: Value,
    /// `None`: it cannot be told.
    pub found: Option<Value>,
    pub explanation: Explanation,
}

/// Decides each rule on a case, active or in the shadow, and tells where it differs from what is expected.
pub fn differences(rules: &[Rule], case: &Case) -> Vec<Difference> {
    rules.iter().filter_map(|rule| difference(rule, case)).collect()
}

fn difference(rule: &Rule, case: &Case) -> Option<Difference> {
    let Case { event, facts, expected } = case;
    let expected = expected.get(&rule.name);
    let wanted = expected.map_or(&[][..], |expected| &expected.deeds);
    let (found, explanation) = match decide(std::slice::from_ref(rule), event, facts) {
        Outcome::Needs(needs) => {
            let explanation = rule.when.as_ref().map(|when| when.evaluate(Scene { event, facts }).explanation);
            let explanation = explanation.unwrap_or_else(|| Explanation::leaf(true, "the rule has no `if`"));
            return Some(differs(rule, missing(&needs), wanted, None, explanation));
        }
        Outcome::Decided(decisions) => match decisions.into_iter().next() {
            Some(decision) if decision.verdict == Verdict::Matched => (decision.intents, decision.explanation),
            Some(decision) => (Vec::new(), decision.explanation),
            None => {
                let phrase = format!("`{}` is none of the events that the rule waits for", event.kind);
                (Vec::new(), Explanation::leaf(false, phrase))
            }
        },
    };
    let fits = found.len() == wanted.len()
        && found.iter().zip(wanted).all(|(intent, deed)| {
            intent.action == deed.action && deed.params.as_ref().is_none_or(|params| *params == intent.params)
        });
    let why = if !fits {
        match (found.is_empty(), expected) {
            (false, None) => "it would act, and is not under `expect`".to_owned(),
            (true, _) => "it would do nothing".to_owned(),
            (false, Some(_)) => "it would do something else".to_owned(),
        }
    } else {
        let because = expected.and_then(|expected| expected.because.as_ref());
        let because = because.filter(|because| !explanation.reason().contains(because.as_str()))?;
        format!("not because of `{because}`, but because of `{}`", explanation.reason())
    };
    let found = found.into_iter().map(|intent| json!({intent.action: intent.params})).collect();
    Some(differs(rule, why, wanted, Some(found), explanation))
}

fn differs(rule: &Rule, why: String, wanted: &[Deed], found: Option<Value>, explanation: Explanation) -> Difference {
    let shown = |deed: &Deed| match &deed.params {
        Some(params) => json!({&deed.action: params}),
        None => Value::from(deed.action.as_str()),
    };
    Difference { rule: rule.name.clone(), why, expected: wanted.iter().map(shown).collect(), found, explanation }
}

/// What to write so that a rule can be decided.
fn missing(needs: &FactKinds) -> String {
    let give = |kind: &FactKind| match kind {
        FactKind::Item => "`item`",
        FactKind::Files => "`files` under `facts`",
        FactKind::Reviews => "`reviews` under `facts`",
        FactKind::Checks => "`checks` under `facts`",
        FactKind::Role => "`role` under `facts`",
        FactKind::Run => "`run` under `facts`",
    };
    format!("it needs to know more: give {}", needs.iter().map(give).collect::<Vec<_>>().join(" and "))
}

/// The event, and the facts that it brings by itself.
pub fn made_up(happening: &Happening) -> (Event, Facts) {
    let Happening { kind, received_at, item, .. } = happening;
    let event = Event::from_payload(EventId(Uuid::nil()), &kind.name, *received_at, payload(happening));
    let mut facts = Facts::from_event(&event);
    match (&mut facts.item, item) {
        // An event that names a pull request without describing it: what it is like was said.
        (Some(Known::Is(found)), Some(item)) if found.pull == Known::NotYet => found.pull = item.pull.clone(),
        (Some(found @ Known::NotYet), Some(item)) => *found = Known::Is(item.clone()),
        _ => {}
    }
    (event, facts)
}

/// As GitHub would send it, as far as rules look at it.
fn payload(happening: &Happening) -> Value {
    let Happening { kind, repository, actor, item, payload: more, .. } = happening;
    let name = kind.name.as_str();
    let mut made = json!({
        "repository": {"full_name": repository, "name": repository.name(), "owner": {"login": repository.owner()}},
        "sender": user(actor),
    });
    if let Some(action) = &kind.action {
        made["action"] = json!(action);
    }
    match name {
        "issue_comment" | "pull_request_review_comment" | "commit_comment" => {
            made["comment"] = json!({"body": "", "user": user(actor)});
        }
        "pull_request_review" => made["review"] = json!({"body": "", "state": "commented", "user": user(actor)}),
        _ => {}
    }
    if name == WORKFLOW_CONTEXT {
        made[name] = json!({"run_id": 1, "run_attempt": 1, "name": "forward"});
        made["told"] = json!({});
    }
    if let Some(item) = item {
        let is_pull = item.kind == ItemKind::PullRequest;
        match name {
            "check_run" | "check_suite" | "workflow_run" => {
                made[name] = json!({"pull_requests": [{"number": item.number}]});
            }
            WORKFLOW_CONTEXT => made[name]["number"] = json!(item.number),
            // The daily look tells the issue that a pull request is too.
            "issues" | "issue_comment" | "schedule" => made["issue"] = issue(item),
            _ if is_pull => made["pull_request"] = pull(item, repository),
            _ => {}
        }
    }
    if let Some(pointer) = commit_pointer(name).filter(|pointer| made.pointer(pointer).is_none()) {
        merge(&mut made, &at(pointer, json!(COMMIT)));
    }
    merge(&mut made, more);
    made
}

fn user(login: &str) -> Value {
    json!({"login": login, "type": if login.ends_with("[bot]") { "Bot" } else { "User" }})
}

fn issue(item: &Item) -> Value {
    let names = |names: &[String], key: &str| names.iter().map(|name| json!({key: name})).collect::<Value>();
    let mut issue = json!({
        "number": item.number,
        "title": item.title,
        "body": item.body,
        "state": if item.state == ItemState::Open { "open" } else { "closed" },
        "user": user(&item.author),
        "author_association": item.author_association,
        "labels": names(&item.labels, "name"),
        "assignees": names(&item.assignees, "login"),
        "milestone": item.milestone.as_ref().map(|title| json!({"title": title})),
        "created_at": item.created_at.map(|at| at.to_rfc3339()),
        "updated_at": item.updated_at.map(|at| at.to_rfc3339()),
    });
    if item.kind == ItemKind::PullRequest {
        let merged_at = item.updated_at.filter(|_| item.state == ItemState::Merged).map(|at| at.to_rfc3339());
        issue["pull_request"] = json!({"merged_at": merged_at});
    }
    issue
}

fn pull(item: &Item, repository: &RepoName) -> Value {
    let mut shown = issue(item);
    shown["merged"] = json!(item.state == ItemState::Merged);
    shown["merged_at"] = shown["pull_request"]["merged_at"].clone();
    if let Value::Object(map) = &mut shown {
        map.remove("pull_request");
    }
    if let Known::Is(Pull { draft, base, head, head_sha, same_repository }) = &item.pull {
        let fork = format!("{}/{}", item.author.trim_end_matches("[bot]"), repository.name());
        let from = if *same_repository { repository.as_str() } else { &fork };
        shown["draft"] = json!(draft);
        shown["base"] = json!({"ref": base, "repo": {"full_name": repository}});
        shown["head"] = json!({"ref": head, "sha": head_sha, "repo": {"full_name": from}});
    }
    shown
}

/// A value below nothing but the keys that a pointer names.
fn at(pointer: &str, value: Value) -> Value {
    pointer.split('/').skip(1).collect::<Vec<_>>().into_iter().rev().fold(value, |value, key| {
        let mut map = Map::new();
        map.insert(key.to_owned(), value);
        Value::Object(map)
    })
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key.as_str()).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::condition::Condition;
    use crate::core::intent::ActionSpec;
    use crate::core::pattern::{Case as Letters, Globs};
    use crate::core::rule::{Limits, Mode, Repositories, Trigger};
    use crate::core::subject::{SubjectKind, can_be_about, subject_of};

    fn rule(when: Value, mode: Mode) -> Rule {
        Rule {
            name: RuleName::parse("a").unwrap(),
            repositories: Repositories(Globs::parse(&["**"], Letters::Insensitive).unwrap()),
            on: vec![Trigger::parse("pull_request.opened").unwrap()],
            when: Some(Condition::parse(&when).unwrap()),
            then: vec![ActionSpec { name: "label".into(), params: json!({"add": ["x"]}), acts_on: SubjectKind::Item }],
            mode,
            limits: Limits::default(),
        }
    }

    fn happening(name: &str, action: Option<&str>) -> Happening {
        let received_at: DateTime<Utc> = "2026-01-10T12:00:00Z".parse().unwrap();
        let pull = Pull {
            draft: false,
            base: "main".into(),
            head: "topic".into(),
            head_sha: COMMIT.into(),
            same_repository: false,
        };
        let item = Item {
            kind: ItemKind::PullRequest,
            number: 7,
            title: "Docs".into(),
            body: "All of it".into(),
            state: ItemState::Merged,
            author: "mona".into(),
            author_association: "NONE".into(),
            labels: vec!["bug".into()],
            assignees: vec!["bob".into()],
            milestone: Some("v2".into()),
            created_at: Some(received_at),
            updated_at: Some(received_at),
            pull: Known::Is(pull),
        };
        Happening {
            kind: EventKind { name: name.into(), action: action.map(str::to_owned) },
            repository: RepoName::parse("acme/web").unwrap(),
            actor: "renovate[bot]".into(),
            received_at,
            item: Some(item),
            payload: json!({"repository": {"stargazers_count": 3}}),
        }
    }

    /// What is said of an item is what a rule sees of it, whatever event brings it.
    #[test]
    fn what_is_made_up_reads_as_it_was_said() {
        for (name, action) in [
            ("pull_request", Some("opened")),
            ("pull_request_review", Some("submitted")),
            ("issue_comment", Some("created")),
            ("schedule", Some("daily")),
            ("check_run", Some("completed")),
            ("workflow_run", Some("completed")),
            ("workflow_context", Some("failure")),
        ] {
            let happening = happening(name, action);
            let (event, facts) = made_up(&happening);
            assert_eq!((&event.kind, event.item), (&happening.kind, Some(7)), "{name}");
            assert!(event.actor.as_ref().unwrap().is_bot);
            assert_eq!(facts.known_item(), happening.item.as_ref(), "{name}");
            assert_eq!(event.payload["repository"]["stargazers_count"], 3);
            assert_eq!(event.payload["repository"]["full_name"], "acme/web");
            let commit = subject_of(&event, SubjectKind::Commit);
            assert_eq!(commit.is_some(), can_be_about(Some(name), SubjectKind::Commit), "{name}");
        }
    }

    fn told(rule: &Rule, expected: Option<Expected>) -> Option<String> {
        let (event, facts) = made_up(&happening("pull_request", Some("opened")));
        let expected = expected.into_iter().map(|expected| (rule.name.clone(), expected)).collect();
        let found = differences(std::slice::from_ref(rule), &Case { event, facts, expected });
        found.into_iter().next().map(|difference| difference.why)
    }

    #[test]
    fn how_what_is_done_can_differ() {
        let acts = |params: Option<Value>, because: Option<&str>| {
            let deeds = vec![Deed { action: "label".into(), params }];
            Some(Expected { deeds, because: because.map(str::to_owned) })
        };
        let rests = |because: &str| Some(Expected { deeds: Vec::new(), because: Some(because.into()) });
        let bug = rule(json!({"label": "bug"}), Mode::Shadow);
        for (expected, why) in [
            (acts(None, None), None),
            (acts(Some(json!({"add": ["x"]})), Some("`bug` is present")), None),
            (acts(Some(json!({"add": ["y"]})), None), Some("it would do something else")),
            (acts(None, Some("draft")), Some("not because of `draft`, but because of `label `bug` is present`")),
            (rests("x"), Some("it would do something else")),
            (None, Some("it would act, and is not under `expect`")),
        ] {
            assert_eq!(told(&bug, expected.clone()).as_deref(), why, "{expected:?}");
        }
        let docs = rule(json!({"all": [{"label": "docs"}, {"files": "docs/**"}]}), Mode::Active);
        assert_eq!(told(&docs, None), None, "the label settles it: no file is asked for");
        assert_eq!(told(&docs, rests("label `docs` is absent")), None);
        assert_eq!(told(&docs, acts(None, None)).as_deref(), Some("it would do nothing"));
        let unknown = rule(json!({"all": [{"files": "docs/**"}, {"role": "write"}]}), Mode::Active);
        let why = "it needs to know more: give `files` under `facts` and `role` under `facts`";
        assert_eq!(told(&unknown, None).as_deref(), Some(why));
        let off = rule(json!({"label": "bug"}), Mode::Off);
        assert_eq!(told(&off, rests("the rule is off")), None);
    }
}
