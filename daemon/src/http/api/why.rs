//! `/api/why`: what was decided on an event, on an issue or pull request, or lately in a repository, and why; by one rule
//! if it is named, and why it did nothing.

use chrono::Utc;
use serde::Serialize;
use uuid::Uuid;

use super::call::Call;
use super::events::seen;
use super::params::ParamKind::{Count, Text};
use super::params::{AFTER, EVENT, NUMBER, Param, REPO, RULE, param};
use super::rules::config_for;
use crate::core::event::{EventId, RepoName};
use crate::core::rule::RuleName;
use crate::engine::why::{Asked, Story, ask, stories_of, story_of, tell, tell_of};
use crate::http::error::HttpError;
use crate::store::events::EventFilter;

/// Decisions on an item that are looked at, newest first.
const MOST_DECISIONS: u32 = 100;

/// Events told when neither an event nor an item is named, unless the caller says how many.
const LATEST: u32 = 20;

/// The same when the caller says how many.
const MOST_LATEST: u32 = 200;

/// The same shape whatever is asked about: events, newest first, each with its decisions and effects.
#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::http) struct Why {
    pub(in crate::http) events: Vec<Story>,
    /// Of one rule: why it did nothing, what explains it first. Absent when it acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) why_not: Option<Vec<String>>,
    /// What the command line prints; absent where that is a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) text: Option<String>,
    /// Pass as `after` to go on; only where neither an event nor an item is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) next: Option<Uuid>,
}

impl Why {
    /// Of all rules.
    fn told(events: Vec<Story>) -> Self {
        let text = events.iter().map(tell).collect::<Vec<_>>().join("\n");
        Self { events, why_not: None, text: Some(text), next: None }
    }
}

pub(super) const QUERY: &[Param] = &[
    EVENT,
    param("item", Text, "Of this issue or pull request: `owner/name#12`."),
    REPO,
    param(
        "latest",
        Count { least: 1, most: MOST_LATEST as u64 },
        "So many of the newest events, where no event or item is named.",
    ),
    NUMBER,
    AFTER,
    RULE,
];

pub(super) async fn why(call: Call) -> Result<Why, HttpError> {
    let (app, mut query, among) = (call.app.clone(), call.query.clone(), call.among());
    let event = query.parsed::<Uuid>("event")?.map(EventId);
    let item = query.text("item")?;
    let repository = query.repository("repo")?;
    let latest = query.parsed::<u32>("latest")?;
    let (number, after) = (query.parsed::<u64>("number")?, query.parsed::<Uuid>("after")?);
    let rule = query.rule("rule")?;
    query.finish()?;
    let why = match (event, item) {
        (None, None) if rule.is_none() => {
            let limit = latest.unwrap_or(LATEST).min(MOST_LATEST);
            let filter =
                EventFilter { repository, number, limit, after, among: among.clone(), ..EventFilter::default() };
            let mut found = app.db.events(&filter).await?;
            found.rows.retain(|event| call.is_told(&event.event_type, event.repository.as_ref()));
            let events = tell_of(&app.db, found.rows).await?;
            let events = events.into_iter().map(|story| story.cut_to(&among)).collect();
            Why { events, why_not: None, text: None, next: found.next }
        }
        (None, None) => return Err(HttpError::BadRequest("`rule` goes with `event` or `item`".to_owned())),
        (Some(id), None) if repository.is_none() => {
            let event = seen(&call, id).await?;
            match rule {
                Some(rule) => of_rule(&call, Asked::Event(Box::new(event)), &rule).await?,
                None => Why::told(vec![story_of(&app.db, event).await?.cut_to(&among)]),
            }
        }
        (None, Some(item)) if repository.is_none() => {
            let (repository, number) = parse_item(&item).ok_or_else(|| {
                HttpError::BadRequest("`item` must be owner/repository#number (with # written as %23)".to_owned())
            })?;
            call.check(Some(&repository), || nothing_about(&repository, number))?;
            match rule {
                Some(rule) => of_rule(&call, Asked::Item { repository, number }, &rule).await?,
                None => Why::told(stories_of_item(&call, &repository, number).await?),
            }
        }
        _ => return Err(HttpError::BadRequest("pass `event`, `item`, or `repo` and `latest`".to_owned())),
    };
    Ok(why)
}

async fn of_rule(call: &Call, asked: Asked, rule: &RuleName) -> Result<Why, HttpError> {
    let (app, among) = (&call.app, call.among());
    let told = ask(&app.db, (&*config_for(call).await?, Utc::now()), &asked, rule, None).await?;
    let mut told = told.map_err(|unknown| HttpError::NotFound(unknown.to_string()))?;
    let is_told = |story: &Story| call.is_told(&story.event.event_type, story.event.repository.as_ref());
    let stories = told.stories.drain(..).filter(is_told).map(|story| story.cut_to(&among));
    told.stories = stories.collect();
    let text = Some(told.text(usize::MAX));
    Ok(Why { why_not: (!told.why_not.is_empty()).then_some(told.why_not), events: told.stories, text, next: None })
}

async fn stories_of_item(call: &Call, repository: &RepoName, number: u64) -> Result<Vec<Story>, HttpError> {
    let (stories, among) = (stories_of(&call.app.db, repository, number, (None, MOST_DECISIONS)).await?, call.among());
    if stories.is_empty() {
        return Err(nothing_about(repository, number));
    }
    let told = |story: &Story| call.is_told(&story.event.event_type, story.event.repository.as_ref());
    Ok(stories.into_iter().filter(told).map(|story| story.cut_to(&among)).collect())
}

fn nothing_about(repository: &RepoName, number: u64) -> HttpError {
    HttpError::NotFound(format!(
        "no rule has looked at {repository}#{number}: no event about it arrived that a rule waits for"
    ))
}

/// `owner/name#12`.
pub(super) fn parse_item(item: &str) -> Option<(RepoName, u64)> {
    let (repository, number) = item.rsplit_once('#')?;
    Some((RepoName::parse(repository).ok()?, number.parse().ok()?))
}
