//! What an App does to a repository as such, or to a commit: statuses, check runs, new issues, workflows, dispatches.

use chrono::Utc;
use serde_json::{Value, json};

use super::{Place, texts};
use crate::github::call::Answer;
use crate::github::contents;
use crate::github::journal::Change;
use crate::github::world::World;
use crate::model::{CheckRun, Item, Status, WorkflowRun};
use crate::payload::events::Envelope;
use crate::payload::objects::{WEB, user};
use crate::payload::{ci, items};

/// Ids of runs only grow.
const FIRST_RUN: i64 = 9_000_000_000;

pub(super) fn handle(world: &mut World, at: &Place<'_>, rest: &[&str]) -> Answer {
    match (at.call.method.as_str(), rest) {
        ("POST", ["statuses", sha]) => set_status(world, at, sha),
        ("POST", ["check-runs"]) => contents::create_check(world, at.call, at.full_name),
        ("PATCH", ["check-runs", id]) => {
            contents::edit_check(world, at.call, at.full_name, id.parse().unwrap_or_default())
        }
        ("POST", ["issues"]) => open_issue(world, at),
        ("GET", ["actions", "workflows", file, "runs"]) => runs(world, at, file),
        ("POST", ["actions", "workflows", file, "dispatches"]) => start_workflow(world, at, file),
        ("GET", ["actions", "runs", id, "attempts", attempt, rest @ ..]) => described(world, at, id, attempt, rest),
        ("POST", ["dispatches"]) => dispatch(world, at),
        _ => Answer::not_found(),
    }
}

fn text(at: &Place<'_>, key: &str) -> Option<String> {
    at.call.body.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn set_status(world: &mut World, at: &Place<'_>, sha: &str) -> Answer {
    let state = text(at, "state").unwrap_or_default();
    if !["error", "failure", "pending", "success"].contains(&state.as_str()) {
        return Answer::invalid("Status", "state", "custom");
    }
    let description = text(at, "description").unwrap_or_default();
    if description.chars().count() > 140 {
        return Answer::error(422, "Validation Failed: description is too long (maximum is 140 characters)");
    }
    if sha.len() != 40 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Answer::error(422, &format!("No commit found for SHA: {sha}"));
    }
    let context = text(at, "context").unwrap_or_else(|| "default".to_owned());
    let (id, target_url) = (world.seed.id(), text(at, "target_url"));
    let status = Status { id, context, sha: sha.to_owned(), state, description, target_url, at: Utc::now() };
    let Some(repo) = world.repository_mut(at.full_name) else { return Answer::not_found() };
    repo.statuses.push(status.clone());
    tell(world, at, |end| end.status(&status));
    at.repository(world, |repo| Answer::new(201, ci::status(repo, &status)))
}

fn open_issue(world: &mut World, at: &Place<'_>) -> Answer {
    let title = text(at, "title").unwrap_or_default();
    if title.trim().is_empty() || title.chars().count() > 256 {
        return Answer::invalid("Issue", "title", if title.trim().is_empty() { "missing_field" } else { "invalid" });
    }
    let (id, now) = (world.seed.id(), world.now());
    let list = |key: &str| at.call.body.get(key).and_then(texts).unwrap_or_default();
    let Some(repo) = world.repository(at.full_name) else { return Answer::not_found() };
    if list("assignees").iter().any(|login| !repo.collaborators.contains(login)) {
        return Answer::invalid("Issue", "assignees", "invalid");
    }
    let item = Item {
        id,
        number: repo.next_number(),
        title,
        body: text(at, "body"),
        open: true,
        state_reason: None,
        author: at.actor.user.clone(),
        author_association: "NONE".to_owned(),
        labels: Vec::new(),
        assignees: Vec::new(),
        milestone: None,
        locked: false,
        lock_reason: None,
        comments: Vec::new(),
        timeline: Vec::new(),
        created_at: now,
        updated_at: now,
        closed_at: None,
        pull: None,
    };
    let Some(number) = world.open(&at.actor, at.full_name, item) else { return Answer::not_found() };
    let labels = list("labels").into_iter().map(Change::LabelAdded);
    for change in labels.chain(list("assignees").into_iter().map(Change::Assigned)) {
        world.change(&at.actor, at.full_name, number, change);
    }
    at.item(world, number, |repo, item| Answer::new(201, items::issue(repo, item)))
}

