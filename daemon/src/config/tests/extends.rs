//! Presets and files of one's own, as a user extends them.

use std::fmt::Write as _;

use serde_json::json;

use super::{ACTIONS, APP, Home, now};
use crate::config::{load_rules, presets, sources};
use crate::core::rule::Mode;

const OWN: &str = "about: Labels.
parameters:
  team: {help: Who it is for.}
  labels: {help: Which., default: [a, b]}
  count: {help: How many., default: 3}
rules:
  - name: own-${team}
    on: issues
    if: {label: '${labels}'}
    then:
      - label: {add: ['${team}-$${x}-${count}'], remove: '${labels}'}
    limits: {actions_per_hour: '${count}'}
";

fn home() -> Home {
    let home = Home::new();
    home.write("common/own.yaml", OWN);
    home
}

#[test]
fn a_file_of_ones_own_is_filled_in_and_read_before_the_rules_of_the_file() {
    let rules = "extends:
  - file: common/own.yaml
    with: {team: core, count: 7}
    mode: shadow
    repositories: [acme/*]
  - {file: common/own.yaml, with: {team: web, labels: x}}
rules:
  - {name: last, on: issues, then: [reopen: ]}
";
    let config = home().load(format!("{APP}{rules}")).unwrap();
    let names: Vec<_> = config.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["own-core", "own-web", "last"]);
    let (core, web) = (&config.rules[0], &config.rules[1]);
    assert_eq!(core.then[0].params, json!({"add": ["core-${x}-7"], "remove": ["a", "b"]}));
    assert_eq!((core.mode, core.limits.actions_per_hour), (Mode::Shadow, Some(7)));
    assert!(!core.repositories.includes(&"other/web".to_owned().try_into().unwrap()));
    assert_eq!(web.then[0].params, json!({"add": ["web-${x}-3"], "remove": "x"}));
    assert_eq!(web.mode, Mode::Active);
    assert_eq!(config.effective["extends"][0]["with"]["team"], "core");
}

#[test]
fn every_preset_that_comes_with_orchd_can_be_read() {
    let names: Vec<_> = presets().iter().map(|preset| preset.name).collect();
    assert_eq!(names, ["triage", "docs", "dependencies", "stale", "release", "first-contribution", "security"]);
    for preset in presets() {
        assert!(!preset.rules.is_empty() && !preset.parameters.is_empty(), "{}", preset.name);
        assert!(preset.rules.iter().all(|rule| rule.starts_with(&format!("{}.", preset.name))), "{:?}", preset.rules);
    }
}

#[test]
fn included_files_extend_too_and_all_of_it_counts_in_the_revision() {
    let home = home();
    home.write("rules.d/a.yaml", "extends: [{file: ../common/own.yaml, with: {team: core}}]\n");
    let text = format!("{APP}include: [rules.d/*.yaml]\nextends: [{{preset: docs}}]\n");
    let before = home.load(&text).unwrap();
    assert_eq!(before.rules.len(), 5);
    let path = home.path().join("orchd.yaml");
    let alone = load_rules(&path, ACTIONS, now()).unwrap();
    assert_eq!((alone.revision.hash, alone.rules.len()), (before.revision.hash.clone(), 5));
    assert!(sources(&path).files.contains(&home.path().join("rules.d/../common/own.yaml")), "{:?}", sources(&path));
    home.write("common/own.yaml", format!("{OWN}# changed\n"));
    assert_ne!(home.load(&text).unwrap().revision.hash, before.revision.hash);
}

#[test]
fn what_is_wrong_with_an_extends() {
    let mut told = String::new();
    for (title, text) in [
        ("no such preset", "extends: [{preset: triag}, {preset: nothing-like-it}]"),
        ("neither and both", "extends: [{with: {}}, {preset: docs, file: common/own.yaml}]"),
        ("not a list", "extends: docs"),
        ("unknown keys", "extends: [{prest: docs, preset: docs}]"),
        ("unknown parameters", "extends: [{preset: docs, with: {lable: x, colour: red}}]"),
        ("a parameter that is missing", "extends: [{file: common/own.yaml}]"),
        ("with that is no map", "extends: [{preset: docs, with: [label]}]"),
        ("a wrong value, whole", "extends:\n  - preset: docs\n    with:\n      paths: ['[']"),
        ("a wrong value, within", "extends: [{file: common/own.yaml, with: {team: 'a b'}}]"),
        ("a list within a text", "extends: [{file: common/own.yaml, with: {team: [a]}}]"),
        ("a wrong mode and no repositories", "extends: [{preset: docs, mode: shadwo, repositories: []}]"),
        ("twice", "extends: [{preset: docs}, {preset: docs}]"),
        ("no such file", "extends: [{file: common/none.yaml}, {file: common}]"),
        ("a file that extends", "extends: [{file: common/extends.yaml}]"),
        ("a file with mistakes", "extends: [{file: common/bad.yaml}]"),
        ("a file with odd references", "extends: [{file: common/odd.yaml}]"),
        ("in an included file", "include: [rules.d/bad.yaml]"),
    ] {
        let home = home();
        home.write("common/extends.yaml", "about: x\nextends: [{preset: docs}]\nrules: []\n");
        home.write(
            "common/bad.yaml",
            "parameters: {A: {help: x}, b: {default: 1}, c: {help: x, defualt: 1}}\nrules: []\n",
        );
        home.write(
            "common/odd.yaml",
            "about: x\nparameters: {team: {help: x, default: 1}}\nrules:\n  - {name: a, on: issues, then: [label: {add: ['${taem}', '${d', 'x ${{ y }}']}]}\n",
        );
        home.write("rules.d/bad.yaml", "extends: [{preset: dosc}]\n");
        let problems = home.problems(format!("{APP}{text}\n"));
        writeln!(told, "## {title}\n{text}\n=>\n{problems}\n").unwrap();
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_bomb_of_parameters_ends_soon() {
    let home = Home::new();
    let (many, large) = (vec!["'${x}'"; 2_000].join(", "), vec!["v"; 2_000].join(", "));
    home.write(
        "bomb.yaml",
        format!("about: x\nparameters: {{x: {{help: x}}}}\nrules: [{{name: a, on: issues, then: [{many}]}}]\n"),
    );
    let told = home.problems(format!("{APP}extends: [{{file: bomb.yaml, with: {{x: [{large}]}}}}]\n"));
    assert!(told.contains("too much once its parameters are filled in"), "{}", &told[..500]);
}
