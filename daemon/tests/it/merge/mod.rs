//! Merges: they wait without holding anything up, take turns, and merge what was judged or nothing.

mod guarded;
mod races;

use orchd_fake::{Change, Fault, NewItem, Person};
use serde_json::Value;

use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

const RULE: &str = r#"
  - name: merge-it
    on: pull_request.labeled
    if: {expr: "label.name == 'merge'"}
    then:
      - merge: {method: squash, checks: [build], update: true, stop: {labels: [do-not-merge]}}
"#;

/// What somebody did, done.
fn act(_: &Person) {}

impl Story {
    /// A pull request of alice's with its own head branch.
    fn pull(&self, title: &str) -> u64 {
        let new = NewItem::titled(title).head(&format!("work-{title}")).file("src/main.rs");
        self.github.person("alice").opens_pull(WEB, new)
    }

    /// One that bob approves and whose build is well.
    fn ready_pull(&self, title: &str) -> u64 {
        let number = self.pull(title);
        self.github.person("bob").approves(WEB, number);
        self.builds(number, Some("success"));
        number
    }

    fn builds(&self, number: u64, conclusion: Option<&str>) {
        self.github.check_run(WEB, number, "build", conclusion);
    }

    fn asks_to_merge(&self, number: u64) {
        self.github.person("alice").labels(WEB, number, "merge");
    }

    fn is_merged(&self, number: u64) -> bool {
        self.github.issue(WEB, number).is_merged()
    }

    /// State and note of the effects on a pull request, newest first.
    fn merges_of(&self, number: u64) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let effects = self.json_lines(&["effects", "list", "--number", &number.to_string()]);
        effects.iter().map(|effect| (text(&effect["state"]), text(&effect["note"]))).collect()
    }

    /// The state and note of the one effect on a pull request.
    fn merge_of(&self, number: u64) -> (String, String) {
        let merges = self.merges_of(number);
        assert_eq!(merges.len(), 1, "{merges:?}");
        merges.into_iter().next().unwrap()
    }

    #[track_caller]
    fn waits_for(&self, number: u64, what: &str) {
        let (state, note) = self.merge_of(number);
        assert!(state == "waiting" && note.contains(what), "{state}: {note}, not {what}");
        assert!(!self.is_merged(number));
    }

    #[track_caller]
    fn is_held_for(&self, number: u64, what: &str) {
        let (state, note) = self.merge_of(number);
        assert!(state == "held" && note.contains(what), "{state}: {note}, not {what}");
        assert!(!self.is_merged(number));
    }

    /// Heads that GitHub was asked to merge, in order.
    fn asked_to_merge(&self) -> Vec<String> {
        let puts = self.github.writes().into_iter().filter(|each| each.path.ends_with("/merge"));
        puts.map(|each| each.body["sha"].as_str().unwrap().to_owned()).collect()
    }

    /// Pull requests in the order in which they were merged.
    fn merged(&self) -> Vec<u64> {
        let merged = self.github.effects().into_iter().filter(|each| each.change == Change::Merged && each.changed);
        merged.map(|each| each.number).collect()
    }

    fn why(&self, number: u64) -> String {
        String::from_utf8(self.cli(&["why", &format!("{WEB}#{number}")]).stdout).unwrap()
    }

    fn head(&self, number: u64) -> String {
        self.github.issue(WEB, number).head_sha().unwrap()
    }

    /// The request to merge this one.
    fn at_merge(number: u64) -> Fault {
        Fault::on("PUT", &format!("/repos/acme/web/pulls/{number}/merge"))
    }

    #[track_caller]
    fn nothing_went_wrong(&self) {
        assert!(self.json_lines(&["jobs", "list", "--state", "dead"]).is_empty());
        assert!(self.github.duplicate_effects().is_empty(), "{:?}", self.github.duplicate_effects());
    }
}

on_both_databases!(a_merge_waits_for_what_it_lacks_and_says_so, |database: Database| async move {
    let story = Story::begin(database, RULE).await;
    let number = story.pull("One");
    story.asks_to_merge(number);
    story.settles().await;
    story.waits_for(number, "0 of 1 approvals are there");
    let why = story.why(number);
    assert!(why.contains(": waiting (0 of 1 approvals are there)"), "{why}");

    // The author's own word, and that of somebody from elsewhere, are no approvals.
    // Nor is that of a member who may only read.
    story.github.add_collaborator_as(WEB, "rita", "read");
    story.github.person("mallory").approves(WEB, number);
    story.github.person("rita").approves(WEB, number);
    story.settles().await;
    story.waits_for(number, "0 of 1 approvals");
    story.github.person("bob").approves(WEB, number);
    story.settles().await;
    story.waits_for(number, "check `build` is yet to report");
    story.builds(number, None);
    story.github.person("alice").makes_draft(WEB, number);
    story.settles().await;
    story.waits_for(number, "it is a draft");
    story.github.person("alice").marks_ready(WEB, number);
    story.settles().await;
    story.waits_for(number, "check `build` is on commit");
    assert!(story.github.writes().is_empty(), "nothing was tried in vain");

    let head = story.head(number);
    story.builds(number, Some("success"));
    story.settles().await;
    assert!(story.is_merged(number));
    let writes = story.github.writes();
    assert_eq!(writes.len(), 1);
    assert_eq!((&writes[0].body["sha"], &writes[0].body["merge_method"]), (&head.into(), &"squash".into()));
    assert_eq!(story.merge_of(number).0, "applied");
    story.nothing_went_wrong();
});

