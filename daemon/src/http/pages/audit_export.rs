//! `GET /audit/export`: rows of the audit log as a file, in the order of the list.
//!
//! It is written page by page while it is read, so a long one takes no more memory than a short one, and whoever asks is
//! looked at again before each page.

use std::io;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::stream;
use http::header::HeaderValue;
use tokio::sync::mpsc;
use warp::reply::Response;

use super::super::api::endpoints::AuditList;
use super::super::error::HttpError;
use super::super::reply;
use super::Visit;
use super::audit::FILTERS;
use super::form::{asked, filters};
use crate::store::Page;
use crate::store::audit::AuditRow;

/// Rows of a file at most.
const MOST_ROWS: usize = 100_000;

/// Rows that are read at once, as many as the API gives.
const PAGE: &str = "1000";

/// Pages that wait for a slow reader.
const WAITING: usize = 2;

const COLUMNS: [&str; 17] = [
    "seq",
    "at",
    "kind",
    "actor",
    "actor_name",
    "repository",
    "number",
    "event",
    "rule",
    "effect",
    "action",
    "config_revision",
    "before",
    "after",
    "note",
    "pseudonymised",
    "hash",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    JsonLines,
    Csv,
}

type Rows = Page<AuditRow, i64>;

pub(super) async fn export(visit: Visit) -> Result<Response, HttpError> {
    let format = match visit.query.get("format") {
        None | Some("" | "jsonl") => Format::JsonLines,
        Some("csv") => Format::Csv,
        Some(_) => return Err(HttpError::BadRequest("`format` is `jsonl` or `csv`".to_owned())),
    };
    // Fixed now: `2h` would be another time at each page.
    let now = Utc::now();
    let wanted = asked(&filters(&visit, &FILTERS), now);
    let first = rows(&visit, &wanted, None).await?;
    let (pages, mut read) = mpsc::channel(WAITING);
    tokio::spawn(write(visit, wanted, first, format, pages));
    let content = stream::poll_fn(move |cx| read.poll_recv(cx));
    let (kind, ending) = match format {
        Format::JsonLines => (HeaderValue::from_static("application/x-ndjson"), "jsonl"),
        Format::Csv => (HeaderValue::from_static("text/csv; charset=utf-8"), "csv"),
    };
    reply::download(&format!("audit-{}.{ending}", now.format("%Y%m%d-%H%M%S")), kind, content)
}

async fn rows(visit: &Visit, wanted: &[(String, String)], after: Option<i64>) -> Result<Rows, HttpError> {
    let mut query = wanted.to_vec();
    query.push(("limit".to_owned(), PAGE.to_owned()));
    query.extend(after.map(|after| ("after".to_owned(), after.to_string())));
    visit.ask(AuditList, &[], query).await
}

/// Ends when everything is written, or when nobody reads any more. What fails on the way breaks the answer off, so that
/// nobody takes a part for the whole.
async fn write(
    mut visit: Visit,
    wanted: Vec<(String, String)>,
    mut page: Rows,
    format: Format,
    pages: mpsc::Sender<io::Result<Bytes>>,
) {
    let mut left = MOST_ROWS;
    let mut text = match format {
        Format::JsonLines => String::new(),
        Format::Csv => COLUMNS.join(",") + "\r\n",
    };
    loop {
        for row in page.rows.iter().take(left) {
            match format {
                Format::JsonLines => json_line(row, &mut text),
                Format::Csv => csv_line(row, &mut text),
            }
        }
        left = left.saturating_sub(page.rows.len());
        if pages.send(Ok(std::mem::take(&mut text).into())).await.is_err() {
            return;
        }
        let Some(next) = page.next.filter(|_| left > 0) else { return };
        match further(&mut visit, &wanted, next).await {
            Ok(more) => page = more,
            Err(error) => {
                tracing::warn!(?error, "an export of the audit log broke off");
                // Whoever read it may be gone, too.
                let _ = pages.send(Err(io::Error::other("the export broke off"))).await;
                return;
            }
        }
    }
}

async fn further(visit: &mut Visit, wanted: &[(String, String)], after: i64) -> Result<Rows, HttpError> {
    visit.caller = visit.caller.again(&visit.app).await?;
    rows(visit, wanted, Some(after)).await
}

fn json_line(row: &AuditRow, into: &mut String) {
    // Numbers, texts and times always serialise.
    into.push_str(&serde_json::to_string(row).unwrap_or_default());
    into.push('\n');
}

/// As RFC 4180 has it.
fn csv_line(row: &AuditRow, into: &mut String) {
    let id = |id: Option<uuid::Uuid>| id.map(|id| id.to_string());
    let state = |state: &Option<serde_json::Value>| state.as_ref().map(ToString::to_string);
    let cells: [Option<String>; COLUMNS.len()] = [
        Some(row.seq.to_string()),
        Some(time(row.at)),
        Some(row.kind.clone()),
        Some(row.actor.clone()),
        row.actor_name.clone(),
        row.repository.clone(),
        row.number.map(|number| number.to_string()),
        id(row.event),
        row.rule.clone(),
        id(row.effect),
        row.action.clone(),
        row.config_revision.clone(),
        state(&row.before),
        state(&row.after),
        row.note.clone(),
        Some(row.pseudonymised.to_string()),
        Some(row.hash.to_string()),
    ];
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            into.push(',');
        }
        push_cell(cell.as_deref().unwrap_or_default(), into);
    }
    into.push_str("\r\n");
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A cell that a spreadsheet would take for a formula begins with an apostrophe.
fn push_cell(cell: &str, into: &mut String) {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !is_formula && !cell.contains(['"', ',', '\n', '\r']) {
        into.push_str(cell);
        return;
    }
    into.push('"');
    if is_formula {
        into.push('\'');
    }
    into.push_str(&cell.replace('"', "\"\""));
    into.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_computes_nothing_that_strangers_wrote() {
        let cell = |text| {
            let mut written = String::new();
            push_cell(text, &mut written);
            written
        };
        assert_eq!(cell("plain text"), "plain text");
        assert_eq!(cell("a \"word\", and more\nbelow"), "\"a \"\"word\"\", and more\nbelow\"");
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(cell(formula), format!("\"'{formula}\""));
        }
    }
}
