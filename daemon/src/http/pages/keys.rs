//! `/settings/keys`: keys for scripts: those that there are, making one, revoking one.

use askama::Template;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde_json::json;
use warp::reply::Response;

use super::super::api::endpoints::{KeysCreate, KeysList, KeysRevoke};
use super::super::asked::Form;
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::form::{Field, Tabs};
use super::parts::{Pager, Pill, Tone, When};
use super::settings::tabs;
use super::{Layout, Visit};
use crate::core::access::{Level, Op, Scope};
use crate::core::text::harmless;
use crate::store::api_keys::{Ended, KeyRow, KeyTerms};

/// Names that are shown of a key's repositories.
const NAMED: usize = 3;

/// How long keys may live, and the life that is meant when nobody says.
const LIVES: [(&str, &str); 4] =
    [("30d", "30 days"), ("90d", "90 days"), ("365d", "a year"), ("", "until it is revoked")];
const USUAL_LIFE: &str = "90d";

#[derive(Template)]
#[template(path = "pages/keys.html")]
struct KeysPage {
    layout: Layout,
    tabs: Tabs,
    rows: Vec<KeyLine>,
    /// The list has everybody's.
    is_everybodys: bool,
    may_create: bool,
    pager: Pager,
}

struct KeyLine {
    id: String,
    name: String,
    beginning: String,
    owner: String,
    may: String,
    state: Pill,
    created: When,
    used: Option<When>,
    expires: Option<When>,
    is_good: bool,
}

#[derive(Template)]
#[template(path = "pages/key_new.html")]
struct NewKeyPage {
    layout: Layout,
    tabs: Tabs,
    fields: Vec<Field>,
    scopes: Vec<Choice>,
    /// Why no key was made of what was sent.
    problem: Option<String>,
}

