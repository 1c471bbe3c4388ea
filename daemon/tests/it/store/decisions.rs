use orchd::core::decide::{Decision, Verdict};
use orchd::core::explain::Explanation;
use orchd::core::hand::{Hand, HandChange, Thing};
use orchd::core::intent::{ActionSpec, Intent, IntentId, Target};
use orchd::core::rule::{Mode, RuleName};
use orchd::core::subject::SubjectKind;
use orchd::store::StoreError;
use orchd::store::allowance::UsedUp;
use orchd::store::decisions::Processed;
use orchd::store::effects::{EffectFilter, EffectOutcome, EffectState, Write};
use orchd::store::jobs::{JobFilter, JobState, Work};
use serde_json::{Value, json};

use super::*;

pub(super) fn decision(event: EventId, rule: &str, mode: Mode, verdict: Verdict, labels: &[&str]) -> Decision {
    let rule = RuleName::parse(rule).unwrap();
    let intents = labels.iter().map(|label| {
        let target = Target::item(name("acme/web"), Some(InstallationId(9)), 1);
        let params = json!({"add": [label]});
        Intent::new(event, &rule, &ActionSpec { name: "label".to_owned(), params, acts_on: SubjectKind::Item }, target)
    });
    let explanation = Explanation::leaf(verdict == Verdict::Matched, "title is `a\0b`");
    Decision { intents: intents.collect(), rule, mode, verdict, explanation }
}

pub(super) fn processed(event: EventId, decisions: Vec<Decision>) -> Processed {
    Processed {
        job: job_of(event),
        event,
        decisions,
        config_revision: "r1".to_owned(),
        hand_changes: Vec::new(),
        cause: None,
        facts: None,
    }
}

pub(super) fn outcome(state: EffectState) -> EffectOutcome {
    EffectOutcome { state, before: None, after: Some(json!(["bug"])), note: Some("done".to_owned()) }
}

/// One event decided with one matched active rule: the event, its effect and the apply job, claimed by `me`.
pub(super) async fn planned(db: &Db) -> (EventId, IntentId, JobId) {
    let event = store(db, vec![event("acme/web", 1)]).await[0];
    claim(db, "me", noon()).await;
    let decisions = vec![decision(event, "bugs", Mode::Active, Verdict::Matched, &["bug"])];
    let effect = decisions[0].intents[0].id;
    db.finish_processed("me", &[processed(event, decisions)], noon()).await.unwrap();
    let job = claim(db, "me", noon()).await.remove(0).job;
    assert_eq!(job.work, Work::Apply { event, intent: effect });
    (event, effect, job.id)
}

async fn apply_jobs(db: &Db, event: EventId) -> usize {
    let filter = JobFilter { event: Some(event), limit: 100, ..Default::default() };
    db.jobs(&filter).await.unwrap().rows.iter().filter(|job| matches!(job.work, Work::Apply { .. })).count()
}

