//! The text of a pull request: the repository's template with what is known of the change filled in. Pure.

use std::collections::BTreeMap;

use super::change::{Change, Issues};
use crate::core::text::harmless;

/// What is used where there is no template.
const PLAIN: &str =
    "## What and why\n<!-- orchd: summary -->\n\n<!-- orchd: issues -->\n\n## What it touches\n<!-- orchd: areas -->\n";
/// Most areas that are told.
const MOST_AREAS: usize = 12;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) text: String,
    /// Of the checklist: what the change answers by itself.
    pub(super) ticked: Vec<String>,
    /// What is left to the person.
    pub(super) left: Vec<String>,
}

/// Fills in `template`: the marks `<!-- orchd: summary -->`, `issues` and `areas`, and the checklist; behind a mark's name
/// may stand words for whoever writes by hand. A template without marks gets what is known in front.
pub(super) fn fill(template: Option<&str>, change: &Change) -> Body {
    let template = template.map_or_else(|| PLAIN.to_owned(), |text| text.replace("\r\n", "\n"));
    let issues = issues(&change.issues());
    let known = |name: &str| match name {
        "summary" => summary(change),
        "issues" => issues.clone(),
        "areas" => areas(&change.files),
        _ => String::new(),
    };
    let mut body = Body { text: String::new(), ticked: Vec::new(), left: Vec::new() };
    if !template.lines().any(|line| mark(line).is_some_and(|mark| mark.name == "summary")) {
        let known: Vec<_> = ["summary", "issues"].into_iter().map(known).filter(|text| !text.is_empty()).collect();
        body.text = format!("{}\n\n", known.join("\n\n"));
    }
    for line in template.lines() {
        let line = match (item(line), mark(line)) {
            (Some(item), _) => tick(line, &item, change, &mut body),
            (None, Some(mark)) => format!("{}{}{}", mark.before, known(mark.name), mark.after),
            (None, None) => line.to_owned(),
        };
        body.text.push_str(&line);
        body.text.push('\n');
    }
    // What nothing was known for leaves no gap.
    while body.text.contains("\n\n\n") {
        body.text = body.text.replace("\n\n\n", "\n\n");
    }
    body.text = format!("{}\n", body.text.trim());
    body
}

/// The only commit's own words, or the subjects of all.
fn summary(change: &Change) -> String {
    match change.commits.as_slice() {
        [one] => {
            let body = without_trailers(&one.body);
            if body.is_empty() { one.subject.clone() } else { body }
        }
        all => all.iter().map(|commit| format!("- {}", commit.subject)).collect::<Vec<_>>().join("\n"),
    }
}

/// `Signed-off-by:` and the like are for git.
fn without_trailers(body: &str) -> String {
    let is_trailer = |line: &str| {
        let name = line.split_once(": ").map_or("", |(name, _)| name);
        name.contains('-') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let mut lines: Vec<&str> = body.trim().lines().collect();
    while lines.last().is_some_and(|line| line.trim().is_empty() || is_trailer(line)) {
        lines.pop();
    }
    lines.join("\n")
}

fn issues(issues: &Issues) -> String {
    let closes = issues.closes.iter().map(|number| format!("Closes #{number}"));
    closes.chain(issues.names.iter().map(|number| format!("Refs #{number}"))).collect::<Vec<_>>().join("\n")
}

/// Folders with how many files of each changed; one level further down where all are in one folder.
fn areas(files: &[String]) -> String {
    let count = |depth: usize| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for file in files {
            let folders: Vec<&str> = file.split('/').collect();
            let taken = folders.len().saturating_sub(1).min(depth);
            let area = if taken == 0 { file.clone() } else { format!("{}/", folders[..taken].join("/")) };
            *counts.entry(area).or_default() += 1;
        }
        counts
    };
    let deepest = files.iter().map(|file| file.matches('/').count()).max().unwrap_or(0).max(1);
    let counts = (1..=deepest).map(count).find(|counts| counts.len() > 1).unwrap_or_else(|| count(deepest));
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let more = counts.len().saturating_sub(MOST_AREAS);
    let line = |(area, files): &(String, usize)| {
        // A name ends no code span and no line.
        let area = harmless(area).replace('`', "'");
        format!("- `{area}`: {files} file{}", if *files == 1 { "" } else { "s" })
    };
    let mut lines: Vec<String> = counts.iter().take(MOST_AREAS).map(line).collect();
    if more > 0 {
        lines.push(format!("- and {more} more"));
    }
    lines.join("\n")
}

/// `<!-- orchd: NAME more words -->` in a line.
struct Mark<'l> {
    before: &'l str,
    name: &'l str,
    after: &'l str,
}

fn mark(line: &str) -> Option<Mark<'_>> {
    let (before, rest) = line.split_once("<!-- orchd:")?;
    let (told, after) = rest.split_once("-->")?;
    let name = told.split_whitespace().next().unwrap_or_default().trim_end_matches([':', '.']);
    Some(Mark { before, name, after })
}

/// An item of a checklist: the words, and what they are about.
struct Item {
    words: String,
    about: About,
    is_ticked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Tests,
    Docs,
    Changelog,
    SignedOff,
    Issue,
    /// Only a person can say.
    Person,
}

fn item(line: &str) -> Option<Item> {
    let rest = line.trim_start().strip_prefix(['-', '*', '+'])?.trim_start().strip_prefix('[')?;
    let (sign, rest) = (rest.chars().next()?, rest.get(1..)?.strip_prefix(']')?);
    let is_ticked = match sign {
        ' ' => false,
        'x' | 'X' => true,
        _ => return None,
    };
    let (words, told) = mark(rest).map_or((rest, None), |mark| (mark.before, Some(mark.name)));
    Some(Item { words: words.trim().to_owned(), about: about(words, told), is_ticked })
}