struct Choice {
    word: &'static str,
    help: &'static str,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "pages/key_made.html")]
struct MadePage {
    layout: Layout,
    name: String,
    key: String,
    may: String,
    expires: Option<When>,
}

pub(super) async fn list(visit: Visit) -> Result<Response, HttpError> {
    let after = visit.query.get("after").filter(|after| !after.is_empty());
    let asked = after.map(|after| ("after".to_owned(), after.to_owned())).into_iter().collect();
    let found = visit.ask(KeysList, &[], asked).await?;
    let now = Utc::now();
    let shown = KeysPage {
        layout: visit.layout("Settings"),
        tabs: tabs(&visit, "/settings/keys"),
        rows: found.rows.iter().map(|key| KeyLine::of(key, now)).collect(),
        is_everybodys: visit.caller.holds(Level::Admin),
        may_create: visit.may(Op::KeysCreate) && visit.caller.sight.highest().is_some(),
        pager: Pager::new("/settings/keys", &[], after, found.next.map(|next| next.to_string())),
    };
    page::html(StatusCode::OK, &shown)
}

impl KeyLine {
    fn of(key: &KeyRow, now: DateTime<Utc>) -> Self {
        let ended = key.ended(now);
        Self {
            id: key.id.to_string(),
            name: harmless(&key.name),
            beginning: harmless(&key.beginning),
            owner: key.owner.as_ref().map_or_else(|| "the machine's owner".to_owned(), |owner| harmless(&owner.login)),
            may: may(&key.terms),
            state: match ended {
                None => Pill::new(Tone::Good, "good"),
                Some(Ended::Revoked) => Pill::new(Tone::Quiet, "revoked"),
                Some(Ended::Expired) => Pill::new(Tone::Quiet, "expired"),
            },
            created: When::at(key.created_at),
            used: When::maybe(key.last_used_at),
            expires: When::maybe(key.terms.expires_at),
            is_good: ended.is_none(),
        }
    }
}

/// What a key may, in a phrase: `viewer in acme/web: events:read, jobs:read`.
fn may(terms: &KeyTerms) -> String {
    let place = match &terms.repositories {
        None => String::new(),
        Some(names) => {
            let first: Vec<_> = names.iter().take(NAMED).map(ToString::to_string).collect();
            let more = names.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!(" in {}{more}", first.join(", "))
        }
    };
    let scopes: Vec<_> = terms.scopes.iter().map(Scope::word).collect();
    let scopes = if scopes.len() == Scope::ALL.len() { "everything".to_owned() } else { scopes.join(", ") };
    format!("{}{place}: {scopes}", terms.level)
}

pub(super) async fn new(visit: Visit) -> Result<Response, HttpError> {
    page::html(StatusCode::OK, &NewKeyPage::of(&visit, &visit.query, None))
}

impl NewKeyPage {
    fn of(visit: &Visit, given: &Form, problem: Option<String>) -> Self {
        let value = |name| given.get(name).unwrap_or_default().chars().take(200).collect::<String>();
        let highest = visit.caller.sight.highest();
        let levels = [Level::Viewer, Level::Operator, Level::Admin].into_iter().filter(|level| highest >= Some(*level));
        let levels = levels.map(|level| match level {
            Level::Viewer => ("viewer", "looks".to_owned()),
            Level::Operator => ("operator", "retries, replays, takes back".to_owned()),
            Level::Admin => ("admin", "everything, the config too".to_owned()),
        });
        let life = given.get("expires_in").unwrap_or(USUAL_LIFE);
        let chosen: Vec<_> = given.all("scope").collect();
        Self {
            layout: visit.layout("Settings"),
            tabs: tabs(visit, "/settings/keys"),
            fields: vec![
                Field::text("name", "Name, to know it by", &harmless(&value("name")), "nightly report"),
                Field::choice("level", "What it may do", &value("level"), levels),
                Field::text(
                    "repositories",
                    "Only in these repositories (all of yours, if it is empty)",
                    &harmless(&value("repositories")),
                    "acme/web, acme/api",
                ),
                Field::choice("expires_in", "Good for", life, LIVES.map(|(value, told)| (value, told.to_owned()))),
            ],
            scopes: Scope::ALL
                .iter()
                .map(|scope| Choice {
                    word: scope.word(),
                    help: scope.help(),
                    is_chosen: chosen.contains(&scope.word()),
                })
                .collect(),
            problem: problem.map(|why| harmless(&why)),
        }
    }
}

/// The page with the key's text is shown once: there is no way back to it.
pub(super) async fn create(visit: Visit) -> Result<Response, HttpError> {
    let given = |name| visit.form.get(name).map(str::trim).filter(|value| !value.is_empty());
    let names = given("repositories")
        .map(|names| names.split([',', ' ', '\n']).map(str::trim).filter(|name| !name.is_empty()).collect::<Vec<_>>());
    let wish = json!({
        "name": given("name").unwrap_or_default(),
        "scopes": visit.form.all("scope").collect::<Vec<_>>(),
        "level": given("level"),
        "repositories": names,
        "expires_in": given("expires_in"),
    });
    match visit.send(KeysCreate, Vec::new(), &wish).await {
        Ok(made) => {
            let shown = MadePage {
                layout: visit.layout("Settings"),
                name: harmless(&made.name),
                key: made.key,
                may: may(&made.terms),
                expires: When::maybe(made.terms.expires_at),
            };
            page::html(StatusCode::CREATED, &shown)
        }
        Err(HttpError::BadRequest(why) | HttpError::Unprocessable(why) | HttpError::Forbidden(why)) => {
            page::html(StatusCode::UNPROCESSABLE_ENTITY, &NewKeyPage::of(&visit, &visit.form, Some(why)))
        }
        Err(other) => Err(other),
    }
}

pub(super) async fn revoke(visit: Visit) -> Result<Response, HttpError> {
    visit.ask(KeysRevoke, &[visit.named(0)], Vec::new()).await?;
    visit.done("/settings/keys", "key-revoked")
}
