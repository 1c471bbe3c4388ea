//! `/api/rules`: the rules in use, and where they act.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::call::Call;
use crate::config::Config;
use crate::core::event::RepoName;
use crate::core::rule::{Mode, Rule, RuleName};
use crate::http::error::HttpError;
use crate::store::repositories::RepositoryFilter;

/// Repositories told of one rule.
pub(in crate::http) const MOST_COVERED: usize = 100;

/// Repositories that are looked at for whoever sees all.
const LOOKED_THROUGH: u32 = 1_000;

/// A rule of the server's config.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "RuleShown")]
pub(in crate::http) struct Shown {
    pub(in crate::http) name: RuleName,
    pub(in crate::http) mode: Mode,
    /// Where the config has it, `orchd.yaml:12:5`, for those who see all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) at: Option<String>,
    /// The first hundred that one sees.
    pub(in crate::http) covers: Vec<RepoName>,
    /// As `config show` shows it. Which repositories it names is for those who see all of them.
    pub(in crate::http) rule: Value,
}

/// Rules are few: there is one page.
#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::http) struct Rules {
    pub(in crate::http) revision: String,
    pub(in crate::http) rows: Vec<Shown>,
    pub(in crate::http) next: Option<String>,
}

pub(super) async fn list(mut call: Call) -> Result<Rules, HttpError> {
    call.no_query()?;
    let config = call.app.config();
    let seen = seen(&call).await?;
    let sees_all = call.caller.sight.site.is_some();
    let covered = |rule: &Rule| covered(rule, &seen);
    let rows = config.rules.iter().enumerate().map(|(at, rule)| (at, rule, covered(rule)));
    let rows = rows.filter(|(.., covers)| sees_all || !covers.is_empty()).map(|(at, rule, covers)| Shown {
        name: rule.name.clone(),
        mode: rule.mode,
        at: config.places.get(at).filter(|_| sees_all).cloned(),
        covers,
        rule: written(&config.effective, &rule.name, sees_all),
    });
    Ok(Rules { revision: config.revision.hash.clone(), rows: rows.collect(), next: None })
}

/// The config in use, without rules that cover nothing that whoever asks sees: their names are for others.
pub(super) async fn config_for(call: &Call) -> Result<Arc<Config>, HttpError> {
    let config = call.app.config();
    if call.caller.sight.site.is_some() {
        return Ok(config);
    }
    let seen = seen(call).await?;
    let covers = |rule: &&Rule| seen.iter().any(|name| rule.repositories.includes(name));
    let rules = config.rules.iter().filter(covers).cloned().collect();
    Ok(Arc::new(Config { rules, places: Arc::default(), ..(*config).clone() }))
}

/// The repositories that whoever asks sees.
pub(super) async fn seen(call: &Call) -> Result<Vec<RepoName>, HttpError> {
    if let Some(names) = call.caller.sight.only() {
        return Ok(names.cloned().collect());
    }
    let filter = RepositoryFilter { limit: LOOKED_THROUGH, ..RepositoryFilter::default() };
    let page = call.app.db.repositories_seen(&filter).await?;
    Ok(page.rows.into_iter().map(|row| row.name).collect())
}

fn covered(rule: &Rule, seen: &[RepoName]) -> Vec<RepoName> {
    seen.iter().filter(|name| rule.repositories.includes(name)).take(MOST_COVERED).cloned().collect()
}

fn written(effective: &Value, name: &RuleName, whole: bool) -> Value {
    let rules = effective.get("rules").and_then(Value::as_array);
    let is_it = |rule: &&Value| rule.get("name").and_then(Value::as_str) == Some(name.as_str());
    let mut rule = rules.and_then(|rules| rules.iter().find(is_it)).cloned().unwrap_or_default();
    if let (false, Some(rule)) = (whole, rule.as_object_mut()) {
        rule.remove("repositories");
    }
    rule
}
