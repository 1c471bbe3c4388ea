//! What `request_review` and `review` meet, and what only they meet.

use orchd::actions::{Plan, Reversal};
use orchd_fake::{ItemView, NewItem};
use serde_json::{Value, json};

use super::scenarios::{Answer, Scenario};
use super::stage::{Kind, Stage, planned};
use crate::story::WEB;

/// Lets the App read who is in the teams of acme.
fn let_it_read_members(stage: &Stage) {
    let permissions =
        json!({"issues": "write", "pull_requests": "write", "metadata": "read", "contents": "read", "members": "read"});
    stage.github.grant(stage.github.installation_of(WEB), "alice", &permissions);
}

/// Our approvals that stand, by their commit.
fn approvals(item: &ItemView) -> Vec<String> {
    let ours = item.reviews().iter().filter(|review| review.author.login == "orchd[bot]" && review.state == "APPROVED");
    ours.map(|review| review.commit.clone()).collect()
}

/// All are about a pull request of alice.
pub(super) fn review_scenarios() -> Vec<Scenario> {
    let asks = |params, given, done, meddled| Scenario {
        action: "request_review",
        params,
        earlier: None,
        given,
        done,
        meddled,
    };
    vec![
        asks(
            json!({"from": ["carol", "Bob", "alice"]}),
            |_| {},
            |item| item.requested_reviewers() == ["bob", "carol"],
            |stage| {
                stage.alice().removes_reviewer(WEB, stage.number, "bob");
                stage.alice().removes_reviewer(WEB, stage.number, "carol");
                Answer::FindsNothingToDo
            },
        ),
        asks(
            json!({"from": "codeowners"}),
            |stage| stage.github.put_file(WEB, "main", "CODEOWNERS", "* @alice\n/src/ @bob @carol a@b.org\n"),
            |item| item.requested_reviewers() == ["carol"],
            |stage| {
                stage.github.person("carol").approves(WEB, stage.number);
                Answer::Refuses("`carol` has reviewed since: no request is open any more")
            },
        ),
        asks(
            json!({"from": ["acme/docs", "bob"], "exclude": ["bob"]}),
            |stage| stage.github.add_team("acme", "docs", &["dave"]),
            |item| item.requested_reviewers() == ["acme/docs"],
            |stage| {
                stage.alice().removes_reviewer(WEB, stage.number, "acme/docs");
                Answer::FindsNothingToDo
            },
        ),
        asks(
            json!({"from": ["acme/docs"], "count": 1, "strategy": "load"}),
            |stage| {
                stage.github.add_team("acme", "docs", &["bob", "dave", "alice"]);
                let_it_read_members(stage);
                let other = stage.alice().opens_pull(WEB, NewItem::titled("Another"));
                stage.alice().requests_review(WEB, other, "dave");
            },
            |item| item.requested_reviewers() == ["bob"],
            |stage| {
                stage.alice().removes_reviewer(WEB, stage.number, "bob");
                Answer::FindsNothingToDo
            },
        ),
        Scenario {
            action: "review",
            params: json!({"event": "approve", "body": "Only docs."}),
            earlier: None,
            given: |stage| {
                stage.github.person("bob").approves(WEB, stage.number);
            },
            done: |item| approvals(item) == [item.head_sha().unwrap()],
            meddled: |stage| {
                let ours = stage.item().reviews().iter().find(|review| review.author.login == "orchd[bot]").unwrap().id;
                stage.alice().dismisses(WEB, stage.number, ours);
                Answer::FindsNothingToDo
            },
        },
    ]
}

async fn stage() -> Stage {
    Stage::set(Kind::Pull).await
}

fn held(plan: Plan) -> String {
    match plan {
        Plan::Held(why) | Plan::Part(_, why) => why,
        other => panic!("something is held back, not {other:?}"),
    }
}

#[tokio::test]
async fn a_review_with_a_comment_stays() {
    let stage = stage().await;
    let bound = stage.bind("review", &json!({"event": "comment", "body": "Please add a test."}), 1);
    let (before, change, after) = stage.carry_out(&bound).await;
    let said = stage.item().reviews().last().unwrap().clone();
    assert_eq!((said.state.as_str(), said.commit), ("COMMENTED", stage.item().head_sha().unwrap()));
    assert!(said.body.starts_with("Please add a test."));
    assert_eq!(bound.settle(&before, &change, &after), orchd::actions::Settled::Happened);
    assert!(matches!(bound.plan(&after, &[]), Plan::Nothing(_)));
    let refused = bound.undo(&before, &after, &after);
    assert!(matches!(refused, Reversal::Refused(why) if why.contains("GitHub deletes no submitted review")));
    // GitHub says so too.
    let dismiss = json!({"dismiss": {"id": said.id}});
    let error = bound.write(&stage.writer, &dismiss).await.unwrap_err().to_string();
    assert!(error.contains("422") && error.contains("Can not dismiss a commented"), "{error}");
}

#[tokio::test]
async fn its_own_pull_request_the_app_does_not_approve_and_github_would_not_let_it() {
    let mut stage = stage().await;
    stage.number = stage.github.person("orchd[bot]").opens_pull(WEB, NewItem::titled("Lock file"));
    let bound = stage.bind("review", &json!({"event": "approve"}), 1);
    let state = stage.read(&bound).await;
    assert!(held(bound.plan(&state, &[])).contains("nobody approve his own"));
    let submit = json!({"submit": {"event": "approve", "commit": state["head"], "body": ""}});
    let error = bound.write(&stage.writer, &submit).await.unwrap_err().to_string();
    assert!(error.contains("Can not approve your own pull request"), "{error}");
}

