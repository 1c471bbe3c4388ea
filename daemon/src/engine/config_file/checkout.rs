//! Commits the config's file where it lies in a git checkout. Git is a guest: it may hang, on a hook or a file system, and
//! is ended then.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::core::audit::Actor;
use crate::core::text::harmless;

/// Longest message of a commit, in characters.
const LONGEST_MESSAGE: usize = 2_000;

/// How long one call of git may take, hooks and all.
pub(super) const GIT_ENDS_WITHIN: Duration = Duration::from_secs(20);

/// How long git may tidy up (it takes its lock files away) before it is killed.
const TIDIES_UP_WITHIN: Duration = Duration::from_secs(2);

/// Whom a commit is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author(String);

impl Author {
    pub fn of(actor: &Actor) -> Self {
        let name = actor.name().unwrap_or_else(|| actor.word().to_owned());
        // What git gives a meaning in a name.
        Self(name.chars().filter(|c| !matches!(c, '<' | '>' | '\n' | '\0')).collect())
    }
}

pub(super) fn is_checkout(directory: &Path) -> bool {
    directory.ancestors().any(|above| above.join(".git").exists())
}

/// Commits that one file, whatever else is changed or staged in the checkout; `within` bounds each call of git. Names the
/// commit that the file is in then, or says why there is none.
pub(super) fn commit(file: &Path, author: &Author, message: Option<&str>, within: Duration) -> Result<String, String> {
    let message: String = message.unwrap_or("Change the config of orchd").chars().take(LONGEST_MESSAGE).collect();
    let author = format!("{} <orchd@localhost>", author.0);
    let directory = file.parent().unwrap_or(Path::new("/"));
    let name = file.file_name().ok_or("it has no name")?;
    let git = |arguments: &dyn Fn(&mut Command)| git(directory, arguments, within);
    git(&|git| {
        git.arg("add").arg("--").arg(name);
    })?;
    // It fails when there is no commit yet, too: then there is something to commit.
    let same = git(&|git| {
        git.args(["diff", "--cached", "--quiet", "HEAD", "--"]).arg(name);
    });
    if same.is_err() {
        git(&|git| {
            git.args(["-c", "user.name=orchd", "-c", "user.email=orchd@localhost", "-c", "commit.gpgSign=false"]);
            git.args(["commit", "--quiet", "--only", "--author", &author, "--message", &message, "--"]).arg(name);
        })?;
    }
    git(&|git| {
        git.args(["rev-parse", "HEAD"]);
    })
}

/// What git wrote; what it complained of, made harmless, when it failed.
fn git(directory: &Path, arguments: &dyn Fn(&mut Command), within: Duration) -> Result<String, String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).env("GIT_TERMINAL_PROMPT", "0");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own: what its hooks started is ended with it.
    command.process_group(0);
    arguments(&mut command);
    let child = command.spawn().map_err(|error| format!("git cannot be run: {error}"))?;
    let group = Pid::from_child(&child);
    let (done, ended) = mpsc::channel();
    // Reads what it writes, so that it never waits for a reader.
    std::thread::spawn(move || {
        // Nobody waits any more: it took too long.
        let _ = done.send(child.wait_with_output());
    });
    let Some(output) = wait(&ended, within) else {
        // Whatever is gone already needs no signal.
        let _ = kill_process_group(group, Signal::TERM);
        if wait(&ended, TIDIES_UP_WITHIN).is_none() {
            let _ = kill_process_group(group, Signal::KILL);
        }
        return Err(format!("git did not end within {} s, and was ended", within.as_secs()));
    };
    let output = output.map_err(|error| format!("git cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("git: {}", harmless(String::from_utf8_lossy(&output.stderr).trim())))
}

fn wait(ended: &Receiver<std::io::Result<Output>>, within: Duration) -> Option<std::io::Result<Output>> {
    ended.recv_timeout(within).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn run(directory: &Path, arguments: &[&str]) -> String {
        let with = |git: &mut Command| {
            git.args(arguments);
        };
        git(directory, &with, GIT_ENDS_WITHIN).unwrap()
    }

    fn checkout() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("orchd.yaml"), "one\n").unwrap();
        run(directory.path(), &["init", "--quiet"]);
        directory
    }

    #[test]
    fn one_file_is_committed_whatever_else_is_staged() {
        let directory = checkout();
        let file = directory.path().join("orchd.yaml");
        let author = Author::of(&Actor::Person("mal<x>\nory".to_owned()));
        let first = commit(&file, &author, None, GIT_ENDS_WITHIN).unwrap();
        assert_eq!(run(directory.path(), &["rev-parse", "HEAD"]), first, "the first commit of all");
        fs::write(directory.path().join("other"), "staged, and nobody's business").unwrap();
        run(directory.path(), &["add", "other"]);
        fs::write(&file, "two\n").unwrap();
        let second = commit(&file, &author, Some("Keep events"), GIT_ENDS_WITHIN).unwrap();
        assert_eq!(
            run(directory.path(), &["log", "-1", "--format=%H|%an|%s"]),
            format!("{second}|malxory|Keep events")
        );
        assert_eq!(run(directory.path(), &["show", "--name-only", "--format="]), "orchd.yaml", "that one file");
        assert_eq!(commit(&file, &author, None, GIT_ENDS_WITHIN).unwrap(), second, "nothing changed: no commit more");
    }

    #[test]
    fn a_git_that_hangs_is_ended_with_what_it_started() {
        let directory = checkout();
        let hook = directory.path().join(".git/hooks/pre-commit");
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        // Opening a pipe that nobody writes to never ends.
        fs::write(&hook, "#!/bin/sh\necho $$ > \"$GIT_DIR/../hook\"\nmkfifo pipe\ncat pipe\n").unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
        let file = directory.path().join("orchd.yaml");
        let said = commit(&file, &Author::of(&Actor::Orchd), None, Duration::from_secs(1)).unwrap_err();
        assert_eq!(said, "git did not end within 1 s, and was ended");
        assert!(!directory.path().join(".git/index.lock").exists(), "the next commit is not kept out");
    }
}
