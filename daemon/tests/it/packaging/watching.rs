//! What an operator watches: whatever rules, dashboard and documentation name is what a daemon at work really tells, and
//! Prometheus' own tool takes all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use orchd_fake::{Fault, NewItem};
use regex::Regex;
use serde_json::Value;

use crate::story::{Database, Story, WEB};

/// Labels that Prometheus gives, and those that a rule of ours gets.
const GIVEN: [&str; 5] = ["job", "instance", "le", "alertname", "alertstate"];

const RULES: &str = "
  - name: triage
    on: issues.opened
    then:
      - label: {add: [triage]}
      - comment: {body: Thank you.}
";

fn project(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(project(name)).unwrap()
}

fn promtool(args: &[&str], input: &str) -> Output {
    let mut tool = Command::new("promtool");
    tool.args(args).current_dir(project("packaging/prometheus")).stdin(Stdio::piped());
    let tool = tool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut tool = tool.expect("promtool is needed: `make test` installs it");
    tool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    tool.wait_with_output().unwrap()
}

fn is_fine(out: &Output) {
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}{complained}");
}

/// What a scrape holds.
#[derive(Default)]
struct Scrape {
    text: String,
    /// By name: type and meaning.
    told: BTreeMap<String, (String, String)>,
    /// By the name of a series (`…_bucket` and so on too): the labels, each with its values.
    series: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Scrape {
    fn read(text: String) -> Self {
        let label = Regex::new(r#"([a-z_]+)="([^"]*)""#).unwrap();
        let mut scrape = Self { text: text.clone(), ..Self::default() };
        let mut helps = BTreeMap::new();
        for line in text.lines() {
            if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
                helps.insert(name.to_owned(), help.to_owned());
            } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                let help = helps.get(name).unwrap_or_else(|| panic!("{name} is not explained")).clone();
                scrape.told.insert(name.to_owned(), (kind.to_owned(), help));
            } else if !line.is_empty() && !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                let labels = scrape.series.entry(name.to_owned()).or_default();
                for found in label.captures_iter(line) {
                    labels.entry(found[1].to_owned()).or_default().insert(found[2].to_owned());
                }
            }
        }
        scrape
    }

    /// What an expression names and the daemon does not tell: metrics, labels, and values of labels.
    fn lacks(&self, expression: &str) -> Vec<String> {
        let selector = Regex::new(r"\b((?:orchd|process)_[a-z_]+)(?:\{([^}]*)\})?").unwrap();
        let matcher = Regex::new(r#"([a-z_]+)\s*(=~|!=|!~|=)\s*"([^"]*)""#).unwrap();
        let grouping = Regex::new(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)").unwrap();
        let mut lacking = Vec::new();
        let mut labels: BTreeSet<&str> = GIVEN.into();
        for found in selector.captures_iter(expression) {
            let Some(series) = self.series.get(&found[1]) else {
                lacking.push(format!("{}: {expression}", &found[1]));
                continue;
            };
            labels.extend(series.keys().map(String::as_str));
            for wanted in matcher.captures_iter(found.get(2).map_or("", |matchers| matchers.as_str())) {
                let (label, how, values) = (&wanted[1], &wanted[2], &wanted[3]);
                match series.get(label) {
                    _ if GIVEN.contains(&label) => {}
                    None => lacking.push(format!("{}{{{label}}}: {expression}", &found[1])),
                    // What is left out need not be there.
                    Some(_) if how.starts_with('!') => {}
                    Some(known) => {
                        let told = |value: &&str| {
                            let whole = Regex::new(&format!("^(?:{value})$")).unwrap();
                            known.iter().any(|known| if how == "=" { known == value } else { whole.is_match(known) })
                        };
                        let lacking_values = values.split('|').filter(|value| !told(value));
                        lacking.extend(lacking_values.map(|value| format!("{label}=\"{value}\": {expression}")));
                    }
                }
            }
        }
        for found in grouping.captures_iter(expression) {
            let named = found[1].split(',').map(str::trim).filter(|label| !label.is_empty());
            lacking.extend(named.filter(|label| !labels.contains(label)).map(|label| format!("{label}: {expression}")));
        }
        lacking
    }

    /// For the documentation.
    fn table(&self) -> String {
        let mut table = "| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n".to_owned();
        for (name, (kind, meaning)) in &self.told {
            let of_it = self.series.iter().filter(|(series, _)| {
                series.strip_prefix(name.as_str()).is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
            });
            let labels: BTreeSet<&str> = of_it.flat_map(|(_, labels)| labels.keys().map(String::as_str)).collect();
            let labels: Vec<String> = labels
                .into_iter()
                .filter(|label| !["le", "quantile"].contains(label))
                .map(|label| format!("`{label}`"))
                .collect();
            table += &format!("| `{name}` | {kind} | {} | {meaning} |\n", labels.join(", "));
        }
        table
    }
}

