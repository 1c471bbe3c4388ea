//! Comments on issues and pull requests.

use serde_json::Value;

use super::Place;
use crate::github::call::Answer;
use crate::github::journal::Change;
use crate::github::world::World;
use crate::payload::items;

/// GitHub's limit, in characters.
const LONGEST: usize = 65_536;

/// `/issues/{number}/comments`
pub(super) fn of_item(world: &mut World, at: &Place<'_>, number: u64) -> Answer {
    match at.call.method.as_str() {
        "GET" => at.item(world, number, |repo, item| {
            Answer::page(at.call, item.comments.iter().map(|each| items::comment(repo, item, each)).collect())
        }),
        "POST" => {
            let body = match text(at) {
                Ok(body) => body,
                Err(answer) => return answer,
            };
            let id = world.seed.id();
            match world.change(&at.actor, at.full_name, number, Change::Commented { id, body }) {
                Some(_) => show(world, at, number, id, 201),
                None => Answer::not_found(),
            }
        }
        _ => Answer::not_found(),
    }
}

/// `/issues/comments/{id}`
pub(super) fn one(world: &mut World, at: &Place<'_>, id: &str) -> Answer {
    let Ok(id) = id.parse::<i64>() else { return Answer::not_found() };
    let has = |item: &&crate::model::Item| item.comments.iter().any(|comment| comment.id == id);
    let found = world.repository(at.full_name).and_then(|repo| repo.items.values().find(has));
    let Some(number) = found.map(|item| item.number) else { return Answer::not_found() };
    match at.call.method.as_str() {
        "GET" => show(world, at, number, id, 200),
        "PATCH" => match text(at) {
            Ok(body) => {
                world.change(&at.actor, at.full_name, number, Change::CommentEdited { id, body });
                show(world, at, number, id, 200)
            }
            Err(answer) => answer,
        },
        "DELETE" => {
            world.change(&at.actor, at.full_name, number, Change::CommentDeleted { id });
            Answer::empty(204)
        }
        _ => Answer::not_found(),
    }
}

fn show(world: &World, at: &Place<'_>, number: u64, id: i64, status: u16) -> Answer {
    at.item(world, number, |repo, item| {
        let found = item.comments.iter().find(|comment| comment.id == id);
        found.map_or_else(Answer::not_found, |comment| Answer::new(status, items::comment(repo, item, comment)))
    })
}

fn text(at: &Place<'_>) -> Result<String, Answer> {
    let body = at.call.body.get("body").and_then(Value::as_str).unwrap_or("");
    if body.trim().is_empty() {
        return Err(Answer::invalid("IssueComment", "body", "missing_field"));
    }
    if body.chars().count() > LONGEST {
        return Err(Answer::invalid("IssueComment", "body", "too_long"));
    }
    Ok(body.to_owned())
}
