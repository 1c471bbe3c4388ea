//! Every action of the registry against the simulated GitHub, through the real client: done twice it is one change,
//! taken back it leaves the item as it was, and a crash between any two steps ends in the same state.

mod elsewhere;
mod merge;
mod review_scenarios;
mod scenarios;
mod schema;
mod stage;
mod tidying;

use orchd::actions::{self, Bound, Plan, Reversal, Settled};
use orchd_fake::Fault;
use serde_json::json;

use self::scenarios::{Answer, Scenario, scenarios};
use self::stage::{Kind, Stage, edit_our_comment, our_comment, our_comment_id, planned, sight, taken_back};
use crate::story::WEB;

/// What the action is about.
fn kinds(action: &str) -> &'static [Kind] {
    match action {
        "draft" | "ready_for_review" | "delete_branch" | "request_review" | "review" | "merge" => &[Kind::Pull],
        _ => &[Kind::Issue, Kind::Pull],
    }
}

/// Plays a test with every scenario, on an issue and on a pull request where the action takes both.
async fn each(test: impl AsyncFn(&Scenario, Kind, &str)) {
    play(scenarios(), test).await;
}

/// Plays a test with the scenarios of actions that can be taken back.
async fn each_undoable(test: impl AsyncFn(&Scenario, Kind, &str)) {
    let undoable =
        |scenario: &Scenario| actions::kinds().iter().any(|kind| kind.name == scenario.action && kind.undoable);
    play(scenarios().into_iter().filter(undoable).collect(), test).await;
}

async fn play(scenarios: Vec<Scenario>, test: impl AsyncFn(&Scenario, Kind, &str)) {
    for scenario in scenarios {
        for &kind in kinds(scenario.action) {
            let name = format!("{} {} on {kind:?}", scenario.action, scenario.params);
            test(&scenario, kind, &name).await;
        }
    }
}

#[test]
fn every_action_of_the_registry_has_a_scenario() {
    let scenarios = scenarios();
    for kind in actions::kinds() {
        let on_items = scenarios.iter().any(|scenario| scenario.action == kind.name);
        assert!(
            on_items || elsewhere::deeds().iter().any(|deed| deed.action == kind.name),
            "the action `{}` has no scenario: add one to `scenarios` in daemon/tests/it/actions/scenarios.rs, \
             or, when it acts on a commit or a repository, to `deeds` in elsewhere.rs beside it",
            kind.name
        );
    }
}

#[tokio::test]
async fn succeeds_twice() {
    each(async |scenario, kind, name| {
        let (stage, bound) = Stage::before(scenario, kind).await;
        assert!(!(scenario.done)(&stage.item()), "{name}: there is something to do");
        let (_, _, after) = stage.carry_out(&bound).await;
        assert!((scenario.done)(&stage.item()), "{name}: {:?}", stage.item());

        let (seen, writes) = (sight(&stage.item()), stage.writes());
        let again = stage.bind(scenario.action, &scenario.params, 3);
        let state = stage.read(&again).await;
        assert_eq!(state, after, "{name}");
        assert!(matches!(again.plan(&state, &[]), Plan::Nothing(_)), "{name}");
        assert_eq!((sight(&stage.item()), stage.writes()), (seen, writes), "{name}: nothing more was written");
        assert!(stage.github.duplicate_effects().is_empty(), "{name}");
    })
    .await;
}

#[tokio::test]
async fn undo_restores() {
    each_undoable(async |scenario, kind, name| {
        let (stage, bound) = Stage::before(scenario, kind).await;
        let seen = sight(&stage.item());
        let (before, _, after) = stage.carry_out(&bound).await;
        assert_ne!(sight(&stage.item()), seen, "{name}");

        bound.write(&stage.writer, &taken_back(&bound, &before, &after, &after)).await.unwrap();
        assert_eq!(sight(&stage.item()), seen, "{name}: as if nothing had happened");
        let now = stage.read(&bound).await;
        assert_eq!(bound.undo(&before, &after, &now), Reversal::Nothing, "{name}: it is taken back once");
    })
    .await;
}

