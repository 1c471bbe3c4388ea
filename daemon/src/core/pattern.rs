//! Patterns a rule is written with: globs with negation. Compiled once, when the config is loaded.

use globset::{GlobBuilder, GlobMatcher};

/// A list of globs in which `!` negates and the last pattern that fits decides, as in `.gitignore`.
/// `*` stays within one path segment, `**` crosses them. A list of negations alone selects everything else.
#[derive(Clone, Debug)]
pub struct Globs {
    patterns: Vec<Pattern>,
    texts: Vec<String>,
}

#[derive(Clone, Debug)]
struct Pattern {
    negated: bool,
    matcher: GlobMatcher,
}

/// Why a text is not a glob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a glob: {reason}")]
pub struct NotAGlob {
    pub pattern: String,
    pub reason: String,
}

/// Letters' case: repositories, labels and logins ignore it on GitHub, paths and branches do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Sensitive,
    Insensitive,
}

impl Globs {
    /// # Errors
    /// The first pattern that does not parse.
    pub fn parse<S: AsRef<str>>(texts: &[S], case: Case) -> Result<Self, NotAGlob> {
        let compile = |text: &S| {
            let text = text.as_ref();
            let (negated, glob) = match text.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, text),
            };
            let compiled = GlobBuilder::new(glob)
                .literal_separator(true)
                .case_insensitive(case == Case::Insensitive)
                .build()
                .map_err(|error| NotAGlob { pattern: text.to_owned(), reason: error.kind().to_string() })?;
            Ok(Pattern { negated, matcher: compiled.compile_matcher() })
        };
        Ok(Self {
            patterns: texts.iter().map(compile).collect::<Result<_, _>>()?,
            texts: texts.iter().map(|text| text.as_ref().to_owned()).collect(),
        })
    }

    /// Whether the list selects this text.
    pub fn selects(&self, text: &str) -> bool {
        match self.patterns.iter().rev().find(|pattern| pattern.matcher.is_match(text)) {
            Some(pattern) => !pattern.negated,
            None => self.patterns.iter().all(|pattern| pattern.negated),
        }
    }

    /// The patterns as written.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}
