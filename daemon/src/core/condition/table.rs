//! Every leaf on one pull request, one issue and one push: what it answers and what it says.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Condition, Scene};
use crate::core::event::{Event, EventId};
use crate::core::explain::Truth;
use crate::core::facts::{Check, CheckState, Facts, Job, Known, Review, ReviewState, Run};
use crate::core::role::Role;

pub(crate) fn condition(written: Value) -> Condition {
    Condition::parse(&written).unwrap_or_else(|errors| panic!("{written}: {errors:?}"))
}

pub(crate) fn scene_of<'a>(event: &'a Event, facts: &'a Facts) -> Scene<'a> {
    Scene { event, facts }
}

pub(crate) fn event(name: &str, payload: Value) -> Event {
    let received_at: DateTime<Utc> = "2026-01-10T12:00:00Z".parse().unwrap();
    Event::from_payload(EventId(Uuid::from_u128(7)), name, received_at, payload)
}

pub(crate) fn pull_request() -> Event {
    event(
        "pull_request",
        json!({
            "action": "opened",
            "pull_request": {
                "number": 7,
                "title": "feat: docs for x",
                "body": "Closes #12",
                "state": "open",
                "draft": false,
                "user": {"login": "alice"},
                "author_association": "CONTRIBUTOR",
                "labels": [{"name": "bug"}, {"name": "Area/Docs"}],
                "assignees": [{"login": "bob"}],
                "milestone": null,
                "created_at": "2026-01-01T12:00:00Z",
                "updated_at": "2026-01-10T09:00:00Z",
                "additions": 12,
                "deletions": 3,
                "base": {"ref": "main", "repo": {"full_name": "acme/site"}},
                "head": {"ref": "feature/x", "sha": "abc", "repo": {"full_name": "alice/site"}},
            },
            "repository": {
                "full_name": "acme/site",
                "name": "site",
                "owner": {"login": "acme"},
                "stargazers_count": 120,
            },
            "sender": {"login": "alice", "type": "User"},
        }),
    )
}

/// Everything that GitHub would tell about `pull_request()`.
pub(crate) fn facts() -> Facts {
    let review = |reviewer: &str, state| Review { reviewer: reviewer.to_owned(), state };
    let check = |name: &str, state| Check { name: name.to_owned(), state };
    Facts {
        files: Known::Is(["docs/a.md", "docs/b.md", "src/lib.rs"].map(str::to_owned).to_vec()),
        reviews: Known::Is(vec![
            review("bob", ReviewState::Approved),
            review("carol", ReviewState::ChangesRequested),
            review("dave", ReviewState::Approved),
        ]),
        checks: Known::Is(vec![
            check("build", CheckState::Passing),
            check("lint", CheckState::Failing),
            check("test / linux", CheckState::Pending),
        ]),
        role: Known::Is(Role::Triage),
        run: Known::Is(run()),
        ..Facts::from_event(&pull_request())
    }
}

fn run() -> Run {
    let job = |name: &str, conclusion: Option<&str>| Job {
        name: name.to_owned(),
        status: "completed".to_owned(),
        conclusion: conclusion.map(str::to_owned),
    };
    Run {
        status: "in_progress".to_owned(),
        conclusion: None,
        event: "pull_request".to_owned(),
        head_sha: "abc".to_owned(),
        head_branch: Some("feature/x".to_owned()),
        attempt: 1,
        jobs: vec![job("build", Some("failure")), job("tell", None)],
    }
}

fn comment_on_issue() -> Event {
    event(
        "issue_comment",
        json!({
            "action": "created",
            "issue": {
                "number": 9,
                "title": "It breaks",
                "state": "closed",
                "user": {"login": "dependabot[bot]"},
                "author_association": "NONE",
                "labels": [],
                "assignees": [],
                "milestone": {"title": "v2.0"},
            },
            "comment": {"body": "please\n/retest now", "user": {"login": "carol"}},
            "repository": {"full_name": "acme/site"},
        }),
    )
}

pub(crate) fn told(written: Value) -> (Truth, String) {
    on(&pull_request(), &facts(), written)
}

fn on(event: &Event, facts: &Facts, written: Value) -> (Truth, String) {
    let explanation = condition(written).evaluate(scene_of(event, facts)).explanation;
    (explanation.truth, explanation.phrase)
}

