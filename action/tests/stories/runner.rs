//! The runner's side of a step: variables, an event's file, the files for outputs and summary, a checkout.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Of every step here unless it says otherwise.
pub const TOKEN: &str = "ghs_0123456789abcdefTheTokenOfTheRun";

/// A step that is about to be run.
pub struct Runner {
    dir: TempDir,
    variables: BTreeMap<String, String>,
}

/// What came of it.
pub struct Ended {
    pub code: i32,
    /// Line by line, as the runner reads it.
    pub log: String,
    pub outputs: BTreeMap<String, String>,
    pub summary: String,
    pub took: Duration,
}

impl Runner {
    /// A step of a run for `issues.opened` in acme/web.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("workspace")).unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let set = [
            ("CI", "true".to_owned()),
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("GITHUB_ACTOR", "alice".to_owned()),
            ("GITHUB_API_URL", "http://127.0.0.1:9".to_owned()),
            ("GITHUB_EVENT_PATH", path("event.json")),
            ("GITHUB_JOB", "rules".to_owned()),
            ("GITHUB_OUTPUT", path("output")),
            ("GITHUB_REF", "refs/heads/main".to_owned()),
            ("GITHUB_REPOSITORY", "acme/web".to_owned()),
            ("GITHUB_REPOSITORY_ID", "1".to_owned()),
            ("GITHUB_RUN_ATTEMPT", "1".to_owned()),
            ("GITHUB_RUN_ID", "17".to_owned()),
            ("GITHUB_SERVER_URL", "https://github.com".to_owned()),
            ("GITHUB_SHA", "6dcb09b5b57875f334f61aebed695e2e4193db5e".to_owned()),
            ("GITHUB_STEP_SUMMARY", path("summary")),
            ("GITHUB_WORKFLOW_REF", "acme/web/.github/workflows/rules.yml@refs/heads/main".to_owned()),
            ("GITHUB_WORKSPACE", path("workspace")),
            ("INPUT_TOKEN", TOKEN.to_owned()),
        ];
        let variables = set.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let issue =
            json!({"number": 1, "title": "It crashes", "state": "open", "labels": [], "user": {"login": "alice"}});
        let repository = json!({"id": 1, "full_name": "acme/web", "default_branch": "main", "private": false});
        let sender = json!({"login": "alice", "id": 7, "type": "User"});
        let opened = json!({"action": "opened", "issue": issue, "repository": repository, "sender": sender});
        Self { dir, variables }.event("issues", &opened)
    }

    /// `name` is that of the input, in lower case.
    #[must_use]
    pub fn input(self, name: &str, value: &str) -> Self {
        self.set(&format!("INPUT_{}", name.to_uppercase()), value)
    }

    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    #[must_use]
    pub fn event(self, name: &str, payload: &Value) -> Self {
        self.event_text(name, &payload.to_string())
    }

    #[must_use]
    pub fn event_text(self, name: &str, payload: &str) -> Self {
        fs::write(self.path("event.json"), payload).unwrap();
        self.set("GITHUB_EVENT_NAME", name)
    }

    /// A file of the checkout.
    #[must_use]
    pub fn file(self, path: &str, text: &str) -> Self {
        let path = self.path("workspace").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn as_program(&self) -> Command {
        let mut step = Command::new(env!("CARGO_BIN_EXE_orchd-action"));
        step.env_clear().envs(&self.variables).current_dir(self.path("workspace"));
        step
    }

    /// As a runner starts a container: variables, the files mounted, and the checkout, which nothing may write to.
    fn in_image(&self, image: &str) -> Command {
        let dir = self.dir.path().to_str().unwrap();
        for name in ["output", "summary"] {
            fs::write(self.path(name), "").unwrap();
        }
        let mut step = Command::new("podman");
        step.args(["run", "--rm", "--workdir", "/github/workspace"]);
        step.args([
            "--volume",
            &format!("{dir}:/github/files"),
            "--volume",
            &format!("{dir}/workspace:/github/workspace:ro"),
        ]);
        let workspace = format!("{dir}/workspace");
        for (name, value) in &self.variables {
            step.args(["--env", name]);
            step.env(name, value.replace(&workspace, "/github/workspace").replace(dir, "/github/files"));
        }
        step.arg(image);
        step
    }

    /// Runs it, with nothing of this process's own environment. Whatever comes of it, the checkout is as it was and no
    /// secret was shown.
    pub fn run(self) -> Ended {
        let before = listing(&self.path("workspace"));
        let mut step = match std::env::var("ORCHD_ACTION_IMAGE") {
            Ok(image) => self.in_image(&image),
            Err(_) => self.as_program(),
        };
        let start = Instant::now();
        let out = step.output().unwrap();
        let took = start.elapsed();
        let log = String::from_utf8(out.stdout).unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stderr), "", "a program that panics tells it here");
        let ended = Ended {
            code: out.status.code().unwrap(),
            outputs: outputs(&fs::read_to_string(self.path("output")).unwrap_or_default()),
            summary: fs::read_to_string(self.path("summary")).unwrap_or_default(),
            log,
            took,
        };
        assert_eq!(listing(&self.path("workspace")), before, "the step wrote into the workspace");
        for name in ["INPUT_TOKEN", "INPUT_SECRET", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"] {
            let Some(secret) = self.variables.get(name).map(|text| text.trim()).filter(|text| text.len() > 3) else {
                continue;
            };
            let shown: Vec<&str> = ended.log.lines().filter(|line| line.contains(secret)).collect();
            assert!(shown.iter().all(|line| line.starts_with("::add-mask::")), "{name}: {shown:?}");
            let told = format!("{:?}{}", ended.outputs, ended.summary);
            assert!(!told.contains(secret), "{name} is in the outputs or the summary: {told}");
        }
        ended
    }
}

impl Ended {
    /// Messages of the annotations of a level: `error`, `warning`, `notice`.
    pub fn told(&self, level: &str) -> Vec<String> {
        let begin = format!("::{level}");
        let commands = self.log.lines().filter(|line| line.starts_with(&begin));
        let message = |line: &str| line[2..].split_once("::").unwrap().1.to_owned();
        let plain = |text: String| text.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%");
        commands.map(|line| plain(message(line))).collect()
    }

    pub fn json(&self, output: &str) -> Value {
        let text = self.outputs.get(output).unwrap_or_else(|| panic!("no output {output}:\n{}", self.log));
        serde_json::from_str(text).unwrap()
    }

    /// That it failed as one whose set-up is to be mended, and what it said.
    #[track_caller]
    pub fn refused(&self) -> String {
        assert_eq!(self.code, 2, "{}", self.log);
        self.told("error").join("\n")
    }
}

/// As the runner reads the file of outputs.
fn outputs(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((name, delimiter)) = line.split_once("<<") else { panic!("not an output: {line}") };
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        all.insert(name.to_owned(), value.join("\n"));
    }
    all
}

fn listing(dir: &std::path::Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(listing(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}
