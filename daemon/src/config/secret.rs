//! Secrets: a config says where one is, never what it is.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::findings::Findings;
use super::marked::{Entry, Node, Tree};
use super::table::Key;
use super::values::{list, refuse};

/// Largest file a secret is read from, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

/// Beside the config, where nothing hands credentials over.
pub const CREDENTIALS: &str = "credentials";

/// What to write, for every refusal.
const HOW: &str = "write {credential: NAME}, {file: PATH} or {env: NAME}";

/// What the config takes from around it.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// The config file's directory, absolute.
    pub(super) dir: &'a Path,
    /// Looks up an environment variable.
    pub(super) env: &'a dyn Fn(&str) -> Option<OsString>,
}

/// Reads the secret a node refers to; one newline at its end is not part of it.
pub(super) fn secret(
    around: Surroundings<'_>,
    node: &Node,
    key: &Key,
    findings: &mut Findings,
) -> Option<SecretString> {
    let entry = match &node.tree {
        Tree::Map(entries) if entries.len() == 1 => entries.first()?,
        Tree::Map(_) => return refuse(node, findings, format!("`{}` expects one source: {HOW}", key.name)),
        _ => {
            let message = format!("`{}` holds a secret, which never stands in the config itself: {HOW}", key.name);
            return refuse(node, findings, message);
        }
    };
    let Some(name) = entry.node.as_text().filter(|name| !name.is_empty()) else {
        return refuse(&entry.node, findings, format!("`{}` expects text: {HOW}", entry.key));
    };
    let found = match entry.key.as_str() {
        "credential" => credential(around, name).and_then(|path| read(&path)),
        "file" => read(&around.dir.join(name)),
        "env" => variable(around, name),
        _ => {
            let message = format!("`{}` is no source of a secret: {HOW}", entry.key);
            findings.report(entry.place, message);
            return None;
        }
    };
    match found.map(trim) {
        Ok(text) if text.is_empty() => refuse(&entry.node, findings, format!("the secret `{name}` is empty")),
        Ok(text) => Some(text.into()),
        Err(reason) => refuse(&entry.node, findings, reason),
    }
}

/// The files that secrets in and below a node are in.
pub(super) fn files(around: Surroundings<'_>, node: &Node) -> Vec<PathBuf> {
    match &node.tree {
        Tree::Scalar(_) => Vec::new(),
        Tree::List(items) => items.iter().flat_map(|item| files(around, item)).collect(),
        Tree::Map(entries) => {
            let of = |entry: &Entry| match (entry.key.as_str(), entry.node.as_text()) {
                ("file", Some(name)) => vec![around.dir.join(name)],
                ("credential", Some(name)) => credential(around, name).into_iter().collect(),
                _ => files(around, &entry.node),
            };
            entries.iter().flat_map(of).collect()
        }
    }
}

/// A list of secrets, at least one.
pub(super) fn secrets(
    around: Surroundings<'_>,
    node: &Node,
    key: &Key,
    findings: &mut Findings,
) -> Option<Vec<SecretString>> {
    let items = list(node, key, findings)?;
    if items.is_empty() {
        return refuse(node, findings, format!("`{}` needs at least one: {HOW}", key.name));
    }
    let read: Vec<_> = items.iter().map(|item| secret(around, item, key, findings)).collect();
    read.into_iter().collect()
}

pub(super) fn credential(around: Surroundings<'_>, name: &str) -> Result<PathBuf, String> {
    if name.contains('/') || name == "." || name == ".." {
        return Err(format!("`{name}` is not the name of a credential: it is a file name without a directory"));
    }
    let beside = around.dir.join(CREDENTIALS);
    match (around.env)("CREDENTIALS_DIRECTORY") {
        Some(dir) => Ok(Path::new(&dir).join(name)),
        // Where `orchd setup` puts them and the unit hands them over from: so commands read the same config as the service.
        None if beside.is_dir() => Ok(beside.join(name)),
        None => Err(format!(
            "there is neither $CREDENTIALS_DIRECTORY nor {} to take `{name}` from: add LoadCredential={name}:PATH to the \
             systemd unit, or write {{file: PATH}}",
            beside.display()
        )),
    }
}

fn variable(around: Surroundings<'_>, name: &str) -> Result<String, String> {
    let found = (around.env)(name).ok_or_else(|| format!("the environment variable `{name}` is not set"))?;
    found.into_string().map_err(|_| format!("the environment variable `{name}` is not UTF-8"))
}

fn read(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("the secret {} cannot be read: {error}", path.display());
    // A FIFO would block for ever.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(format!("the secret {} is not a file", path.display()));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_SECRET + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > MAX_SECRET {
        return Err(format!("the secret {} is larger than {MAX_SECRET} bytes", path.display()));
    }
    String::from_utf8(bytes).map_err(|_| format!("the secret {} is not UTF-8", path.display()))
}

fn trim(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}
