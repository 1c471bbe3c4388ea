//! `/repositories`: where the App is installed, and for each repository whether orchd acts there and what keeps it from that.

use askama::Template;
use http::StatusCode;
use warp::reply::Response;

use super::super::api::endpoints::{InstallationsList, InstallationsRefresh, RepositoriesList};
use super::super::api::repositories::{Listed, Setup};
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::parts::{Pager, Pill, Tone, When, thousands};
use super::visit::query;
use super::{Layout, Visit};
use crate::core::access::Op;
use crate::core::text::harmless;
use crate::store::installations::InstallationRow;

/// Of a page.
const ROWS: &str = "30";

/// Things that are named in one sentence.
const MOST_NAMED: usize = 6;

#[derive(Template)]
#[template(path = "pages/repositories.html")]
struct RepositoriesPage {
    layout: Layout,
    may_refresh: bool,
    installations: Vec<Installed>,
    more_installations: bool,
    rows: Vec<Row>,
    pager: Pager,
}

/// Where the App is installed.
struct Installed {
    account: String,
    kind: String,
    state: Pill,
    repositories: String,
    known_at: Option<When>,
}

struct Row {
    name: String,
    is_private: bool,
    account: Option<String>,
    events: String,
    last: Option<When>,
    events_url: String,
    rules: String,
    acts: Standing,
    setup: Standing,
}

/// A state with its reason.
pub(super) struct Standing {
    pub(super) pill: Pill,
    pub(super) reason: Option<String>,
}

impl Standing {
    fn new(tone: Tone, word: &str, reason: Option<String>) -> Self {
        Self { pill: Pill::new(tone, word), reason }
    }

    /// Whether orchd acts in the repository: its rules say so, and the App's installation.
    pub(super) fn of_acting(setup: &Setup) -> Self {
        let off = |why: &str| Self::new(Tone::Quiet, "off", Some(why.to_owned()));
        match &setup.cover {
            None => return off("the App is not installed there"),
            Some(cover) if cover.deleted_at.is_some() => return off("the App is no longer installed there"),
            Some(cover) if cover.is_suspended => return off("the App's installation is suspended"),
            Some(_) => {}
        }
        if setup.active > 0 || setup.has_own {
            return Self::new(Tone::Good, "on", None);
        }
        match (setup.shadow, setup.off) {
            (0, 0) => off("no rule covers it"),
            (0, _) => off("every rule that covers it is off"),
            _ => Self::new(Tone::Busy, "shadow", Some("its rules only tell what they would do".to_owned())),
        }
    }

    /// Whether what is set up lets the rules work.
    pub(super) fn of_setup(setup: &Setup) -> Self {
        let reasons = lacks(setup);
        match (reasons.is_empty(), &setup.cover) {
            (false, _) => Self::new(Tone::Look, "look", Some(reasons.join("; "))),
            (true, Some(cover)) if cover.known_at.is_some() => Self::new(Tone::Good, "ready", None),
            (true, Some(_)) => Self::new(
                Tone::Quiet,
                "not known",
                Some("GitHub has not told yet what the App may do there".to_owned()),
            ),
            (true, None) => Self::new(Tone::Quiet, "not known", Some("no installation covers it".to_owned())),
        }
    }
}

/// What is not as the rules need it, a phrase each.
pub(super) fn lacks(setup: &Setup) -> Vec<String> {
    let mut lacks = Vec::new();
    match &setup.cover {
        Some(cover) if cover.deleted_at.is_some() => lacks.push("the App is no longer installed there".to_owned()),
        Some(cover) if cover.is_suspended => lacks.push("the App's installation is suspended".to_owned()),
        _ => {}
    }
    let permissions = setup.missing.iter().map(|each| format!("{}: {}", each.permission, each.level)).collect();
    if let Some(named) = some_of(permissions) {
        lacks.push(format!("the App lacks the permission {named}"));
    }
    if let Some(named) = some_of(setup.unheard.iter().map(|each| each.event.clone()).collect()) {
        lacks.push(format!("the App does not subscribe to {named}"));
    }
    match setup.file_problems {
        0 => {}
        1 => lacks.push("its own config file has a mistake".to_owned()),
        many => lacks.push(format!("its own config file has {many} mistakes")),
    }
    lacks
}

fn some_of(mut names: Vec<String>) -> Option<String> {
    let more = names.len().saturating_sub(MOST_NAMED);
    names.truncate(MOST_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| format!("{}{more}", names.join(", ")))
}

/// `3 act, 1 in shadow, 2 off`.
pub(super) fn rules(setup: &Setup) -> String {
    let counts = [(setup.active, "act"), (setup.shadow, "in shadow"), (setup.off, "off")];
    let told: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}

impl Row {
    fn of(listed: &Listed) -> Self {
        let Listed { row, setup } = listed;
        let own = if setup.has_own { " and its own" } else { "" };
        Self {
            name: row.name.to_string(),
            is_private: row.is_private,
            account: setup.cover.as_ref().map(|cover| harmless(&cover.account_login)),
            events: thousands(row.event_count),
            last: When::maybe(row.last_event_at),
            events_url: format!("/events?repo={}", row.name),
            rules: format!("{}{own}", rules(setup)),
            acts: Standing::of_acting(setup),
            setup: Standing::of_setup(setup),
        }
    }
}

impl Installed {
    fn of(row: &InstallationRow) -> Self {
        let state = match (row.deleted_at, row.is_suspended) {
            (Some(_), _) => Pill::new(Tone::Quiet, "no longer installed"),
            (None, true) => Pill::new(Tone::Look, "suspended"),
            (None, false) => Pill::new(Tone::Good, "active"),
        };
        Self {
            account: harmless(&row.account_login),
            kind: harmless(&row.account_type),
            state,
            repositories: thousands(row.repositories),
            known_at: When::maybe(row.known_at),
        }
    }
}

pub(super) async fn show(visit: Visit) -> Result<Response, HttpError> {
    let after = visit.query.get("after").filter(|after| !after.is_empty());
    let mut asked = query([("limit", ROWS)]);
    asked.extend(after.map(|after| ("after".to_owned(), after.to_owned())));
    let found = visit.ask(RepositoriesList, &[], asked).await?;
    let installations = visit.ask(InstallationsList, &[], query([("limit", ROWS)])).await?;
    let drawn = RepositoriesPage {
        layout: visit.layout("Repositories"),
        may_refresh: visit.may(Op::InstallationsRefresh),
        installations: installations.rows.iter().map(Installed::of).collect(),
        more_installations: installations.next.is_some(),
        rows: found.rows.iter().map(Row::of).collect(),
        pager: Pager::new("/repositories", &[], after, found.next),
    };
    page::html(StatusCode::OK, &drawn)
}

pub(super) async fn refresh(visit: Visit) -> Result<Response, HttpError> {
    visit.ask(InstallationsRefresh, &[], Vec::new()).await?;
    visit.done("/repositories", "refreshing")
}
