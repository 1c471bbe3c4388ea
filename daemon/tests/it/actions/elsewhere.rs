//! Actions that act on a commit or on the repository as such, step by step as the others.

use orchd::actions::{Bound, Plan, Reversal, Settled};
use orchd::core::subject::{CommitId, Subject, SubjectKind};
use orchd_fake::Fault;
use serde_json::{Value, json};

use super::stage::{Kind, Stage, planned, taken_back};
use crate::story::WEB;

/// An action with parameters, and how its marks are counted.
pub(super) struct Deed {
    pub(super) action: &'static str,
    params: Value,
    /// What is there before.
    given: fn(&Stage),
    /// How often it was done.
    marks: fn(&Stage) -> usize,
    /// Whether an event that comes later does it once more, though nothing changed.
    each_event: bool,
    /// Whether it cannot be told after a crash, depending on whether GitHub had done it.
    unsure: fn(carried_out: bool) -> bool,
}

fn issues(stage: &Stage) -> usize {
    stage.github.numbers(WEB).len() - 1
}

pub(super) fn deeds() -> Vec<Deed> {
    let nothing: fn(&Stage) = |_| {};
    let sure: fn(bool) -> bool = |_| false;
    let deed =
        |action, params, given, marks, each_event, unsure| Deed { action, params, given, marks, each_event, unsure };
    let check = json!({"name": "docs / built", "conclusion": "neutral", "title": "Été", "summary": "Only *words*.\n"});
    let status = json!({"context": "policy/docs", "state": "success", "target_url": "https://ci.example.com/9"});
    let issue = json!({"title": "The nightly build fails", "body": "See the log.", "labels": ["bug", "new"], "assignees": ["bob"]});
    let each = json!({"title": "A release", "once": "per_event"});
    let workflow = json!({"workflow": "release.yml", "ref": "main", "inputs": {"level": "patch", "dry": true}});
    let event = json!({"event_type": "shipped", "client_payload": {"to": ["a", "b"]}});
    vec![
        deed(
            "check",
            check,
            |stage| stage.github.check_run(WEB, stage.number, "docs / built", None),
            |stage| stage.github.made_checks(WEB).len(),
            false,
            sure,
        ),
        deed(
            "status",
            status,
            |stage| stage.github.status(WEB, stage.number, "Policy/Docs", "failure"),
            |stage| stage.github.statuses(WEB).iter().filter(|status| status.state == "success").count(),
            false,
            sure,
        ),
        deed("create_issue", issue, nothing, issues, false, sure),
        deed("create_issue", each, nothing, issues, true, sure),
        deed(
            "dispatch",
            workflow,
            |stage| stage.github.add_workflow(WEB, "release.yml"),
            |stage| stage.github.dispatched(WEB).len(),
            true,
            |carried_out| !carried_out,
        ),
        deed("dispatch", event, nothing, |stage| stage.github.dispatched(WEB).len(), true, |_| true),
    ]
}

impl Deed {
    fn bind(&self, stage: &Stage, nth: u128) -> Bound {
        let kind = orchd::actions::kinds().iter().find(|kind| kind.name == self.action).unwrap().acts_on;
        let head = stage.item().head_sha().unwrap();
        let subject = match kind {
            SubjectKind::Item => Subject::Item,
            SubjectKind::Commit => Subject::Commit(CommitId::parse(&head).unwrap()),
            SubjectKind::Repository => Subject::Repository,
        };
        stage.bind_to(subject, self.action, &self.params, nth)
    }

    async fn before(&self) -> (Stage, Bound) {
        let stage = Stage::set(Kind::Pull).await;
        (self.given)(&stage);
        let bound = self.bind(&stage, 2);
        (stage, bound)
    }

    fn settled(&self, carried_out: bool, settled: Settled, name: &str) {
        match settled {
            Settled::CannotTell(why) => assert!((self.unsure)(carried_out), "{name}: {why}"),
            Settled::Happened => assert!(carried_out && !(self.unsure)(carried_out), "{name}"),
            Settled::DidNot => assert!(!carried_out && !(self.unsure)(carried_out), "{name}"),
        }
    }
}

async fn each(test: impl AsyncFn(&Deed, &str)) {
    for deed in deeds() {
        let name = format!("{} {}", deed.action, deed.params);
        test(&deed, &name).await;
    }
}

#[tokio::test]
async fn it_is_done_once_and_by_a_later_event_only_what_has_to_be() {
    each(async |deed, name| {
        let (stage, bound) = deed.before().await;
        assert_eq!((deed.marks)(&stage), 0, "{name}");
        let (_, _, after) = stage.carry_out(&bound).await;
        assert_eq!((deed.marks)(&stage), 1, "{name}");
        let writes = stage.writes();

        let again = deed.bind(&stage, 3);
        let state = stage.read(&again).await;
        let plan = again.plan(&state, &[]);
        if deed.each_event {
            assert!(matches!(plan, Plan::Change(_)), "{name}: {plan:?}");
        } else {
            assert_eq!(state, after, "{name}");
            assert!(matches!(plan, Plan::Nothing(_)), "{name}: {plan:?}");
        }
        assert_eq!(stage.writes(), writes, "{name}");
        assert!(stage.github.duplicate_effects().is_empty(), "{name}");
    })
    .await;
}

#[tokio::test]
async fn a_crash_before_or_after_the_write_is_seen_or_said_not_to_be() {
    each(async |deed, name| {
        let (stage, bound) = deed.before().await;
        let (before, change, after) = stage.carry_out(&bound).await;
        deed.settled(false, bound.settle(&before, &change, &before), &format!("{name}, before"));
        deed.settled(true, bound.settle(&before, &change, &after), &format!("{name}, after"));
    })
    .await;
}