/// Newest first.
fn runs(world: &World, at: &Place<'_>, file: &str) -> Answer {
    let query = &at.call.query;
    at.repository(world, |repo| {
        if !repo.actions.workflows.contains(file) {
            return Answer::not_found();
        }
        let fits = |run: &&WorkflowRun| {
            let of_event = query.get("event").is_none_or(|event| event == "workflow_dispatch");
            let by = query.get("actor").is_none_or(|login| run.actor.login == *login);
            run.file == file && of_event && by && query.get("branch").is_none_or(|branch| run.branch == *branch)
        };
        let listed = repo.actions.runs.iter().rev().filter(|_| !repo.actions.late).filter(fits);
        let shown = listed.map(|run| {
            json!({
                "id": run.id, "name": file, "head_branch": run.branch, "head_sha": run.sha, "event": "workflow_dispatch",
                "path": format!(".github/workflows/{file}"), "status": "queued", "conclusion": null, "run_attempt": 1,
                "html_url": format!("{WEB}/{}/actions/runs/{}", repo.full_name(), run.id), "pull_requests": [],
                "actor": user(&run.actor), "triggering_actor": user(&run.actor),
                "created_at": crate::payload::objects::time(run.at),
            })
        });
        Answer::named_page(at.call, "workflow_runs", shown.collect())
    })
}

fn described(world: &World, at: &Place<'_>, id: &str, attempt: &str, rest: &[&str]) -> Answer {
    let Some(which) = id.parse().ok().zip(attempt.parse().ok()) else { return Answer::not_found() };
    at.repository(world, |repo| match (repo.actions.described.get(&which), rest) {
        (Some((run, _)), []) => Answer::ok(run.clone()),
        (Some((_, jobs)), ["jobs"]) => {
            Answer::named_page(at.call, "jobs", jobs.as_array().cloned().unwrap_or_default())
        }
        _ => Answer::not_found(),
    })
}

fn start_workflow(world: &mut World, at: &Place<'_>, file: &str) -> Answer {
    let sha = world.seed.sha();
    let Some(repo) = world.repository_mut(at.full_name) else { return Answer::not_found() };
    if !repo.actions.workflows.contains(file) {
        return Answer::not_found();
    }
    let Some(wanted) = text(at, "ref") else {
        return Answer::error(422, "Invalid request.\n\n\"ref\" wasn't supplied.");
    };
    let branch = wanted.strip_prefix("refs/heads/").unwrap_or(&wanted).to_owned();
    if branch != repo.default_branch {
        return Answer::error(422, &format!("No ref found for: {wanted}"));
    }
    if at.call.body["inputs"].as_object().is_some_and(|inputs| !inputs.values().all(Value::is_string)) {
        return Answer::error(422, "Invalid request.\n\nFor 'properties/inputs', an input is not a string.");
    }
    let id = FIRST_RUN + i64::try_from(repo.actions.runs.len()).unwrap_or(0);
    let (actor, file) = (at.actor.user.clone(), file.to_owned());
    repo.actions.dispatched.push(json!({"workflow": file, "ref": wanted, "inputs": at.call.body["inputs"]}));
    let run = CheckRun {
        id,
        name: file.clone(),
        sha: sha.clone(),
        status: "completed".to_owned(),
        conclusion: Some("success".to_owned()),
        external_id: None,
        started_at: Utc::now(),
        output: None,
    };
    repo.actions.runs.push(WorkflowRun { id, file, branch, sha, actor, at: run.started_at });
    let url = format!("{WEB}/{}/actions/runs/{id}", repo.full_name());
    // It is over at once.
    tell(world, at, |end| {
        let (event, mut payload) = end.workflow_run(&run);
        payload["workflow_run"]["event"] = json!("workflow_dispatch");
        (event, payload)
    });
    if at.call.body["return_run_details"] == true {
        return Answer::ok(json!({"workflow_run_id": id, "run_url": url, "html_url": url}));
    }
    Answer::empty(204)
}

fn dispatch(world: &mut World, at: &Place<'_>) -> Answer {
    let Some(event_type) = text(at, "event_type").filter(|word| word.chars().count() <= 100) else {
        return Answer::error(422, "Invalid request.\n\n\"event_type\" wasn't supplied.");
    };
    let payload = at.call.body.get("client_payload").cloned().unwrap_or_else(|| json!({}));
    if payload.as_object().is_some_and(|keys| keys.len() > 10) {
        return Answer::error(422, "Invalid request.\n\nNo more than 10 properties are allowed; 11 were supplied.");
    }
    let Some(repo) = world.repository_mut(at.full_name) else { return Answer::not_found() };
    let branch = repo.default_branch.clone();
    repo.actions.dispatched.push(json!({"event_type": event_type, "client_payload": payload}));
    let told = json!({"action": event_type, "branch": branch, "client_payload": payload});
    tell(world, at, |end| ("repository_dispatch", end.close(told)));
    Answer::empty(204)
}

fn tell(world: &mut World, at: &Place<'_>, payload: impl FnOnce(&Envelope<'_>) -> (&'static str, Value)) {
    let Some(installation) = world.installation_of(at.full_name) else { return };
    let Some(repository) = world.repository(at.full_name) else { return };
    let (event, payload) = payload(&Envelope { repository, sender: &at.actor.user, installation: Some(installation) });
    world.deliver(event, &payload);
}
