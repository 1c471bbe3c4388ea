//! `check_config`: the check run `orchd config` on the head of a pull request that changes the repository's own config.
//!
//! No rule of a config names it: orchd's own rule does. One check run a commit: however often a commit is told of, and
//! whatever became of an earlier try, GitHub is asked first whether ours is there.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::check_runs;
use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled};
use crate::config::{FileTerms, Problems, repository};
use crate::core::hand::HandChange;
use crate::core::intent::Target;
use crate::core::permission::Needs;
use crate::github::client::{Reader, Writer};
use crate::github::contents::{self, Found};
use crate::github::{GitHubError, path};

/// Name of the check run, for branch protection.
const CHECK: &str = "orchd config";
/// GitHub takes no more annotations in one request; a summary tells how many there are.
const MOST_ANNOTATIONS: usize = 50;

/// What to check.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// The file, within the repository.
    path: String,
    /// What the server allows it.
    terms: FileTerms,
}

/// A mistake in the file, as GitHub shows it beside the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Annotation {
    line: usize,
    column: usize,
    message: String,
}

/// What the head's version of the file is like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Absent,
    Valid { rules: usize },
    Invalid { count: usize, first: Vec<Annotation> },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// Commit.
    head: String,
    /// Id of our check run on it.
    check: Option<u64>,
    verdict: Verdict,
}

/// The check run to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    head: String,
    external_id: String,
    success: bool,
    title: String,
    summary: String,
    annotations: Vec<Annotation>,
}

impl Params {
    fn judge(&self, target: &Target, found: Found) -> Verdict {
        let judged = match found {
            Found::Nothing => return Verdict::Absent,
            Found::Text { text, .. } => {
                repository::read(&text, &self.path, &target.repository, &self.terms, super::kinds())
            }
            Found::TooLarge { size, .. } => Err(repository::too_large(&self.path, size, &self.terms)),
            Found::Other(what) => {
                let message = format!("this is not a config: {what}");
                return Verdict::Invalid { count: 1, first: vec![Annotation { line: 1, column: 1, message }] };
            }
        };
        match judged {
            Ok(rules) => Verdict::Valid { rules: rules.len() },
            Err(Problems(problems)) => {
                let annotation = |problem: &crate::config::Problem| Annotation {
                    line: problem.line,
                    column: problem.column,
                    message: problem.message.clone(),
                };
                let first = problems.iter().take(MOST_ANNOTATIONS).map(annotation).collect();
                Verdict::Invalid { count: problems.len(), first }
            }
        }
    }
}

/// The head commit, which goes into paths: nothing but hexadecimal digits.
async fn head_of(target: &Target, reader: &Reader) -> Result<String, GitHubError> {
    let path = path::repository(&target.repository, format_args!("/pulls/{}", target.number));
    let pull: Value = reader.get(&path).await?;
    let head = pull.pointer("/head/sha").and_then(Value::as_str).unwrap_or_default();
    let is_commit = matches!(head.len(), 40 | 64) && head.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_commit { Ok(head.to_owned()) } else { Err(GitHubError::Unreadable(format!("{path}: no head commit in it"))) }
}

impl Action for Params {
    type State = State;
    type Change = Change;

    const NAME: &'static str = "check_config";
    const HELP: &'static str = "Says on a pull request whether the repository's own config validates.";
    const EXAMPLE: &'static str =
        "{path: .github/orchd.yml, terms: {actions: [label], max_rules: 20, max_size: 65536}}";
    const UNDOABLE: bool = false;
    const NEEDS: Needs = Needs::Write("checks");

    async fn read(&self, target: &Target, _: &Origin, reader: &Reader) -> Result<State, GitHubError> {
        let head = head_of(target, reader).await?;
        let check = check_runs::ours(target, &head, CHECK, reader, |_| true).await?.map(|run| run.id);
        let found = contents::file(reader, &target.repository, &self.path, Some(&head), self.terms.max_size).await?;
        Ok(State { head, check, verdict: self.judge(target, found) })
    }

