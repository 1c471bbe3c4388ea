//! What a page of a list costs on a large database, for people who see all, much, little, or nothing of it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use orchd::core::audit::Actor;
use orchd::core::decide::{Decision, Verdict};
use orchd::core::event::{EventId, InstallationId, RepoName};
use orchd::core::explain::Explanation;
use orchd::core::installation::CoveredRepository;
use orchd::core::intent::{ActionSpec, Intent, Target};
use orchd::core::rule::{Mode, RuleName};
use orchd::core::subject::SubjectKind;
use orchd::engine::why::{stories_of, story_of};
use orchd::store::audit::AuditFilter;
use orchd::store::decided::{DecisionFilter, ItemFilter};
use orchd::store::decisions::Processed;
use orchd::store::effects::EffectFilter;
use orchd::store::events::{EventFilter, EventStatus, NewEvent, SeenInstallation, SeenRepository, Source};
use orchd::store::jobs::{JobFilter, Terms, Work};
use orchd::store::repositories::RepositoryFilter;
use orchd::store::rollbacks::RollbackFilter;
use orchd::store::{Among, Db, StoreOptions};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use uuid::{NoContext, Timestamp, Uuid};

const REPOSITORIES: usize = 2_000;

/// How long a database that was just filled is left alone.
const SETTLES: Duration = Duration::from_secs(30);

/// Events stored in one transaction.
const BATCH: usize = 1_000;

/// Over so many days the events are spread.
const DAYS: i64 = 20;

/// Times each list is asked for.
const TIMES: u32 = 100;

/// Rows of a page.
const PAGE: u32 = 50;

pub fn run(dir: &Path, postgres: &str, events: usize) -> Result<String> {
    let dir = dir.join("reads");
    std::fs::create_dir_all(&dir)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut text = String::new();
    for (name, url) in
        [("SQLite", format!("sqlite://{}", dir.join("orchd.db").display())), ("PostgreSQL", postgres.to_owned())]
    {
        writeln!(text, "{name}, ms (p50 / p99):\n")?;
        let options = StoreOptions { url: url.into(), objects: dir.join("objects") };
        runtime.block_on(async {
            let db = Db::open(&options).await?;
            fill(&db, events).await?;
            measure(&db, &mut text).await
        })?;
        writeln!(text)?;
    }
    Ok(text)
}

fn name(number: usize) -> Result<RepoName> {
    Ok(RepoName::parse(&format!("org{}/repo{number}", number % 20))?)
}

/// A few repositories have most events, most have few.
fn event(random: &mut StdRng, nth: usize, of: usize) -> Result<NewEvent> {
    let far = f64::from(u32::try_from(nth)?) / f64::from(u32::try_from(of)?);
    let span = TimeDelta::days(DAYS);
    let at = Utc::now() - span + TimeDelta::milliseconds((far * span.num_milliseconds() as f64) as i64);
    let place = random.random::<f64>().powi(5) * REPOSITORIES as f64;
    let number = (place as usize).min(REPOSITORIES - 1);
    let full = name(number)?;
    let kinds = [("issues", "opened"), ("issue_comment", "created"), ("pull_request", "synchronize"), ("push", "")];
    let (kind, action) = kinds[random.random_range(0..kinds.len())];
    let time = Timestamp::from_unix(NoContext, u64::try_from(at.timestamp())?, at.timestamp_subsec_nanos());
    Ok(NewEvent {
        id: EventId(Uuid::new_v7(time)),
        delivery_id: Uuid::from_u128(random.random()).to_string(),
        source: Source::Webhook,
        event_type: kind.to_owned(),
        event_action: (!action.is_empty()).then(|| action.to_owned()),
        actor: Some(format!("person{}", random.random_range(0..500))),
        number: (kind != "push").then(|| random.random_range(1..300)),
        target_object_ids: json!({"issue_number": 1}),
        received_at: at,
        github_timestamp: None,
        repository: Some(SeenRepository {
            github_id: i64::try_from(number)? + 1,
            url: format!("https://github.com/{full}"),
            name: full,
            description: None,
            is_private: false,
            default_branch: "main".to_owned(),
            told_at: None,
        }),
        installation: Some(SeenInstallation {
            id: InstallationId(i64::try_from(number % 20)? + 1),
            account_login: Some(format!("org{}", number % 20)),
            account_type: Some("Organization".to_owned()),
            told_at: None,
        }),
        payload: Bytes::from_static(b"{}"),
        awaited: random.random_bool(0.2),
    })
}

