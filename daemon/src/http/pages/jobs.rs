//! `/jobs`: what waits, what runs, what was given up, and what a person may do about it.

use askama::Template;
use chrono::{DateTime, Utc};
use http::StatusCode;
use warp::reply::Response;

use super::super::api::endpoints::{EffectsShow, HealthShow, JobsDiscard, JobsList, JobsRetry, JobsShow};
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::form::{Field, Tab, Tabs, filters};
use super::parts::{Pager, Pill, Tone, When, span, thousands, whole};
use super::visit::url;
use super::{Layout, Visit};
use crate::core::access::Op;
use crate::core::text::{harmless, shortened};
use crate::store::effects::EffectRow;
use crate::store::jobs::{JobRow, JobState, QueueDepth, Work};

/// Names that the API's list takes, and the form has fields for.
const FILTERS: [&str; 3] = ["state", "lane", "event"];

/// States as they are written, in the order of the form.
const STATES: [&str; 5] = ["dead", "queued", "running", "done", "discarded"];

/// Of a page: each has its reason and two buttons, and a page stays under 60 kB.
const ROWS: &str = "30";

#[derive(Template)]
#[template(path = "pages/jobs.html")]
struct JobsPage {
    layout: Layout,
    tabs: Tabs,
    fields: Vec<Field>,
    /// By lane or event: the tabs alone filter nothing that a person typed.
    is_filtered: bool,
    state: String,
    /// Where a deed leads back to.
    back: String,
    rows: Vec<JobLine>,
    pager: Pager,
}

/// A job as a row.
struct JobLine {
    id: String,
    when: When,
    what: &'static str,
    lane: Lane,
    attempts: String,
    state: Pill,
    why: String,
    next: Option<When>,
    may: Deeds,
}

/// Where jobs are done one after the other.
struct Lane {
    name: String,
    url: Option<String>,
}

/// What whoever looks may do with a job.
#[derive(Clone, Copy)]
struct Deeds {
    retry: bool,
    discard: bool,
}

#[derive(Template)]
#[template(path = "pages/job.html")]
struct JobPage {
    layout: Layout,
    id: String,
    what: &'static str,
    state: Pill,
    meaning: String,
    lane: Lane,
    attempts: String,
    created: When,
    next: Option<When>,
    finished: Option<When>,
    lease: Option<Lease>,
    reason: Option<String>,
    cause: Cause,
    effect: Option<EffectFacts>,
    may: Deeds,
}

/// Who works at a job, and until when nobody else may.
struct Lease {
    owner: String,
    until: Option<When>,
}

/// What a job is for.
struct Cause {
    name: &'static str,
    url: String,
}

/// The effect that a job carries out.
struct EffectFacts {
    action: String,
    target: String,
    url: String,
    rule: String,
}

pub(super) async fn list(visit: Visit) -> Result<Response, HttpError> {
    let filters = filters(&visit, &FILTERS);
    let after = visit.query.get("after").filter(|after| !after.is_empty());
    let mut asked = filters.clone();
    asked.push(("limit".to_owned(), ROWS.to_owned()));
    asked.extend(after.map(|after| ("after".to_owned(), after.to_owned())));
    let found = visit.ask(JobsList, &[], asked).await?;
    let sees_all = visit.caller.sight.site.is_some();
    let queue = visit.ask(HealthShow, &[], Vec::new()).await?.queue.filter(|_| sees_all);
    let now = Utc::now();
    let given = |name| visit.query.get(name).unwrap_or_default();
    let states = [("", "any".to_owned())].into_iter().chain(STATES.map(|state| (state, called(state).to_owned())));
    let shown = JobsPage {
        layout: visit.layout("Jobs"),
        tabs: tabs(&filters, queue.as_ref().map(|queue| &queue.depth)),
        fields: vec![
            Field::choice("state", "State", given("state"), states),
            Field::text("lane", "Lane", given("lane"), "acme/web"),
            Field::text("event", "Event", given("event"), "id"),
        ],
        is_filtered: filters.iter().any(|(name, _)| name != "state"),
        state: given("state").to_owned(),
        back: url("", &filters).trim_start_matches('?').to_owned(),
        rows: found.rows.iter().map(|job| JobLine::of(job, &visit, now)).collect(),
        pager: Pager::new("/jobs", &filters, after, found.next.map(|next| next.to_string())),
    };
    page::html(StatusCode::OK, &shown)
}

