//! `/items/{owner}/{name}/{number}`: everything done on an issue or pull request, why, and why not.

use askama::Template;
use http::StatusCode;
use uuid::Uuid;
use warp::reply::Response;

use super::super::api::endpoints::{IssuesActions, IssuesAnalyze, RepositoriesShow, Why};
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::parts::{Pager, Pill, When};
use super::story::{Decided, Done, Manner, Room};
use super::visit::{query, url};
use super::{Layout, Visit, states};
use crate::core::access::Op;
use crate::core::event::RepoName;
use crate::core::text::{harmless, shortened};
use crate::engine::why::Story;
use crate::store::effects::EffectState;

/// Events and effects of a page.
const LATEST: usize = 20;

/// Bytes of HTML for what the rules decided.
const ROOM: usize = 22_000;

/// Rules that are offered to be asked about.
const MOST_RULES: usize = 200;

#[derive(Template)]
#[template(path = "pages/item.html")]
struct ItemPage<'e> {
    layout: Layout,
    name: String,
    path: String,
    repository: String,
    events_url: String,
    on_github: String,
    may_analyze: bool,
    take_back: Option<String>,
    rules: Vec<Choice>,
    answer: Option<Answer>,
    done: Vec<Done>,
    older_done: Option<String>,
    moments: Vec<Moment<'e>>,
    pager: Pager,
}

/// A rule that may be asked about.
struct Choice {
    name: String,
    is_asked: bool,
}

/// Why one rule did nothing.
struct Answer {
    rule: String,
    /// It cannot be answered.
    problem: Option<String>,
    /// It did something here once.
    acted: bool,
    /// None: it acted on the latest, too.
    why_not: Vec<String>,
}

/// An event, and what was decided on it.
struct Moment<'e> {
    url: String,
    kind: String,
    actor: String,
    when: When,
    state: Pill,
    error: Option<String>,
    is_ours: bool,
    decided: Decided<'e>,
}

/// What is told of the item, and what was asked.
struct Told {
    stories: Vec<Story>,
    next: Option<Uuid>,
    answer: Option<Answer>,
}

impl<'e> Moment<'e> {
    fn of(story: &'e Story, manner: &Manner<'_>, room: &mut Room) -> Self {
        let event = &story.event;
        Self {
            url: format!("/events/{}", event.id),
            kind: harmless(&event.kind()),
            actor: shortened(&harmless(event.actor.as_deref().unwrap_or_default())),
            when: When::at(event.received_at),
            state: states::event(event.processing_status),
            error: event.error_message.as_deref().map(|error| shortened(&harmless(error))),
            is_ours: story.cause.is_some(),
            decided: Decided::of(story, manner, room),
        }
    }
}

/// The item of the path.
fn item(visit: &Visit) -> Result<(RepoName, u64), HttpError> {
    let missing = || HttpError::NotFound("an item is owner/name/number".to_owned());
    let repository = RepoName::parse(&format!("{}/{}", visit.named(0), visit.named(1))).map_err(|_| missing())?;
    let number = visit.named(2).parse().map_err(|_| missing())?;
    Ok((repository, number))
}

pub(super) async fn show(visit: Visit) -> Result<Response, HttpError> {
    let (repository, number) = item(&visit)?;
    let place = visit.ask(RepositoriesShow, &[visit.named(0), visit.named(1)], Vec::new()).await?;
    let asked = visit.query.get("rule").map(str::trim).filter(|rule| !rule.is_empty());
    let told = told(&visit, &repository, number, asked).await?;
    let path = format!("/items/{repository}/{number}");
    let (done, older_done) = done(&visit, &repository, number, &path).await?;
    if told.stories.is_empty() && done.is_empty() && visit.query.get("after").is_none() && told.answer.is_none() {
        return Err(HttpError::NotFound(format!("nothing about {repository}#{number} has arrived")));
    }
    let manner = Manner { visit: &visit, is_whole: false };
    let mut room = Room(ROOM);
    let is_asked = |name: &str| asked == Some(name);
    let choices = place.covering.iter().take(MOST_RULES).map(|rule| rule.name.to_string());
    let drawn = ItemPage {
        layout: visit.layout("Events"),
        name: format!("{repository}#{number}"),
        events_url: url("/events", &query([("repo", repository.as_str()), ("number", &number.to_string())])),
        on_github: visit.on_github(&format!("/{repository}/issues/{number}")),
        may_analyze: visit.may_in(Op::IssuesAnalyze, Some(&repository)),
        take_back: visit
            .may_in(Op::RollbacksPlan, Some(&repository))
            .then(|| url("/rollbacks/new", &query([("repo", repository.as_str())]))),
        rules: choices.map(|name| Choice { is_asked: is_asked(&name), name }).collect(),
        answer: told.answer,
        done,
        older_done,
        moments: told.stories.iter().take(LATEST).map(|story| Moment::of(story, &manner, &mut room)).collect(),
        pager: Pager::new(&path, &[], visit.query.get("after"), told.next.map(|next| next.to_string())),
        repository: repository.to_string(),
        path,
    };
    page::html(StatusCode::OK, &drawn)
}

/// The latest events, or those that the rule which is asked about decided on.
async fn told(visit: &Visit, repository: &RepoName, number: u64, rule: Option<&str>) -> Result<Told, HttpError> {
    let mut answer = None;
    if let Some(rule) = rule {
        let name = shortened(&harmless(rule));
        match visit.ask(Why, &[], query([("item", &format!("{repository}#{number}")), ("rule", rule)])).await {
            Ok(why) => {
                let acts = |state| matches!(state, EffectState::Applied | EffectState::Undone | EffectState::Writing);
                let acted = why.events.iter().flat_map(|story| &story.effects).any(|effect| acts(effect.state));
                let why_not = why.why_not.unwrap_or_default();
                let answer = Answer { rule: name, problem: None, acted, why_not };
                return Ok(Told { stories: why.events, next: None, answer: Some(answer) });
            }
            Err(HttpError::NotFound(problem) | HttpError::BadRequest(problem)) => {
                let problem = Some(harmless(&problem));
                answer = Some(Answer { rule: name, problem, acted: false, why_not: Vec::new() });
            }
            Err(other) => return Err(other),
        }
    }
    let (number, latest) = (number.to_string(), LATEST.to_string());
    let mut asked = query([("repo", repository.as_str()), ("number", &number), ("latest", &latest)]);
    asked.extend(visit.query.get("after").map(|after| ("after".to_owned(), after.to_owned())));
    let why = visit.ask(Why, &[], asked).await?;
    Ok(Told { stories: why.events, next: why.next, answer })
}

/// What was done to the item, and where older ones are.
async fn done(
    visit: &Visit,
    repository: &RepoName,
    number: u64,
    path: &str,
) -> Result<(Vec<Done>, Option<String>), HttpError> {
    let mut asked = query([("limit", &LATEST.to_string())]);
    asked.extend(visit.query.get("actions_after").map(|after| ("after".to_owned(), after.to_owned())));
    let actions = visit.ask(IssuesActions, &[&format!("{repository}#{number}")], asked).await?;
    let older = actions.next.map(|next| url(path, &query([("actions_after", &next.to_string())])));
    Ok((actions.rows.iter().map(|effect| Done::of(effect, visit)).collect(), older))
}

pub(super) async fn analyze(visit: Visit) -> Result<Response, HttpError> {
    let (repository, number) = item(&visit)?;
    visit.ask(IssuesAnalyze, &[&format!("{repository}#{number}")], Vec::new()).await?;
    visit.done(&format!("/items/{repository}/{number}"), "replayed")
}
