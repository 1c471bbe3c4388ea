//! The file that a repository keeps for itself: the same rules, read by the same readers, within what the server allows.
//!
//! It is written by whoever may push to the repository. It holds `rules`, and what the check of the repository is to skip:
//! no file of the server is read for it, no secret, and its rules look at that repository only.

use std::path::Path;

use super::fields::Fields;
use super::findings::Findings;
use super::marked::Node;
use super::repository_table::{REPOSITORY_CHECK, REPOSITORY_FILE};
use super::rules::{Rulebook, Within};
use super::suggest::did_you_mean;
use super::table::Key;
use super::values::{one_or_more, text};
use super::{FileTerms, Problem, Problems, marked};
use crate::core::checkup;
use crate::core::event::RepoName;
use crate::core::intent::ActionKind;
use crate::core::rule::Rule;

/// The most that a server's config can allow: `repository_config.allow`.
const MOST_RULES: usize = 1_000;
const LARGEST: u64 = 512 << 10;

/// Reads a repository's file. `path` is for the messages; each rule is named `owner/name:rule`.
///
/// # Errors
/// Everything that is wrong with it, in the order of its lines.
pub fn read(
    text: &str,
    path: &str,
    repository: &RepoName,
    terms: &FileTerms,
    actions: &[ActionKind],
) -> Result<Vec<Rule>, Problems> {
    if text.len() as u64 > terms.max_size {
        return Err(too_large(path, text.len() as u64, terms));
    }
    rules_of(text, Path::new(path), Rulebook::within(actions, Within { repository, terms }))
}

fn rules_of(text: &str, path: &Path, mut rulebook: Rulebook<'_>) -> Result<Vec<Rule>, Problems> {
    let mut findings = Findings::default();
    let file = findings.add_file(path);
    if let Some(root) = marked::parse(text, file, &mut findings) {
        let mut fields = Fields::open(&root, &REPOSITORY_FILE, &mut findings);
        fields.read("rules", &mut findings, |node, key, findings| rulebook.read(node, key, findings));
        let mut check = fields.section("check", &REPOSITORY_CHECK, &mut findings);
        check.read("skip", &mut findings, skipped);
    }
    findings.finish().map(|_| rulebook.rules)
}

/// Checks that there are. Who checks reads them from the file himself.
fn skipped(node: &Node, key: &Key, findings: &mut Findings) -> Option<()> {
    for item in one_or_more(node, key, findings)? {
        let Some(id) = text(item, key, findings).filter(|id| checkup::find(id).is_none()) else { continue };
        let hint = did_you_mean(&id, checkup::CHECKS.iter().map(|check| check.id));
        findings.report(item.place, format!("`{id}` is no check of `orchd check`{hint}"));
    }
    Some(())
}

/// Reads it for whoever has the repository and not the server's config: as much as any server allows.
fn read_anywhere(text: &str, path: &str, actions: &[ActionKind]) -> Result<(), Problems> {
    let allowed = actions.iter().map(|kind| kind.name.to_owned()).collect();
    let terms = FileTerms { actions: allowed, max_rules: MOST_RULES, max_size: LARGEST };
    // Any name does: it is not told.
    let Ok(repository) = RepoName::parse("owner/name") else { return Ok(()) };
    read(text, path, &repository, &terms, actions).map(drop)
}

/// What is wrong with a repository's file wherever it is used.
pub fn faults(path: &str, text: &str, actions: &[ActionKind]) -> Vec<checkup::Problem> {
    let problems = read_anywhere(text, path, actions).err().map(|problems| problems.0).unwrap_or_default();
    let told = |each: Problem| checkup::Problem { line: each.line, column: each.column, message: each.message };
    problems.into_iter().map(told).collect()
}

/// Its rules, each under the name that stands there.
///
/// # Errors
/// As [`read`], for whoever has the repository and no server.
pub(super) fn read_alone(text: &str, path: &Path, actions: &[ActionKind]) -> Result<Vec<Rule>, Problems> {
    read_anywhere(text, &path.display().to_string(), actions)?;
    rules_of(text, path, Rulebook::new(actions))
}

