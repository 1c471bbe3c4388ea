//! Writes the config's file when a person asks for it: checked where it will stand, put in place in one step, and
//! committed where it lies in a git checkout. The file on disk stays what counts.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chrono::{DateTime, Utc};
use tempfile::NamedTempFile;

use crate::actions;
use crate::config::{self, Config, Problems};
use crate::core::audit::Actor;
use crate::core::text::harmless;

/// Longest message of a commit, in characters.
const LONGEST_MESSAGE: usize = 2_000;

/// Why a config was not written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    #[error("it does not validate:\n{0}")]
    Invalid(Problems),
    #[error("{0}")]
    Disk(String),
}

/// A checked config that lies beside the one it is to replace.
#[derive(Debug)]
pub struct Draft {
    pub config: Config,
    file: NamedTempFile,
    /// The file itself, where the config's path is a link.
    target: PathBuf,
}

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

/// Writes `text` to a hidden file beside the config, and reads it there: paths in it start where they will.
///
/// # Errors
/// Everything that is wrong with it, named as if it stood in its place; or why it cannot be written.
pub fn draft(path: &Path, text: &str, now: DateTime<Utc>) -> Result<Draft, Unwritten> {
    let failed = |error: std::io::Error| Unwritten::Disk(error.to_string());
    let target = path.canonicalize().map_err(failed)?;
    let directory = target.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::Builder::new().prefix(".orchd-").suffix(".yaml").tempfile_in(directory).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    // As the old one: the daemon may not be the only one to read it.
    let permissions = target.metadata().map_err(failed)?.permissions();
    file.as_file().set_permissions(permissions).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    match config::load(file.path(), actions::kinds(), now) {
        Ok(config) => Ok(Draft { config, file, target }),
        Err(Problems(mut problems)) => {
            let drafted = file.path().to_owned();
            for problem in problems.iter_mut().filter(|problem| problem.file == drafted) {
                problem.file = path.to_owned();
            }
            Err(Unwritten::Invalid(Problems(problems)))
        }
    }
}

impl Draft {
    /// Puts it in the place of the config. The commit, or why none was made; `None`: it lies in no checkout.
    ///
    /// # Errors
    /// When the file cannot be put there; then the old one stands.
    pub fn put_in_place(
        self,
        author: &Author,
        message: Option<&str>,
    ) -> Result<Option<Result<String, String>>, Unwritten> {
        let Self { file, target, .. } = self;
        file.persist(&target).map_err(|error| Unwritten::Disk(error.error.to_string()))?;
        let directory = target.parent().unwrap_or(Path::new("/"));
        // Makes the new name last; what it names was synced before.
        let synced = std::fs::File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| Unwritten::Disk(error.to_string()))?;
        if !directory.ancestors().any(|above| above.join(".git").exists()) {
            return Ok(None);
        }
        Ok(Some(commit(directory, &target, author, message)))
    }
}

/// Commits that one file, whatever else is changed or staged in the checkout.
fn commit(directory: &Path, file: &Path, author: &Author, message: Option<&str>) -> Result<String, String> {
    let message: String = message.unwrap_or("Change the config of orchd").chars().take(LONGEST_MESSAGE).collect();
    let author = format!("{} <orchd@localhost>", author.0);
    let name = file.file_name().ok_or("it has no name")?;
    git(directory, |git| git.arg("add").arg("--").arg(name))?;
    let unchanged = git(directory, |git| git.args(["diff", "--cached", "--quiet", "HEAD", "--"]).arg(name)).is_ok();
    if !unchanged {
        git(directory, |git| {
            git.args(["-c", "user.name=orchd", "-c", "user.email=orchd@localhost", "-c", "commit.gpgSign=false"]);
            git.args(["commit", "--quiet", "--only", "--author", &author, "--message", &message, "--"]).arg(name)
        })?;
    }
    git(directory, |git| git.args(["rev-parse", "HEAD"]))
}

/// What git wrote; what it complained of, made harmless, when it failed.
fn git(directory: &Path, arguments: impl FnOnce(&mut Command) -> &mut Command) -> Result<String, String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null());
    let output = arguments(&mut command).output().map_err(|error| format!("git cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("git: {}", harmless(String::from_utf8_lossy(&output.stderr).trim())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    const GOOD: &str = "github: {webhook_secrets: [{file: secret}]}\n";

    fn at() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("secret"), "hush").unwrap();
        let config = directory.path().join("orchd.yaml");
        fs::write(&config, GOOD).unwrap();
        (directory, config)
    }

    #[test]
    fn what_does_not_validate_never_stands_in_its_place() {
        let (directory, config) = place();
        let Err(Unwritten::Invalid(problems)) = draft(&config, "github: {webhook_secrts: 1}\n", at()) else {
            panic!("it was taken")
        };
        assert!(problems.to_string().contains("orchd.yaml:1:"), "{problems}");
        assert_eq!(fs::read_to_string(&config).unwrap(), GOOD);
        assert_eq!(directory.path().read_dir().unwrap().count(), 2, "no draft is left behind");
    }

    #[test]
    fn a_checked_one_is_put_in_place_and_committed_where_there_is_a_checkout() {
        let (directory, config) = place();
        let new = format!("{GOOD}retention: {{events: 30d}}\n");
        let author = Author::of(&Actor::Person("mal<x>\nory".to_owned()));
        assert_eq!(draft(&config, &new, at()).unwrap().put_in_place(&author, None).unwrap(), None);
        assert_eq!(fs::read_to_string(&config).unwrap(), new);

        let run = |arguments: &[&str]| git(directory.path(), |git| git.args(arguments)).unwrap();
        run(&["init", "--quiet"]);
        run(&["add", "orchd.yaml"]);
        run(&["-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "--quiet", "-m", "first"]);
        fs::write(directory.path().join("other"), "staged, and nobody's business").unwrap();
        run(&["add", "other"]);
        let placed = draft(&config, GOOD, at()).unwrap().put_in_place(&author, Some("Keep events")).unwrap();
        let commit = placed.unwrap().unwrap();
        assert_eq!(run(&["rev-parse", "HEAD"]), commit);
        assert_eq!(run(&["log", "-1", "--format=%an|%s"]), "malxory|Keep events");
        assert_eq!(run(&["show", "--name-only", "--format="]), "orchd.yaml", "that one file");
        let again = draft(&config, GOOD, at()).unwrap().put_in_place(&author, None).unwrap();
        assert_eq!(again.unwrap().unwrap(), commit, "nothing changed: no commit more");
    }
}
