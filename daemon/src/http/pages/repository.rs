//! `/repositories/{owner}/{name}`: whether orchd acts there, by which rules, what keeps it from that, and what happened last.

use askama::Template;
use http::StatusCode;
use warp::reply::Response;

use super::super::api::endpoints::{EffectsList, EventsList, RepositoriesShow};
use super::super::api::repositories::{Setup, Shown};
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::events::EventLine;
use super::parts::{Pill, Tone, When, thousands};
use super::repositories::{Standing, rules};
use super::story::{Done, RuleLink};
use super::visit::{query, url};
use super::{Layout, Visit, states};
use crate::core::access::Op;
use crate::core::text::{harmless, shortened};
use crate::store::repository_configs::RepositoryConfigRow;

/// Last events and effects.
const LAST: &str = "10";

/// Rules, and mistakes in the file.
const MOST_RULES: usize = 100;
const MOST_PROBLEMS: usize = 50;

/// Characters of a mistake.
const LONGEST_PROBLEM: usize = 300;

#[derive(Template)]
#[template(path = "pages/repository.html")]
struct RepositoryPage {
    layout: Layout,
    name: String,
    is_private: bool,
    branch: String,
    level: String,
    on_github: String,
    acts: Standing,
    setup: Standing,
    events_count: String,
    last: Option<When>,
    rules_told: String,
    rules: Vec<RuleRow>,
    more_rules: usize,
    cover: Option<Covered>,
    needs: Vec<Need>,
    file: Option<File>,
    events_url: String,
    events: Vec<EventLine>,
    effects: Vec<Done>,
    take_back: Option<String>,
    may_see_config: bool,
}

struct RuleRow {
    rule: RuleLink,
    mode: Pill,
    is_own: bool,
}

/// The installation that covers it.
struct Covered {
    id: String,
    account: String,
    known_at: Option<When>,
}

/// What the App lacks, for which rules.
struct Need {
    what: String,
    rules: String,
}

/// Its own config file.
struct File {
    path: String,
    state: Pill,
    told: &'static str,
    sha: Option<String>,
    checked_at: When,
    problems: Vec<String>,
    more_problems: usize,
    url: String,
}

impl RuleRow {
    fn all(shown: &Shown) -> Vec<Self> {
        let row = |covering: &super::super::api::repositories::Covering| Self {
            rule: RuleLink::of(&covering.name),
            mode: states::mode(covering.mode),
            is_own: covering.name.repository().is_some(),
        };
        shown.covering.iter().take(MOST_RULES).map(row).collect()
    }
}

impl Need {
    fn all(setup: &Setup) -> Vec<Self> {
        let named = |rules: &[crate::core::rule::RuleName]| {
            rules.iter().take(MOST_RULES).map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let permissions = setup.missing.iter().map(|each| Self {
            what: format!("the permission {}: {}", harmless(&each.permission), harmless(&each.level)),
            rules: named(&each.rules),
        });
        let events = setup
            .unheard
            .iter()
            .map(|each| Self { what: format!("the event {}", harmless(&each.event)), rules: named(&each.rules) });
        permissions.chain(events).collect()
    }
}

impl File {
    fn of(row: &RepositoryConfigRow, branch: &str, visit: &Visit) -> Self {
        let (state, told) = match (row.problems.is_empty(), &row.good, &row.blob_sha) {
            (true, Some(_), _) => (Pill::new(Tone::Good, "in use"), "It is valid, and its rules are in use."),
            (true, None, None) => {
                (Pill::new(Tone::Quiet, "none"), "There is no such file: only the server's rules count.")
            }
            (true, None, Some(_)) => (Pill::new(Tone::Quiet, "empty"), "There is a file, and nothing of it is in use."),
            (false, Some(_), _) => {
                (Pill::new(Tone::Bad, "refused"), "Its latest version is refused; the last good one goes on.")
            }
            (false, None, _) => (Pill::new(Tone::Bad, "refused"), "It is refused, and no version of it was good."),
        };
        let problem = |problem: &crate::store::repository_configs::FileProblem| {
            let message: String = problem.message.chars().take(LONGEST_PROBLEM).collect();
            format!("line {}, column {}: {}", problem.line, problem.column, harmless(&message))
        };
        let path = format!("/{}/blob/{}/{}", row.repository, path_segment(branch), path_segment(&row.path));
        Self {
            path: harmless(&row.path),
            state,
            told,
            sha: row.good.as_ref().map(|good| good.sha.chars().take(12).collect()),
            checked_at: When::at(row.checked_at),
            problems: row.problems.iter().take(MOST_PROBLEMS).map(problem).collect(),
            more_problems: row.problems.len().saturating_sub(MOST_PROBLEMS),
            url: visit.on_github(&path),
        }
    }
}

/// A branch or a path with its slashes, so that nothing in it ends the path of a URL.
fn path_segment(text: &str) -> String {
    const KEPT: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.');
    percent_encoding::utf8_percent_encode(text, &KEPT).to_string()
}

pub(super) async fn show(visit: Visit) -> Result<Response, HttpError> {
    let shown = visit.ask(RepositoriesShow, &[visit.named(0), visit.named(1)], Vec::new()).await?;
    let (row, setup) = (&shown.row, &shown.setup);
    let name = row.name.to_string();
    let of_it = || query([("repo", name.as_str()), ("limit", LAST)]);
    let events = visit.ask(EventsList, &[], of_it()).await?;
    let effects = visit.ask(EffectsList, &[], of_it()).await?;
    let drawn = RepositoryPage {
        layout: visit.layout("Repositories"),
        is_private: row.is_private,
        branch: shortened(&harmless(&row.default_branch)),
        level: shown.level.to_string(),
        on_github: visit.on_github(&format!("/{name}")),
        acts: Standing::of_acting(setup),
        setup: Standing::of_setup(setup),
        events_count: thousands(row.event_count),
        last: When::maybe(row.last_event_at),
        rules_told: rules(setup),
        rules: RuleRow::all(&shown),
        more_rules: shown.covering.len().saturating_sub(MOST_RULES),
        cover: setup.cover.as_ref().map(|cover| Covered {
            id: cover.installation.to_string(),
            account: harmless(&cover.account_login),
            known_at: When::maybe(cover.known_at),
        }),
        needs: Need::all(setup),
        file: shown.config.as_ref().map(|file| File::of(file, &row.default_branch, &visit)),
        events_url: url("/events", &query([("repo", name.as_str())])),
        events: events.rows.iter().map(EventLine::of).collect(),
        effects: effects.rows.iter().map(|effect| Done::of(effect, &visit)).collect(),
        take_back: visit
            .may_in(Op::RollbacksPlan, Some(&row.name))
            .then(|| url("/rollbacks/new", &query([("repo", name.as_str())]))),
        may_see_config: visit.may(Op::ConfigShow),
        name: name.clone(),
    };
    page::html(StatusCode::OK, &drawn)
}
