//! What a page of a list costs on a large database, for people who see all, much, little, or nothing of it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use orchd::core::decide::{Decision, Verdict};
use orchd::core::event::{EventId, InstallationId, RepoName};
use orchd::core::explain::Explanation;
use orchd::core::installation::CoveredRepository;
use orchd::core::intent::{ActionSpec, Intent, Target};
use orchd::core::rule::{Mode, RuleName};
use orchd::core::subject::SubjectKind;
use orchd::store::audit::AuditFilter;
use orchd::store::decided::{DecisionFilter, ItemFilter};
use orchd::store::decisions::Processed;
use orchd::store::effects::EffectFilter;
use orchd::store::events::{EventFilter, NewEvent, SeenInstallation, SeenRepository, Source};
use orchd::store::jobs::{JobFilter, Terms, Work};
use orchd::store::repositories::RepositoryFilter;
use orchd::store::{Among, Db, StoreOptions};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use uuid::{NoContext, Timestamp, Uuid};

const REPOSITORIES: usize = 2_000;

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

async fn fill(db: &Db, events: usize) -> Result<()> {
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
                let mut took = Vec::new();
                for _ in 0..TIMES {
                    let began = Instant::now();
                    $ask?;
                    took.push(began.elapsed().as_secs_f64() * 1_000.0);
                }
                took.sort_by(f64::total_cmp);
                let at = |share: f64| took[((took.len() - 1) as f64 * share).round() as usize];
                write!(text, " {:.1} / {:.1} |", at(0.5), at(0.99))?;
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
    list!("new events", it => db.events(&EventFilter { limit, newer_than: middle, among: it.clone(), ..Default::default() }).await);
    list!("jobs", it => db.jobs(&JobFilter { limit, among: it.clone(), ..Default::default() }).await);
    list!("effects", it => db.effects(&EffectFilter { limit, among: it.clone(), ..Default::default() }).await);
    list!("decisions", it => db.decisions(&DecisionFilter { limit, among: it.clone(), ..Default::default() }).await);
    list!("decisions that matched", it => db.decisions(&DecisionFilter { limit, matched: Some(true), among: it.clone(), ..Default::default() }).await);
    list!("issues and pull requests", it => db.items(&ItemFilter { limit, among: it.clone(), ..Default::default() }).await);
    list!("audit rows", it => db.audit_rows(&AuditFilter { limit, among: it.clone(), ..Default::default() }).await);
    list!("audit summary", it => db.audit_summary(Utc::now() - TimeDelta::days(30), it).await);
    list!("repositories", it => db.repositories_seen(&RepositoryFilter { limit, after: None, among: it.clone() }).await);
    list!("installations", it => db.installations(it, limit, None).await);
    list!("rollbacks", it => db.rollbacks(it, limit, None).await);
    list!("tripped breakers", it => db.tripped(Utc::now(), it, limit).await);
    Ok(())
}
