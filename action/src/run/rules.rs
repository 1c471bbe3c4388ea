//! The repository's file of rules, and from where it is read: never from what a pull request proposes.
//!
//! The file decides what is done with the run's token, so only who may write to the repository may have written it. It is
//! read from the default branch, as the daemon does. The checkout saves that request only where nobody else can have
//! written it: the run is about no pull request, no comment on one and no other run, and what is checked out is the commit
//! of the run.

use std::fs;
use std::path::{Path, PathBuf};

use orchd::actions;
use orchd::config::{FileTerms, Problems, git_commit, repository};
use orchd::core::event::Event;
use orchd::core::rule::{Rule, RuleName};
use orchd::github::client::Reader;
use orchd::github::contents::{self, Found};

use crate::annotation::{Annotation, Place};
use crate::client;
use crate::failure::Failure;
use crate::inputs::quoted;
use crate::workflow::Workflow;

/// What a server lets a repository's file hold at most.
const MOST_RULES: usize = 1_000;
const MOST_BYTES: u64 = 512 << 10;

/// Rules that can run, and where they are from.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) rules: Vec<Rule>,
    from: &'static str,
}

impl Rules {
    pub(super) fn named(&self, name: &RuleName) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == *name)
    }

    pub(super) fn told(&self, path: &str) -> String {
        let rules = self.rules.len();
        let s = if rules == 1 { "" } else { "s" };
        format!("{rules} rule{s} in {path} of {}", self.from)
    }
}

/// The path of the file: below the repository's root, and nowhere else.
pub(super) fn path(input: &str) -> Result<String, Failure> {
    let path = input.strip_prefix("./").unwrap_or(input);
    let odd = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains('\\');
    if path.split('/').any(odd) {
        let told = format!("input `config` is {}: it is a path below the root of the repository", quoted(input));
        return Err(Failure::setup(told));
    }
    Ok(path.to_owned())
}

pub(super) async fn read(run: &Workflow, event: &Event, path: &str, reader: &Reader) -> Result<Rules, Failure> {
    let (text, from) = match own_checkout(run, event).and_then(|root| in_checkout(&root, path)) {
        Some(text) => (text, "the checkout"),
        None => (from_default_branch(run, path, reader).await?, "the default branch"),
    };
    let terms = FileTerms {
        actions: actions::kinds().iter().map(|kind| kind.name.to_owned()).collect(),
        max_rules: MOST_RULES,
        max_size: MOST_BYTES,
    };
    match repository::read(&text, path, &run.repository, &terms, actions::kinds()) {
        Ok(rules) => Ok(Rules { rules, from }),
        Err(problems) => Err(invalid(&problems, path)),
    }
}

/// The checkout, where nobody but who may write to the repository can have had a hand in it.
fn own_checkout(run: &Workflow, event: &Event) -> Option<PathBuf> {
    let root = run.workspace.clone()?;
    let has = |pointer: &str| event.payload.pointer(pointer).is_some_and(|value| !value.is_null());
    let of_others = run.event_name.starts_with("pull_request")
        || matches!(
            run.event_name.as_str(),
            "workflow_run" | "check_run" | "check_suite" | "status" | "deployment_status"
        )
        || has("/pull_request")
        || has("/issue/pull_request")
        || run.git_ref.as_deref().is_some_and(|git_ref| git_ref.starts_with("refs/pull/"));
    let is_of_run = || git_commit(&root).is_some_and(|commit| commit.eq_ignore_ascii_case(&run.sha));
    (!of_others && is_of_run()).then_some(root)
}

/// A plain file that lies there and not behind a link.
fn in_checkout(root: &Path, path: &str) -> Option<String> {
    let file = root.canonicalize().ok()?.join(path);
    let whole = fs::symlink_metadata(&file).ok()?;
    let is_there = file.canonicalize().ok()? == file;
    (is_there && whole.is_file() && whole.len() <= MOST_BYTES).then(|| fs::read_to_string(&file).ok())?
}

