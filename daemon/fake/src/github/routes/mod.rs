//! Who asks, what they may see, and the map from path to resource.

mod app;
mod comments;
mod issues;
mod labels;
mod merging;
mod pulls;
mod reactions;
mod repository;
mod reviews;

use std::collections::BTreeSet;

use chrono::Utc;
use serde_json::{Value, json};

use super::branches;
use super::call::{Answer, Call};
use super::change::Actor;
use super::contents;
use super::graphql;
use super::run_tokens;
use super::seeing;
use super::world::World;
use crate::model::{Item, Repository};
use crate::payload::objects;

/// What GitHub says to a suspended installation.
const SUSPENDED: &str = "This installation has been suspended";

/// Who a request comes from.
#[derive(Debug)]
pub(crate) enum Caller {
    Nobody,
    /// With the App's JWT.
    App,
    /// With a token of the login of somebody.
    Person(String),
    /// With a token; `repositories` are those it was narrowed to.
    Installation {
        id: i64,
        repositories: Option<BTreeSet<String>>,
    },
}

/// Who asks, or the 401.
pub(crate) fn caller(world: &World, call: &Call) -> Result<Caller, Answer> {
    let Some(bearer) = call.bearer() else { return Ok(Caller::Nobody) };
    if bearer.starts_with("ghu_") {
        let person = world.person_with(bearer).ok_or_else(|| Answer::error(401, "Bad credentials"))?;
        return Ok(Caller::Person(person.to_owned()));
    }
    if bearer.starts_with("gh") {
        let token = world.tokens.get(bearer).filter(|token| token.expires_at > Utc::now());
        let token = token.ok_or_else(|| Answer::error(401, "Bad credentials"))?;
        match world.installations.get(&token.installation) {
            None => return Err(Answer::error(401, "Bad credentials")),
            Some(found) if found.suspended_at.is_some() => return Err(Answer::error(403, SUSPENDED)),
            Some(_) => {}
        }
        return Ok(Caller::Installation { id: token.installation, repositories: token.repositories.clone() });
    }
    let issuers = [world.app.id.to_string(), world.app.client_id.clone()];
    match world.app.key.check_jwt(bearer, &issuers, world.clock().timestamp()) {
        Ok(()) => Ok(Caller::App),
        Err(message) => Err(Answer::error(401, message)),
    }
}

pub(crate) fn handle(world: &mut World, call: &Call, caller: &Caller) -> Answer {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    if let Some(refused) = run_tokens::refusal(world, call) {
        return refused;
    }
    match (segments.as_slice(), caller) {
        (["meta"], _) => app::meta(world),
        (["rate_limit"], _) => rate_limit(world, caller),
        (["app", rest @ ..], Caller::App) => app::handle(world, call, rest),
        (["app", ..], Caller::Nobody) => Answer::error(401, "A JSON web token could not be decoded"),
        (["app", ..], Caller::Installation { .. } | Caller::Person(_)) => {
            Answer::error(403, "This endpoint requires a JSON web token of a GitHub App")
        }
        (["user", "installations", rest @ ..], Caller::Person(login)) => {
            seeing::installations(world, call, login, rest)
        }
        (["orgs", organization, "teams", slug, "memberships", login], Caller::Person(_)) => {
            seeing::membership(world, organization, slug, login)
        }
        (["user"], Caller::Person(login)) => world.shown_person(login),
        (["installation", "repositories"], Caller::Installation { id, repositories }) => {
            app::repositories(world, call, *id, repositories.as_ref())
        }
        (["graphql"], Caller::Installation { id, .. }) if call.method == "POST" => graphql::handle(world, call, *id),
        (["orgs", organization, "teams", slug, "members"], Caller::Installation { id, .. }) if call.method == "GET" => {
            reviews::members(world, call, *id, organization, slug)
        }
        (["repos", owner, name, rest @ ..], Caller::Installation { id, repositories }) => {
            let full_name = format!("{owner}/{name}");
            match access(world, &full_name, *id, repositories.as_ref()) {
                Access::None => Answer::not_found(),
                Access::Read if call.method != "GET" => Answer::error(403, "Resource not accessible by integration"),
                Access::Read | Access::Write => resource(world, call, &full_name, rest),
            }
        }
        (_, Caller::Nobody) => Answer::error(401, "Requires authentication"),
        _ => Answer::not_found(),
    }
}

fn rate_limit(world: &World, caller: &Caller) -> Answer {
    let quota = match caller {
        Caller::Installation { id, .. } => world.installations.get(id).map_or(&world.app_quota, |found| &found.quota),
        _ => &world.app_quota,
    };
    let core = json!({
        "limit": quota.limit, "used": quota.used, "remaining": quota.limit - quota.used, "reset": quota.reset.timestamp(),
    });
    Answer::ok(json!({"resources": {"core": core}, "rate": core}))
}

