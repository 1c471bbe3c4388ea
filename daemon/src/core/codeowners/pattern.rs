//! A pattern of a CODEOWNERS line: as in `.gitignore`, but for `!`, `[…]` and a `\#` at its start, which GitHub does not take.

use std::str::Chars;

/// What a pattern's path has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// `docs/*`: the path itself.
    Itself,
    /// `docs/api`: the path itself, or what lies below it.
    OrBelow,
    /// `docs/`, `docs/**`: what lies below it.
    Below,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// `**`: any number of folders.
    Folders,
    /// A folder or file.
    Name(Vec<Part>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Is(char),
    /// `?`
    Any,
    /// `*`
    Some,
}

/// Compiled once; a path of n segments takes at most n times the pattern's steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    steps: Vec<Step>,
    end: End,
}

impl Pattern {
    /// # Errors
    /// When GitHub does not understand it: why.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.starts_with('!') {
            return Err("a pattern cannot be turned around with `!`");
        }
        if text.starts_with("\\#") {
            return Err("a pattern cannot begin with `\\#`");
        }
        if text.contains(['[', ']']) {
            return Err("a pattern knows no ranges of characters, `[…]`");
        }
        if text.is_empty() || text.contains("***") {
            return Err("a pattern has one star or two, not three");
        }
        let (text, end) = match text.strip_suffix('/') {
            Some(folder) => (folder, End::Below),
            None => (text, End::OrBelow),
        };
        // A slash at the start or in the middle ties the pattern to the root.
        let rooted = text.contains('/');
        let mut steps: Vec<Step> = text.split('/').filter(|name| !name.is_empty()).map(step).collect();
        if !rooted && !steps.is_empty() {
            steps.insert(0, Step::Folders);
        }
        let end = match (steps.last(), end) {
            (Some(Step::Folders), _) => End::Below,
            (Some(Step::Name(parts)), End::OrBelow) if *parts == [Part::Some] && rooted => End::Itself,
            (_, end) => end,
        };
        Ok(Self { steps, end })
    }

    /// What every path begins with that it fits.
    pub(super) fn root(&self) -> String {
        let mut root = String::new();
        for step in &self.steps {
            let Step::Name(parts) = step else { break };
            for part in parts {
                let Part::Is(letter) = part else { return root };
                root.push(*letter);
            }
            root.push('/');
        }
        // The last name may be that of a file.
        root.truncate(root.trim_end_matches('/').len());
        root
    }

    /// `path` has no slash at its start.
    pub(super) fn fits(&self, path: &str) -> bool {
        match self.steps.as_slice() {
            // `/` alone names nothing.
            [] => false,
            // The usual ones, for which nothing has to be remembered.
            [Step::Folders, Step::Name(parts)] if self.end != End::Itself => {
                let mut names = path.split('/');
                let found = names.by_ref().any(|name| name_fits(parts, name));
                found && (self.end == End::OrBelow || names.next().is_some())
            }
            steps if !steps.contains(&Step::Folders) => self.fits_names(path),
            _ => self.fits_anyhow(path),
        }
    }

    /// Of a pattern without `**`: name by name.
    fn fits_names(&self, path: &str) -> bool {
        let mut names = path.split('/');
        let each = |step: &Step| match step {
            Step::Folders => false,
            Step::Name(parts) => names.next().is_some_and(|name| name_fits(parts, name)),
        };
        let all = self.steps.iter().all(each);
        all && match self.end {
            End::Itself => names.next().is_none(),
            End::OrBelow => true,
            End::Below => names.next().is_some(),
        }
    }

    fn fits_anyhow(&self, path: &str) -> bool {
        let last = self.steps.len();
        let mut at = vec![false; last + 1];
        at[0] = true;
        let mut names = path.split('/').peekable();
        loop {
            for step in 0..last {
                at[step + 1] |= at[step] && self.steps[step] == Step::Folders;
            }
            let more = names.peek().is_some();
            let ends = match self.end {
                End::Itself => !more,
                End::OrBelow => true,
                End::Below => more,
            };
            if at[last] && ends {
                return true;
            }
            let Some(name) = names.next() else { return false };
            let taken = |step: usize| match &self.steps[step] {
                Step::Folders => false,
                Step::Name(parts) => at[step] && name_fits(parts, name),
            };
            let stays = |step: usize| step < last && at[step] && self.steps[step] == Step::Folders;
            at = (0..=last).map(|step| stays(step) || step > 0 && taken(step - 1)).collect();
        }
    }
}

fn step(name: &str) -> Step {
    if name == "**" {
        return Step::Folders;
    }
    let mut parts = Vec::with_capacity(name.len());
    let mut letters = name.chars();
    while let Some(letter) = letters.next() {
        parts.push(match letter {
            '\\' => Part::Is(letters.next().unwrap_or('\\')),
            '*' => Part::Some,
            '?' => Part::Any,
            letter => Part::Is(letter),
        });
    }
    Step::Name(parts)
}

