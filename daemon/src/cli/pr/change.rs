//! What a branch changes, as git tells it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::super::failure::Failure;
use super::super::git::Checkout;

/// Most commits that are told.
const MOST_COMMITS: &str = "--max-count=250";

/// A branch, compared with where it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) branch: String,
    /// The branch it goes to.
    pub(super) base: String,
    /// The oldest first, without merges.
    pub(super) commits: Vec<Commit>,
    pub(super) files: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) subject: String,
    pub(super) body: String,
}

/// Issues that a change is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Issues {
    /// It says that it ends them.
    pub(super) closes: BTreeSet<u64>,
    pub(super) names: BTreeSet<u64>,
}

impl Change {
    pub(super) fn find(checkout: &Checkout, base: Option<&str>) -> Result<Self, Failure> {
        let branch = checkout.branch().ok_or_else(|| {
            Failure::failed(
                "no branch is checked out (a detached HEAD): `git switch -c NAME` makes one of what is here",
            )
        })?;
        let base = base.map(str::to_owned).or_else(|| checkout.default_branch()).ok_or_else(|| {
            Failure::failed(
                "the default branch cannot be told: give it with --base, or `git remote set-head origin --auto`",
            )
        })?;
        if branch == base {
            return Err(Failure::failed(format!(
                "`{branch}` is the branch that changes go to: put yours on another one (`git switch -c NAME`)"
            )));
        }
        let places =
            ["refs/remotes/upstream/", "refs/remotes/origin/", "refs/heads/"].map(|place| format!("{place}{base}"));
        let against = places.into_iter().find(|place| checkout.has_commit(place)).ok_or_else(|| {
            Failure::failed(format!("there is no branch `{base}` here: `git fetch`, or give another with --base"))
        })?;
        if !checkout.has_commit("HEAD") {
            return Err(Failure::failed(format!("`{branch}` has no commits yet")));
        }
        let start = checkout.git(&["merge-base", &against, "HEAD"]).map_err(|_| {
            Failure::failed(format!("`{branch}` and `{base}` have no commit in common: is this the right base? A shallow clone lacks it, too"))
        })?;
        let failed = |why: String| Failure::failed(format!("git cannot tell what changed: {why}"));
        let range = format!("{start}..HEAD");
        let log = checkout
            .git(&["log", "-z", "--reverse", "--no-merges", MOST_COMMITS, "--format=%s%x00%b", &range])
            .map_err(failed)?;
        let files = checkout.git(&["diff", "-z", "--name-only", "--no-renames", &start, "HEAD"]).map_err(failed)?;
        let commits = commits(&log);
        if commits.is_empty() {
            return Err(Failure::failed(format!(
                "`{branch}` has no commits that `{base}` lacks: commit something first"
            )));
        }
        let files = files.split('\0').filter(|file| !file.is_empty()).map(str::to_owned).collect();
        Ok(Self { branch, base, commits, files })
    }

    /// A title: the only commit's subject, else what the branch is called.
    pub(super) fn title(&self) -> String {
        let first = self.commits.first().map(|commit| commit.subject.clone()).unwrap_or_default();
        let words = self.branch.rsplit('/').next().unwrap_or_default().replace(['-', '_'], " ");
        let words = words.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').trim();
        let mut characters = words.chars();
        match (self.commits.len(), characters.next()) {
            (0 | 1, _) | (_, None) => first,
            (_, Some(letter)) => letter.to_uppercase().chain(characters).collect(),
        }
    }

    pub(super) fn issues(&self) -> Issues {
        let mut issues = Issues::default();
        for commit in &self.commits {
            let text = format!("{}\n{}", commit.subject, commit.body);
            issues.closes.extend(numbers(&CLOSES, &text));
            issues.names.extend(numbers(&NAMES, &text));
        }
        issues.names.extend(numbers(&OF_A_BRANCH, &self.branch));
        issues.names.retain(|number| !issues.closes.contains(number));
        issues
    }
}

fn commits(log: &str) -> Vec<Commit> {
    let parts: Vec<&str> = log.split('\0').collect();
    let commit = |pair: &[&str]| match pair {
        [subject, body] if !subject.is_empty() => {
            Some(Commit { subject: (*subject).to_owned(), body: body.trim().to_owned() })
        }
        _ => None,
    };
    parts.chunks(2).filter_map(commit).collect()
}

/// None is a pattern that cannot be compiled: a test says so.
type Pattern = LazyLock<Option<Regex>>;

static CLOSES: Pattern =
    LazyLock::new(|| Regex::new(r"(?i)\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+#([0-9]{1,9})\b").ok());
static NAMES: Pattern = LazyLock::new(|| Regex::new(r"(?:^|[\s(\[,;:])#([0-9]{1,9})\b").ok());
/// `123-name`, `fix/123-name`, `issue-123`, `gh-123`; not a date.
static OF_A_BRANCH: Pattern =
    LazyLock::new(|| Regex::new(r"(?i)(?:^|/)(?:issue[-_]?|gh[-_]?)?([0-9]{1,9})(?:[-_][^0-9/][^/]*)?$").ok());

fn numbers(pattern: &Pattern, text: &str) -> Vec<u64> {
    let found = pattern.iter().flat_map(|pattern| pattern.captures_iter(text));
    found.filter_map(|captures| captures.get(1)?.as_str().parse().ok()).filter(|number| *number > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(branch: &str, commits: &[(&str, &str)]) -> Change {
        let commit =
            |(subject, body): &(&str, &str)| Commit { subject: (*subject).to_owned(), body: (*body).to_owned() };
        let commits = commits.iter().map(commit).collect();
        Change { branch: branch.to_owned(), base: "main".to_owned(), commits, files: Vec::new() }
    }

    #[test]
    fn issues_are_found_in_commits_and_in_the_branch() {
        assert!([&CLOSES, &NAMES, &OF_A_BRANCH].iter().all(|pattern| pattern.is_some()));
        let issues = |branch: &str, commits: &[(&str, &str)]| {
            let Issues { closes, names } = change(branch, commits).issues();
            (Vec::from_iter(closes), Vec::from_iter(names))
        };
        assert_eq!(issues("x", &[("Mend it (#7)", "Fixes #12 and resolves: #13, see #7")]), (vec![12, 13], vec![7]));
        assert_eq!(issues("x", &[("colour #fff, a#1, &#39;", "prefix#4")]), (vec![], vec![]));
        for (branch, number) in [("123-name", 123), ("fix/45-a-b", 45), ("issue-6", 6), ("mona/gh-8_x", 8), ("9", 9)] {
            assert_eq!(issues(branch, &[]).1, [number], "{branch}");
        }
        for branch in ["main", "release-1.2", "2026-01-02-notes", "v2", "fix/1/2x", "0"] {
            assert_eq!(issues(branch, &[]).1, Vec::<u64>::new(), "{branch}");
        }
    }

    #[test]
    fn a_title_is_the_only_commit_or_the_branch() {
        assert_eq!(change("x", &[("Mend it", "")]).title(), "Mend it");
        assert_eq!(change("fix/12-login-loop", &[("a", ""), ("b", "")]).title(), "Login loop");
        assert_eq!(change("fix/12", &[("a", ""), ("b", "")]).title(), "a");
        let read = commits("One\0body\nmore\n\0Two\0\0");
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].body.as_str(), read[1].subject.as_str()), ("body\nmore", "Two"));
    }
}
