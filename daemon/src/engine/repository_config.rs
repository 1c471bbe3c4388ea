//! The rules of a repository's own file: read from its default branch, kept in the store, compiled when needed.
//!
//! A decision costs no request: GitHub is asked when nothing is known of the file, when a push to the default branch
//! touches it, and when what is known is older than `repository_config.refresh`. A version that does not validate never
//! replaces one that does; what is wrong with it is kept beside that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Engine, JobError, installations};
use crate::actions;
use crate::config::{Config, Problems, repository};
use crate::core::condition::Condition;
use crate::core::event::{Event, EventKind, RepoName};
use crate::core::intent::ActionSpec;
use crate::core::rule::{Limits, Mode, Rule, RuleName, Trigger};
use crate::core::subject::SubjectKind;
use crate::github::GitHubError;
use crate::github::contents::{self, Found};
use crate::store::repository_configs::{FileProblem, FileVersion, RepositoryConfigRow};
use crate::store::{Db, StoreError};

/// Files whose rules stay compiled; compiling one takes about a millisecond.
const MOST_COMPILED: usize = 1_000;

/// GitHub names the files of so many commits of a push at most; a longer one may touch anything.
/// <https://docs.github.com/en/webhooks/webhook-events-and-payloads#push>
const MOST_COMMITS: usize = 2_048;

/// The action that checks the file of a pull request.
const CHECK: &str = "check_config";

/// Rules of one file under one config.
type Key = (RepoName, String, String);

/// What a version of a file came to.
type Outcome = Result<Arc<[Rule]>, Problems>;

/// Compiled files, shared by every job of this daemon.
#[derive(Clone, Default)]
pub struct Compiled(Arc<Mutex<HashMap<Key, Outcome>>>);

impl Compiled {
    fn get(&self, config: &Config, name: &RepoName, version: &FileVersion) -> Outcome {
        let key = (name.clone(), version.sha.clone(), config.revision.hash.clone());
        // A panic while the map is held cannot leave it half changed.
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(outcome) = known {
            return outcome;
        }
        let own = &config.repository_config;
        let outcome: Outcome =
            repository::read(&version.text, &own.path, name, &own.terms, actions::kinds()).map(Into::into);
        let mut compiled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if compiled.len() >= MOST_COMPILED {
            compiled.clear();
        }
        compiled.insert(key, outcome.clone());
        outcome
    }
}

/// A repository's own rules, and the version of the file that they are from.
#[derive(Clone)]
pub(super) struct OwnRules {
    pub(super) rules: Arc<[Rule]>,
    sha: Option<String>,
}

impl OwnRules {
    fn none() -> Self {
        Self { rules: Arc::new([]), sha: None }
    }

    /// What is added to the config revision of a decision: `+` and git's id of the file, or nothing.
    pub(super) fn revision(&self) -> String {
        self.sha.as_ref().map(|sha| format!("+{sha}")).unwrap_or_default()
    }
}

/// Whether an event of this kind may matter to a repository's own file: its rules act on issues and pull requests, and a
/// push or another default branch may change it. Which rules there are is not known where deliveries arrive.
pub(super) fn may_matter(
    config: &Config,
    kind: &EventKind,
    repository: Option<&RepoName>,
    number: Option<u64>,
) -> bool {
    config.repository_config.enabled
        && (number.is_some() || matches!(kind.name.as_str(), "push" | "repository"))
        && repository.is_some_and(|name| config.repository_config.covers(name))
}

/// The rules of the event's repository, asked for anew where that is due.
///
/// # Errors
/// As GitHub or the store fails: an event is not decided without its repository's rules.
pub(super) async fn rules_of(engine: &Engine, config: &Config, event: &Event) -> Result<OwnRules, JobError> {
    let own = &config.repository_config;
    let Some(name) = event.repository.as_ref().filter(|name| own.covers(name)) else { return Ok(OwnRules::none()) };
    let known = known_row(engine, config, name).await?;
    let age = TimeDelta::from_std(own.refresh).unwrap_or(TimeDelta::MAX);
    let is_old = known.as_ref().is_none_or(|row| (engine.clock)() - row.checked_at >= age);
    let changed = tells_of_change(event, &own.path);
    if event.installation.is_none() || !(is_old || changed) {
        return compile(engine, config, known).await;
    }
    if installations::stop_of(engine, event.installation).await?.is_some() {
        installations::decide_later(engine, event).await?;
        return compile(engine, config, known).await;
    }
    let reader = engine.github.load().reader(event.installation);
    let row = match (contents::file(&reader, name, &own.path, None, own.terms.max_size).await, known) {
        (Ok(found), known) => look_at(engine, config, name, found, known),
        (Err(GitHubError::Refused { message, .. }), known) if installations::says_suspended(&message) => {
            installations::look(engine, event.installation).await?;
            installations::decide_later(engine, event).await?;
            return compile(engine, config, known).await;
        }
        (Err(error @ GitHubError::Refused { .. }), known) => refused(engine, config, name, &error, known),
        // Old rules serve until GitHub answers again; a change says that they are no longer the right ones.
        (Err(error), Some(row)) if !changed => {
            tracing::warn!(repository = %name, %error, "the repository's own config could not be looked at; the known one goes on");
            return compile(engine, config, Some(row)).await;
        }
        (Err(error), _) => return Err(error.into()),
    };
    engine.db.store_repository_config(&row).await?;
    compile(engine, config, Some(row)).await
}

