//! A container that the steps of one job share, by podman.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use super::run::Setting;
use crate::core::text::harmless;

/// What jobs that name no image run in.
const USUAL_IMAGE: &str = "docker.io/library/ubuntu:24.04";
/// What podman itself needs of our environment: podman(1), "Environment Variables".
const OF_PODMAN: [&str; 10] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "CONTAINERS_CONF",
    "CONTAINERS_REGISTRIES_CONF",
    "CONTAINERS_STORAGE_CONF",
    "CONTAINER_HOST",
    "REGISTRY_AUTH_FILE",
];

pub(super) struct Container {
    id: String,
    env: BTreeMap<String, String>,
}

impl Container {
    /// Starts one that waits, without an init: podman has none where a distribution packs it apart, and what a step leaves
    /// behind ends with the container anyhow. The checkout is there under the same path as here, and so is what steps write for each other.
    pub(super) fn start(asked: &str, of_job: Option<&str>, setting: &Setting<'_>) -> Result<Self, String> {
        let image = if asked.is_empty() { of_job.unwrap_or(USUAL_IMAGE) } else { asked };
        if image.starts_with('-') || image.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!("`{}` is no name of an image", harmless(image)));
        }
        let env: BTreeMap<String, String> =
            OF_PODMAN.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
        let mount = |path: &Path| format!("{0}:{0}", path.display());
        let mut command = Command::new("podman");
        command.args(["run", "--detach", "--rm", "--security-opt", "label=disable", "--entrypoint", "sleep"]);
        command.args(["--volume", &mount(setting.root), "--volume", &mount(setting.scratch), "--", image, "infinity"]);
        let output = command.env_clear().envs(&env).stdin(Stdio::null()).output();
        let output =
            output.map_err(|error| format!("podman cannot be run ({error}): install it, or leave out --container"))?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(Self { id: said(&output.stdout), env })
        } else {
            let why = said(&output.stderr);
            Err(format!("no container of `{image}` starts: {}", harmless(why.lines().last().unwrap_or_default())))
        }
    }

    /// The command that runs `words` in it.
    pub(super) fn command(
        &self,
        words: &[String],
        env: &BTreeMap<String, String>,
        path: &[String],
        directory: &Path,
    ) -> Vec<String> {
        let mut command: Vec<String> = ["podman", "exec", "--workdir"].map(str::to_owned).to_vec();
        command.push(directory.display().to_string());
        // Its own path and home are not those here.
        for (name, value) in
            env.iter().filter(|(name, _)| !matches!(name.as_str(), "PATH" | "HOME" | "TMPDIR" | "USER" | "LOGNAME"))
        {
            command.extend(["--env".to_owned(), format!("{name}={value}")]);
        }
        command.push(self.id.clone());
        if !path.is_empty() {
            let longer = ["sh", "-c", "PATH=\"$1:$PATH\"; export PATH; shift; exec \"$@\"", "sh"];
            command.extend(longer.map(str::to_owned));
            command.push(path.join(":"));
        }
        command.extend(words.iter().cloned());
        command
    }

    /// Whether it has a program, which only it can tell.
    pub(super) fn has(&self, program: &str, path: &[String]) -> bool {
        let ask = ["sh", "-c", "command -v \"$1\"", "sh", program].map(str::to_owned);
        let words = self.command(&ask, &BTreeMap::new(), path, Path::new("/"));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().envs(&self.env);
        let answer = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        answer.is_ok_and(|status| status.success())
    }

    /// What podman itself is run with.
    pub(super) fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let mut command = Command::new("podman");
        command.args(["rm", "--force", "--time", "0", &self.id]).env_clear().envs(&self.env);
        // One that does not go is told by podman itself the next time somebody looks.
        let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
