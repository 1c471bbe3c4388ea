use orchd::core::decide::{Decision, Verdict};
use orchd::core::explain::Explanation;
use orchd::core::intent::{ActionSpec, Intent, Target};
use orchd::core::merge::{Line, News, PATIENCE, Wait};
use orchd::core::rule::{Mode, RuleName};
use orchd::core::subject::SubjectKind;
use orchd::store::StoreError;
use orchd::store::effects::{EffectOutcome, EffectState};
use orchd::store::jobs::Work;
use orchd::store::merge_queue::Waiting;
use serde_json::json;

use super::decisions::processed;
use super::*;

/// A merge of a pull request that is wanted, and its claimed job.
async fn wanted(db: &Db, number: u64) -> (Intent, JobId) {
    let event = store(db, vec![event("acme/web", number)]).await[0];
    claim(db, "me", noon()).await;
    let target = Target::item(name("acme/web"), Some(InstallationId(9)), number);
    let rule = RuleName::parse("merge-it").unwrap();
    let spec = ActionSpec { name: "merge".to_owned(), params: json!({}), acts_on: SubjectKind::Item };
    let decision = Decision {
        intents: vec![Intent::new(event, &rule, &spec, target)],
        rule,
        mode: Mode::Active,
        verdict: Verdict::Matched,
        explanation: Explanation::leaf(true, "yes"),
    };
    let intent = decision.intents[0].clone();
    db.finish_processed("me", &[processed(event, vec![decision])], noon()).await.unwrap();
    (intent.clone(), looks(db, &intent, noon()).await)
}

/// Claims the one job there is, which looks at this effect.
async fn looks(db: &Db, intent: &Intent, now: DateTime<Utc>) -> JobId {
    let claims = claim(db, "me", now).await;
    let works: Vec<Work> = claims.iter().map(|claim| claim.job.work).collect();
    assert_eq!(works, [Work::Apply { event: intent.event, intent: intent.id }]);
    claims[0].job.id
}

async fn enters(db: &Db, (intent, job): &(Intent, JobId), wait: &Wait, is_ready: bool) -> Result<(), StoreError> {
    let line = Line { base: "main".to_owned(), head: format!("head{}", intent.target.number) };
    let waiting = Waiting { owner: "me", job: *job, intent, line: &line, wait, is_ready };
    db.enter_queue(&waiting, noon()).await
}

async fn waits_its_turn(db: &Db, wanted: &(Intent, JobId)) {
    let first = db.goes_first(&wanted.0, "main", noon()).await.unwrap().unwrap();
    enters(db, wanted, &Wait::for_turn("main", first), true).await.unwrap();
}

fn checks() -> Wait {
    Wait::for_github("check `build` is not finished", Duration::from_secs(60))
}

async fn note(db: &Db, intent: &Intent) -> (EffectState, String) {
    let effect = db.effect(intent.id).await.unwrap().unwrap();
    (effect.state, effect.note.unwrap_or_default())
}