fn check(event: &Event, facts: &Facts, rows: &[(Value, bool, &str)]) {
    for (written, holds, phrase) in rows {
        let told = on(event, facts, written.clone());
        assert_eq!(told, (Truth::from(*holds), (*phrase).to_owned()), "{written}");
    }
}

#[test]
fn words_and_names_on_a_pull_request() {
    check(
        &pull_request(),
        &facts(),
        &[
            (json!({"label": "bug"}), true, "label `bug` is present"),
            (json!({"label": "BUG"}), true, "label `bug` fits `BUG`"),
            (json!({"label": ["x", "area/*"]}), true, "label `Area/Docs` fits one of `x`, `area/*`"),
            (json!({"label": "no-bot"}), false, "label `no-bot` is absent (labels: `bug`, `Area/Docs`)"),
            (json!({"author": "Alice"}), true, "author `alice` is `Alice`"),
            (json!({"author": ["bob", "*[bot]"]}), false, "author `alice` is not one of `bob`, `*[bot]`"),
            (json!({"author_association": "contributor"}), true, "author is `CONTRIBUTOR`, `contributor`"),
            (
                json!({"author_association": ["OWNER", "MEMBER"]}),
                false,
                "author is `CONTRIBUTOR`, not one of `OWNER`, `MEMBER`",
            ),
            (json!({"title": "^feat"}), true, "title `feat: docs for x` matches `^feat`"),
            (json!({"title": "^fix"}), false, "title `feat: docs for x` does not match `^fix`"),
            (json!({"body": "(?i)closes #\\d+"}), true, "body matches `(?i)closes #\\d+`: `Closes #12`"),
            (json!({"body": "nope"}), false, "body (10 bytes) does not match `nope`"),
            (json!({"assignee": "bob"}), true, "`bob` is assigned"),
            (json!({"assignee": "eve"}), false, "`eve` is not assigned (assignees: `bob`)"),
            (json!({"assignee": {"present": false}}), false, "someone is assigned (assignees: `bob`)"),
            (json!({"milestone": {"present": false}}), true, "has no milestone"),
            (json!({"milestone": "v2*"}), false, "has no milestone, not `v2*`"),
            (json!({"star": ">= 100"}), true, "repository has 120 stars, >= 100"),
            (json!({"star": "< 100"}), false, "repository has 120 stars, not < 100"),
            (json!({"comment": "x"}), false, "the event brings no comment"),
        ],
    );
}

#[test]
fn branches_state_and_age_of_a_pull_request() {
    check(
        &pull_request(),
        &facts(),
        &[
            (json!({"base": "main"}), true, "base branch `main` is `main`"),
            (json!({"base": ["release/**", "v*"]}), false, "base branch `main` is not one of `release/**`, `v*`"),
            (json!({"head": "feature/*"}), true, "head branch `feature/x` is `feature/*`"),
            (
                json!({"head": ["**", "!feature/**"]}),
                false,
                "head branch `feature/x` is not one of `**`, `!feature/**`",
            ),
            (json!({"draft": false}), true, "is not a draft"),
            (json!({"draft": true}), false, "is not a draft"),
            (json!({"state": "open"}), true, "state is `open`"),
            (json!({"state": ["closed", "merged"]}), false, "state is `open`, not `closed` or `merged`"),
            (json!({"age": "> 7d"}), true, "created 9d 0h before the event, > 7d"),
            (json!({"age": "< 1h"}), false, "created 9d 0h before the event, not < 1h"),
            (json!({"age": {"since": "updated", "is": "<= 3h"}}), true, "updated 3h 0m before the event, <= 3h"),
        ],
    );
}

