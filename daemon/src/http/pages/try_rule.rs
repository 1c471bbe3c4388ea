//! `POST /rules/{rule}`: what another text of the rule would have done.

use askama::Template;
use askama::filters::HtmlSafe;
use http::StatusCode;
use serde_json::Value;
use warp::reply::Response;

use super::super::api::RuleShown;
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::changes::Problems;
use super::rule::{find, missing, named};
use super::trial::{DAYS, Trial, Trying, USUAL_DAYS};
use super::{Layout, Visit};
use crate::actions;
use crate::config::{read_rule_text, yaml};
use crate::core::access::Op;
use crate::core::event::RepoName;
use crate::core::rule::RuleName;

/// The name that the text has in the line for a shell.
const FILE: &str = "changed.yaml";

#[derive(Template)]
#[template(path = "pages/try_rule.html")]
struct TryPage {
    layout: Layout,
    name: String,
    form: TryForm,
    problems: Option<Problems>,
    /// Why it was not run.
    refused: Option<String>,
    trial: Option<Trial>,
}

/// The form: a rule's text, over which time, and where.
#[derive(Template)]
#[template(path = "pages/try_form.html")]
pub(super) struct TryForm {
    csrf: String,
    name: String,
    text: String,
    days: u32,
    /// The repository that is picked; empty: all.
    repository: String,
    repositories: Vec<RepoName>,
    /// Whether all repositories may be picked at once.
    may_all: bool,
}

impl HtmlSafe for TryForm {}

impl TryForm {
    /// `None`: whoever visits may not try it anywhere.
    pub(super) fn of(visit: &Visit, rule: &RuleShown) -> Option<Self> {
        let may = |name: &&RepoName| visit.may_in(Op::BacktestsRun, Some(name));
        let repositories: Vec<RepoName> = rule.covers.iter().filter(may).cloned().collect();
        let may_all = visit.may_in(Op::BacktestsRun, None);
        if !may_all && repositories.is_empty() {
            return None;
        }
        Some(Self {
            csrf: visit.csrf(),
            name: rule.name.to_string(),
            text: yaml::write_rule(&rule.rule),
            days: USUAL_DAYS,
            repository: String::new(),
            repositories,
            may_all,
        })
    }

    fn days_offered(&self) -> [u32; 3] {
        DAYS
    }
}

/// As many days as a form says, if they are offered.
pub(super) fn days(visit: &Visit) -> u32 {
    let said = visit.form.get("days").and_then(|days| days.parse().ok());
    said.filter(|days| DAYS.contains(days)).unwrap_or(USUAL_DAYS)
}

/// What was written into a form: browsers end lines as on a teletype.
pub(super) fn text(visit: &Visit) -> String {
    visit.form.get("text").unwrap_or_default().replace("\r\n", "\n")
}

pub(super) async fn send(visit: Visit) -> Result<Response, HttpError> {
    let name = named(&visit)?;
    let rule = find(&visit, &name).await?.ok_or_else(|| missing(name.as_str()))?;
    let refused =
        || HttpError::Forbidden("it takes the level operator in a repository that the rule covers".to_owned());
    let form = TryForm::of(&visit, &rule).ok_or_else(refused)?;
    let repository = match visit.form.get("repo").filter(|repo| !repo.is_empty()) {
        Some(repo) => Some(RepoName::parse(repo).map_err(|error| HttpError::BadRequest(error.to_string()))?),
        None => None,
    };
    let (text, days) = (text(&visit), days(&visit));
    let picked = repository.as_ref().map(RepoName::to_string).unwrap_or_default();
    let form = TryForm { text: text.clone(), days, repository: picked, ..form };
    let (layout, told) = (visit.layout("Rules"), name.to_string());
    let mut page = TryPage { layout, name: told, form, problems: None, refused: None, trial: None };
    let candidates = match read_rule_text(&text, actions::kinds()) {
        Ok(candidates) => candidates,
        Err(problems) => {
            page.problems = Some(Problems::in_text(&problems, "", &text));
            return page::html(StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
    };
    let (rules, of) = in_its_place(&visit.app.config().effective["rules"], &name, candidates);
    let trying = Trying { rules: &rules, of: Some(&of), days, repository: repository.as_ref(), file: FILE };
    match Trial::run(&visit, &trying).await {
        Ok(trial) => page.trial = Some(trial),
        // Another one is under way, or a name is taken.
        Err(HttpError::Conflict(reason) | HttpError::BadRequest(reason)) => page.refused = Some(reason),
        Err(other) => return Err(other),
    }
    page::html(StatusCode::OK, &page)
}

/// All rules in use with these in the place of the one of that name, and the names whose differences are told.
fn in_its_place(rules: &Value, name: &RuleName, candidates: Vec<Value>) -> (Value, Vec<RuleName>) {
    let named = |rule: &Value| rule.get("name").and_then(Value::as_str).and_then(|name| RuleName::parse(name).ok());
    let of: Vec<RuleName> = std::iter::once(name.clone()).chain(candidates.iter().filter_map(named)).collect();
    let mut candidates = Some(candidates);
    let mut all = Vec::new();
    for rule in rules.as_array().into_iter().flatten() {
        match named(rule).as_ref() == Some(name) {
            true => all.extend(candidates.take().unwrap_or_default()),
            false => all.push(rule.clone()),
        }
    }
    (all.into(), of)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_changed_rule_takes_the_place_of_the_old_one() {
        let rules = json!([{"name": "a"}, {"name": "b"}, {"name": "c"}]);
        let changed = vec![json!({"name": "d"}), json!({"name": "e"})];
        let (all, of) = in_its_place(&rules, &RuleName::parse("b").unwrap(), changed);
        assert_eq!(all, json!([{"name": "a"}, {"name": "d"}, {"name": "e"}, {"name": "c"}]));
        assert_eq!(of.iter().map(RuleName::as_str).collect::<Vec<_>>(), ["b", "d", "e"]);
    }
}
