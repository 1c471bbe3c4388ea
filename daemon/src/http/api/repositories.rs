//! `/api/repositories`: list and show, with what keeps orchd from acting there.

use serde::Serialize;

use super::call::Call;
use super::params::{LIMIT, Param, ParamKind, param};
use crate::actions;
use crate::config::Config;
use crate::core::access::Level;
use crate::core::event::RepoName;
use crate::core::permission::{Missing, Unheard, missing, missing_for_files, unheard};
use crate::core::rule::{Mode, Rule, RuleName};
use crate::engine::repository_config;
use crate::http::error::HttpError;
use crate::store::Page;
use crate::store::repositories::{RepositoryFilter, RepositoryRow};
use crate::store::repository_configs::RepositoryConfigRow;
use crate::store::setup::{Cover, SetupRow};

pub(super) const LIST: &[Param] =
    &[LIMIT, param("after", ParamKind::Text, "Where the page begins: `next` of the one before.")];

/// Whether orchd acts in a repository, and what keeps it from that.
#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::http) struct Setup {
    /// The installation that covers it; `null`: none does.
    pub(in crate::http) cover: Option<Cover>,
    /// Rules that cover it and act.
    pub(in crate::http) active: usize,
    /// Rules that cover it and only tell what they would do.
    pub(in crate::http) shadow: usize,
    /// Rules that cover it and are off.
    pub(in crate::http) off: usize,
    /// Whether rules of its own file are in use. One repository's counts have them in.
    pub(in crate::http) has_own: bool,
    /// Permissions that the rules there need and the installation does not grant.
    pub(in crate::http) missing: Vec<Missing>,
    /// Events that the rules there wait for and the installation does not subscribe to.
    pub(in crate::http) unheard: Vec<Unheard>,
    /// Mistakes in its own config file.
    pub(in crate::http) file_problems: usize,
}

/// A repository of the list.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "RepositoryListed")]
pub(in crate::http) struct Listed {
    #[serde(flatten)]
    pub(in crate::http) row: RepositoryRow,
    pub(in crate::http) setup: Setup,
}

/// A rule that covers a repository.
#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::http) struct Covering {
    pub(in crate::http) name: RuleName,
    pub(in crate::http) mode: Mode,
}

/// A repository, and what one may do there.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "RepositoryShown")]
pub(in crate::http) struct Shown {
    #[serde(flatten)]
    pub(in crate::http) row: RepositoryRow,
    pub(in crate::http) level: Level,
    /// Rules of the server's config that cover it.
    pub(in crate::http) rules: Vec<RuleName>,
    /// These and those of its own file, with their modes.
    pub(in crate::http) covering: Vec<Covering>,
    pub(in crate::http) setup: Setup,
    /// Its own config file, where it keeps one.
    pub(in crate::http) config: Option<RepositoryConfigRow>,
}

impl Setup {
    fn of(config: &Config, name: &RepoName, row: SetupRow, rules: &[&Rule]) -> Self {
        let count = |mode| rules.iter().filter(|rule| rule.mode == mode).count();
        let file =
            row.file.filter(|file| config.repository_config.enabled && file.path == config.repository_config.path);
        let mut setup = Self {
            active: count(Mode::Active),
            shadow: count(Mode::Shadow),
            off: count(Mode::Off),
            has_own: file.as_ref().is_some_and(|file| file.is_used),
            missing: Vec::new(),
            unheard: Vec::new(),
            file_problems: file.map_or(0, |file| file.problems.len()),
            cover: row.cover,
        };
        // What GitHub did not tell yet is not missing.
        if let Some(cover) = setup.cover.as_ref().filter(|cover| cover.acts() && cover.known_at.is_some()) {
            let rules = || rules.iter().copied();
            setup.missing = missing(rules(), actions::kinds(), &cover.permissions);
            if config.repository_config.covers(name) {
                setup.missing.extend(missing_for_files(&cover.permissions));
            }
            setup.unheard = unheard(rules(), &cover.events);
        }
        setup
    }
}

/// Rules of the server's config that cover it.
fn covering<'c>(config: &'c Config, name: &RepoName) -> impl Iterator<Item = &'c Rule> {
    config.rules.iter().filter(move |rule| rule.repositories.includes(name))
}

pub(super) async fn list(call: Call) -> Result<Page<Listed, String>, HttpError> {
    let among = call.among();
    let Call { app, mut query, .. } = call;
    let filter = RepositoryFilter { limit: query.limit()?, after: query.text("after")?, among };
    query.finish()?;
    let page = app.db.repositories_seen(&filter).await?;
    let ids: Vec<i64> = page.rows.iter().map(|row| row.github_id).collect();
    let (mut setups, config) = (app.db.setups_of(&ids).await?, app.config());
    let listed = |row: RepositoryRow| {
        let rules: Vec<&Rule> = covering(&config, &row.name).collect();
        let setup = Setup::of(&config, &row.name, setups.remove(&row.github_id).unwrap_or_default(), &rules);
        Listed { row, setup }
    };
    Ok(Page { rows: page.rows.into_iter().map(listed).collect(), next: page.next })
}

pub(super) async fn show(mut call: Call) -> Result<Shown, HttpError> {
    call.no_query()?;
    let full = call.path.join("/");
    let name = RepoName::parse(&full).map_err(|error| HttpError::BadRequest(error.to_string()))?;
    let missing = || HttpError::NotFound(format!("nothing of a repository {name} is stored"));
    call.check(Some(&name), missing)?;
    let db = &call.app.db;
    let row = db.repository(&name).await?.ok_or_else(missing)?;
    let level = call.caller.sight.level_in(&name).ok_or_else(missing)?;
    let own = db.repository_config(&name).await?;
    let config = call.app.config();
    let rules = covering(&config, &row.name).map(|rule| rule.name.clone()).collect();
    let file_rules = repository_config::shown_rules(db, &config, &row.name).await?;
    let all: Vec<&Rule> = covering(&config, &row.name).chain(&file_rules).collect();
    let setup = db.setups_of(&[row.github_id]).await?.remove(&row.github_id).unwrap_or_default();
    let setup = Setup::of(&config, &row.name, setup, &all);
    let covering = all.iter().map(|rule| Covering { name: rule.name.clone(), mode: rule.mode }).collect();
    Ok(Shown { rules, covering, setup, row, level, config: own })
}
