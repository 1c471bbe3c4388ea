//! A step of the Action as a runner starts it: the program as it is built beside the daemon's, or the image that
//! `ORCHD_ACTION_IMAGE` names (`make test-action-image`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Ended {
    pub code: Option<i32>,
    pub log: String,
    /// The file of outputs, as it was written.
    pub outputs: String,
}

/// It lies beside the daemon's: building one in a test would take minutes.
fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_orchd")).with_file_name("orchd-action");
    assert!(path.exists(), "build it first: cargo build --package orchd-action ({})", path.display());
    path
}

/// Runs a step with these variables and no others; the files that they name are in `dir`, where its outputs will be too.
pub async fn run(dir: &Path, mut variables: BTreeMap<&'static str, String>) -> Ended {
    let output = dir.join("output");
    std::fs::write(&output, "").unwrap();
    variables.insert("GITHUB_ACTIONS", "true".to_owned());
    variables.insert("GITHUB_OUTPUT", output.to_str().unwrap().to_owned());
    let mut step = match std::env::var("ORCHD_ACTION_IMAGE") {
        Err(_) => {
            let mut step = Command::new(program());
            step.env_clear();
            step
        }
        Ok(image) => {
            let mut step = Command::new("podman");
            let mount = format!("{0}:{0}", dir.display());
            step.args(["run", "--rm", "--volume", &mount]);
            step.args(variables.keys().flat_map(|name| ["--env", name])).arg(image);
            step
        }
    };
    step.envs(variables);
    let out = tokio::task::spawn_blocking(move || step.output().unwrap()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stderr), "", "a program that panics tells it here");
    Ended {
        code: out.status.code(),
        log: String::from_utf8(out.stdout).unwrap(),
        outputs: std::fs::read_to_string(output).unwrap(),
    }
}
