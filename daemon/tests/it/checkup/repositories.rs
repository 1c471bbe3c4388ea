//! Repositories with faults. Each is the one without, with other files in the place of some of its own.

use std::fs;

use orchd::core::checkup::{Protection, TokenDefaults, Told, UnknownOwner};
use orchd::core::facts::Known;

use super::{all_well, check, faultless, told, write};

/// What is found when these files are there.
pub(super) fn found(files: &str) -> Vec<String> {
    found_with(files, &all_well())
}

fn found_with(files: &str, github: &Told) -> Vec<String> {
    let dir = faultless();
    write(dir.path(), files);
    told(&check(dir.path(), github, &[]))
}

#[test]
fn a_repository_of_nothing_but_code() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "== src/main.rs\nfn main() {}");
    let report = check(dir.path(), &all_well(), &[]);
    assert_eq!(
        told(&report),
        [
            "warning readme",
            "warning license",
            "notice contributing",
            "notice code-of-conduct",
            "warning security-policy",
            "notice issue-forms",
            "notice pull-request-template",
            "notice codeowners",
        ]
    );
    // 130 points in all; lost are half of 10, 10 and 5, and a quarter of 5, 3, 8, 3 and 8.
    assert_eq!(report.score, (130 * 4 - 50 - 27) * 100 / (130 * 4));

    // What its owner has for all repositories counts, but for what GitHub does not hand down.
    let all = [
        "CONTRIBUTING.md",
        "CODE_OF_CONDUCT.md",
        "SECURITY.md",
        "ISSUE_TEMPLATE/",
        "PULL_REQUEST_TEMPLATE.md",
        "README.md",
        "CODEOWNERS",
    ];
    let github = Told { inherited: Known::Is(all.map(str::to_owned).to_vec()), ..all_well() };
    assert_eq!(told(&check(dir.path(), &github, &[])), ["warning readme", "warning license", "notice codeowners"]);
}

#[test]
fn files_that_are_there_and_say_nothing() {
    let files = "\
== README.md
<!-- -->
== CONTRIBUTING.md

== docs/CODE_OF_CONDUCT.md
Be kind.
Tell [INSERT CONTACT METHOD] when somebody is not.
== .github/SECURITY.md
We take security seriously.
== .github/PULL_REQUEST_TEMPLATE.md
---
== LICENSE
All my friends may use this.
== LICENSE-BSD
Copyright (c) <year>, <owner>
Redistribution and use in source and binary forms, with or without modification, are permitted. Redistributions in binary form must
== COPYING

";
    assert_eq!(
        found(files),
        [
            "warning readme README.md:1:1",
            "warning license COPYING:1:1",
            "warning license LICENSE:1:1",
            "warning license LICENSE-BSD:1:15",
            "notice contributing CONTRIBUTING.md:1:1",
            "notice code-of-conduct docs/CODE_OF_CONDUCT.md:2:6",
            "warning security-policy .github/SECURITY.md:1:1",
            "notice pull-request-template .github/PULL_REQUEST_TEMPLATE.md:1:1",
        ]
    );
}

