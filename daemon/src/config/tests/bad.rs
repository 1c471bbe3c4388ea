//! Configs that are refused, and the exact words of it.

use std::fmt::Write as _;

use super::{APP, Home};

/// Each text, and every problem it gives.
fn told(cases: &[(&str, &str)]) -> String {
    let mut told = String::new();
    for (title, text) in cases {
        let problems = Home::new().problems(text);
        writeln!(told, "## {title}\n{}\n=>\n{problems}\n", text.trim_end()).unwrap();
    }
    told
}

fn with_app(title: &'static str, text: &str) -> (&'static str, String) {
    (title, format!("{APP}{text}"))
}

fn told_with_app(cases: &[(&'static str, &str)]) -> String {
    let cases: Vec<_> = cases.iter().map(|(title, text)| with_app(title, text)).collect();
    told(&cases.iter().map(|(title, text)| (*title, text.as_str())).collect::<Vec<_>>())
}

#[test]
fn what_is_no_yaml_of_ours() {
    insta::assert_snapshot!(told(&[
        ("nothing", ""),
        ("a list", "- server"),
        ("a text", "server"),
        ("cut off", "server: {listen: '127.0.0.1:80"),
        ("a tab", "server:\n\tlisten: 1"),
        ("an alias without anchor", "rules:\n  - on: *.md"),
        ("a tag", "rules: !ruby/object {}"),
        ("two documents", "server: {}\n---\nserver: {}"),
        ("a key twice", "server: {}\nqueue: {}\nserver: {}"),
        ("a key that is a list", "[a, b]: 1"),
    ]));
}

#[test]
fn sections() {
    insta::assert_snapshot!(told_with_app(&[
        ("unknown keys", "servre: {}\nlisten: 1\ncolour: red\nserver: {listne: a, workers: 3}"),
        ("a key of a section below", "repository_config: {repositories: ['acme/*']}"),
        ("not a map", "server: 8080\nqueue: []"),
        (
            "server",
            "server: {listen: localhost, public_url: 'ftp://x', webhook_allow: [githb, 1.2.3.4/40], max_body: 26MiB, read_timeout: 10, max_pending: 0}"
        ),
        ("urls", "server: {public_url: 'https://user:pw@host', trusted_proxies: 10.0.0.0/8}"),
        ("database in memory", "database: 'sqlite::memory:'"),
        ("database of another kind", "database: mysql://root:swordfish@db/orchd"),
        ("database password", "database: 'postgres://orchd:swordfish@db/orchd'"),
        ("database password in the query", "database: {url: 'postgres://db/orchd?user=o&password=swordfish'}"),
        ("database map", "database: {url: 7, object: /x}"),
        ("queue", "queue: {workers: -1, max_attempts: 1.5, lease: 0s, backoff: 10m, backoff_cap: 1m}"),
        ("recovery", "recovery: {every: 500ms, window: 1m, max_requests: 1, sweep: {repositories: [], every: never}}"),
        ("retention", "retention: {events: 365, payloads: 90 days}"),
        ("logging", "logging: {format: jsno, level: 'orchd=loud'}"),
        ("logging file", "logging: {file: {rotate: weekly, keep: 0}}"),
        ("telemetry", "telemetry: {otlp: 'http://collector:4318'}"),
        (
            "telemetry otlp",
            "telemetry: {otlp: {endpoint: collector, headers: {'a b': {env: HOOK_SECRET}, authorization: Bearer}, sample: 2}}"
        ),
        (
            "forward",
            "forward: {repositories: [], workflows: [ci.yml, '!.github/workflows/ci.yml@**'], issuer: token, max_age: 1s, max_body: 2MiB, secret: x}"
        ),
        ("forward to nobody", "forward: {repositories: acme/*}"),
        ("forward secrets", "forward: {secrets: [hush, {secret: hush, repositories: acme/*}, {repositorys: acme/*}]}"),
        ("include", "include: [rules.yaml, '**/x.yaml', 'rules.d/*.yaml', '[']"),
    ]));
}

#[test]
fn secrets() {
    insta::assert_snapshot!(told(&[
        ("none", "github: {app_id: 1}"),
        ("no github", "server: {}"),
        ("empty list", "github: {webhook_secrets: []}"),
        ("clear text", "github:\n  private_key: hunter2\n  webhook_secrets: [hunter2]\n  client_secret: 12345"),
        ("two sources", "github: {webhook_secrets: [{env: A, file: b}]}"),
        ("unknown source", "github: {webhook_secrets: [{vault: a}]}"),
        (
            "no such",
            "github:\n  private_key: {file: none.pem}\n  webhook_secrets: [{env: NOT_SET}, {credential: ../x}]\n  client_secret: {file: credentials}"
        ),
        ("no key", "github: {private_key: {credential: hook}, webhook_secrets: [{credential: hook}]}"),
        (
            "an active rule without an App",
            "rules:\n  - {name: a, on: issues, then: [reopen: ]}\ngithub:\n  webhook_secrets: [{credential: hook}]"
        ),
    ]));
}

#[test]
fn rules() {
    insta::assert_snapshot!(told_with_app(&[
        ("missing", "rules:\n  - {}"),
        ("name", "rules: [{name: 'a b', on: issues, then: [reopen: ]}, {name: 12, on: issues, then: [reopen: ]}]"),
        (
            "name twice",
            "rules:\n  - {name: a, on: issues, then: [reopen: ]}\n  - {name: a, on: issues, then: [reopen: ]}"
        ),
        (
            "triggers",
            "rules:\n  - name: a\n    on: [pull_requests.opened, Push, weather, 7, pull_request.opend, issues.dance, push.any]\n    then: [reopen: ]"
        ),
        ("no triggers", "rules: [{name: a, on: [], then: []}]"),
        (
            "actions",
            "rules:\n  - name: a\n    on: push\n    then:\n      - lable: {add: [x]}\n      - dance: {}\n      - reopen\n      - {close: , reopen: }\n      - label:\n          ad: [x]"
        ),
        ("repositories", "rules: [{name: a, on: issues, then: [reopen: ], repositories: [acme, 'acme/[', '!x']}]"),
        (
            "mode",
            "rules: [{name: a, on: issues, then: [reopen: ], mode: shade, limits: {actions_per_hour: 0, per_day: 1}}]"
        ),
        ("blank if", "rules:\n  - name: a\n    on: issues\n    if:\n      # - label: bug\n    then: [reopen: ]"),
        (
            "actions that no trigger gives what they act on",
            "rules:\n  - name: a\n    on: [push, release.published]\n    then:\n      - build: {}\n      - label: {add: [x]}\n  - name: b\n    on: [push, issues]\n    then:\n      - build: {}\n      - reopen:\n  - name: fine\n    on: [push, pull_request]\n    then: [build: {}, reopen: ]\n  - name: any\n    on: \"*\"\n    then: [build: {}, reopen: ]"
        ),
        (
            "expressions",
            "rules:\n  - name: a\n    on: [push, issues]\n    if:\n      any:\n        - expr: pull_requst.draft\n        - expr: \"item.state == 'open' && item.titel == 'x'\"\n        - {expr: 'item.number =='}\n        - expr: >\n            item.number == 1 &&\n            item.titel == 'x'\n    then: [reopen: ]\n  - name: b\n    on: [push, issues]\n    if: {expr: \"pull_request.draft\"}\n    then: [reopen: ]\n  - name: fine\n    on: \"*\"\n    if: {expr: \"pull_request.draft\"}\n    then: [reopen: ]"
        ),
        ("not a list", "rules: {name: a}"),
    ]));
}

#[test]
fn everything_that_is_wrong_in_all_files_is_told_at_once() {
    let home = Home::new();
    home.write("rules.d/10.yaml", "rules:\n  - {name: same, on: psh, then: [{lable: {}}]}\nserver: {}\n");
    home.write("rules.d/20.yaml", "rules:\n  - {name: same, on: issues, then: [close: {reasn: x}]}\n");
    home.write("rules.d/30.yaml", "rules: [\n");
    home.write("rules.d/40.yaml", b"rules: []\n# caf\xe9\n");
    let text = "include: [rules.d/*.yaml, gone.yaml]
server: {listen: 80}
retentoin: {}
github: {webhook_secrets: [clear], timeout: never}
rules:
  - {name: same, on: issues, then: [reopen: ]}
";
    insta::assert_snapshot!(home.problems(text));
}

#[test]
fn an_alias_bomb_deep_nesting_and_a_giant_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = level - 1;
        writeln!(bomb, "a{level}: &a{level} [{}]", vec![format!("*a{before}"); 9].join(", ")).unwrap();
    }
    let home = Home::new();
    assert!(home.problems(bomb).contains("more than 100000 values once aliases are written out"));
    let mut heavy = format!("text: &text {}\n", "x".repeat(500_000));
    heavy.push_str(&format!("all: [{}]\n", vec!["*text"; 70_000].join(", ")));
    assert!(home.problems(heavy).contains("more than 8 MiB of text once aliases are written out"));
    let mut nested: String = (0..60).map(|level| format!("&a{level} [")).collect();
    nested.push_str(&"x".repeat(500_000));
    assert!(home.problems(nested + &"]".repeat(60)).contains("more than 8 MiB of text"));
    assert!(home.problems("[".repeat(100)).contains("nested deeper than 64 levels"));
    assert!(home.problems("- ".repeat(50_000)).contains("nested deeper than 64 levels"));
    assert!(home.problems("#".repeat(1024 * 1024 + 1)).contains("it is larger than 1 MiB"));
}

