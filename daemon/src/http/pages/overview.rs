//! `GET /`: is all well, and what happened lately?

use askama::Template;
use chrono::Utc;
use http::StatusCode;
use warp::reply::Response;

use super::super::api::endpoints::{EffectsList, HealthShow, InstallationsList, JobsList, MetricsDetailed};
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::health::{Health, Status};
use super::super::page;
use super::chart::Bars;
use super::parts::{When, span, thousands};
use super::visit::query;
use super::{Layout, Visit};
use crate::core::access::Op;
use crate::core::text::{harmless, shortened};
use crate::store::Among;
use crate::store::jobs::JobRow;

/// Last failures that are shown.
const FAILURES: &str = "5";

/// Installations whose quota is shown.
const INSTALLATIONS: &str = "50";

#[derive(Template)]
#[template(path = "pages/overview.html")]
struct OverviewPage {
    layout: Layout,
    verdict: Verdict,
    /// Where the level is held to see the whole.
    whole: Option<Whole>,
    events: Bars,
    effects: Bars,
    dead: Vec<Failure>,
    failed: Vec<Failure>,
    has_events: bool,
}

/// Is all well?
struct Verdict {
    class: &'static str,
    sign: &'static str,
    title: &'static str,
    reasons: Vec<Reason>,
}

/// What is not well, and where to look.
struct Reason {
    text: String,
    url: Option<&'static str>,
}

/// For who sees the site as a whole.
struct Whole {
    stats: Vec<Stat>,
    quotas: Vec<Quota>,
}

struct Stat {
    name: &'static str,
    figure: String,
    beside: String,
    class: &'static str,
    url: &'static str,
}

/// What GitHub still answers an installation within the hour.
struct Quota {
    account: String,
    remaining: String,
}

/// Something that failed.
struct Failure {
    when: When,
    what: String,
    why: String,
    url: String,
}

pub(super) async fn show(visit: Visit) -> Result<Response, HttpError> {
    let now = Utc::now();
    let health = visit.ask(HealthShow, &[], Vec::new()).await?;
    let among = Among::of(&visit.caller.sight);
    let hours = visit.app.hours().of(&visit.app.db, &among, now).await?;
    let label = |hour: &chrono::DateTime<Utc>| format!("{} UTC", hour.format("%H:%M"));
    let events: Vec<_> = hours.iter().map(|(hour, counts)| (label(hour), counts.events)).collect();
    let effects: Vec<_> = hours.iter().map(|(hour, counts)| (label(hour), counts.effects.values().sum())).collect();
    let dead = visit.ask(JobsList, &[], query([("state", "dead"), ("limit", FAILURES)])).await?;
    let failed = visit.ask(EffectsList, &[], query([("state", "failed"), ("limit", FAILURES)])).await?;
    let failed = failed.rows.iter().map(|effect| Failure {
        when: When::at(effect.created_at),
        what: format!("{} by {}", harmless(&effect.intent.action), effect.intent.rule),
        why: shortened(&harmless(effect.note.as_deref().unwrap_or("no reason was noted"))),
        url: format!("/events/{}", effect.intent.event),
    });
    let whole = match visit.may(Op::StatusShow) {
        true => Some(whole(&visit, &health).await?),
        false => None,
    };
    let shown = OverviewPage {
        layout: visit.layout("Overview"),
        verdict: Verdict::of(&health),
        whole,
        has_events: events.iter().any(|(_, count)| *count > 0),
        events: Bars::of("events", &events),
        effects: Bars::of("effects", &effects),
        dead: dead.rows.iter().map(Failure::of_job).collect(),
        failed: failed.collect(),
    };
    page::html(StatusCode::OK, &shown)
}

impl Failure {
    fn of_job(job: &JobRow) -> Self {
        Self {
            when: When::at(job.finished_at.unwrap_or(job.created_at)),
            what: harmless(&job.lane),
            why: shortened(&harmless(job.last_error.as_deref().unwrap_or("no reason was noted"))),
            url: format!("/jobs/{}", job.id.0),
        }
    }
}

async fn whole(visit: &Visit, health: &Health) -> Result<Whole, HttpError> {
    let metrics = visit.ask(MetricsDetailed, &[], Vec::new()).await?;
    let installations = visit.ask(InstallationsList, &[], query([("limit", INSTALLATIONS)])).await?;
    let remaining = |id: i64| {
        let is_it = |labels: &std::collections::BTreeMap<String, String>| {
            labels.get("installation").is_some_and(|label| *label == id.to_string())
                && labels.get("resource").is_some_and(|resource| resource == "core")
        };
        let samples = metrics.samples.iter();
        let found = samples.filter(|sample| sample.name == "orchd_github_quota_remaining" && is_it(&sample.labels));
        found.filter_map(|sample| sample.value).next_back()
    };
    let quotas = installations.rows.iter().map(|row| Quota {
        account: row.account_login.clone(),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests")]
        remaining: remaining(row.id.0)
            .map_or_else(|| "not asked yet".to_owned(), |left| format!("{} left", thousands(left as u64))),
    });
    Ok(Whole { stats: stats(visit, health), quotas: quotas.collect() })
}