async fn from_default_branch(run: &Workflow, path: &str, reader: &Reader) -> Result<String, Failure> {
    let found = contents::file(reader, &run.repository, path, None, MOST_BYTES).await;
    let found = found.map_err(|error| client::explained(&format!("{path} of the default branch"), &error))?;
    match found {
        Found::Text { text, .. } => Ok(text),
        Found::Nothing => Err(Failure::setup(format!(
            "there is no {path} on the default branch of {}, or the token may not see it: write one, name another with the \
             input `config`, or add `contents: read` to the job's `permissions:`",
            run.repository
        ))),
        Found::TooLarge { size, .. } => {
            Err(Failure::setup(format!("{path} has {size} bytes: a file of rules has at most {MOST_BYTES}")))
        }
        Found::Other(what) => Err(Failure::setup(format!("{path} is not a file of rules: {what}"))),
    }
}

fn invalid(problems: &Problems, path: &str) -> Failure {
    let annotation = |problem: &orchd::config::Problem| {
        let place = Place { file: path.to_owned(), line: Some(problem.line), column: Some(problem.column) };
        Annotation::error(problem.message.clone()).titled("The rules are not valid").at(place)
    };
    Failure::Setup(problems.0.iter().map(annotation).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::DateTime;
    use orchd::core::event::EventId;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::workflow::tests::variables;

    const SHA: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

    fn run(root: &Path, event: &str, sha: &str, git_ref: &str) -> Workflow {
        let mut set: BTreeMap<String, String> = variables();
        for (name, value) in [
            ("GITHUB_EVENT_NAME", event),
            ("GITHUB_SHA", sha),
            ("GITHUB_REF", git_ref),
            ("GITHUB_WORKSPACE", root.to_str().unwrap()),
        ] {
            set.insert(name.to_owned(), value.to_owned());
        }
        Workflow::read(&set).unwrap()
    }

    fn event(name: &str, payload: Value) -> Event {
        Event::from_payload(EventId(Uuid::nil()), name, DateTime::UNIX_EPOCH, payload)
    }

    #[test]
    fn only_a_checkout_that_nobody_else_can_have_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".git")).unwrap();
        fs::write(dir.path().join(".git/HEAD"), format!("{SHA}\n")).unwrap();
        let main = "refs/heads/main";
        let trusted = |name: &str, sha: &str, git_ref: &str, payload: Value| {
            own_checkout(&run(dir.path(), name, sha, git_ref), &event(name, payload)).is_some()
        };
        assert!(trusted("push", SHA, main, json!({})));
        assert!(trusted("issues", SHA, main, json!({"issue": {"number": 1}})));
        assert!(!trusted("push", &"0".repeat(40), main, json!({})), "another commit is checked out");
        assert!(!trusted("pull_request_target", SHA, main, json!({"pull_request": {"number": 1}})));
        assert!(!trusted("pull_request", SHA, "refs/pull/1/merge", json!({})));
        assert!(!trusted("pull_request_review", SHA, main, json!({})));
        assert!(!trusted("workflow_run", SHA, main, json!({})));
        assert!(!trusted("issue_comment", SHA, main, json!({"issue": {"number": 1, "pull_request": {"url": "x"}}})));
        assert!(!trusted("workflow_dispatch", SHA, "refs/pull/1/head", json!({})));
        fs::remove_dir_all(dir.path().join(".git")).unwrap();
        assert!(!trusted("push", SHA, main, json!({})), "nothing says what is checked out");
    }

    #[test]
    fn a_path_stays_below_the_root_and_a_link_is_not_followed() {
        for bad in ["/etc/passwd", "../x.yml", "a/../b.yml", "a//b", "", "a\\b", "./"] {
            assert!(path(bad).is_err(), "{bad}");
        }
        assert_eq!(path("./a/b.yml").unwrap(), "a/b.yml");
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("real.yml"), "rules: []").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("link.yml")).unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("linked")).unwrap();
        assert_eq!(in_checkout(dir.path(), "real.yml").as_deref(), Some("rules: []"));
        assert_eq!(in_checkout(dir.path(), "link.yml"), None);
        assert_eq!(in_checkout(dir.path(), "linked/hostname"), None);
        assert_eq!(in_checkout(dir.path(), "missing.yml"), None);
    }
}