#[test]
fn files_reviews_and_checks_of_a_pull_request() {
    let docs = json!({"files": {"all": ["docs/**"]}});
    check(
        &pull_request(),
        &facts(),
        &[
            (json!({"files": "docs/**"}), true, "2 of 3 files match `docs/**` (`docs/a.md`, `docs/b.md`)"),
            (
                json!({"files": ["docs/**", "!docs/b.md"]}),
                true,
                "1 of 3 files match one of `docs/**`, `!docs/b.md` (`docs/a.md`)",
            ),
            (json!({"files": "*.py"}), false, "0 of 3 files match `*.py`"),
            (docs, false, "2 of 3 files match `docs/**` (not `src/lib.rs`)"),
            (
                json!({"files": {"all": ["docs/**", "src/**"]}}),
                true,
                "3 of 3 files match one of `docs/**`, `src/**` (`docs/a.md`, `docs/b.md`, `src/lib.rs`)",
            ),
            (json!({"role": "read"}), true, "`alice` has the role triage, at least read"),
            (json!({"role": "write"}), false, "`alice` has the role triage, less than write"),
            (json!({"review": "approved"}), true, "approved by 2 (`bob`, `dave`)"),
            (
                json!({"review": {"state": "approved", "count": ">= 3"}}),
                false,
                "approved by 2 (`bob`, `dave`), needs >= 3",
            ),
            (
                json!({"review": {"state": "changes_requested", "count": 0}}),
                false,
                "changes requested by 1 (`carol`), needs 0",
            ),
            (json!({"checks": "passing"}), false, "1 of 3 checks passing, failing: `lint`, pending: `test / linux`"),
            (json!({"checks": "failing"}), true, "1 of 3 checks passing, failing: `lint`, pending: `test / linux`"),
            (json!({"checks": {"state": "passing", "names": "build"}}), true, "1 of 1 checks of `build` passing"),
            (
                json!({"checks": {"state": "pending", "names": ["test *"]}}),
                true,
                "0 of 1 checks of `test *` passing, pending: `test / linux`",
            ),
            (json!({"checks": {"state": "passing", "names": "nope"}}), false, "there are no checks of `nope`"),
        ],
    );
}

#[test]
fn an_issue_has_no_branches_files_reviews_or_checks() {
    let event = comment_on_issue();
    check(
        &event,
        &Facts::from_event(&event),
        &[
            (json!({"files": "**"}), false, "it is an issue, so it has no changed files"),
            (json!({"review": "approved"}), false, "it is an issue, so it has no reviews"),
            (json!({"checks": "passing"}), false, "it is an issue, so it has no checks"),
            (json!({"base": "main"}), false, "it is an issue, so it has no base branch"),
            (json!({"head": "main"}), false, "it is an issue, so it has no head branch"),
            (json!({"draft": false}), false, "it is an issue, so it has no draft state"),
            (json!({"author": "dependabot[bot]"}), true, "author `dependabot[bot]` is `dependabot[bot]`"),
            (json!({"label": "bug"}), false, "label `bug` is absent (no labels)"),
            (json!({"assignee": {"present": false}}), true, "nobody is assigned (no assignees)"),
            (json!({"milestone": "V2.*"}), true, "milestone is `v2.0`"),
            (json!({"milestone": "v3"}), false, "milestone is `v2.0`, not `v3`"),
            (json!({"state": "closed"}), true, "state is `closed`"),
            (json!({"body": "x"}), false, "body is empty, so it does not match `x`"),
            (json!({"comment": "(?m)^/retest"}), true, "comment by `carol` matches `(?m)^/retest`: `/retest`"),
            (json!({"comment": "^/retest"}), false, "comment by `carol` does not match `^/retest`"),
            (json!({"comment": {"author": "Carol"}}), true, "comment is by `carol`"),
            (json!({"comment": {"body": "retest", "author": ["eve"]}}), false, "comment is by `carol`, not `eve`"),
            (json!({"age": "> 1d"}), false, "when it was created is not told"),
            (json!({"star": 1}), false, "the event does not tell the repository's stars"),
            (
                json!({"expr": "item.kind == 'issue' && size(files) == 0"}),
                true,
                "`item.kind == 'issue' && size(files) == 0` is true (files has 0 entries, item.kind = `issue`)",
            ),
        ],
    );
}

#[test]
fn a_push_is_about_no_item() {
    let event = event("push", json!({"ref": "refs/heads/main", "repository": {"full_name": "acme/site"}}));
    let nothing = "the event is about no issue or pull request";
    check(
        &event,
        &Facts::from_event(&event),
        &[
            (json!({"label": "bug"}), false, nothing),
            (json!({"files": "**"}), false, nothing),
            (json!({"base": "main"}), false, nothing),
            (
                json!({"expr": "ref == 'refs/heads/main'"}),
                true,
                "`ref == 'refs/heads/main'` is true (ref = `refs/heads/main`)",
            ),
        ],
    );
}