/// What is known of the file that the config names now.
async fn known_row(
    engine: &Engine,
    config: &Config,
    name: &RepoName,
) -> Result<Option<RepositoryConfigRow>, StoreError> {
    let known = engine.db.repository_config(name).await?;
    Ok(known.filter(|row| row.path == config.repository_config.path))
}

/// The rules as they are known, without asking GitHub: for a rule that decided and is to act.
pub(super) async fn known_rules(engine: &Engine, config: &Config, name: &RepoName) -> Result<OwnRules, JobError> {
    let own = &config.repository_config;
    if !own.covers(name) {
        return Ok(OwnRules::none());
    }
    let known = known_row(engine, config, name).await?;
    compile(engine, config, known).await
}

/// The rules as they are known, for somebody who asks: nothing is kept of a version that does not validate any more.
pub async fn shown_rules(db: &Db, config: &Config, name: &RepoName) -> Result<Vec<Rule>, StoreError> {
    let own = &config.repository_config;
    if !own.covers(name) {
        return Ok(Vec::new());
    }
    let known = db.repository_config(name).await?.filter(|row| row.path == own.path);
    // The name as GitHub spells it, which whoever asks may not.
    let Some((name, version)) = known.and_then(|row| Some((row.repository, row.good?))) else { return Ok(Vec::new()) };
    Ok(repository::read(&version.text, &own.path, &name, &own.terms, actions::kinds()).unwrap_or_default())
}

/// GitHub's no stays one until the next look; what was good goes on.
fn refused(
    engine: &Engine,
    config: &Config,
    name: &RepoName,
    error: &GitHubError,
    known: Option<RepositoryConfigRow>,
) -> RepositoryConfigRow {
    RepositoryConfigRow {
        repository: name.clone(),
        path: config.repository_config.path.clone(),
        blob_sha: None,
        problems: vec![FileProblem { line: 1, column: 1, message: error.to_string() }],
        good: known.and_then(|row| row.good),
        checked_at: (engine.clock)(),
    }
}

/// What is to be kept of a look at the file.
fn look_at(
    engine: &Engine,
    config: &Config,
    name: &RepoName,
    found: Found,
    known: Option<RepositoryConfigRow>,
) -> RepositoryConfigRow {
    let own = &config.repository_config;
    let good = known.and_then(|row| row.good);
    let one = |message: String| vec![FileProblem { line: 1, column: 1, message }];
    let (blob_sha, good, problems) = match found {
        Found::Nothing => (None, None, Vec::new()),
        Found::Other(what) => (None, good, one(format!("this is not a config: {what}"))),
        Found::TooLarge { sha, size } => (Some(sha), good, said(&repository::too_large(&own.path, size, &own.terms))),
        Found::Text { sha, text } => {
            let version = FileVersion { sha: sha.clone(), text };
            match engine.own_rules.get(config, name, &version) {
                Ok(_) => (Some(sha), Some(version), Vec::new()),
                Err(problems) => (Some(sha), good, said(&problems)),
            }
        }
    };
    if !problems.is_empty() {
        tracing::warn!(repository = %name, problems = problems.len(), "the repository's own config does not validate; the last good one goes on");
    }
    let (repository, path, checked_at) = (name.clone(), own.path.clone(), (engine.clock)());
    RepositoryConfigRow { repository, path, blob_sha, problems, good, checked_at }
}

fn said(problems: &Problems) -> Vec<FileProblem> {
    let one = |problem: &crate::config::Problem| FileProblem {
        line: problem.line,
        column: problem.column,
        message: problem.message.clone(),
    };
    problems.0.iter().take(MOST_PROBLEMS).map(one).collect()
}

/// Problems that are kept of one file.
const MOST_PROBLEMS: usize = 200;

