//! Review requests, reviews and their dismissal, and the members of teams.

use serde_json::{Value, json};

use super::{Place, texts};
use crate::github::call::{Answer, Call};
use crate::github::journal::Change;
use crate::github::world::World;
use crate::model::{Item, Pull, UserKind};
use crate::payload::{items, objects};

/// Below `/repos/{owner}/{repo}/pulls/{number}`.
pub(super) fn handle(world: &mut World, at: &Place<'_>, number: u64, rest: &[&str]) -> Answer {
    if pull(world, at, number).is_none() {
        return Answer::not_found();
    }
    match (at.call.method.as_str(), rest) {
        ("GET", ["requested_reviewers"]) => at.item(world, number, |_, item| {
            let Some(pull) = &item.pull else { return Answer::not_found() };
            let users: Vec<Value> = pull.requested_reviewers.iter().map(objects::user).collect();
            let teams: Vec<Value> = pull.requested_teams.iter().map(objects::team).collect();
            Answer::ok(json!({"users": users, "teams": teams}))
        }),
        ("POST" | "DELETE", ["requested_reviewers"]) => request(world, at, number),
        ("POST", ["reviews"]) => submit(world, at, number),
        ("PUT", ["reviews", id, "dismissals"]) => at.numbered(id, |id| dismiss(world, at, number, id.cast_signed())),
        _ => Answer::not_found(),
    }
}

fn pull<'a>(world: &'a World, at: &Place<'_>, number: u64) -> Option<(&'a Item, &'a Pull)> {
    let item = world.repository(at.full_name)?.items.get(&number)?;
    Some((item, item.pull.as_ref()?))
}

/// A 422 with GitHub's list of texts.
fn refused(message: &str, why: &str) -> Answer {
    let mut answer = Answer::error(422, message);
    if let Some(body) = &mut answer.body {
        body["errors"] = json!([why]);
    }
    answer
}

/// All or nothing: one name that may not be asked, and GitHub asks nobody.
fn request(world: &mut World, at: &Place<'_>, number: u64) -> Answer {
    let list = |key: &str| at.call.body.get(key).and_then(texts);
    let is_new = at.call.method == "POST";
    let people = match list("reviewers") {
        Some(people) => people,
        None if is_new => Vec::new(),
        None => return Answer::error(422, "Invalid request.\n\n\"reviewers\" wasn't supplied."),
    };
    let Some(repo) = world.repository(at.full_name) else { return Answer::not_found() };
    let teams = list("team_reviewers").unwrap_or_default();
    let teams: Vec<String> = teams.iter().map(|slug| format!("{}/{slug}", repo.owner.login)).collect();
    let Some((item, _)) = pull(world, at, number) else { return Answer::not_found() };
    if is_new && people.iter().any(|login| login.eq_ignore_ascii_case(&item.author.login)) {
        return Answer::error(422, "Review cannot be requested from pull request author.");
    }
    let spelt = |login: &String| repo.collaborators.iter().find(|each| each.eq_ignore_ascii_case(login)).cloned();
    let known = |login: &String| spelt(login).is_some();
    let teams_known = teams.iter().all(|team| world.teams.contains_key(&team.to_lowercase()));
    if is_new && !(people.iter().all(known) && teams_known) {
        let message = format!(
            "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a \
             collaborator of the {} repository.",
            repo.full_name()
        );
        return Answer::error(422, &message);
    }
    let people: Vec<String> = people.into_iter().map(|login| spelt(&login).unwrap_or(login)).collect();
    for name in people.into_iter().chain(teams) {
        let change = if is_new { Change::ReviewRequested(name) } else { Change::ReviewRequestRemoved(name) };
        if world.change(&at.actor, at.full_name, number, change).is_none() {
            return Answer::not_found();
        }
    }
    at.item(world, number, |repo, item| match &item.pull {
        Some(pull) => Answer::new(if is_new { 201 } else { 200 }, items::pull_in_list(repo, item, pull)),
        None => Answer::not_found(),
    })
}

fn submit(world: &mut World, at: &Place<'_>, number: u64) -> Answer {
    let text = |key: &str| at.call.body.get(key).and_then(Value::as_str).map(str::to_owned);
    let state = match text("event").as_deref() {
        Some("APPROVE") => "APPROVED",
        Some("REQUEST_CHANGES") => "CHANGES_REQUESTED",
        Some("COMMENT") => "COMMENTED",
        _ => return Answer::error(422, "Unprocessable Entity"),
    };
    let Some((item, pull)) = pull(world, at, number) else { return Answer::not_found() };
    let own = item.author.login == at.actor.user.login;
    match state {
        "APPROVED" if own => return refused("Unprocessable Entity", "Can not approve your own pull request"),
        "CHANGES_REQUESTED" if own => {
            return refused("Unprocessable Entity", "Can not request changes on your own pull request");
        }
        _ => {}
    }
    let body = text("body").unwrap_or_default();
    if state != "APPROVED" && body.trim().is_empty() {
        return refused("Unprocessable Entity", "Body can't be blank");
    }
    let commit = text("commit_id");
    let pushed = |sha: &String| item.timeline.iter().any(|moment| moment.subject.as_ref() == Some(sha));
    if commit.as_ref().is_some_and(|sha| *sha != pull.head_sha && !pushed(sha)) {
        return refused("Unprocessable Entity", "The commit is not part of the pull request");
    }
    let change = Change::Reviewed { state: state.to_owned(), body, commit };
    world.change(&at.actor, at.full_name, number, change);
    at.item(world, number, |repo, item| {
        let made = item.pull.as_ref().and_then(|pull| pull.reviews.last());
        made.map_or_else(Answer::not_found, |review| Answer::ok(items::review(repo, item, review)))
    })
}

fn dismiss(world: &mut World, at: &Place<'_>, number: u64, id: i64) -> Answer {
    let found = pull(world, at, number).and_then(|(_, pull)| pull.reviews.iter().find(|review| review.id == id));
    let Some(review) = found else { return Answer::not_found() };
    let Some(message) = at.call.body.get("message").and_then(Value::as_str) else {
        return Answer::error(422, "Invalid request.\n\n\"message\" wasn't supplied.");
    };
    if !matches!(review.state.as_str(), "APPROVED" | "CHANGES_REQUESTED") {
        let why = format!("Can not dismiss a {} pull request review", review.state.to_lowercase());
        return refused("Validation Failed", &why);
    }
    let change = Change::ReviewDismissed { id, message: message.to_owned() };
    world.change(&at.actor, at.full_name, number, change);
    at.item(world, number, |repo, item| {
        let pull = item.pull.as_ref();
        let review = pull.and_then(|pull| pull.reviews.iter().find(|review| review.id == id));
        review.map_or_else(Answer::not_found, |review| Answer::ok(items::review(repo, item, review)))
    })
}

/// `GET /orgs/{org}/teams/{slug}/members`, for who may read the organisation's members.
pub(super) fn members(world: &mut World, call: &Call, installation: i64, organization: &str, slug: &str) -> Answer {
    let may = world.installations.get(&installation).is_some_and(|found| {
        found.account.login.eq_ignore_ascii_case(organization) && found.permissions.get("members").is_some()
    });
    if !may {
        return Answer::error(403, "Resource not accessible by integration");
    }
    let team = world.teams.get(&format!("{organization}/{slug}").to_lowercase()).cloned();
    let Some(team) = team else { return Answer::not_found() };
    let shown = team.members.iter().map(|login| objects::user(&world.user(login, UserKind::User))).collect();
    Answer::page(call, shown)
}
