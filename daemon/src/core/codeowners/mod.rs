//! A CODEOWNERS file: who owns which paths of a repository.
//!
//! Owns GitHub's syntax of the file and which line decides about a path. Refuses to know where the file lies, and whether
//! an owner exists. Invariant: any text is read; a line that GitHub would not understand is skipped, as GitHub skips it,
//! and counts as if it were not there.
//! <https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners>

mod pattern;

use pattern::Pattern;

use super::reviewer::Reviewer;

/// Where GitHub looks for the file, in this order; the first that exists is the one.
pub const PLACES: [&str; 3] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];

/// An owner as a line names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// `@alice` or `@acme/docs`.
    Reviewer(Reviewer),
    /// A mail address: only GitHub knows whose it is.
    Mail(String),
}

#[derive(Clone, Debug)]
struct Line {
    pattern: Pattern,
    owners: Vec<Owner>,
}

/// The lines that say something, in the order of the file.
#[derive(Clone, Debug)]
pub struct CodeOwners {
    lines: Vec<Line>,
}

impl CodeOwners {
    pub fn parse(text: &str) -> Self {
        // Editors of old put a mark at the start of a file.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { lines: text.lines().filter_map(read_line).collect() }
    }

    /// How many lines say something.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The owners of a path (`docs/a.md`), by the last line that fits it. Empty: nobody owns it.
    pub fn owners_of(&self, path: &str) -> &[Owner] {
        let decides = self.lines.iter().rev().find(|line| line.pattern.fits(path));
        decides.map_or(&[], |line| &line.owners)
    }
}

fn read_line(line: &str) -> Option<Line> {
    let mut words = words(line);
    let pattern = Pattern::parse(words.next()?)?;
    let owners = words.map(read_owner).collect::<Option<Vec<_>>>()?;
    Some(Line { pattern, owners })
}

/// The words of a line up to its comment. A space behind a backslash parts no words.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    let next = std::iter::from_fn(move || {
        rest = rest.trim_start();
        let mut escaped = false;
        let end = rest.find(|c: char| {
            let parts = c.is_whitespace() && !escaped;
            escaped = c == '\\' && !escaped;
            parts
        });
        let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind;
        (!word.is_empty()).then_some(word)
    });
    next.take_while(|word| !word.starts_with('#'))
}

/// `None`: no owner, so GitHub skips the whole line.
fn read_owner(word: &str) -> Option<Owner> {
    if word.starts_with('@') {
        return Reviewer::parse(word).ok().map(Owner::Reviewer);
    }
    let (name, host) = word.split_once('@')?;
    (!name.is_empty() && !host.is_empty() && !host.contains('@')).then(|| Owner::Mail(word.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owners(file: &str, path: &str) -> Vec<String> {
        let named = |owner: &Owner| match owner {
            Owner::Reviewer(reviewer) => reviewer.to_string(),
            Owner::Mail(mail) => mail.clone(),
        };
        CodeOwners::parse(file).owners_of(path).iter().map(named).collect()
    }

    #[test]
    fn the_last_line_that_fits_decides() {
        let file = "\
# Who looks at what
*           @everyone
*.js        @js   # the front end
/docs/      @acme/docs docs@example.com
/docs/api
apps/\t@octocat
";
        for (path, expected) in [
            ("README.md", &["everyone"][..]),
            ("src/a.js", &["js"]),
            ("docs/a.js", &["acme/docs", "docs@example.com"]),
            ("docs/api/a.js", &[]),
            ("tools/apps/x/y", &["octocat"]),
        ] {
            assert_eq!(owners(file, path), expected, "{path}");
        }
    }

    #[test]
    fn lines_github_does_not_understand_are_skipped() {
        let skipped = ["!*.js @no", "src/[ab].js @no", "\\#a @no", "*.js no-at-sign", "*.js @a b", "[Docs]", "*.js @é"];
        for line in skipped {
            assert_eq!(owners(&format!("* @yes\n{line}\n"), "src/a.js"), ["yes"], "{line}");
        }
    }

    #[test]
    fn spaces_comments_and_line_ends() {
        assert_eq!(owners("my\\ docs/ @a\r\n", "my docs/x"), ["a"]);
        assert_eq!(owners("a#b @a\n", "a#b"), ["a"]);
        assert_eq!(owners("* @a\n/x # nobody's @b\n", "x"), [] as [&str; 0]);
        assert_eq!(owners("\u{feff}* @a", "x"), ["a"]);
        assert_eq!(CodeOwners::parse("# nothing\n\n  \n").len(), 0);
    }

    /// Lines over few letters, so that they meet.
    fn any_file() -> impl Strategy<Value = Vec<(String, usize)>> {
        prop::collection::vec(("[ab/*?]{1,5}", 0_usize..3), 0..8)
    }

    proptest! {
        #[test]
        fn any_text_is_read(file in "\\PC{0,60}", path in "\\PC{0,30}") {
            CodeOwners::parse(&file).owners_of(&path);
        }

        #[test]
        fn the_last_match_wins(file in any_file(), path in "[ab]{1,2}(/[ab]{1,2}){0,2}") {
            let line = |(pattern, owner): &(String, usize)| match owner {
                0 => format!("{pattern}\n"),
                _ => format!("{pattern} @owner{owner}\n"),
            };
            let text: String = file.iter().map(line).collect();
            let alone = |each: &&(String, usize)| Pattern::parse(&each.0).is_some_and(|pattern| pattern.fits(&path));
            let expected = match file.iter().rfind(alone) {
                None | Some((_, 0)) => vec![],
                Some((_, owner)) => vec![format!("owner{owner}")],
            };
            prop_assert_eq!(owners(&text, &path), expected, "{}", text);
        }

        #[test]
        fn comments_and_empty_lines_change_nothing(file in any_file(), path in "[ab](/[ab]){0,2}", at in 0_usize..8) {
            let mut lines: Vec<String> = file.iter().map(|(pattern, owner)| format!("{pattern} @o{owner}")).collect();
            let plain = owners(&lines.join("\n"), &path);
            lines.insert(at.min(lines.len()), "  # * @nobody".to_owned());
            lines.insert(0, String::new());
            let spaced: Vec<String> = lines.iter().map(|line| format!("  {line}\t # said\r")).collect();
            prop_assert_eq!(owners(&spaced.join("\n"), &path), plain);
        }
    }
}
