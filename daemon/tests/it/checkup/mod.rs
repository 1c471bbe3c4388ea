//! The check of a repository's setup: repositories whose faults are known, on a real disk, read as the command reads them.
//! Every fault is found, at its place, and none is invented.

mod command;
mod repositories;
mod workflows;

use std::fs;
use std::path::Path;

use orchd::actions;
use orchd::checkout;
use orchd::config::repository;
use orchd::core::checkup::{Protection, Report, State, TokenDefaults, Told, examine};
use orchd::core::facts::Known;
use tempfile::TempDir;

/// A repository without fault, as `== PATH` and what stands in the file.
const FAULTLESS: &str = include_str!("faultless.txt");

/// What GitHub says of a repository without fault.
fn all_well() -> Told {
    let rules = ["pull_request", "required_status_checks", "non_fast_forward", "deletion"];
    Told {
        default_branch: Known::Is("main".to_owned()),
        labels: Known::Is(["bug", "Documentation"].map(str::to_owned).to_vec()),
        protection: Known::Is(Protection { rules: rules.map(str::to_owned).to_vec(), classic: false }),
        owners: Known::Is(Vec::new()),
        token: Known::Is(TokenDefaults { may_write: false, may_approve: false }),
        inherited: Known::Is(Vec::new()),
    }
}

/// Writes files of the form of [`FAULTLESS`]; a path behind `!=` is one that is not to be there.
fn write(root: &Path, files: &str) {
    for part in files.split("\n== ").map(|part| part.strip_prefix("== ").unwrap_or(part)) {
        let (path, text) = part.split_once('\n').unwrap_or((part, ""));
        match path.trim().strip_prefix("! ") {
            Some(gone) => fs::remove_file(root.join(gone)).unwrap(),
            None if path.trim().is_empty() => {}
            None => {
                let path = root.join(path.trim());
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, format!("{text}\n")).unwrap();
            }
        }
    }
}

fn faultless() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), FAULTLESS);
    fs::write(dir.path().join("LICENSE"), include_str!("../../../../LICENSE-MIT")).unwrap();
    dir
}

fn check(root: &Path, told: &Told, skip: &[String]) -> Report {
    let read = checkout::read(root).unwrap();
    let read_rules = |path: &str, text: &str| repository::faults(path, text, actions::kinds());
    examine(&read.checkout, told, &read_rules, skip)
}

/// `error script-injection .github/workflows/ci.yml:3:5`, for each finding.
fn told(report: &Report) -> Vec<String> {
    let line = |finding: &orchd::core::checkup::Finding| {
        let numbers = finding.line.map(|line| format!(":{line}:{}", finding.column.unwrap())).unwrap_or_default();
        let place = finding.path.as_ref().map(|path| format!(" {path}{numbers}")).unwrap_or_default();
        format!("{} {}{place}", finding.severity.word(), finding.check)
    };
    report.findings.iter().map(line).collect()
}

#[test]
fn a_repository_without_fault_has_no_finding() {
    let dir = faultless();
    let report = check(dir.path(), &all_well(), &[]);
    assert_eq!(report.findings, [], "{:#?}", report.findings);
    assert_eq!((report.score, report.summary.passed), (100, report.checks.len()));

    let unasked = check(dir.path(), &Told::default(), &[]);
    assert_eq!((told(&unasked), unasked.score), (vec![], 100));
    let open: Vec<_> =
        unasked.checks.iter().filter(|check| check.state == State::NotDone).map(|check| check.check).collect();
    assert_eq!(open, ["codeowners-owners", "labels", "token-defaults", "default-branch", "branch-rules"]);
    assert_eq!(unasked.checks[9 + 1].not_done, ["whether the owners exist: GitHub was not asked"]);
}

#[test]
fn a_skipped_check_finds_nothing_and_counts_nothing() {
    let dir = faultless();
    fs::remove_file(dir.path().join("README.md")).unwrap();
    let report = check(dir.path(), &all_well(), &["readme".to_owned()]);
    assert_eq!((told(&report), report.score, report.summary.skipped), (vec![], 100, 1));
    // The repository may say so itself.
    write(dir.path(), "== .github/orchd.yml\ncheck: {skip: [readme, labels]}");
    let report = check(dir.path(), &all_well(), &[]);
    assert_eq!((told(&report), report.score, report.summary.skipped), (vec![], 100, 2));
}
