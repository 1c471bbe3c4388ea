//! `GET /config`: which config runs, what is wrong with the one on disk, one that is held, and those before; letting a held
//! one in, and putting an earlier one back.

use askama::Template;
use http::StatusCode;
use serde_json::Value;
use warp::reply::Response;

use super::super::api::endpoints::{AutomationStatus, ConfigConfirm, ConfigRevisions, ConfigRollBack, ConfigShow};
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::changes::{Changes, Problems};
use super::parts::{When, thousands};
use super::visit::query;
use super::{Layout, Visit};
use crate::config::hold::Hold;
use crate::config::{Origins, yaml};
use crate::core::access::Op;
use crate::core::text::harmless;

/// Revisions that are shown.
const REVISIONS: &str = "15";

/// Digits by which a revision or a commit is told apart.
const SHORT: usize = 12;

#[derive(Template)]
#[template(path = "pages/config.html")]
struct ConfigPage {
    layout: Layout,
    running: Running,
    /// Why the config on disk is refused.
    refused: Option<String>,
    problems: Option<Problems>,
    held: Option<Held>,
    revisions: Vec<Revision>,
    may_edit: bool,
    may_confirm: bool,
    may_roll_back: bool,
}

struct Running {
    revision: String,
    commit: Option<String>,
    since: When,
    rules: usize,
    active: usize,
    /// Nothing is written to GitHub, and by which key.
    closed: Option<&'static str>,
    needs_restart: String,
}

/// A config that waits for a person.
struct Held {
    revision: String,
    short: String,
    since: When,
    why: String,
    rules: Vec<(String, String)>,
    changes: Changes,
}

struct Revision {
    revision: String,
    short: String,
    commit: Option<String>,
    since: When,
    rules: usize,
    state: Option<&'static str>,
    is_first: bool,
    changes: Changes,
}

#[derive(Template)]
#[template(path = "pages/config_effective.html")]
struct EffectivePage {
    layout: Layout,
    revision: String,
    yaml: String,
}

fn short(name: &str) -> String {
    name.chars().take(SHORT).collect()
}

impl Held {
    fn of(hold: &Hold, changes: Changes) -> Self {
        let why = match &hold.rolled_back_to {
            Some(other) => format!(
                "A person put revision {} in its place. It waits until the files change, or a person confirms it.",
                short(other)
            ),
            None => format!(
                "In the last day its new or changed rules would have done on {}{} issues, pull requests, commits and \
                 repositories what nothing did. More than {} (guards.hold_reload_over) wait for a person.",
                if hold.complete { "" } else { "at least " },
                thousands(hold.items),
                thousands(hold.most)
            ),
        };
        let rules = hold.rules.iter().map(|rule| (rule.rule.to_string(), thousands(rule.items)));
        Self {
            revision: hold.revision.clone(),
            short: short(&hold.revision),
            since: When::at(hold.held_at),
            why,
            rules: rules.collect(),
            changes,
        }
    }
}

pub(super) async fn show(visit: Visit) -> Result<Response, HttpError> {
    let shown = visit.ask(ConfigShow, &[], Vec::new()).await?;
    let standing = visit.ask(AutomationStatus, &[], Vec::new()).await?;
    let history = visit.ask(ConfigRevisions, &[], query([("limit", REVISIONS)])).await?;
    let config = standing.config;
    let (problems, changes) = match &shown.on_disk {
        Some(on_disk) => {
            let problems = Some(Problems::on_disk(&on_disk.problems)).filter(|_| !on_disk.problems.is_empty());
            (problems, Changes::of(&on_disk.rules, &on_disk.values))
        }
        None => (None, Changes::default()),
    };
    let count = history.rows.len();
    let revisions = history.rows.iter().enumerate().map(|(at, past)| Revision {
        revision: past.revision.clone(),
        short: short(&past.revision),
        commit: past.git_commit.as_deref().map(short),
        since: When::at(past.loaded_at),
        rules: past.rules,
        state: past.state,
        // Nothing is known of the one before it.
        is_first: at + 1 == count,
        changes: Changes::of(&past.changes, &past.values),
    });
    let page = ConfigPage {
        layout: visit.layout("Config"),
        running: Running {
            revision: config.revision.clone(),
            commit: config.git_commit.clone(),
            since: When::at(config.loaded_at),
            rules: standing.rules,
            active: standing.active_rules,
            closed: closed(standing.dry_run, standing.read_only),
            needs_restart: config.needs_restart.join(", "),
        },
        refused: config.error.as_deref().map(harmless),
        problems,
        held: config.held.as_ref().map(|hold| Held::of(hold, changes)),
        revisions: revisions.collect(),
        may_edit: visit.may(Op::AutomationConfig),
        may_confirm: visit.may(Op::ConfigConfirm),
        may_roll_back: visit.may(Op::ConfigRollBack),
    };
    page::html(StatusCode::OK, &page)
}

/// Why nothing is written to GitHub.
fn closed(dry_run: bool, read_only: bool) -> Option<&'static str> {
    match (dry_run, read_only) {
        (true, _) => Some("github.dry_run"),
        (_, true) => Some("github.read_only"),
        _ => None,
    }
}

/// `GET /config/effective`: all of it, with every default.
pub(super) async fn effective(visit: Visit) -> Result<Response, HttpError> {
    let shown = visit.ask(ConfigShow, &[], Vec::new()).await?;
    let mut effective = shown.effective;
    // They have pages of their own, and are most of it.
    if let Value::Object(sections) = &mut effective {
        sections.remove("rules");
    }
    let page = EffectivePage {
        layout: visit.layout("Config"),
        revision: shown.revision,
        yaml: yaml::write(&effective, &Origins::new()),
    };
    page::html(StatusCode::OK, &page)
}

/// `POST /config/{revision}/confirm`.
pub(super) async fn confirm(visit: Visit) -> Result<Response, HttpError> {
    visit.ask(ConfigConfirm, &[visit.named(0)], Vec::new()).await?;
    visit.done("/config", "config-confirmed")
}

/// `POST /config/{revision}/rollback`.
pub(super) async fn roll_back(visit: Visit) -> Result<Response, HttpError> {
    visit.ask(ConfigRollBack, &[visit.named(0)], Vec::new()).await?;
    visit.done("/config", "config-rolled-back")
}
