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
    matcher: Matcher,
}

#[derive(Clone, Debug)]
enum Matcher {
    /// `**` over paths and repositories: what most rules say of the latter.
    Any,
    /// A text without wildcards: most labels, logins and branches.
    Exactly(String),
    ExactlyButForCase(String),
    Below(Below),
    Glob(GlobMatcher),
}

/// `docs/**`, `acme/*`: what most globs over paths and repositories are. A tenth of the time that a regex takes.
#[derive(Clone, Debug)]
struct Below {
    /// With its `/`.
    folder: String,
    case: Case,
    /// `**`: at any depth.
    deep: bool,
}

impl Below {
    fn parse(glob: &str, case: Case) -> Option<Self> {
        let (folder, deep) = match glob.strip_suffix("**") {
            Some(folder) => (folder, true),
            None => (glob.strip_suffix('*')?, false),
        };
        let plain = folder.len() > 1 && folder.ends_with('/') && is_plain(folder);
        plain.then(|| Self { folder: folder.to_owned(), case, deep })
    }

    fn holds(&self, text: &str) -> bool {
        let Some((start, rest)) = text.as_bytes().split_at_checked(self.folder.len()) else { return false };
        let is_there = match self.case {
            Case::Sensitive => start == self.folder.as_bytes(),
            Case::Insensitive => start.eq_ignore_ascii_case(self.folder.as_bytes()),
        };
        is_there && (self.deep || !rest.contains(&b'/'))
    }
}

/// No character with a meaning of its own, and none whose case is more than a bit.
fn is_plain(glob: &str) -> bool {
    glob.bytes().all(|b| b.is_ascii() && !b"*?[]{}\\!".contains(&b))
}

