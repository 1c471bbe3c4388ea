//! Pull requests, their files and reviews, and the checks of a commit.

use serde_json::{Value, json};

use super::{Place, merging, reviews};
use crate::github::call::Answer;
use crate::github::contents;
use crate::github::journal::Change;
use crate::github::world::World;
use crate::model::{Item, Pull, Repository, Status};
use crate::payload::objects::{API, repository, with};
use crate::payload::{ci, items};

/// GitHub lists no more files than this.
const MOST_FILES: usize = 3_000;

pub(super) fn handle(world: &mut World, at: &Place<'_>, rest: &[&str]) -> Answer {
    match (at.call.method.as_str(), rest) {
        ("GET", []) => list(world, at),
        ("GET", [number]) => {
            let shown = one(world, at, number, |repo, item, pull| Answer::ok(items::pull_request(repo, item, pull)));
            merging::was_asked(world, at, number);
            shown
        }
        ("PATCH", [number]) => at.numbered(number, |n| edit(world, at, n)),
        ("GET", [number, "files"]) => one(world, at, number, |repo, _, pull| {
            let files = pull.files.iter().take(MOST_FILES);
            Answer::page(at.call, files.map(|file| items::file(repo, &pull.head_sha, file)).collect())
        }),
        ("GET", [number, "reviews"]) => one(world, at, number, |repo, item, pull| {
            let association = |login: &str| if repo.collaborators.contains(login) { "MEMBER" } else { "NONE" };
            let shown = pull.reviews.iter().map(|each| {
                let by = json!({"author_association": association(&each.author.login)});
                with(items::review(repo, item, each), by)
            });
            Answer::page(at.call, shown.collect())
        }),
        (_, [number, rest @ ..]) => at.numbered(number, |n| reviews::handle(world, at, n, rest)),
        _ => Answer::not_found(),
    }
}

fn one(world: &World, at: &Place<'_>, number: &str, show: impl FnOnce(&Repository, &Item, &Pull) -> Answer) -> Answer {
    at.numbered(number, |n| {
        at.item(world, n, |repo, item| match &item.pull {
            Some(pull) => show(repo, item, pull),
            None => Answer::not_found(),
        })
    })
}

/// Title, text and state. What is merged stays so.
fn edit(world: &mut World, at: &Place<'_>, number: u64) -> Answer {
    let body = &at.call.body;
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let item = world.repository(at.full_name).and_then(|repo| repo.items.get(&number));
    let Some(pull) = item.and_then(|item| item.pull.as_ref()) else { return Answer::not_found() };
    let merged = pull.merged_at.is_some();
    let mut changes: Vec<Change> = text("title").map(Change::Retitled).into_iter().collect();
    if body.get("body").is_some() {
        changes.push(Change::Rewritten(text("body")));
    }
    match text("state").as_deref() {
        Some("closed") => changes.push(Change::Closed { reason: None }),
        Some("open") if !merged => changes.push(Change::Reopened),
        Some(_) => return Answer::invalid("PullRequest", "state", "invalid"),
        None => {}
    }
    for change in changes {
        world.change(&at.actor, at.full_name, number, change);
    }
    one(world, at, &number.to_string(), |repo, item, pull| Answer::ok(items::pull_request(repo, item, pull)))
}

fn list(world: &World, at: &Place<'_>) -> Answer {
    let query = &at.call.query;
    let state = query.get("state").map_or("open", String::as_str);
    at.repository(world, |repo| {
        let fits = repo.items.values().rev().filter_map(|item| {
            let pull = item.pull.as_ref()?;
            let in_state = state == "all" || item.open == (state == "open");
            let on_base = query.get("base").is_none_or(|base| *base == pull.base_ref);
            let owner = pull.fork_owner.as_ref().unwrap_or(&repo.owner);
            let from = format!("{}:{}", owner.login, pull.head_ref);
            let of_head = query.get("head").is_none_or(|head| *head == from);
            (in_state && on_base && of_head).then(|| items::pull_in_list(repo, item, pull))
        });
        Answer::page(at.call, fits.collect())
    })
}

pub(super) fn check_runs(world: &World, at: &Place<'_>, sha: &str) -> Answer {
    at.repository(world, |repo| {
        let named = at.call.query.get("check_name");
        let runs = repo.checks.iter().filter(|run| run.sha == sha && named.is_none_or(|name| *name == run.name));
        Answer::named_page(at.call, "check_runs", runs.map(|run| contents::shown_check(world, repo, run)).collect())
    })
}

/// The combined status: the latest of each context counts.
pub(super) fn status(world: &World, at: &Place<'_>, sha: &str) -> Answer {
    at.repository(world, |repo| {
        let mut latest: Vec<&Status> = Vec::new();
        for status in repo.statuses.iter().filter(|status| status.sha == sha) {
            latest.retain(|each| !each.context.eq_ignore_ascii_case(&status.context));
            latest.push(status);
        }
        let any = |state: &str| latest.iter().any(|each| each.state == state);
        let state = if any("failure") || any("error") {
            "failure"
        } else if latest.is_empty() || any("pending") {
            "pending"
        } else {
            "success"
        };
        let shown: Vec<Value> = latest.iter().map(|each| ci::status(repo, each)).collect();
        let url = format!("{API}/repos/{}/commits/{sha}", repo.full_name());
        let mut answer = Answer::named_page(at.call, "statuses", shown);
        if let Some(Value::Object(body)) = &mut answer.body {
            body.insert("state".to_owned(), state.into());
            body.insert("sha".to_owned(), sha.into());
            body.insert("repository".to_owned(), repository(repo));
            body.insert("commit_url".to_owned(), url.clone().into());
            body.insert("url".to_owned(), json!(format!("{url}/status")));
        }
        answer
    })
}
