//! What holds of every check: no text makes one panic, and the registry is in order. What each finds: `tests/it/checkup`.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::core::facts::Known;

/// Every file that a check looks into.
const PATHS: [&str; 16] = [
    "README.md",
    "LICENSE",
    "CONTRIBUTING.md",
    "CODE_OF_CONDUCT.md",
    "SECURITY.md",
    ".github/CODEOWNERS",
    ".github/orchd.yml",
    ".github/PULL_REQUEST_TEMPLATE.md",
    ".github/ISSUE_TEMPLATE/bug.yml",
    ".github/ISSUE_TEMPLATE/idea.md",
    ".github/ISSUE_TEMPLATE/config.yml",
    ".github/workflows/a.yml",
    ".github/workflows/b.yaml",
    ".github/actions/x/action.yml",
    "action.yml",
    "docs/README.md",
];

fn told() -> Told {
    Told {
        default_branch: Known::Is("main".to_owned()),
        labels: Known::Is(Vec::new()),
        owners: Known::Is(vec![UnknownOwner { owner: "@a".to_owned(), message: "gone".to_owned() }]),
        ..Told::default()
    }
}

fn examined(texts: impl Iterator<Item = (String, String)>) -> Report {
    let texts: Vec<_> = texts.map(|(path, text)| (path, Text::Is(text))).collect();
    let checkout = Checkout::new(texts.iter().map(|(path, _)| path.clone()), texts.clone());
    examine(&checkout, &told(), &|_, _| Vec::new(), &[])
}

/// YAML of the words that the checks look for, in an order that nobody writes.
fn any_yaml() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "on",
        "jobs",
        "steps",
        "run",
        "uses",
        "with",
        "ref",
        "env",
        "permissions",
        "body",
        "type",
        "attributes",
        "options",
        "label",
        "labels",
        "id",
        "name",
        "rules",
        "then",
        "if",
        "dropdown",
        "checkboxes",
        "input",
        "write-all",
        "runs",
        "pull_request_target",
        "branches",
        "default",
        "validations",
        "needs",
        "contact_links",
        "a@b",
        "docker://x",
        "@",
        "${{ github.event.issue.title }}",
        "actions/checkout@v1",
        "~",
        "-1",
        "[]",
        "{}",
        "é",
        "&a x",
        "*a",
        "!",
        "|",
    ]);
    let line = (0_usize..5, any::<bool>(), word.clone(), prop::option::of(word));
    prop::collection::vec(line, 0..25).prop_map(|lines| {
        let line = |(depth, item, key, value): (usize, bool, &str, Option<&str>)| {
            let dash = if item { "- " } else { "" };
            format!("{}{dash}{key}: {}\n", "  ".repeat(depth), value.unwrap_or_default())
        };
        lines.into_iter().map(line).collect()
    })
}

proptest! {
    #[test]
    fn no_text_makes_a_check_panic(text in "\\PC{0,200}|[-a-z:{}\\[\\]$ \n'\"|>&*#@/.]{0,200}") {
        let report = examined(PATHS.iter().map(|path| ((*path).to_owned(), text.clone())));
        prop_assert!(report.score <= 100);
    }

    #[test]
    fn no_yaml_makes_a_check_panic(text in any_yaml()) {
        examined(PATHS.iter().map(|path| ((*path).to_owned(), text.clone())));
        // So that more of it is YAML: each line below the one before it.
        let nested = text.replace("  ", "");
        examined(PATHS.iter().map(|path| ((*path).to_owned(), nested.clone())));
    }

    #[test]
    fn no_path_makes_a_check_panic(paths in prop::collection::vec("(\\.github|docs|LICENSES|[a-zA-Z./é ]{0,9})(/[A-Zé._-]{0,9}){0,3}", 0..10)) {
        examined(paths.into_iter().map(|path| (path, String::new())));
    }
}

#[test]
fn every_check_has_an_id_of_its_own_and_a_whole_description() {
    let ids: BTreeSet<_> = CHECKS.iter().map(|check| check.id).collect();
    assert_eq!(ids.len(), CHECKS.len());
    for check in CHECKS {
        assert!(find(check.id).is_some() && check.points > 0, "{}", check.id);
        assert!(check.finds.ends_with('.') && !check.title.ends_with('.'), "{}", check.id);
        assert!(check.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", check.id);
    }
}

#[test]
fn the_score_is_what_of_the_points_was_not_lost() {
    let empty = Checkout::new([], []);
    let all: Vec<String> = CHECKS.iter().map(|check| check.id.to_owned()).collect();
    let but = |kept: &[&str]| all.iter().filter(|id| !kept.contains(&id.as_str())).cloned().collect::<Vec<_>>();
    let score = |kept: &[&str]| examine(&empty, &Told::default(), &|_, _| Vec::new(), &but(kept)).score;
    assert_eq!(score(&[]), 100, "nothing was looked at, nothing was found");
    assert_eq!(score(&["files"]), 100);
    assert_eq!(score(&["readme"]), 50, "a warning takes half");
    assert_eq!(score(&["contributing"]), 75, "a notice a quarter");
    assert_eq!(score(&["readme", "contributing"]), (20 + 15) * 100 / 60);
    assert_eq!(score(&["readme", "branch-rules"]), 50, "what could not be looked at does not count");
}
