//! What the actions meet that keep a repository tidy: lock, milestone, title, draft or ready, and the branch.

use orchd_fake::ItemView;
use serde_json::{Value, json};

use super::scenarios::{Answer, Scenario};
use super::stage::Stage;
use crate::story::WEB;

/// A milestone whose title would break a path or a query.
const NEXT: &str = "2.0 🚀 & more";

fn scenario(
    action: &'static str,
    params: Value,
    given: fn(&Stage),
    done: fn(&ItemView) -> bool,
    meddled: fn(&Stage) -> Answer,
) -> Scenario {
    Scenario { action, params, earlier: None, given, done, meddled }
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let all = [lock_scenarios(), milestone_scenarios(), title_scenarios(), stage_scenarios(), branch_scenarios()];
    all.into_iter().flatten().collect()
}

fn lock_scenarios() -> Vec<Scenario> {
    vec![
        scenario(
            "lock",
            json!({"reason": "too heated"}),
            |_| {},
            |item| item.is_locked() && item.lock_reason() == Some("too heated"),
            |stage| {
                stage.alice().unlocks(WEB, stage.number);
                Answer::FindsNothingToDo
            },
        ),
        scenario(
            "lock",
            json!({}),
            |_| {},
            |item| item.is_locked() && item.lock_reason().is_none(),
            |stage| {
                stage.alice().unlocks(WEB, stage.number).locks(WEB, stage.number, Some("spam"));
                Answer::Refuses("it was unlocked and locked again since, for another reason")
            },
        ),
    ]
}

fn with_milestone(stage: &Stage, title: Option<&str>) {
    for title in ["1.0", NEXT] {
        stage.github.add_milestone(WEB, title);
    }
    stage.alice().sets_milestone(WEB, stage.number, title);
}

fn milestone_scenarios() -> Vec<Scenario> {
    vec![
        scenario(
            "milestone",
            json!({"set": NEXT}),
            |stage| with_milestone(stage, None),
            |item| item.milestone() == Some(NEXT),
            |stage| {
                stage.alice().sets_milestone(WEB, stage.number, None);
                Answer::FindsNothingToDo
            },
        ),
        scenario(
            "milestone",
            json!({"set": NEXT.to_uppercase()}),
            |stage| with_milestone(stage, Some("1.0")),
            |item| item.milestone() == Some(NEXT),
            |stage| {
                stage.alice().sets_milestone(WEB, stage.number, None);
                Answer::Refuses("the milestone was changed since")
            },
        ),
        scenario(
            "milestone",
            json!({"clear": true}),
            |stage| with_milestone(stage, Some("1.0")),
            |item| item.milestone().is_none(),
            |stage| {
                stage.alice().sets_milestone(WEB, stage.number, Some(NEXT));
                Answer::Refuses("the milestone was changed since")
            },
        ),
    ]
}

fn title_scenarios() -> Vec<Scenario> {
    let edited = |stage: &Stage| {
        stage.alice().retitles(WEB, stage.number, "It breaks, and how");
        Answer::Refuses("the title was edited since")
    };
    vec![
        scenario(
            "title",
            json!({"prefix": "[blocked] ", "suffix": " (été)"}),
            |_| {},
            |item| item.title() == "[blocked] It breaks (été)",
            edited,
        ),
        scenario("title", json!({"set": "It is broken"}), |_| {}, |item| item.title() == "It is broken", edited),
        scenario(
            "title",
            json!({"prefix": "[blocked] "}),
            |_| {},
            |item| item.title() == "[blocked] It breaks",
            |stage| {
                stage.alice().retitles(WEB, stage.number, "It breaks");
                Answer::FindsNothingToDo
            },
        ),
    ]
}

fn stage_scenarios() -> Vec<Scenario> {
    let closed = |stage: &Stage| {
        stage.alice().closes(WEB, stage.number);
        Answer::Refuses("it was closed since, and GitHub changes the stage of open pull requests only")
    };
    let made_draft = |stage: &Stage| {
        stage.alice().makes_draft(WEB, stage.number);
    };
    vec![
        scenario(
            "draft",
            json!({}),
            |_| {},
            ItemView::is_draft,
            |stage| {
                stage.alice().marks_ready(WEB, stage.number);
                Answer::FindsNothingToDo
            },
        ),
        scenario("draft", json!({}), |_| {}, ItemView::is_draft, closed),
        scenario(
            "ready_for_review",
            json!({}),
            made_draft,
            |item| !item.is_draft(),
            |stage| {
                stage.alice().makes_draft(WEB, stage.number);
                Answer::FindsNothingToDo
            },
        ),
        scenario("ready_for_review", json!({}), made_draft, |item| !item.is_draft(), closed),
    ]
}

fn branch_scenarios() -> Vec<Scenario> {
    vec![
        scenario(
            "delete_branch",
            json!({}),
            |stage| {
                stage.alice().merges(WEB, stage.number);
            },
            |item| item.branch().is_none(),
            |stage| {
                stage.alice().restores_branch(WEB, stage.number);
                Answer::FindsNothingToDo
            },
        ),
        scenario(
            "delete_branch",
            json!({}),
            |stage| {
                stage.alice().closes(WEB, stage.number);
            },
            |item| item.branch().is_none(),
            |stage| {
                stage.github.move_branch(WEB, "patch-1", "1234567890123456789012345678901234567890");
                Answer::Refuses("branch `patch-1` stands at another commit by now")
            },
        ),
    ]
}
