//! `/rollbacks`: those that there were, and the form that plans one.

use askama::Template;
use chrono::Utc;
use http::StatusCode;
use warp::reply::Response;

use super::super::api::endpoints::{RollbacksList, RollbacksPlan};
use super::super::asked::Form;
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::form::{Field, asked};
use super::parts::{Pager, Pill, Tone, When};
use super::{Layout, Visit};
use crate::core::access::{Level, Op};
use crate::core::text::{harmless, shortened};
use crate::store::rollbacks::{RollbackFilter, RollbackRow};

/// Names that the API takes, and the form has fields for.
pub(super) const WHAT: [&str; 9] = ["effect", "rule", "event", "config", "rollback", "repo", "since", "until", "limit"];

#[derive(Template)]
#[template(path = "pages/rollbacks.html")]
struct RollbacksPage {
    layout: Layout,
    rows: Vec<RollbackLine>,
    may_plan: bool,
    pager: Pager,
}

struct RollbackLine {
    id: String,
    when: When,
    what: String,
    state: Pill,
}

#[derive(Template)]
#[template(path = "pages/rollback_new.html")]
struct PlanPage {
    layout: Layout,
    fields: Vec<Field>,
    /// Why what was sent cannot be planned.
    problem: Option<String>,
    /// They have to say which repository, since they may not do it everywhere.
    needs_repository: bool,
}

pub(super) async fn list(visit: Visit) -> Result<Response, HttpError> {
    let after = visit.query.get("after").filter(|after| !after.is_empty());
    let asked = after.map(|after| ("after".to_owned(), after.to_owned()));
    let found = visit.ask(RollbacksList, &[], asked.into_iter().collect()).await?;
    let shown = RollbacksPage {
        layout: visit.layout("Rollbacks"),
        rows: found.rows.iter().map(RollbackLine::of).collect(),
        may_plan: visit.may(Op::RollbacksPlan),
        pager: Pager::new("/rollbacks", &[], after, found.next.map(|next| next.to_string())),
    };
    page::html(StatusCode::OK, &shown)
}

impl RollbackLine {
    fn of(row: &RollbackRow) -> Self {
        Self { id: row.id.to_string(), when: When::at(row.created_at), what: sentence(&row.filter), state: state(row) }
    }
}

fn state(row: &RollbackRow) -> Pill {
    match (row.planned_at, row.executed_at) {
        (None, _) => Pill::new(Tone::Busy, "being planned"),
        (Some(_), None) => Pill::new(Tone::Look, "planned, not carried out"),
        (Some(_), Some(_)) => Pill::new(Tone::Good, "carried out"),
    }
}

/// What is to be taken back, as people say it.
pub(super) fn sentence(filter: &RollbackFilter) -> String {
    let RollbackFilter { effect, rule, event, config, since, until, repo, rollback } = filter;
    let mut told = match effect {
        Some(id) => format!("The effect {id}"),
        None => "Effects".to_owned(),
    };
    let config = config.as_ref().map(|config| shortened(&harmless(config)));
    let time = |at: &chrono::DateTime<Utc>| at.format("%Y-%m-%d %H:%M UTC").to_string();
    for (word, value) in [
        ("of the rule", rule.as_ref().map(ToString::to_string)),
        ("of the event", event.map(|id| id.to_string())),
        ("of the rollback", rollback.map(|id| id.to_string())),
        ("decided with the config", config),
        ("in", repo.as_ref().map(ToString::to_string)),
        ("since", since.as_ref().map(time)),
        ("before", until.as_ref().map(time)),
    ] {
        if let Some(value) = value {
            told.push_str(&format!(" {word} {value}"));
        }
    }
    told
}

pub(super) async fn new(visit: Visit) -> Result<Response, HttpError> {
    if !visit.may(Op::RollbacksPlan) {
        return Err(HttpError::Forbidden("it takes the level operator in some repository".to_owned()));
    }
    page::html(StatusCode::OK, &PlanPage::of(&visit, &visit.query, None))
}

/// What is wrong with what was sent is told in the form.
pub(super) async fn plan(visit: Visit) -> Result<Response, HttpError> {
    let mut wanted = visit.form.filled();
    wanted.retain(|(name, _)| WHAT.contains(&name.as_str()));
    match visit.ask(RollbacksPlan, &[], asked(&wanted, Utc::now())).await {
        Ok(planned) => page::see_other(&format!("/rollbacks/{}", planned.row.id)),
        Err(HttpError::BadRequest(why) | HttpError::NotFound(why) | HttpError::Forbidden(why)) => {
            page::html(StatusCode::UNPROCESSABLE_ENTITY, &PlanPage::of(&visit, &visit.form, Some(why)))
        }
        Err(other) => Err(other),
    }
}

impl PlanPage {
    fn of(visit: &Visit, given: &Form, problem: Option<String>) -> Self {
        let field = |name: &'static str, label, hint| {
            let value: String = given.get(name).unwrap_or_default().chars().take(200).collect();
            Field::text(name, label, &harmless(&value), hint)
        };
        Self {
            layout: visit.layout("Rollbacks"),
            fields: vec![
                field("rule", "What this rule did", "docs-label"),
                field("repo", "In this repository", "acme/web"),
                field("since", "Decided since", "2026-01-31, or 2h for the last two hours"),
                field("until", "Decided before", "2026-02-01"),
                field("event", "What came of this event", "id"),
                field("effect", "This effect", "id"),
                field("config", "Decided with this config", "how its revision begins"),
                field("rollback", "What this rollback did", "id"),
                field("limit", "Effects at most, the newest", "10000"),
            ],
            problem: problem.map(|why| harmless(&why)),
            needs_repository: visit.caller.sight.site < Some(Level::Operator),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::event::RepoName;
    use crate::core::rule::RuleName;

    #[test]
    fn what_is_taken_back_is_a_sentence() {
        let filter = RollbackFilter {
            rule: Some(RuleName::parse("oops").unwrap()),
            repo: Some(RepoName::parse("acme/web").unwrap()),
            since: Some("2026-01-31T10:00:00Z".parse().unwrap()),
            ..RollbackFilter::default()
        };
        assert_eq!(sentence(&filter), "Effects of the rule oops in acme/web since 2026-01-31 10:00 UTC");
    }
}
