//! Commits, checks, statuses and workflow runs.

use serde_json::{Value, json};

use super::objects::{API, WEB, node_id, time, user};
use crate::model::{CheckRun, Item, Repository, Status, Time, User};

/// The pull requests a check names: those whose head is the commit.
pub(crate) fn pulls_at(repo: &Repository, sha: &str) -> Vec<Value> {
    let at = |item: &&Item| item.open && item.pull.as_ref().is_some_and(|pull| pull.head_sha == sha);
    repo.items.values().filter(at).filter_map(|item| pull_reference(repo, item)).collect()
}

fn pull_reference(repo: &Repository, item: &Item) -> Option<Value> {
    let pull = item.pull.as_ref()?;
    let url = format!("{API}/repos/{}", repo.full_name());
    let side = |branch: &str, sha: &str| json!({"ref": branch, "sha": sha, "repo": {"id": repo.id, "url": url, "name": repo.name}});
    Some(json!({
        "url": format!("{url}/pulls/{}", item.number),
        "id": pull.id,
        "number": item.number,
        "head": side(&pull.head_ref, &pull.head_sha),
        "base": side(&pull.base_ref, &pull.base_sha),
    }))
}

pub(crate) fn check_run(repo: &Repository, run: &CheckRun) -> Value {
    let full = repo.full_name();
    let url = format!("{API}/repos/{full}/check-runs/{}", run.id);
    let page = format!("{WEB}/{full}/actions/runs/{}/job/{}", run.id / 7, run.id);
    let done = run.status == "completed";
    json!({
        "id": run.id,
        "name": run.name,
        "node_id": node_id("CR", run.id),
        "head_sha": run.sha,
        "external_id": run.external_id.clone().unwrap_or_else(|| format!("{:08x}", run.id)),
        "url": url,
        "html_url": page,
        "details_url": page,
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": time(run.started_at),
        "completed_at": done.then(|| time(run.started_at)),
        "output": {
            "title": null, "summary": null, "text": null, "annotations_count": 0,
            "annotations_url": format!("{url}/annotations"),
        },
        "check_suite": check_suite(repo, &run.sha, run.id / 3, &run.status, run.conclusion.as_deref()),
        "app": actions_app(repo),
        "pull_requests": pulls_at(repo, &run.sha),
    })
}

pub(crate) fn check_suite(repo: &Repository, sha: &str, id: i64, status: &str, conclusion: Option<&str>) -> Value {
    let url = format!("{API}/repos/{}/check-suites/{id}", repo.full_name());
    json!({
        "id": id,
        "node_id": node_id("CS", id),
        "head_branch": repo.default_branch,
        "head_sha": sha,
        "status": status,
        "conclusion": conclusion,
        "url": url,
        "before": sha.chars().rev().collect::<String>(),
        "after": sha,
        "pull_requests": pulls_at(repo, sha),
        "app": actions_app(repo),
        "created_at": time(repo.created_at),
        "updated_at": time(repo.created_at),
        "rerequestable": true,
        "runs_rerequestable": false,
        "latest_check_runs_count": 4,
        "check_runs_url": format!("{url}/check-runs"),
        "head_commit": {
            "id": sha, "tree_id": sha.chars().rev().collect::<String>(),
            "message": "Say what the setting does", "timestamp": time(repo.created_at),
            "author": {"name": repo.owner.login, "email": "someone@example.com"},
            "committer": {"name": "GitHub", "email": "noreply@example.com"},
        },
    })
}

/// The App that owns GitHub's own checks.
fn actions_app(repo: &Repository) -> Value {
    app(15_368, "github-actions", "GitHub Actions", repo.created_at, &["check_run", "check_suite", "workflow_run"])
}

/// An App as GitHub shows it.
pub(crate) fn app(id: i64, slug: &str, name: &str, at: Time, events: &[&str]) -> Value {
    json!({
        "id": id,
        "client_id": format!("Iv1.{id:016x}"),
        "slug": slug,
        "node_id": node_id("A", id),
        "owner": {"login": "acme", "id": 4_242, "type": "Organization"},
        "name": name,
        "description": "Automates the repetitive work",
        "external_url": format!("https://{slug}.example.com"),
        "html_url": format!("{WEB}/apps/{slug}"),
        "created_at": time(at),
        "updated_at": time(at),
        "permissions": {
            "actions": "write", "checks": "write", "contents": "read", "issues": "write",
            "metadata": "read", "pull_requests": "write", "statuses": "read",
        },
        "events": events,
    })
}

pub(crate) fn workflow_run(repo: &Repository, actor: &User, run: &CheckRun) -> Value {
    let full = repo.full_name();
    let url = format!("{API}/repos/{full}/actions/runs/{}", run.id);
    json!({
        "id": run.id,
        "name": run.name,
        "node_id": node_id("WFR", run.id),
        "head_branch": repo.default_branch,
        "head_sha": run.sha,
        "path": ".github/workflows/test.yml",
        "display_title": run.name,
        "run_number": run.id % 5_000,
        "event": "pull_request",
        "status": run.status,
        "conclusion": run.conclusion,
        "workflow_id": run.id / 11,
        "check_suite_id": run.id / 3,
        "url": url,
        "html_url": format!("{WEB}/{full}/actions/runs/{}", run.id),
        "pull_requests": pulls_at(repo, &run.sha),
        "created_at": time(run.started_at),
        "updated_at": time(run.started_at),
        "actor": user(actor),
        "triggering_actor": user(actor),
        "run_attempt": 1,
        "referenced_workflows": [],
        "run_started_at": time(run.started_at),
        "jobs_url": format!("{url}/jobs"),
        "logs_url": format!("{url}/logs"),
        "check_suite_url": format!("{API}/repos/{full}/check-suites/{}", run.id / 3),
        "artifacts_url": format!("{url}/artifacts"),
        "cancel_url": format!("{url}/cancel"),
        "rerun_url": format!("{url}/rerun"),
        "previous_attempt_url": null,
        "workflow_url": format!("{API}/repos/{full}/actions/workflows/{}", run.id / 11),
        "head_repository": super::objects::repository(repo),
    })
}

pub(crate) fn status(repo: &Repository, status: &Status) -> Value {
    json!({
        "url": format!("{API}/repos/{}/statuses/{}", repo.full_name(), status.sha),
        "avatar_url": "https://avatars.githubusercontent.com/oa/1?v=4",
        "id": status.id,
        "node_id": node_id("SC", status.id),
        "state": status.state,
        "description": status.description,
        "target_url": status.target_url,
        "context": status.context,
        "created_at": time(status.at),
        "updated_at": time(status.at),
    })
}

/// A commit as in `push`.
pub(crate) fn commit(repo: &Repository, author: &User, sha: &str, message: &str, paths: &[String], at: Time) -> Value {
    let who = json!({
        "name": author.login, "email": format!("{}@example.com", author.login), "username": author.login,
    });
    json!({
        "id": sha,
        "tree_id": sha.chars().rev().collect::<String>(),
        "distinct": true,
        "message": message,
        "timestamp": time(at),
        "url": format!("{WEB}/{}/commit/{sha}", repo.full_name()),
        "author": who,
        "committer": who,
        "added": [],
        "removed": [],
        "modified": paths,
    })
}