/// The rules of the version that is good. What the server's config allows may have changed since it was: then it is good
/// no longer, and that is kept for people to see, or good again.
async fn compile(engine: &Engine, config: &Config, known: Option<RepositoryConfigRow>) -> Result<OwnRules, JobError> {
    let Some(row) = known else { return Ok(OwnRules::none()) };
    let Some(version) = &row.good else { return Ok(OwnRules::none()) };
    let is_current = row.blob_sha.as_ref() == Some(&version.sha);
    match engine.own_rules.get(config, &row.repository, version) {
        Ok(rules) => {
            let own = OwnRules { rules, sha: Some(version.sha.clone()) };
            if is_current && !row.problems.is_empty() {
                engine.db.store_repository_config(&RepositoryConfigRow { problems: Vec::new(), ..row }).await?;
            }
            Ok(own)
        }
        Err(problems) => {
            let problems = said(&problems);
            if is_current && row.problems != problems {
                engine.db.store_repository_config(&RepositoryConfigRow { problems, ..row }).await?;
            }
            Ok(OwnRules::none())
        }
    }
}

/// The rule by which a pull request that changes the file gets a check run; it says so with the pull request's own
/// version, which is not in use before it is merged.
pub(super) fn check_rules(config: &Config, repository: Option<&RepoName>) -> Vec<Rule> {
    let own = &config.repository_config;
    if !repository.is_some_and(|name| own.covers(name)) {
        return Vec::new();
    }
    let triggers =
        ["opened", "synchronize", "reopened"].map(|action| Trigger::parse(&format!("pull_request.{action}")));
    let params = json!({"path": own.path, "terms": own.terms});
    let spec = ActionSpec { name: CHECK.to_owned(), params, acts_on: SubjectKind::Item };
    // The path has no meaning as a glob: each of its characters stands for itself.
    let exactly: String =
        own.path.chars().flat_map(|c| (!c.is_alphanumeric()).then_some('\\').into_iter().chain([c])).collect();
    let rule = |when: Condition| Rule {
        name: RuleName::check_config(),
        repositories: own.repositories.clone(),
        on: triggers.into_iter().flatten().collect(),
        when: Some(when),
        then: vec![spec],
        mode: Mode::Active,
        limits: Limits::default(),
    };
    Condition::parse(&json!({"files": exactly})).map(rule).into_iter().collect()
}

/// Whether the event says that the file may be another now: a push to the default branch that may have changed it, or
/// another default branch.
fn tells_of_change(event: &Event, path: &str) -> bool {
    match event.kind.name.as_str() {
        "push" => push_touches(&event.payload, path),
        "repository" => event.payload.pointer("/changes/default_branch").is_some(),
        _ => false,
    }
}

fn push_touches(push: &Value, path: &str) -> bool {
    let text = |pointer: &str| push.pointer(pointer).and_then(Value::as_str);
    let branch = text("/ref").and_then(|reference| reference.strip_prefix("refs/heads/"));
    if branch.is_none() || branch != text("/repository/default_branch") {
        return false;
    }
    let flag = |key: &str| push.get(key).and_then(Value::as_bool).unwrap_or(false);
    let commits = push.get("commits").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    // A forced push takes commits away, of which it names no files.
    if flag("forced") || flag("created") || commits.is_empty() || commits.len() >= MOST_COMMITS {
        return true;
    }
    let names = |commit: &Value, list: &str| {
        let files = commit.get(list).and_then(Value::as_array);
        files.into_iter().flatten().any(|file| file.as_str() == Some(path))
    };
    commits.iter().any(|commit| ["added", "modified", "removed"].iter().any(|list| names(commit, list)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::core::condition::properties::any_json;
    use crate::core::condition::table::event;

    const PATH: &str = ".github/orchd.yml";

    fn push(branch: &str, commits: Value, forced: bool) -> bool {
        let payload = json!({
            "ref": branch, "commits": commits, "forced": forced,
            "repository": {"full_name": "acme/web", "default_branch": "main"},
        });
        tells_of_change(&event("push", payload), PATH)
    }

    #[test]
    fn pushes_that_may_have_changed_the_file() {
        let other = || json!([{"added": ["a"], "modified": [], "removed": []}]);
        let ours = || json!([{"added": ["a"]}, {"removed": [PATH]}]);
        assert!(push("refs/heads/main", ours(), false));
        assert!(!push("refs/heads/main", other(), false));
        assert!(push("refs/heads/main", other(), true), "forced");
        assert!(push("refs/heads/main", json!([]), false), "nothing is named");
        assert!(!push("refs/heads/topic", ours(), false));
        assert!(!push("refs/tags/main", ours(), true));
    }

    proptest! {
        #[test]
        fn any_payload_is_read(name in "push|repository", payload in any_json()) {
            tells_of_change(&event(&name, payload), PATH);
        }
    }
}
