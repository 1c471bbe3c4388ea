//! What a contributor uses in a checkout: real git repositories, the real program, nothing else.

mod ci;
mod init;
mod pr;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A git repository of somebody.
pub struct Checkout {
    folder: TempDir,
}

impl Checkout {
    /// Empty, and known to be acme/web on GitHub.
    pub fn new() -> Self {
        let checkout = Self { folder: tempfile::tempdir().unwrap() };
        checkout.git(&["init", "--quiet", "--initial-branch", "main"]);
        checkout.git(&["config", "user.name", "Mona"]);
        checkout.git(&["config", "user.email", "mona@example.com"]);
        checkout.git(&["config", "commit.gpgSign", "false"]);
        checkout.git(&["remote", "add", "origin", "https://mona:ghp_secret@github.com/acme/web.git"]);
        checkout
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git").arg("-C").arg(self.folder.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn replace(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path}: {text}");
        self.write(path, &text.replacen(from, to, 1));
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    /// orchd, run in the checkout.
    pub fn orchd(&self, arguments: &[&str]) -> Said {
        Said::of(orchd(arguments).current_dir(self.folder.path()))
    }
}

fn orchd(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchd"));
    command.args(arguments).env_remove("ORCHD_CONFIG").stdin(Stdio::null());
    command
}

/// What a command said, and how it ended.
pub struct Said {
    pub out: String,
    pub err: String,
    pub code: Option<i32>,
}

impl Said {
    fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { out: text(stdout), err: text(stderr), code: status.code() }
    }

    /// Asserts the exit code.
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    /// The cells of the row that begins so.
    fn row(&self, begin: &[&str]) -> Vec<String> {
        let rows = self.out.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
        let mut found =
            rows.filter(|row| row.len() >= begin.len() && row.iter().zip(begin).all(|(cell, begin)| cell == begin));
        found.next_back().unwrap_or_else(|| panic!("no row {begin:?} in\n{}\n{}", self.out, self.err))
    }
}

/// A folder with one program in it, a script.
fn program(name: &str, script: &str) -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// The path with that folder in front.
fn path_with(folder: &Path) -> String {
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}
