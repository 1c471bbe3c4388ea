//! Effects that cause events that cause effects, and rules that fight with others.

use std::time::Duration;

use orchd_fake::{Change, GitHub, NewItem};
use serde_json::Value;

use crate::on_both_databases;
use crate::story::{Database, Story, WEB, run_cli};

/// Two rules that want opposite things of one label.
const QUARREL: &str = "
  - name: put-it-there
    on: [issues.opened, issues.unlabeled]
    then:
      - label: {add: [contested]}
  - name: take-it-off
    on: issues.labeled
    then:
      - label: {remove: [contested]}
";

/// Applied effects of the App on the label.
fn moves(story: &Story, number: u64) -> usize {
    let moved = |change: &Change| matches!(change, Change::LabelAdded(_) | Change::LabelRemoved(_));
    let effects = story.github.effects_on(WEB, number);
    effects.iter().filter(|effect| effect.by_app && effect.changed && moved(&effect.change)).count()
}

fn text(output: std::process::Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

on_both_databases!(an_event_that_an_effect_of_ours_caused_names_it, |database: Database| async move {
    let rules = "
  - name: triage
    on: issues.opened
    then:
      - label: {add: [triage]}
      - comment: {body: Thank you.}
  - name: greet-label
    on: [issues.labeled, issue_comment.created]
    then:
      - label: {add: [seen]}
";
    let story = Story::begin(database, rules).await;
    let alice = story.github.person("alice");
    let number = alice.opens_issue(WEB, NewItem::titled("It breaks"));
    // Another bot, and a person, do what we might have done: none of it is ours.
    story.settles().await;
    story.github.person("other[bot]").labels(WEB, number, "from-a-bot");
    alice.labels(WEB, number, "by-hand");
    alice.comments(WEB, number, "Anybody?");
    story.settles().await;

    let effects = story.json_lines(&["effects", "list", "--number", &number.to_string()]);
    let effect_of = |rule: &str, action: &str| {
        let found = effects.iter().rfind(|each| each["intent"]["rule"] == rule && each["intent"]["action"] == action);
        found.unwrap()["intent"]["id"].clone()
    };
    let show = |id: &Value| story.json(&["events", "show", id.as_str().unwrap()]);
    let mut caused = Vec::new();
    for event in story.json_lines(&["events", "list", "--number", &number.to_string()]) {
        let told = show(&event["id"]);
        if event["actor"] == "orchd[bot]" {
            caused.push((event["event_type"].clone(), told["cause"].clone()));
        } else {
            assert!(told.get("cause").is_none(), "{} caused nothing of it: {told:#}", event["actor"]);
        }
    }
    assert_eq!(caused.len(), 3, "{caused:#?}");
    let by = |effect: &Value| caused.iter().find(|(_, cause)| cause["effect"] == *effect).unwrap();
    let (kind, cause) = by(&effect_of("triage", "comment"));
    assert_eq!(
        (kind.as_str().unwrap(), &cause["rule"], &cause["depth"]),
        ("issue_comment", &"triage".into(), &1.into())
    );
    assert_eq!(by(&effect_of("triage", "label")).1["depth"], 1);
    assert_eq!(by(&effect_of("greet-label", "label")).1["depth"], 2, "event, effect, event, effect, event");
    let why = text(story.cli(&["why", &format!("{WEB}#{number}")]));
    assert!(why.contains("(label) of rule greet-label on event") && why.contains("2 effects in a row"), "{why}");
    assert!(story.json_lines(&["guards", "list"]).is_empty());
});

on_both_databases!(rules_that_set_each_other_off_are_stopped_at_the_depth, |database: Database| async move {
    let mut story = Story::prepare(database, QUARREL, "").await;
    story.replace_more("guards: {max_depth: 4, flip_flops: 10}\n");
    story.write_rules(QUARREL);
    story.start();
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));
    story.settles().await;

    assert_eq!(moves(&story, number), 4, "four effects in a row, and no fifth");
    let tripped = story.json_lines(&["guards", "list"]);
    assert_eq!(tripped.len(), 1, "{tripped:#?}");
    assert_eq!((tripped[0]["guard"].as_str(), tripped[0]["rule"].as_str()), (Some("depth"), Some("put-it-there")));
    let chain = "`put-it-there` → `take-it-off` → `put-it-there` → `take-it-off` → `put-it-there`";
    assert!(tripped[0]["note"].as_str().unwrap().contains(chain), "{tripped:#?}");

    // It shows wherever a person looks, and was logged once.
    let why = text(story.cli(&["why", &format!("{WEB}#{number}")]));
    assert!(why.contains("held (stopped: rules set each other off, 4 effects in a row"), "{why}");
    assert!(text(story.cli(&["status"])).contains(&format!("put-it-there on {WEB}#{number}")));
    story.until_metric("orchd_guards_tripped ", |count| count > 0.5).await;
    story.until_metric("orchd_guards_tripped_total{guard=\"depth\"} ", |count| count > 0.5).await;
    let (_, health) = story.get("/health").await;
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!((health["guards"]["tripped"].as_u64(), health["status"].as_str()), (Some(1), Some("degraded")));
    assert_eq!(story.log().matches("a breaker tripped").count(), 1);

    // Other items are not concerned.
    let other = story.github.person("alice").opens_issue(WEB, NewItem::titled("Another"));
    story.settles().await;
    assert_eq!(moves(&story, other), 4);
    assert_eq!(text(story.cli(&["guards", "reset", "--all"])), "2 reset\n");
    let told = story.json_lines(&["audit", "export", "--kind", "guard_reset"]);
    assert!(
        told.len() == 2 && told.iter().all(|row| row["rule"] == "put-it-there" && row["actor"] == "operator"),
        "{told:#?}"
    );
    assert!(story.json_lines(&["guards", "list"]).is_empty());
});

