//! What people tell orchd in comments.

use orchd_fake::NewItem;

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

/// Whoever labels something takes the word of a person for it.
const UNBUG: &str = "
  - name: unbug
    on: issues.edited
    then:
      - label: {remove: [bug]}
";

const ON: &str = "commands: {enabled: true, repositories: [acme/web]}";

async fn begin(database: Database) -> (Story, u64) {
    let mut story = Story::prepare(database, UNBUG, "").await;
    story.replace_more(ON);
    story.write_rules(UNBUG);
    story.github.add_collaborator_as(WEB, "tara", "triage");
    story.start();
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"));
    story.settles().await;
    (story, number)
}

on_both_databases!(a_person_with_the_role_is_obeyed, |database: Database| async move {
    let (story, number) = begin(database).await;
    let tara = story.github.person("tara");
    let said = tara.comments(WEB, number, "Sure.\n\n/label bug \"good first issue\"\n/assign\n> /close\n");
    story.settles().await;

    let issue = story.github.issue(WEB, number);
    assert_eq!(
        (issue.labels(), issue.assignees()),
        (vec!["bug".into(), "good first issue".into()], vec!["tara".into()])
    );
    assert!(issue.is_open(), "a quotation is no command");
    assert_eq!(story.github.reactions(WEB, said), ["+1"]);
    assert!(story.github.duplicate_effects().is_empty());
    let why = String::from_utf8(story.cli(&["why", &format!("{WEB}#{number}")]).stdout).unwrap();
    assert!(why.contains("rule orchd:command.label: matched"), "{why}");
    assert!(why.contains("`tara` has the role triage, at least triage"), "{why}");

    // What tara asked for is tara's: a rule does not take it back.
    story.github.person("alice").rewrites(WEB, number, "More of it.");
    story.settles().await;
    assert!(story.github.issue(WEB, number).has_label("bug"));
    let effects = story.json_lines(&["effects", "list", "--rule", "unbug"]);
    assert_eq!(effects[0]["state"], "held", "{effects:?}");
    assert!(effects[0]["note"].as_str().unwrap().contains("by tara"), "{effects:?}");

    // And tara may change her mind.
    tara.comments(WEB, number, "/unlabel bug\n/close not-planned");
    story.settles().await;
    let issue = story.github.issue(WEB, number);
    assert_eq!((issue.has_label("bug"), issue.is_open(), issue.state_reason()), (false, false, Some("not_planned")));
});

#[tokio::test]
async fn whoever_may_not_is_told_so_and_nothing_happens() {
    let (story, number) = begin(Database::Sqlite).await;
    let mallory = story.github.person("mallory").comments(WEB, number, "/label bug\n/close");
    let edited = story.github.person("tara").comments(WEB, number, "Hello.");
    story.github.person("tara").edits_comment(WEB, number, edited, "/close");
    story.settles().await;
    let issue = story.github.issue(WEB, number);
    assert!(issue.labels().is_empty() && issue.is_open(), "{issue:?}");
    assert_eq!(story.github.reactions(WEB, mallory), ["confused"]);
    assert!(story.github.reactions(WEB, edited).is_empty(), "an edited comment is no command");
    let why = String::from_utf8(story.cli(&["why", &format!("{WEB}#{number}")]).stdout).unwrap();
    assert!(why.contains("`mallory` has the role read, less than triage"), "{why}");
    let told = story.json_lines(&["audit", "export", "--kind", "decision"]);
    assert!(told.iter().any(|row| row["rule"] == "orchd:command.refused"), "a refusal is in the chain: {told:#?}");

    // Where nobody listens, nobody is heard.
    let api = story.github.person("alice").opens_issue("acme/api", NewItem::titled("It breaks"));
    let unheard = story.github.person("alice").comments("acme/api", api, "/close");
    story.settles().await;
    assert!(story.github.issue("acme/api", api).is_open());
    assert!(story.github.reactions("acme/api", unheard).is_empty());
}

