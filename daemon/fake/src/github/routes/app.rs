//! What the App asks as itself: who it is, its installations, tokens, and its deliveries.

use std::collections::BTreeSet;

use chrono::Utc;
use serde_json::{Map, Value, json};

use crate::github::call::{Answer, Call};
use crate::github::deliveries::Attempt;
use crate::github::world::{Token, World};
use crate::payload::ci;
use crate::payload::objects::{self, time};

pub(super) fn meta(world: &World) -> Answer {
    Answer::ok(json!({
        "verifiable_password_authentication": false,
        "hooks": world.hook_ranges,
        "web": world.hook_ranges,
        "api": world.hook_ranges,
        "domains": {"website": ["*.github.com", "github.com"]},
    }))
}

pub(super) fn handle(world: &mut World, call: &Call, rest: &[&str]) -> Answer {
    match (call.method.as_str(), rest) {
        ("GET", []) => Answer::ok(shown_app(world)),
        ("GET", ["installations"]) => {
            let all = world.installations.keys().filter_map(|id| world.shown_installation(*id)).collect();
            Answer::page(call, all)
        }
        ("GET", ["installations", id]) => {
            let shown = id.parse().ok().and_then(|id| world.shown_installation(id));
            shown.map_or_else(Answer::not_found, Answer::ok)
        }
        ("POST", ["installations", id, "access_tokens"]) => match id.parse() {
            Ok(id) => give_token(world, call, id),
            Err(_) => Answer::not_found(),
        },
        ("GET", ["hook", "config"]) => Answer::ok(world.shown_hook()),
        ("GET", ["hook", "deliveries"]) => list(world, call),
        ("GET", ["hook", "deliveries", id]) => {
            let id: i64 = id.parse().unwrap_or(0);
            let found = world.deliveries.attempt(id);
            found.map_or_else(Answer::not_found, |each| Answer::ok(whole(world, each)))
        }
        ("POST", ["hook", "deliveries", id, "attempts"]) => {
            let done = id.parse().ok().and_then(|id| world.redeliver(id));
            done.map_or_else(Answer::not_found, |()| Answer::new(202, json!({})))
        }
        _ => Answer::not_found(),
    }
}

fn shown_app(world: &World) -> Value {
    let app = &world.app;
    let subscribed: Vec<&str> = app.events.iter().map(String::as_str).collect();
    let mut shown = ci::app(app.id, &app.slug, &app.slug, app.created_at, &subscribed);
    shown["client_id"] = app.client_id.clone().into();
    if let Some(permissions) = &app.permissions {
        shown["permissions"] = permissions.clone();
    }
    if let Some(owner) = &app.owner {
        shown["owner"] = objects::user(owner);
    }
    shown["installations_count"] = world.installations.len().into();
    if let Some(permissions) = &world.settings.permissions {
        shown["permissions"] = permissions.clone();
    }
    shown
}

fn give_token(world: &mut World, call: &Call, installation: i64) -> Answer {
    let Some(found) = world.installations.get(&installation) else { return Answer::not_found() };
    if found.suspended_at.is_some() {
        return Answer::error(403, super::SUSPENDED);
    }
    let prefix = format!("{}/", found.account.login.to_lowercase());
    let names = call.body.get("repositories").and_then(Value::as_array);
    let narrowed: Option<BTreeSet<String>> = names.map(|names| {
        let owned = names.iter().filter_map(Value::as_str);
        owned.map(|name| format!("{prefix}{}", name.to_lowercase())).collect()
    });
    if narrowed.as_ref().is_some_and(|names| !names.is_subset(&found.repositories)) {
        return Answer::error(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        );
    }
    let text = format!("ghs_{}_{}", world.app.id, world.seed.hex(500));
    let expires_at = Utc::now() + world.app.token_lifetime;
    let selection = if narrowed.is_some() { "selected" } else { "all" };
    world.tokens.insert(text.clone(), Token { installation, repositories: narrowed, expires_at, permissions: None });
    let permissions = call.body.get("permissions").unwrap_or(&found.permissions).clone();
    Answer::new(
        201,
        json!({
            "token": text,
            "expires_at": time(expires_at),
            "permissions": permissions,
            "repository_selection": selection,
        }),
    )
}

pub(super) fn repositories(world: &World, call: &Call, id: i64, narrowed: Option<&BTreeSet<String>>) -> Answer {
    let Some(found) = world.installations.get(&id) else { return Answer::not_found() };
    let names = found.repositories.iter().filter(|name| narrowed.is_none_or(|narrowed| narrowed.contains(*name)));
    let shown = names.filter_map(|name| world.repositories.get(name)).map(|repo| {
        objects::with(
            objects::repository(repo),
            json!({"permissions": {"admin": false, "maintain": false, "push": true, "triage": true, "pull": true}}),
        )
    });
    Answer::named_page(call, "repositories", shown.collect())
}

/// Newest first; `cursor` is the id to go on with.
fn list(world: &World, call: &Call) -> Answer {
    let failed = |each: &Attempt| (400..600).contains(&each.code);
    let wanted = call.query.get("status").map(String::as_str);
    let cursor: i64 = call.query.get("cursor").and_then(|text| text.parse().ok()).unwrap_or(i64::MAX);
    let mut log = world.deliveries.kept();
    log.retain(|each| each.delivery.id <= cursor);
    log.retain(|each| match wanted {
        Some("failure") => failed(each),
        Some("success") => !failed(each),
        _ => true,
    });
    let per_page = call.per_page();
    let mut answer = Answer::ok(log.iter().take(per_page).map(|each| summary(each)).collect());
    let overlap = usize::from(world.deliveries.doubled && per_page > 1);
    if let Some(next) = log.get(per_page).and_then(|_| log.get(per_page - overlap)) {
        let link = format!("<{}>; rel=\"next\"", call.link("cursor", &next.delivery.id.to_string()));
        answer.headers.push(("link".to_owned(), link));
    }
    answer
}

fn summary(attempt: &Attempt) -> Value {
    let delivery = &attempt.delivery;
    json!({
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": attempt.at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "redelivery": delivery.redelivery,
        "duration": attempt.duration,
        "status": attempt.status,
        "status_code": attempt.code,
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": delivery.installation,
        "repository_id": delivery.repository,
        "throttled_at": null,
    })
}

fn whole(world: &World, attempt: &Attempt) -> Value {
    let gone = world.deliveries.without_payload.contains(&attempt.delivery.guid);
    let payload = if gone { Value::Null } else { attempt.delivery.json() };
    let headers: Map<String, Value> =
        attempt.delivery.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    objects::with(
        summary(attempt),
        json!({
            "url": "",
            "request": {"headers": headers, "payload": payload},
            "response": {"headers": {}, "payload": attempt.answer},
        }),
    )
}
