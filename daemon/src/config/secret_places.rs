//! Where a config says that its secrets are, whether or not they are there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::Problem;
use super::findings::{Findings, Place};
use super::load::directory_of;
use super::marked::{Node, Tree};
use super::rule_files::read_root;
use super::secret::{Surroundings, credential};

/// The sections that hold secrets.
const SECTIONS: [&str; 5] = ["database", "forward", "github", "login", "telemetry"];

/// Where a config takes a secret from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    File(PathBuf),
    /// `None`: there is no directory of credentials.
    Credential {
        name: String,
        file: Option<PathBuf>,
    },
    /// Of the environment.
    Variable(String),
}

/// One secret of a config.
#[derive(Clone, Debug)]
pub struct SecretPlace {
    /// `github.private_key`.
    pub key: String,
    pub source: SecretSource,
    file: PathBuf,
    places: [Place; 3],
}

impl SecretPlace {
    /// Whether a problem of the config is about this secret.
    pub fn is_of(&self, problem: &Problem) -> bool {
        let same = |place: &Place| (place.line, place.column) == (problem.line, problem.column);
        problem.file == self.file && self.places.iter().any(same)
    }
}

/// The secrets that the config at `path` names, as far as it can be read. `env` looks up the environment.
pub fn secret_places(path: &Path, env: &dyn Fn(&str) -> Option<OsString>) -> Vec<SecretPlace> {
    let Some(root) = read_root(path, None, &mut Vec::new(), &mut Findings::default()) else { return Vec::new() };
    let dir = directory_of(path);
    let mut walk = Walk { around: Surroundings { dir: &dir, env }, file: path, found: Vec::new() };
    for section in SECTIONS {
        if let Some(node) = root.get(section) {
            walk.look(section, node);
        }
    }
    walk.found
}

struct Walk<'a> {
    around: Surroundings<'a>,
    file: &'a Path,
    found: Vec<SecretPlace>,
}

impl Walk<'_> {
    fn look(&mut self, key: &str, node: &Node) {
        match &node.tree {
            Tree::Scalar(_) => {}
            Tree::List(items) => items.iter().for_each(|item| self.look(key, item)),
            Tree::Map(entries) => {
                for entry in entries {
                    match entry.node.as_text().and_then(|name| self.source(&entry.key, name)) {
                        Some(source) => self.found.push(SecretPlace {
                            key: key.to_owned(),
                            source,
                            file: self.file.to_owned(),
                            places: [node.place, entry.place, entry.node.place],
                        }),
                        None => self.look(&format!("{key}.{}", entry.key), &entry.node),
                    }
                }
            }
        }
    }

    fn source(&self, kind: &str, name: &str) -> Option<SecretSource> {
        match kind {
            "file" => Some(SecretSource::File(self.around.dir.join(name))),
            "credential" => {
                let file = credential(self.around, name).ok();
                Some(SecretSource::Credential { name: name.to_owned(), file })
            }
            "env" => Some(SecretSource::Variable(name.to_owned())),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::config::load_in;

    #[test]
    fn every_secret_is_found_and_what_is_wrong_with_it_is_known_for_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("orchd.yaml");
        let text = "database: {url: {env: NO_SUCH_VARIABLE}}\ngithub:\n  private_key: {file: none.pem}\n  \
                    webhook_secrets: [{credential: hook}, {file: empty}]\nlogin: {keys: [{file: short}]}\nrulez: []\n";
        std::fs::write(&path, text).unwrap();
        std::fs::write(directory.path().join("empty"), "\n").unwrap();
        std::fs::write(directory.path().join("short"), "0f0f").unwrap();
        let places = secret_places(&path, &|_| None);
        let keys: Vec<&str> = places.iter().map(|place| place.key.as_str()).collect();
        let hooks = "github.webhook_secrets";
        assert_eq!(keys, ["database.url", "github.private_key", hooks, hooks, "login.keys"]);
        assert_eq!(places[1].source, SecretSource::File(directory.path().join("none.pem")));
        assert_eq!(places[2].source, SecretSource::Credential { name: "hook".to_owned(), file: None });

        let problems = load_in(&path, &[], Utc::now(), &|_| None).unwrap_err().0;
        let others: Vec<&str> = problems
            .iter()
            .filter(|problem| !places.iter().any(|place| place.is_of(problem)))
            .map(|problem| problem.message.as_str())
            .collect();
        assert_eq!(others.len(), 1, "{others:?}");
        assert!(others[0].contains("rulez"), "{others:?}");
        assert_eq!(problems.len(), 6, "{problems:#?}");
    }
}
