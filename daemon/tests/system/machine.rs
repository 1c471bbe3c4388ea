//! A Debian 12 with a running systemd, in a container that is gone with the value.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::PATIENCE;

/// Where machines see the packages.
const PACKAGES: &str = "/packages";

/// What a login shell of root's has.
const SEARCH_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How cgroups of ours begin.
const CGROUP: &str = "orchd-system-";

/// Stopped and removed when dropped; a story that failed shows its journal first.
pub struct Machine {
    nspawn: Child,
    /// Its first process, by our count.
    leader: u32,
    cgroups: Cgroups,
    dir: TempDir,
}

impl Machine {
    /// With what it writes in memory.
    pub fn boot() -> Self {
        Self::boot_with(&[])
    }

    /// With the daemon's state on a real disk, where the end of a commit is waited for.
    pub fn boot_with_disk() -> Self {
        Self::boot_with(&["/var/lib/orchd"])
    }

    fn boot_with(on_disk: &[&str]) -> Self {
        remove_leftovers();
        let dir = tempfile::Builder::new().prefix("machine-").tempdir_in(given("ORCHD_SYSTEM_DIR")).unwrap();
        let cgroups = Cgroups::make();
        let name = cgroups.name.clone();
        let mut command = Command::new("sh");
        // In the cgroups before nspawn, which makes its own below them.
        command.args([
            "-c",
            "for each in $CGROUPS; do echo 0 >$each/cgroup.procs || exit 1; done; exec systemd-nspawn \"$@\"",
            "sh",
        ]);
        command
            .env("CGROUPS", cgroups.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" "));
        command.args([
            "--quiet",
            "--boot",
            "--volatile=overlay",
            "--register=no",
            "--keep-unit",
            "--console=read-only",
        ]);
        command.arg("--directory").arg(given("ORCHD_SYSTEM_ROOTFS")).args(["--machine", &name]);
        command.arg(format!("--bind-ro={}:{PACKAGES}", given("ORCHD_SYSTEM_PACKAGES").display()));
        for (index, path) in on_disk.iter().enumerate() {
            let disk = dir.path().join(format!("disk-{index}"));
            fs::create_dir(&disk).unwrap();
            command.arg(format!("--bind={}:{path}", disk.display()));
        }
        let console = fs::File::create(dir.path().join("console")).unwrap();
        command.stdin(Stdio::null()).stdout(console.try_clone().unwrap()).stderr(console);
        let nspawn = command.spawn().unwrap();
        let mut machine = Self { nspawn, leader: 0, cgroups, dir };
        machine.await_boot();
        machine
    }

    fn await_boot(&mut self) {
        let began = Instant::now();
        loop {
            // The first child makes way for the container's own first process.
            self.leader = child_of(self.nspawn.id()).unwrap_or(0);
            if self.leader != 0 && self.output("systemctl is-system-running").stdout.starts_with(b"running") {
                return;
            }
            let ended = self.nspawn.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "it does not boot: {ended:?}\n{}", self.console());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn console(&self) -> String {
        fs::read_to_string(self.dir.path().join("console")).unwrap_or_default()
    }

    /// A shell command in it, as root.
    pub fn command(&self, shell: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.leader.to_string(), "--all", "--"]);
        // From where we are there is no way to there.
        let shell = format!("cd; {shell}");
        command.args(["env", "-i", SEARCH_PATH, "LANG=C.UTF-8", "HOME=/root", "sh", "-c", &shell]);
        command.stdin(Stdio::null());
        command
    }

    pub fn output(&self, shell: &str) -> Output {
        self.command(shell).output().unwrap()
    }

    /// What it prints.
    ///
    /// # Panics
    /// When it fails, with all that it said.
    pub fn run(&self, shell: &str) -> String {
        let output = self.output(shell);
        let (said, failed) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{shell}: {}\n{said}{failed}", output.status);
        said
    }

    /// The lines that it prints, each a JSON document.
    pub fn json(&self, shell: &str) -> serde_json::Value {
        let told = self.run(shell);
        serde_json::from_str(&told).unwrap_or_else(|error| panic!("{shell}: {error}: {told}"))
    }

    pub fn json_lines(&self, shell: &str) -> Vec<serde_json::Value> {
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{shell}: {error}: {line}"));
        self.run(shell).lines().map(read).collect()
    }

    pub fn succeeds(&self, shell: &str) -> bool {
        self.output(shell).status.success()
    }

    pub fn read(&self, path: &str) -> String {
        self.run(&format!("cat {path}"))
    }

    pub fn write(&self, path: &str, text: &str) {
        let source = self.dir.path().join("written");
        fs::write(&source, text).unwrap();
        let status = self.command(&format!("cat >{path}")).stdin(fs::File::open(source).unwrap()).status().unwrap();
        assert!(status.success(), "{path}");
    }

    /// Installs the package of this version, over the one that is there, as apt does.
    pub fn install(&self, version: &str) {
        self.run(&format!("DEBIAN_FRONTEND=noninteractive dpkg --install {PACKAGES}/orchd_{version}.deb"));
    }

    /// One property of the daemon's unit.
    pub fn property(&self, name: &str) -> String {
        self.run(&format!("systemctl show orchd.service --property={name} --value")).trim_end().to_owned()
    }

    /// Its journal, oldest line first.
    pub fn journal(&self) -> String {
        text(
            &self
                .output("journalctl --unit=orchd.service --unit=orchd.socket --output=short-precise --no-pager")
                .stdout,
        )
    }

    /// A file of this story on our side.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() && self.leader != 0 {
            let journal = self.journal();
            let from = journal.lines().count().saturating_sub(80);
            eprintln!("--- the end of the journal ---");
            journal.lines().skip(from).for_each(|line| eprintln!("{line}"));
            eprintln!(
                "{}",
                text(&self.output("systemctl --no-pager --lines=0 status orchd.service orchd.socket").stdout)
            );
        }
        // All others die with its first process, and nspawn, which then has nothing left to run, tidies up and ends.
        let _ = match self.leader {
            0 => self.nspawn.kill(),
            leader => Command::new("kill").args(["-KILL", &leader.to_string()]).status().map(drop),
        };
        let _ = self.nspawn.wait();
        self.cgroups.remove();
    }
}