/// What an item is about, as its mark tells or else its words.
fn about(words: &str, told: Option<&str>) -> About {
    let words = words.to_lowercase();
    match told {
        Some("tests") => About::Tests,
        Some("docs") => About::Docs,
        Some("changelog") => About::Changelog,
        Some("signed-off") => About::SignedOff,
        Some("issue") => About::Issue,
        Some(_) => About::Person,
        None if words.contains("changelog") || words.contains("release note") => About::Changelog,
        None if words.contains("signed") && words.contains("off") => About::SignedOff,
        None if words.contains("added tests") || words.contains("tests added") || words.contains("tests are added") => {
            About::Tests
        }
        None if words.contains("documentation") && words.contains("updated") => About::Docs,
        None => About::Person,
    }
}

fn tick(line: &str, item: &Item, change: &Change, body: &mut Body) -> String {
    let any = |is: fn(&str) -> bool| change.files.iter().any(|file| is(&file.to_lowercase()));
    let is_so = match item.about {
        About::Tests => any(is_test),
        About::Docs => any(is_documentation),
        About::Changelog => any(is_changelog),
        About::SignedOff => {
            change.commits.iter().all(|commit| commit.body.lines().any(|line| line.starts_with("Signed-off-by: ")))
        }
        About::Issue => change.issues() != Issues::default(),
        About::Person => false,
    };
    let list = if is_so || item.is_ticked { &mut body.ticked } else { &mut body.left };
    list.push(item.words.clone());
    let line = line.split("<!-- orchd:").next().unwrap_or(line).trim_end();
    if is_so { line.replacen("[ ]", "[x]", 1) } else { line.to_owned() }
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_test(path: &str) -> bool {
    let name = name_of(path);
    let folders = path.split('/').rev().skip(1);
    folders.into_iter().any(|folder| matches!(folder, "test" | "tests" | "__tests__" | "spec" | "specs"))
        || name.starts_with("test_")
        || ["_test.", "_tests.", ".test.", ".spec.", "_spec."].iter().any(|part| name.contains(part))
        || name.starts_with("tests.")
}

fn is_changelog(path: &str) -> bool {
    let stem = name_of(path).split('.').next().unwrap_or_default();
    matches!(stem, "changelog" | "changes" | "news" | "history")
        || [".changeset/", "changelog.d/", "newsfragments/"].iter().any(|folder| path.starts_with(folder))
}

fn is_documentation(path: &str) -> bool {
    let is_page = [".md", ".rst", ".adoc"].iter().any(|end| path.ends_with(end));
    let in_folder = path.split('/').rev().skip(1).any(|folder| matches!(folder, "doc" | "docs" | "documentation"));
    (is_page || in_folder) && !is_changelog(path)
}

#[cfg(test)]
mod tests {
    use super::super::change::Commit;
    use super::*;

    fn change(commits: &[(&str, &str)], files: &[&str]) -> Change {
        let commit =
            |(subject, body): &(&str, &str)| Commit { subject: (*subject).to_owned(), body: (*body).to_owned() };
        Change {
            branch: "12-login".to_owned(),
            base: "main".to_owned(),
            commits: commits.iter().map(commit).collect(),
            files: files.iter().map(|file| (*file).to_owned()).collect(),
        }
    }

    /// Our own template.
    #[test]
    fn the_template_is_filled_in_and_ticked() {
        let template = include_str!("../../../../packaging/repository/.github/pull_request_template.md");
        let change = change(
            &[("Mend the loop", "It went round.\n\nFixes #3\nSigned-off-by: Mona <m@x>"), ("Test it", "")],
            &["src/login.rs", "src/a.rs", "tests/login.rs", "CHANGELOG.md"],
        );
        let body = fill(Some(template), &change);
        insta::assert_snapshot!(body.text);
        assert_eq!((body.ticked.len(), body.left.len()), (3, 3), "{body:?}");
    }

    #[test]
    fn other_templates_keep_every_word() {
        let template = "Thanks!\r\n\r\n- [ ] I have added tests\r\n- [x] I was here\r\n* [ ] All commits are signed off\r\n- [y] odd\r\n";
        let one = [("Mend it", "Because.\n\nSigned-off-by: Mona <m@x>")];
        let body = fill(Some(template), &change(&one, &["a_test.go"]));
        let expected = "Because.\n\nRefs #12\n\nThanks!\n\n- [x] I have added tests\n- [x] I was here\n* [x] All commits are signed off\n- [y] odd\n";
        assert_eq!(body.text, expected);
        let plain = fill(None, &change(&[("Mend it", "")], &["docs/a.md", "docs/b/c.md"]));
        let expected =
            "## What and why\nMend it\n\nRefs #12\n\n## What it touches\n- `docs/`: 1 file\n- `docs/b/`: 1 file\n";
        assert_eq!(plain.text, expected);
    }

    #[test]
    fn what_is_what_is_told_by_its_name() {
        assert!(
            ["tests/a.rs", "src/a_test.go", "a.spec.ts", "pkg/test_a.py", "daemon/src/x/tests.rs"]
                .map(is_test)
                .iter()
                .all(|is| *is)
        );
        assert!(!["src/latest.rs", "contest/a.rs", "testing.md"].map(is_test).iter().any(|is| *is));
        assert!(["readme.md", "docs/a.png", "x/doc/a.txt"].map(is_documentation).iter().all(|is| *is));
        assert!(!["changelog.md", "src/doc.rs"].map(is_documentation).iter().any(|is| *is));
        assert!(is_changelog("changelog.md") && is_changelog(".changeset/a.md") && !is_changelog("src/changes_x.rs"));
    }
}
