//! `orchd shadow report`: what a rule would have done, beside what people did.

use orchd_fake::NewItem;
use serde_json::Value;

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const RULES: &str = "
  - name: trial
    on: [issues.opened, issues.edited]
    then:
      - label: {add: [bug]}
      - assign: {add: [bob]}
    mode: shadow
  - name: tidy
    on: issues.edited
    then: [close: {}]
    mode: shadow
  - name: talk
    on: issues.opened
    then: [comment: {body: Hello.}]
    mode: shadow
  - name: train
    on: pull_request.opened
    then: [merge: {approvals: 0, checks: []}]
    mode: shadow
  - {name: resting, on: push, then: [dispatch: {workflow: ci.yml, ref: main}], mode: off}
  - {name: busy, on: release.published, then: [dispatch: {workflow: ci.yml, ref: main}]}
";

/// Item, what it would do, and how people answered; sorted.
fn rows(report: &Value) -> Vec<(u64, String, String)> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = report["rows"].as_array().unwrap().iter();
    let mut rows: Vec<_> =
        rows.map(|row| (row["number"].as_u64().unwrap(), text(row, "what"), text(row, "answer"))).collect();
    rows.sort();
    rows
}

fn row(number: u64, what: &str, answer: &str) -> (u64, String, String) {
    (number, what.to_owned(), answer.to_owned())
}

fn said(story: &Story, args: &[&str]) -> (Option<i32>, String) {
    let out = story.cli(&[&["shadow", "report"], args].concat());
    let text = if out.status.success() { out.stdout } else { out.stderr };
    (out.status.code(), String::from_utf8(text).unwrap())
}

const BUG: &str = "put label `bug` there";
const BOB: &str = "assign `bob`";

on_both_databases!(people_agree_disagree_or_do_nothing, |database: Database| async move {
    let story = Story::begin(database, RULES).await;
    let alice = story.github.person("alice");
    for n in 1..=4 {
        alice.opens_issue(WEB, NewItem::titled(&format!("Number {n}")));
    }
    story.settles().await;
    // 1: both as the rule would. 2: the label put there and taken off again. 3: nothing. 4: bob is not to have it.
    alice.labels(WEB, 1, "bug").assigns(WEB, 1, "bob");
    alice.labels(WEB, 2, "bug");
    alice.assigns(WEB, 4, "bob");
    story.settles().await;
    alice.unlabels(WEB, 2, "bug").unassigns(WEB, 4, "bob");
    // Told again and again, it counts once, from its first time on.
    for (number, text) in [(1, "More of it."), (1, "Even more."), (2, "More of it."), (3, "More of it.")] {
        alice.rewrites(WEB, number, text);
    }
    story.settles().await;
    let report = story.json(&["shadow", "report", "trial"]);
    assert_eq!(report["effects"], 16, "two for each of eight events");
    assert_eq!(
        rows(&report),
        [
            row(1, BOB, "agreed"),
            row(1, BUG, "agreed"),
            row(2, BOB, "nothing"),
            row(2, BUG, "disagreed"),
            row(3, BOB, "nothing"),
            row(3, BUG, "nothing"),
            row(4, BOB, "disagreed"),
            row(4, BUG, "nothing"),
        ]
    );
    let figures =
        ["agreed", "disagreed", "nothing", "not_comparable", "items"].map(|key| report[key].as_u64().unwrap());
    assert_eq!(figures, [2, 2, 4, 0, 3]);
    assert_eq!((report["rate"].as_f64(), report["coverage"].as_f64()), (Some(0.5), Some(0.5)));
    assert_eq!((&report["mode"], &report["cut"], &report["limit"]), (&"shadow".into(), &false.into(), &10_000.into()));
    let agreed = report["rows"].as_array().unwrap().iter().find(|row| row["answer"] == "agreed").unwrap();
    assert_eq!((&agreed["target"], &agreed["by"]), (&format!("{WEB}#1").into(), &"alice".into()), "{agreed}");

    let (code, text) = said(&story, &["trial"]);
    assert_eq!(code, Some(0));
    assert!(
        text.contains("\tacme/web#2\tput label `bug` there\tdisagreed\tlabel `bug` was removed by alice on "),
        "{text}"
    );
    assert!(text.contains("agreed 2, disagreed 2, nothing 4, not comparable 0\n"), "{text}");
    let sentence = "It would have made 8 moves; people decided 4 of them by hand (50 %), and agreed with 2 of these \
                    (50 %). Caution: 3 items could be compared, and fewer than 10 say little.";
    assert!(text.ends_with(&format!("{sentence}\n")), "{text}");
    assert_eq!(report["text"], sentence);
    assert!(story.github.writes().is_empty(), "nothing was written");
});

