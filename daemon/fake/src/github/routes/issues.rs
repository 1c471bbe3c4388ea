//! Issues, and pull requests seen as issues.

use serde_json::Value;

use super::{Place, texts};
use crate::github::call::Answer;
use crate::github::journal::Change;
use crate::github::world::World;
use crate::model::Item;
use crate::payload::items;

pub(super) fn handle(world: &mut World, at: &Place<'_>, rest: &[&str]) -> Answer {
    match (at.call.method.as_str(), rest) {
        ("GET", []) => list(world, at),
        ("GET", [number]) => at.numbered(number, |n| show(world, at, n, 200)),
        ("PATCH", [number]) => at.numbered(number, |n| edit(world, at, n)),
        ("GET", [number, "timeline"]) => at.numbered(number, |n| {
            at.item(world, n, |repo, item| {
                let moments = item.timeline.iter().map(|each| items::moment(repo, item, each));
                Answer::page(at.call, moments.collect())
            })
        }),
        ("GET", [number, "events"]) => at.numbered(number, |n| {
            at.item(world, n, |repo, item| {
                let apart = ["commented", "committed", "reviewed"];
                let moments = item.timeline.iter().filter(|each| !apart.contains(&each.event.as_str()));
                Answer::page(at.call, moments.map(|each| items::moment(repo, item, each)).collect())
            })
        }),
        ("PUT" | "DELETE", [number, "lock"]) => at.numbered(number, |n| lock(world, at, n)),
        ("POST" | "DELETE", [number, "assignees"]) => at.numbered(number, |n| assign(world, at, n)),
        _ => Answer::not_found(),
    }
}

fn show(world: &World, at: &Place<'_>, number: u64, status: u16) -> Answer {
    at.item(world, number, |repo, item| Answer::new(status, items::issue(repo, item)))
}

/// `state`, `labels`, `since` and `sort` by `created` or `updated` (newest first unless `direction=asc`) as GitHub has them.
fn list(world: &World, at: &Place<'_>) -> Answer {
    let query = &at.call.query;
    let state = query.get("state").map_or("open", String::as_str);
    let labels: Vec<&str> = query.get("labels").map_or_else(Vec::new, |labels| labels.split(',').collect());
    let since = query.get("since").and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
    at.repository(world, |repo| {
        let fits = repo.items.values().rev().filter(|item| {
            let has = |name: &&str| item.labels.iter().any(|label| label.name.eq_ignore_ascii_case(name));
            let recent = since.is_none_or(|since| item.updated_at.timestamp() >= since.timestamp());
            let by = query.get("creator").is_none_or(|login| item.author.login.eq_ignore_ascii_case(login));
            by && (state == "all" || item.open == (state == "open")) && labels.iter().all(has) && recent
        });
        let mut fits: Vec<&Item> = fits.collect();
        if query.get("sort").is_some_and(|sort| sort == "updated") {
            fits.sort_by_key(|item| std::cmp::Reverse(item.updated_at));
        }
        if query.get("direction").is_some_and(|direction| direction == "asc") {
            fits.reverse();
        }
        Answer::page(at.call, fits.into_iter().map(|item| items::issue(repo, item)).collect())
    })
}

fn edit(world: &mut World, at: &Place<'_>, number: u64) -> Answer {
    let changes = match edits(world, at, number) {
        Ok(changes) => changes,
        Err(answer) => return answer,
    };
    for change in changes {
        if world.change(&at.actor, at.full_name, number, change).is_none() {
            return Answer::not_found();
        }
    }
    show(world, at, number, 200)
}

