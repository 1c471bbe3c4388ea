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