#[tokio::test]
async fn a_breaker_that_was_reset_lets_the_held_effect_through_when_it_is_decided_again() {
    let mut story = Story::prepare(Database::Sqlite, QUARREL, "").await;
    story.replace_more("guards: {max_depth: 4, flip_flops: 10}\n");
    story.write_rules(QUARREL);
    story.start();
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));
    story.settles().await;
    assert!(!story.github.issue(WEB, number).has_label("contested"));
    let held = story.json_lines(&["effects", "list", "--state", "held"]);
    let event = held[0]["intent"]["event"].as_str().unwrap().to_owned();
    let replay = || assert!(story.cli(&["events", "replay", &event]).status.success());

    replay();
    story.settles().await;
    assert_eq!(moves(&story, number), 4, "as long as the breaker is tripped nothing happens");

    let unknown = story.cli(&["guards", "reset", "01980a2b-7c4d-7e5f-8a9b-0c1d2e3f4a5b"]);
    assert_eq!(unknown.status.code(), Some(4));
    let id = story.json_lines(&["guards", "list"])[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(text(story.cli(&["guards", "reset", &id])), "1 reset\n");
    replay();
    story.settles().await;
    assert_eq!(moves(&story, number), 5, "one more, and its echo is stopped again");
    assert!(story.github.issue(WEB, number).has_label("contested"));
    let tripped = story.json_lines(&["guards", "list"]);
    assert_eq!((tripped.len(), tripped[0]["rule"].as_str()), (1, Some("take-it-off")));
}

/// Another App's bot that takes a label off as soon as it is there, for as long as the story lasts.
fn a_bot_takes_off(github: &GitHub, number: u64, label: &'static str) -> tokio::task::JoinHandle<()> {
    let github = github.clone();
    tokio::spawn(async move {
        let mut news = github.news();
        loop {
            if github.issue(WEB, number).has_label(label) {
                github.person("tidy[bot]").unlabels(WEB, number, label);
            }
            if news.changed().await.is_err() {
                return;
            }
        }
    })
}

const INSISTS: &str = "
  - name: insists
    on: [issues.edited, issues.unlabeled]
    then:
      - label: {add: [contested]}
  - name: elsewhere
    on: issues.unlabeled
    then:
      - label: {add: [other]}
";

on_both_databases!(another_bot_that_fights_a_rule_is_left_to_win, |database: Database| async move {
    let story = Story::begin(database, INSISTS).await;
    let alice = story.github.person("alice");
    let number = alice.opens_issue(WEB, NewItem::titled("It breaks"));
    let bot = a_bot_takes_off(&story.github, number, "contested");
    alice.retitles(WEB, number, "It breaks badly");
    let tripped = |story: &Story| story.json_lines(&["guards", "list"]);
    story.until("the breaker trips", |story| !tripped(story).is_empty()).await;
    story.settles().await;

    let added = story.github.effects_on(WEB, number);
    let added = added.iter().filter(|each| each.by_app && each.change == Change::LabelAdded("contested".to_owned()));
    assert_eq!(added.count(), 3, "three times put there, three times taken off, and enough");
    let trip = &tripped(&story)[0];
    assert_eq!((trip["guard"].as_str(), trip["rule"].as_str()), (Some("flip_flop"), Some("insists")));
    let note = trip["note"].as_str().unwrap();
    assert!(note.contains("put label `contested` there 3 times") && note.contains("`tidy[bot]`"), "{note}");
    assert!(story.github.issue(WEB, number).has_label("other"), "the other rule goes on");

    // What comes later is held too, without a word in the log.
    alice.retitles(WEB, number, "It breaks again");
    story.settles().await;
    assert!(!story.github.issue(WEB, number).has_label("contested"));
    assert_eq!(story.log().matches("a breaker tripped").count(), 1);
    bot.abort();
});