/// What it was filled with before stays.
pub async fn fill(db: &Db, events: usize) -> Result<()> {
    if db.repository(&RepoName::parse("org0/quiet")?).await?.is_some() {
        return Ok(());
    }
    let random = &mut StdRng::seed_from_u64(1);
    let mut nth = 0;
    while nth < events {
        let batch: Vec<_> =
            (nth..(nth + BATCH).min(events)).map(|nth| event(random, nth, events)).collect::<Result<_>>()?;
        nth += batch.len();
        db.ingest(batch).await?;
    }
    let quiet = CoveredRepository {
        github_id: 1_000_000,
        name: RepoName::parse("org0/quiet")?,
        is_private: true,
        description: None,
        url: None,
        default_branch: None,
    };
    db.take_over_repositories(InstallationId(1), &[quiet], false, Utc::now()).await?;
    let terms = Terms { lease: Duration::from_secs(600), max_attempts: 8 };
    loop {
        let claims = db.claim("bench", Utc::now(), terms, 100, 100).await?;
        if claims.is_empty() {
            // A database in use has been looked at by its own planner: here, every five seconds.
            tokio::time::sleep(SETTLES).await;
            return Ok(());
        }
        for claim in claims {
            let lane = RepoName::parse(&claim.job.lane)?;
            let jobs = claim.following.iter().chain([&claim.job]);
            let processed = jobs.map(|job| processed(job, &lane)).collect::<Result<Vec<_>>>()?;
            db.finish_processed("bench", &processed, Utc::now()).await?;
        }
    }
}

