//! A list that is cut to what somebody sees is the whole list without what they do not see, page by page.

use orchd::core::audit::{Entry, Kind};
use orchd::core::decide::{Decision, Verdict};
use orchd::core::explain::Explanation;
use orchd::core::installation::CoveredRepository;
use orchd::core::intent::{ActionSpec, Intent, Target};
use orchd::core::rule::{Mode, RuleName};
use orchd::core::subject::SubjectKind;
use orchd::store::audit::AuditFilter;
use orchd::store::decided::{DecisionFilter, ItemFilter};
use orchd::store::decisions::Processed;
use orchd::store::effects::EffectFilter;
use orchd::store::events::{EventFilter, EventStatus};
use orchd::store::guards::{Guard, TripRow};
use orchd::store::jobs::{JobFilter, JobState, Work};
use orchd::store::repositories::RepositoryFilter;
use orchd::store::rollbacks::RollbackFilter;
use orchd::store::{Among, Page, StoreError};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

use super::*;

/// More than are merged one by one.
const REPOSITORIES: usize = 230;

fn named(number: usize) -> RepoName {
    name(&format!("Org{}/repo-{number}", number % 5))
}

/// Events of which few repositories have most, some of no repository; every third is decided, and has effects.
async fn fill(db: &Db, random: &mut StdRng) {
    let events = (0..700).map(|_| {
        let first = random.random_range(0..REPOSITORIES);
        let repository = named(first.min(random.random_range(0..REPOSITORIES)));
        let mut event = event(repository.as_str(), random.random_range(1..4));
        if random.random_bool(0.1) {
            event = bare_event();
        }
        event.event_type = ["issues", "push"][random.random_range(0..2)].to_owned();
        event.awaited = random.random_bool(0.8);
        event
    });
    for batch in events.collect::<Vec<_>>().chunks(200) {
        store(db, batch.to_vec()).await;
    }
    let claims = db.claim("me", noon(), TERMS, 60, 3).await.unwrap();
    for claim in claims {
        let Work::Process { event } = claim.job.work else { continue };
        let decisions = match claim.job.repository() {
            Some(repository) => vec![decision(event, &repository, "bugs"), decision(event, &repository, "docs")],
            None => Vec::new(),
        };
        let processed = Processed {
            job: claim.job.id,
            event,
            decisions,
            config_revision: "r1".to_owned(),
            hand_changes: Vec::new(),
            cause: None,
            facts: None,
        };
        db.finish_processed("me", &[processed], noon()).await.unwrap();
    }
    for claim in db.claim("me", noon(), TERMS, 20, 0).await.unwrap() {
        db.bury("me", claim.job.id, "no", noon()).await.unwrap();
    }
    db.claim("me", noon(), TERMS, 20, 0).await.unwrap();
}

fn decision(event: EventId, repository: &RepoName, rule: &str) -> Decision {
    let rule = RuleName::parse(rule).unwrap();
    let target = Target::item(repository.clone(), None, 1);
    let action = ActionSpec { name: "label".to_owned(), params: json!({"add": ["bug"]}), acts_on: SubjectKind::Item };
    let matched = repository.as_str().len().is_multiple_of(2);
    let intents = if matched { vec![Intent::new(event, &rule, &action, target)] } else { Vec::new() };
    let verdict = if matched { Verdict::Matched } else { Verdict::NotMatched };
    Decision { intents, rule, mode: Mode::Active, verdict, explanation: Explanation::leaf(matched, "so it is") }
}

/// Those who look: by nothing, one, some, many and all repositories, and one that is not known.
fn lookers(random: &mut StdRng) -> Vec<Among> {
    let mut lookers = vec![
        Among::All,
        Among::only([]),
        Among::only(&[named(0)]),
        Among::only(&[name("no/where")]),
        Among::only(&[name("ORG1/repo-1"), name("no/where"), named(REPOSITORIES - 1)]),
        Among::only(&(0..REPOSITORIES).map(named).collect::<Vec<_>>()),
    ];
    for share in [0.02, 0.1, 0.5, 0.95] {
        let seen: Vec<_> = (0..REPOSITORIES).filter(|_| random.random_bool(share)).map(named).collect();
        lookers.push(Among::only(&seen));
    }
    lookers
}

/// All pages of a list, one after the other.
async fn whole<T, C: Clone>(list: impl AsyncFn(u32, Option<C>) -> Result<Page<T, C>, StoreError>, page: u32) -> Vec<T> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let found = list(page, after).await.unwrap();
        assert!(found.rows.len() <= page as usize);
        seen.extend(found.rows);
        after = found.next;
        if after.is_none() {
            return seen;
        }
    }
}