on_both! {
    async fn decisions_become_effects_before_the_next_event(place) {
        let db = place.open().await;
        let ids = store(&db, vec![event("acme/web", 1), event("acme/web", 1)]).await;
        claim(&db, "me", noon()).await;
        let decisions = vec![
            decision(ids[0], "active", Mode::Active, Verdict::Matched, &["a", "b"]),
            decision(ids[0], "shadow", Mode::Shadow, Verdict::Matched, &["c"]),
            decision(ids[0], "other", Mode::Active, Verdict::NotMatched, &[]),
        ];
        db.finish_processed("me", &[processed(ids[0], decisions.clone())], noon()).await.unwrap();

        let rows = db.decisions_of(ids[0]).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.rule.as_str()).collect::<Vec<_>>(), ["active", "shadow", "other"]);
        assert_eq!((rows[0].verdict, rows[0].mode), (Verdict::Matched, Mode::Active));
        assert_eq!(rows[0].explanation, decisions[0].explanation);
        assert_eq!(db.decisions_on(&name("Acme/WEB"), 1, None, 10).await.unwrap().len(), 3);
        assert!(db.decisions_on(&name("acme/web"), 2, None, 10).await.unwrap().is_empty());

        let filter = EffectFilter { event: Some(ids[0]), limit: 10, ..Default::default() };
        let effects = db.effects(&filter).await.unwrap().rows;
        let states: Vec<_> = effects.iter().map(|it| it.state).collect();
        assert_eq!(states, [EffectState::Shadow, EffectState::Planned, EffectState::Planned]);
        assert_eq!(effects[2].intent, decisions[0].intents[0]);

        let claims = claim(&db, "me", noon()).await;
        assert_eq!(claims.len(), 1);
        assert_eq!(claims[0].job.work, Work::Apply { event: ids[0], intent: decisions[0].intents[0].id });
        assert!(claims[0].following.is_empty(), "an effect is not behind an effect");
    }

    async fn a_replay_replaces_decisions_and_repeats_no_effect(place) {
        let db = place.open().await;
        let (event, effect, job) = planned(&db).await;
        db.finish_effect("me", job, effect, &outcome(EffectState::Applied), noon()).await.unwrap();
        assert_eq!(db.replay(event, OPERATOR, noon()).await.unwrap(), Replay::Queued);
        claim(&db, "me", noon()).await;
        let again = vec![decision(event, "bugs", Mode::Active, Verdict::Matched, &["bug"])];
        db.finish_processed("me", &[processed(event, again)], noon()).await.unwrap();
        assert_eq!(db.decisions_of(event).await.unwrap().len(), 1);
        assert_eq!(apply_jobs(&db, event).await, 1);
        assert_eq!(db.effect(effect).await.unwrap().unwrap().state, EffectState::Applied);
    }

    async fn a_replay_tries_a_failed_effect_again(place) {
        let db = place.open().await;
        let (event, effect, job) = planned(&db).await;
        db.bury("me", job, "no", noon()).await.unwrap();
        let row = db.effect(effect).await.unwrap().unwrap();
        assert_eq!((row.state, row.note.as_deref()), (EffectState::Failed, Some("no")));
        db.replay(event, OPERATOR, noon()).await.unwrap();
        claim(&db, "me", noon()).await;
        let again = vec![decision(event, "bugs", Mode::Active, Verdict::Matched, &["bug"])];
        db.finish_processed("me", &[processed(event, again)], noon()).await.unwrap();
        assert_eq!(db.effect(effect).await.unwrap().unwrap().state, EffectState::Planned);
        assert_eq!(db.job(job).await.unwrap().unwrap().state, JobState::Discarded);
        assert_eq!(claim(&db, "me", noon()).await.len(), 1);
    }

    async fn an_effect_goes_from_planned_to_applied(place) {
        let db = place.open().await;
        let (_, effect, job) = planned(&db).await;
        let thief = begin(&db, "you", job, effect, &json!({"add": "bug"})).await;
        assert!(matches!(thief, Err(StoreError::LeaseLost)), "only who holds the job may write");
        begin(&db, "me", job, effect, &json!({"add": "bug"})).await.unwrap();
        let row = db.effect(effect).await.unwrap().unwrap();
        assert_eq!((row.state, row.before, row.change), (EffectState::Writing, Some(json!([])), Some(json!({"add": "bug"}))));

        let lost = db.finish_effect("you", job, effect, &outcome(EffectState::Applied), noon()).await;
        assert!(matches!(lost, Err(StoreError::LeaseLost)));
        db.finish_effect("me", job, effect, &outcome(EffectState::Applied), noon()).await.unwrap();
        let row = db.effect(effect).await.unwrap().unwrap();
        assert_eq!((row.state, row.before, row.after), (EffectState::Applied, Some(json!([])), Some(json!(["bug"]))));
        assert_eq!(db.job(job).await.unwrap().unwrap().state, JobState::Done);
        let late = begin(&db, "me", job, effect, &json!({})).await;
        assert!(matches!(late, Err(StoreError::LeaseLost)), "it is finished");
    }

    async fn a_begun_write_whose_job_died_is_quarantined_and_goes_on_as_begun(place) {
        let db = place.open().await;
        let (_, effect, job) = planned(&db).await;
        begin(&db, "me", job, effect, &json!({})).await.unwrap();
        db.bury("me", job, "GitHub is down", noon()).await.unwrap();
        assert_eq!(db.effect(effect).await.unwrap().unwrap().state, EffectState::Quarantined);
        assert!(db.retry_dead(job, OPERATOR, noon()).await.unwrap());
        assert_eq!(db.effect(effect).await.unwrap().unwrap().state, EffectState::Writing);
    }

    async fn effects_are_listed_newest_first_page_by_page(place) {
        let db = place.open().await;
        let event = store(&db, vec![event("acme/web", 1)]).await[0];
        claim(&db, "me", noon()).await;
        let labels: Vec<String> = (0..7).map(|n| format!("l{n}")).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let decisions = vec![decision(event, "many", Mode::Active, Verdict::Matched, &labels)];
        let mut wanted: Vec<_> = decisions[0].intents.iter().map(|it| it.id).collect();
        wanted.reverse();
        db.finish_processed("me", &[processed(event, decisions)], noon()).await.unwrap();
        let mut filter = EffectFilter {
            repository: Some(name("ACME/web")),
            number: Some(1),
            rule: Some(RuleName::parse("many").unwrap()),
            state: Some(EffectState::Planned),
            limit: 3,
            ..Default::default()
        };
        let mut seen = Vec::new();
        loop {
            let page = db.effects(&filter).await.unwrap();
            seen.extend(page.rows.iter().map(|it| it.intent.id));
            filter.after = page.next;
            if page.next.is_none() {
                break;
            }
        }
        assert_eq!(seen, wanted);
        filter.state = Some(EffectState::Applied);
        assert!(db.effects(&filter).await.unwrap().rows.is_empty());
    }

    async fn the_latest_hand_on_each_thing_is_kept(place) {
        let db = place.open().await;
        let ids = store(&db, vec![event("acme/web", 1), event("acme/web", 1), event("acme/web", 1)]).await;
        let hand = |thing: Thing, hand: Hand, at: i64| HandChange {
            repository: name("acme/web"),
            number: 1,
            thing,
            hand,
            by: "mona".to_owned(),
            at: noon() + seconds(at),
        };
        let bug = || Thing::Label("bug".to_owned());
        let changes = [
            vec![hand(bug(), Hand::Put, 1), hand(Thing::State, Hand::Taken, 1)],
            vec![hand(bug(), Hand::Taken, 9)],
            vec![hand(bug(), Hand::Put, 5)],
        ];
        claim(&db, "me", noon()).await;
        let all: Vec<_> = ids.iter().zip(&changes).map(|(id, changes)| Processed {
            hand_changes: changes.clone(),
            ..processed(*id, Vec::new())
        }).collect();
        db.finish_processed("me", &all, noon()).await.unwrap();
        assert_eq!(db.hands_on(&name("Acme/Web"), 1).await.unwrap().iter().map(|it| (&it.thing, it.hand)).collect::<Vec<_>>(),
            [(&bug(), Hand::Taken), (&Thing::State, Hand::Taken)]);
        assert!(db.hands_on(&name("acme/web"), 2).await.unwrap().is_empty());
        assert!(db.hands_on(&name("acme/unknown"), 1).await.unwrap().is_empty());
    }
}

