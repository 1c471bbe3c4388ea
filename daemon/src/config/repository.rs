//! The file that a repository keeps for itself: the same rules, read by the same readers, within what the server allows.
//!
//! It is written by whoever may push to the repository. It holds `rules` and nothing else: no file of the server is read
//! for it, no secret, and its rules look at that repository only.

use std::path::Path;

use super::fields::Fields;
use super::findings::Findings;
use super::repository_table::REPOSITORY_FILE;
use super::rules::{Rulebook, Within};
use super::{FileTerms, Problem, Problems, marked};
use crate::core::event::RepoName;
use crate::core::intent::ActionKind;
use crate::core::rule::Rule;

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
    let mut findings = Findings::default();
    let file = findings.add_file(Path::new(path));
    let mut rulebook = Rulebook::within(actions, Within { repository, terms });
    if let Some(root) = marked::parse(text, file, &mut findings) {
        let mut fields = Fields::open(&root, &REPOSITORY_FILE, &mut findings);
        fields.read("rules", &mut findings, |node, key, findings| rulebook.read(node, key, findings));
    }
    findings.finish().map(|_| rulebook.rules)
}

/// Reads a repository's file for whoever has the repository and no server: as much as any server allows, and each rule under
/// the name that stands there.
///
/// # Errors
/// As [`read`].
pub(super) fn read_alone(text: &str, path: &Path, actions: &[ActionKind]) -> Result<Vec<Rule>, Problems> {
    let allowed = actions.iter().map(|kind| kind.name.to_owned()).collect();
    let terms = FileTerms { actions: allowed, max_rules: usize::MAX, max_size: u64::MAX };
    // Any name does: it is not told.
    if let Ok(repository) = RepoName::parse("owner/name") {
        read(text, &path.display().to_string(), &repository, &terms, actions)?;
    }
    let mut findings = Findings::default();
    let file = findings.add_file(path);
    let mut rulebook = Rulebook::new(actions);
    if let Some(root) = marked::parse(text, file, &mut findings) {
        let mut fields = Fields::open(&root, &REPOSITORY_FILE, &mut findings);
        fields.read("rules", &mut findings, |node, key, findings| rulebook.read(node, key, findings));
    }
    findings.finish().map(|_| rulebook.rules)
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
            ("a: [", "not YAML"),
        ] {
            let told = problems(text);
            assert!(told.contains(expected), "{text}: {told}");
        }
        assert!(problems(&"#".repeat(2_001)).contains("has 2001 bytes"));
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