#[tokio::test]
async fn a_mistake_and_a_question_are_answered_once() {
    let (story, number) = begin(Database::Sqlite).await;
    let wrong = story.github.person("tara").comments(WEB, number, "/label\n/help\n/usr/bin/env");
    story.settles().await;
    let answers: Vec<String> = story
        .github
        .issue(WEB, number)
        .comments()
        .into_iter()
        .filter(|(by, _)| by == "orchd[bot]")
        .map(|(_, body)| body)
        .collect();
    assert_eq!(answers.len(), 1);
    assert!(answers[0].contains("`/label`: name a label. Write it like `/label NAME…`."), "{}", answers[0]);
    assert!(answers[0].contains("- `/assign [LOGIN…]`"), "{}", answers[0]);
    assert!(story.github.reactions(WEB, wrong).is_empty());

    // The same event decided on again says nothing twice.
    let event = story.json_lines(&["events", "list", "--type", "issue_comment", "--actor", "tara"])[0]["id"].clone();
    assert!(story.cli(&["events", "replay", event.as_str().unwrap()]).status.success());
    story.settles().await;
    assert_eq!(story.github.issue(WEB, number).comments().len(), 2);
}

const TRIAGE: &str = "
  - name: triage
    on: [issues.opened, issues.edited]
    then:
      - label: {add: [new]}
      - assign: {add: [bob]}
  - name: thank
    on: issues.labeled
    if: {expr: \"label.name == 'done'\"}
    then: [comment: {body: Thank you.}]
  - {name: later, on: issues.closed, then: [lock: {}]}
";

/// The App's comments, oldest first.
fn answers(story: &Story, number: u64) -> Vec<String> {
    let comments = story.github.issue(WEB, number).comments().into_iter();
    comments.filter(|(by, _)| by == "orchd[bot]").map(|(_, body)| body).collect()
}

async fn with_rules(database: Database, rules: &str) -> Story {
    let mut story = Story::prepare(database, rules, "").await;
    story.replace_more(ON);
    story.write_rules(rules);
    for (login, role) in [("tara", "triage"), ("wendy", "write")] {
        story.github.add_collaborator_as(WEB, login, role);
    }
    story.start();
    story
}

on_both_databases!(whoever_asks_why_is_told_what_the_command_line_tells, |database: Database| async move {
    let story = with_rules(database, TRIAGE).await;
    let number = story.github.person("alice").opens_issue(WEB, NewItem::titled("It ``` breaks"));
    story.settles().await;
    let why = String::from_utf8(story.cli(&["why", &format!("{WEB}#{number}")]).stdout).unwrap();
    story.github.person("tara").comments(WEB, number, "/why");
    story.settles().await;
    let told = answers(&story, number);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(why.trim()), "{}\n---\n{why}", told[0]);
    assert!(
        told[0].contains("rule triage: matched") && told[0].contains("→ label {add: [new]}: applied"),
        "{}",
        told[0]
    );

    // Of one rule, also why it did nothing, word for word; and of none that there is.
    story.github.person("bob").labels(WEB, number, "bug");
    story.settles().await;
    let asked = format!("{WEB}#{number}");
    let of_rule = |rule: &str| {
        let out = story.cli(&["why", &asked, "--rule", rule]);
        String::from_utf8(if out.status.success() { out.stdout } else { out.stderr }).unwrap()
    };
    let (thank, later, nobody) = (of_rule("thank"), of_rule("later"), of_rule("trage"));
    for rule in ["thank", "later", "trage"] {
        story.github.person("tara").comments(WEB, number, &format!("/why {rule}"));
        story.settles().await;
    }
    let told = answers(&story, number);
    assert!(told[1].contains(&thank) && thank.contains("rule thank: not matched"), "{}\n---\n{thank}", told[1]);
    assert!(!told[1].contains("rule triage: "), "{}", told[1]);
    // What was commented since came about it too.
    let kinds = |text: &str| text.split(" is issue").next().unwrap().to_owned();
    assert!(
        told[2].contains(&kinds(&later)) && later.contains("it waits for issues.closed"),
        "{}\n---\n{later}",
        told[2]
    );
    assert!(nobody.contains("did you mean `triage`?"), "{nobody}");
    assert!(told[3].contains(nobody.trim().trim_start_matches("orchd: ")), "{}\n---\n{nobody}", told[3]);

    // What is no name stays a quotation.
    story.github.person("tara").comments(WEB, number, "/why `<!--x");
    story.settles().await;
    let odd = answers(&story, number)[4].clone();
    assert!(odd.starts_with("`''!--x` is not a rule name"), "{odd}");

    // Whoever may not label is not told either.
    story.github.person("mallory").comments(WEB, number, "/why");
    story.settles().await;
    assert_eq!(answers(&story, number).len(), 5);
});