enum Access {
    None,
    /// A public repository outside the installation.
    Read,
    Write,
}

fn access(world: &World, full_name: &str, installation: i64, narrowed: Option<&BTreeSet<String>>) -> Access {
    let name = full_name.to_lowercase();
    let Some(repository) = world.repository(&name) else { return Access::None };
    let covered = world.installations.get(&installation).is_some_and(|each| each.repositories.contains(&name));
    if covered && narrowed.is_none_or(|names| names.contains(&name)) {
        Access::Write
    } else if repository.private {
        Access::None
    } else {
        Access::Read
    }
}

/// Below `/repos/{owner}/{repo}`.
fn resource(world: &mut World, call: &Call, full_name: &str, rest: &[&str]) -> Answer {
    let actor = Actor { user: world.app.bot(), request: Some(call.seq) };
    let at = Place { call, full_name, actor };
    match (call.method.as_str(), rest) {
        ("GET", []) => at.repository(world, |repo| {
            let whole = objects::with(objects::repository(repo), json!({"temp_clone_token": "ABCDEFSECRET"}));
            Answer::ok(whole)
        }),
        ("GET", ["labels"]) => at.repository(world, |repo| {
            Answer::page(call, repo.labels.values().map(|each| objects::label(repo, each)).collect())
        }),
        ("GET", ["milestones"]) => at.repository(world, |repo| {
            Answer::page(call, repo.milestones.iter().map(|each| objects::milestone(repo, each)).collect())
        }),
        ("GET", ["collaborators", login, "permission"]) => reactions::permission(world, &at, login),
        (_, ["issues", "comments", id, "reactions", rest @ ..]) => reactions::of_comment(world, &at, id, rest),
        ("GET", ["collaborators", login] | ["assignees", login]) => at.repository(world, |repo| {
            let known = repo.collaborators.iter().any(|each| each.eq_ignore_ascii_case(login));
            if known { Answer::empty(204) } else { Answer::not_found() }
        }),
        ("POST", ["issues"]) | (_, ["actions" | "check-runs" | "dispatches" | "statuses", ..]) => {
            repository::handle(world, &at, rest)
        }
        (_, ["issues", "comments", id]) => comments::one(world, &at, id),
        (_, ["issues", number, "comments"]) => at.numbered(number, |n| comments::of_item(world, &at, n)),
        (_, ["issues", number, "labels", rest @ ..]) => at.numbered(number, |n| labels::handle(world, &at, n, rest)),
        (_, ["issues", rest @ ..]) => issues::handle(world, &at, rest),
        ("PUT", ["pulls", number, "merge"]) => at.numbered(number, |n| merging::merge(world, &at, n)),
        ("PUT", ["pulls", number, "update-branch"]) => at.numbered(number, |n| merging::update(world, &at, n)),
        ("GET", ["compare", range]) => at.repository(world, |repo| merging::compare(repo, range)),
        (_, ["pulls", rest @ ..]) => pulls::handle(world, &at, rest),
        ("GET", ["commits", sha, "check-runs"]) => pulls::check_runs(world, &at, sha),
        ("GET", ["contents", path @ ..]) => at.repository(world, |repo| contents::show(repo, call, &path.join("/"))),
        ("GET", ["git", "ref", reference @ ..]) => {
            at.repository(world, |repo| branches::show(repo, &reference.join("/")))
        }
        ("GET", ["commits", sha, "status"]) => pulls::status(world, &at, sha),
        _ => Answer::not_found(),
    }
}

/// Where a request below `/repos` goes, and who it is.
pub(crate) struct Place<'a> {
    call: &'a Call,
    full_name: &'a str,
    actor: Actor,
}

impl Place<'_> {
    fn repository(&self, world: &World, show: impl FnOnce(&Repository) -> Answer) -> Answer {
        world.repository(self.full_name).map_or_else(Answer::not_found, show)
    }

    fn item(&self, world: &World, number: u64, show: impl FnOnce(&Repository, &Item) -> Answer) -> Answer {
        self.repository(world, |repo| repo.items.get(&number).map_or_else(Answer::not_found, |item| show(repo, item)))
    }

    fn numbered(&self, number: &str, then: impl FnOnce(u64) -> Answer) -> Answer {
        number.parse().map_or_else(|_| Answer::not_found(), then)
    }
}

/// The texts of a list in a body.
fn texts(body: &Value) -> Option<Vec<String>> {
    body.as_array()?.iter().map(|each| each.as_str().map(str::to_owned)).collect()
}