#[test]
fn merged_is_not_closed() {
    let mut event = pull_request();
    event.payload["pull_request"]["state"] = json!("closed");
    event.payload["pull_request"]["merged_at"] = json!("2026-01-10T10:00:00Z");
    check(
        &event,
        &Facts::from_event(&event),
        &[
            (json!({"state": "closed"}), false, "state is `merged`, not `closed`"),
            (json!({"state": "merged"}), true, "state is `merged`"),
        ],
    );
}

#[test]
fn a_comment_on_a_pull_request_needs_the_pull_request_for_its_branches() {
    let mut event = comment_on_issue();
    event.payload["issue"]["pull_request"] = json!({"url": "https://example.com"});
    let facts = Facts::from_event(&event);
    for written in [json!({"base": "main"}), json!({"draft": true}), json!({"expr": "item.head == 'x'"})] {
        let evaluated = condition(written.clone()).evaluate(scene_of(&event, &facts));
        let needs: Vec<_> = evaluated.needs.into_iter().collect();
        assert_eq!(needs, [crate::core::facts::FactKind::Item], "{written}");
    }
    let evaluated = condition(json!({"expr": "item.title == 'It breaks'"})).evaluate(scene_of(&event, &facts));
    assert_eq!(evaluated.explanation.truth, Truth::True);
}

#[test]
fn leaves_refuse_what_they_do_not_take() {
    for (written, at, message) in [
        (json!({"label": []}), "label", "the list needs 1 to 1000 entries"),
        (json!({"label": 7}), "label", "a label is a text: write it in quotes"),
        (json!({"label": ["ok", ""]}), "label/1", "a label is empty"),
        (json!({"label": {"name": "bug"}}), "label", "expected a label, or a list of them"),
        (json!({"files": ["a", "b[", "c"]}), "files/1", "`b[` is not a glob: unclosed character class; missing ']'"),
        (json!({"files": {"al": ["a"]}}), "files/al", "unknown key `al`: did you mean `all`?"),
        (json!({"files": {}}), "files", "write a list of globs, or `{all: [...]}`"),
        (json!({"title": "("}), "title", "this is not a regular expression: unclosed group"),
        (
            json!({"title": "(?=x)"}),
            "title",
            "this is not a regular expression: look-around, including look-ahead and look-behind, is not supported",
        ),
        (json!({"state": "opened"}), "state", "expected `open` or `closed` or `merged`: did you mean `open`?"),
        (json!({"state": ["open", "x"]}), "state/1", "expected `open` or `closed` or `merged`"),
        (
            json!({"author_association": ["MEMBRE"]}),
            "author_association/0",
            "GitHub has no association `MEMBRE`: did you mean `MEMBER`?",
        ),
        (
            json!({"review": "aproved"}),
            "review",
            "expected `approved` or `changes_requested`: did you mean `approved`?",
        ),
        (
            json!({"review": {"count": 2}}),
            "review",
            "`state` is missing: write `state: approved` or `state: changes_requested`",
        ),
        (
            json!({"review": {"state": "approved", "count": "many"}}),
            "review/count",
            "expected a comparison with a whole number, like `\">= 2\"`",
        ),
        (json!({"age": "7d"}), "age", "say whether older or younger: `\"> 7d\"` or `\"< 7d\"`"),
        (json!({"milestone": {"present": "yes"}}), "milestone/present", "expected `true` or `false`"),
        (json!({"comment": {}}), "comment", "write a `body`, an `author`, or both"),
        (json!({"comment": {"body": "("}}), "comment/body", "this is not a regular expression: unclosed group"),
        (json!({"star": null}), "star", "expected a comparison with a whole number, like `\">= 2\"`"),
    ] {
        let errors = Condition::parse(&written).expect_err(&written.to_string());
        let told: Vec<_> = errors.iter().map(|error| (error.at.join("/"), error.message.as_str())).collect();
        assert_eq!(told, [(at.to_owned(), message)], "{written}");
    }
}