on_both_databases!(what_orchd_did_last_is_taken_back_by_a_word, |database: Database| async move {
    let story = with_rules(database, TRIAGE).await;
    let alice = story.github.person("alice");
    let number = alice.opens_issue(WEB, NewItem::titled("It breaks"));
    story.settles().await;
    alice.labels(WEB, number, "done");
    story.settles().await;
    assert_eq!(answers(&story, number).len(), 1, "thank you");

    // It takes the role to write.
    let refused = story.github.person("tara").comments(WEB, number, "/undo");
    story.settles().await;
    assert_eq!(story.github.reactions(WEB, refused), ["confused"]);
    let wendy = story.github.person("wendy");
    wendy.comments(WEB, number, "/undo");
    story.settles().await;
    let issue = story.github.issue(WEB, number);
    assert_eq!((answers(&story, number).len(), issue.has_label("new")), (0, true), "the last event's effects only");

    // Once more goes further back; what a person changed since stays.
    alice.unassigns(WEB, number, "bob").assigns(WEB, number, "bob");
    story.settles().await;
    let said = wendy.comments(WEB, number, "/undo");
    story.settles().await;
    let issue = story.github.issue(WEB, number);
    assert_eq!((issue.has_label("new"), issue.assignees()), (false, vec!["bob".to_owned()]));
    assert_eq!(story.github.reactions(WEB, said), ["+1"]);
    let why = String::from_utf8(story.cli(&["why", &format!("{WEB}#{number}")]).stdout).unwrap();
    assert!(why.contains("rule orchd:command.undo: matched"), "{why}");
    assert!(why.contains("by alice"), "{why}");

    // Told again, the same comment takes nothing more back.
    let event = story.json_lines(&["events", "list", "--type", "issue_comment", "--actor", "wendy"])[0]["id"].clone();
    let effects = story.json_lines(&["effects", "list"]).len();
    assert!(story.cli(&["events", "replay", event.as_str().unwrap()]).status.success());
    story.settles().await;
    assert_eq!(story.json_lines(&["effects", "list"]).len(), effects);

    // What wendy had taken off, no rule puts there again.
    alice.rewrites(WEB, number, "More of it.");
    story.settles().await;
    assert!(!story.github.issue(WEB, number).has_label("new"));
    let effects = story.json_lines(&["effects", "list", "--rule", "triage", "--state", "held"]);
    assert!(effects[0]["note"].as_str().unwrap().contains("by wendy"), "{effects:?}");

    // When nothing is left, that is the answer.
    alice.unassigns(WEB, number, "bob");
    let told = wendy.comments(WEB, number, "/undo triage");
    story.settles().await;
    wendy.comments(WEB, number, "/undo thank");
    story.settles().await;
    assert!(answers(&story, number)[0].contains("nothing here that is left"), "{told} {:?}", answers(&story, number));
    assert!(story.json_lines(&["jobs", "list", "--state", "dead"]).is_empty());
    assert!(story.github.duplicate_effects().is_empty());
    assert!(story.cli(&["audit", "verify"]).status.success());
});

