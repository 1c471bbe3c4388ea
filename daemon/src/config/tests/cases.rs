//! Files of tests, and what is wrong with them.

use std::fmt::Write as _;

use super::{ACTIONS, Home, now};
use crate::config::{Cases, Problems, read_cases};
use crate::core::case::differences;

fn read(home: &Home, text: &str) -> Result<Cases, Problems> {
    home.write("tests/a.yaml", text);
    home.write(
        "orchd.yaml",
        "github: {webhook_secrets: [{file: nowhere}]}\nrules: [{name: mark, on: issues, then: [label: {add: [x]}]}]\n",
    );
    read_cases(&home.path().join("tests/a.yaml"), &home.path().join("orchd.yaml"), ACTIONS, now())
}

#[test]
fn a_test_is_read_with_its_place_and_needs_no_secret() {
    let home = Home::new();
    let text = "config: ../orchd.yaml\ntests:\n  - {name: one, event: issues.opened, expect: {mark: {then: [label]}}}\n  - {name: two, event: push, expect: nothing}\n  - {name: three, event: issues.closed, expect: nothing}\n";
    let Cases { rules, cases } = read(&home, text).unwrap();
    let found: Vec<_> = cases
        .iter()
        .map(|each| (each.name.as_str(), each.line, each.column, differences(&rules, &each.case).len()))
        .collect();
    assert_eq!(found, [("one", 3, 5, 0), ("two", 4, 5, 0), ("three", 5, 5, 1)]);
    // Without a config of its own it is that which the caller names.
    assert_eq!(read(&home, text.split_once('\n').unwrap().1).unwrap().rules.len(), 1);
}

#[test]
fn only_an_event_that_always_has_an_item_gets_one_unasked() {
    let item = |rest: &str| {
        let cases = read(&Home::new(), &format!("tests: [{{name: a, expect: nothing, {rest}}}]")).unwrap().cases;
        cases[0].case.event.item
    };
    assert_eq!(item("event: issue_comment.created"), Some(7));
    assert_eq!(item("event: pull_request_review.submitted"), Some(7));
    assert_eq!(item("event: workflow_run.completed"), None);
    assert_eq!(item("event: workflow_run.completed, item: {number: 9}"), Some(9));
    assert_eq!(item("event: push"), None);
}

#[test]
fn what_is_wrong_with_a_file_of_tests() {
    let mut told = String::new();
    let test = |rest: &str| format!("tests: [{{name: a, expect: nothing, {rest}}}]");
    for (title, text) in [
        ("nothing", String::new()),
        ("no tests", "tests: []".to_owned()),
        ("no such config", format!("config: none.yaml\n{}", test("event: push"))),
        ("a config and presets", format!("config: ../orchd.yaml\nextends: [{{preset: docs}}]\n{}", test("event: push"))),
        ("a wrong preset", format!("extends: [{{preset: dosc}}]\n{}", test("event: push"))),
        ("unknown keys", test("event: {kidn: push}, itme: {}, item: {lables: []}, facts: {role: king}")),
        ("no event", "tests: [{name: a, expect: nothing}]".to_owned()),
        ("odd events", "tests:\n- {name: a, event: issues, expect: nothing}\n- {name: b, event: issues.opend, expect: nothing}\n- {name: c, event: isues.opened, expect: nothing}\n- {name: d, event: '*', expect: nothing}".to_owned()),
        ("odd values", test("event: {kind: issues.opened, repository: acme, received_at: yesterday}")),
        ("an item of nothing", test("event: push, item: {number: 1}")),
        ("a draft issue", test("event: issues.opened, item: {draft: true}")),
        ("a payload that is no map", test("event: push, payload: [1]")),
        ("odd facts", test("event: push, facts: {files: a, reviews: [{reviewer: bob, state: fine}], checks: [{state: passing}]}")),
        ("a name twice", "tests: [{name: a, event: push, expect: nothing}, {name: a, event: push, expect: nothing}]".to_owned()),
        ("an odd expectation", "tests: [{name: a, event: push, expect: everything}]".to_owned()),
        ("a rule that is not there", "tests: [{name: a, event: push, expect: {mrak: {nothing: true}}}]".to_owned()),
        ("neither and both", "tests: [{name: a, event: push, expect: {mark: {}}}, {name: b, event: push, expect: {mark: {then: [label], nothing: true}}}]".to_owned()),
        ("odd actions", "tests: [{name: a, event: push, expect: {mark: {then: [lable, {label: {}, close: }, 7]}}}]".to_owned()),
    ] {
        let home = Home::new();
        let problems = match read(&home, &text) {
            Ok(_) => panic!("it should be refused: {text}"),
            Err(problems) => home.relative(&problems.to_string()),
        };
        writeln!(told, "## {title}\n{text}\n=>\n{problems}\n").unwrap();
    }
    insta::assert_snapshot!(told);
}
