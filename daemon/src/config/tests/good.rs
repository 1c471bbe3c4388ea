//! Configs that load, and what they become.

use std::time::Duration;

use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{APP, Home};
use crate::config::{Allow, LogFormat, Rotate};
use crate::core::rule::Mode;

#[test]
fn a_webhook_secret_alone_is_a_config() {
    let home = Home::new();
    let config = home.load("github: {webhook_secrets: [{env: HOOK_SECRET}]}").unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.max_body, 25 * 1024 * 1024);
    assert_eq!(config.server.max_pending, 4096);
    assert_eq!(config.database.url.expose_secret(), "sqlite:///var/lib/orchd/orchd.db");
    assert_eq!(config.database.objects.to_str(), Some("/var/lib/orchd/objects"));
    assert_eq!(config.github.webhook_secrets[0].expose_secret(), "swordfish-of-the-environment");
    assert_eq!(config.github.api_url, "https://api.github.com/");
    assert_eq!(config.retention.events, Duration::from_secs(365 * 86_400));
    assert_eq!((config.queue.workers, config.queue.lease), (8, Duration::from_secs(30)));
    assert_eq!((config.logging.format, config.logging.level.as_str()), (LogFormat::Auto, "info"));
    let note = config.notes[0].message.as_str();
    assert_eq!(
        note,
        "`github` lacks `client_id` (or `app_id`) and `private_key`: events are kept, nothing can be done"
    );
    insta::assert_json_snapshot!(config.effective);
}

#[test]
fn a_proxy_that_is_not_listed_is_told() {
    let home = Home::new();
    let notes = |server: &str| home.load(format!("{APP}server: {{{server}}}")).unwrap().notes;
    let told = notes("public_url: 'https://orchd.example.com'");
    assert!(told.iter().any(|note| note.message.contains("`trusted_proxies: [127.0.0.1]`")), "{told:?}");
    for fine in [
        "public_url: 'https://orchd.example.com', trusted_proxies: [127.0.0.1]",
        "public_url: 'https://orchd.example.com', listen: '0.0.0.0:8080'",
        "max_pending: 7",
    ] {
        let told = notes(fine);
        assert!(!told.iter().any(|note| note.message.contains("trusted_proxies")), "{fine}: {told:?}");
    }
}

