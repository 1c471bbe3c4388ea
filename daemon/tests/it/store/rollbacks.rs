use orchd::core::decide::Verdict as Decided;
use orchd::core::intent::IntentId;
use orchd::core::rule::{Mode, RuleName};
use orchd::store::effects::{EffectRow, EffectState};
use orchd::store::jobs::{JobFilter, Work};
use orchd::store::retention::Kept;
use orchd::store::rollbacks::{Judgement, RollbackFilter, RollbackId, Verdict};
use serde_json::json;

use super::audit::{report, rows};
use super::decisions::{decision, outcome, processed};
use super::*;

/// An event with one effect of the rule, applied.
async fn applied(db: &Db, rule: &str) -> (EventId, IntentId) {
    let id = store(db, vec![event("acme/web", 1)]).await[0];
    claim(db, "me", noon()).await;
    let decisions = vec![decision(id, rule, Mode::Active, Decided::Matched, &["bug"])];
    let effect = decisions[0].intents[0].id;
    db.finish_processed("me", &[processed(id, decisions)], noon()).await.unwrap();
    finish_next(db, effect).await;
    (id, effect)
}

/// Claims the next job, which is to be that effect's, and finishes it.
async fn finish_next(db: &Db, effect: IntentId) -> EventId {
    let job = claim(db, "me", noon()).await.remove(0).job;
    let Work::Apply { event, intent } = job.work else { panic!("{job:?}") };
    assert_eq!(intent, effect);
    db.finish_effect("me", job.id, effect, &outcome(EffectState::Applied), noon()).await.unwrap();
    event
}

async fn row(db: &Db, effect: IntentId) -> EffectRow {
    db.effect(effect).await.unwrap().unwrap()
}

async fn states(db: &Db, effects: &[IntentId]) -> Vec<EffectState> {
    let mut states = Vec::new();
    for effect in effects {
        states.push(row(db, *effect).await.state);
    }
    states
}

/// Plans, judges everything as to be undone, and has it carried out. Its undos, in order.
async fn roll_back(db: &Db, filter: RollbackFilter) -> (RollbackId, Vec<IntentId>) {
    let id = db.begin_rollback(&filter, &orchd::store::Among::All, 100, OPERATOR, noon()).await.unwrap();
    let items = db.rollback_items(id, 100, None).await.unwrap().rows;
    let undo = |undo| Judgement { undo, verdict: Verdict::Undo, note: None };
    let judged: Vec<_> = items.iter().map(|item| undo(item.undo)).collect();
    db.judge_rollback(id, &judged).await.unwrap();
    assert_eq!(db.execute_rollback(id, "r2", OPERATOR, noon()).await.unwrap(), None, "it is not planned yet");
    assert_eq!(db.unplanned_rollbacks().await.unwrap(), [id]);
    db.finish_plan(id, noon()).await.unwrap();
    assert_eq!(db.unplanned_rollbacks().await.unwrap(), []);
    assert_eq!(db.execute_rollback(id, "r2", OPERATOR, noon()).await.unwrap(), Some(items.len() as u64));
    assert_eq!(db.execute_rollback(id, "r2", OPERATOR, noon()).await.unwrap(), None, "once");
    (id, items.into_iter().map(|item| item.undo).collect())
}

fn only(effect: IntentId) -> RollbackFilter {
    RollbackFilter { effect: Some(effect), ..Default::default() }
}

