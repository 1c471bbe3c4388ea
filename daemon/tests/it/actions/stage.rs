//! The stage of an action: an item on the simulated GitHub, and the real client with its gate open.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use orchd::actions::{Bound, Origin, Plan, Reversal};
use orchd::core::event::{InstallationId, RepoName};
use orchd::core::intent::{IntentId, Target};
use orchd::core::rule::{Mode, RuleName};
use orchd::core::subject::Subject;
use orchd::github::client::{self, Settings, WriteTerms, Writer};
use orchd::github::heard::Heard;
use orchd::github::limits::{BreakerTerms, Budgets, Terms};
use orchd_fake::{Change, GitHub, ItemView, NewItem, Person};
use serde_json::Value;
use uuid::Uuid;

use super::scenarios::Scenario;
use crate::story::WEB;

/// What has passed since the item was touched, as far as the action is told.
const YEAR: TimeDelta = TimeDelta::days(365);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Issue,
    Pull,
}

/// An item, a person, and the way to GitHub.
pub(super) struct Stage {
    pub(super) github: GitHub,
    pub(super) writer: Writer,
    installation: InstallationId,
    pub(super) kind: Kind,
    pub(super) number: u64,
}

impl Stage {
    pub(super) async fn set(kind: Kind) -> Self {
        let github = GitHub::start().await.unwrap();
        let installation = InstallationId(github.install("acme", &[WEB]));
        for login in ["alice", "bob", "carol"] {
            github.add_collaborator(WEB, login);
        }
        let settings = Settings {
            api_url: github.url().parse().unwrap(),
            issuer: Some(github.app_id().to_string()),
            private_key: Some(github.app_key().pem().to_owned().into()),
            timeout: Duration::from_secs(10),
            // What an action does is the question here, not how often it may.
            terms: Terms { write_spacing: Duration::ZERO, ..Terms::default() },
            breaker: BreakerTerms::default(),
            budgets: Budgets::in_memory(Utc::now),
            cache: 1 << 20,
            heard: Heard::new(),
        };
        let writer =
            client::GitHub::new(settings).unwrap().open_gate(Some(installation), WriteTerms::of(Mode::Active)).unwrap();
        let new = NewItem::titled("It breaks").body("When I press the button.");
        let alice = github.person("alice");
        let number = match kind {
            Kind::Issue => alice.opens_issue(WEB, new),
            Kind::Pull => alice.opens_pull(WEB, new.file("src/main.rs")),
        };
        alice.comments(WEB, number, "Anybody?");
        Self { github, writer, installation, kind, number }
    }

    pub(super) fn alice(&self) -> Person {
        self.github.person("alice")
    }

    pub(super) fn item(&self) -> ItemView {
        self.github.issue(WEB, self.number)
    }

    /// The action as the rule `r` would bind it for its `nth` event.
    pub(super) fn bind(&self, action: &str, params: &Value, nth: u128) -> Bound {
        self.bind_to(Subject::Item, action, params, nth)
    }

    /// The same for an action that acts on something else; the event was about the item.
    pub(super) fn bind_to(&self, subject: Subject, action: &str, params: &Value, nth: u128) -> Bound {
        let repository = RepoName::parse(WEB).unwrap();
        let target = Target { subject, ..Target::item(repository, Some(self.installation), self.number) };
        let origin = Origin {
            rule: RuleName::parse("r").unwrap(),
            intent: IntentId(Uuid::from_u128(nth)),
            at: Utc::now() + YEAR,
        };
        Bound::new(action, params, target, origin).unwrap()
    }

    /// The stage of a scenario when its action is about to run.
    pub(super) async fn before(scenario: &Scenario, kind: Kind) -> (Self, Bound) {
        let stage = Self::set(kind).await;
        (scenario.given)(&stage);
        if let Some(earlier) = &scenario.earlier {
            stage.carry_out(&stage.bind(scenario.action, earlier, 1)).await;
        }
        let bound = stage.bind(scenario.action, &scenario.params, 2);
        (stage, bound)
    }

    pub(super) async fn read(&self, bound: &Bound) -> Value {
        bound.read(&self.writer).await.unwrap()
    }

    /// Read, plan, write, read: the state before, the change, the state after.
    pub(super) async fn carry_out(&self, bound: &Bound) -> (Value, Value, Value) {
        let before = self.read(bound).await;
        let change = planned(bound, &before);
        bound.write(&self.writer, &change).await.unwrap();
        (before, change, self.read(bound).await)
    }

    pub(super) fn writes(&self) -> usize {
        self.github.writes().len()
    }
}

pub(super) fn planned(bound: &Bound, state: &Value) -> Value {
    match bound.plan(state, &[]) {
        Plan::Change(change) => change,
        other => panic!("there is something to write, not {other:?}"),
    }
}

pub(super) fn taken_back(bound: &Bound, before: &Value, after: &Value, now: &Value) -> Value {
    match bound.undo(before, after, now) {
        Reversal::Change(change) => change,
        other => panic!("there is something to take back, not {other:?}"),
    }
}

/// All a person sees of the item. GitHub gives a reopened issue a reason of its own; only that of a closed one counts.
pub(super) fn sight(item: &ItemView) -> impl PartialEq + std::fmt::Debug + use<> {
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    (
        (item.title().to_owned(), item.body().map(str::to_owned), item.milestone().map(str::to_owned)),
        (sorted(item.labels()), sorted(item.assignees()), item.comments()),
        (item.is_open(), item.is_merged(), item.state_reason().filter(|_| !item.is_open()).map(str::to_owned)),
        (item.is_locked(), item.lock_reason().map(str::to_owned), item.is_draft(), item.branch().map(str::to_owned)),
        (sorted(item.requested_reviewers()), standing_reviews(item)),
    )
}

/// Author and state of each review that counts: a dismissed one does not.
fn standing_reviews(item: &ItemView) -> Vec<(String, String)> {
    let counts = item.reviews().iter().filter(|review| review.state != "DISMISSED");
    counts.map(|review| (review.author.login.clone(), review.state.clone())).collect()
}

pub(super) fn our_comment(item: &ItemView) -> Option<String> {
    let ours: Vec<_> = item.comments().into_iter().filter(|(author, _)| author == "orchd[bot]").collect();
    assert!(ours.len() <= 1, "one comment of the rule: {ours:?}");
    ours.into_iter().next().map(|(_, body)| body)
}

pub(super) fn our_comment_id(stage: &Stage) -> i64 {
    let posted = stage.github.app_effects().into_iter().find_map(|effect| match effect.change {
        Change::Commented { id, .. } => Some(id),
        _ => None,
    });
    posted.unwrap()
}

/// Changes its text; the hidden line stays, as it does for whoever does not look for it.
pub(super) fn edit_our_comment(stage: &Stage) {
    let body = our_comment(&stage.item()).unwrap();
    let (_, hidden) = body.rsplit_once('\n').unwrap();
    let edited = format!("I would put it otherwise.\n\n{hidden}");
    stage.alice().edits_comment(WEB, stage.number, our_comment_id(stage), &edited);
}
