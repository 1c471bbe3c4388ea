#![allow(clippy::unwrap_used)]

use super::*;
use crate::core::condition::Condition;
use crate::core::event_names::EVENTS;
use crate::core::intent::ActionSpec;
use crate::core::pattern::{Case, Globs};
use crate::core::rule::{Limits, Repositories, RuleName};
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

fn kinds() -> [ActionKind; 4] {
    [
        kind("label", |_| Needs::Item),
        kind("check", |_| Needs::Write("checks")),
        ActionKind { hears: &["push", "status"], ..kind("merge", |_| Needs::WriteAll(&["contents", "pull_requests"])) },
        ActionKind { reads: |_| &["contents"], ..kind("review", |_| Needs::Write("pull_requests")) },
    ]
}

fn rule(name: &str, on: &str, when: Value, action: &str) -> Rule {
    Rule {
        name: RuleName::parse(name).unwrap(),
        repositories: Repositories(Globs::parse(&["**"], Case::Insensitive).unwrap()),
        on: vec![Trigger::parse(on).unwrap()],
        when: (!when.is_null()).then(|| Condition::parse(&when).unwrap()),
        then: vec![ActionSpec { name: action.to_owned(), params: json!({}), acts_on: SubjectKind::Item }],
        mode: Mode::Shadow,
        limits: Limits::default(),
    }
}

fn by(rules: &[Rule]) -> Needed {
    Needed::by(&Wishes { rules, kinds: &kinds(), own_files: None, commands: false, teams: false })
}

/// `permission:level` of each, and the events.
fn shown(needed: &Needed) -> (String, String) {
    let permissions: Vec<_> =
        needed.permissions.iter().map(|(name, need)| format!("{name}:{}", need.level())).collect();
    (permissions.join(" "), needed.events.keys().copied().collect::<Vec<_>>().join(" "))
}

#[test]
fn without_rules_an_app_reads_metadata_and_hears_of_repositories() {
    assert_eq!(shown(&by(&[])), ("metadata:read".to_owned(), "repository".to_owned()));
    let off = Rule { mode: Mode::Off, ..rule("a", "push", Value::Null, "check") };
    assert_eq!(by(&[off]), by(&[]), "a rule that is off needs nothing");
}

#[test]
fn each_trigger_action_and_condition_brings_what_it_needs_and_nothing_else() {
    for (on, when, action, permissions, events) in [
        ("issues.opened", Value::Null, "label", "issues:write metadata:read", "issues repository"),
        ("issues.opened", json!({"label": "bug"}), "label", "issues:write metadata:read", "issues repository"),
        (
            "pull_request.opened",
            json!({"files": "docs/**"}),
            "label",
            "metadata:read pull_requests:write",
            "pull_request repository",
        ),
        (
            "pull_request.opened",
            json!({"checks": "passing"}),
            "label",
            "checks:read metadata:read pull_requests:write statuses:read",
            "pull_request repository",
        ),
        (
            "issue_comment.created",
            json!({"label": "bug"}),
            "label",
            "issues:write metadata:read",
            "issue_comment repository",
        ),
        (
            "check_run.completed",
            json!({"label": "bug"}),
            "check",
            "checks:write metadata:read pull_requests:read",
            "check_run repository",
        ),
        ("push", Value::Null, "check", "checks:write contents:read metadata:read", "push repository"),
        (
            "pull_request.labeled",
            Value::Null,
            "merge",
            "contents:write metadata:read pull_requests:write statuses:read",
            "pull_request push repository status",
        ),
        (
            "pull_request",
            Value::Null,
            "review",
            "contents:read metadata:read pull_requests:write",
            "pull_request repository",
        ),
        ("schedule.daily", Value::Null, "label", "issues:write metadata:read pull_requests:write", "repository"),
        (
            "release.published",
            json!({"role": "write"}),
            "check",
            "checks:write contents:read metadata:read",
            "release repository",
        ),
    ] {
        let found = shown(&by(&[rule("a", on, when, action)]));
        assert_eq!(found, (permissions.to_owned(), events.to_owned()), "{on} {action}");
    }
}

