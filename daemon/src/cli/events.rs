//! `orchd events`: list, show, tail, replay.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::daemon::{Daemon, Parameters};
use super::failure::Failure;
use super::output::{self, Rows, or_dash, word};
use super::when;
use crate::core::event::RepoName;
use crate::core::text;
use crate::engine::why::tell;
use crate::store::events::EventRow;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List events, newest first.
    List {
        #[command(flatten)]
        filters: Filters,
        /// Events at most, up to 1000.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only events older than this one: where the last list ended.
        #[arg(long, value_name = "ID")]
        after: Option<Uuid>,
    },
    /// Show an event with its decisions and effects.
    Show {
        /// The event's id.
        id: Uuid,
        /// With GitHub's payload.
        #[arg(long)]
        payload: bool,
    },
    /// Follow events as they arrive, until Ctrl-C.
    Tail {
        #[command(flatten)]
        filters: Filters,
    },
    /// Process an event again, with the rules of now. Nothing is done twice.
    Replay {
        /// The event's id.
        id: Uuid,
    },
}

/// Which events.
#[derive(Debug, Args)]
pub(super) struct Filters {
    /// Of this repository.
    #[arg(long, value_name = "OWNER/REPO", value_parser = RepoName::parse)]
    repo: Option<RepoName>,
    /// Of this type, for example pull_request.
    #[arg(long = "type", value_name = "NAME")]
    event_type: Option<String>,
    /// With this action, for example opened.
    #[arg(long)]
    action: Option<String>,
    /// Caused by this account.
    #[arg(long, value_name = "LOGIN")]
    actor: Option<String>,
    /// In this state.
    #[arg(long, value_parser = ["received", "processing", "processed", "failed"])]
    status: Option<String>,
    /// About this issue or pull request.
    #[arg(long, value_name = "N")]
    number: Option<u64>,
    /// Received at or after this time: 2h, 3d, 2026-03-01 or 2026-03-01T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = when::from_argument)]
    since: Option<DateTime<Utc>>,
    /// Received before this time.
    #[arg(long, value_name = "TIME", value_parser = when::from_argument)]
    until: Option<DateTime<Utc>>,
}

impl Filters {
    fn parameters(&self) -> Parameters<'_> {
        vec![
            ("repo", self.repo.as_ref().map(ToString::to_string)),
            ("type", self.event_type.clone()),
            ("action", self.action.clone()),
            ("actor", self.actor.clone()),
            ("status", self.status.clone()),
            ("number", self.number.map(|number| number.to_string())),
            ("since", self.since.map(|time| time.to_rfc3339())),
            ("until", self.until.map(|time| time.to_rfc3339())),
        ]
    }
}

impl Command {
    pub(super) async fn run(&self, daemon: &Daemon, json: bool) -> Result<(), Failure> {
        match self {
            Self::List { filters, limit, after } => {
                let after = after.map(|id| id.to_string());
                let page = daemon.get_page("/api/events", *limit, after, || filters.parameters()).await?;
                output::print_page(page, json, table)
            }
            Self::Show { id, payload } => show(daemon, *id, *payload, json).await,
            Self::Tail { filters } => tail(daemon, filters, json).await,
            Self::Replay { id } => {
                let answer = daemon.post(&format!("/api/events/{id}/replay")).await?;
                if json { output::print_json(&answer) } else { output::print(&format!("{id} is queued again\n")) }
            }
        }
    }
}

fn table(events: &[EventRow]) -> Rows {
    let mut rows = Rows::new(["received (UTC)", "event", "about", "actor", "status", "source", "id"]);
    for event in events {
        rows.push([
            text::time(event.received_at),
            event.kind(),
            or_dash(event.about().as_ref()),
            or_dash(event.actor.as_ref()),
            word(&event.processing_status),
            word(&event.source),
            event.id.to_string(),
        ]);
    }
    rows
}

async fn show(daemon: &Daemon, id: Uuid, payload: bool, json: bool) -> Result<(), Failure> {
    let story = daemon.get(&format!("/api/events/{id}"), vec![("payload", payload.then(|| "true".to_owned()))]).await?;
    if json {
        return output::print_json(&story);
    }
    let (sent, facts) = (story.get("payload").cloned(), story.get("facts").cloned());
    output::print(&tell(&output::read(story)?))?;
    if let Some(facts) = facts {
        output::print(&format!("  known beside the payload: {}\n", text::harmless(&facts.to_string())))?;
    }
    match sent {
        Some(Value::Null) => output::print("The payload is no longer kept.\n"),
        Some(payload) => output::print_json(&payload),
        None => Ok(()),
    }
}

#[derive(Deserialize)]
struct Tail {
    rows: Vec<Value>,
    next: Uuid,
}

async fn tail(daemon: &Daemon, filters: &Filters, json: bool) -> Result<(), Failure> {
    let follow = async {
        let mut next = None;
        loop {
            let mut parameters = filters.parameters();
            parameters.push(("newer_than", next.map(|id: Uuid| id.to_string())));
            let answer: Tail = output::read(daemon.get("/api/events/tail", parameters).await?)?;
            if next.replace(answer.next).is_none() {
                output::note("Following what arrives from now on; Ctrl-C ends.");
            }
            if json {
                output::print_json_lines(&answer.rows)?;
                continue;
            }
            for row in answer.rows {
                output::print(&line(&output::read(row)?))?;
            }
        }
    };
    tokio::select! {
        ended = follow => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

/// One event on one line, in columns that later lines keep to.
fn line(event: &EventRow) -> String {
    let line = format!(
        "{}  {:<36} {:<36} {:<20} {}",
        text::time(event.received_at),
        event.kind(),
        or_dash(event.about().as_ref()),
        or_dash(event.actor.as_ref()),
        event.id,
    );
    text::harmless(&line) + "\n"
}