on_both! {
    async fn each_filter_of_a_rollback_filters(place) {
        let db = place.open().await;
        let (first, one) = applied(&db, "one").await;
        let (_, two) = applied(&db, "two").await;
        let rule = |name: &str| Some(RuleName::parse(name).unwrap());
        let none = RollbackFilter::default;
        let cases = [
            (none(), vec![two, one]),
            (only(one), vec![one]),
            (RollbackFilter { rule: rule("two"), ..none() }, vec![two]),
            (RollbackFilter { event: Some(first), ..none() }, vec![one]),
            (RollbackFilter { config: Some("r".to_owned()), ..none() }, vec![two, one]),
            (RollbackFilter { config: Some("r2".to_owned()), ..none() }, vec![]),
            (RollbackFilter { since: Some(noon() - seconds(60)), ..none() }, vec![two, one]),
            (RollbackFilter { until: Some(noon() - seconds(60)), ..none() }, vec![]),
            (RollbackFilter { repo: Some(name("Acme/WEB")), ..none() }, vec![two, one]),
            (RollbackFilter { repo: Some(name("acme/api")), rule: rule("two"), ..none() }, vec![]),
        ];
        for (filter, expected) in cases {
            let id = db.begin_rollback(&filter, &orchd::store::Among::All, 2, OPERATOR, noon()).await.unwrap();
            let items = db.rollback_items(id, 100, None).await.unwrap().rows;
            assert_eq!(items.iter().map(|item| item.effect).collect::<Vec<_>>(), expected, "{filter:?}");
            let stored = db.rollback(id).await.unwrap().unwrap();
            assert_eq!((stored.filter, stored.cut_off), (filter, false));
        }
        let cut_off = db.begin_rollback(&none(), &orchd::store::Among::All, 1, OPERATOR, noon()).await.unwrap();
        assert!(db.rollback(cut_off).await.unwrap().unwrap().cut_off);
        let page = db.rollbacks(&orchd::store::Among::All, 2, None).await.unwrap();
        assert_eq!((page.rows.len(), page.rows[0].id), (2, cut_off));
        assert_eq!(db.rollbacks(&orchd::store::Among::All, 100, page.next).await.unwrap().rows.len(), 9);
    }

    async fn what_was_undone_stands_again_when_the_undo_is_taken_back(place) {
        let db = place.open().await;
        let (event, effect) = applied(&db, "bugs").await;
        let (id, undos) = roll_back(&db, RollbackFilter { event: Some(event), ..Default::default() }).await;
        let undo = undos[0];
        let planned = row(&db, undo).await;
        assert_eq!((planned.state, planned.intent.undoes, planned.rollback), (EffectState::Planned, Some(effect), Some(id)));
        assert_eq!((planned.intent.rule, planned.intent.event), (RuleName::rollback(), event));
        assert_eq!(db.rollback_counts(id).await.unwrap().left(), 1);
        assert_eq!(finish_next(&db, undo).await.0, id.0, "its job has the rollback in the place of an event");
        assert_eq!(states(&db, &[effect, undo]).await, [EffectState::Undone, EffectState::Applied]);
        let counts = db.rollback_counts(id).await.unwrap();
        assert_eq!((counts.effects, counts.undo, counts.left(), counts.undos["applied"]), (1, 1, 0, 1));

        // Asked for by the event the undo is not chosen: it must be named.
        let again = db.begin_rollback(&RollbackFilter { event: Some(event), ..Default::default() }, &orchd::store::Among::All, 9, OPERATOR, noon()).await.unwrap();
        let chosen = db.rollback_items(again, 9, None).await.unwrap().rows;
        assert_eq!(chosen.iter().map(|item| item.effect).collect::<Vec<_>>(), [effect]);
        db.finish_plan(again, noon()).await.unwrap();

        let (_, redone) = roll_back(&db, RollbackFilter { rollback: Some(id), ..Default::default() }).await;
        finish_next(&db, redone[0]).await;
        assert_eq!(states(&db, &[effect, undo, redone[0]]).await, [EffectState::Applied, EffectState::Undone, EffectState::Applied]);
        let (_, third) = roll_back(&db, only(redone[0])).await;
        finish_next(&db, third[0]).await;
        let ends = states(&db, &[effect, undo, redone[0], third[0]]).await;
        assert_eq!(ends, [EffectState::Undone, EffectState::Applied, EffectState::Undone, EffectState::Applied]);
    }

    async fn undos_come_newest_first_and_before_events_that_came_later(place) {
        let db = place.open().await;
        let (_, older) = applied(&db, "bugs").await;
        let (_, newer) = applied(&db, "bugs").await;
        let (_, undos) = roll_back(&db, RollbackFilter { repo: Some(name("acme/web")), ..Default::default() }).await;
        let late = store(&db, vec![event("acme/web", 1)]).await[0];
        assert_eq!(row(&db, undos[0]).await.intent.undoes, Some(newer));
        assert_eq!(row(&db, undos[1]).await.intent.undoes, Some(older));
        finish_next(&db, undos[0]).await;
        finish_next(&db, undos[1]).await;
        assert_eq!(claim(&db, "me", noon()).await[0].job.work, Work::Process { event: late });
    }

    async fn a_rollback_over_its_age_goes_with_its_jobs(place) {
        let db = place.open().await;
        let (_, effect) = applied(&db, "bugs").await;
        let (id, undos) = roll_back(&db, only(effect)).await;
        finish_next(&db, undos[0]).await;
        let jobs = async || {
            let filter = JobFilter { event: Some(EventId(id.0)), limit: 9, ..Default::default() };
            db.jobs(&filter).await.unwrap().rows.len()
        };
        assert_eq!(jobs().await, 1);
        let (before, mut after) = (noon() + TimeDelta::days(40), Some(Uuid::nil()));
        while let Some(from) = after {
            after = db.drop_older(Kept::Events, before, from, 100).await.unwrap().next;
        }
        assert_eq!((jobs().await, db.rollback(id).await.unwrap()), (0, None));
        assert!(db.rollback_items(id, 9, None).await.unwrap().rows.is_empty());
    }

    async fn who_asked_and_each_state_that_an_undo_changes_are_in_the_chain(place) {
        let db = place.open().await;
        let (event, effect) = applied(&db, "bugs").await;
        let (id, undos) = roll_back(&db, only(effect)).await;
        finish_next(&db, undos[0]).await;
        let (again, redone) = roll_back(&db, RollbackFilter { rollback: Some(id), ..Default::default() }).await;
        finish_next(&db, redone[0]).await;

        let told = rows(&db).await.split_off(2);
        let kinds: Vec<_> = told.iter().map(|row| row.kind.as_str()).collect();
        let first = ["rollback_planned", "rollback_executed", "effect_applied", "effect_undone"];
        assert_eq!(kinds, [&first[..], &first, &["effect_applied"]].concat(), "what was refused is not told");
        for row in [0, 1, 4, 5].map(|at| &told[at]) {
            assert_eq!((row.actor.as_str(), row.actor_name.as_deref()), ("operator", Some("uid 1000")));
        }
        assert_eq!(told[0].after, Some(json!({"rollback": id, "filter": {"effect": effect}, "effects": 1, "cut_off": false})));
        assert_eq!((told[0].effect, &told[0].config_revision), (Some(effect.0), &None));
        assert_eq!(told[1].after, Some(json!({"rollback": id, "filter": {"effect": effect}, "undos": 1})));
        assert_eq!((told[1].effect, told[1].config_revision.as_deref()), (Some(effect.0), Some("r2")));
        let about = |row: usize| (told[row].effect, told[row].rule.as_deref(), told[row].note.clone().unwrap());
        let (undo, redo) = (undos[0], redone[0]);
        let takes_back = format!("takes back effect {effect} for rollback {id}");
        assert_eq!(about(2), (Some(undo.0), Some("orchd:rollback"), format!("{takes_back}: done")));
        assert_eq!(about(3), (Some(effect.0), Some("bugs"), format!("taken back by effect {undo}")));
        let note = format!("takes back effect {undo} for rollback {again}: done");
        assert_eq!(about(6), (Some(redo.0), Some("orchd:rollback"), note));
        assert_eq!(about(7), (Some(undo.0), Some("orchd:rollback"), format!("{takes_back}: taken back by effect {redo}")));
        assert_eq!(about(8), (Some(effect.0), Some("bugs"), format!("put back by effect {redo}")));
        assert!(told.iter().skip(6).all(|row| row.event == Some(event.0) && row.actor == "orchd"));
        assert!(report(&db).await.is_proved());
    }

    async fn an_undo_that_came_to_nothing_is_told_and_changes_no_other(place) {
        let db = place.open().await;
        let (event, effect) = applied(&db, "bugs").await;
        let (id, undos) = roll_back(&db, only(effect)).await;
        let job = claim(&db, "me", noon()).await.remove(0).job.id;
        db.bury("me", job, "no", noon()).await.unwrap();
        assert!(db.discard(job, OPERATOR, noon()).await.unwrap());
        assert_eq!(states(&db, &[effect, undos[0]]).await, [EffectState::Applied, EffectState::Failed]);

        let told = rows(&db).await.split_off(4);
        assert_eq!(told.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>(), ["effect_failed", "job_discarded"]);
        assert_eq!(told[0].note, Some(format!("takes back effect {effect} for rollback {id}: no")));
        for row in &told {
            assert_eq!((row.event, row.effect), (Some(event.0), Some(undos[0].0)));
            assert_eq!((row.repository.as_deref(), row.number), (Some("acme/web"), Some(1)));
        }
        assert!(report(&db).await.is_proved());
    }
}