#[test]
fn a_need_names_all_who_have_it_and_the_highest_level_counts() {
    let needed = by(&[rule("read", "issues", Value::Null, "check"), rule("write", "issues", Value::Null, "label")]);
    let issues = &needed.permissions["issues"];
    assert_eq!((issues.level(), issues.whose().as_str()), ("write", "read, write"));
    assert_eq!(needed.permissions["checks"].whose(), "read");
    assert_eq!(needed.events["issues"].whose(), "read, write");
}

#[test]
fn a_rule_for_everything_hears_what_its_permissions_let_it_hear() {
    let needed = by(&[rule("all", "*", Value::Null, "label")]);
    for event in ["issues", "issue_comment", "pull_request_review", "label", "star"] {
        assert!(needed.events.contains_key(event), "{event}");
    }
    for event in ["push", "check_run", "team", "deployment"] {
        assert!(!needed.events.contains_key(event), "{event} takes a permission that no rule needs");
    }
}

#[test]
fn features_need_what_they_use() {
    let plain = Wishes { rules: &[], kinds: &kinds(), own_files: None, commands: false, teams: false };
    let teams = Needed::by(&Wishes { teams: true, ..plain.clone() });
    assert_eq!(
        shown(&teams),
        ("members:read metadata:read".to_owned(), "member membership organization repository team team_add".to_owned())
    );
    let own = Needed::by(&Wishes { own_files: Some(&["label".to_owned()]), ..plain.clone() });
    assert_eq!(
        shown(&own),
        (
            "checks:write contents:read issues:write metadata:read pull_requests:write".to_owned(),
            "issues pull_request push repository".to_owned()
        )
    );
    let commands = Needed::by(&Wishes { commands: true, ..plain });
    assert_eq!(shown(&commands).1, "issue_comment repository");
}

#[test]
fn what_no_app_can_subscribe_to_is_told_and_not_asked_for() {
    let needed = by(&[rule("a", "installation.created", Value::Null, "check")]);
    assert_eq!(needed.unasked.keys().collect::<Vec<_>>(), ["installation"]);
    assert!(!needed.events.contains_key("installation"));
    for (event, _) in HEARD_WITH {
        assert!(EVENTS.contains(&event), "{event} is no event of GitHub's");
    }
}

#[test]
fn what_an_app_lacks_is_told_with_who_needs_it() {
    let needed = by(&[rule("triage", "issues.opened", Value::Null, "label")]);
    let granted = |issues: &str| -> BTreeMap<String, String> {
        [("issues", issues), ("metadata", "read")].map(|(name, level)| (name.to_owned(), level.to_owned())).into()
    };
    let events = ["issues".to_owned(), "repository".to_owned()];
    assert!(needed.missing(&granted("write"), &events).is_empty());
    assert_eq!(needed.missing(&granted("read"), &events), ["the permission issues: write (triage)"]);
    assert_eq!(needed.missing(&granted("write"), &events[1..]), ["the event issues (triage)"]);
}

#[test]
fn the_manifest_is_as_github_documents_it() {
    let needed = by(&[rule("triage", "issues.opened", Value::Null, "label")]);
    let manifest = manifest(&needed, "orchd", "https://orchd.example.com");
    assert_eq!(manifest["default_permissions"], json!({"issues": "write", "metadata": "read"}));
    assert_eq!(manifest["default_events"], json!(["issues", "repository"]));
    assert_eq!(manifest["hook_attributes"]["url"], "https://orchd.example.com/webhooks/github");
    assert_eq!(manifest["redirect_url"], "https://orchd.example.com/setup/callback");
    assert_eq!(manifest["callback_urls"], json!(["https://orchd.example.com/login/callback"]));
    assert_eq!(manifest["public"], false);
}
