//! `/settings`: what one may, and one's own sessions.

use askama::Template;
use http::StatusCode;
use warp::reply::Response;

use super::super::api::endpoints::{Me, SessionsEnd, SessionsList};
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::login::browser;
use super::super::page;
use super::form::{Tab, Tabs};
use super::parts::When;
use super::{Layout, Visit};
use crate::core::access::{Level, Op};
use crate::core::text::{harmless, shortened};

/// Repositories and sessions that are shown.
const SHOWN: usize = 50;

#[derive(Template)]
#[template(path = "pages/settings.html")]
struct SettingsPage {
    layout: Layout,
    tabs: Tabs,
    login: String,
    site: Option<Level>,
    /// Absent for who sees all of them.
    repositories: Option<Vec<Seen>>,
    more_repositories: usize,
    sessions: Vec<SessionLine>,
    more_sessions: usize,
}

struct Seen {
    name: String,
    level: Level,
}

struct SessionLine {
    id: String,
    is_this: bool,
    browser: String,
    agent: String,
    address: String,
    since: When,
    used: When,
    ends: When,
}

/// The parts of the settings.
pub(super) fn tabs(visit: &Visit, here: &'static str) -> Tabs {
    let all = [
        ("You and your sessions", "/settings", Op::SessionsList),
        ("Keys", "/settings/keys", Op::KeysList),
        ("People", "/settings/people", Op::PeopleList),
    ];
    let offered = all.into_iter().filter(|(.., op)| visit.may(*op));
    let tab =
        |(name, url, _): (&'static str, &str, Op)| Tab { name, url: url.to_owned(), is_here: url == here, count: None };
    Tabs::new("Settings", offered.map(tab).collect())
}

pub(super) async fn show(visit: Visit) -> Result<Response, HttpError> {
    let me = visit.ask(Me, &[], Vec::new()).await?;
    let sessions = visit.ask(SessionsList, &[], Vec::new()).await?.rows;
    let all = me.repositories.as_ref().map_or(0, Vec::len);
    let seen = me.repositories.map(|seen| {
        seen.into_iter().take(SHOWN).map(|seen| Seen { name: seen.name.to_string(), level: seen.level }).collect()
    });
    let more_sessions = sessions.len().saturating_sub(SHOWN);
    let lines = sessions.into_iter().take(SHOWN).map(|session| {
        let agent = harmless(session.agent.as_deref().unwrap_or_default());
        SessionLine {
            id: session.id.to_string(),
            is_this: session.is_this,
            browser: browser(&agent),
            agent: shortened(&agent),
            address: harmless(session.address.as_deref().unwrap_or("an unknown address")),
            since: When::at(session.created_at),
            used: When::at(session.last_activity_at),
            ends: When::at(session.expires_at.min(session.ends_at)),
        }
    });
    let shown = SettingsPage {
        layout: visit.layout("Settings"),
        tabs: tabs(&visit, "/settings"),
        login: harmless(me.name.as_deref().unwrap_or_default()),
        site: me.site,
        repositories: seen,
        more_repositories: all.saturating_sub(SHOWN),
        sessions: lines.collect(),
        more_sessions,
    };
    page::html(StatusCode::OK, &shown)
}

/// Whoever ends the session that they are in has to sign in again.
pub(super) async fn end_session(visit: Visit) -> Result<Response, HttpError> {
    visit.ask(SessionsEnd, &[visit.named(0)], Vec::new()).await?;
    visit.done("/settings", "session-ended")
}
