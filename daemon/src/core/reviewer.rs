//! Who can be asked to review a pull request: a person or a team, as GitHub names them.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// `alice`, or the team `acme/docs`. Spelt as it was written; two that differ only in letters' case are the same, as they
/// are to GitHub. Holds only what GitHub allows in a name, so it is safe in a URL path and in a log line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reviewer {
    name: String,
    /// Of a team's name.
    slash: Option<usize>,
}

/// Why a text names no reviewer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a login nor a team: write `alice`, or `org/team` with the team's slug")]
pub struct NotAReviewer(String);

/// Names of apps end with this.
const BOT: &str = "[bot]";

fn is_login(text: &str) -> bool {
    let name = text.strip_suffix(BOT).unwrap_or(text);
    (1..=100).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn is_slug(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=100).contains(&text.len()) && text != "." && text != ".." && text.bytes().all(fits)
}

impl Reviewer {
    /// Parses `alice`, `@alice`, `acme/docs` or `@acme/docs`.
    ///
    /// # Errors
    /// When it is none of these, or holds a character that GitHub does not allow.
    pub fn parse(text: &str) -> Result<Self, NotAReviewer> {
        let name = text.strip_prefix('@').unwrap_or(text);
        let slash = name.find('/');
        let fits = match slash {
            None => is_login(name),
            Some(at) => is_login(&name[..at]) && !name[..at].ends_with(BOT) && is_slug(&name[at + 1..]),
        };
        let refuse = || NotAReviewer(text.chars().take(140).collect());
        if fits { Ok(Self { name: name.to_owned(), slash }) } else { Err(refuse()) }
    }

    /// Login of a person.
    pub fn login(&self) -> Option<&str> {
        self.slash.is_none().then_some(self.name.as_str())
    }

    /// Organisation and slug of a team.
    pub fn team(&self) -> Option<(&str, &str)> {
        self.slash.map(|at| (&self.name[..at], &self.name[at + 1..]))
    }
}

impl PartialEq for Reviewer {
    fn eq(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl Eq for Reviewer {}

impl Ord for Reviewer {
    fn cmp(&self, other: &Self) -> Ordering {
        let letters = |name: &Self| name.name.to_ascii_lowercase();
        letters(self).cmp(&letters(other))
    }
}

impl PartialOrd for Reviewer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Reviewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl TryFrom<String> for Reviewer {
    type Error = NotAReviewer;
    fn try_from(text: String) -> Result<Self, NotAReviewer> {
        Self::parse(&text)
    }
}

impl From<Reviewer> for String {
    fn from(reviewer: Reviewer) -> Self {
        reviewer.name
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_person_or_a_team_by_any_case() {
        let team = Reviewer::parse("@Acme/docs.web").unwrap();
        assert_eq!((team.login(), team.team()), (None, Some(("Acme", "docs.web"))));
        assert_eq!(team, Reviewer::parse("acme/DOCS.web").unwrap());
        let person = Reviewer::parse("mona_corp").unwrap();
        assert_eq!((person.login(), person.team()), (Some("mona_corp"), None));
        assert_eq!(Reviewer::parse("copilot[bot]").unwrap().to_string(), "copilot[bot]");
        let mut names = ["bob", "Alice", "alice2"].map(|name| Reviewer::parse(name).unwrap());
        names.sort();
        assert_eq!(names.map(String::from), ["Alice", "alice2", "bob"]);
    }

    #[test]
    fn what_would_leave_its_place_in_a_path_is_refused() {
        for refused in ["", "@", "a b", "a/", "/b", "a/b/c", "a/..", "../b", "a?b", "é", "a@example.com", "x[bot]/y"] {
            assert!(Reviewer::parse(refused).is_err(), "{refused}");
        }
        assert!(Reviewer::parse(&"x".repeat(101)).is_err());
    }
}