on_both_databases!(workflows_and_events_that_set_themselves_off_are_stopped, |database: Database| async move {
    for (on, dispatch) in
        [("repository_dispatch", "{event_type: again}"), ("workflow_run.completed", "{workflow: again.yml, ref: main}")]
    {
        let rules = format!("  - name: again\n    on: [push, {on}]\n    then: [dispatch: {dispatch}]\n");
        let mut story = Story::prepare(database, &rules, "").await;
        story.replace_more("guards: {max_depth: 3}\n");
        story.write_rules(&rules);
        story.github.add_workflow(WEB, "again.yml");
        story.start();
        story.github.person("alice").commits(WEB, "README.md", Some("Hello"));
        story.settles().await;
        assert_eq!(story.github.dispatched(WEB).len(), 3, "{on}");
        let guards = text(story.cli(&["guards", "list"]));
        assert!(guards.contains("\tacme/web\t") && guards.contains("3 effects in a row"), "{guards}");
    }
});

/// Two daemons that know nothing of each other, of which one puts a label there and the other takes it off. Each takes
/// what the other does for the work of its own App, but finds no effect behind it.
#[tokio::test]
async fn two_daemons_that_fight_over_a_label_are_stopped() {
    let rule = |name: &str, on: &str, change: &str| {
        format!("  - name: {name}\n    on: {on}\n    then: [label: {{{change}: [contested]}}]\n")
    };
    let story = Story::begin(Database::Sqlite, &rule("put", "[issues.opened, issues.unlabeled]", "add")).await;
    let (_daemon, url, config) = story.rival(&rule("take", "issues.labeled", "remove")).await;
    let hook = format!("{url}/webhooks/github");
    let client = reqwest::Client::new();
    story.github.hold_deliveries();
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));

    let tripped = || -> Vec<Value> {
        let own = run_cli(&story.config(), &["--json", "guards", "list"]).stdout;
        let of_rival = run_cli(&config, &["--json", "guards", "list"]).stdout;
        let lines = [own, of_rival].concat();
        String::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    // What GitHub tells goes to both, until one of them has enough.
    tokio::time::timeout(Duration::from_secs(60), async {
        while tripped().is_empty() {
            for delivery in story.github.take_deliveries() {
                assert_eq!(story.github.send(&delivery).await, 202);
                let mut request = client.post(&hook).body(delivery.body.clone());
                for (name, value) in &delivery.headers {
                    request = request.header(name, value);
                }
                assert_eq!(request.send().await.unwrap().status(), 202);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("one of them is stopped");
    let trip = &tripped()[0];
    assert_eq!((trip["guard"].as_str(), trip["rule"].as_str()), (Some("flip_flop"), Some("put")), "{trip:#}");
    assert_eq!(moves(&story, number), 6, "three times there and three times off");
    assert!(!story.github.issue(WEB, number).has_label("contested"), "who put it there gave in");
}

#[tokio::test]
async fn a_breaker_ends_by_itself_after_the_configured_time() {
    let mut story = Story::prepare(Database::Sqlite, INSISTS, "").await;
    story.replace_more("guards: {reset_after: 2s}\n");
    story.write_rules(INSISTS);
    story.start();
    let alice = story.github.person("alice");
    let number = alice.opens_issue(WEB, NewItem::titled("It breaks"));
    let bot = a_bot_takes_off(&story.github, number, "contested");
    alice.retitles(WEB, number, "It breaks badly");
    story.until_metric("orchd_guards_tripped_total{guard=\"flip_flop\"} ", |count| count > 0.5).await;
    bot.abort();
    tokio::time::timeout(Duration::from_secs(30), async {
        while !story.json_lines(&["guards", "list"]).is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    alice.retitles(WEB, number, "It breaks again");
    story.settles().await;
    assert!(story.github.issue(WEB, number).has_label("contested"), "nobody takes it off any more");
}

on_both_databases!(issues_that_open_issues_are_stopped_at_the_depth, |database: Database| async move {
    for (trigger, labels) in [("issues.opened", ""), ("issues.labeled", ", labels: [more]")] {
        let rules = format!(
            "  - name: more\n    on: {trigger}\n    then: [create_issue: {{title: More, once: per_event{labels}}}]\n"
        );
        let mut story = Story::prepare(database, &rules, "").await;
        story.replace_more("guards: {max_depth: 4}\n");
        story.write_rules(&rules);
        story.start();
        let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));
        story.github.person("alice").labels(WEB, number, "more");
        story.settles().await;
        assert_eq!(story.github.numbers(WEB).len(), 5, "{trigger}: the one of alice and four of ours");
        let tripped = story.json_lines(&["guards", "list"]);
        assert_eq!((tripped.len(), tripped[0]["guard"].as_str()), (1, Some("depth")), "{tripped:#?}");
        let why = text(story.cli(&["why", &format!("{WEB}#5")]));
        assert!(why.contains("create_issue") && why.contains("held (stopped: rules set each other off"), "{why}");
    }
});
