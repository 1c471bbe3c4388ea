//! Explanations: the trace of one evaluation, the same text in CLI, API, page and comment.

use serde::{Deserialize, Serialize};

/// What a condition came to. `Unknown` only while a fact is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    True,
    False,
    Unknown,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// A node of the explanation tree: one phrase with the value seen, and for `all`, `any` and `not` the parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    pub truth: Truth,
    /// For a person: "label `no-bot` is absent".
    pub phrase: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Explanation>,
}

impl Explanation {
    pub fn leaf(truth: impl Into<Truth>, phrase: impl Into<String>) -> Self {
        Self { truth: truth.into(), phrase: phrase.into(), parts: Vec::new() }
    }

    /// The tree as indented lines, each marked `✓`, `✗` or `?`.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.push_lines(0, &mut lines);
        lines
    }

    fn push_lines(&self, depth: usize, lines: &mut Vec<String>) {
        let mark = match self.truth {
            Truth::True => '✓',
            Truth::False => '✗',
            Truth::Unknown => '?',
        };
        lines.push(format!("{}{mark} {}", "  ".repeat(depth), self.phrase));
        for part in &self.parts {
            part.push_lines(depth + 1, lines);
        }
    }

    /// The leaf that settled it, in one phrase: what a table has room for.
    pub fn reason(&self) -> &str {
        let decisive = self.parts.iter().find(|part| part.truth == self.truth);
        decisive.map_or(&self.phrase, |part| part.reason())
    }
}
