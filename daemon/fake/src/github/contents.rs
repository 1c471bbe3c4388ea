//! Files of a repository at a branch or commit, and the check runs of Apps.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use serde_json::{Value, json};

use super::GitHub;
use super::call::{Answer, Call};
use super::people::Person;
use super::world::World;
use crate::model::{CheckRun, Repository, UserKind};
use crate::payload::ci;
use crate::payload::events::{Envelope, Push};
use crate::payload::objects::{API, with};

/// GitHub takes no more annotations in one request.
const MOST_ANNOTATIONS: usize = 50;

/// A check run that an App made, as a test sees it.
#[derive(Clone, Debug)]
pub struct MadeCheck {
    pub name: String,
    pub sha: String,
    pub conclusion: Option<String>,
    pub external_id: Option<String>,
    /// `title`, `summary` and `annotations`, as they were sent.
    pub output: Value,
}

/// Git's id of a content.
fn blob_sha(text: &str) -> String {
    let mut blob = format!("blob {}\0", text.len()).into_bytes();
    blob.extend_from_slice(text.as_bytes());
    let sum = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &blob);
    sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn show(repo: &Repository, call: &Call, path: &str) -> Answer {
    let reference = call.query.get("ref").map_or(repo.default_branch.as_str(), String::as_str);
    let Some(files) = repo.files.get(reference) else { return Answer::not_found() };
    let Some(text) = files.get(path) else {
        let below = format!("{path}/");
        let inside: Vec<Value> = files
            .keys()
            .filter(|name| name.starts_with(&below))
            .map(|name| json!({"type": "file", "path": name}))
            .collect();
        return if inside.is_empty() { Answer::not_found() } else { Answer::ok(inside.into()) };
    };
    let encoded = STANDARD.encode(text);
    // GitHub breaks the lines of what it encodes.
    let content: Vec<&str> = encoded.as_bytes().chunks(60).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    Answer::ok(json!({
        "type": "file", "encoding": "base64", "size": text.len(), "name": path.rsplit('/').next(), "path": path,
        "content": content.join("\n") + "\n", "sha": blob_sha(text),
        "url": format!("{API}/repos/{}/contents/{path}?ref={reference}", repo.full_name()),
    }))
}

pub(super) fn shown_check(world: &World, repo: &Repository, run: &CheckRun) -> Value {
    let shown = ci::check_run(repo, run);
    let Some(output) = &run.output else { return shown };
    let app = ci::app(world.app.id, &world.app.slug, &world.app.slug, world.app.created_at, &[]);
    let count = output["annotations"].as_array().map_or(0, Vec::len);
    with(
        shown,
        json!({
            "app": app,
            "output": {"title": output["title"], "summary": output["summary"], "text": null, "annotations_count": count},
        }),
    )
}

/// `POST /repos/O/R/check-runs`.
pub(super) fn create_check(world: &mut World, call: &Call, full_name: &str) -> Answer {
    let text = |key: &str| call.body.get(key).and_then(Value::as_str).map(str::to_owned);
    let (Some(name), Some(sha)) = (text("name"), text("head_sha")) else {
        return Answer::invalid("CheckRun", "head_sha", "missing_field");
    };
    let output = call.body.get("output").cloned().unwrap_or_else(|| json!({}));
    if output["annotations"].as_array().is_some_and(|all| all.len() > MOST_ANNOTATIONS) {
        return Answer::error(422, "Invalid request. No more than 50 items are allowed; annotations");
    }
    let id = world.seed.id();
    let conclusion = text("conclusion");
    let status = if conclusion.is_some() { "completed" } else { "queued" }.to_owned();
    let external_id = Some(text("external_id").unwrap_or_default());
    let run = CheckRun { id, name, sha, status, conclusion, external_id, started_at: Utc::now(), output: Some(output) };
    let Some(repo) = world.repository_mut(full_name) else { return Answer::not_found() };
    repo.checks.push(run.clone());
    tell_check(world, full_name, &run, 201)
}

/// `PATCH /repos/O/R/check-runs/ID`: only the App that made it may.
pub(super) fn edit_check(world: &mut World, call: &Call, full_name: &str, id: i64) -> Answer {
    let text = |key: &str| call.body.get(key).and_then(Value::as_str).map(str::to_owned);
    let Some(repo) = world.repository_mut(full_name) else { return Answer::not_found() };
    let Some(run) = repo.checks.iter_mut().find(|run| run.id == id) else { return Answer::not_found() };
    if run.output.is_none() {
        let message = "Invalid app_id: check run can only be modified by the GitHub App that created it.";
        return Answer::error(403, message);
    }
    if let Some(conclusion) = text("conclusion") {
        run.conclusion = Some(conclusion);
        "completed".clone_into(&mut run.status);
    }
    run.external_id = text("external_id").or(run.external_id.take());
    run.output = call.body.get("output").cloned().or(run.output.take());
    let run = run.clone();
    tell_check(world, full_name, &run, 200)
}