/// What a daemon tells that has done a bit of everything, in its second life.
async fn scrape_of_a_daemon_at_work() -> Scrape {
    let limits = "  limits: {points_a_minute: 0, content_a_minute: 0, content_an_hour: 0, write_spacing: 1s}\n\
                  retention: {every: 1s}\n";
    let mut story = Story::prepare(Database::Sqlite, RULES, limits).await;
    story.recovery = "{every: 1s, grace: 0s}".to_owned();
    story.write_rules(RULES);
    story.start();
    let alice = story.github.person("alice");
    alice.opens_issue(WEB, NewItem::titled("For the audit chain, whose head is anchored at the next start"));
    story.settles().await;
    assert_eq!(story.stop(), Some(0));
    story.start();
    // No answer, then one that is no good.
    story.github.fault(Fault::on("GET", "/repos/acme/web/").closes());
    story.github.fault(Fault::on("GET", "/repos/acme/api/").status(503));
    // More changes than may follow each other without a pause.
    for n in 0..6 {
        alice.opens_issue(WEB, NewItem::titled(&format!("Number {n}")));
    }
    let refused = alice.opens_issue("acme/api", NewItem::titled("Refused"));
    story.github.fault(Fault::on("POST", &format!("/repos/acme/api/issues/{refused}/labels")).status(422));
    story.settles().await;
    for each in ["orchd_recovery_last_run_timestamp_seconds ", "orchd_retention_last_run_timestamp_seconds "] {
        story.until_metric(each, |_| true).await;
    }
    Scrape::read(story.get("/metrics").await.1)
}

/// Each alert: its name, its expression and where its description leads.
fn alerts() -> Vec<(String, String, String)> {
    let rules: Value = serde_yaml::from_str(&read("packaging/prometheus/orchd.rules.yaml")).unwrap();
    let rules = rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    let text = |rule: &Value, at: &str| rule.pointer(at).and_then(Value::as_str).unwrap().to_owned();
    rules.map(|rule| (text(rule, "/alert"), text(rule, "/expr"), text(rule, "/annotations/runbook_url"))).collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("packaging/grafana/orchd.json")).unwrap()
}

/// What the dashboard asks Prometheus, with its variables filled in.
fn questions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let mut asked = Vec::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().filter(|targets| !targets.is_empty());
        let targets = targets.unwrap_or_else(|| panic!("{} asks nothing", panel["title"]));
        asked.extend(targets.iter().map(|target| target["expr"].as_str().unwrap().to_owned()));
    }
    let annotations = dashboard["annotations"]["list"].as_array().unwrap().iter();
    asked.extend(annotations.filter_map(|each| each["expr"].as_str()).map(str::to_owned));
    let filled = [("$__rate_interval", "5m"), ("$job", "orchd"), ("$instance", ".+")];
    asked.iter().map(|text| filled.iter().fold(text.clone(), |text, (from, to)| text.replace(from, to))).collect()
}

#[tokio::test]
async fn rules_dashboard_and_generated_table_name_what_a_daemon_tells() {
    let scrape = scrape_of_a_daemon_at_work().await;
    is_fine(&promtool(&["check", "metrics"], &scrape.text));
    let asked = alerts().into_iter().map(|(_, expression, _)| expression).chain(questions(&dashboard()));
    let lacking: Vec<String> = asked.flat_map(|expression| scrape.lacks(&expression)).collect();
    assert!(lacking.is_empty(), "{lacking:#?}\n{}", scrape.text);
    metrics_are_documented(&scrape);
}

