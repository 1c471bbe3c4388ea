//! `/api/backtests`: what other rules would have done about what is recorded.

use std::ops::ControlFlow;

use bytes::Bytes;
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::call::Call;
use super::params::{Param, ParamKind, REPO, param};
use crate::actions;
use crate::config::hold::rules_of;
use crate::core::backtest::Difference;
use crate::engine::backtest::{self, Backtest, Part, Summary};
use crate::http::App;
use crate::http::error::HttpError;
use crate::http::reply::Lines;
use crate::store::recorded::Span;

/// Lines that wait for a slow reader.
const WAITING_LINES: usize = 64;

/// How far back, unless the caller says.
const LOOK_BACK: Duration = Duration::days(30);

/// The rules as `config show` shows them.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Candidate {
    rules: Value,
}

/// A line of the answer: differences in order of arrival, progress between them, and last the summary.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "BacktestLine")]
pub(in crate::http) enum Line<'a> {
    Progress {
        events: u64,
        /// Of the time between the first event and the last, 0 to 1.
        done: f64,
    },
    Summary(Summary),
    Failed(String),
    #[serde(untagged)]
    Difference(&'a Difference),
}

pub(super) const QUERY: &[Param] = &[
    param("since", ParamKind::Time, "Events that arrived not before; thirty days ago unless it is said."),
    param("until", ParamKind::Time, "Events that arrived before; now unless it is said."),
    REPO,
    param("gated", ParamKind::Flag, "Whether what was not written, because writing was off, counts as done: it does."),
];

pub(super) async fn run(call: Call) -> Result<Lines, HttpError> {
    let body = call.body.clone();
    let (app, mut query) = (call.app.clone(), call.query.clone());
    let now = Utc::now();
    let since = query.parsed::<DateTime<Utc>>("since")?.unwrap_or(now - LOOK_BACK);
    let until = query.parsed::<DateTime<Utc>>("until")?.unwrap_or(now);
    let repository = query.repository("repo")?;
    let gated_counts = query.parsed::<bool>("gated")?.unwrap_or(true);
    query.finish()?;
    match &repository {
        Some(name) => {
            let missing = || HttpError::NotFound(format!("nothing of a repository {name} is stored"));
            app.db.repository_id(name).await?.ok_or_else(missing)?;
            call.check(Some(name), missing)?;
        }
        None => call.check(None, || HttpError::BadRequest("say which of your repositories: `repo`".to_owned()))?,
    }
    let unreadable = |error: String| HttpError::BadRequest(format!("the rules cannot be read: {error}"));
    let candidate: Candidate = serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
    let rules = rules_of(&candidate.rules, actions::kinds()).map_err(|problems| unreadable(problems.to_string()))?;
    let turn = app.backtest();
    let turn =
        turn.ok_or_else(|| HttpError::Conflict("a backtest is under way: try again when it is over".to_owned()))?;
    let span = Span { since, until, repository };
    let first = app.db.first_recorded(&span).await?.and_then(|id| id.at()).unwrap_or(until);
    Ok(test(app, Backtest { rules, span, gated_counts }, first, turn))
}

/// Ends early when nobody reads it any more, or the daemon stops.
fn test(app: App, trial: Backtest, first: DateTime<Utc>, turn: OwnedSemaphorePermit) -> Lines {
    let (lines, read) = mpsc::channel(WAITING_LINES);
    tokio::spawn(async move {
        let until = trial.span.until;
        let tell = |part: Part| {
            let (lines, stopping) = (lines.clone(), app.stopping.clone());
            async move {
                let told = lines.send(told(&part, first, until)).await;
                if told.is_err() || stopping.is_cancelled() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            }
        };
        let last = match backtest::run(&app.db, &trial, tell).await {
            Ok(summary) => Line::Summary(summary),
            Err(error) => Line::Failed(error.to_string()),
        };
        // Nobody may be there to read it.
        let _ = lines.send(line(&last).into()).await;
        drop(turn);
    });
    read
}

/// The lines of a part.
fn told(part: &Part, first: DateTime<Utc>, until: DateTime<Utc>) -> Bytes {
    let whole = (until - first).num_milliseconds().max(1);
    #[allow(clippy::cast_precision_loss, reason = "a share for a progress bar")]
    let done = ((part.at - first).num_milliseconds() as f64 / whole as f64).clamp(0.0, 1.0);
    let mut lines: Vec<u8> =
        part.differences.iter().flat_map(|difference| line(&Line::Difference(difference))).collect();
    lines.extend(line(&Line::Progress { events: part.events, done }));
    lines.into()
}

fn line(line: &Line<'_>) -> Vec<u8> {
    // Numbers, texts and times always serialise.
    let mut line = serde_json::to_vec(line).unwrap_or_default();
    line.push(b'\n');
    line
}
