//! Tools from PyPI that tests look with, installed once below `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Installs `package` (`name==version`) once below `target/`; gives its program. Fails the test when it cannot: nothing is
/// skipped.
pub fn install(package: &str, program: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python").join(package.replace("==", "_"));
    std::fs::create_dir_all(&dir).unwrap();
    let lock = std::fs::File::create(dir.join(".lock")).unwrap();
    lock.lock().unwrap();
    let program = dir.join("bin").join(program);
    if !program.exists() {
        let run = |command: &mut Command| {
            let done = command.status().expect("python3 with venv is needed: `make test` installs it");
            assert!(done.success(), "{package} could not be installed");
        };
        run(Command::new("python3").args(["-m", "venv"]).arg(&dir));
        run(Command::new(dir.join("bin/pip")).args(["install", "--quiet", package]));
    }
    program
}