/// What the body of a PATCH asks for, in full, before anything is changed.
fn edits(world: &World, at: &Place<'_>, number: u64) -> Result<Vec<Change>, Answer> {
    let body = &at.call.body;
    let mut changes = Vec::new();
    if let Some(title) = body.get("title").and_then(Value::as_str) {
        if title.trim().is_empty() || title.chars().count() > 256 {
            return Err(Answer::invalid("Issue", "title", "invalid"));
        }
        changes.push(Change::Retitled(title.to_owned()));
    }
    if let Some(text) = body.get("body") {
        changes.push(Change::Rewritten(text.as_str().map(str::to_owned)));
    }
    match body.get("state").and_then(Value::as_str) {
        Some("closed") => {
            let reason = body.get("state_reason").and_then(Value::as_str).map(str::to_owned);
            if reason.as_deref().is_some_and(|reason| !["completed", "not_planned", "duplicate"].contains(&reason)) {
                return Err(Answer::invalid("Issue", "state_reason", "invalid"));
            }
            changes.push(Change::Closed { reason });
        }
        Some("open") => changes.push(Change::Reopened),
        Some(_) => return Err(Answer::invalid("Issue", "state", "invalid")),
        None => {}
    }
    let repo = world.repository(at.full_name).ok_or_else(Answer::not_found)?;
    let item = repo.items.get(&number).ok_or_else(Answer::not_found)?;
    if let Some(milestone) = body.get("milestone") {
        let found = repo.milestones.iter().find(|each| Some(each.number) == milestone.as_u64());
        if found.is_none() && !milestone.is_null() {
            return Err(Answer::invalid("Issue", "milestone", "invalid"));
        }
        changes.push(Change::Milestoned(found.map(|each| each.title.clone())));
    }
    if let Some(wanted) = body.get("labels").and_then(texts) {
        let now: Vec<String> = item.labels.iter().map(|label| label.name.clone()).collect();
        changes.extend(difference(&now, &wanted, Change::LabelRemoved, Change::LabelAdded));
    }
    if let Some(wanted) = body.get("assignees").and_then(texts) {
        let now: Vec<String> = item.assignees.iter().map(|user| user.login.clone()).collect();
        let may: Vec<String> = wanted.into_iter().filter(|login| repo.collaborators.contains(login)).collect();
        changes.extend(difference(&now, &may, Change::Unassigned, Change::Assigned));
    }
    Ok(changes)
}

/// The changes that lead from one list to another.
pub(super) fn difference(
    now: &[String],
    wanted: &[String],
    remove: impl Fn(String) -> Change,
    add: impl Fn(String) -> Change,
) -> Vec<Change> {
    let has = |list: &[String], name: &String| list.iter().any(|each| each.eq_ignore_ascii_case(name));
    let gone = now.iter().filter(|name| !has(wanted, name)).map(|name| remove(name.clone()));
    let new = wanted.iter().filter(|name| !has(now, name)).map(|name| add(name.clone()));
    gone.chain(new).collect()
}

fn lock(world: &mut World, at: &Place<'_>, number: u64) -> Answer {
    let reason = at.call.body.get("lock_reason").and_then(Value::as_str).map(str::to_owned);
    if reason.as_deref().is_some_and(|reason| !["off-topic", "too heated", "resolved", "spam"].contains(&reason)) {
        return Answer::invalid("Issue", "lock_reason", "invalid");
    }
    let change = if at.call.method == "PUT" { Change::Locked { reason } } else { Change::Unlocked };
    world.change(&at.actor, at.full_name, number, change).map_or_else(Answer::not_found, |_| Answer::empty(204))
}

/// GitHub silently drops logins that may not be assigned.
fn assign(world: &mut World, at: &Place<'_>, number: u64) -> Answer {
    let Some(logins) = at.call.body.get("assignees").and_then(texts) else {
        return Answer::invalid("Issue", "assignees", "missing_field");
    };
    let adding = at.call.method == "POST";
    let Some(repo) = world.repository(at.full_name) else { return Answer::not_found() };
    let logins: Vec<String> =
        logins.into_iter().filter(|login| !adding || repo.collaborators.contains(login)).collect();
    for login in logins {
        let change = if adding { Change::Assigned(login) } else { Change::Unassigned(login) };
        if world.change(&at.actor, at.full_name, number, change).is_none() {
            return Answer::not_found();
        }
    }
    show(world, at, number, if adding { 201 } else { 200 })
}