/// Each request loses its answer, before or after GitHub acted on it; the steps are taken again as the engine takes them.
#[tokio::test]
async fn a_crash_within_the_write_never_does_it_twice() {
    each(async |deed, name| {
        for carried_out in [false, true] {
            let (stage, bound) = deed.before().await;
            let fault = Fault::on("POST", "/repos/").closes();
            stage.github.fault(if carried_out { fault.after_doing() } else { fault });
            let before = stage.read(&bound).await;
            let change = planned(&bound, &before);
            assert!(bound.write(&stage.writer, &change).await.is_err(), "{name}");

            let now = stage.read(&bound).await;
            let settled = bound.settle(&before, &change, &now);
            let name = format!("{name}, carried out: {carried_out}");
            deed.settled(carried_out, settled.clone(), &name);
            if settled == Settled::DidNot {
                bound.write(&stage.writer, &planned(&bound, &now)).await.unwrap();
            }
            let expected = usize::from(carried_out || !(deed.unsure)(carried_out));
            assert_eq!((deed.marks)(&stage), expected, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_definite_no_leaves_nothing_to_wonder_about() {
    each(async |deed, name| {
        let (stage, bound) = deed.before().await;
        stage.github.fault(Fault::on("POST", "/repos/").status(422));
        let before = stage.read(&bound).await;
        assert!(bound.write(&stage.writer, &planned(&bound, &before)).await.is_err(), "{name}");
        assert!(bound.is_one_request(), "{name}: so the engine takes it for not done");
        assert_eq!((deed.marks)(&stage), 0, "{name}");
    })
    .await;
}

#[tokio::test]
async fn undo_closes_the_issue_or_says_why_it_cannot_take_it_back() {
    each(async |deed, name| {
        let (stage, bound) = deed.before().await;
        let (before, _, after) = stage.carry_out(&bound).await;
        let undoable = orchd::actions::kinds().iter().find(|kind| kind.name == deed.action).unwrap().undoable;
        if !undoable {
            let refused = bound.undo(&before, &after, &after);
            assert!(matches!(&refused, Reversal::Refused(why) if why.contains(' ')), "{name}: {refused:?}");
            return;
        }
        let number = *stage.github.numbers(WEB).last().unwrap();
        bound.write(&stage.writer, &taken_back(&bound, &before, &after, &after)).await.unwrap();
        let closed = stage.github.issue(WEB, number);
        assert_eq!((closed.is_open(), closed.state_reason()), (false, Some("not_planned")), "{name}");
        let undone = stage.read(&bound).await;
        assert_eq!(bound.undo(&before, &after, &undone), Reversal::Nothing, "{name}: it is taken back once");

        // And that is taken back in turn.
        bound.write(&stage.writer, &taken_back(&bound, &after, &undone, &undone)).await.unwrap();
        assert!(stage.github.issue(WEB, number).is_open(), "{name}");
        stage.github.person("tidy[bot]").comments(WEB, number, "A bot's word does not count.");
        let now = stage.read(&bound).await;
        assert!(matches!(bound.undo(&before, &after, &now), Reversal::Change(_)), "{name}");
        stage.alice().comments(WEB, number, "I look into it.");
        let now = stage.read(&bound).await;
        let why = Reversal::Refused(format!("people have commented on issue #{number}"));
        assert_eq!(bound.undo(&before, &after, &now), why, "{name}");
    })
    .await;
}

#[tokio::test]
async fn a_check_says_something_new_in_its_place_and_each_rule_and_head_has_its_own() {
    let stage = Stage::set(Kind::Pull).await;
    let head = || Subject::Commit(CommitId::parse(&stage.item().head_sha().unwrap()).unwrap());
    for (nth, title) in ["One word is wrong", "All is well"].into_iter().enumerate() {
        let params = json!({"name": "words", "conclusion": "failure", "title": title, "summary": "See below."});
        stage.carry_out(&stage.bind_to(head(), "check", &params, nth as u128)).await;
        let made = stage.github.made_checks(WEB);
        assert_eq!(made.len(), 1);
        assert_eq!(made[0].output["title"], title);
        let intent = uuid::Uuid::from_u128(nth as u128).to_string();
        assert!(made[0].external_id.as_ref().unwrap().ends_with(&intent), "{made:?}");
    }
    stage.alice().pushes(WEB, stage.number, &["docs/b.md"]);
    let params = json!({"name": "words", "conclusion": "success", "title": "All is well", "summary": "Nothing."});
    stage.carry_out(&stage.bind_to(head(), "check", &params, 7)).await;
    let made = stage.github.made_checks(WEB);
    assert_eq!(made.len(), 2);
    assert_ne!(made[0].sha, made[1].sha);
}

#[tokio::test]
async fn an_issue_that_somebody_copied_our_line_into_is_not_ours() {
    let stage = Stage::set(Kind::Issue).await;
    let params = json!({"title": "The nightly build fails"});
    let bound = stage.bind_to(Subject::Repository, "create_issue", &params, 1);
    stage.carry_out(&bound).await;
    let number = *stage.github.numbers(WEB).last().unwrap();
    let body = stage.github.issue(WEB, number).body().unwrap().to_owned();
    stage.alice().closes(WEB, number);
    stage.alice().opens_issue(WEB, orchd_fake::NewItem::titled("Mine").body(&body));
    let again = stage.bind_to(Subject::Repository, "create_issue", &params, 2);
    assert!(matches!(again.plan(&stage.read(&again).await, &[]), Plan::Change(_)), "alice's issue stops nobody");
}
