//! `orchd check`, as a process.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{faultless, write};

struct Ran {
    out: String,
    err: String,
    code: Option<i32>,
}

fn run(dir: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchd"));
    // No config, no daemon, and nothing of ours in the environment.
    let out = command
        .arg("check")
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { out: text(&out.stdout), err: text(&out.stderr), code: out.status.code() }
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

#[test]
fn this_very_repository_is_clean() {
    // From within: the repository around the directory is meant.
    let ran = run(&project().join("docs"), &["--fail-on", "warning", "--json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&report["findings"], ran.code), (&serde_json::json!([]), Some(0)), "{}{}", ran.out, ran.err);
    assert!(report["summary"]["passed"].as_u64().unwrap() >= 15, "{}", ran.out);
}

#[test]
fn a_report_for_people_one_for_programs_and_an_exit_code() {
    let dir = faultless();
    write(
        dir.path(),
        "== .github/workflows/ci.yml\non: push\njobs:\n  a:\n    runs-on: x\n    steps:\n    - run: echo ${{ github.head_ref }}",
    );
    write(dir.path(), "== ! CONTRIBUTING.md");
    let told = run(dir.path(), &[]);
    insta::assert_snapshot!(told.out);
    assert_eq!(told.code, Some(1));
    let notes: Vec<&str> = told.err.lines().collect();
    assert!(notes[0].ends_with("counts: it is no git repository"), "{}", told.err);
    assert_eq!(notes[1], "orchd: 1 check failed");

    let json = run(dir.path(), &["--json", "--fail-on", "warning"]);
    assert_eq!((json.code, json.err.as_str()), (Some(1), "orchd: 2 checks failed\n"));
    let report: Value = serde_json::from_str(&json.out).unwrap();
    let injection = &report["findings"].as_array().unwrap()[2];
    let place = (&injection["path"], &injection["line"], &injection["column"], &injection["severity"]);
    assert_eq!(format!("{place:?}"), r#"(String(".github/workflows/ci.yml"), Number(6), Number(17), String("error"))"#);
    assert_eq!(report["version"], 1);

    assert_eq!(run(dir.path(), &["--fail-on", "never"]).code, Some(0));
    let skipped = run(dir.path(), &["--skip", "script-injection", "--skip", "workflow-permissions"]);
    assert!(
        skipped.code == Some(0) && skipped.out.contains("Skipped: workflow-permissions, script-injection"),
        "{}",
        skipped.out
    );
    let unknown = run(dir.path(), &["--skip", "readmee"]);
    assert!(unknown.code == Some(2) && unknown.err.contains("similar value exists: 'readme'"), "{}", unknown.err);
    let nowhere = run(dir.path(), &["--dir", "absent"]);
    assert!(
        nowhere.code == Some(1) && nowhere.err.starts_with("orchd: absent is no directory that can be read"),
        "{}",
        nowhere.err
    );
}

/// How long it takes is measured by hand (docs/checks.md); that nothing of so many files is lost is seen here.
#[test]
fn ten_thousand_files() {
    let dir = faultless();
    for folder in 0..100 {
        let below = dir.path().join(format!("src/part{folder}"));
        std::fs::create_dir_all(&below).unwrap();
        for file in 0..100 {
            std::fs::write(below.join(format!("file{file}.rs")), "").unwrap();
        }
    }
    let lines: String = (0..100).map(|folder| format!("/src/part{folder}/ @alice\n**/file{folder}.* @bob\n")).collect();
    write(dir.path(), &format!("== .github/CODEOWNERS\n{lines}/src/part7/ @carol\n"));
    let ran = run(dir.path(), &["--json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let found = report["findings"].as_array().unwrap().iter();
    let lines: Vec<_> =
        found.map(|finding| (finding["check"].as_str().unwrap(), finding["line"].as_u64().unwrap())).collect();
    // The first folder's files are each in a later line, and the eighth's have a line of their own at the end.
    assert_eq!(lines, [("codeowners", 1), ("codeowners", 15)], "{}", ran.out);
}
