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

/// Words of GitHub's API that stand in a path at the place of a collection.
const COLLECTIONS: [&str; 14] = [
    "access_tokens",
    "assignees",
    "check-runs",
    "comments",
    "commits",
    "contents",
    "files",
    "installations",
    "issues",
    "labels",
    "pulls",
    "reviews",
    "status",
    "repos",
];

/// The path with everything that varies replaced, so that it can label a metric: `/repos/:o/:r/issues/:id/labels/:id`.
pub(super) fn class(path: &str) -> String {
    let path = path.strip_prefix("/api/v3").unwrap_or(path);
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let named = |at: usize, part: &str| {
        if parts[0] == "repos" {
            let comment = at == 4 && part == "comments";
            COLLECTIONS.contains(&part) && (at % 2 == 1 && at >= 3 || comment || at == 0)
        } else {
            at == 0 && matches!(part, "app" | "meta" | "rate_limit") || COLLECTIONS.contains(&part)
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
    fn a_class_holds_no_name() {
        for (path, expected) in [
            ("/repos/acme/labels/issues/5/labels/pulls", "/repos/:owner/:repo/issues/:id/labels/:id"),
            ("/repos/issues/pulls/issues/comments/77", "/repos/:owner/:repo/issues/comments/:id"),
            ("/api/v3/repos/a/b/commits/abc/check-runs", "/repos/:owner/:repo/commits/:id/check-runs"),
            ("/app/installations/5/access_tokens", "/app/installations/:id/access_tokens"),
            ("/meta", "/meta"),
            ("/repositories/55/issues", "/:id/:id/issues"),
            ("/", "/:id"),
            ("", ""),
        ] {
            assert_eq!(class(path), expected, "{path}");
        }
    }
}