/// Dead letters come first: they are what a person has to look at. Counts are of the site, for who sees it as a whole.
fn tabs(filters: &[(String, String)], depth: Option<&QueueDepth>) -> Tabs {
    let here = filters.iter().find(|(name, _)| name == "state").map_or("", |(_, state)| state.as_str());
    let others: Vec<_> = filters.iter().filter(|(name, _)| name != "state").cloned().collect();
    let counted = depth.filter(|_| others.is_empty());
    let tab = |name, state: &str, count: Option<u64>| {
        let mut query = others.clone();
        if !state.is_empty() {
            query.insert(0, ("state".to_owned(), state.to_owned()));
        }
        Tab { name, url: url("/jobs", &query), is_here: state == here, count: count.map(thousands) }
    };
    Tabs::new(
        "Jobs by state",
        vec![
            tab("Dead letters", "dead", counted.map(|depth| depth.dead)),
            tab("Queued", "queued", counted.map(|depth| depth.queued)),
            tab("Running", "running", counted.map(|depth| depth.running)),
            tab("All", "", None),
        ],
    )
}

fn called(state: &'static str) -> &'static str {
    if state == "dead" { "dead letter" } else { state }
}

impl JobLine {
    fn of(job: &JobRow, visit: &Visit, now: DateTime<Utc>) -> Self {
        Self {
            id: job.id.0.to_string(),
            when: When::at(job.created_at),
            what: what(&job.work),
            lane: Lane::of(job),
            attempts: attempts(job),
            state: pill(job.state),
            why: shortened(&harmless(job.last_error.as_deref().unwrap_or_default())),
            next: next_run(job, now),
            may: Deeds::of(job, visit),
        }
    }
}

impl Lane {
    fn of(job: &JobRow) -> Self {
        match job.repository() {
            Some(name) => Self { name: name.to_string(), url: Some(format!("/repositories/{name}")) },
            None => Self { name: "no repository".to_owned(), url: None },
        }
    }
}

impl Deeds {
    fn of(job: &JobRow, visit: &Visit) -> Self {
        let may = |op| job.state == JobState::Dead && visit.may_in(op, job.repository().as_ref());
        Self { retry: may(Op::JobsRetry), discard: may(Op::JobsDiscard) }
    }
}

fn what(work: &Work) -> &'static str {
    match work {
        Work::Process { .. } => "Decide on an event",
        Work::Apply { .. } => "Carry out an effect",
    }
}

fn attempts(job: &JobRow) -> String {
    format!("{} of {}", job.attempts, job.max_attempts)
}

fn next_run(job: &JobRow, now: DateTime<Utc>) -> Option<When> {
    (job.state == JobState::Queued && job.run_at > now).then(|| When::at(job.run_at))
}

fn pill(state: JobState) -> Pill {
    match state {
        JobState::Queued => Pill::new(Tone::Busy, "queued"),
        JobState::Running => Pill::new(Tone::Busy, "running"),
        JobState::Done => Pill::new(Tone::Good, "done"),
        JobState::Dead => Pill::new(Tone::Bad, "dead letter"),
        JobState::Discarded => Pill::new(Tone::Quiet, "discarded"),
    }
}