/// Goes back to the latest `*` only: an earlier one can take no more than that one can.
fn name_fits(parts: &[Part], name: &str) -> bool {
    let (mut part, mut left) = (0, name.chars());
    // Behind the latest star, and what of the name it has not taken yet.
    let mut star: Option<(usize, Chars<'_>)> = None;
    loop {
        let here = left.clone();
        let next = left.next();
        match (parts.get(part), next) {
            (Some(Part::Some), _) => {
                left = here.clone();
                star = Some((part + 1, here));
                part += 1;
            }
            (Some(Part::Any), Some(_)) => part += 1,
            (Some(Part::Is(wanted)), Some(letter)) if *wanted == letter => part += 1,
            (None, None) => return true,
            // What the star would take more of is used up.
            (Some(_), None) => return false,
            // The star takes one more.
            (_, Some(_)) => {
                let Some((behind, mut from)) = star.take() else { return false };
                from.next();
                (part, left) = (behind, from.clone());
                star = Some((behind, from));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use globset::GlobBuilder;
    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, path: &str) -> bool {
        Pattern::parse(pattern).unwrap().fits(path)
    }

    /// What GitHub's page says, with its own examples, and what follows from `.gitignore`.
    #[test]
    fn githubs_own_examples() {
        for (pattern, fitting, others) in [
            ("*", &["a", "a/b/c"][..], &[][..]),
            ("*.js", &["a.js", "src/a.js", "odd.js/x"], &["a.jsx"]),
            ("/build/logs/", &["build/logs/a", "build/logs/a/b"], &["x/build/logs/a", "build/logs"]),
            ("docs/*", &["docs/getting-started.md"], &["docs/build-app/troubleshooting.md", "a/docs/b", "docs"]),
            ("apps/", &["apps/a", "x/apps/a/b"], &["apps"]),
            ("/docs/", &["docs/a/b"], &["x/docs/a"]),
            ("/apps/github", &["apps/github", "apps/github/x"], &["apps/github.md", "x/apps/github"]),
            ("/scripts/**", &["scripts/a", "scripts/a/b"], &["scripts", "x/scripts/a"]),
            ("**/logs", &["logs", "build/logs", "build/logs/x", "a/b/logs"], &["logs.txt", "a/logsx"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b/z"], &["a", "x/a/b", "a/xb"]),
            ("docs", &["docs", "docs/a", "x/docs/a"], &["docs.md"]),
            ("/*", &["a"], &["a/b"]),
            ("/*/", &["a/b", "a/b/c"], &["a"]),
            ("src/*/test", &["src/a/test", "src/a/test/b"], &["src/test", "src/a/b/test"]),
            ("f?o", &["foo", "x/fxo"], &["fo", "f/o"]),
            ("f\\*o", &["f*o"], &["foo"]),
            ("a\\ b/", &["a b/c"], &["a/b"]),
            ("/", &[], &["a", ""]),
            ("**", &["a", "a/b"], &[]),
            ("Docs/", &["Docs/a"], &["docs/a"]),
        ] {
            for path in fitting {
                assert!(fits(pattern, path), "{pattern} fits {path}");
            }
            for path in others {
                assert!(!fits(pattern, path), "{pattern} does not fit {path}");
            }
        }
    }

    /// The same said as globs, by a crate that knows nothing of this file.
    fn as_globs(pattern: &str) -> Vec<String> {
        let folder = pattern.ends_with('/');
        let text = pattern.strip_suffix('/').unwrap_or(pattern);
        let rooted = text.contains('/');
        let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            return Vec::new();
        }
        let path = format!("{}{}", if rooted { "" } else { "**/" }, names.join("/"));
        let below = if path.ends_with("**") { path.clone() } else { format!("{path}/**") };
        match names.last() {
            Some(&"**") => vec![below],
            _ if folder => vec![below],
            Some(&"*") if rooted => vec![path],
            _ => vec![path, below],
        }
    }

    proptest! {
        #[test]
        fn it_fits_what_the_globs_fit(
            pattern in "/?([ab]{1,2}|\\*|\\*\\*|a\\*|\\?|\\*b\\*)(/([ab]|\\*|\\*\\*|b\\*a)){0,3}/?",
            path in "[ab]{1,3}(/[ab]{1,2}){0,4}",
        ) {
            let by_globs = as_globs(&pattern).iter().any(|glob| {
                GlobBuilder::new(glob).literal_separator(true).build().unwrap().compile_matcher().is_match(&path)
            });
            prop_assert_eq!(fits(&pattern, &path), by_globs, "{} on {}", pattern, path);
        }

        #[test]
        fn what_it_fits_begins_with_its_root(
            pattern in "/?([ab]{1,2}|\\*|\\*\\*|a\\*|\\?)(/([ab]|\\*|\\*\\*|b\\*a)){0,3}/?",
            path in "[ab]{1,3}(/[ab]{1,2}){0,4}",
        ) {
            let pattern = Pattern::parse(&pattern).unwrap();
            prop_assert!(!pattern.fits(&path) || path.starts_with(&pattern.root()), "{}", pattern.root());
        }

        #[test]
        fn a_plain_path_fits_itself_and_what_is_below(path in "[a-z]{1,4}(/[a-z]{1,4}){0,3}", below in "[a-z]{1,4}") {
            let pattern = format!("/{path}");
            prop_assert!(fits(&pattern, &path));
            let inside = format!("{}/{}", path, below);
            prop_assert!(fits(&pattern, &inside));
            let folder = format!("{}/", pattern);
            prop_assert!(!fits(&folder, &path) && fits(&folder, &inside));
            let longer = format!("{}{}", path, below);
            prop_assert!(!fits(&pattern, &longer));
        }

        #[test]
        fn many_stars_take_no_longer_than_few(stars in 1_usize..40) {
            let name = "*a".repeat(stars) + "b";
            let folders = "**/".repeat(stars) + "x";
            prop_assert!(!fits(&name, &"a".repeat(200)));
            prop_assert!(!fits(&folders, &"a/".repeat(200)));
        }
    }
}
