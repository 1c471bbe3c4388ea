//! What comes with the program: systemd's units, the files of the Debian package and of `make install`, and what
//! watches it.

mod files;
mod units;
mod watching;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The top of the repository.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What it wrote to standard output; fails with all it said.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{told}{said}", output.status);
    told
}