impl Matcher {
    fn compile(glob: &str, case: Case, has_segments: bool) -> Result<Self, globset::Error> {
        if has_segments && glob == "**" {
            return Ok(Self::Any);
        }
        if let Some(below) = Below::parse(glob, case).filter(|_| has_segments) {
            return Ok(Self::Below(below));
        }
        if is_plain(glob) {
            let text = glob.to_owned();
            return Ok(match case {
                Case::Sensitive => Self::Exactly(text),
                Case::Insensitive => Self::ExactlyButForCase(text),
            });
        }
        let mut builder = GlobBuilder::new(glob);
        let builder = builder.literal_separator(has_segments).backslash_escape(true);
        let compiled = builder.case_insensitive(case == Case::Insensitive).build()?;
        Ok(Self::Glob(compiled.compile_matcher()))
    }

    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(wanted) => wanted == text,
            Self::ExactlyButForCase(wanted) => wanted.eq_ignore_ascii_case(text),
            Self::Below(below) => below.holds(text),
            Self::Glob(glob) => glob.is_match(text),
        }
    }
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
        Self::compile(texts, |glob| Matcher::compile(glob, case, true))
    }

    /// Globs over names that people and apps have given (logins, labels, checks): letters' case does not matter, `*`
    /// fits any text, also one with `/`, and brackets stand for themselves, so that `dependabot[bot]` means that bot.
    ///
    /// # Errors
    /// The first pattern that does not parse.
    pub fn of_names<S: AsRef<str>>(texts: &[S]) -> Result<Self, NotAGlob> {
        Self::compile(texts, |name| {
            let escaped = name.replace('[', "\\[").replace(']', "\\]");
            Matcher::compile(&escaped, Case::Insensitive, false)
        })
    }

    fn compile<S: AsRef<str>>(
        texts: &[S],
        matcher: impl Fn(&str) -> Result<Matcher, globset::Error>,
    ) -> Result<Self, NotAGlob> {
        let compile = |text: &S| {
            let text = text.as_ref();
            let (negated, glob) = match text.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, text),
            };
            let refuse = |reason: String| NotAGlob { pattern: text.to_owned(), reason };
            if glob.is_empty() {
                return Err(refuse("it is empty".to_owned()));
            }
            let matcher = matcher(glob).map_err(|error| refuse(error.kind().to_string()))?;
            Ok(Pattern { negated, matcher })
        };
        Ok(Self {
            patterns: texts.iter().map(compile).collect::<Result<_, _>>()?,
            texts: texts.iter().map(|text| text.as_ref().to_owned()).collect(),
        })
    }

    /// Whether the list selects this text.
    pub fn selects(&self, text: &str) -> bool {
        match self.patterns.iter().rev().find(|pattern| pattern.matcher.fits(text)) {
            Some(pattern) => !pattern.negated,
            None => self.patterns.iter().all(|pattern| pattern.negated),
        }
    }

    /// The patterns as written.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_pattern_that_fits_decides() {
        for (patterns, text, selected) in [
            (&["docs/**"][..], "docs/a/b.md", true),
            (&["docs/*"], "docs/a/b.md", false),
            (&["*.md"], "README.md", true),
            (&["*.md"], "docs/README.md", false),
            (&["**/*.md"], "README.md", true),
            (&["docs/**", "!docs/secret/**"], "docs/secret/a", false),
            (&["docs/**", "!docs/secret/**", "docs/secret/open"], "docs/secret/open", true),
            (&["!acme/secret"], "acme/site", true),
            (&["!acme/secret"], "acme/secret", false),
            (&["src/{a,b}.rs"], "src/b.rs", true),
            (&["main"], "Main", false),
            (&[], "anything", true),
        ] {
            let globs = Globs::parse(patterns, Case::Sensitive).unwrap();
            assert_eq!(globs.selects(text), selected, "{patterns:?} on {text}");
        }
    }

    #[test]
    fn names_ignore_case_and_keep_their_brackets() {
        for (pattern, name, selected) in [
            ("dependabot[bot]", "dependabot[bot]", true),
            ("Dependabot[BOT]", "dependabot[bot]", true),
            ("dependabot[bot]", "dependabotb", false),
            ("*[bot]", "renovate[bot]", true),
            ("octocat", "OctoCat", true),
            ("acme/*", "ACME/site", true),
            ("test*", "Test / linux (stable)", true),
        ] {
            assert_eq!(Globs::of_names(&[pattern]).unwrap().selects(name), selected, "{pattern} on {name}");
        }
        assert_eq!(Globs::of_names(&["a[b]"]).unwrap().texts(), ["a[b]"]);
    }

    #[test]
    fn a_broken_glob_is_named() {
        let error = Globs::parse(&["ok", "a[b"], Case::Sensitive).expect_err("it is broken");
        assert!(error.to_string().starts_with("`a[b` is not a glob: "), "{error}");
        assert!(Globs::parse(&["!"], Case::Sensitive).is_err());
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused_and_never_panics(pattern in "\\PC{0,40}", text in "\\PC{0,40}") {
            for globs in [Globs::parse(&[&pattern], Case::Sensitive), Globs::of_names(&[&pattern])] {
                globs.map(|globs| globs.selects(&text)).ok();
            }
        }

        /// Texts near the edges: the folder itself, empty names, double slashes, letters beyond ASCII.
        #[test]
        fn a_folder_is_looked_up_as_the_glob_says(
            folder in "[a-cA-C]{0,2}/?[a-b]{0,1}/",
            deep: bool,
            text in "[a-cA-Cé/]{0,7}",
            insensitive: bool,
        ) {
            let case = if insensitive { Case::Insensitive } else { Case::Sensitive };
            let glob = format!("{folder}{}", if deep { "**" } else { "*" });
            let by_glob = GlobBuilder::new(&glob).literal_separator(true).case_insensitive(insensitive).build().unwrap();
            if let Some(below) = Below::parse(&glob, case) {
                prop_assert_eq!(below.holds(&text), by_glob.compile_matcher().is_match(&text), "{} on {}", glob, text);
            }
        }

        #[test]
        fn a_plain_text_selects_itself(text in "[a-zA-Z0-9 ._/-]{1,30}") {
            prop_assert!(Globs::parse(&[&text], Case::Sensitive).unwrap().selects(&text));
            prop_assert!(Globs::of_names(&[text.to_uppercase()]).unwrap().selects(&text));
        }
    }
}