on_both_databases!(a_merge_that_is_asked_for_waits_and_can_be_called_off, |database: Database| async move {
    let story = with_rules(database, "  []").await;
    let alice = story.github.person("alice");
    let number = alice.opens_pull(WEB, NewItem::titled("Mend it").head("fix").file("a.rs"));
    let issue = alice.opens_issue(WEB, NewItem::titled("It breaks"));
    let state = |story: &Story| {
        let effects = story.json_lines(&["effects", "list", "--rule", "orchd:command.merge"]);
        let merge = effects.into_iter().find(|effect| effect["intent"]["action"] == "merge").unwrap();
        (merge["state"].as_str().unwrap().to_owned(), merge["note"].as_str().unwrap_or_default().to_owned())
    };
    let wendy = story.github.person("wendy");
    wendy.comments(WEB, number, "/merge squash");
    wendy.comments(WEB, issue, "/merge");
    story.settles().await;
    assert_eq!(state(&story), ("waiting".to_owned(), "0 of 1 approvals are there".to_owned()));
    assert!(answers(&story, issue)[0].contains("`/merge`: this is no pull request."), "{:?}", answers(&story, issue));

    wendy.comments(WEB, number, "/dequeue");
    story.settles().await;
    assert_eq!(state(&story), ("held".to_owned(), "wendy called it off".to_owned()));

    // She wants it after all. That she had called it off is about what waited then, also when it is decided on again.
    wendy.comments(WEB, number, "/merge squash");
    story.settles().await;
    let comments = story.json_lines(&["events", "list", "--type", "issue_comment", "--actor", "wendy"]);
    let called_off = comments[1]["id"].as_str().unwrap();
    assert!(story.cli(&["events", "replay", called_off]).status.success());
    story.settles().await;
    assert_eq!(state(&story).0, "waiting");
    wendy.comments(WEB, number, "/dequeue");
    story.settles().await;
    assert_eq!(state(&story).0, "held");
    story.github.person("bob").approves(WEB, number);
    story.github.check_run(WEB, number, "build", Some("success"));
    story.settles().await;
    assert!(!story.github.issue(WEB, number).is_merged(), "nobody wants it any more");

    // Asked for once more it goes, and nothing takes it back.
    wendy.comments(WEB, number, "/merge squash");
    story.settles().await;
    assert!(story.github.issue(WEB, number).is_merged());
    wendy.comments(WEB, number, "/undo");
    story.settles().await;
    assert!(answers(&story, number)[0].contains("cannot be taken back: `merge`."), "{:?}", answers(&story, number));
    assert!(story.json_lines(&["jobs", "list", "--state", "dead"]).is_empty());
});

#[tokio::test]
async fn every_command_does_what_it_says() {
    let story = with_rules(Database::Sqlite, "  []").await;
    let alice = story.github.person("alice");
    let number = alice.opens_pull(WEB, NewItem::titled("Mend it").head("fix").file("a.rs"));
    story.github.add_milestone(WEB, "2.0");
    let wendy = story.github.person("wendy");
    let words = "/title It is mended\n/milestone 2.0\n/draft\n/request-review @bob\n/lock \"too heated\"\n/label a";
    wendy.comments(WEB, number, words);
    story.settles().await;
    let pull = story.github.issue(WEB, number);
    assert_eq!((pull.title(), pull.milestone(), pull.lock_reason()), ("It is mended", Some("2.0"), Some("too heated")));
    assert!(pull.is_draft() && pull.has_label("a"), "{pull:?}");
    assert_eq!(pull.requested_reviewers(), ["bob"]);

    wendy.comments(WEB, number, "/ready\n/milestone none\n/unlabel a\n/close\n/delete-branch");
    story.settles().await;
    let pull = story.github.issue(WEB, number);
    assert!(!pull.is_draft() && pull.milestone().is_none() && !pull.has_label("a") && !pull.is_open(), "{pull:?}");
    assert_eq!(pull.branch(), None);
    assert!(story.json_lines(&["jobs", "list", "--state", "dead"]).is_empty());
}