#[test]
fn every_section_is_read_as_written() {
    let home = Home::new();
    let text = format!(
        "{APP}server:
  listen: '[::1]:9000'
  public_url: https://orchd.example.com/
  admin_socket: run/orchd.sock
  webhook_allow: [github, 192.0.2.0/24, 2001:db8::1]
  trusted_proxies: [127.0.0.1]
  max_body: 1MiB
  read_timeout: 1m30s
database: {{url: 'sqlite://state/orchd.db?cache=private', objects: big}}
queue: {{backoff: 250ms}}
logging: {{format: json, level: 'info,orchd::engine=debug'}}
rules:
  - name: docs
    repositories: [acme/*, '!acme/secret']
    on: [pull_request.opened, push]
    then: [{{label: {{add: [documentation]}}}}, {{reopen: }}]
    mode: shadow
    limits: {{actions_per_hour: 100}}
"
    );
    let config = home.load(text).unwrap();
    assert_eq!(config.server.public_url.as_deref(), Some("https://orchd.example.com"));
    assert_eq!(config.server.admin_socket, Some(home.path().join("run/orchd.sock")));
    assert_eq!(config.server.webhook_allow[0], Allow::GitHub);
    assert_eq!(config.server.webhook_allow[2], Allow::Net("2001:db8::1/128".parse().unwrap()));
    assert_eq!(config.server.read_timeout, Duration::from_secs(90));
    let url = format!("sqlite://{}/state/orchd.db?cache=private", home.path().display());
    assert_eq!(config.database.url.expose_secret(), url);
    assert_eq!(config.database.objects, home.path().join("big"));
    let rule = &config.rules[0];
    assert_eq!((rule.name.as_str(), rule.mode, rule.limits.actions_per_hour), ("docs", Mode::Shadow, Some(100)));
    assert_eq!(rule.on.iter().map(ToString::to_string).collect::<Vec<_>>(), ["pull_request.opened", "push.*"]);
    assert_eq!(rule.then[1].params, json!({}));
    assert!(!rule.repositories.includes(&"Acme/Secret".to_owned().try_into().unwrap()));
    assert_eq!(config.effective["rules"][0]["then"], json!([{"label": {"add": ["documentation"]}}, {"reopen": {}}]));
}

#[test]
fn included_rules_follow_those_of_the_file_in_the_order_of_their_names() {
    let home = Home::new();
    let rule = |name: &str| format!("rules: [{{name: {name}, on: issues, mode: shadow, then: [reopen: ]}}]\n");
    home.write("rules.d/20-b.yaml", rule("b"));
    home.write("rules.d/10-a.yaml", rule("a"));
    home.write("rules.d/.hidden.yaml", "not: read");
    home.write("rules.d/empty.yaml", "");
    home.write("rules.d/notes.txt", "not: read");
    let text = format!("{APP}include: [rules.d/*.yaml, rules.d/20-b.yaml, 'none/*.yaml', '*.yaml']\n{}", rule("first"));
    let before = home.load(&text).unwrap();
    assert_eq!(before.rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["first", "a", "b"]);
    home.write("rules.d/20-b.yaml", rule("c"));
    assert_ne!(before.revision.hash, home.load(&text).unwrap().revision.hash);
}

#[test]
fn anchors_save_typing() {
    let home = Home::new();
    let text = format!(
        "{APP}rules:
  - {{name: one, on: &both [issues, pull_request], then: [close: &why {{reason: completed}}]}}
  - {{name: two, on: *both, then: [close: *why]}}
"
    );
    let config = home.load(text).unwrap();
    assert_eq!(config.rules[0].then, config.rules[1].then);
    assert_eq!(config.rules[0].on, config.rules[1].on);
}

/// Invariant 11, as far as the config goes.
#[test]
fn secrets_never_appear_in_effective_or_debug() {
    let home = Home::new();
    home.write("credentials/database", "postgres://orchd:swordfish-of-the-file@db/orchd\n");
    let text = "database: {url: {credential: database}}
github:
  client_id: Iv1.abc
  private_key: {credential: app.pem}
  webhook_secrets: [{credential: hook}, {env: HOOK_SECRET}]
  client_secret: {file: credentials/oauth}
";
    let config = home.load(text).unwrap();
    assert!(config.database.url.expose_secret().contains("swordfish"));
    for shown in [config.effective.to_string(), format!("{config:?}")] {
        assert!(!shown.contains("swordfish"), "{shown}");
        assert!(!shown.contains("PRIVATE KEY"), "{shown}");
    }
    assert_eq!(config.effective["github"]["private_key"], json!({"credential": "app.pem"}));
}

#[test]
fn a_log_file_and_a_collector_are_read_and_what_its_headers_hold_is_shown_to_nobody() {
    let home = Home::new();
    home.write("credentials/collector", "Bearer swordfish-of-the-collector\n");
    let text = "github: {webhook_secrets: [{credential: hook}]}
logging: {file: {path: logs/orchd.log, rotate: hourly}}
telemetry:
  otlp: {endpoint: 'http://collector:4318/', headers: {authorization: {credential: collector}}, sample: 0.1}
";
    let config = home.load(text).unwrap();
    let file = config.logging.file.clone().unwrap();
    assert_eq!((file.path, file.rotate, file.keep), (home.path().join("logs/orchd.log"), Rotate::Hourly, 14));
    let otlp = config.telemetry.otlp.clone().unwrap();
    assert_eq!((otlp.endpoint.to_string().as_str(), otlp.sample), ("http://collector:4318/v1/traces", 0.1));
    assert_eq!(otlp.headers[0].1.expose_secret(), "Bearer swordfish-of-the-collector");
    for shown in [config.effective.to_string(), format!("{config:?}")] {
        assert!(!shown.contains("swordfish"), "{shown}");
    }
    assert_eq!(config.effective["logging"]["file"]["keep"], json!(14));

    let whole = text.replace("4318/", "4318/otel/v1/traces");
    let otlp = home.load(whole).unwrap().telemetry.otlp.unwrap();
    assert_eq!(otlp.endpoint.to_string(), "http://collector:4318/otel/v1/traces");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_makes_the_loader_panic(text in "\\PC{0,80}") {
        let _ = Home::new().load(text);
    }

    #[test]
    fn no_bytes_make_the_loader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Home::new().load(bytes);
    }

    #[test]
    fn no_arrangement_of_yaml_makes_the_loader_panic(parts in proptest::collection::vec(part(), 0..40)) {
        let _ = Home::new().load(parts.concat());
    }
}

fn part() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "server",
        "database",
        "github",
        "rules",
        "include",
        "extends",
        "preset",
        "docs",
        "with",
        "paths",
        "file",
        "name",
        "on",
        "then",
        "if",
        "webhook_secrets",
        "listen",
        ": ",
        ":",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "'",
        "\"",
        "&a ",
        "*a",
        "!!str ",
        "!x",
        "|\n",
        ">-\n",
        "? ",
        "# ",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\t",
        "~",
        "1e400",
        "0x1f",
        ".nan",
        "<<",
        "\u{feff}",
        "\u{85}",
        "é",
    ])
}

#[test]
fn a_rule_may_wait_for_the_day_alone() {
    let home = Home::new();
    let rules = "rules: [{name: a, on: schedule.daily, if: {expr: number > 3}, then: [reopen: ]}]";
    let config = home.load(format!("{APP}{rules}")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.rules.len(), 1);
}

#[test]
fn rules_are_read_without_the_rest_of_the_config() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("orchd.yaml");
    let rule = "{name: a, on: issues.opened, then: [{label: {add: [x]}}]}";
    let rest = "github: {webhook_secrets: [{file: nowhere}]}\n";
    std::fs::write(&path, format!("{rest}rules: [{rule}]\n")).unwrap();
    let now = chrono::DateTime::UNIX_EPOCH;
    let read = super::super::load_rules(&path, super::ACTIONS, now).unwrap();
    assert_eq!((read.rules.len(), read.shown[0]["mode"].as_str()), (1, Some("active")));
    std::fs::write(&path, format!("{rest}ruels: [{rule}]\n")).unwrap();
    let told = super::super::load_rules(&path, super::ACTIONS, now).unwrap_err().to_string();
    assert!(told.contains(":2:1: unknown key `ruels`: did you mean `rules`?"), "{told}");
}