pub(super) async fn begin(
    db: &Db,
    owner: &str,
    job: JobId,
    effect: IntentId,
    change: &Value,
) -> Result<Option<UsedUp>, StoreError> {
    let write =
        Write { owner, job, effect, before: &json!([]), change, lease_until: noon() + seconds(30), allowance: None };
    db.begin_write(&write, noon()).await
}

/// Events about `#1`, `#2` and so on, each decided with so many effects of a rule `a`: labels `l-0`, `l-1` and so on.
pub(crate) async fn store_effects(db: &Db, events: u64, effects: impl Fn(u64) -> usize) {
    let new = |n| NewEvent { awaited: true, ..processed_event(n) };
    let ids = store(db, (0..events).map(new).collect()).await;
    let claims = db.claim("me", noon(), TERMS, 1, u32::try_from(events).unwrap()).await.unwrap();
    assert_eq!(claims[0].following.len() + 1, ids.len());
    let decided = ids.iter().zip(0..).map(|(id, n)| {
        let labels: Vec<String> = (0..effects(n)).map(|label| format!("l-{label}")).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let mut decision = decision(*id, "a", Mode::Active, Verdict::Matched, &labels);
        decision.intents.iter_mut().for_each(|intent| intent.target.number = n + 1);
        processed(*id, vec![decision])
    });
    db.finish_processed("me", &decided.collect::<Vec<_>>(), noon()).await.unwrap();
}
