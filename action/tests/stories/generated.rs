//! What is written from the registry and checked in: `UPDATE=1` writes it anew, else a stale file fails.

use std::fs;
use std::path::Path;

use orchd_action::manifest;

fn current(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{name} is stale: write it anew with UPDATE=1 cargo test --package orchd-action generated");
}

/// A part of a page that is written by hand otherwise.
fn between(page: &str, part: &str, text: &str) {
    let (begin, end) = (format!("<!-- {part}: begin -->\n"), format!("<!-- {part}: end -->\n"));
    let whole = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let (before, rest) = whole.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    current(page, &format!("{before}{begin}{text}{end}{after}"));
}

#[test]
fn generated_action_yml_is_current() {
    current("action.yml", &manifest::action_yml());
}

#[test]
fn generated_tables_of_inputs_and_outputs_are_current() {
    between("../docs/action.md", "inputs", &manifest::inputs_table());
    between("../docs/action.md", "outputs", &manifest::outputs_table());
}

/// As the runner reads it: a name with a hyphen or a space would arrive as another.
#[test]
fn action_yml_is_what_a_runner_takes() {
    let yml: serde_yaml::Value = serde_yaml::from_str(&manifest::action_yml()).unwrap();
    assert_eq!(yml["runs"]["using"], "docker");
    assert!(yml["runs"]["image"].as_str().unwrap().starts_with("docker://ghcr.io/"));
    let inputs = yml["inputs"].as_mapping().unwrap();
    assert_eq!(yml["inputs"]["mode"]["required"], true);
    assert_eq!(yml["inputs"]["token"]["default"], "${{ github.token }}");
    for (name, input) in inputs {
        let name = name.as_str().unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(input["description"].as_str().unwrap().len() > 10, "{name}");
    }
}

/// What two modes both read or give is one thing, with one description.
#[test]
fn a_name_means_the_same_in_every_mode() {
    for mode in orchd_action::MODES {
        for input in mode.inputs {
            assert!(manifest::inputs().contains(input), "input `{}` is another in mode `{}`", input.name, mode.name);
        }
        for output in mode.outputs {
            assert!(
                manifest::outputs().contains(output),
                "output `{}` is another in mode `{}`",
                output.name,
                mode.name
            );
        }
    }
}
