//! What the daemon says to systemd: its journal by field, its status, and a reload that it takes or refuses.

use serde_json::Value;

use crate::machine::text;
use crate::stage::{CONFIG, Stage, TRIAGE};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_journal_finds_the_lines_of_an_event_by_field() {
    let stage = Stage::begin(TRIAGE).await;
    let number = stage.opens_issue("One to be found");
    stage.until_labelled(number, "needs-triage").await;
    let list = format!("orchd events list --json --repo acme/web --type issues --action opened --number {number}");
    let events = stage.machine.json_lines(&list);
    assert_eq!(events.len(), 1, "{events:#?}");
    let id = events[0]["id"].as_str().unwrap();
    crate::until("the journal has the effect", async || !stage.journal("ORCHD_RULE=triage").is_empty()).await;

    let of_event = stage.journal(&format!("ORCHD_EVENT_ID={id}"));
    assert!(!of_event.is_empty(), "nothing of event {id}");
    let of_repository = stage.journal("ORCHD_REPOSITORY=acme/web");
    assert!(of_event.iter().any(|line| line["ORCHD_REPOSITORY"] == "acme/web"), "{of_event:#?}");
    assert!(!of_repository.is_empty());
    // All three at once: the line that tells what the rule did.
    let of_rule = stage.journal(&format!("ORCHD_REPOSITORY=acme/web ORCHD_EVENT_ID={id} ORCHD_RULE=triage"));
    assert!(!of_rule.is_empty(), "{of_event:#?}");
    let messages: Vec<&Value> = of_rule.iter().map(|line| &line["MESSAGE"]).collect();
    println!("    by field: {messages:?}");
    let chatter = stage.journal("_SYSTEMD_UNIT=orchd.service PRIORITY=7");
    assert!(chatter.is_empty(), "lines of debug at level info: {:?}", chatter[0]["MESSAGE"]);
    for line in &of_rule {
        assert_eq!(line["_SYSTEMD_UNIT"], "orchd.service");
        assert!(line["PRIORITY"].is_string() && line["SYSLOG_IDENTIFIER"] == "orchd", "{line:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reload_takes_a_good_config_and_refuses_a_broken_one() {
    let stage = Stage::begin(TRIAGE).await;
    let pid = stage.main_pid();
    stage.machine.write(CONFIG, &stage.config_with(&TRIAGE.replace("needs-triage", "to-sort")));
    stage.machine.run("systemctl reload orchd.service");
    stage.until_journal_says("config reloaded").await;
    let number = stage.opens_issue("After the reload");
    stage.until_labelled(number, "to-sort").await;

    stage.machine.write(CONFIG, &stage.config_with(&TRIAGE.replace("label:", "labl:")));
    stage.machine.run("systemctl reload orchd.service");
    stage.until_journal_says("the changed config is refused and the old one goes on").await;
    let journal = stage.machine.journal();
    assert!(journal.contains("orchd.yaml:") && journal.contains("label"), "{journal}");
    let number = stage.opens_issue("With the old config");
    stage.until_labelled(number, "to-sort").await;
    crate::until("the status tells of it", async || {
        stage.machine.property("StatusText").contains("the one on disk is refused")
    })
    .await;
    assert_eq!(stage.main_pid(), pid, "it was never restarted");
    assert_eq!(stage.machine.property("ActiveState"), "active");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn systemctl_status_tells_the_queue() {
    let stage = Stage::begin(TRIAGE).await;
    let number = stage.opens_issue("One to be counted");
    stage.until_labelled(number, "needs-triage").await;
    let shown = || text(&stage.machine.output("systemctl --no-pager --lines=0 status orchd.service").stdout);
    crate::until("the status tells the queue", async || {
        shown().lines().any(|line| line.trim().starts_with("Status: "))
    })
    .await;
    let shown = shown();
    let status = shown.lines().find(|line| line.trim().starts_with("Status: ")).unwrap();
    println!("    {}", status.trim());
    assert!(status.contains("jobs wait"), "{shown}");
}
