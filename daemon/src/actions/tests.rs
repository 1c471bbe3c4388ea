#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use chrono::DateTime;
use serde_json::json;

use super::*;
use crate::core::event::{InstallationId, RepoName};
use crate::core::hand::{Hand, Thing};
use crate::core::rule::Mode;
use crate::core::subject::Subject;
use crate::github::client::GitHub;
use crate::github::client::WriteTerms;
use crate::github::stand_in::{self, Reply, Seen, StandIn, reply};

fn bound(action: &str, params: &Value) -> Bound {
    let repository = RepoName::parse("acme/app").unwrap();
    let target = Target::item(repository, Some(InstallationId(5)), 7);
    let origin = Origin::of("r");
    Bound::new(action, params, target, origin).unwrap()
}

fn by_hand(thing: Thing, hand: Hand, at: i64) -> HandChange {
    HandChange {
        repository: RepoName::parse("acme/app").unwrap(),
        number: 7,
        thing,
        hand,
        by: "alice".to_owned(),
        at: DateTime::from_timestamp(at, 0).unwrap(),
    }
}

fn label(name: &str, hand: Hand, at: i64) -> HandChange {
    by_hand(Thing::Label(name.to_owned()), hand, at)
}

fn held(plan: Plan) -> String {
    match plan {
        Plan::Held(why) => why,
        other => panic!("held, not {other:?}"),
    }
}

fn open() -> Value {
    json!({"state": "open", "reason": null, "pull": false, "merged": false})
}

fn closed(reason: &str) -> Value {
    json!({"state": "closed", "reason": reason, "pull": false, "merged": false})
}

fn merged() -> Value {
    json!({"state": "closed", "reason": null, "pull": true, "merged": true})
}

#[test]
fn every_action_takes_its_own_example_and_has_a_schema() {
    assert_eq!(
        kinds().iter().map(|kind| kind.name).collect::<Vec<_>>(),
        [
            "label",
            "comment",
            "assign",
            "request_review",
            "review",
            "close",
            "reopen",
            "stale",
            "lock",
            "milestone",
            "title",
            "draft",
            "ready_for_review",
            "delete_branch",
            "check",
            "status",
            "dispatch",
            "create_issue",
            "merge"
        ]
    );
    for kind in kinds() {
        let example: Value = serde_yaml::from_str(kind.example).unwrap();
        (kind.check)(&example).unwrap();
        let schema = (kind.schema)();
        assert_eq!(schema["type"], "object", "{}", kind.name);
        assert_eq!(schema["additionalProperties"], false, "{}", kind.name);
    }
}

#[test]
fn an_action_is_bound_to_nothing_but_what_it_acts_on() {
    let bind = |action: &str, params: Value, subject: Subject| {
        let target = Target { subject, ..Target::item(RepoName::parse("acme/app").unwrap(), None, 0) };
        let origin = Origin::of("r");
        Bound::new(action, &params, target, origin).err().map(|error| error.to_string())
    };
    let refused = "`close` acts on an issue or pull request, which acme/app is not";
    assert_eq!(bind("close", json!({}), Subject::Repository).as_deref(), Some(refused));
    assert!(bind("dispatch", json!({"event_type": "x"}), Subject::Item).is_some());
    assert!(bind("dispatch", json!({"event_type": "x"}), Subject::Repository).is_none());
}

#[test]
fn unknown_parameters_and_actions_are_refused_in_clear_words() {
    let check = |name: &str, params: Value| {
        let kind = kinds().iter().find(|kind| kind.name == name).unwrap();
        (kind.check)(&params).unwrap_err()
    };
    assert_eq!(
        check("label", json!({"ad": ["x"]})),
        "unknown field `ad`, expected `add` or `remove`; \
         write it like `label: {add: [documentation], remove: [needs-triage]}`"
    );
    assert!(check("label", json!({})).contains("name at least one label"));
    assert!(check("label", json!({"add": ["Bug"], "remove": ["bug"]})).contains("both `add` and `remove`"));
    assert!(check("assign", json!({"add": [" "]})).contains("is no assignee"));
    assert!(check("close", json!({"reason": "bored"})).contains("`completed` or `not_planned`"));
    assert!(check("reopen", json!({"x": 1})).contains("unknown field `x`"));
    assert!(check("comment", json!({})).contains("missing field `body`"));
    let close = kinds().iter().find(|kind| kind.name == "close").unwrap();
    assert!((close.check)(&Value::Null).is_ok());
    assert!(check("merge", json!({"checks": "some"})).contains("write it like `merge: {"));
    assert!(check("merge", json!({"approvals": 101})).contains("at most 100"));
    assert!(check("merge", json!({"stop": {"labels": [" "]}})).contains("`stop.labels` is no name"));
    let refused = parse("explode", &Value::Null).err().unwrap();
    assert_eq!(refused, "there is no action `explode`");
}

