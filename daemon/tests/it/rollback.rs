//! Rollback: rules did what nobody wanted, and a person has it taken back.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use orchd_fake::{Change, Fault, NewItem, Rules};
use serde_json::Value;

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const MISTAKE: &str = "
  - name: oops
    on: issues.opened
    then: [{label: {add: [wontfix]}}]
";

const NOTHING: &str = "  - {name: oops, mode: off, on: issues.opened, then: [{label: {add: [wontfix]}}]}";

const EVERY_ACTION: &str = "
  - name: everything
    on: issues.opened
    then:
      - label: {add: [wontfix]}
      - comment: {body: \"We do not take this.\"}
      - assign: {add: [bob]}
      - close: {reason: not_planned}
  - name: wake
    on: issue_comment.created
    if: {all: [{state: closed}, {comment: \"^/reopen\"}]}
    then: [{reopen: {}}]
";

/// Runs the CLI with `--json` and reads its one document, while the simulated GitHub goes on answering.
async fn json(story: &Story, args: &[&str]) -> Value {
    let out = story.cli_and_github(&[&["--json"], args].concat()).await;
    assert!(out.status.success(), "orchd {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

async fn plan(story: &Story, args: &[&str]) -> (String, Value) {
    let plan = json(story, &[&["rollback", "plan"], args].concat()).await;
    (plan["rollback"]["id"].as_str().unwrap().to_owned(), plan)
}

async fn execute(story: &Story, id: &str) -> Value {
    json(story, &["rollback", "execute", id, "--yes", "--wait"]).await;
    story.settles().await;
    json(story, &["rollback", "status", id]).await
}

fn count(document: &Value, what: &str) -> u64 {
    document["rollback"]["counts"][what].as_u64().unwrap_or_default()
}

fn undos(document: &Value, state: &str) -> u64 {
    document["rollback"]["counts"]["undos"][state].as_u64().unwrap_or_default()
}

/// Item numbers in the order of the plan.
fn numbers(plan: &Value) -> Vec<u64> {
    plan["items"].as_array().unwrap().iter().map(|item| item["number"].as_u64().unwrap()).collect()
}

/// The verdict and why, of an item of the plan.
fn verdict(plan: &Value, number: u64) -> (String, String) {
    let item = plan["items"].as_array().unwrap().iter().find(|item| item["number"] == number).unwrap();
    let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
    (text("verdict"), text("note"))
}

fn opens(story: &Story, repository: &str, count: usize) -> Vec<u64> {
    let alice = story.github.person("alice");
    (0..count).map(|n| alice.opens_issue(repository, NewItem::titled(&format!("Number {n}")))).collect()
}

fn audited(story: &Story, kind: &str) -> Vec<Value> {
    story.json_lines(&["audit", "list", "--kind", kind, "--limit", "1000"])
}

/// Who asked for the rollbacks and what they did is in the chain, and the chain holds. `executed` are ids, newest first.
fn audit_tells(story: &Story, planned: usize, executed: &[&str]) {
    let me = format!("uid {}", std::fs::metadata("/proc/self").unwrap().uid());
    let asked = [audited(story, "rollback_planned"), audited(story, "rollback_executed")];
    assert_eq!(asked[0].len(), planned);
    assert_eq!(asked[1].iter().map(|row| row["after"]["rollback"].as_str().unwrap()).collect::<Vec<_>>(), executed);
    assert!(asked.iter().flatten().all(|row| row["actor"] == "operator" && row["actor_name"] == me.as_str()));
    for state in ["applied", "unchanged"] {
        let undos = effects_of(story, "orchd:rollback", state).len();
        // Undos that were taken back were applied before.
        let undone = if state == "applied" { effects_of(story, "orchd:rollback", "undone").len() } else { 0 };
        let mut told = audited(story, &format!("effect_{state}"));
        told.retain(|row| row["rule"] == "orchd:rollback");
        assert_eq!(told.len(), undos + undone, "{state}: {told:#?}");
        let names_one = |row: &Value| executed.iter().any(|id| row["note"].as_str().unwrap().contains(id));
        assert!(told.iter().all(|row| row["actor"] == "orchd" && names_one(row)), "{told:#?}");
    }
    let proof = story.cli(&["audit", "verify"]);
    assert!(proof.status.success(), "{}", String::from_utf8_lossy(&proof.stdout));
}

fn effects_of(story: &Story, rule: &str, state: &str) -> Vec<Value> {
    story.json_lines(&["effects", "list", "--rule", rule, "--state", state, "--limit", "1000"])
}

on_both_databases!(ten_items_labelled_by_mistake_are_taken_back_and_brought_back, |database: Database| async move {
    let story = Story::begin(database, MISTAKE).await;
    let issues = opens(&story, WEB, 10);
    story.settles().await;
    assert!(issues.iter().all(|issue| story.github.issue(WEB, *issue).has_label("wontfix")));
    let bob = story.github.person("bob");
    bob.unlabels(WEB, 3, "wontfix");
    bob.unlabels(WEB, 5, "wontfix").labels(WEB, 5, "wontfix");
    story.github.fault(Fault::on("GET", "/repos/acme/web/issues/7/").times(u32::MAX).status(410));
    // What becomes of the rule does not matter to what it did.
    story.write_rules(NOTHING);
    story.until("the rule is off", |story| story.log().contains("config reloaded")).await;
    story.settles().await;

    let writes = story.github.writes().len();
    let (id, planned) = plan(&story, &["--rule", "oops"]).await;
    assert_eq!(story.github.writes().len(), writes, "a plan writes nothing");
    assert_eq!(numbers(&planned), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1], "newest first");
    let counts = ["effects", "undo", "as_before", "changed", "cannot"].map(|what| count(&planned, what));
    assert_eq!(counts, [10, 7, 1, 1, 1], "{planned:#}");
    assert_eq!(verdict(&planned, 10), ("undo".to_owned(), String::new()));
    let (left, why) = verdict(&planned, 3);
    assert!(left == "as_before" && why.starts_with("label `wontfix` was removed by bob"), "{why}");
    let (left, why) = verdict(&planned, 5);
    assert!(left == "changed" && why.starts_with("label `wontfix` was added by bob"), "{why}");
    let (left, why) = verdict(&planned, 7);
    assert!(left == "cannot" && why.contains("GitHub has no /repos/acme/web/issues/7"), "{why}");

    let asked = story.cli_and_github(&["rollback", "execute", &id]).await;
    assert!(!asked.status.success() && String::from_utf8_lossy(&asked.stderr).contains("--yes"), "nobody to ask");
    assert_eq!(story.github.writes().len(), writes);
    // Since the plan a person took one back herself.
    story.github.person("alice").unlabels(WEB, 9, "wontfix");
    let done = execute(&story, &id).await;
    assert_eq!((undos(&done, "applied"), undos(&done, "unchanged")), (6, 1), "{done:#}");
    for issue in &issues {
        let expected: &[&str] = if matches!(issue, 5 | 7) { &["wontfix"] } else { &[] };
        assert_eq!(story.github.issue(WEB, *issue).labels(), expected, "#{issue}");
    }
    let shown = story.cli_and_github(&["rollback", "status", &id]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("label `wontfix` was removed by alice"), "what changed since the plan is told: {shown}");
    assert_eq!(effects_of(&story, "oops", "undone").len(), 6);
    let by_person = effects_of(&story, "orchd:rollback", "applied");
    assert_eq!(by_person.len(), 6);
    assert!(
        by_person.iter().all(|effect| effect["rollback"] == id && effect["intent"]["undoes"].is_string()),
        "{by_person:#?}"
    );
    let again = story.cli_and_github(&["rollback", "execute", &id, "--yes"]).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("carried out before"), "once");
    let (_, nothing) = plan(&story, &["--rule", "oops", "--repo", WEB]).await;
    assert_eq!(count(&nothing, "undo"), 0, "asking twice takes back once: {nothing:#}");

    // A plan of the rollback itself brings it all back, and then the first plan can be made again.
    let (redo, planned) = plan(&story, &["--rollback", &id]).await;
    assert_eq!((count(&planned, "undo"), numbers(&planned)[0]), (6, 1), "{planned:#}");
    let done = execute(&story, &redo).await;
    assert_eq!(undos(&done, "applied"), 6, "{done:#}");
    assert!([1, 2, 4, 6, 8, 10].iter().all(|issue| story.github.issue(WEB, *issue).labels() == ["wontfix"]));
    assert_eq!(effects_of(&story, "oops", "applied").len(), 10, "what was undone stands again");
    let (third, planned) = plan(&story, &["--rule", "oops"]).await;
    assert_eq!(count(&planned, "undo"), 6, "{planned:#}");
    assert_eq!(undos(&execute(&story, &third).await, "applied"), 6);
    assert_eq!(story.github.issue(WEB, 1).labels(), Vec::<String>::new());
    assert!(story.github.duplicate_effects().is_empty(), "{:#?}", story.github.duplicate_effects());
    assert_eq!(story.json_lines(&["rollback", "list"]).len(), 4);
    audit_tells(&story, 4, &[&third, &redo, &id]);
    assert_eq!(audited(&story, "effect_undone").len(), 18, "by each of the three rollbacks six");
    let again = audited(&story, "effect_applied").into_iter().filter(|row| row["rule"] == "oops");
    assert_eq!(again.count(), 16, "ten, and six that were put back");
});

on_both_databases!(all_that_an_event_caused_is_taken_back_in_reverse, |database: Database| async move {
    let story = Story::begin(database, EVERY_ACTION).await;
    let alice = story.github.person("alice");
    story.github.add_label(WEB, "bug");
    let number = alice.opens_issue(WEB, NewItem::titled("It breaks").label("bug"));
    story.settles().await;
    let after = story.github.issue(WEB, number);
    assert!(!after.is_open() && after.comments().len() == 1 && after.assignees() == ["bob"]);
    alice.comments(WEB, number, "/reopen please");
    story.settles().await;
    assert!(story.github.issue(WEB, number).is_open());

    // Closed by one effect, reopened by a later one: each is judged as it will be once the newer ones are taken back.
    let seen = story.github.app_effects().len();
    let (id, planned) = plan(&story, &["--repo", WEB, "--since", "1h"]).await;
    assert_eq!((count(&planned, "effects"), count(&planned, "undo")), (5, 5), "{planned:#}");
    let done = execute(&story, &id).await;
    assert_eq!(undos(&done, "applied"), 5, "{done:#}");
    let issue = story.github.issue(WEB, number);
    assert!(issue.is_open() && issue.assignees().is_empty() && issue.labels() == ["bug"], "{issue:?}");
    assert_eq!(issue.comments().len(), 1, "the App's is gone, alice's stays");
    let undone: Vec<Change> = story.github.app_effects()[seen..].iter().map(|effect| effect.change.clone()).collect();
    assert!(matches!(undone[0], Change::Closed { .. }), "newest first: {undone:?}");
    assert!(matches!(undone[1], Change::Reopened), "{undone:?}");

    let (redo, _) = plan(&story, &["--rollback", &id]).await;
    let done = execute(&story, &redo).await;
    assert_eq!(undos(&done, "applied"), 5, "{done:#}");
    let issue = story.github.issue(WEB, number);
    assert!(issue.is_open() && issue.assignees() == ["bob"] && issue.comments().len() == 2, "{issue:?}");
    assert!(story.github.duplicate_effects().is_empty());
});

#[tokio::test]
async fn what_cannot_be_taken_back_is_told_and_what_may_not_be_written_is_gated() {
    let more = "repository_config: {enabled: true, allow: {actions: [label], max_rules: 3}}";
    let mut story = Story::prepare(Database::Sqlite, MISTAKE, more).await;
    story.start();
    let issue = opens(&story, WEB, 1)[0];
    let file = NewItem::titled("Rules").writes(".github/orchd.yml", "rules: []\n");
    story.github.person("alice").opens_pull(WEB, file);
    story.settles().await;
    let (_, planned) = plan(&story, &["--repo", WEB]).await;
    assert_eq!((count(&planned, "undo"), count(&planned, "cannot")), (1, 1), "{planned:#}");
    assert_eq!(verdict(&planned, 2), ("cannot".to_owned(), "GitHub keeps check runs".to_owned()));

    story.kill();
    story.replace_more("  dry_run: true");
    story.write_rules(MISTAKE);
    story.start();
    let (id, planned) = plan(&story, &["--rule", "oops", "--limit", "5"]).await;
    assert!(planned["rollback"]["gate"].as_str().unwrap().contains("dry run"), "{planned:#}");
    let writes = story.github.writes().len();
    let done = execute(&story, &id).await;
    assert_eq!(undos(&done, "gated"), 1, "{done:#}");
    assert_eq!(story.github.writes().len(), writes);
    assert_eq!(effects_of(&story, "oops", "applied").len(), 1, "it still stands");

    story.replace_more("");
    story.kill();
    story.write_rules(MISTAKE);
    story.start();
    opens(&story, WEB, 1);
    story.settles().await;
    let (_, planned) = plan(&story, &["--rule", "oops", "--limit", "1"]).await;
    assert_eq!((count(&planned, "effects"), &planned["rollback"]["cut_off"]), (1, &true.into()), "{planned:#}");
    let effect = planned["items"][0]["effect"].as_str().unwrap();
    let told = String::from_utf8(story.cli_and_github(&["rollback", "plan", "--effect", effect]).await.stderr).unwrap();
    assert!(told.contains("Of 1 effects 1 to take back"), "{told}");
    assert_eq!(story.github.issue(WEB, issue).labels(), ["wontfix"]);
    let refused = story.cli(&["rollback", "plan"]);
    assert_eq!(refused.status.code(), Some(2), "say what to take back");
}

#[tokio::test]
async fn an_undo_whose_answer_was_lost_is_checked_not_repeated() {
    let story = Story::begin(Database::Sqlite, MISTAKE).await;
    opens(&story, WEB, 3);
    story.settles().await;
    let (id, _) = plan(&story, &["--rule", "oops"]).await;
    let label = |issue: u64| Fault::on("DELETE", &format!("/repos/acme/web/issues/{issue}/labels/wontfix"));
    story.github.fault(label(3).after_doing().closes());
    story.github.fault(label(2).closes());
    let done = execute(&story, &id).await;
    assert_eq!(undos(&done, "applied"), 3, "{done:#}");
    assert!((1..=3).all(|issue| story.github.issue(WEB, issue).labels().is_empty()));
    let taken = story.github.app_effects().into_iter().filter(|it| matches!(it.change, Change::LabelRemoved(_)));
    assert_eq!(
        taken.map(|effect| (effect.number, effect.changed)).collect::<Vec<_>>(),
        [(3, true), (2, true), (1, true)]
    );
}

/// What somebody did, done.
fn act(_: &orchd_fake::Person) {}

/// Effects of the large rollback, over two repositories; `ORCHD_ROLLBACK_EFFECTS=1000` for more.
fn many() -> usize {
    std::env::var("ORCHD_ROLLBACK_EFFECTS").map_or(200, |text| text.parse().unwrap())
}

/// The only rollback there is, once it is planned.
async fn only_plan(story: &Story) -> (String, Value) {
    let listed = story.json_lines(&["rollback", "list"]);
    assert_eq!(listed.len(), 1, "{listed:#?}");
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    loop {
        let planned = json(story, &["rollback", "status", &id]).await;
        if !planned["rollback"]["planned_at"].is_null() {
            return (id, planned);
        }
    }
}

on_both_databases!(kills_in_the_middle_of_a_rollback_change_nothing, |database: Database| async move {
    let mut story = Story::prepare(database, MISTAKE, "").await;
    let (repositories, many) = ([WEB, "acme/api"], many());
    let installation = story.github.installation_of(WEB);
    let minute =
        Rules { points_a_minute: u32::MAX, content_a_minute: u32::MAX, content_an_hour: u32::MAX, ..Rules::default() };
    // Three requests an effect, there and back, and one to judge it: more than a window has.
    let quota = 6 * u32::try_from(many).unwrap();
    story.github.enforce_limits(installation, Rules { quota, window: Duration::from_secs(8), ..minute });
    story.start();
    for repository in repositories {
        opens(&story, repository, many / 2);
    }
    story.settles().await;
    let seen = story.github.app_effects().len();
    assert_eq!(seen, many);
    // People take three of them for their own: two before anybody plans, one afterwards.
    let alice = story.github.person("alice");
    let wants = |number| act(alice.unlabels(WEB, number, "wontfix").labels(WEB, number, "wontfix"));
    wants(5);
    wants(6);
    story.settles().await;
    story.github.set_latency(Duration::from_millis(2));

    let began = Instant::now();
    let asked = story.github.requests().len();
    let a_part = story.github.until("a part is judged", |github| github.requests().len() > asked + many / 3);
    tokio::select! {
        out = story.cli_and_github(&["rollback", "plan", "--rule", "oops"]) => panic!("planned already: {out:?}"),
        () = a_part => {}
    }
    story.kill();
    story.start();
    let (id, planned) = only_plan(&story).await;
    assert_eq!((count(&planned, "undo"), count(&planned, "changed")), (many as u64 - 2, 2));
    wants(7);
    story.settles().await;
    let named = planned["rollback"]["still_active"].to_string();
    assert!(named.contains("oops"), "whoever takes back is told that it may happen again: {named}");
    let planning = began.elapsed();
    let began = Instant::now();
    json(&story, &["rollback", "execute", &id, "--yes"]).await;
    for part in [1, 3] {
        let enough = |story: &Story| story.github.app_effects().len() - seen >= many * part / 5;
        story.until("a part is taken back", enough).await;
        story.kill();
        story.start();
    }
    let status = json(&story, &["rollback", "status", &id]).await;
    assert!(undos(&status, "planned") > 0, "it goes on by itself: {}", status["rollback"]["counts"]);
    story.settles().await;
    println!("{many} effects planned with a kill in {planning:?}, taken back in {:?} with two more", began.elapsed());

    let done = json(&story, &["rollback", "status", &id]).await;
    assert_eq!((undos(&done, "applied"), undos(&done, "held")), (many as u64 - 3, 1), "{}", done["rollback"]["counts"]);
    let shown = String::from_utf8(story.cli_and_github(&["rollback", "status", &id]).await.stdout).unwrap();
    for number in [5, 6, 7] {
        assert!(story.github.issue(WEB, number).has_label("wontfix"), "hers");
        assert!(
            shown.lines().any(|line| line.contains(&format!("{WEB}#{number}")) && line.contains("alice")),
            "{shown}"
        );
    }
    let taken: Vec<_> = story.github.app_effects().split_off(seen);
    assert_eq!(taken.len(), many - 3, "none twice");
    assert!(taken.iter().all(|effect| effect.changed && matches!(effect.change, Change::LabelRemoved(_))));
    for repository in repositories {
        let order = taken.iter().filter(|effect| effect.repository == repository).map(|effect| effect.number);
        let theirs = |number: &u64| repository == WEB && (5..=7).contains(number);
        let expected: Vec<u64> = (1..=many as u64 / 2).rev().filter(|number| !theirs(number)).collect();
        assert_eq!(order.collect::<Vec<_>>(), expected, "{repository}: newest first");
    }
    assert_eq!(story.github.meter(installation).unwrap().refusals(), 0, "no limit was ever met");
    assert_eq!(effects_of(&story, "oops", "undone").len(), many - 3);
    assert!(story.json_lines(&["jobs", "list", "--state", "dead"]).is_empty());
    audit_tells(&story, 1, &[&id]);
    assert_eq!(audited(&story, "effect_undone").len(), many - 3, "each told once, whatever was killed");
});

/// Killed between the two requests that take two labels off, and a person puts the first one back while orchd is down.
/// No event tells of it; the timeline does.
#[tokio::test]
async fn what_a_person_did_while_an_undo_was_half_done_stays() {
    let rule = MISTAKE.replace("[wontfix]", "[one, two]");
    for person in [false, true] {
        let mut story = Story::begin(Database::Sqlite, &rule).await;
        let alice = story.github.person("alice");
        let number = alice.opens_issue(WEB, NewItem::titled("It breaks"));
        story.settles().await;
        let effect = story.json_lines(&["effects", "list"])[0]["intent"]["id"].as_str().unwrap().to_owned();
        let (id, _) = plan(&story, &["--effect", &effect]).await;

        story.github.fault(Fault::on("DELETE", "/repos/acme/web/issues/").after_doing().hangs());
        json(&story, &["rollback", "execute", &id, "--yes"]).await;
        story.github.until("a label is gone", |github| !github.issue(WEB, number).has_label("one")).await;
        story.kill();
        if person {
            alice.labels(WEB, number, "one");
        }
        story.start();
        story.settles().await;

        let undo = &story.json_lines(&["effects", "list"])[0];
        let (state, labels) = (undo["state"].as_str().unwrap(), story.github.issue(WEB, number).labels());
        if person {
            assert_eq!((state, labels), ("held", vec!["two".to_owned(), "one".to_owned()]), "{undo:#}");
            assert!(undo["note"].as_str().unwrap().contains("by alice"), "{undo:#}");
        } else {
            assert_eq!((state, labels), ("applied", Vec::new()), "{undo:#}");
        }
    }
}

/// The undo of a milestone is killed before GitHub has it, and bob sets another one meanwhile: no timeline is needed to
/// leave that alone.
#[tokio::test]
async fn what_a_person_set_while_an_undo_had_not_begun_stays() {
    let rule = MISTAKE.replace("label: {add: [wontfix]}", "milestone: {set: '2.0'}");
    let mut story = Story::begin(Database::Sqlite, &rule).await;
    for title in ["2.0", "3.0"] {
        story.github.add_milestone(WEB, title);
    }
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));
    story.settles().await;
    assert_eq!(story.github.issue(WEB, number).milestone(), Some("2.0"));
    let effect = story.json_lines(&["effects", "list"])[0]["intent"]["id"].as_str().unwrap().to_owned();
    let (id, _) = plan(&story, &["--effect", &effect]).await;
    story.github.fault(Fault::on("PATCH", "/repos/acme/web/issues/").hangs());
    let seen = story.github.writes().len();
    json(&story, &["rollback", "execute", &id, "--yes"]).await;
    story.github.until("GitHub is asked", |github| github.writes().len() > seen).await;
    story.kill();
    story.github.person("bob").sets_milestone(WEB, number, Some("3.0"));
    story.start();
    story.settles().await;
    assert_eq!(story.github.issue(WEB, number).milestone(), Some("3.0"), "bob's");
    assert_eq!(story.json_lines(&["effects", "list"])[0]["state"], "held");
}