on_both_databases!(what_is_closed_or_merged_by_hand_is_compared_too, |database: Database| async move {
    let story = Story::begin(database, RULES).await;
    let alice = story.github.person("alice");
    let closed = alice.opens_issue(WEB, NewItem::titled("Closed"));
    let reopened = alice.opens_issue(WEB, NewItem::titled("Reopened"));
    let pull = |title: &str| alice.opens_pull(WEB, NewItem::titled(title).head(title).file(&format!("{title}.rs")));
    let (merged, refused, open) = (pull("merged"), pull("refused"), pull("open"));
    for number in [closed, reopened] {
        alice.rewrites(WEB, number, "More of it.");
    }
    story.settles().await;
    alice.closes(WEB, closed).closes(WEB, reopened);
    alice.merges(WEB, merged).closes(WEB, refused);
    story.settles().await;
    alice.reopens(WEB, reopened);
    story.settles().await;

    let tidy = story.json(&["shadow", "report", "tidy"]);
    assert_eq!(rows(&tidy), [row(closed, "close it", "agreed"), row(reopened, "close it", "disagreed")]);
    let train = story.json(&["shadow", "report", "train", "--since", "1d"]);
    assert_eq!(
        rows(&train),
        [row(merged, "merge it", "agreed"), row(refused, "merge it", "disagreed"), row(open, "merge it", "nothing")]
    );
    assert_eq!(train["rate"], 0.5);

    // A comment nobody writes in the rule's place.
    let talk = story.json(&["shadow", "report", "talk"]);
    assert_eq!(rows(&talk)[0], row(closed, "comment {body: Hello.}", "not_comparable"));
    assert_eq!((&talk["rate"], &talk["not_comparable"]), (&Value::Null, &2.into()));
    assert!(talk["text"].as_str().unwrap().contains("nothing to compare"), "{talk:#}");
    assert!(story.github.writes().is_empty(), "nothing was written");
});

#[tokio::test]
async fn a_rule_without_shadow_effects_says_what_to_do() {
    let story = Story::begin(Database::Sqlite, RULES).await;
    for (args, code, part) in [
        (vec!["trial"], 0, "trial is in shadow and matched nothing in this time: `orchd why ITEM --rule trial`"),
        (vec!["resting"], 0, "set `mode: shadow` to record what it would do"),
        (vec!["busy"], 0, "busy is active and recorded nothing in shadow in this time: set `mode: shadow`"),
        (vec!["triall"], 4, "the running config has no rule `triall`: did you mean `trial`?"),
        (vec!["no name"], 2, "is not a rule name"),
        (vec!["trial", "--since", "soon"], 2, "is not a time"),
        (vec![], 2, "required"),
    ] {
        let (found, text) = said(&story, &args);
        assert_eq!(found, Some(code), "{args:?}: {text}");
        assert!(text.contains(part), "{args:?}: {text}");
    }
    // What is older than the window is not told.
    story.github.person("alice").opens_issue(WEB, NewItem::titled("Later"));
    story.settles().await;
    assert_eq!(rows(&story.json(&["shadow", "report", "trial", "--since", "1h"])).len(), 2);
    assert!(said(&story, &["trial", "--since", "0s"]).1.contains("matched nothing in this time"));
}

#[tokio::test]
async fn a_rule_of_a_repositorys_own_file_is_named_with_it() {
    let mut story = Story::prepare(Database::Sqlite, "  []", "repository_config: {enabled: true}").await;
    let own = "rules:\n- {name: welcome, on: issues.opened, mode: shadow, then: [{label: {add: [hello]}}]}\n";
    story.github.put_file(WEB, "main", ".github/orchd.yml", own);
    story.start();
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));
    story.settles().await;
    story.github.person("bob").labels(WEB, number, "hello");
    story.settles().await;
    let report = story.json(&["shadow", "report", "acme/web:welcome"]);
    assert_eq!(rows(&report), [row(number, "put label `hello` there", "agreed")]);
    assert!(story.github.writes().is_empty());
}