/// A directory of its own in every hierarchy that systemd looks at.
struct Cgroups {
    name: String,
    paths: Vec<PathBuf>,
}

impl Cgroups {
    fn make() -> Self {
        let name = format!("{CGROUP}{}", uuid::Uuid::now_v7().simple());
        let paths: Vec<PathBuf> = hierarchies().into_iter().map(|root| root.join(&name)).collect();
        for path in &paths {
            fs::create_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        Self { name, paths }
    }

    fn remove(&self) {
        let began = Instant::now();
        while !self.paths.iter().all(|path| remove_cgroup(path).is_ok()) {
            if began.elapsed() > Duration::from_secs(10) {
                eprintln!("cgroups of {} are left behind", self.name);
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The one of version 2, and systemd's own of version 1 where there is one.
fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let all = [root.to_owned(), root.join("unified"), root.join("systemd")];
    let found: Vec<PathBuf> = all.into_iter().filter(|path| path.join("cgroup.procs").exists()).collect();
    assert!(!found.is_empty(), "no cgroup hierarchy is mounted below /sys/fs/cgroup");
    found
}

fn remove_cgroup(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_cgroup(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

/// Of runs that were killed. What another run uses has processes in it and cannot be removed.
fn remove_leftovers() {
    for root in hierarchies() {
        for entry in fs::read_dir(root).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with(CGROUP) {
                let _ = remove_cgroup(&entry.path());
            }
        }
    }
}

fn child_of(process: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// What `packaging/dev/test-system.sh` has made.
fn given(name: &str) -> PathBuf {
    std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run packaging/dev/test-system.sh")).into()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