#[test]
fn a_config_that_is_not_there_or_is_a_directory_is_told() {
    let home = Home::new();
    let none = home.load_file(&home.path().join("none.yaml")).unwrap_err();
    assert_eq!(
        home.relative(&none.to_string()),
        "none.yaml:1:1: the config cannot be read: No such file or directory (os error 2)"
    );
    let directory = home.load_file(&home.path().join("credentials")).unwrap_err();
    assert_eq!(home.relative(&directory.to_string()), "credentials:1:1: the config cannot be read: it is not a file");
}

#[test]
fn a_mistake_in_a_condition_is_told_where_it_stands() {
    let text = format!(
        "{APP}rules:
  - name: a
    on: issues
    if:
      all:
        - lable: bug
        - not: {{title: \"(\"}}
        - any:
            - files: [docs/**, 7]
    then: [reopen: ]
"
    );
    let problems = Home::new().problems(text);
    let places: Vec<&str> = problems.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["orchd.yaml:7:11", "orchd.yaml:8:17", "orchd.yaml:10:32"], "{problems}");
}

#[test]
fn what_is_quoted_in_a_message_stays_on_one_line() {
    let problems = Home::new().problems("\"a\\nb\\e[31m\": 1\ngithub: {webhook_secrets: [{env: HOOK_SECRET}]}");
    assert!(problems.starts_with("orchd.yaml:1:1: unknown key `a\\nb\\u{1b}[31m`"), "{problems}");
    assert_eq!(problems.lines().count(), 1);
}