fn tell_check(world: &mut World, full_name: &str, run: &CheckRun, status: u16) -> Answer {
    let sender = world.app.bot();
    let installation = world.installation_of(full_name);
    let Some(repo) = world.repository(full_name) else { return Answer::not_found() };
    let shown = shown_check(world, repo, run);
    let (event, payload) = Envelope { repository: repo, sender: &sender, installation }.check_run("completed", run);
    let payload = with(payload, json!({"check_run": shown}));
    world.deliver(event, &payload);
    Answer::new(status, shown)
}

impl GitHub {
    /// Puts a file at a branch or commit. Tells nobody.
    ///
    /// # Panics
    /// When there is no such repository.
    pub fn put_file(&self, repository: &str, reference: &str, path: &str, text: &str) {
        self.inner.update(|world| {
            let Some(repo) = world.repository_mut(repository) else { panic!("the fake GitHub has no {repository}") };
            repo.files
                .entry(reference.to_owned())
                .or_insert_with(BTreeMap::new)
                .insert(path.to_owned(), text.to_owned());
        });
    }

    /// The check runs that the App made, oldest first.
    pub fn made_checks(&self, repository: &str) -> Vec<MadeCheck> {
        let world = self.inner.world();
        let runs = world.repository(repository).into_iter().flat_map(|repo| &repo.checks);
        runs.filter_map(|run| {
            let (name, sha, conclusion) = (run.name.clone(), run.sha.clone(), run.conclusion.clone());
            Some(MadeCheck { name, sha, conclusion, external_id: run.external_id.clone(), output: run.output.clone()? })
        })
        .collect()
    }
}

impl Person {
    /// Pushes a commit to the default branch that writes a file, or removes it. Delivered.
    pub fn commits(&self, repository: &str, path: &str, text: Option<&str>) -> &Self {
        let sender = self.github().inner.world().user(self.login(), UserKind::User);
        self.github().inner.update(|world| {
            let (before, sha) = (world.seed.sha(), world.seed.sha());
            let installation = world.installation_of(repository);
            let Some(repo) = world.repository_mut(repository) else { panic!("the fake GitHub has no {repository}") };
            let branch = repo.default_branch.clone();
            repo.branches.insert(branch.clone(), sha.clone());
            let files = repo.files.entry(branch.clone()).or_default();
            match text {
                Some(text) => files.insert(path.to_owned(), text.to_owned()),
                None => files.remove(path),
            };
            let paths = [path.to_owned()];
            let push = Push {
                branch: &branch,
                before: &before,
                shas: vec![sha],
                messages: vec![format!("Change {path}")],
                paths: &paths,
                at: Utc::now(),
            };
            let Some(repo) = world.repository(repository) else { return };
            let (event, payload) = Envelope { repository: repo, sender: &sender, installation }.push(&push);
            if installation.is_some() {
                world.deliver(event, &payload);
            }
        });
        self
    }

    /// Makes another branch the repository's default one. Delivered.
    pub fn makes_default(&self, repository: &str, branch: &str) -> &Self {
        let sender = self.github().inner.world().user(self.login(), UserKind::User);
        self.github().inner.update(|world| {
            let installation = world.installation_of(repository);
            let Some(repo) = world.repository_mut(repository) else { panic!("the fake GitHub has no {repository}") };
            let from = std::mem::replace(&mut repo.default_branch, branch.to_owned());
            let Some(repo) = world.repository(repository) else { return };
            let told = json!({"action": "edited", "changes": {"default_branch": {"from": from}}});
            let payload = Envelope { repository: repo, sender: &sender, installation }.close(told);
            if installation.is_some() {
                world.deliver("repository", &payload);
            }
        });
        self
    }

    /// Pushes a commit that writes a file to the head branch of a pull request; gives the new head.
    pub fn pushes_file(&self, repository: &str, number: u64, path: &str, text: &str) -> String {
        let sha = self.github().inner.world().seed.sha();
        self.github().put_file(repository, &sha, path, text);
        self.pushes_as(repository, number, &[path], &sha)
    }
}