on_both! {
    async fn a_cut_list_of_events_is_the_whole_one_without_the_others(place) {
        let db = place.open().await;
        let random = &mut StdRng::seed_from_u64(1);
        fill(&db, random).await;
        let middle = db.events(&EventFilter { limit: 350, ..Default::default() }).await.unwrap().next;
        let none = EventFilter::default;
        let filters = [
            none(),
            EventFilter { repository: Some(name("org1/REPO-1")), ..none() },
            EventFilter { repository: Some(name("org0/repo-0")), number: Some(2), ..none() },
            EventFilter { event_type: Some("push".to_owned()), ..none() },
            EventFilter { status: Some(EventStatus::Received), ..none() },
            EventFilter { status: Some(EventStatus::Processed), since: Some(noon() - seconds(9_000)), ..none() },
            EventFilter { newer_than: middle, ..none() },
        ];
        for filter in filters {
            let tail = filter.newer_than;
            let list = async |among: &Among, page| {
                let list = async |limit, after: Option<Uuid>| {
                    let (after, newer_than) = if tail.is_some() { (None, after.or(tail)) } else { (after, None) };
                    db.events(&EventFilter { limit, after, newer_than, among: among.clone(), ..filter.clone() }).await
                };
                whole(list, page).await
            };
            let all = list(&Among::All, 1_000).await;
            assert!(!all.is_empty(), "{filter:?}");
            for among in lookers(random) {
                let wanted: Vec<_> = all.iter().filter(|row| among.has(row.repository.as_ref())).map(|row| row.id).collect();
                for page in [7, 50, 1_000] {
                    let seen: Vec<_> = list(&among, page).await.iter().map(|row| row.id).collect();
                    assert_eq!(seen, wanted, "{filter:?} {among:?}");
                }
            }
        }
    }

    async fn a_cut_list_of_jobs_is_the_whole_one_without_the_others(place) {
        let db = place.open().await;
        let random = &mut StdRng::seed_from_u64(2);
        fill(&db, random).await;
        let event = db.jobs(&JobFilter { state: Some(JobState::Done), limit: 1, ..Default::default() }).await.unwrap().rows.remove(0);
        let Work::Process { event } = event.work else { panic!("{event:?}") };
        let states = [JobState::Queued, JobState::Running, JobState::Done, JobState::Dead].map(Some);
        let filters = [None].into_iter().chain(states).map(|state| JobFilter { state, ..Default::default() });
        let others = [
            JobFilter { event: Some(event), ..Default::default() },
            JobFilter { lane: Some("org0/repo-0".to_owned()), ..Default::default() },
        ];
        for filter in filters.chain(others) {
            let list = async |among: &Among, page| {
                let list = async |limit, after| {
                    db.jobs(&JobFilter { limit, after, among: among.clone(), ..filter.clone() }).await
                };
                whole(list, page).await
            };
            let all = list(&Among::All, 1_000).await;
            assert!(!all.is_empty(), "{filter:?}");
            for among in lookers(random) {
                let wanted: Vec<_> = all.iter().filter(|row| among.has(row.repository().as_ref())).map(|row| row.id).collect();
                for page in [7, 50] {
                    let seen: Vec<_> = list(&among, page).await.iter().map(|row| row.id).collect();
                    assert_eq!(seen, wanted, "{filter:?} {among:?}");
                }
            }
        }
    }

    async fn a_cut_list_of_effects_and_of_audit_rows_is_the_whole_one_without_the_others(place) {
        let db = place.open().await;
        let random = &mut StdRng::seed_from_u64(3);
        fill(&db, random).await;
        for repository in [None, Some(name("org0/repo-0"))] {
            for rule in [None, Some(RuleName::parse("bugs").unwrap())] {
                let filter = EffectFilter { repository: repository.clone(), rule, ..Default::default() };
                let list = async |among: &Among, page| {
                    let list = async |limit, after| {
                        db.effects(&EffectFilter { limit, after, among: among.clone(), ..filter.clone() }).await
                    };
                    whole(list, page).await
                };
                let all = list(&Among::All, 1_000).await;
                for among in lookers(random) {
                    let seen = |row: &&orchd::store::effects::EffectRow| among.has(Some(&row.intent.target.repository));
                    let wanted: Vec<_> = all.iter().filter(seen).map(|row| row.intent.id).collect();
                    let seen: Vec<_> = list(&among, 7).await.iter().map(|row| row.intent.id).collect();
                    assert_eq!(seen, wanted, "{filter:?} {among:?}");
                }
            }
            for oldest_first in [false, true] {
                let filter = AuditFilter { repository: repository.clone(), oldest_first, ..Default::default() };
                let list = async |among: &Among, page| {
                    let list = async |limit, after| {
                        db.audit_rows(&AuditFilter { limit, after, among: among.clone(), ..filter.clone() }).await
                    };
                    whole(list, page).await
                };
                let all = list(&Among::All, 1_000).await;
                for among in lookers(random) {
                    let wanted: Vec<_> = all.iter().filter(|row| among.has(row.repository().as_ref())).map(|row| row.seq).collect();
                    let seen: Vec<_> = list(&among, 7).await.iter().map(|row| row.seq).collect();
                    assert_eq!(seen, wanted, "{filter:?} {among:?}");
                }
            }
        }
    }

    async fn a_rollback_is_seen_by_who_sees_all_that_it_touches(place) {
        let db = place.open().await;
        let random = &mut StdRng::seed_from_u64(4);
        fill(&db, random).await;
        let plan = async |filter| db.begin_rollback(&filter, &Among::All, 1_000, OPERATOR, noon()).await.unwrap();
        let everywhere = plan(RollbackFilter { rule: Some(RuleName::parse("bugs").unwrap()), ..Default::default() }).await;
        let one = plan(RollbackFilter { repo: Some(name("Org0/Repo-0")), ..Default::default() }).await;
        let nothing = plan(RollbackFilter { rule: Some(RuleName::parse("no-such").unwrap()), ..Default::default() }).await;
        let nothing_there = plan(RollbackFilter { repo: Some(name("no/where")), ..Default::default() }).await;
        let seen = async |among: &Among| -> Vec<_> {
            whole(async |limit, after| db.rollbacks(among, limit, after).await, 1).await.iter().map(|row| row.id).collect()
        };
        assert_eq!(seen(&Among::All).await, [nothing_there, nothing, one, everywhere]);
        assert_eq!(seen(&Among::only(&[named(0)])).await, [one]);
        assert_eq!(seen(&Among::only(&(0..REPOSITORIES).map(named).collect::<Vec<_>>())).await, [one, everywhere]);
        assert_eq!(seen(&Among::only(&[name("no/where")])).await, [nothing_there]);
        assert!(seen(&Among::only([])).await.is_empty());
        assert_eq!(db.rollback_repositories(one).await.unwrap(), [name("org0/repo-0")]);
        assert!(db.rollback_repositories(everywhere).await.unwrap().len() > 2);
        assert!(db.rollback_repositories(nothing).await.unwrap().is_empty());
    }

    async fn a_cut_list_of_decisions_or_items_is_the_whole_one_without_the_others(place) {
        let db = place.open().await;
        let random = &mut StdRng::seed_from_u64(5);
        fill(&db, random).await;
        let none = DecisionFilter::default;
        let filters = [
            none(),
            DecisionFilter { rule: Some(RuleName::parse("docs").unwrap()), ..none() },
            DecisionFilter { matched: Some(true), repository: Some(name("org0/repo-0")), ..none() },
            DecisionFilter { matched: Some(false), ..none() },
        ];
        for filter in filters {
            let list = async |among: &Among, page| {
                let list = async |limit, after| {
                    db.decisions(&DecisionFilter { limit, after, among: among.clone(), ..filter.clone() }).await
                };
                whole(list, page).await
            };
            let all = list(&Among::All, 1_000).await;
            assert!(all.is_sorted_by(|a, b| (a.key.event, a.key.id) > (b.key.event, b.key.id)));
            for row in all.iter().take(3) {
                assert_eq!(db.decision(row.key.to_string().parse().unwrap()).await.unwrap().as_ref(), Some(row));
            }
            for among in lookers(random) {
                let wanted: Vec<_> = all.iter().filter(|row| among.has(row.repository.as_ref())).map(|row| row.key).collect();
                for page in [3, 50] {
                    let seen: Vec<_> = list(&among, page).await.iter().map(|row| row.key).collect();
                    assert_eq!(seen, wanted, "{filter:?} {among:?}");
                }
            }
        }

        let events = whole(async |limit, after| db.events(&EventFilter { limit, after, ..Default::default() }).await, 1_000).await;
        let list = async |among: &Among, page| {
            whole(async |limit, after| db.items(&ItemFilter { limit, after, among: among.clone(), ..Default::default() }).await, page).await
        };
        let all = list(&Among::All, 1_000).await;
        let mut last = std::collections::BTreeMap::new();
        for event in events.iter().rev().filter(|event| event.number.is_some()) {
            let place = (event.repository.clone().unwrap(), event.number.unwrap());
            let (id, count) = last.entry(place).or_insert((event.id, 0));
            (*id, *count) = (event.id, *count + 1);
        }
        let found: std::collections::BTreeMap<_, _> =
            all.iter().map(|item| ((item.repository.clone(), item.number), (item.last.id, item.events))).collect();
        assert_eq!(found, last);
        for among in lookers(random) {
            let wanted: Vec<_> = all.iter().filter(|item| among.has(Some(&item.repository))).map(|item| item.last.id).collect();
            for page in [7, 50] {
                assert_eq!(list(&among, page).await.iter().map(|item| item.last.id).collect::<Vec<_>>(), wanted, "{among:?}");
            }
        }
    }

    async fn repositories_installations_breakers_and_the_summary_are_cut_too(place) {
        let db = place.open().await;
        let random = &mut StdRng::seed_from_u64(6);
        fill(&db, random).await;
        for (id, repository) in [(1, named(0)), (2, named(1))] {
            let event = NewEvent { installation: Some(installation(id, Some("acme"))), ..event(repository.as_str(), 1) };
            store(&db, vec![event]).await;
            let trip = TripRow {
                id: Uuid::now_v7(),
                rule: RuleName::parse("bugs").unwrap(),
                repository,
                number: 1,
                guard: Guard::Depth,
                note: "again and again".to_owned(),
                tripped_at: noon(),
                ends_at: None,
                reset_at: None,
            };
            db.trip(&trip).await.unwrap();
            assert_eq!(db.trip_row(trip.id).await.unwrap(), Some(trip));
        }
        let repositories = async |among: &Among, page| -> Vec<_> {
            let list = async |limit, after| db.repositories_seen(&RepositoryFilter { limit, after, among: among.clone() }).await;
            whole(list, page).await.into_iter().map(|row| row.name).collect()
        };
        let all = repositories(&Among::All, 1_000).await;
        assert_eq!(db.repository(&name("ORG0/REPO-0")).await.unwrap().unwrap().name, named(0));
        let audit = whole(async |limit, after| db.audit_rows(&AuditFilter { limit, after, ..Default::default() }).await, 1_000).await;
        for among in lookers(random) {
            let wanted: Vec<_> = all.iter().filter(|name| among.has(Some(name))).cloned().collect();
            assert_eq!(repositories(&among, 9).await, wanted);

            let ids: Vec<_> = db.installations(&among, 10, None).await.unwrap().rows.iter().map(|row| row.id.0).collect();
            let seen = [(2, named(1)), (1, named(0))].into_iter().filter(|(_, name)| among.has(Some(name)));
            let seen: Vec<i64> = seen.map(|(id, _)| id).collect();
            assert_eq!(ids, seen);
            for id in [1, 2, 3] {
                assert_eq!(db.is_installation_seen(InstallationId(id), &among).await.unwrap(), seen.contains(&id));
            }
            assert_eq!(db.tripped(noon(), &among, 10).await.unwrap().len(), seen.len());

            let summary = db.audit_summary(noon() - seconds(3_600), &among).await.unwrap();
            let rows = audit.iter().filter(|row| among.has(row.repository().as_ref())).count() as u64;
            assert_eq!((summary.rows, summary.kinds.values().sum(), summary.actors.values().sum()), (rows, rows, rows));
        }
    }

    async fn who_takes_a_freed_name_sees_nothing_of_who_had_it(place) {
        let db = place.open().await;
        let web = name("acme/web");
        let of = |github_id| NewEvent {
            repository: Some(repository(github_id, "acme/web")),
            installation: Some(installation(1, Some("acme"))),
            ..event("acme/web", 1)
        };
        let old = store(&db, vec![of(1)]).await[0];
        let job = claim(&db, "me", noon()).await[0].job.id;
        let processed = Processed {
            job,
            event: old,
            decisions: vec![decision(old, &web, "bugs")],
            config_revision: "r1".to_owned(),
            hand_changes: Vec::new(),
            cause: None,
            facts: None,
        };
        db.finish_processed("me", &[processed], noon()).await.unwrap();
        let trip = TripRow {
            id: Uuid::now_v7(),
            rule: RuleName::parse("bugs").unwrap(),
            repository: web.clone(),
            number: 1,
            guard: Guard::Depth,
            note: "again and again".to_owned(),
            tripped_at: noon(),
            ends_at: None,
            reset_at: None,
        };
        db.trip(&trip).await.unwrap();
        let told = Entry { repository: Some("acme/web".to_owned()), ..Entry::new(Kind::GuardReset, OPERATOR, noon()) };
        db.audit(vec![told]).await.unwrap();
        let of_web = RollbackFilter { repo: Some(web.clone()), ..Default::default() };
        db.begin_rollback(&of_web, &Among::All, 1_000, OPERATOR, noon()).await.unwrap();

        let seen = async |among: Among| {
            let events = db.events(&EventFilter { limit: 9, among: among.clone(), ..Default::default() }).await.unwrap();
            let named = EventFilter { limit: 9, repository: Some(web.clone()), among: among.clone(), ..Default::default() };
            let named = db.events(&named).await.unwrap().rows.len();
            let jobs = db.jobs(&JobFilter { limit: 9, among: among.clone(), ..Default::default() }).await.unwrap();
            let effects = EffectFilter { limit: 9, among: among.clone(), ..Default::default() };
            let decisions = DecisionFilter { limit: 9, event: Some(old), among: among.clone(), ..Default::default() };
            let audit = AuditFilter { limit: 9, kind: Some(Kind::GuardReset), among: among.clone(), ..Default::default() };
            let items = ItemFilter { limit: 9, among: among.clone(), ..Default::default() };
            let plan = db.begin_rollback(&of_web, &among, 1_000, OPERATOR, noon()).await.unwrap();
            [
                ("events", events.rows.len()),
                ("events of the name", named),
                ("jobs", jobs.rows.iter().filter(|job| matches!(job.work, Work::Process { .. })).count()),
                ("effects", db.effects(&effects).await.unwrap().rows.len()),
                ("decisions", db.decisions(&decisions).await.unwrap().rows.len()),
                ("items", db.items(&items).await.unwrap().rows.len()),
                ("audit rows", db.audit_rows(&audit).await.unwrap().rows.len()),
                ("audit kinds", db.audit_summary(DateTime::UNIX_EPOCH, &among).await.unwrap().kinds.contains_key("guard_reset").into()),
                ("breakers", db.tripped(noon(), &among, 9).await.unwrap().len()),
                ("rollbacks", db.rollbacks(&among, 1_000, None).await.unwrap().rows.iter().filter(|row| row.id != plan).count()),
                ("effects to take back", db.rollback_items(plan, 9, None).await.unwrap().rows.len()),
            ]
        };
        let only = || Among::only([&web]);
        assert!(seen(only()).await.iter().all(|(_, count)| *count > 0));
        assert!(db.is_of_named_now(old).await.unwrap());
        let (before, made_at) = (noon(), db.job(job).await.unwrap().unwrap().created_at);
        assert!(db.is_since_named(&web, made_at).await.unwrap());
        let plans = db.rollbacks(&Among::All, 1_000, None).await.unwrap().rows.len();
        assert_eq!(plans, 2);

        // It is deleted, and another one is made: GitHub's list tells of it before it has an event.
        let another = CoveredRepository {
            github_id: 2,
            name: name("acme/Web"),
            is_private: true,
            description: None,
            url: None,
            default_branch: None,
        };
        db.take_over_repositories(InstallationId(1), &[another], true, noon()).await.unwrap();
        for (what, count) in seen(only()).await {
            assert_eq!(count, 0, "{what}");
        }
        assert!(!db.is_of_named_now(old).await.unwrap());
        assert!(!db.is_since_named(&web, made_at).await.unwrap());
        assert!(!db.is_since_named(&web, before).await.unwrap());

        let new = store(&db, vec![of(2)]).await[0];
        let events = db.events(&EventFilter { limit: 9, among: only(), ..Default::default() }).await.unwrap();
        assert_eq!(events.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [new]);
        assert!(db.is_of_named_now(new).await.unwrap());
        assert!(db.is_since_named(&web, db.job(job_of(new)).await.unwrap().unwrap().created_at).await.unwrap());
        let jobs = db.jobs(&JobFilter { limit: 9, among: only(), ..Default::default() }).await.unwrap();
        assert_eq!(jobs.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [job_of(new)]);
        let all = db.events(&EventFilter { limit: 9, ..Default::default() }).await.unwrap();
        assert_eq!(all.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [new, old], "who sees the site sees both");
    }
}
