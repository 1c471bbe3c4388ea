//! `/api/audit`: list, show, and the proof of the chain.

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use serde::Serialize;
use tokio::sync::mpsc;

use super::call::Call;
use super::params::ParamKind::{Count, Flag, Text, Words};
use super::params::{LIMIT, Param, REPO, SINCE, UNTIL, param};
use crate::core::audit::Kind;
use crate::engine::audit::{Anchors, Step, verify};
use crate::http::App;
use crate::http::error::HttpError;
use crate::http::reply::Lines;
use crate::store::Page;
use crate::store::audit::AuditRow;
use crate::store::audit::{AuditFilter, AuditSummary};

/// Lines that wait for who asked for a proof; it goes no faster than they are read.
const WAITING_LINES: usize = 16;

pub(super) const LIST: &[Param] = &[
    SINCE,
    UNTIL,
    REPO,
    param("actor", Text, "Of this actor: `orchd`, `operator`, `person` or `key`."),
    param("kind", Words(Kind::WORDS), "Of this kind."),
    LIMIT,
    param("after", Count { least: 0, most: i64::MAX as u64 }, "Where the page begins: `next` of the one before."),
    param("oldest_first", Flag, "In the chain's own order."),
];

pub(super) const VERIFY: &[Param] = &[param("anchors", Text, "Heads of the chain put down elsewhere: `SEQ:HASH,…`.")];

pub(super) async fn list(call: Call) -> Result<Page<AuditRow, i64>, HttpError> {
    let among = call.among();
    let Call { app, mut query, .. } = call;
    let filter = AuditFilter {
        among,
        since: query.parsed("since")?,
        until: query.parsed("until")?,
        repository: query.repository("repo")?,
        actor: query.text("actor")?,
        kind: query.parsed("kind")?,
        limit: query.limit()?,
        after: query.parsed("after")?,
        oldest_first: query.parsed("oldest_first")?.unwrap_or(false),
    };
    query.finish()?;
    Ok(app.db.audit_rows(&filter).await?)
}

pub(super) const SUMMARY: &[Param] = &[SINCE];

/// How much of what was done by whom.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "AuditCounts")]
pub(in crate::http) struct Summary {
    #[serde(flatten)]
    pub(in crate::http) counts: AuditSummary,
    /// Where the chain stands; `orchd audit verify` proves it.
    pub(in crate::http) last: Option<i64>,
}

/// Of the last day unless it is said.
pub(super) async fn summary(mut call: Call) -> Result<Summary, HttpError> {
    let since = call.query.parsed("since")?.unwrap_or_else(|| Utc::now() - TimeDelta::days(1));
    call.no_query()?;
    let newest = AuditFilter { limit: 1, ..AuditFilter::default() };
    let last = call.app.db.audit_rows(&newest).await?.rows.first().map(|row| row.seq);
    Ok(Summary { counts: call.app.db.audit_summary(since, &call.among()).await?, last })
}

pub(super) async fn show(mut call: Call) -> Result<AuditRow, HttpError> {
    call.no_query()?;
    let seq = call.named();
    let not_a_number = |_| HttpError::BadRequest(format!("`{seq}` is not the number of an audit row"));
    let seq: i64 = seq.parse().map_err(not_a_number)?;
    let missing = || HttpError::NotFound(format!("there is no audit row {seq}"));
    let row = call.app.db.audit_row(seq).await?.ok_or_else(missing)?;
    call.check_made(row.repository().as_ref(), row.at, missing).await?;
    Ok(row)
}

pub(super) async fn prove(call: Call) -> Result<Lines, HttpError> {
    let Call { app, mut query, .. } = call;
    let given = query.text("anchors")?.unwrap_or_default();
    let given = given.split_terminator(',').map(|anchor| {
        anchor.parse().map_err(|error| HttpError::BadRequest(format!("`anchors` cannot be read: {error}")))
    });
    let given = given.collect::<Result<_, _>>()?;
    query.finish()?;
    let file = app.config().audit.anchor.clone();
    Ok(start_proof(app, Anchors { file, given }))
}

/// A line for each step, the last one with the verdict. Ends early when nobody reads it any more.
fn start_proof(app: App, anchors: Anchors) -> Lines {
    let (lines, read) = mpsc::channel(WAITING_LINES);
    tokio::spawn(async move {
        let tell = |step: Step| {
            let lines = lines.clone();
            async move { lines.send(line(&step)).await.is_ok() }
        };
        let last = match verify(&app.db, &anchors, &tell).await {
            Ok(Some(report)) => Step::Report(report),
            Ok(None) => return,
            Err(error) => Step::Failed(error.to_string()),
        };
        tell(last).await;
    });
    read
}

fn line(step: &Step) -> Bytes {
    // Numbers, texts and times always serialise.
    let mut line = serde_json::to_vec(step).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
