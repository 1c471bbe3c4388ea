//! The mutations of GraphQL that orchd uses. As GitHub does, it tells errors in an answer of status 200.
//!
//! What GitHub's documentation leaves open, the fake refuses: a pull request that is closed or so already, and a ref that
//! does not stand where `beforeOid` says.

use serde_json::{Value, json};

use super::branches;
use super::call::{Answer, Call};
use super::change::Actor;
use super::journal::Change;
use super::world::World;
use crate::payload::objects::node_id;

/// Status 200, no data, one error.
pub(super) fn refused(kind: &str, message: &str) -> Answer {
    Answer::ok(json!({"data": null, "errors": [{"type": kind, "message": message}]}))
}

fn unknown(id: &str) -> Answer {
    refused("NOT_FOUND", &format!("Could not resolve to a node with the global id of '{id}'"))
}

/// The permission (`write`) that an installation lacks of these.
fn forbidden(world: &World, installation: i64, permissions: &[&str]) -> Option<Answer> {
    let granted = &world.installations.get(&installation)?.permissions;
    let lacking = permissions.iter().any(|permission| granted[*permission] != "write");
    lacking.then(|| refused("FORBIDDEN", "Resource not accessible by integration"))
}

pub(super) fn handle(world: &mut World, call: &Call, installation: i64) -> Answer {
    let query = call.body.get("query").and_then(Value::as_str).unwrap_or_default();
    let variables = call.body.get("variables").cloned().unwrap_or_default();
    let actor = Actor { user: world.app.bot(), request: Some(call.seq) };
    if query.contains("convertPullRequestToDraft(") {
        turn(world, &actor, installation, &variables, "convertPullRequestToDraft", Change::MadeDraft)
    } else if query.contains("markPullRequestReadyForReview(") {
        turn(world, &actor, installation, &variables, "markPullRequestReadyForReview", Change::MarkedReady)
    } else if query.contains("updateRefs(") {
        update_refs(world, &actor, installation, &variables)
    } else {
        let message = "Parse error: the fake knows no such mutation";
        Answer::ok(json!({"errors": [{"message": message, "extensions": {"code": "undefinedField"}}]}))
    }
}

fn turn(world: &mut World, actor: &Actor, installation: i64, variables: &Value, name: &str, change: Change) -> Answer {
    let id = variables["id"].as_str().unwrap_or_default();
    let covered = world.installations.get(&installation).map(|found| found.repositories.clone()).unwrap_or_default();
    let found = covered.iter().find_map(|full_name| {
        let items = world.repository(full_name)?.items.values();
        let item =
            items.into_iter().find(|item| item.pull.as_ref().is_some_and(|pull| node_id("PR", pull.id) == id))?;
        Some((full_name.clone(), item.number, item.open))
    });
    let Some((full_name, number, open)) = found else { return unknown(id) };
    if let Some(answer) = forbidden(world, installation, &["pull_requests", "contents"]) {
        return answer;
    }
    if !open {
        return refused("UNPROCESSABLE", "Pull request is closed");
    }
    let draft = change == Change::MadeDraft;
    match world.change(actor, &full_name, number, change) {
        Some(true) => Answer::ok(json!({"data": {name: {"pullRequest": {"isDraft": draft}}}})),
        _ => refused("UNPROCESSABLE", "Pull request is in that state already"),
    }
}

/// All of the updates, or none.
fn update_refs(world: &mut World, actor: &Actor, installation: i64, variables: &Value) -> Answer {
    let id = variables["repository"].as_str().unwrap_or_default();
    let covered = world.installations.get(&installation).map(|found| found.repositories.clone()).unwrap_or_default();
    let of_id = |name: &&String| world.repository(name).is_some_and(|repo| node_id("R", repo.id) == id);
    let Some(full_name) = covered.iter().find(of_id).cloned() else { return unknown(id) };
    if let Some(answer) = forbidden(world, installation, &["contents"]) {
        return answer;
    }
    let text = |update: &Value, key: &str| update[key].as_str().unwrap_or_default().to_owned();
    let updates = variables["updates"].as_array().cloned().unwrap_or_default();
    let updates: Vec<branches::Update> = (updates.iter())
        .map(|update| branches::Update {
            name: text(update, "name"),
            before: branches::commit(&text(update, "beforeOid")),
            after: branches::commit(&text(update, "afterOid")),
        })
        .collect();
    match branches::update(world, actor, &full_name, &updates) {
        Ok(()) => Answer::ok(json!({"data": {"updateRefs": {"clientMutationId": null}}})),
        Err(message) => refused("UNPROCESSABLE", &message),
    }
}