#[tokio::test]
async fn redo_restores() {
    each_undoable(async |scenario, kind, name| {
        let (stage, bound) = Stage::before(scenario, kind).await;
        let untouched = sight(&stage.item());
        let (before, _, after) = stage.carry_out(&bound).await;
        let done = sight(&stage.item());
        bound.write(&stage.writer, &taken_back(&bound, &before, &after, &after)).await.unwrap();
        let undone = stage.read(&bound).await;

        // The undo is an effect too, from `after` to `undone`: taken back in its turn, all is as the action had left it.
        bound.write(&stage.writer, &taken_back(&bound, &after, &undone, &undone)).await.unwrap();
        assert_eq!(sight(&stage.item()), done, "{name}: as if nothing had been taken back");
        let now = stage.read(&bound).await;
        assert_eq!(bound.undo(&after, &undone, &now), Reversal::Nothing, "{name}: it is put back once");

        bound.write(&stage.writer, &taken_back(&bound, &before, &after, &now)).await.unwrap();
        assert_eq!(sight(&stage.item()), untouched, "{name}: and what was put back is taken back as before");
    })
    .await;
}

#[tokio::test]
async fn undo_leaves_alone_what_a_person_changed_since() {
    each(async |scenario, kind, name| {
        let (stage, bound) = Stage::before(scenario, kind).await;
        let (before, _, after) = stage.carry_out(&bound).await;
        let expected = (scenario.meddled)(&stage);
        let now = stage.read(&bound).await;
        match (bound.undo(&before, &after, &now), expected) {
            (Reversal::Refused(why), Answer::Refuses(expected)) => assert_eq!(why, expected, "{name}"),
            (Reversal::Nothing, Answer::FindsNothingToDo) => {}
            (other, _) => panic!("{name}: {other:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn undo_leaves_alone_what_others_did_beside_it() {
    each_undoable(async |scenario, kind, name| {
        let (stage, bound) = Stage::before(scenario, kind).await;
        let (before, _, after) = stage.carry_out(&bound).await;
        let bob = stage.github.person("bob");
        bob.labels(WEB, stage.number, "by hand").assigns(WEB, stage.number, "dave");
        // What the action is about is not beside it.
        let retitled = scenario.action != "title";
        if retitled {
            bob.retitles(WEB, stage.number, "Mine");
        }
        bob.comments(WEB, stage.number, "A word of mine.");
        let now = stage.read(&bound).await;
        bound.write(&stage.writer, &taken_back(&bound, &before, &after, &now)).await.unwrap();
        let item = stage.item();
        assert!(item.has_label("by hand") && item.assignees().contains(&"dave".to_owned()), "{name}: {item:?}");
        assert!(
            (item.title() == "Mine") == retitled && item.comments().iter().any(|(by, _)| by == "bob"),
            "{name}: {item:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_crash_before_the_write_shows_and_the_write_is_made_once() {
    each(async |scenario, kind, name| {
        let (stage, bound) = Stage::before(scenario, kind).await;
        let before = stage.read(&bound).await;
        let change = planned(&bound, &before);
        // The crash is here: before and change are stored, nothing was sent.
        let now = stage.read(&bound).await;
        assert_eq!(bound.settle(&before, &change, &now), Settled::DidNot, "{name}");
        assert_eq!(planned(&bound, &now), change, "{name}: the plan is the same");
        bound.write(&stage.writer, &change).await.unwrap();
        assert!((scenario.done)(&stage.item()), "{name}");
        assert!(stage.github.duplicate_effects().is_empty(), "{name}");
    })
    .await;
}

#[tokio::test]
async fn a_crash_after_the_write_shows_and_nothing_is_written_again() {
    each(async |scenario, kind, name| {
        let (stage, bound) = Stage::before(scenario, kind).await;
        let (before, change, after) = stage.carry_out(&bound).await;
        // The crash is here: GitHub has it all, the receipt is not stored.
        assert_eq!(bound.settle(&before, &change, &after), Settled::Happened, "{name}");
    })
    .await;
}

/// Each request of a write loses its answer once, before or after GitHub acted on it; the steps are taken again as the
/// engine takes them.
#[tokio::test]
async fn a_crash_within_the_write_ends_as_if_there_had_been_none() {
    each(async |scenario, kind, name| {
        for carried_out in [false, true] {
            for (method, path) in [
                ("POST", "/repos/"),
                ("PUT", "/repos/"),
                ("PATCH", "/repos/"),
                ("DELETE", "/repos/"),
                ("POST", "/graphql"),
            ] {
                let (stage, bound) = Stage::before(scenario, kind).await;
                let fault = Fault::on(method, path).closes();
                stage.github.fault(if carried_out { fault.after_doing() } else { fault });
                let name = format!("{name}, {method} {path} lost, carried out: {carried_out}");
                finish_after_crash(&stage, &bound, &name).await;
                assert!((scenario.done)(&stage.item()), "{name}: {:?}", stage.item());
                assert!(stage.github.duplicate_effects().is_empty(), "{name}");
            }
        }
    })
    .await;
}

async fn finish_after_crash(stage: &Stage, bound: &Bound, name: &str) {
    let before = stage.read(bound).await;
    let change = planned(bound, &before);
    if bound.write(&stage.writer, &change).await.is_ok() {
        return;
    }
    let now = stage.read(bound).await;
    match bound.settle(&before, &change, &now) {
        Settled::Happened => {}
        Settled::DidNot => bound.write(&stage.writer, &planned(bound, &now)).await.unwrap(),
        Settled::CannotTell(why) => panic!("{name}: {why}"),
    }
}

#[tokio::test]
async fn a_crash_while_taking_back_shows_too() {
    each_undoable(async |scenario, kind, name| {
        let (stage, bound) = Stage::before(scenario, kind).await;
        let (before, _, after) = stage.carry_out(&bound).await;
        let change = taken_back(&bound, &before, &after, &after);
        assert_eq!(bound.settle(&after, &change, &after), Settled::DidNot, "{name}: nothing was sent");
        bound.write(&stage.writer, &change).await.unwrap();
        let now = stage.read(&bound).await;
        assert_eq!(bound.settle(&after, &change, &now), Settled::Happened, "{name}: all was sent");
    })
    .await;
}

#[tokio::test]
async fn a_comment_that_says_something_new_is_the_same_comment() {
    let stage = Stage::set(Kind::Issue).await;
    for (nth, text) in ["One test fails.", "Two tests fail.", "All is well."].into_iter().enumerate() {
        stage.carry_out(&stage.bind("comment", &json!({"body": text}), nth as u128)).await;
        assert!(our_comment(&stage.item()).unwrap().starts_with(text));
    }
    let methods: Vec<String> = stage.github.writes().into_iter().map(|write| write.method).collect();
    assert_eq!(methods, ["POST", "PATCH", "PATCH"]);
    assert_eq!(stage.item().comments().len(), 2, "alice's and ours");
}

#[tokio::test]
async fn a_comment_that_a_person_changed_or_deleted_during_a_crash_is_for_a_person_to_judge() {
    for deleted in [false, true] {
        let stage = Stage::set(Kind::Issue).await;
        stage.carry_out(&stage.bind("comment", &json!({"body": "One test fails."}), 1)).await;
        let bound = stage.bind("comment", &json!({"body": "Two tests fail."}), 2);
        let before = stage.read(&bound).await;
        let change = planned(&bound, &before);
        if deleted {
            stage.alice().deletes_comment(WEB, stage.number, our_comment_id(&stage));
        } else {
            edit_our_comment(&stage);
        }
        let now = stage.read(&bound).await;
        assert!(matches!(bound.settle(&before, &change, &now), Settled::CannotTell(_)), "deleted: {deleted}");
    }
}
