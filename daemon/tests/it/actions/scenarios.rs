//! What each action meets: its parameters, the item before, its mark, and a person who changes it afterwards.

use orchd_fake::ItemView;
use serde_json::{Value, json};

use super::merge;
use super::review_scenarios::review_scenarios;
use super::stage::{Kind, Stage, edit_our_comment, our_comment, our_comment_id};
use super::tidying;
use crate::story::WEB;

/// What undo has to say after a person changed the item.
pub(super) enum Answer {
    Refuses(&'static str),
    /// The person took it back already.
    FindsNothingToDo,
}

/// An action with parameters, and what it is about to meet.
pub(super) struct Scenario {
    pub(super) action: &'static str,
    pub(super) params: Value,
    /// The same action of the same rule ran before with these parameters.
    pub(super) earlier: Option<Value>,
    /// What people made of the item before.
    pub(super) given: fn(&Stage),
    /// Whether the action's mark is on the item.
    pub(super) done: fn(&ItemView) -> bool,
    /// What a person does to it afterwards, and how undo answers then.
    pub(super) meddled: fn(&Stage) -> Answer,
}

/// At least one for every action of the registry.
pub(super) fn scenarios() -> Vec<Scenario> {
    let all = [
        label_scenarios(),
        comment_scenarios(),
        assign_scenarios(),
        state_scenarios(),
        stale_scenarios(),
        tidying::scenarios(),
        review_scenarios(),
        merge::scenarios(),
    ];
    all.into_iter().flatten().collect()
}

fn label_scenarios() -> Vec<Scenario> {
    let label =
        |params, given, done, meddled| Scenario { action: "label", params, earlier: None, given, done, meddled };
    vec![
        label(
            json!({"add": ["triage"]}),
            |_| {},
            |item| item.labels() == ["triage"],
            |stage| {
                stage.alice().unlabels(WEB, stage.number, "triage");
                Answer::FindsNothingToDo
            },
        ),
        label(
            json!({"add": ["good first issue", "kind/bug", "🐛 bug?"], "remove": ["Needs Triage", "area/ui & more", "été"]}),
            |stage| {
                for name in ["needs triage", "area/ui & more", "été", "stays"] {
                    stage.alice().labels(WEB, stage.number, name);
                }
            },
            |item| item.labels() == ["stays", "good first issue", "kind/bug", "🐛 bug?"],
            |stage| {
                stage.alice().unlabels(WEB, stage.number, "kind/bug");
                Answer::Refuses("label `kind/bug` was changed since")
            },
        ),
        label(
            json!({"remove": ["50% #done"]}),
            |stage| {
                stage.alice().labels(WEB, stage.number, "50% #done");
            },
            |item| item.labels().is_empty(),
            |stage| {
                stage.alice().labels(WEB, stage.number, "50% #done");
                Answer::FindsNothingToDo
            },
        ),
    ]
}

fn comment_scenarios() -> Vec<Scenario> {
    vec![
        Scenario {
            action: "comment",
            params: json!({"body": "Thank you. ❤️\n\n- [ ] a test\n<!-- hidden -->"}),
            earlier: None,
            given: |_| {},
            done: |item| our_comment(item).is_some_and(|body| body.starts_with("Thank you. ❤️\n\n- [ ] a test")),
            meddled: |stage| {
                edit_our_comment(stage);
                Answer::Refuses("the comment was edited since")
            },
        },
        Scenario {
            action: "comment",
            params: json!({"body": "Two tests fail."}),
            earlier: Some(json!({"body": "One test fails."})),
            given: |_| {},
            done: |item| our_comment(item).is_some_and(|body| body.starts_with("Two tests fail.")),
            meddled: |stage| {
                edit_our_comment(stage);
                Answer::Refuses("the comment was edited since")
            },
        },
        Scenario {
            action: "comment",
            params: json!({"body": "Welcome."}),
            earlier: None,
            // Somebody copied our hidden line: that comment is hers, and stays as it is.
            given: |stage| {
                stage.alice().comments(WEB, stage.number, "Hi\n\n<!-- orchd:rule=r intent=x sum=y -->");
            },
            done: |item| our_comment(item).is_some_and(|body| body.starts_with("Welcome.")),
            meddled: |stage| {
                stage.alice().deletes_comment(WEB, stage.number, our_comment_id(stage));
                Answer::FindsNothingToDo
            },
        },
    ]
}

/// The stage lets a year pass before an action is bound.
fn stale_scenarios() -> Vec<Scenario> {
    vec![
        Scenario {
            action: "stale",
            params: json!({"days": 60, "comment": "Is this still so?"}),
            earlier: None,
            given: |_| {},
            done: |item| {
                item.has_label("stale") && our_comment(item).is_some_and(|body| body.starts_with("Is this still"))
            },
            meddled: |stage| {
                edit_our_comment(stage);
                Answer::Refuses("the comment was edited since")
            },
        },
        Scenario {
            action: "stale",
            params: json!({"days": 60, "close_days": 14, "label": "Old & Cold"}),
            earlier: None,
            given: |stage| {
                stage.alice().labels(WEB, stage.number, "old & cold");
            },
            done: |item| !item.is_open(),
            meddled: |stage| {
                stage.alice().reopens(WEB, stage.number);
                Answer::FindsNothingToDo
            },
        },
    ]
}

fn assign_scenarios() -> Vec<Scenario> {
    vec![
        Scenario {
            action: "assign",
            params: json!({"add": ["bob"]}),
            earlier: None,
            given: |_| {},
            done: |item| item.assignees() == ["bob"],
            meddled: |stage| {
                stage.alice().unassigns(WEB, stage.number, "bob");
                Answer::FindsNothingToDo
            },
        },
        Scenario {
            action: "assign",
            params: json!({"add": ["alice", "bob"], "remove": ["carol"]}),
            earlier: None,
            given: |stage| {
                stage.alice().assigns(WEB, stage.number, "carol");
            },
            done: |item| item.assignees() == ["alice", "bob"],
            meddled: |stage| {
                stage.alice().unassigns(WEB, stage.number, "alice");
                Answer::Refuses("assignee `alice` was changed since")
            },
        },
    ]
}

fn state_scenarios() -> Vec<Scenario> {
    let close =
        |params, done, meddled| Scenario { action: "close", params, earlier: None, given: |_| {}, done, meddled };
    vec![
        close(
            json!({}),
            |item| !item.is_open() && matches!(item.state_reason(), None | Some("completed")),
            |stage| {
                stage.alice().reopens(WEB, stage.number);
                Answer::FindsNothingToDo
            },
        ),
        close(
            json!({"reason": "not_planned"}),
            |item| !item.is_open() && matches!(item.state_reason(), None | Some("not_planned")),
            |stage| {
                stage.alice().reopens(WEB, stage.number);
                match stage.kind {
                    Kind::Issue => {
                        stage.alice().closes(WEB, stage.number);
                        Answer::Refuses("it was opened and closed again since")
                    }
                    Kind::Pull => {
                        stage.alice().merges(WEB, stage.number);
                        Answer::Refuses("it was merged since")
                    }
                }
            },
        ),
        Scenario {
            action: "reopen",
            params: json!({}),
            earlier: None,
            given: |stage| {
                stage.alice().closes(WEB, stage.number);
            },
            done: ItemView::is_open,
            meddled: |stage| {
                stage.alice().closes(WEB, stage.number);
                Answer::FindsNothingToDo
            },
        },
    ]
}
