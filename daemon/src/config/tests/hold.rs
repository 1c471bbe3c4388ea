//! What ran last, made anew from what was shown of it.

use serde_json::json;

use super::{ACTIONS, APP, Home};
use crate::config::Config;

const RULES: &str = r#"
rules:
  - name: every-key
    repositories: ["acme/*", "!acme/secret"]
    on: [pull_request.opened, issues]
    if: {all: [{title: "(?i)\\bcrash\\b"}, {not: {label: "no: bot # really"}}, {expr: "pull_request.additions < 400"}]}
    then: [{label: {add: ["a \"quoted\" name", "ümläut", "yes"]}}, {comment: {body: "One\n\n- two: three\n"}}]
    mode: shadow
    limits: {actions_per_hour: 5}
  - name: fewest
    on: issues.closed
    then: [{close: {}}]
"#;

fn config(home: &Home, more: &str) -> Config {
    home.load(format!("{APP}{RULES}{more}")).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn a_config_can_act_as_an_earlier_one() {
    let home = Home::new();
    let earlier = config(&home, "guards: {max_depth: 9}\n");
    let disk = home.load(APP.replace("github: {", "github: {dry_run: true, ")).unwrap();
    let again = disk.acting_as(earlier.revision.clone(), &earlier.effective, ACTIONS).unwrap();
    assert_eq!(again.revision, earlier.revision);
    assert_eq!((again.guards.max_depth, again.github.dry_run), (9, false));
    assert_eq!(again.effective["rules"], earlier.effective["rules"]);
    let told = |config: &Config| config.rules.iter().map(|rule| format!("{rule:?}")).collect::<Vec<_>>();
    assert_eq!(told(&again), told(&earlier));

    let gone = json!({"rules": [{"name": "a", "on": ["issues.closed"], "then": [{"teleport": {}}]}]});
    let told = disk.acting_as(earlier.revision, &gone, ACTIONS).unwrap_err().to_string();
    assert!(told.contains("there is no action `teleport`"), "{told}");
}

#[test]
fn changed_rules_are_those_that_differ_and_may_act() {
    let home = Home::new();
    let names = |new: &Config, old: &Config| {
        new.rules_changed_since(old).iter().map(|rule| rule.name.to_string()).collect::<Vec<_>>()
    };
    let old = config(&home, "");
    assert!(names(&old, &old).is_empty());
    let text = |rules: &str| home.load(format!("{APP}{rules}")).unwrap();
    assert_eq!(names(&text(&RULES.replace("on: issues.closed", "on: issues.reopened")), &old), ["fewest"]);
    assert_eq!(names(&text(&RULES.replace("mode: shadow", "mode: active")), &old), ["every-key"]);
    assert!(names(&text(&RULES.replace("on: issues.closed", "on: issues.reopened\n    mode: off")), &old).is_empty());
    let dry = home.load(format!("{}{RULES}", APP.replace("github: {", "github: {dry_run: true, "))).unwrap();
    assert!(names(&dry, &old).is_empty(), "it writes nothing");
    assert_eq!(names(&old, &dry), ["fewest"], "all that act, once they may");
}
