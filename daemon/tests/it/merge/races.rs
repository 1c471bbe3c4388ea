//! What happens between the last look and the merge: on GitHub, and to the daemon.

use orchd_fake::{BranchRules, Fault};

use super::RULE;
use crate::on_both_databases;
use crate::story::{Database, Story, WEB};

on_both_databases!(a_merge_whose_answer_was_lost_is_not_asked_for_again, |database: Database| async move {
    let story = Story::begin(database, RULE).await;
    let number = story.ready_pull("One");
    story.github.fault(Story::at_merge(number).after_doing().status(500));
    story.asks_to_merge(number);
    story.settles().await;
    let (state, note) = story.merge_of(number);
    assert!(state == "applied" && note.contains("it had happened"), "{state}: {note}");
    assert_eq!(story.asked_to_merge().len(), 1);
    let receipt = &story.json_lines(&["effects", "list"])[0];
    assert_eq!(receipt["after"]["standing"]["merged"]["by"], "orchd[bot]");
    story.nothing_went_wrong();
});

on_both_databases!(a_head_that_moves_before_the_merge_is_judged_anew, |database: Database| async move {
    let story = Story::begin(database, RULE).await;
    let number = story.ready_pull("One");
    let (judged, alice) = (story.head(number), story.github.person("alice"));
    story.github.fault(Story::at_merge(number).meanwhile(move || {
        alice.pushes(WEB, number, &["src/sneaked_in.rs"]);
    }));
    story.asks_to_merge(number);
    story.settles().await;
    story.waits_for(number, "check `build` is yet to report");
    story.builds(number, Some("success"));
    story.settles().await;
    assert!(story.is_merged(number));
    assert_eq!(story.asked_to_merge(), [judged, story.head(number)], "what was judged, each time");
    story.nothing_went_wrong();
});

on_both_databases!(a_check_that_turns_red_before_the_merge_stops_it, |database: Database| async move {
    let story = Story::begin(database, RULE).await;
    let number = story.ready_pull("One");
    let github = story.github.clone();
    github.protect(WEB, "main", BranchRules { checks: vec!["build".to_owned()], ..BranchRules::default() });
    story
        .github
        .fault(Story::at_merge(number).meanwhile(move || github.check_run(WEB, number, "build", Some("failure"))));
    story.asks_to_merge(number);
    story.settles().await;
    story.is_held_for(number, "check `build` failed");
    assert_eq!(story.asked_to_merge().len(), 1);
    story.nothing_went_wrong();
});

on_both_databases!(a_review_that_is_dismissed_before_the_merge_is_waited_for, |database: Database| async move {
    let story = Story::begin(database, RULE).await;
    let number = story.ready_pull("One");
    let alice = story.github.person("alice");
    let of_bob = story.github.issue(WEB, number).reviews().last().unwrap().id;
    story.github.protect(WEB, "main", BranchRules { approvals: 1, ..BranchRules::default() });
    story.github.fault(Story::at_merge(number).meanwhile(move || {
        alice.dismisses(WEB, number, of_bob);
    }));
    story.asks_to_merge(number);
    story.settles().await;
    story.waits_for(number, "0 of 1 approvals");
    story.github.person("bob").approves(WEB, number);
    story.settles().await;
    assert!(story.is_merged(number));
    story.nothing_went_wrong();
});

on_both_databases!(a_person_who_merges_in_the_same_moment_wins, |database: Database| async move {
    let story = Story::begin(database, RULE).await;
    let number = story.ready_pull("One");
    let alice = story.github.person("alice");
    story.github.fault(Story::at_merge(number).meanwhile(move || {
        alice.merges(WEB, number);
    }));
    story.asks_to_merge(number);
    story.settles().await;
    assert_eq!(story.merge_of(number), ("unchanged".to_owned(), "alice merged it".to_owned()));
    assert_eq!(story.merged(), [number]);
    let why = story.why(number);
    assert!(why.contains(": unchanged (alice merged it)"), "{why}");
    story.nothing_went_wrong();
});

on_both_databases!(killed_in_the_middle_of_a_merge_it_merges_once, |database: Database| async move {
    for (done, fault) in [(true, "before the answer"), (false, "before GitHub acted")] {
        let mut story = Story::begin(database, RULE).await;
        let number = story.ready_pull("One");
        let hangs = Story::at_merge(number).hangs();
        story.github.fault(if done { hangs.after_doing() } else { hangs });
        story.asks_to_merge(number);
        story.github.until("the merge is asked for", |_| !story.asked_to_merge().is_empty()).await;
        story.github.until("GitHub acted", |_| story.is_merged(number) == done).await;
        story.kill();
        story.start();
        story.settles().await;
        assert_eq!(story.merged(), [number], "{fault}");
        assert_eq!(story.asked_to_merge().len(), if done { 1 } else { 2 }, "{fault}");
        assert_eq!(story.merge_of(number).0, "applied", "{fault}");
        story.nothing_went_wrong();
    }
});

on_both_databases!(killed_while_it_waits_or_updates_it_goes_on, |database: Database| async move {
    let mut story = Story::begin(database, RULE).await;
    let number = story.ready_pull("One");
    story.github.person("bob").commits(WEB, "README.md", Some("News."));
    let update = format!("/repos/acme/web/pulls/{number}/update-branch");
    story.github.fault(Fault::on("PUT", &update).after_doing().hangs());
    story.asks_to_merge(number);
    story.github.until("the update is asked for", |github| github.writes().len() == 1).await;
    story.kill();
    story.start();
    story.settles().await;
    story.waits_for(number, "check `build` is yet to report");
    story.kill();
    story.builds(number, Some("success"));
    story.start();
    story.github.until_delivered().await;
    // What was told meanwhile is lost: the pull request is looked at when anything else tells of it.
    story.github.person("bob").labels(WEB, number, "nice");
    story.settles().await;
    assert_eq!(story.merged(), [number]);
    story.nothing_went_wrong();
});

#[tokio::test]
async fn a_head_that_moves_and_is_well_at_once_is_merged_as_it_is_then() {
    let story = Story::begin(Database::Sqlite, &RULE.replace("[build]", "[]")).await;
    let number = story.ready_pull("One");
    let (judged, alice) = (story.head(number), story.github.person("alice"));
    story.github.fault(Story::at_merge(number).meanwhile(move || {
        alice.pushes(WEB, number, &["src/lib.rs"]);
    }));
    story.asks_to_merge(number);
    story.settles().await;
    assert_eq!(story.asked_to_merge(), [judged, story.head(number)]);
    assert_eq!(story.merge_of(number).0, "applied");
    story.nothing_went_wrong();
}
