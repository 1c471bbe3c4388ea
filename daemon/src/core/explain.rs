//! Explanations: the trace of one evaluation, the same text in CLI, API, page and comment.

use serde::{Deserialize, Serialize};

/// What a condition came to. `Unknown` only while a fact is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    /// What `not` makes of it.
    pub fn flipped(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// A node of the explanation tree: one phrase with the value seen, and for `all`, `any` and `not` the parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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

    /// The leaf that settled it, in one phrase: what a table has room for. Of a `not` that is the part negated.
    pub fn reason(&self) -> &str {
        let decisive = self.parts.iter().find(|part| part.truth == self.truth);
        decisive.or(self.parts.first()).map_or(&self.phrase, |part| part.reason())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Explanation {
        let absent = Explanation::leaf(false, "label `no-bot` is absent");
        let not = Explanation { truth: Truth::True, phrase: "it is not so that".to_owned(), parts: vec![absent] };
        let draft = Explanation::leaf(true, "is a draft");
        Explanation { truth: Truth::True, phrase: "all hold".to_owned(), parts: vec![not, draft] }
    }

    #[test]
    fn the_tree_prints_as_indented_lines() {
        let lines = ["✓ all hold", "  ✓ it is not so that", "    ✗ label `no-bot` is absent", "  ✓ is a draft"];
        assert_eq!(tree().lines(), lines);
    }

    #[test]
    fn the_reason_is_the_leaf_that_settled_it() {
        assert_eq!(tree().reason(), "label `no-bot` is absent");
        let mut failed = tree();
        failed.truth = Truth::False;
        failed.parts[1] = Explanation::leaf(false, "is not a draft");
        assert_eq!(failed.reason(), "is not a draft");
        assert_eq!(Explanation::leaf(Truth::Unknown, "alone").reason(), "alone");
    }

    #[test]
    fn a_leaf_is_stored_without_parts() {
        let stored = serde_json::to_string(&Explanation::leaf(true, "is a draft"));
        assert_eq!(stored.ok().as_deref(), Some(r#"{"truth":"true","phrase":"is a draft"}"#));
    }
}