    fn plan(&self, origin: &Origin, state: &State, _: &[HandChange]) -> Plan<Change> {
        if state.check.is_some() {
            return Plan::Nothing(format!("commit {} has its check run", state.head));
        }
        let path = &self.path;
        let (success, title, summary, annotations) = match &state.verdict {
            Verdict::Absent => {
                let summary = format!("Without `{path}` the repository has no rules of its own.");
                (true, "The file is gone".to_owned(), summary, Vec::new())
            }
            Verdict::Valid { rules } => {
                let summary = format!("`{path}` validates. Its rules take effect once it is on the default branch.");
                (true, format!("{rules} rules, no mistakes"), summary, Vec::new())
            }
            Verdict::Invalid { count, first } => {
                let more = count.saturating_sub(first.len());
                let more = if more > 0 { format!(" {more} more are not shown.") } else { String::new() };
                let summary = format!(
                    "`{path}` does not validate. Merged as it is, it would change nothing: the last version that \
                     validates stays in use.{more}"
                );
                (false, format!("{count} mistakes"), summary, first.clone())
            }
        };
        let (head, external_id) = (state.head.clone(), origin.intent.to_string());
        Plan::Change(Change { head, external_id, success, title, summary, annotations })
    }

    /// A head that moved on says nothing of the commit before: planned anew, it is about the new one.
    fn settle(&self, _: &State, change: &Change, now: &State) -> Settled {
        if now.head == change.head && now.check.is_some() { Settled::Happened } else { Settled::DidNot }
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Change) -> Result<(), GitHubError> {
        let annotations: Vec<Value> = change.annotations.iter().map(|each| self.shown(each)).collect();
        let body = json!({
            "name": CHECK,
            "head_sha": change.head,
            "external_id": change.external_id,
            "status": "completed",
            "conclusion": if change.success { "success" } else { "failure" },
            "output": {"title": change.title, "summary": change.summary, "annotations": annotations},
        });
        writer.send::<Value>(Method::POST, &path::repository(&target.repository, "/check-runs"), &body).await?;
        Ok(())
    }

    fn undo(&self, _: &State, _: &State, _: &State) -> Reversal<Change> {
        Reversal::Refused("GitHub keeps check runs".to_owned())
    }

    fn told_by(_: &Change) -> &'static [&'static str] {
        &["check_run", "check_suite"]
    }
}

impl Params {
    fn shown(&self, annotation: &Annotation) -> Value {
        let Annotation { line, column, message } = annotation;
        json!({
            "path": self.path, "start_line": line, "end_line": line, "start_column": column, "end_column": column,
            "annotation_level": "failure", "title": "orchd config", "message": message,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::core::event::RepoName;
    use crate::core::intent::IntentId;
    use crate::core::rule::RuleName;

    fn params() -> Params {
        let terms = FileTerms { actions: vec!["label".to_owned()], max_rules: 100, max_size: 10_000 };
        Params { path: ".github/orchd.yml".to_owned(), terms }
    }

    fn state(text: &str) -> State {
        let repository = RepoName::parse("acme/web").unwrap();
        let target = Target::item(repository, None, 1);
        let found = Found::Text { sha: "a".to_owned(), text: text.to_owned() };
        State { head: "c0ffee".to_owned(), check: None, verdict: params().judge(&target, found) }
    }

    fn origin() -> Origin {
        Origin { rule: RuleName::check_config(), intent: IntentId(uuid::Uuid::nil()), at: chrono::DateTime::UNIX_EPOCH }
    }

    #[test]
    fn a_mistake_is_annotated_where_it_stands_and_fifty_at_most() {
        let one = state("rules:\n- name: a\n  on: issues.opened\n  then:\n  - close: {}\n");
        let Plan::Change(change) = params().plan(&origin(), &one, &[]) else { panic!("it is checked") };
        assert!(!change.success);
        assert_eq!((change.annotations[0].line, change.annotations[0].column), (5, 5));
        let many: String = (0..60).map(|at| format!("k{at}: 1\n")).collect();
        let Plan::Change(change) = params().plan(&origin(), &state(&many), &[]) else { panic!("it is checked") };
        assert_eq!((change.title.as_str(), change.annotations.len()), ("60 mistakes", 50));
        assert!(change.summary.contains("10 more are not shown"));
    }

    #[test]
    fn a_commit_that_has_its_run_gets_no_second_one() {
        let good = state("rules: []");
        let Plan::Change(change) = params().plan(&origin(), &good, &[]) else { panic!("it is checked") };
        assert!(change.success);
        let made = State { check: Some(7), ..good.clone() };
        assert!(matches!(params().plan(&origin(), &made, &[]), Plan::Nothing(_)));
        assert_eq!(params().settle(&good, &change, &made), Settled::Happened);
        assert_eq!(params().settle(&good, &change, &good), Settled::DidNot);
        let moved = State { head: "beef".to_owned(), ..made };
        assert_eq!(params().settle(&good, &change, &moved), Settled::DidNot);
    }
}