/// What is said of a file of so many bytes.
pub fn too_large(path: &str, size: u64, terms: &FileTerms) -> Problems {
    let message = format!("the file has {size} bytes, and the server allows {}", terms.max_size);
    Problems(vec![Problem { file: path.into(), line: 1, column: 1, message }])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::tests::ACTIONS;

    fn problems(text: &str) -> String {
        let terms = FileTerms { actions: vec!["label".to_owned()], max_rules: 2, max_size: 2_000 };
        let repository = RepoName::parse("acme/web").unwrap();
        match read(text, ".github/orchd.yml", &repository, &terms, ACTIONS) {
            Ok(rules) => rules.iter().map(|rule| rule.name.to_string()).collect::<Vec<_>>().join(" "),
            Err(problems) => problems.to_string(),
        }
    }

    #[test]
    fn rules_are_named_after_their_repository() {
        let good = "rules:\n- {name: a, on: issues.opened, then: [{label: {add: [x]}}]}\n";
        assert_eq!(problems(good), "acme/web:a");
        assert_eq!(problems(""), "", "an empty file has no rules");
        assert_eq!(problems("check: {skip: [readme, license]}"), "", "checks to skip are no rules");
    }

    #[test]
    fn what_the_server_does_not_allow_is_an_error_with_its_place() {
        for (text, expected) in [
            ("github: {}", ".github/orchd.yml:1:1: unknown key `github`"),
            ("extends: [{preset: docs}]", ".github/orchd.yml:1:1: unknown key `extends`"),
            ("include: [/etc/passwd]", ".github/orchd.yml:1:1: unknown key `include`"),
            (
                "rules:\n- name: a\n  on: issues.opened\n  then:\n  - close:\n",
                ".github/orchd.yml:5:5: the server allows no `close` here: its `repository_config.allow.actions` are label",
            ),
            (
                "rules:\n- {name: a, on: issues, repositories: [\"**\"], then: [{label: {add: [x]}}]}\n",
                "the rules of this file look at acme/web only",
            ),
            (
                "rules:\n- &a {name: a, on: issues, then: [{label: {add: [x]}}]}\n- {name: b, on: issues, then: [{label: {add: [x]}}]}\n- *a\n",
                "more than 2 rules",
            ),
            ("rules:\n- {name: \"acme/api:a\", on: issues, then: [{label: {add: [x]}}]}\n", "is not a rule name"),
            (
                "check: {skip: [lisence]}",
                ".github/orchd.yml:1:16: `lisence` is no check of `orchd check`: did you mean `license`?",
            ),
            ("check: {skipp: [license]}", "unknown key `skipp`: did you mean `skip`?"),
            ("a: [", "not YAML"),
        ] {
            let told = problems(text);
            assert!(told.contains(expected), "{text}: {told}");
        }
        assert!(problems(&"#".repeat(2_001)).contains("has 2001 bytes"));
    }

    #[test]
    fn without_a_server_every_action_is_allowed_and_the_rest_is_not() {
        let told = |text: &str| {
            let found = faults(".github/orchd.yml", text, ACTIONS);
            found.into_iter().map(|each| (each.line, each.column, each.message)).collect::<Vec<_>>()
        };
        let rule = |at: usize| format!("- {{name: r{at}, on: issues.opened, then: [{{label: {{add: [x]}}}}]}}\n");
        assert_eq!(told(&format!("rules:\n{}", (0..30).map(rule).collect::<String>())), []);
        let wrong = told("rules:\n- name: a\n  onn: issues\n  then: [{label: {add: [x]}}]\n");
        assert_eq!(wrong.first().map(|(line, column, _)| (*line, *column)), Some((2, 3)), "{wrong:?}");
        assert!(
            wrong.iter().any(|(line, _, message)| *line == 3 && message.contains("did you mean `on`")),
            "{wrong:?}"
        );
    }

    #[test]
    fn bombs_end_soon() {
        let aliases: String = (0..40)
            .map(|at| {
                format!("a{}: &a{at} [{}]\n", at, if at == 0 { "x".to_owned() } else { format!("*a{0},*a{0}", at - 1) })
            })
            .collect();
        assert!(problems(&aliases).contains("once aliases are written out"), "{}", problems(&aliases));
        let deep = problems(&"[".repeat(1_000));
        assert!(deep.contains("nested deeper") || deep.contains("not YAML"), "{deep}");
    }
}