#[tokio::test]
async fn what_github_refuses_is_not_asked_for() {
    let stage = stage().await;
    let ask = |params: Value| stage.bind("request_review", &params, 1);
    let list = ask(json!({"from": ["alice", "bob", "zoe", "elsewhere/docs"]}));
    let state = stage.read(&list).await;
    let Plan::Part(change, why) = list.plan(&state, &[]) else { panic!("bob is asked") };
    assert_eq!(change, json!({"request": ["bob"], "remove": []}));
    assert!(why.contains("`zoe` is no collaborator") && why.contains("`elsewhere/docs` is no"), "{why}");

    for (who, says) in
        [("alice", "pull request author"), ("zoe", "from collaborators"), ("acme/nobody", "users or teams")]
    {
        let error = list.write(&stage.writer, &json!({"request": ["bob", who]})).await.unwrap_err().to_string();
        assert!(error.contains("422") && error.contains(says), "{who}: {error}");
        assert!(stage.item().requested_reviewers().is_empty(), "GitHub asks all or nobody");
    }
}

#[tokio::test]
async fn a_team_whose_members_are_not_told_is_asked_itself() {
    let stage = stage().await;
    stage.github.add_team("acme", "docs", &["bob", "dave"]);
    let bound = stage.bind("request_review", &json!({"from": ["acme/docs"], "count": 1}), 1);
    let state = stage.read(&bound).await;
    let Plan::Part(change, why) = bound.plan(&state, &[]) else { panic!("the team is asked") };
    assert!(why.contains("`acme/docs`") && why.contains("`Members: read`"), "{why}");
    bound.write(&stage.writer, &change).await.unwrap();
    assert_eq!(stage.item().requested_reviewers(), ["acme/docs"]);
    let_it_read_members(&stage);
    let state = stage.read(&bound).await;
    assert!(matches!(bound.plan(&state, &[]), Plan::Nothing(_)), "the team is asked, and that is one");
}

#[tokio::test]
async fn code_owners_are_those_of_the_base_branch_and_of_the_first_place() {
    let mut stage = stage().await;
    let owners = async |stage: &Stage| {
        let bound = stage.bind("request_review", &json!({"from": "codeowners", "strategy": "all"}), 1);
        let state = stage.read(&bound).await;
        match bound.plan(&state, &[]) {
            Plan::Change(change) => change["request"].to_string(),
            Plan::Held(why) | Plan::Nothing(why) => why,
            other @ (Plan::Part(..) | Plan::Wait(_)) => panic!("{other:?}"),
        }
    };
    assert!(owners(&stage).await.contains("there is no CODEOWNERS on `main`"));
    stage.github.put_file(WEB, "main", "docs/CODEOWNERS", "* @carol");
    assert_eq!(owners(&stage).await, r#"["carol"]"#);
    stage.github.put_file(WEB, "main", ".github/CODEOWNERS", "* @bob");
    assert_eq!(owners(&stage).await, r#"["bob"]"#);
    stage.github.put_file(WEB, "main", ".github/CODEOWNERS", "docs/ @bob");
    assert!(owners(&stage).await.contains("nobody to ask"));
    stage.github.put_file(WEB, "main", ".github/CODEOWNERS", "* docs@example.com");
    assert!(owners(&stage).await.contains("`docs@example.com`"));

    stage.github.put_file(WEB, "stable", ".github/CODEOWNERS", "* @carol");
    let new = NewItem::titled("Backport").base("stable").writes(".github/CODEOWNERS", "* @mallory").file("src/a.rs");
    stage.number = stage.alice().opens_pull(WEB, new);
    assert_eq!(owners(&stage).await, r#"["carol"]"#, "not the ones that the pull request would put there");
}

#[tokio::test]
async fn on_an_issue_nothing_is_reviewed() {
    let stage = Stage::set(Kind::Issue).await;
    for (action, params) in [("request_review", json!({"from": ["bob"]})), ("review", json!({"event": "approve"}))] {
        let bound = stage.bind(action, &params, 1);
        let state = stage.read(&bound).await;
        assert!(held(bound.plan(&state, &[])).contains("no pull request"), "{action}");
    }
    assert_eq!(stage.writes(), 0);
}

#[tokio::test]
async fn an_approval_is_of_the_commit_that_was_read() {
    let stage = stage().await;
    let bound = stage.bind("review", &json!({"event": "approve"}), 1);
    let before = stage.read(&bound).await;
    let change = planned(&bound, &before);
    let seen = stage.item().head_sha().unwrap();
    let pushed = stage.alice().pushes(WEB, stage.number, &["src/b.rs"]);
    // GitHub refuses a commit that is gone, and takes one that was pushed over: as a review of that one.
    let written = bound.write(&stage.writer, &change).await;
    assert!(written.is_err() || approvals(&stage.item()) == [seen]);
    let now = stage.read(&bound).await;
    bound.write(&stage.writer, &planned(&bound, &now)).await.unwrap();
    assert!(approvals(&stage.item()).contains(&pushed));
}
