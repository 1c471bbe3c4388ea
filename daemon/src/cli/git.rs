//! The checkout that a person works in, as git tells of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::failure::Failure;
use crate::core::text::harmless;

/// Names of remotes, the likeliest first: who forked calls the origin of it all `upstream`.
const REMOTES: [&str; 2] = ["upstream", "origin"];

/// A git checkout.
#[derive(Debug)]
pub(super) struct Checkout {
    pub(super) root: PathBuf,
}

/// Where a repository is on GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    /// What git calls it: `origin`.
    pub(super) name: String,
    pub(super) host: String,
    pub(super) owner: String,
    pub(super) repository: String,
}

impl Checkout {
    /// The checkout that a directory lies in.
    pub(super) fn find(directory: &Path) -> Result<Self, Failure> {
        let shown = harmless(&directory.display().to_string());
        if !directory.is_dir() {
            return Err(Failure::failed(format!("{shown} is no directory")));
        }
        let output = git(directory, &["rev-parse", "--is-inside-work-tree", "--show-toplevel"]).map_err(|error| {
            Failure::failed(format!("git cannot be run ({error}): install it, it tells what is here"))
        })?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        match told.trim_end().split_once('\n') {
            Some(("true", root)) => Ok(Self { root: PathBuf::from(root) }),
            _ if told.starts_with("false") => {
                Err(Failure::failed(format!("{shown} is a repository without files: run this in a checkout of it")))
            }
            _ => {
                let said = complaint(&output);
                Err(Failure::failed(format!(
                    "{shown} is in no git checkout that can be read: `git init` makes one. Git says: {said}"
                )))
            }
        }
    }

    /// What git prints, without the newline at its end.
    ///
    /// # Errors
    /// What git complains of.
    pub(super) fn git(&self, arguments: &[&str]) -> Result<String, String> {
        let output = git(&self.root, arguments).map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(complaint(&output));
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
    }

    /// The branch that is checked out. `None`: none is (a detached `HEAD`).
    pub(super) fn branch(&self) -> Option<String> {
        self.git(&["symbolic-ref", "--quiet", "--short", "HEAD"]).ok()
    }

    /// Whether there is such a thing as a commit of this name.
    pub(super) fn has_commit(&self, name: &str) -> bool {
        self.git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")]).is_ok()
    }

    /// Where changes go to in the end.
    pub(super) fn remote(&self) -> Option<Remote> {
        REMOTES.iter().find_map(|name| {
            let url = self.git(&["remote", "get-url", name]).ok()?;
            let (host, owner, repository) = place_of(&url)?;
            Some(Remote { name: (*name).to_owned(), host, owner, repository })
        })
    }

    /// The branch that changes go to, as far as it can be told without asking anybody.
    pub(super) fn default_branch(&self) -> Option<String> {
        let told = REMOTES.iter().find_map(|remote| {
            let head =
                self.git(&["symbolic-ref", "--quiet", "--short", &format!("refs/remotes/{remote}/HEAD")]).ok()?;
            Some(head.strip_prefix(&format!("{remote}/"))?.to_owned())
        });
        told.or_else(|| {
            let usual = ["main", "master"].into_iter();
            let there = |name: &&str| {
                let remotes = REMOTES.iter().map(|remote| format!("refs/remotes/{remote}/{name}"));
                remotes.chain([format!("refs/heads/{name}")]).any(|name| self.has_commit(&name))
            };
            usual.filter(|name| there(name)).map(str::to_owned).next()
        })
    }
}

/// Runs git where nobody waits for an answer: it asks nothing.
fn git(directory: &Path, arguments: &[&str]) -> std::io::Result<Output> {
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(["-c", "core.quotePath=false", "-c", "core.fsmonitor=false"]).args(arguments);
    command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").stdin(Stdio::null()).output()
}

fn complaint(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    match said.trim() {
        "" => format!("git ended with {}", output.status),
        said => harmless(said.lines().next().unwrap_or_default()),
    }
}

/// Host, owner and name of a URL as git knows them. What a person keeps in one (a token, a port of ssh) is left out.
fn place_of(url: &str) -> Option<(String, String, String)> {
    let (host, path) = match url.split_once("://") {
        Some((scheme, rest)) if matches!(scheme, "https" | "http" | "ssh" | "git") => {
            let (server, path) = rest.split_once('/')?;
            let server = server.rsplit_once('@').map_or(server, |(_, server)| server);
            // Over HTTP the port is part of where pages are; of ssh it says nothing about them.
            let host = if scheme.starts_with("http") { server } else { server.split(':').next()? };
            (host, path)
        }
        Some(_) => return None,
        None => {
            let (server, path) = url.split_once(':')?;
            (server.rsplit_once('@').map_or(server, |(_, server)| server), path)
        }
    };
    let path = path.trim_matches('/');
    let (owner, name) = path.strip_suffix(".git").unwrap_or(path).split_once('/')?;
    let fine = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let all = fine(host, ".-:") && fine(owner, "-_") && fine(name, ".-_");
    all.then(|| (host.to_owned(), owner.to_owned(), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::place_of;

    #[test]
    fn remotes_are_read_and_tokens_are_not() {
        let read = |url| place_of(url).map(|(host, owner, name)| format!("{host} {owner} {name}"));
        for url in [
            "https://github.com/acme/web.git",
            "https://github.com/acme/web",
            "https://mona:ghp_secret@github.com/acme/web/",
            "git@github.com:acme/web.git",
            "ssh://git@github.com:22/acme/web.git",
            "github.com:acme/web",
        ] {
            assert_eq!(read(url).as_deref(), Some("github.com acme web"), "{url}");
        }
        assert_eq!(read("https://ghe.example:8443/a/b.js").as_deref(), Some("ghe.example:8443 a b.js"));
        for url in [
            "",
            "/srv/git/web.git",
            "../web",
            "file:///srv/web.git",
            "C:\\web",
            "https://github.com/acme",
            "https://github.com/a\"b/c",
        ] {
            assert_eq!(read(url), None, "{url}");
        }
    }
}