fn stats(visit: &Visit, health: &Health) -> Vec<Stat> {
    let stat = |name, figure: String, beside: String, status: Status, url| {
        let class = match status {
            Status::Ok => "",
            Status::Degraded => "look",
            Status::Failing => "bad",
        };
        Stat { name, figure, beside, class, url }
    };
    let mut stats = Vec::new();
    if let Some(queue) = &health.queue {
        #[allow(clippy::cast_possible_truncation, reason = "seconds that a job waits")]
        let age = span(queue.oldest_queued_seconds as i64);
        let beside = if queue.depth.queued == 0 { "nothing waits".to_owned() } else { format!("the oldest for {age}") };
        let waiting = queue.depth.queued + queue.depth.running;
        stats.push(stat("Queue", thousands(waiting), beside, queue.status, "/jobs"));
        let dead = if queue.depth.dead == 0 { Status::Ok } else { Status::Degraded };
        let beside = if queue.depth.dead == 0 { "none given up" } else { "given up: look at them" };
        stats.push(stat("Dead letters", thousands(queue.depth.dead), beside.to_owned(), dead, "/jobs?state=dead"));
    }
    if let Some(count) = &health.installations {
        let beside = match count.suspended {
            0 => "none suspended".to_owned(),
            suspended => format!("{suspended} suspended"),
        };
        stats.push(stat("Installations", thousands(count.active), beside, Status::Ok, "/repositories"));
    }
    let recovery = &health.recovery;
    let (gap, beside) = match &recovery.last {
        Some(last) => (thousands(last.left), format!("missing after {}, {} recovered", last.outcome, last.recovered)),
        None => ("–".to_owned(), format!("runs {}", recovery.runs)),
    };
    stats.push(stat("Recovery gap", gap, beside, recovery.status, "/audit?kind=recovery_asked"));
    let config = visit.app.config();
    let state = match (&health.config.error, &health.config.held) {
        (Some(_), _) => "refused on disk",
        (_, Some(_)) => "one is held",
        _ if config.github.dry_run => "dry run: nothing is written",
        _ if config.github.read_only => "read only: nothing is written",
        _ => "in use",
    };
    let revision = health.config.revision.chars().take(8).collect();
    stats.push(stat("Config", revision, state.to_owned(), health.config.status, "/config"));
    stats
}

impl Verdict {
    fn of(health: &Health) -> Self {
        let mut reasons = Vec::new();
        let mut because = |status: Status, text: String, url| {
            if status != Status::Ok {
                reasons.push(Reason { text, url });
            }
        };
        let database = health.database.error.unwrap_or("the database fails");
        because(health.database.status, database.to_owned(), None);
        if let Some(queue) = &health.queue {
            because(queue.status, "The oldest job waits for more than ten minutes.".to_owned(), Some("/jobs"));
            let dead = if queue.depth.dead == 0 { Status::Ok } else { Status::Degraded };
            let told = match queue.depth.dead {
                1 => "A job was given up.".to_owned(),
                dead => format!("{} jobs were given up.", thousands(dead)),
            };
            because(dead, told, Some("/jobs?state=dead"));
        }
        let config = if health.config.error.is_some() {
            "The config on disk is refused; the one before it runs."
        } else {
            "A config waits for a person to confirm it."
        };
        because(health.config.status, config.to_owned(), Some("/config"));
        because(health.recovery.status, "Looking for missing deliveries keeps failing.".to_owned(), None);
        for trouble in &health.github.troubles {
            let left = span(i64::try_from(trouble.seconds_left).unwrap_or(i64::MAX));
            let text = format!("{}: {}, for {left} yet", trouble.who, trouble.trouble);
            because(health.github.status, text, None);
        }
        because(health.guards.status, "A rule is stopped on some item by a breaker.".to_owned(), Some("/rules"));
        because(health.disk.status, "The disk is nearly full.".to_owned(), None);
        let status = if reasons.is_empty() { health.status } else { health.status.max(Status::Degraded) };
        let (class, sign, title) = match status {
            Status::Ok => ("good", "✓", "All is well"),
            Status::Degraded => ("look", "!", "It works, and somebody should look"),
            Status::Failing => ("bad", "✗", "It does not work"),
        };
        Self { class, sign, title, reasons }
    }
}