#[test]
fn issue_forms_that_github_refuses() {
    let files = "\
== .github/ISSUE_TEMPLATE/bug.yml
name: Bug
description: true
label: bug
labels: [bug, 7]
body:
  - type: texarea
    attributes: {label: A}
  - type: input
    id: first name
    attributes: {label: B}
  - type: input
    id: b
    attributes: {label: C, options: [x]}
  - type: input
    id: b
    attributes: {label: D}
  - type: textarea
    attributes: {label: E?}
  - type: textarea
    attributes: {label: E!}
  - type: input
    attributes: {label: Your password}
  - type: dropdown
    attributes:
      label: F
      options: [x, x, None, yes, true]
      default: 7
  - type: checkboxes
    attributes:
      label: G
      options:
        - text
        - {label: H, required: maybe}
  - type: markdown
  - attributes: {label: I}
  - type: input
    attributes: {description: J}
    validation: {required: true}
== .github/ISSUE_TEMPLATE/2.yml
name: Second form
description: \" \"
body:
  - type: markdown
    attributes: {value: Hello}
== .github/ISSUE_TEMPLATE/3.yml
name: Second form
description: It has the name of another
body: []
== .github/ISSUE_TEMPLATE/4.yml
name: Fourth
body: [
== .github/ISSUE_TEMPLATE/question.md
What would you like to know?
== .github/ISSUE_TEMPLATE/idea.md
---
name: Idea
---
";
    assert_eq!(
        found(files),
        [
            "error issue-forms .github/ISSUE_TEMPLATE/2.yml:2:14",
            "error issue-forms .github/ISSUE_TEMPLATE/2.yml:4:3",
            "error issue-forms .github/ISSUE_TEMPLATE/3.yml:1:7",
            "error issue-forms .github/ISSUE_TEMPLATE/3.yml:3:7",
            "error issue-forms .github/ISSUE_TEMPLATE/4.yml:3:1",
            "warning issue-forms .github/ISSUE_TEMPLATE/bug.yml:1:7",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:2:14",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:3:1",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:4:15",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:6:11",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:9:9",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:13:28",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:15:9",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:20:25",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:22:25",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:26:20",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:26:23",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:26:29",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:26:34",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:27:16",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:32:11",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:33:32",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:34:5",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:35:5",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:37:17",
            "error issue-forms .github/ISSUE_TEMPLATE/bug.yml:38:5",
            "warning issue-forms .github/ISSUE_TEMPLATE/idea.md:1:1",
            "warning issue-forms .github/ISSUE_TEMPLATE/question.md:1:1",
            "warning labels .github/ISSUE_TEMPLATE/bug.yml:4:15",
        ]
    );
}

#[test]
fn a_chooser_that_github_ignores() {
    let files = "\
== .github/ISSUE_TEMPLATE/config.yml
blank_issues: false
blank_issues_enabled: never
contact_links:
  - name: Chat
    url: chat.example.com
    about: Ask people.
  - {name: Mail, url: \"mailto:a@example.com\", text: x}
";
    assert_eq!(
        found(files),
        [
            "error issue-chooser .github/ISSUE_TEMPLATE/config.yml:1:1",
            "error issue-chooser .github/ISSUE_TEMPLATE/config.yml:2:23",
            "error issue-chooser .github/ISSUE_TEMPLATE/config.yml:5:10",
            "error issue-chooser .github/ISSUE_TEMPLATE/config.yml:7:5",
            "error issue-chooser .github/ISSUE_TEMPLATE/config.yml:7:47",
        ]
    );
}

#[test]
fn code_owners_who_are_not_asked() {
    let files = "\
== .github/CODEOWNERS
/docs/       @acme/docs
/src/        @alice
*.py         @bob
!README.md   @bob
*.md         bob
/Docs/       @acme/docs
*            @acme/everyone
/src/**/x.rs @gone @alice # not @gone
== CODEOWNERS
* @bob
== docs/CODEOWNERS
* @bob
";
    let message = "make sure @gone exists and has write access to the repository".to_owned();
    let gone = UnknownOwner { owner: "@Gone".to_owned(), message };
    let github = Told { owners: Known::Is(vec![gone]), ..all_well() };
    assert_eq!(
        found_with(files, &github),
        [
            "warning codeowners .github/CODEOWNERS:1:1",
            "warning codeowners .github/CODEOWNERS:2:1",
            "warning codeowners .github/CODEOWNERS:3:1",
            "error codeowners .github/CODEOWNERS:4:1",
            "error codeowners .github/CODEOWNERS:5:14",
            "warning codeowners .github/CODEOWNERS:6:1",
            "warning codeowners CODEOWNERS:1:1",
            "warning codeowners docs/CODEOWNERS:1:1",
            "error codeowners-owners .github/CODEOWNERS:8:14",
        ]
    );
}

#[test]
fn rules_that_orchd_refuses_and_labels_that_are_not_there() {
    let broken = "\
== .github/orchd.yml
rules:
  - name: docs
    on: [pull_request.openend]
    then:
      - lable: {add: [documentation]}
    extra: 1
";
    assert_eq!(
        found(broken),
        [
            "error orchd-config .github/orchd.yml:3:10",
            "error orchd-config .github/orchd.yml:5:9",
            "error orchd-config .github/orchd.yml:6:5",
        ]
    );
    let renamed = "== ! .github/orchd.yml\n== .github/orchd.yaml\nrules: []";
    assert_eq!(found(renamed), ["warning orchd-config .github/orchd.yaml"]);

    let labels = "\
== .github/orchd.yml
rules:
  - name: docs
    on: [pull_request.opened]
    if:
      any: [{label: [triage, BUG, \"kind/*\"]}, {label: docs}, {not: {label: held}}]
    then:
      - label: {add: [docs], remove: [old]}
      - comment: {body: Thanks}
  - name: nightly
    on: [push]
    then:
      - create_issue: {title: It fails, labels: [bug, nightly]}
";
    let github = Told { labels: Known::Is(vec!["bug".to_owned()]), ..all_well() };
    assert_eq!(
        found_with(labels, &github),
        [
            "warning labels .github/orchd.yml:5:22",
            "warning labels .github/orchd.yml:7:23",
            "warning labels .github/orchd.yml:12:55",
        ]
    );
}

#[test]
fn settings_that_only_github_knows() {
    let open = Protection { rules: Vec::new(), classic: false };
    let github = Told {
        default_branch: Known::Is("master".to_owned()),
        protection: Known::Is(open),
        token: Known::Is(TokenDefaults { may_write: true, may_approve: true }),
        ..all_well()
    };
    assert_eq!(
        found_with("", &github),
        [
            "warning token-defaults",
            "notice token-defaults",
            "warning default-branch .github/workflows/ci.yml:3:21",
            "warning branch-rules",
        ]
    );
    let few = Protection { rules: vec!["creation".to_owned()], classic: false };
    let github = Told { default_branch: Known::Is("gh-pages".to_owned()), protection: Known::Is(few), ..all_well() };
    let expected = [
        "warning default-branch",
        "warning branch-rules",
        "notice branch-rules",
        "notice branch-rules",
        "notice branch-rules",
    ];
    assert_eq!(found_with("", &github), expected);
    // Branch protection of old does not show what it asks for: that is no finding.
    let old = Told { protection: Known::Is(Protection { rules: Vec::new(), classic: true }), ..all_well() };
    assert_eq!(found_with("", &old), [] as [&str; 0]);
    // Who works on `develop` and releases from `main` has forgotten nothing.
    let flow = Told { default_branch: Known::Is("develop".to_owned()), ..all_well() };
    assert_eq!(found_with("", &flow), [] as [&str; 0]);
}

#[test]
fn files_that_cannot_be_read() {
    let dir = faultless();
    fs::write(dir.path().join("CONTRIBUTING.md"), b"caf\xe9").unwrap();
    fs::write(dir.path().join(".github/CODEOWNERS"), "# long\n".repeat(500_000)).unwrap();
    fs::write(dir.path().join(".github/workflows/long.yml"), "# long\n".repeat(500_000)).unwrap();
    let found = told(&check(dir.path(), &all_well(), &[]));
    let expected = [
        "warning files .github/workflows/long.yml",
        "warning files CONTRIBUTING.md",
        "error codeowners .github/CODEOWNERS",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_file_of_a_thousand_faults_ends() {
    let lines: String = (0..1_000).map(|at| format!("/absent/{at} @alice\n")).collect();
    let dir = faultless();
    write(dir.path(), &format!("== .github/CODEOWNERS\n{lines}"));
    let report = check(dir.path(), &all_well(), &[]);
    assert_eq!(report.findings.len(), 101);
    assert_eq!(report.findings[100].message, "900 findings more, which are not listed");
}

#[test]
fn what_strangers_wrote_is_quoted_harmlessly_and_shortly() {
    let evil = format!("evil\u{1b}[2J\u{202e}{}", "x".repeat(5_000));
    let files =
        format!("== .github/ISSUE_TEMPLATE/bug.yml\nname: Long enough\ndescription: x\nbody:\n- type: \"{evil}\"\n");
    let dir = faultless();
    write(dir.path(), &files);
    let report = check(dir.path(), &all_well(), &[]);
    for finding in &report.findings {
        let told = format!("{}{}", finding.message, finding.advice);
        assert!(!told.chars().any(orchd::core::text::is_dangerous) && told.chars().count() < 1_500, "{told}");
    }
    assert!(!report.findings.is_empty());
}