on_both_databases!(three_merges_take_turns_and_each_is_brought_up_to_date, |database: Database| async move {
    let story = Story::begin(database, RULE).await;
    let [one, two, three] = ["One", "Two", "Three"].map(|title| story.ready_pull(title));
    for number in [one, two, three] {
        story.asks_to_merge(number);
    }
    story.settles().await;
    assert_eq!(story.merged(), [one]);
    story.waits_for(two, "check `build` is yet to report");
    story.waits_for(three, &format!("#{two} goes first into `main`"));

    story.builds(two, Some("success"));
    story.settles().await;
    assert_eq!(story.merged(), [one, two]);
    story.waits_for(three, "check `build` is yet to report");
    story.builds(three, Some("success"));
    story.settles().await;
    assert_eq!(story.merged(), [one, two, three]);

    let updates = story.github.writes().into_iter().filter(|each| each.path.ends_with("/update-branch")).count();
    assert_eq!(updates, 2, "one for each that was behind, when it was its turn");
    story.nothing_went_wrong();
});

on_both_databases!(a_merge_that_is_stopped_lets_the_others_go, |database: Database| async move {
    type Stop = fn(&Story, u64);
    let stops: [(Stop, &str); 4] = [
        (
            |story, number| act(story.github.person("bob").labels(WEB, number, "do-not-merge")),
            "`do-not-merge` says stop",
        ),
        (|story, number| act(story.github.person("bob").unlabels(WEB, number, "merge")), "was removed by bob"),
        (|story, number| act(story.github.person("bob").requests_changes(WEB, number, "No.")), "bob requests changes"),
        (|story, number| story.builds(number, Some("failure")), "check `build` failed"),
    ];
    let story = Story::begin(database, &RULE.replace("update: true, ", "")).await;
    for (stop, why) in stops {
        let first = story.ready_pull("First");
        story.builds(first, None);
        let second = story.ready_pull("Second");
        story.asks_to_merge(first);
        story.asks_to_merge(second);
        story.settles().await;
        story.waits_for(first, "check `build` is on commit");
        story.waits_for(second, &format!("#{first} goes first"));
        stop(&story, first);
        story.settles().await;
        story.is_held_for(first, why);
        assert!(story.is_merged(second), "{why}");
    }
    story.nothing_went_wrong();
});

#[tokio::test]
async fn a_merge_that_waits_for_people_keeps_nobody_waiting() {
    let rule = RULE.replace("update: true, ", "").replace(r#"{expr: "label.name == 'merge'"}"#, "{label: merge}");
    let story = Story::begin(Database::Sqlite, &rule).await;
    let first = story.pull("First");
    let second = story.ready_pull("Second");
    story.asks_to_merge(first);
    story.asks_to_merge(second);
    story.settles().await;
    story.waits_for(first, "0 of 1 approvals");
    assert!(story.is_merged(second));

    // What asks for it once more changes nothing: one of them waits.
    story.github.person("alice").labels(WEB, first, "urgent");
    story.settles().await;
    let merges = story.merges_of(first);
    assert_eq!((merges[0].0.as_str(), merges[1].0.as_str()), ("unchanged", "waiting"), "{merges:?}");
    assert!(merges[0].1.contains("of an earlier event waits for the same"), "{merges:?}");
    story.nothing_went_wrong();
}

#[tokio::test]
async fn a_rule_that_no_longer_matches_merges_nothing() {
    let rule = RULE.replace("pull_request.labeled", "pull_request_review.submitted");
    let story =
        Story::begin(Database::Sqlite, &rule.replace(r#"{expr: "label.name == 'merge'"}"#, "{label: merge}")).await;
    let (number, bob) = (story.pull("One"), story.github.person("bob"));
    story.asks_to_merge(number);
    bob.approves(WEB, number);
    story.settles().await;
    story.waits_for(number, "check `build` is yet to report");
    bob.unlabels(WEB, number, "merge");
    story.builds(number, Some("success"));
    story.settles().await;
    story.is_held_for(number, "the rule no longer matches: label `merge` is absent");
    assert!(story.github.writes().is_empty());
}

#[tokio::test]
async fn what_no_event_tells_is_looked_at_again() {
    let story = Story::begin(Database::Sqlite, RULE).await;
    let number = story.ready_pull("One");
    story.github.works_out_merge(WEB, number, 2);
    story.asks_to_merge(number);
    story.settles().await;
    story.waits_for(number, "GitHub works out whether the branches can be merged");
    story.until("it is merged", |story| story.is_merged(number)).await;
    story.settles().await;
    assert_eq!(story.merge_of(number).0, "applied");
}

#[tokio::test]
async fn what_github_refuses_for_good_is_held_with_its_words() {
    let mut story = Story::begin(Database::Sqlite, RULE).await;
    let (number, second) = (story.ready_pull("One"), story.ready_pull("Two"));
    story.github.fault(Story::at_merge(number).status(405));
    story.asks_to_merge(number);
    story.settles().await;
    story.is_held_for(number, "GitHub refused (405): Refused by the test");

    story.github.set_conflict(WEB, second, true);
    story.asks_to_merge(second);
    story.settles().await;
    story.is_held_for(second, "it conflicts with `main`");

    let revision = |story: &Story| story.json(&["status"])["config"]["revision"].clone();
    let (before, third) = (revision(&story), story.ready_pull("Three"));
    story.replace_more("  dry_run: true");
    story.write_rules(RULE);
    story.wait_for("the new config is in use", |story| revision(story) != before);
    story.asks_to_merge(third);
    story.settles().await;
    assert_eq!(story.merge_of(third).0, "gated");
    assert!(story.merged().is_empty());
    story.nothing_went_wrong();
}
