//! What a step finds around it: variables, and what is known of `github`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::git::Checkout;
use super::plan::KNOWN;
use super::workflow::Workflow;
use crate::core::text::harmless;

/// What every program needs; nothing else of ours goes on.
const KEPT: [&str; 9] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"];

/// The context `github`, as it would be for a pull request of this branch.
pub(super) fn github(checkout: &Checkout, workflow: &Workflow, path: &str) -> Value {
    let remote = checkout.remote();
    let (host, owner, name) = remote.map_or_else(
        || ("github.com".to_owned(), "owner".to_owned(), folder_name(&checkout.root)),
        |remote| (remote.host, remote.owner, remote.repository),
    );
    let default = checkout.default_branch().unwrap_or_else(|| "main".to_owned());
    let branch = checkout.branch().unwrap_or_else(|| "HEAD".to_owned());
    let sha = checkout.git(&["rev-parse", "--verify", "--quiet", "HEAD"]).unwrap_or_default();
    let on_pulls = workflow.triggers.iter().any(|event| event == "pull_request");
    let event = if on_pulls { "pull_request" } else { workflow.triggers.first().map_or("push", String::as_str) };
    let (base, head) = if on_pulls { (default.as_str(), branch.as_str()) } else { ("", "") };
    let repository = format!("{owner}/{name}");
    let actor = checkout.git(&["config", "user.name"]).unwrap_or_else(|_| "local".to_owned());
    json!({
        "action": "__run", "actor": actor, "triggering_actor": actor, "event_name": event, "repository": repository,
        "repository_owner": owner, "ref": format!("refs/heads/{branch}"), "ref_name": branch, "ref_type": "branch",
        "head_ref": head, "base_ref": base, "sha": sha, "run_id": "1", "run_number": "1", "run_attempt": "1",
        "workflow": workflow.name.as_deref().unwrap_or(path), "workspace": checkout.root,
        "server_url": format!("https://{host}"), "api_url": api_url(&host), "graphql_url": format!("{}/graphql", api_url(&host)),
        "event": {"repository": {"full_name": repository, "name": name, "default_branch": default, "owner": {"login": owner}}},
    })
}

fn api_url(host: &str) -> String {
    if host == "github.com" { "https://api.github.com".to_owned() } else { format!("https://{host}/api/v3") }
}

fn folder_name(root: &Path) -> String {
    root.file_name().map_or_else(|| "repository".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// What each process gets, before what the workflow says.
///
/// # Errors
/// When a variable that is asked for is not there.
pub(super) fn environment(
    checkout: &Checkout,
    scratch: &Path,
    github: &Value,
    asked: &[String],
) -> Result<BTreeMap<String, String>, Failure> {
    let mine = |name: &str| std::env::var(name).ok();
    let mut env: BTreeMap<String, String> =
        KEPT.iter().filter_map(|name| Some(((*name).to_owned(), mine(name)?))).collect();
    for asked in asked {
        let (name, value) = match asked.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (asked.as_str(), mine(asked)),
        };
        let value =
            value.ok_or_else(|| Failure::failed(format!("--env {0}: you have no variable {0}", harmless(name))))?;
        if name.is_empty() || name.contains('\0') || value.contains('\0') {
            return Err(Failure::failed(format!("--env {}: that is no variable", harmless(asked))));
        }
        env.insert(name.to_owned(), value);
    }
    for name in KNOWN {
        let value = github[name].as_str().unwrap_or_default().to_owned();
        env.insert(format!("GITHUB_{}", name.to_uppercase()), value);
    }
    let arch = match std::env::consts::ARCH {
        "x86_64" => "X64",
        "aarch64" => "ARM64",
        other => other,
    };
    let (temporary, tools) = (scratch.join("temp"), scratch.join("tools"));
    for folder in [&temporary, &tools] {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", folder.display())))?;
    }
    let event = scratch.join("event.json");
    std::fs::write(&event, github["event"].to_string())
        .map_err(|error| Failure::failed(format!("{} cannot be written: {error}", event.display())))?;
    let more = [
        ("CI", "true".to_owned()),
        // So that a script can tell: what it does to the world it should not do from here.
        ("ORCHD_CI", "true".to_owned()),
        ("GITHUB_ACTIONS", "true".to_owned()),
        ("GITHUB_EVENT_PATH", event.display().to_string()),
        ("GITHUB_WORKSPACE", checkout.root.display().to_string()),
        ("RUNNER_OS", "Linux".to_owned()),
        ("RUNNER_ARCH", arch.to_owned()),
        ("RUNNER_NAME", "local".to_owned()),
        ("RUNNER_ENVIRONMENT", "self-hosted".to_owned()),
        ("RUNNER_TEMP", temporary.display().to_string()),
        ("RUNNER_TOOL_CACHE", tools.display().to_string()),
    ];
    env.extend(more.map(|(name, value)| (name.to_owned(), value)));
    Ok(env)
}