on_both! {
    async fn a_line_goes_in_order_of_arrival_and_says_whom_it_waits_for(place) {
        let db = place.open().await;
        let first = wanted(&db, 1).await;
        assert_eq!(db.goes_first(&first.0, "main", noon()).await.unwrap(), None);
        enters(&db, &first, &checks(), false).await.unwrap();
        assert!(claim(&db, "me", noon()).await.is_empty(), "what waits holds no lane");
        let second = wanted(&db, 2).await;
        waits_its_turn(&db, &second).await;
        let third = wanted(&db, 3).await;
        waits_its_turn(&db, &third).await;
        assert_eq!(note(&db, &third.0).await, (EffectState::Waiting, "#1 goes first into `main`".to_owned()));
        assert_eq!(db.goes_first(&third.0, "release", noon()).await.unwrap(), None, "another line");

        // The first is looked at and ends; the second goes, the third waits for it.
        let news = News { number: Some(1), ..News::default() };
        assert_eq!(db.hear_of_merges(&name("Acme/Web"), &news, noon()).await.unwrap(), 1);
        let job = looks(&db, &first.0, noon()).await;
        let held = EffectOutcome { state: EffectState::Held, before: None, after: None, note: Some("stop".to_owned()) };
        db.finish_effect("me", job, first.0.id, &held, noon()).await.unwrap();
        looks(&db, &second.0, noon()).await;
        assert_eq!(db.goes_first(&second.0, "main", noon()).await.unwrap(), None);
        assert_eq!(note(&db, &third.0).await.1, "#2 goes first into `main`");
        assert_eq!(db.goes_first(&third.0, "main", noon()).await.unwrap(), Some(2));
    }

    async fn who_waits_for_people_or_waited_in_vain_is_passed_over(place) {
        let db = place.open().await;
        let first = wanted(&db, 1).await;
        enters(&db, &first, &Wait::for_people("it is a draft"), false).await.unwrap();
        let second = wanted(&db, 2).await;
        assert_eq!(db.goes_first(&second.0, "main", noon()).await.unwrap(), None);
        enters(&db, &second, &checks(), false).await.unwrap();
        let third = wanted(&db, 3).await;
        assert_eq!(db.goes_first(&third.0, "main", noon()).await.unwrap(), Some(2));
        let later = noon() + PATIENCE + seconds(60);
        assert_eq!(db.goes_first(&third.0, "main", later).await.unwrap(), None);
        // Whoever came first is first again when nothing holds it back.
        assert_eq!(db.goes_first(&first.0, "main", noon()).await.unwrap(), None);
    }

    async fn news_has_those_looked_at_that_it_is_about_once(place) {
        let db = place.open().await;
        let first = wanted(&db, 1).await;
        enters(&db, &first, &checks(), false).await.unwrap();
        let hear = async |full: &str, news: News| db.hear_of_merges(&name(full), &news, noon()).await.unwrap();
        let head = |sha: &str| News { head: Some(sha.to_owned()), ..News::default() };
        let base = |branch: &str| News { base: Some(branch.to_owned()), ..News::default() };
        assert_eq!(hear("acme/web", head("head2")).await, 0);
        assert_eq!(hear("acme/web", base("release")).await, 0);
        assert_eq!(hear("acme/web", News::default()).await, 0);
        assert_eq!(hear("acme/api", head("head1")).await, 0);
        assert_eq!(hear("acme/web", head("head1")).await, 1);
        assert_eq!(hear("acme/web", base("main")).await, 0, "it is to be looked at already");
        let job = looks(&db, &first.0, noon()).await;
        enters(&db, &(first.0.clone(), job), &checks(), false).await.unwrap();
        assert_eq!(hear("acme/web", base("main")).await, 1);
        looks(&db, &first.0, noon()).await;
    }

    async fn what_nobody_tells_of_is_looked_at_ever_more_rarely(place) {
        let db = place.open().await;
        let first = wanted(&db, 1).await;
        let soon = Wait::for_github("GitHub works it out", Duration::from_secs(3));
        enters(&db, &first, &soon, false).await.unwrap();
        assert_eq!(db.look_at_due_merges(noon() + seconds(1)).await.unwrap(), 0);
        assert_eq!(db.look_at_due_merges(noon() + seconds(4)).await.unwrap(), 1);
        assert_eq!(db.look_at_due_merges(noon() + seconds(4)).await.unwrap(), 0, "no other daemon has it looked at again");
        let job = looks(&db, &first.0, noon() + seconds(10)).await;
        let line = Line { base: "main".to_owned(), head: "head1".to_owned() };
        let waiting = Waiting { owner: "me", job, intent: &first.0, line: &line, wait: &soon, is_ready: false };
        db.enter_queue(&waiting, noon() + seconds(100)).await.unwrap();
        assert_eq!(db.look_at_due_merges(noon() + seconds(190)).await.unwrap(), 0);
        assert_eq!(db.look_at_due_merges(noon() + seconds(210)).await.unwrap(), 1);
    }

    async fn one_that_ended_otherwise_leaves_its_line(place) {
        let db = place.open().await;
        let first = wanted(&db, 1).await;
        enters(&db, &first, &checks(), false).await.unwrap();
        let second = wanted(&db, 2).await;
        waits_its_turn(&db, &second).await;
        assert_eq!(db.twin_in_queue(&Intent { id: second.0.id, ..first.0.clone() }).await.unwrap(), Some(first.0.id));
        let otherwise = Intent { id: second.0.id, params: json!({"approvals": 2}), ..first.0.clone() };
        assert_eq!(db.twin_in_queue(&otherwise).await.unwrap(), None);
        assert_eq!(db.twin_in_queue(&first.0).await.unwrap(), None);

        let news = News { number: Some(1), ..News::default() };
        db.hear_of_merges(&name("acme/web"), &news, noon()).await.unwrap();
        let job = looks(&db, &first.0, noon()).await;
        db.bury("me", job, "it cannot be", noon()).await.unwrap();
        assert_eq!(note(&db, &first.0).await, (EffectState::Failed, "it cannot be".to_owned()));
        assert_eq!(db.goes_first(&second.0, "main", noon()).await.unwrap(), None);
        assert_eq!(db.look_at_due_merges(noon()).await.unwrap(), 1);
        let job = looks(&db, &second.0, noon()).await;
        assert!(matches!(enters(&db, &(second.0.clone(), JobId(Uuid::nil())), &checks(), true).await, Err(StoreError::LeaseLost)));
        enters(&db, &(second.0.clone(), job), &checks(), false).await.unwrap();
        assert_eq!(db.look_at_due_merges(noon()).await.unwrap(), 0);
    }
}
