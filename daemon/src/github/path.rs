//! Paths below `api_url`, built so that no name can reach another path.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::core::event::RepoName;

/// What stands for itself in a path segment (RFC 3986 "unreserved").
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// `/repos/OWNER/NAME` followed by `below`, which starts with `/` and holds no unescaped name.
pub fn repository(name: &RepoName, below: impl fmt::Display) -> String {
    format!("/repos/{}/{}{below}", name.owner(), name.name())
}

/// A name (of a label, a user, a branch) as one segment of a path. `.` and `..`, which a URL would drop, are escaped.
pub fn segment(text: &str) -> String {
    match text {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => utf8_percent_encode(text, SEGMENT).to_string(),
    }
}

/// The issue or pull request that a path below `api_url` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    /// `owner/name`
    pub repository: &'a str,
    /// 0: the repository, or something else in it.
    pub number: u64,
    /// The event that GitHub sends whenever what is below this path changes.
    pub told_by: Option<&'static str>,
}

impl<'a> Item<'a> {
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let path = path.split('?').next().unwrap_or(path);
        let rest = path.strip_prefix("/repos/")?;
        let mut slashes = rest.match_indices('/').map(|(at, _)| at);
        slashes.next()?;
        let end = slashes.next().unwrap_or(rest.len());
        let mut parts = rest[end..].split('/').skip(1);
        let kind = parts.next().filter(|kind| matches!(*kind, "pulls" | "issues"));
        let number = kind.and(parts.next()).and_then(|number| number.parse().ok()).unwrap_or(0);
        let told_by = match (kind, number, parts.next()) {
            (Some("pulls"), 1.., None | Some("files")) => Some("pull_request"),
            (Some("pulls"), 1.., Some("reviews")) => Some("pull_request_review"),
            _ => None,
        };
        Some(Self { repository: &rest[..end], number, told_by })
    }
}

/// Words of GitHub's API that stand in a path at the place of a collection.
const COLLECTIONS: [&str; 36] = [
    "access_tokens",
    "actions",
    "assignees",
    "attempts",
    "check-runs",
    "collaborators",
    "comments",
    "commits",
    "contents",
    "deliveries",
    "dismissals",
    "dispatches",
    "events",
    "files",
    "git",
    "hook",
    "installations",
    "issues",
    "jobs",
    "labels",
    "lock",
    "members",
    "milestones",
    "orgs",
    "permission",
    "pulls",
    "reactions",
    "repositories",
    "requested_reviewers",
    "reviews",
    "runs",
    "status",
    "statuses",
    "teams",
    "timeline",
    "repos",
];

/// The path with everything that varies replaced, so that it can label a metric: `/repos/:o/:r/issues/:id/labels/:id`.
pub(super) fn class(path: &str) -> String {
    let path = path.strip_prefix("/api/v3").unwrap_or(path);
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let named = |at: usize, part: &str| {
        if parts[0] == "repos" {
            let comment = at == 4 && part == "comments";
            let reference = at == 4 && parts[3] == "git";
            COLLECTIONS.contains(&part) && (at % 2 == 1 && at >= 3 || comment || at == 0) || reference
        } else {
            at == 0 && matches!(part, "app" | "graphql" | "installation" | "meta" | "rate_limit")
                || COLLECTIONS.contains(&part)
        }
    };
    let mut class = String::new();
    for (at, part) in parts.iter().enumerate() {
        class.push('/');
        class.push_str(match (parts[0], at) {
            _ if named(at, part) => part,
            ("repos", 1) => ":owner",
            ("repos", 2) => ":repo",
            _ => ":id",
        });
    }
    class
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(segment("good first issue"), "good%20first%20issue");
        assert_eq!(segment("a/../b?c#d%2F"), "a%2F..%2Fb%3Fc%23d%252F");
        assert_eq!(segment(".."), "%2E%2E");
        assert_eq!(segment("größe"), "gr%C3%B6%C3%9Fe");
        let name = RepoName::parse("acme/app.js").unwrap();
        assert_eq!(repository(&name, format_args!("/issues/{}", 5)), "/repos/acme/app.js/issues/5");
    }

    #[test]
    fn a_path_tells_what_it_is_about() {
        let of = |path| Item::of(path).map(|item| (item.repository, item.number, item.told_by));
        assert_eq!(of("/repos/a/b/pulls/7/files?per_page=100"), Some(("a/b", 7, Some("pull_request"))));
        assert_eq!(of("/repos/a/b/pulls/7"), Some(("a/b", 7, Some("pull_request"))));
        assert_eq!(of("/repos/a/b/pulls/7/reviews"), Some(("a/b", 7, Some("pull_request_review"))));
        assert_eq!(of("/repos/a/b/issues/7/labels"), Some(("a/b", 7, None)));
        assert_eq!(of("/repos/a/b/issues/comments/7"), Some(("a/b", 0, None)));
        assert_eq!(of("/repos/a/b"), Some(("a/b", 0, None)));
        assert_eq!(of("/repos/a"), None);
        assert_eq!(of("/app"), None);
    }

    #[test]
    fn a_class_holds_no_name() {
        for (path, expected) in [
            ("/repos/acme/labels/issues/5/labels/pulls", "/repos/:owner/:repo/issues/:id/labels/:id"),
            ("/repos/issues/pulls/issues/comments/77", "/repos/:owner/:repo/issues/comments/:id"),
            ("/api/v3/repos/a/b/commits/abc/check-runs", "/repos/:owner/:repo/commits/:id/check-runs"),
            ("/app/installations/5/access_tokens", "/app/installations/:id/access_tokens"),
            ("/app/hook/deliveries/7/attempts", "/app/hook/deliveries/:id/attempts"),
            ("/orgs/acme/teams/docs/members", "/orgs/:id/teams/:id/members"),
            ("/repos/a/b/pulls/7/reviews/9/dismissals", "/repos/:owner/:repo/pulls/:id/reviews/:id/dismissals"),
            ("/repos/a/b/statuses/abc", "/repos/:owner/:repo/statuses/:id"),
            ("/repos/a/b/actions/runs/7/attempts/1/jobs", "/repos/:owner/:repo/actions/:id/:id/:id/:id/:id"),
            ("/repos/a/b/dispatches", "/repos/:owner/:repo/dispatches"),
            ("/meta", "/meta"),
            ("/graphql", "/graphql"),
            ("/repos/acme/web/git/ref/heads%2Flabels", "/repos/:owner/:repo/git/ref/:id"),
            ("/repos/acme/web/issues/5/lock", "/repos/:owner/:repo/issues/:id/lock"),
            ("/repos/acme/web/milestones", "/repos/:owner/:repo/milestones"),
            ("/repositories/55/issues", "/repositories/:id/issues"),
            ("/installation/repositories", "/installation/repositories"),
            ("/", "/:id"),
            ("", ""),
        ] {
            assert_eq!(class(path), expected, "{path}");
        }
    }
}
