//! A CODEOWNERS file: who owns which paths of a repository.
//!
//! Owns GitHub's syntax of the file and which line decides about a path. Refuses to know where the file lies, and whether
//! an owner exists. Invariant: any text is read; a line that GitHub would not understand is skipped, as GitHub skips it,
//! and counts as if it were not there, but for the fault that it is.
//! <https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners>

mod pattern;

use pattern::Pattern;

use super::reviewer::Reviewer;
use super::text::shortened;

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

/// A line that says something.
#[derive(Clone, Debug)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// The column of its pattern, counted from 1.
    pub column: usize,
    pattern: Pattern,
    owners: Vec<Owner>,
}

impl Line {
    pub fn fits(&self, path: &str) -> bool {
        self.pattern.fits(path)
    }

    /// What every path begins with that the line fits; it may be empty.
    pub fn root(&self) -> String {
        self.pattern.root()
    }
}

/// A line that GitHub skips. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// The lines that say something, in the order of the file.
#[derive(Clone, Debug)]
pub struct CodeOwners {
    lines: Vec<Line>,
    faults: Vec<Fault>,
}

impl CodeOwners {
    pub fn parse(text: &str) -> Self {
        // Editors of old put a mark at the start of a file.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (mut lines, mut faults) = (Vec::new(), Vec::new());
        for (at, line) in text.lines().enumerate() {
            match read_line(at + 1, line) {
                Ok(read) => lines.extend(read),
                Err(fault) => faults.push(fault),
            }
        }
        Self { lines, faults }
    }

    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The lines that GitHub skips, in the order of the file.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
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

/// `None`: it is empty, or a comment.
fn read_line(number: usize, line: &str) -> Result<Option<Line>, Fault> {
    let mut words = words(line);
    let Some((column, word)) = words.next() else { return Ok(None) };
    let fault = |column: usize, message: String| Fault { line: number, column: column + 1, message };
    let pattern = Pattern::parse(word).map_err(|message| fault(column, message.to_owned()))?;
    let owner = |(column, word): (usize, &str)| read_owner(word).ok_or_else(|| fault(column, not_an_owner(word)));
    let owners = words.map(owner).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(Line { number, column: column + 1, pattern, owners }))
}

fn not_an_owner(word: &str) -> String {
    let word = shortened(word);
    format!("`{word}` is no owner: write `@login`, `@organisation/team` or a mail address")
}

/// The words of a line up to its comment, each with the number of characters before it. A space behind a backslash parts
/// no words.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = line;
    let next = std::iter::from_fn(move || {
        rest = rest.trim_start();
        let column = line[..line.len() - rest.len()].chars().count();
        let mut escaped = false;
        let end = rest.find(|c: char| {
            let parts = c.is_whitespace() && !escaped;
            escaped = c == '\\' && !escaped;
            parts
        });
        let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind;
        (!word.is_empty()).then_some((column, word))
    });
    next.take_while(|(_, word)| !word.starts_with('#'))
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
    fn a_line_that_is_skipped_is_a_fault_with_its_place() {
        let file = "* @yes\n  !*.js @no\n\nsrc/[ab].js @no\n\\#a @no\n*.js  no-at-sign\n*.js @a é @b # @c\na***b @a\n";
        let faults: Vec<_> = CodeOwners::parse(file).faults().iter().map(|fault| (fault.line, fault.column)).collect();
        assert_eq!(faults, [(2, 3), (4, 1), (5, 1), (6, 7), (7, 9), (8, 1)]);
        let told = CodeOwners::parse("* me").faults()[0].message.clone();
        assert_eq!(told, "`me` is no owner: write `@login`, `@organisation/team` or a mail address");
    }

    /// Each example of GitHub's page, as the page says what it does.
    /// <https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners#example-of-a-codeowners-file>
    #[test]
    fn every_example_of_githubs_page() {
        // The file that the page builds up, line by line: the last that fits decides.
        let file = "\
# This is a comment.
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment.
*.go docs@example.com
*.txt @octo-org/octocats
/build/logs/ @doctocat
docs/*  docs@example.com
apps/ @octocat
/docs/ @doctocat
/scripts/ @doctocat @octocat
**/logs @octocat
";
        for (path, expected) in [
            ("README.md", &["global-owner1", "global-owner2"][..]),
            ("src/deep/down.rs", &["global-owner1", "global-owner2"]),
            ("index.js", &["js-owner"]),
            ("src/index.js", &["js-owner"]),
            ("main.go", &["docs@example.com"]),
            ("notes/a.txt", &["octo-org/octocats"]),
            ("apps/a.rs", &["octocat"]),
            ("services/apps/deep/a.js", &["octocat"]),
            ("docs/getting-started.md", &["doctocat"]),
            ("docs/build-app/troubleshooting.md", &["doctocat"]),
            ("scripts/run.sh", &["doctocat", "octocat"]),
            ("scripts/deep/run.sh", &["doctocat", "octocat"]),
            ("build/logs", &["octocat"]),
            ("build/logs/a.txt", &["octocat"]),
            ("scripts/logs/a", &["octocat"]),
            ("deeply/nested/logs/a/b", &["octocat"]),
        ] {
            assert_eq!(owners(file, path), expected, "{path}");
        }
        // Those of its examples that later lines of the same file overrule, alone.
        let everyone = ["global"];
        for (line, path, expected) in [
            ("/build/logs/ @doctocat", "build/logs/deep/a.log", &["doctocat"][..]),
            ("/build/logs/ @doctocat", "x/build/logs/a.log", &everyone),
            ("docs/*  docs@example.com", "docs/getting-started.md", &["docs@example.com"]),
            ("docs/*  docs@example.com", "docs/build-app/troubleshooting.md", &everyone),
            ("/docs/ @doctocat", "other/docs/a.md", &everyone),
            // Without an owner, what is there is nobody's; or the one below has its own.
            ("/apps/ @octocat\n/apps/github", "apps/web/a", &["octocat"]),
            ("/apps/ @octocat\n/apps/github", "apps/github/a", &[]),
            ("/apps/ @octocat\n/apps/github @doctocat", "apps/web/a", &["octocat"]),
            ("/apps/ @octocat\n/apps/github @doctocat", "apps/github/a", &["doctocat"]),
            // The examples beside branch protection.
            ("/apps/ @doctocat", "apps/a", &["doctocat"]),
            ("/apps/ @doctocat @octocat", "apps/a", &["doctocat", "octocat"]),
            ("/apps/ @example-org/content-team", "apps/a/b", &["example-org/content-team"]),
            // What its "syntax exceptions" say does not work.
            ("\\#hash @doctocat", "#hash", &everyone),
            ("!secret @doctocat", "secret", &everyone),
            ("file[0-9] @doctocat", "file1", &everyone),
            // Paths are case sensitive.
            ("/Docs/ @doctocat", "docs/a", &everyone),
        ] {
            assert_eq!(owners(&format!("* @global\n{line}\n"), path), expected, "{line}: {path}");
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
            let alone = |each: &&(String, usize)| Pattern::parse(&each.0).is_ok_and(|pattern| pattern.fits(&path));
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
