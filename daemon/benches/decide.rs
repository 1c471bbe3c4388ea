//! 100 rules decided on one event with its facts in hand: the budget is 100 µs.

#![allow(clippy::expect_used)]

use chrono::DateTime;
use criterion::{Criterion, criterion_group, criterion_main};
use orchd::core::condition::Condition;
use orchd::core::decide::decide;
use orchd::core::event::{Event, EventId};
use orchd::core::facts::{Check, CheckState, Facts, Known, Review, ReviewState};
use orchd::core::intent::ActionSpec;
use orchd::core::pattern::{Case, Globs};
use orchd::core::rule::{Limits, Mode, Repositories, Rule, RuleName, Trigger};
use orchd::core::subject::SubjectKind;
use serde_json::{Value, json};

/// The daemon's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn rules() -> Vec<Rule> {
    let shapes: Vec<Value> = vec![
        json!({"all": [{"files": ["docs/**", "*.md"]}, {"not": {"label": "no-bot"}}]}),
        json!({"all": [{"author": ["dependabot[bot]", "renovate*"]}, {"checks": "passing"}]}),
        json!({"title": "^(feat|fix|docs)(\\(.+\\))?: "}),
        json!({"all": [{"base": "main"}, {"draft": false}, {"review": {"state": "approved", "count": ">= 2"}}]}),
        json!({"any": [{"label": ["bug", "area/*"]}, {"body": "(?i)closes #[0-9]+"}]}),
        json!({"all": [{"state": "open"}, {"age": "> 7d"}, {"assignee": {"present": false}}]}),
        json!({"author_association": ["FIRST_TIME_CONTRIBUTOR", "NONE"]}),
        json!({"all": [{"head": "feature/**"}, {"files": {"all": ["src/**"]}}]}),
        json!({"all": [{"milestone": {"present": true}}, {"star": ">= 100"}]}),
        json!({"all": [{"label": "bug"}, {"expr": "pull_request.additions + pull_request.deletions < 400"}]}),
    ];
    (0..100)
        .map(|index| Rule {
            name: RuleName::parse(&format!("rule-{index}")).expect("a plain name"),
            repositories: Repositories(
                Globs::parse(&["acme/*", "!acme/secret"], Case::Insensitive).expect("plain globs"),
            ),
            on: vec![Trigger::parse("pull_request.*").expect("a plain trigger")],
            when: Some(Condition::parse(&shapes[index % shapes.len()]).expect("a plain condition")),
            then: vec![ActionSpec {
                name: "label".to_owned(),
                params: json!({"add": ["seen"]}),
                acts_on: SubjectKind::Item,
            }],
            mode: Mode::Active,
            limits: Limits::default(),
        })
        .collect()
}

fn event() -> Event {
    let links: serde_json::Map<String, Value> = (0..80)
        .map(|n| (format!("link_{n}_url"), json!(format!("https://api.example.com/repos/acme/site/{n}"))))
        .collect();
    let mut pull = json!({
        "number": 7, "title": "feat(core): decide faster", "body": "Closes #12", "state": "open", "draft": false,
        "user": {"login": "alice"}, "author_association": "CONTRIBUTOR", "labels": [{"name": "bug"}, {"name": "docs"}],
        "assignees": [], "milestone": null, "created_at": "2026-01-01T12:00:00Z", "updated_at": "2026-01-10T09:00:00Z",
        "additions": 12, "deletions": 3, "base": {"ref": "main", "repo": {"full_name": "acme/site", "links": links}},
        "head": {"ref": "feature/x", "sha": "abc", "repo": {"full_name": "alice/site", "links": links}},
    });
    pull["links"] = Value::Object(links);
    let payload = json!({
        "action": "opened", "pull_request": pull, "sender": {"login": "alice", "type": "User"},
        "repository": {"full_name": "acme/site", "stargazers_count": 120},
    });
    let received_at = DateTime::from_timestamp(1_768_046_400, 0).unwrap_or_default();
    Event::from_payload(EventId(uuid::Uuid::from_u128(7)), "pull_request", received_at, payload)
}

fn facts(event: &Event) -> Facts {
    let review = |reviewer: &str| Review { reviewer: reviewer.to_owned(), state: ReviewState::Approved };
    let check = |name: &str| Check { name: name.to_owned(), state: CheckState::Passing };
    Facts {
        files: Known::Is((0..7).map(|n| format!("src/part/file_{n}.rs")).collect()),
        reviews: Known::Is(vec![review("bob"), review("carol")]),
        checks: Known::Is(vec![check("build"), check("test"), check("lint")]),
        ..Facts::from_event(event)
    }
}

fn decide_100_rules(criterion: &mut Criterion) {
    let (rules, event) = (rules(), event());
    let facts = facts(&event);
    criterion.bench_function("decide/100 rules", |bench| bench.iter(|| decide(&rules, &event, &facts)));
}

criterion_group! { name = benches; config = Criterion::default(); targets = decide_100_rules }
criterion_main!(benches);