/// Both words are there before either is looked at.
#[tokio::test]
async fn a_merge_is_called_off_though_it_was_not_in_line_yet() {
    let story = with_rules(Database::Sqlite, "  []").await;
    let alice = story.github.person("alice");
    let number = alice.opens_pull(WEB, NewItem::titled("Mend it").head("fix").file("a.rs"));
    story.settles().await;
    story.github.set_latency(std::time::Duration::from_millis(100));
    story.github.person("wendy").comments(WEB, number, "/merge");
    story.github.person("wendy").comments(WEB, number, "/dequeue");
    story.settles().await;
    let effects = story.json_lines(&["effects", "list", "--rule", "orchd:command.merge"]);
    let merge = effects.iter().find(|effect| effect["intent"]["action"] == "merge").unwrap();
    assert_eq!(merge["note"], "wendy called it off", "{merge:#}");
}

const MINE: &str = "
  - name: mark
    on: issues.opened
    then: [label: {add: [bug, new]}]
  - name: unbug
    on: issues.edited
    then:
      - label: {remove: [bug]}
      - title: {prefix: \"[edited] \"}
";

/// What counts as a person's hand is what was done because she asked, and all of that.
#[tokio::test]
async fn a_word_is_the_hand_of_whoever_says_it_and_of_nothing_else() {
    let story = with_rules(Database::Sqlite, MINE).await;
    let (alice, wendy) = (story.github.person("alice"), story.github.person("wendy"));
    let number = alice.opens_issue(WEB, NewItem::titled("It breaks").label("bug"));
    alice.unlabels(WEB, number, "bug").labels(WEB, number, "bug");
    story.settles().await;
    wendy.comments(WEB, number, "/why");
    wendy.comments(WEB, number, "/undo");
    story.settles().await;
    let issue = story.github.issue(WEB, number);
    assert_eq!((issue.has_label("bug"), issue.has_label("new")), (true, false));
    assert_eq!(answers(&story, number).len(), 1, "the answer to why is not what orchd did last");

    // The title that wendy asks for is hers, and the label is still alice's.
    wendy.comments(WEB, number, "/title [edited] It breaks");
    story.settles().await;
    wendy.comments(WEB, number, "/title It breaks");
    story.settles().await;
    alice.rewrites(WEB, number, "More of it.");
    story.settles().await;
    let issue = story.github.issue(WEB, number);
    assert_eq!((issue.has_label("bug"), issue.title()), (true, "It breaks"));
    let held = story.json_lines(&["effects", "list", "--rule", "unbug", "--state", "held"]);
    let notes: Vec<&str> = held.iter().map(|effect| effect["note"].as_str().unwrap()).collect();
    let says = |what: &str| notes.iter().any(|note| note.contains(what));
    assert!(says("was changed by wendy") && says("label `bug` was added by alice"), "{notes:?}");
}

#[tokio::test]
async fn what_two_rules_did_is_taken_back_by_one_comment() {
    let story = with_rules(Database::Sqlite, TRIAGE).await;
    let alice = story.github.person("alice");
    let number = alice.opens_issue(WEB, NewItem::titled("It breaks"));
    alice.labels(WEB, number, "done");
    story.settles().await;
    story.github.person("wendy").comments(WEB, number, "/undo triage\n/undo thank\n/undo thank\n/undo a`@b/c`");
    story.settles().await;
    let issue = story.github.issue(WEB, number);
    assert_eq!((issue.labels(), issue.assignees()), (vec!["done".to_owned()], Vec::new()));
    let told = answers(&story, number);
    assert!(told.len() == 1 && told[0].contains("There is no rule `a'@b/c'`."), "{told:?}");
    assert!(story.github.duplicate_effects().is_empty());
}
