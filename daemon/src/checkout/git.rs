//! What git knows of a repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a git that runs around us has set, and would have ours look elsewhere.
const ELSEWHERE: [&str; 5] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"];

/// What git tracks, and what it would if it were added; not what was deleted.
///
/// # Errors
/// Why git cannot be asked, in words for a person.
pub(super) fn files(root: &Path) -> Result<BTreeSet<String>, String> {
    if !root.join(".git").exists() {
        return Err("it is no git repository".to_owned());
    }
    let mut paths = list(root, &["--cached", "--others", "--exclude-standard"])?;
    for deleted in list(root, &["--deleted"])? {
        paths.remove(&deleted);
    }
    // Another repository that lies in this one, and is not part of it.
    paths.retain(|path| !path.ends_with('/'));
    Ok(paths)
}

fn list(root: &Path, which: &[&str]) -> Result<BTreeSet<String>, String> {
    let mut git = Command::new("git");
    // No program that the repository's config names is started.
    git.args(["-c", "core.fsmonitor=false", "-C"]).arg(root).args(["ls-files", "-z"]).args(which);
    ELSEWHERE.iter().for_each(|name| {
        git.env_remove(name);
    });
    let out = git.stdin(Stdio::null()).output().map_err(|error| format!("git cannot be started: {error}"))?;
    if !out.status.success() {
        let told = String::from_utf8_lossy(&out.stderr);
        return Err(format!("git refuses: {}", told.lines().next().unwrap_or("it does not say why")));
    }
    let paths = out.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    Ok(paths.map(|path| String::from_utf8_lossy(path).into_owned()).collect())
}

/// The default branch of whence a clone came, as it was then.
pub(super) fn default_branch(root: &Path) -> Option<String> {
    let head = fs::read_to_string(root.join(".git/refs/remotes/origin/HEAD")).ok()?;
    head.trim().strip_prefix("ref: refs/remotes/origin/").map(str::to_owned)
}