/// Asks for something [`TIMES`] times: milliseconds in the middle and of the slowest but one in a hundred.
macro_rules! timed {
    ($ask:expr) => {{
        let mut took = Vec::new();
        for _ in 0..TIMES {
            let began = Instant::now();
            $ask?;
            took.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
        took.sort_by(f64::total_cmp);
        let at = |share: f64| took[((took.len() - 1) as f64 * share).round() as usize];
        (at(0.5), at(0.99))
    }};
}

/// Two rules looked at it; one in ten events had an effect.
fn processed(job: &orchd::store::jobs::JobRow, repository: &RepoName) -> Result<Processed> {
    let Work::Process { event } = job.work else { bail!("not a process job") };
    let matched = event.0.as_u128() % 10 == 0;
    let decide = |rule: &str, matched: bool| -> Result<Decision> {
        let rule = RuleName::parse(rule)?;
        let action =
            ActionSpec { name: "label".to_owned(), params: json!({"add": ["bug"]}), acts_on: SubjectKind::Item };
        let intent = Intent::new(event, &rule, &action, Target::item(repository.clone(), None, 1));
        Ok(Decision {
            rule,
            mode: Mode::Shadow,
            verdict: if matched { Verdict::Matched } else { Verdict::NotMatched },
            explanation: Explanation::leaf(matched, "so it is"),
            intents: if matched { vec![intent] } else { Vec::new() },
        })
    };
    Ok(Processed {
        job: job.id,
        event,
        decisions: vec![decide("bugs", matched)?, decide("docs", false)?],
        config_revision: "0000000000000000".to_owned(),
        hand_changes: Vec::new(),
        cause: None,
        facts: None,
    })
}

fn people() -> Result<Vec<(&'static str, Among)>> {
    let random = &mut StdRng::seed_from_u64(2);
    let some = |numbers: Vec<usize>| -> Result<Among> {
        Ok(Among::only(&numbers.into_iter().map(name).collect::<Result<Vec<_>>>()?))
    };
    Ok(vec![
        ("all", Among::All),
        ("the busiest repository", some(vec![0])?),
        ("one without events", Among::only(&[RepoName::parse("org0/quiet")?])),
        ("100 of 2,000", some((0..100).map(|_| random.random_range(0..REPOSITORIES)).collect())?),
        ("all 2,000", some((0..REPOSITORIES).collect())?),
        ("the 1,500 quietest", some((500..REPOSITORIES).collect())?),
    ])
}

async fn measure(db: &Db, text: &mut String) -> Result<()> {
    let people = people()?;
    let names: Vec<_> = people.iter().map(|(name, _)| *name).collect();
    writeln!(text, "| list | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()))?;
    macro_rules! list {
        ($name:literal, $among:ident => $ask:expr) => {{
            write!(text, "| {} |", $name)?;
            for (_, $among) in &people {
                let (middle, slow) = timed!($ask);
                write!(text, " {middle:.1} / {slow:.1} |")?;
            }
            writeln!(text)?;
        }};
    }
    let middle =
        Timestamp::from_unix(NoContext, u64::try_from((Utc::now() - TimeDelta::days(DAYS / 2)).timestamp())?, 0);
    let middle = Some(Uuid::new_v7(middle));
    let limit = PAGE;
    list!("events", it => db.events(&EventFilter { limit, among: it.clone(), ..Default::default() }).await);
    list!("events, half way back", it => db.events(&EventFilter { limit, after: middle, among: it.clone(), ..Default::default() }).await);
    let events = || EventFilter { limit, ..Default::default() };
    let never = || Some("never".to_owned());
    list!("events of a type", it => db.events(&EventFilter { event_type: Some("push".to_owned()), among: it.clone(), ..events() }).await);
    list!("events of a type that never came", it => db.events(&EventFilter { event_type: never(), among: it.clone(), ..events() }).await);
    list!("events of an action that never came", it => db.events(&EventFilter { event_action: never(), among: it.clone(), ..events() }).await);
    list!("events by an actor", it => db.events(&EventFilter { actor: Some("person7".to_owned()), among: it.clone(), ..events() }).await);
    list!("events by an actor who never came", it => db.events(&EventFilter { actor: never(), among: it.clone(), ..events() }).await);
    list!("events that are processed", it => db.events(&EventFilter { status: Some(EventStatus::Processed), among: it.clone(), ..events() }).await);
    list!("events that failed", it => db.events(&EventFilter { status: Some(EventStatus::Failed), among: it.clone(), ..events() }).await);
    list!("events of a number", it => db.events(&EventFilter { number: Some(7), among: it.clone(), ..events() }).await);
    list!("new events by an actor who never came", it => db.events(&EventFilter { actor: never(), newer_than: middle, among: it.clone(), ..events() }).await);
    list!("new events", it => db.events(&EventFilter { limit, newer_than: middle, among: it.clone(), ..Default::default() }).await);
    list!("jobs", it => db.jobs(&JobFilter { limit, among: it.clone(), ..Default::default() }).await);
    list!("effects", it => db.effects(&EffectFilter { limit, among: it.clone(), ..Default::default() }).await);
    list!("decisions", it => db.decisions(&DecisionFilter { limit, among: it.clone(), ..Default::default() }).await);
    list!("decisions that matched", it => db.decisions(&DecisionFilter { limit, matched: Some(true), among: it.clone(), ..Default::default() }).await);
    list!("issues and pull requests", it => db.items(&ItemFilter { limit, among: it.clone(), ..Default::default() }).await);
    list!("audit rows", it => db.audit_rows(&AuditFilter { limit, among: it.clone(), ..Default::default() }).await);
    list!("audit rows by an actor who did nothing", it => db.audit_rows(&AuditFilter { limit, actor: never(), among: it.clone(), ..Default::default() }).await);
    list!("audit summary", it => db.audit_summary(Utc::now() - TimeDelta::days(30), it).await);
    list!("repositories", it => db.repositories_seen(&RepositoryFilter { limit, after: None, among: it.clone() }).await);
    list!("installations", it => db.installations(it, limit, None).await);
    list!("rollbacks", it => db.rollbacks(it, limit, None).await);
    list!("tripped breakers", it => db.tripped(Utc::now(), it, limit).await);
    measure_single(db, text).await
}

/// What is not cut: things by their id, and what tells of the whole.
async fn measure_single(db: &Db, text: &mut String) -> Result<()> {
    writeln!(text, "\n| one thing | |\n|---|---|")?;
    macro_rules! one {
        ($name:literal, $ask:expr) => {{
            let (middle, slow) = timed!($ask);
            writeln!(text, "| {} | {middle:.1} / {slow:.1} |", $name)?;
        }};
    }
    let decided = db.decisions(&DecisionFilter { limit: 1, matched: Some(true), ..Default::default() }).await?;
    let Some(decided) = decided.rows.into_iter().next() else { bail!("nothing matched") };
    let Some(event) = db.event(decided.key.event).await? else { bail!("no event") };
    let Some(place) = event.repository.clone() else { bail!("an event of no repository") };
    let filter = RollbackFilter { rule: Some(RuleName::parse("bugs")?), ..Default::default() };
    let rollback = db.begin_rollback(&filter, &Among::All, 1_000, Actor::Operator(None), Utc::now()).await?;
    let since = Utc::now() - TimeDelta::days(30);
    one!("an event and its story", story_of(db, event.clone()).await);
    one!("an event's payload", db.payload(event.id).await);
    one!("why of an item", stories_of(db, &place, 1, (None, 100)).await);
    one!("a decision", db.decision(decided.key).await);
    one!("a repository", db.repository(&place).await);
    one!("how many repositories", db.count_repositories().await);
    one!("how many installations", db.count_installations().await);
    one!("how deep the queue is", db.queue_depth().await);
    one!("metrics summary", db.audit_summary(since, &Among::All).await);
    one!("a rollback's effects", db.rollback_items(rollback, 1_000, None).await);
    one!("how a rollback stands", db.rollback_counts(rollback).await);
    one!("sessions", db.sessions_of(Uuid::nil(), Utc::now()).await);
    one!("keys", db.keys(None, None, PAGE).await);
    Ok(())
}
