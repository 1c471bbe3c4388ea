//! `/settings/people`: who signed in, for whoever looks after the site.

use askama::Template;
use http::StatusCode;
use warp::reply::Response;

use super::super::api::endpoints::{PeopleList, PeopleSignOut};
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::form::Tabs;
use super::parts::{Pager, When};
use super::settings::tabs;
use super::{Layout, Visit};
use crate::core::access::Level;
use crate::core::text::harmless;

#[derive(Template)]
#[template(path = "pages/people.html")]
struct PeoplePage {
    layout: Layout,
    tabs: Tabs,
    rows: Vec<PersonLine>,
    teams: Vec<(String, Level)>,
    pager: Pager,
}

struct PersonLine {
    id: String,
    login: String,
    is_you: bool,
    site: Option<Level>,
    first: When,
    last: When,
    sessions: u64,
}

pub(super) async fn list(visit: Visit) -> Result<Response, HttpError> {
    let after = visit.query.get("after").filter(|after| !after.is_empty());
    let asked = after.map(|after| ("after".to_owned(), after.to_owned())).into_iter().collect();
    let found = visit.ask(PeopleList, &[], asked).await?;
    let you = visit.caller.user();
    let rows = found.rows.iter().map(|person| PersonLine {
        id: person.id.to_string(),
        login: harmless(&person.login),
        is_you: Some(person.id) == you,
        site: person.site,
        first: When::at(person.created_at),
        last: When::at(person.last_seen_at),
        sessions: person.sessions,
    });
    let shown = PeoplePage {
        layout: visit.layout("Settings"),
        tabs: tabs(&visit, "/settings/people"),
        rows: rows.collect(),
        teams: found.teams.iter().map(|team| (harmless(&team.team), team.level)).collect(),
        pager: Pager::new("/settings/people", &[], after, found.next.map(|next| next.to_string())),
    };
    page::html(StatusCode::OK, &shown)
}

pub(super) async fn sign_out(visit: Visit) -> Result<Response, HttpError> {
    visit.ask(PeopleSignOut, &[visit.named(0)], Vec::new()).await?;
    visit.done("/settings/people", "signed-out")
}