/// `make docs` writes the table anew.
fn metrics_are_documented(scrape: &Scrape) {
    const BEGIN: &str = "<!-- metrics: begin -->\n";
    const END: &str = "<!-- metrics: end -->\n";
    let page = read("docs/operations.md");
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let current = format!("{before}{BEGIN}{}{END}{after}", scrape.table());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(project("docs/operations.md"), &current).unwrap();
    }
    assert!(
        read("docs/operations.md") == current,
        "the metrics in docs/operations.md are stale: `make docs` writes them anew"
    );
}

#[test]
fn promtool_takes_the_rules_and_proves_that_each_fires_and_is_silent() {
    is_fine(&promtool(&["check", "rules", "orchd.rules.yaml"], ""));
    is_fine(&promtool(&["check", "config", "prometheus.yaml"], ""));
    is_fine(&promtool(&["test", "rules", "orchd.test.yaml"], ""));
    let tests: Value = serde_yaml::from_str(&read("packaging/prometheus/orchd.test.yaml")).unwrap();
    let cases = tests["tests"].as_array().unwrap().iter().flat_map(|test| test["alert_rule_test"].as_array().unwrap());
    let cases: Vec<&Value> = cases.collect();
    for (alert, ..) in alerts() {
        let of_it = || cases.iter().filter(|case| case["alertname"] == alert.as_str());
        let fires = |case: &&&Value| case["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty());
        assert!(of_it().any(|case| fires(&case)), "{alert} is not shown to fire");
        assert!(of_it().any(|case| !fires(&case)), "{alert} is not shown to be silent");
    }
}

#[test]
fn every_alert_leads_to_its_runbook_and_no_runbook_is_left_over() {
    let page = read("docs/operations.md");
    let (_, runbooks) = page.split_once("\n## When an alert fires\n").unwrap();
    let runbooks = runbooks.split("\n## ").next().unwrap();
    // As GitHub makes an anchor of a heading of one word.
    let anchors: BTreeSet<String> =
        runbooks.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_ascii_lowercase).collect();
    let led: BTreeSet<String> = alerts()
        .into_iter()
        .map(|(alert, _, url)| {
            let (document, anchor) = url.split_once('#').unwrap();
            assert!(document.ends_with("/blob/main/docs/operations.md"), "{url}");
            assert_eq!(anchor, alert.to_ascii_lowercase());
            anchor.to_owned()
        })
        .collect();
    assert_eq!(led, anchors);
}

#[test]
fn the_dashboard_is_one_that_grafana_takes() {
    let dashboard = dashboard();
    let rules: Vec<Value> = questions(&dashboard)
        .into_iter()
        .enumerate()
        .map(|(n, expression)| serde_json::json!({"record": format!("question_{n}"), "expr": expression}))
        .collect();
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    let wrapped = serde_json::json!({"groups": [{"name": "dashboard", "rules": rules}]});
    fs::write(file.path(), wrapped.to_string()).unwrap();
    is_fine(&promtool(&["check", "rules", file.path().to_str().unwrap()], ""));

    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "ids are unique");
    let mut taken = BTreeSet::new();
    for panel in panels {
        let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for x in side("x")..side("x") + side("w") {
            assert!(x < 24, "{} stands over the edge", panel["title"]);
            for y in side("y")..side("y") + side("h") {
                assert!(taken.insert((x, y)), "{} lies on another panel", panel["title"]);
            }
        }
        assert!(panel["type"] == "row" || panel["description"].is_string(), "{} is not explained", panel["title"]);
    }
    let (mut sources, mut waiting) = (BTreeSet::new(), vec![&dashboard]);
    while let Some(value) = waiting.pop() {
        if let Some(source) = value.pointer("/datasource/uid").and_then(Value::as_str) {
            sources.insert(source);
        }
        waiting.extend(value.as_object().into_iter().flat_map(|object| object.values()));
        waiting.extend(value.as_array().into_iter().flatten());
    }
    assert_eq!(sources, BTreeSet::from(["${datasource}", "-- Grafana --"]), "nobody else has our data source");
    assert!(dashboard["uid"].is_null() && dashboard["id"].is_null());
}