#[test]
fn label_writes_only_what_is_missing() {
    let action = bound("label", &json!({"add": ["Bug", "new"], "remove": ["STALE", "old"]}));
    let plan = action.plan(&json!(["bug", "stale"]), &[]);
    assert_eq!(plan, Plan::Change(json!({"add": ["new"], "remove": ["stale"]})));
    match action.plan(&json!(["bug", "new"]), &[]) {
        Plan::Nothing(why) => assert!(why.contains("label `Bug` is there already"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn invariant_7_what_a_person_changed_no_rule_changes_back() {
    let add = bound("label", &json!({"add": ["bug"]}));
    let taken = [label("Bug", Hand::Put, 1), label("Bug", Hand::Taken, 2)];
    assert_eq!(held(add.plan(&json!([]), &taken)), "label `Bug` was removed by alice on 1970-01-01");
    let put_again = [label("bug", Hand::Taken, 2), label("bug", Hand::Put, 3)];
    assert_eq!(add.plan(&json!([]), &put_again), Plan::Change(json!({"add": ["bug"], "remove": []})));

    let remove = bound("label", &json!({"remove": ["bug"]}));
    assert!(held(remove.plan(&json!(["bug"]), &put_again)).contains("was added by alice"));

    let some = bound("label", &json!({"add": ["bug", "docs"]}));
    let rest = json!({"add": ["docs"], "remove": []});
    assert_eq!(
        some.plan(&json!([]), &taken),
        Plan::Part(rest, "label `Bug` was removed by alice on 1970-01-01".to_owned())
    );

    let assign = bound("assign", &json!({"add": ["Bob"]}));
    let unassigned = [by_hand(Thing::Assignee("bob".to_owned()), Hand::Taken, 1)];
    assert!(held(assign.plan(&json!([]), &unassigned)).contains("`bob` was unassigned by alice"));

    let (reopened, closed_by_hand) = (by_hand(Thing::State, Hand::Put, 2), by_hand(Thing::State, Hand::Taken, 1));
    let both = [reopened, closed_by_hand.clone()];
    assert!(held(bound("close", &json!({})).plan(&open(), &both)).contains("it was reopened by alice"));
    assert!(matches!(bound("close", &json!({})).plan(&open(), &both[1..]), Plan::Change(_)));
    let reopen = bound("reopen", &json!({}));
    assert!(held(reopen.plan(&closed("completed"), &[closed_by_hand])).contains("it was closed by alice"));
    assert!(matches!(reopen.plan(&closed("completed"), &both), Plan::Change(_)));
}

#[test]
fn a_merged_pull_request_stays_as_it_is() {
    assert_eq!(bound("close", &json!({})).plan(&merged(), &[]), Plan::Nothing("it is merged".to_owned()));
    assert_eq!(held(bound("reopen", &json!({})).plan(&merged(), &[])), "it is merged");
}

#[test]
fn close_gives_an_issue_its_reason_and_a_pull_request_none() {
    let close = bound("close", &json!({"reason": "not_planned"}));
    assert_eq!(
        close.plan(&open(), &[]),
        Plan::Change(json!({"state": "closed", "reason": "not_planned", "pull": false}))
    );
    let pull = json!({"state": "open", "reason": null, "pull": true, "merged": false});
    assert_eq!(close.plan(&pull, &[]), Plan::Change(json!({"state": "closed", "reason": null, "pull": true})));
    assert!(matches!(close.plan(&closed("completed"), &[]), Plan::Nothing(_)));
}

#[test]
fn an_interrupted_write_is_judged_by_the_state() {
    let labels = bound("label", &json!({"add": ["a", "b"], "remove": ["c"]}));
    let change = json!({"add": ["a", "b"], "remove": ["c"]});
    let before = json!(["c"]);
    assert_eq!(labels.settle(&before, &change, &json!(["A", "b"])), Settled::Happened);
    assert_eq!(labels.settle(&before, &change, &json!(["a", "c"])), Settled::DidNot);
    assert_eq!(labels.settle(&before, &change, &before), Settled::DidNot);
    let close = bound("close", &json!({}));
    let change = json!({"state": "closed", "reason": "completed", "pull": false});
    assert_eq!(close.settle(&open(), &change, &closed("completed")), Settled::Happened);
    assert_eq!(close.settle(&open(), &change, &open()), Settled::DidNot);
    assert!(matches!(close.settle(&json!(5), &change, &open()), Settled::CannotTell(_)));
}

#[test]
fn an_event_tells_of_the_change_that_was_written_and_of_no_other() {
    let told = |action: &str, params: Value, change: Value, name: &str, payload: Value| {
        let before = match action {
            "label" | "assign" => json!([]),
            "title" => json!({"title": "It breaks", "pull": false}),
            _ => Value::Null,
        };
        let before = if action == "close" { open() } else { before };
        bound(action, &params).is_told_by((&before, &change), &crate::core::condition::table::event(name, payload))
    };
    let change = || json!({"add": ["bug"], "remove": ["stale"]});
    let label = |action: &str, name: &str| {
        told("label", change(), change(), "issues", json!({"action": action, "label": {"name": name}}))
    };
    assert!(label("labeled", "Bug") && label("unlabeled", "stale"));
    assert!(!label("unlabeled", "bug") && !label("labeled", "stale") && !label("labeled", "other"));
    let assigned = json!({"action": "assigned", "assignee": {"login": "bug"}});
    assert!(!told("label", change(), change(), "issues", assigned.clone()));
    assert!(told("assign", change(), change(), "pull_request", assigned));
    let close = json!({"state": "closed", "reason": null, "pull": true});
    assert!(told("close", json!({}), close.clone(), "pull_request", json!({"action": "closed"})));
    assert!(!told("close", json!({}), close, "pull_request", json!({"action": "reopened"})));
    let merge =
        |change: Value, action: &str| told("merge", json!({}), change, "pull_request", json!({"action": action}));
    let (merged, updated) =
        (json!({"merge": {"head": "c0ffee", "method": "squash"}}), json!({"update": {"head": "c0ffee"}}));
    assert!(merge(merged.clone(), "closed") && !merge(merged, "synchronize"));
    assert!(merge(updated.clone(), "synchronize") && !merge(updated, "closed"));
    let edited =
        |from: &str| json!({"action": "edited", "changes": {"title": {"from": from}}, "issue": {"title": "B"}});
    let title =
        |from: &str| told("title", json!({"set": "B"}), json!({"title": "B", "pull": false}), "issues", edited(from));
    assert!(title("It breaks") && !title("Something else"));
    let comment = |name: &str, action: &str| {
        told(
            "comment",
            json!({"body": "Hello"}),
            json!({"post": {"body": "Hello"}}),
            name,
            json!({"action": action, "label": {"name": "bug"}}),
        )
    };
    assert!(comment("issue_comment", "created"));
    assert!(!comment("issues", "labeled") && !comment("pull_request_review", "submitted"));
}

#[test]
fn undo_takes_back_its_own_and_leaves_what_changed_since() {
    let labels = bound("label", &json!({"add": ["a"], "remove": ["c"]}));
    let undo = |now: Value| labels.undo(&json!(["c", "x"]), &json!(["a", "x", "by-hand"]), &now);
    assert_eq!(undo(json!(["a", "y"])), Reversal::Change(json!({"add": ["c"], "remove": ["a"]})));
    assert_eq!(undo(json!(["c"])), Reversal::Nothing);
    assert!(matches!(undo(json!(["a", "c"])), Reversal::Refused(why) if why.contains("label `c`")));
    // The label was there before: it is not ours to take off.
    let was_there = bound("label", &json!({"add": ["a"]}));
    assert_eq!(was_there.undo(&json!(["a"]), &json!(["a"]), &json!(["a"])), Reversal::Nothing);

    let close = bound("close", &json!({"reason": "not_planned"}));
    let undo = |now: Value| close.undo(&open(), &closed("not_planned"), &now);
    let reopens = Reversal::Change(json!({"state": "open", "reason": null, "pull": false}));
    assert_eq!(undo(closed("not_planned")), reopens);
    assert_eq!(undo(open()), Reversal::Nothing);
    assert!(matches!(undo(closed("completed")), Reversal::Refused(_)));
    assert!(matches!(undo(merged()), Reversal::Refused(_)));
    let reopen = bound("reopen", &json!({}));
    let closes = Reversal::Change(json!({"state": "closed", "reason": "completed", "pull": false}));
    assert_eq!(reopen.undo(&closed("completed"), &open(), &open()), closes);
}

#[test]
fn only_a_hand_on_what_changed_and_since_then_counts() {
    let labels = bound("label", &json!({"add": ["a", "b"], "remove": ["c"]}));
    let touched = labels.touched(&json!(["b", "c", "x"]), &json!(["A", "b", "y"]));
    assert_eq!(touched, [Thing::Label("A".to_owned()), Thing::Label("c".to_owned())]);
    let since = |hands: &[HandChange]| hand_since(hands, &touched, DateTime::from_timestamp(7_200, 0).unwrap());
    assert_eq!(
        since(&[label("a", Hand::Put, 3_600), label("b", Hand::Put, 9_000), label("x", Hand::Put, 9_000)]),
        None
    );
    let newest = since(&[label("a", Hand::Put, 7_200), label("b", Hand::Put, 9_000)]);
    assert_eq!(newest.unwrap(), "label `a` was added by alice on 1970-01-01");
    let state = bound("close", &json!({})).touched(&open(), &closed("completed"));
    assert_eq!(state, [Thing::State]);
    assert_eq!(bound("reopen", &json!({})).touched(&open(), &open()), []);
    assert_eq!(bound("comment", &json!({"body": "x"})).touched(&Value::Null, &Value::Null), []);
}

async fn gate(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (StandIn, Writer) {
    let server = StandIn::start(stand_in::with_tokens(answer)).await;
    let writer = GitHub::new(server.settings())
        .unwrap()
        .open_gate(Some(InstallationId(5)), WriteTerms::of(Mode::Active))
        .unwrap();
    (server, writer)
}

/// Method, path and body of each request after the token.
fn sent(server: &StandIn) -> Vec<(String, Value)> {
    let requests = server.requests().into_iter().skip(1);
    requests.map(|seen| (format!("{} {}", seen.method, seen.path), seen.body)).collect()
}

#[tokio::test]
async fn each_change_is_written_where_github_wants_it() {
    let (server, writer) = gate(|_| reply(200, &json!({}))).await;
    for (action, params, change) in [
        ("label", json!({"add": ["x"]}), json!({"add": ["a b"], "remove": ["c/d"]})),
        ("assign", json!({"add": ["x"]}), json!({"add": ["bob"], "remove": ["eve"]})),
        ("close", json!({}), json!({"state": "closed", "reason": "completed", "pull": false})),
        ("reopen", json!({}), json!({"state": "open", "reason": null, "pull": true})),
        ("comment", json!({"body": "x"}), json!({"post": {"body": "hi"}})),
        ("comment", json!({"body": "x"}), json!({"edit": {"id": 9, "body": "hi"}})),
        ("comment", json!({"body": "x"}), json!({"delete": {"id": 9}})),
    ] {
        bound(action, &params).write(&writer, &change).await.unwrap();
    }
    let at = |line: &str, body: Value| (line.replace("{}", "/repos/acme/app"), body);
    assert_eq!(
        sent(&server),
        [
            at("POST {}/issues/7/labels", json!({"labels": ["a b"]})),
            at("DELETE {}/issues/7/labels/c%2Fd", Value::Null),
            at("POST {}/issues/7/assignees", json!({"assignees": ["bob"]})),
            at("DELETE {}/issues/7/assignees", json!({"assignees": ["eve"]})),
            at("PATCH {}/issues/7", json!({"state": "closed", "state_reason": "completed"})),
            at("PATCH {}/pulls/7", json!({"state": "open"})),
            at("POST {}/issues/7/comments", json!({"body": "hi"})),
            at("PATCH {}/issues/comments/9", json!({"body": "hi"})),
            at("DELETE {}/issues/comments/9", Value::Null),
        ]
    );
}

#[tokio::test]
async fn the_state_is_read_from_what_github_tells() {
    let issue = json!({"state": "closed", "state_reason": "not_planned", "assignees": [{"login": "bob"}]});
    let (_server, reader) = gate(move |seen| match seen.path.as_str() {
        "/repos/acme/app/issues/7" => reply(200, &issue),
        "/app" => reply(200, &json!({"slug": "orchd"})),
        path if path.contains("/labels") => reply(200, &json!([{"name": "bug", "color": "f00"}])),
        path if path.contains("/comments") => reply(
            200,
            &json!([
                {"id": 1, "body": "hi\n\n<!-- orchd:rule=r intent=x sum=y -->", "user": {"login": "eve", "type": "User"}},
                {"id": 2, "body": null, "user": null},
                {"id": 3, "body": "<!-- orchd:rule=r intent=x sum=y -->", "user": {"login": "orchd[bot]", "type": "Bot"}},
            ]),
        ),
        _ => reply(404, &json!({})),
    })
    .await;
    let read = async |action: &str, params: Value| bound(action, &params).read(&reader).await.unwrap();
    assert_eq!(read("label", json!({"add": ["x"]})).await, json!(["bug"]));
    assert_eq!(read("assign", json!({"add": ["x"]})).await, json!(["bob"]));
    assert_eq!(read("close", json!({})).await, closed("not_planned"));
    assert_eq!(read("comment", json!({"body": "x"})).await["id"], 3);
}

#[tokio::test]
async fn a_comment_is_not_looked_for_where_it_could_be_missed_or_mistaken() {
    let marked = |by: &str| json!([{"id": 3, "body": "<!-- orchd:rule=r intent=x sum=y -->", "user": {"login": by}}]);
    let read = async |app: Reply, comments: Reply| {
        let (_server, reader) =
            gate(move |seen| if seen.path == "/app" { app.clone() } else { comments.clone() }).await;
        bound("comment", &json!({"body": "x"})).read(&reader).await
    };
    let named = || reply(200, &json!({"slug": "orchd"}));
    let nameless = read(reply(403, &json!({"message": "no"})), reply(200, &marked("orchd[bot]"))).await.unwrap_err();
    assert!(matches!(&nameless, GitHubError::Credentials(why) if why.contains("name cannot be learnt")), "{nameless}");
    let endless = |by: &str| reply(200, &marked(by)).with("link", "<https://h/more?page=2>; rel=\"next\"");
    let cut_off = read(named(), endless("eve")).await.unwrap_err();
    assert!(matches!(&cut_off, GitHubError::Refused { message, .. } if message.contains("30 comments")), "{cut_off}");
    assert_eq!(read(named(), endless("orchd[bot]")).await.unwrap()["id"], 3);
}

#[tokio::test]
async fn a_pull_request_is_found_where_issues_do_not_show_it() {
    let pull = json!({"state": "closed", "merged_at": "2026-01-01T00:00:00Z", "assignees": []});
    let answer: Arc<dyn Fn(&Seen) -> Reply + Send + Sync> = Arc::new(move |seen| match seen.path.as_str() {
        "/repos/acme/app/pulls/7" => reply(200, &pull),
        _ => reply(404, &json!({"message": "Not Found"})),
    });
    let (_server, reader) = gate(move |seen| answer(seen)).await;
    assert_eq!(bound("close", &json!({})).read(&reader).await.unwrap(), merged());
    let gone = gate(|_| reply(404, &json!({}))).await.1;
    let failed = bound("close", &json!({})).read(&gone).await.unwrap_err();
    assert!(matches!(failed, GitHubError::NotFound(what) if what == "/repos/acme/app/issues/7"));
}
