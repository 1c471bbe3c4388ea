//! Reactions to comments, and the roles of people.

use serde_json::{Value, json};

use super::Place;
use crate::github::call::Answer;
use crate::github::world::World;
use crate::model::{Reaction, Repository, UserKind};
use crate::payload::objects;

const CONTENTS: [&str; 8] = ["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"];

/// What `maintain` and `triage` are called where only four words are known.
fn four_words(role: &str) -> &str {
    match role {
        "maintain" => "write",
        "triage" => "read",
        role => role,
    }
}

fn role<'a>(repo: &'a Repository, login: &str) -> &'a str {
    if let Some(role) = repo.roles.get(login) {
        return role;
    }
    match (repo.owner.login == login, repo.collaborators.contains(login), repo.private) {
        (true, _, _) => "admin",
        (_, true, _) => "write",
        (_, _, true) => "none",
        (_, _, false) => "read",
    }
}

/// `/collaborators/{login}/permission`
pub(super) fn permission(world: &mut World, at: &Place<'_>, login: &str) -> Answer {
    let user = world.user(login, UserKind::User);
    at.repository(world, |repo| {
        let role = role(repo, login);
        let place = ["none", "read", "triage", "write", "maintain", "admin"].iter().position(|each| *each == role);
        let may = |least: usize| place.is_some_and(|place| place >= least);
        let permissions =
            json!({"pull": may(1), "triage": may(2), "push": may(3), "maintain": may(4), "admin": may(5)});
        let user = objects::with(objects::user(&user), json!({"permissions": permissions, "role_name": role}));
        Answer::ok(json!({"permission": four_words(role), "role_name": role, "user": user}))
    })
}

/// `/issues/comments/{id}/reactions`, and below it one of them.
pub(super) fn of_comment(world: &mut World, at: &Place<'_>, comment: &str, rest: &[&str]) -> Answer {
    let Ok(comment) = comment.parse::<i64>() else { return Answer::not_found() };
    let has = |repo: &Repository| repo.items.values().any(|item| item.comments.iter().any(|each| each.id == comment));
    if !world.repository(at.full_name).is_some_and(has) {
        return Answer::not_found();
    }
    match (at.call.method.as_str(), rest) {
        ("GET", []) => {
            let wanted = at.call.query.get("content");
            at.repository(world, |repo| {
                let fits =
                    |each: &&Reaction| each.comment == comment && wanted.is_none_or(|wanted| *wanted == each.content);
                Answer::page(at.call, repo.reactions.iter().filter(fits).map(shown).collect())
            })
        }
        ("POST", []) => add(world, at, comment),
        ("DELETE", [id]) => {
            let id = id.parse::<i64>().ok();
            let Some(repo) = world.repository_mut(at.full_name) else { return Answer::not_found() };
            let before = repo.reactions.len();
            repo.reactions.retain(|each| Some(each.id) != id);
            if repo.reactions.len() < before { Answer::empty(204) } else { Answer::not_found() }
        }
        _ => Answer::not_found(),
    }
}

/// 201; 200 when the same account has reacted so already.
fn add(world: &mut World, at: &Place<'_>, comment: i64) -> Answer {
    let content = at.call.body.get("content").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !CONTENTS.contains(&content.as_str()) {
        return Answer::invalid("Reaction", "content", "invalid");
    }
    let id = world.seed.id();
    let Some(repo) = world.repository_mut(at.full_name) else { return Answer::not_found() };
    let same = |each: &&Reaction| each.comment == comment && each.by == at.actor.user && each.content == content;
    if let Some(known) = repo.reactions.iter().find(same) {
        return Answer::new(200, shown(known));
    }
    let reaction = Reaction { id, comment, by: at.actor.user.clone(), content };
    let shown = shown(&reaction);
    repo.reactions.push(reaction);
    Answer::new(201, shown)
}

fn shown(reaction: &Reaction) -> Value {
    json!({"id": reaction.id, "content": reaction.content, "user": objects::user(&reaction.by)})
}
