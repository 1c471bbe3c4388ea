//! The log alone tells the story of an event.

use orchd_fake::{Fault, NewItem};
use serde_json::{Value, json};

use super::{lines, message, prepare};
use crate::road::DOCS_RULE;
use crate::story::{Story, WEB};

/// The event that opened a pull request.
fn opened(story: &Story, number: u64) -> Value {
    let events = story.json_lines(&["events", "list", "--limit", "100"]);
    let opened = |event: &&Value| event["event_action"] == "opened" && event["number"] == number;
    let found = events.iter().find(opened).unwrap_or_else(|| panic!("{events:#?}"));
    found.clone()
}

#[tokio::test]
async fn every_line_about_an_event_has_its_id_and_one_says_in_words_what_was_done_and_why() {
    let mut story = prepare(DOCS_RULE, "", "orchd=debug,info").await;
    story.start();
    let number = story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("docs/guide.md"));
    story.settles().await;
    story.until("it is told", |story| story.log().contains("asked")).await;
    let event = opened(&story, number);
    let effect = story.json_lines(&["effects", "list"])[0].clone();
    let (id, delivery) = (&event["id"], &event["delivery_id"]);
    let log = story.log();
    let all = lines(&log);
    let told: Vec<&Value> = all.iter().filter(|line| line["event_id"] == *id).collect();
    let find = |what: &str| {
        let found = told.iter().find(|line| message(line).contains(what));
        *found.unwrap_or_else(|| panic!("no line says {what:?} of {id}: {told:#?}"))
    };

    let arrived = find("a delivery was stored");
    assert_eq!((&arrived["delivery_id"], &arrived["repository"]), (delivery, &json!(WEB)));
    assert!(arrived["request_id"].is_string() && arrived["event"] == "pull_request.opened", "{arrived}");
    let matched = find("rule `docs-label` matched");
    assert_eq!(
        (&matched["item"], &matched["rule"], &matched["delivery_id"]),
        (&json!(number), &json!("docs-label"), delivery)
    );
    let read = find("answered");
    assert!(read["request_id"].is_string() && read["job_id"].is_string(), "a request to GitHub tells for what: {read}");

    let done = find(&format!("label on {WEB}#{number}: applied, as rule `docs-label` asked"));
    for (field, expected) in [
        ("repository", json!(WEB)),
        ("item", json!(number)),
        ("rule", json!("docs-label")),
        ("action", json!("label")),
        ("outcome", json!("applied")),
        ("effect_id", effect["intent"]["id"].clone()),
        ("delivery_id", delivery.clone()),
        ("level", json!("INFO")),
    ] {
        assert_eq!(done[field], expected, "{field} of {done}");
    }
    assert!(done["job_id"].is_string());

    // Nothing about it can be missed by asking for the event.
    let jobs: Vec<&Value> = told.iter().map(|line| &line["job_id"]).filter(|job| job.is_string()).collect();
    for line in &all {
        let is_of_it = jobs.contains(&&line["job_id"])
            || line["effect_id"] == effect["intent"]["id"]
            || line["delivery_id"] == *delivery;
        assert!(!is_of_it || line["event_id"] == *id, "{line}");
    }
}

#[tokio::test]
async fn at_info_there_is_one_line_for_each_effect_or_failure_and_none_for_what_matched_nothing() {
    let mut story = prepare(DOCS_RULE, "", "info").await;
    story.start();
    let alice = story.github.person("alice");
    let docs = alice.opens_pull(WEB, NewItem::titled("Docs").file("docs/guide.md"));
    story.settles().await;
    let code = alice.opens_pull(WEB, NewItem::titled("Code").head("p2").file("src/lib.rs"));
    story.settles().await;
    story.github.fault(Fault::on("POST", &format!("/repos/{WEB}/issues/{}/labels", code + 1)).status(422));
    let refused = alice.opens_pull(WEB, NewItem::titled("More docs").head("p3").file("docs/b.md"));
    story.settles().await;

    story.until("it is told", |story| story.log().contains("dead letter")).await;
    let all = lines(&story.log());
    let about = |number: u64| -> Vec<&Value> {
        let event = opened(&story, number)["id"].clone();
        all.iter().filter(|line| line["event_id"] == event).collect()
    };
    let [applied] = about(docs)[..] else { panic!("{:#?}", about(docs)) };
    assert!(message(applied).contains("applied, as rule `docs-label` asked"), "{applied}");
    assert!(about(code).is_empty(), "{:#?}", about(code));
    let [failed] = about(refused)[..] else { panic!("{:#?}", about(refused)) };
    assert_eq!((&failed["level"], &failed["outcome"]), (&json!("ERROR"), &json!("dead")));
    let words = format!("label on {WEB}#{refused}, which rule `docs-label` asked for, failed and is a dead letter");
    assert!(message(failed).contains(&words), "{failed}");
    for field in ["job_id", "effect_id", "delivery_id", "repository", "rule", "action", "item", "error", "attempt"] {
        assert!(!failed[field].is_null(), "{field} of {failed}");
    }
}

#[tokio::test]
async fn a_level_above_that_of_most_lines_takes_no_fields_from_those_that_are_left() {
    let mut story = prepare(DOCS_RULE, "", "warn").await;
    story.start();
    story.github.fault(Fault::on("POST", &format!("/repos/{WEB}/issues/1/labels")).status(422));
    story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("docs/a.md"));
    story.settles().await;
    story.until("it is told", |story| story.log().contains("dead letter")).await;
    let all = lines(&story.log());
    let failed = all.iter().find(|line| line["outcome"] == "dead").unwrap();
    assert!(failed["event_id"] == opened(&story, 1)["id"] && failed["rule"] == "docs-label", "{failed}");
}
