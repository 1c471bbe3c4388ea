//! `GET /shadow/{rule}`: what a rule in shadow would have done, beside what people did.

use askama::Template;
use chrono::{SecondsFormat, TimeDelta, Utc};
use http::StatusCode;
use warp::reply::Response;

use super::super::api::endpoints::ShadowShow;
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::parts::{Pill, Tone, When, thousands};
use super::rule::named;
use super::rules::place_url;
use super::trial::DAYS;
use super::visit::query;
use super::{Layout, Visit};
use crate::core::event::EventId;
use crate::core::shadow::Answer;
use crate::core::text::{harmless, shortened};
use crate::engine::shadow::Row;

/// Moves that are shown.
const MOST_ROWS: usize = 50;

/// Days looked at unless somebody picks.
const USUAL_DAYS: u32 = 30;

#[derive(Template)]
#[template(path = "pages/shadow.html")]
struct ShadowPage {
    layout: Layout,
    name: String,
    days: u32,
    offered: [u32; 3],
    text: String,
    agreed: String,
    disagreed: String,
    nothing: String,
    rows: Vec<Line>,
    more: usize,
}

struct Line {
    when: When,
    about: String,
    url: String,
    what: String,
    answer: Pill,
    hand: String,
    event: EventId,
}

impl Line {
    fn of(row: &Row) -> Self {
        Self {
            when: When::at(row.at),
            about: row.target.clone(),
            url: place_url(&row.repository, row.number.unwrap_or_default()),
            what: shortened(&harmless(&row.what)),
            answer: match row.answer {
                Answer::Agreed => Pill::new(Tone::Good, "people agreed"),
                Answer::Disagreed => Pill::new(Tone::Look, "people disagreed"),
                Answer::Nothing => Pill::new(Tone::Quiet, "nobody did it"),
                Answer::NotComparable => Pill::new(Tone::Quiet, "not comparable"),
            },
            hand: harmless(row.hand.as_deref().unwrap_or_default()),
            event: row.event,
        }
    }
}

pub(super) async fn show(visit: Visit) -> Result<Response, HttpError> {
    let name = named(&visit)?;
    let picked = visit.query.get("days").and_then(|days| days.parse().ok());
    let days = picked.filter(|days| DAYS.contains(days)).unwrap_or(USUAL_DAYS);
    let since = Utc::now() - TimeDelta::days(days.into());
    let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
    let report = visit.ask(ShadowShow, &[name.as_str()], query([("since", &since)])).await?;
    let page = ShadowPage {
        layout: visit.layout("Rules"),
        name: name.to_string(),
        days,
        offered: DAYS,
        text: report.text,
        agreed: thousands(report.figures.agreed),
        disagreed: thousands(report.figures.disagreed),
        nothing: thousands(report.figures.nothing),
        rows: report.rows.iter().take(MOST_ROWS).map(Line::of).collect(),
        more: report.rows.len().saturating_sub(MOST_ROWS),
    };
    page::html(StatusCode::OK, &page)
}