/// What a state means for this job, in a sentence.
fn meaning(job: &JobRow, now: DateTime<Utc>) -> String {
    match job.state {
        JobState::Queued if job.run_at > now => {
            let left = span((job.run_at - now).num_seconds().max(1));
            format!("It is tried again in {left}. Until then it holds its lane: what came after it waits.")
        }
        JobState::Queued => "It waits for its turn: a lane does one job after the other.".to_owned(),
        JobState::Running => "A daemon works at it.".to_owned(),
        JobState::Done => "It came to its end.".to_owned(),
        JobState::Dead => {
            let count = if job.attempts == 1 { "one attempt".to_owned() } else { format!("{} attempts", job.attempts) };
            format!(
                "It was given up after {count}. Nothing waits for it; it stays here until somebody retries or discards it."
            )
        }
        JobState::Discarded => "A person gave it up for good.".to_owned(),
    }
}

pub(super) async fn show(visit: Visit) -> Result<Response, HttpError> {
    let job = visit.ask(JobsShow, &[visit.named(0)], Vec::new()).await?;
    let now = Utc::now();
    let (event, effect) = match job.work {
        Work::Process { event } => (event, None),
        Work::Apply { event, intent } => (event, effect(&visit, &intent.to_string()).await?),
    };
    // The jobs of a rollback have its id where others have their event's.
    let cause = match effect.as_ref().and_then(|effect| effect.rollback) {
        Some(rollback) => Cause { name: "Rollback", url: format!("/rollbacks/{rollback}") },
        None => Cause { name: "Event", url: format!("/events/{event}") },
    };
    let lease = job.lease_owner.as_deref().filter(|_| job.state == JobState::Running);
    let shown = JobPage {
        layout: visit.layout("Jobs"),
        id: job.id.0.to_string(),
        what: what(&job.work),
        state: pill(job.state),
        meaning: meaning(&job, now),
        lane: Lane::of(&job),
        attempts: attempts(&job),
        created: When::at(job.created_at),
        next: next_run(&job, now),
        finished: When::maybe(job.finished_at),
        lease: lease.map(|owner| Lease { owner: shortened(&harmless(owner)), until: When::maybe(job.lease_until) }),
        reason: job.last_error.as_deref().map(whole),
        cause,
        effect: effect.as_ref().map(EffectFacts::of),
        may: Deeds::of(&job, &visit),
    };
    page::html(StatusCode::OK, &shown)
}

/// `None`: it is over its age, or not for whoever asks.
async fn effect(visit: &Visit, id: &str) -> Result<Option<EffectRow>, HttpError> {
    match visit.ask(EffectsShow, &[id], Vec::new()).await {
        Ok(effect) => Ok(Some(effect)),
        Err(HttpError::NotFound(_) | HttpError::Forbidden(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

impl EffectFacts {
    fn of(effect: &EffectRow) -> Self {
        let target = &effect.intent.target;
        let url = match target.number {
            0 => format!("/repositories/{}", target.repository),
            number => format!("/items/{}/{number}", target.repository),
        };
        Self {
            action: harmless(&effect.intent.action),
            target: harmless(&target.to_string()),
            url,
            rule: effect.intent.rule.to_string(),
        }
    }
}

pub(super) async fn retry(visit: Visit) -> Result<Response, HttpError> {
    visit.ask(JobsRetry, &[visit.named(0)], Vec::new()).await?;
    visit.done(&back(&visit), "retried")
}

pub(super) async fn discard(visit: Visit) -> Result<Response, HttpError> {
    visit.ask(JobsDiscard, &[visit.named(0)], Vec::new()).await?;
    visit.done(&back(&visit), "discarded")
}

/// To the list as it was filtered, or to the job.
fn back(visit: &Visit) -> String {
    let Some(back) = visit.form.get("back") else { return url(&format!("/jobs/{}", visit.named(0)), &[]) };
    let filters = form_urlencoded::parse(back.as_bytes()).into_owned();
    let filters: Vec<_> = filters.filter(|(name, _)| FILTERS.contains(&name.as_str())).collect();
    url("/jobs", &filters)
}
