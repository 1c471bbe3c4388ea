//! The `database` key: a URL, or a map with the URL and the directory for large payloads.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::Database;
use super::fields::Fields;
use super::findings::Findings;
use super::marked::{Node, Tree};
use super::secret::{Surroundings, secret};
use super::table::{DATABASE, Key};
use super::values::{path, refuse, text};

/// Where large payloads go when the database is not a file that lies in a directory of ours.
const OBJECTS: &str = "/var/lib/orchd/objects";

const EXPECTED: &str = "`database` expects sqlite:///PATH or postgres://USER@HOST/NAME";

/// The database, and how to show it without its password.
pub(super) struct Found {
    pub(super) database: Database,
    pub(super) shown: Value,
}

pub(super) fn database(around: Surroundings<'_>, node: &Node, key: &Key, findings: &mut Findings) -> Option<Found> {
    if !matches!(node.tree, Tree::Map(_)) {
        let (url, shown) = written_url(around, node, key, findings)?;
        return Some(found(url, None, shown));
    }
    let mut fields = Fields::open(node, &DATABASE, findings);
    let url = fields.read("url", findings, |node, key, findings| match node.tree {
        Tree::Map(_) => {
            let kept = secret(around, node, key, findings)?;
            let url = located(around.dir, kept.expose_secret(), node, findings)?;
            Some((url, node.to_json()))
        }
        _ => written_url(around, node, key, findings),
    });
    let objects = fields.read("objects", findings, |node, key, findings| path(around.dir, node, key, findings));
    let (url, shown) = url?;
    Some(found(url, objects, shown))
}

impl Database {
    /// The file, when it is SQLite's.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        sqlite_path(self.url.expose_secret()).map(|path| unescape(&path).into())
    }
}

fn found(url: SecretString, objects: Option<PathBuf>, shown: Value) -> Found {
    let objects = objects.unwrap_or_else(|| {
        let file = sqlite_path(url.expose_secret()).map(|path| unescape(&path));
        file.and_then(|file| Some(Path::new(&file).parent()?.join("objects"))).unwrap_or_else(|| OBJECTS.into())
    });
    let shown = json!({"url": shown, "objects": objects.display().to_string()});
    Found { database: Database { url, objects }, shown }
}

fn written_url(
    around: Surroundings<'_>,
    node: &Node,
    key: &Key,
    findings: &mut Findings,
) -> Option<(SecretString, Value)> {
    let written = text(node, key, findings)?;
    let url = located(around.dir, &written, node, findings)?;
    if sqlite_path(&written).is_none() && holds_password(&written) {
        let message = "the URL holds a password, which never stands in the config itself: keep the whole URL as a \
            secret and write `database: {url: {credential: NAME}}` ({file: PATH} and {env: NAME} work too)";
        return refuse(node, findings, message);
    }
    let shown = Value::String(url.expose_secret().to_owned());
    Some((url, shown))
}

/// The URL with an absolute path. Messages never repeat it: it may hold a password.
fn located(dir: &Path, url: &str, node: &Node, findings: &mut Findings) -> Option<SecretString> {
    if let Some(file) = sqlite_path(url) {
        if file.is_empty() || file.starts_with(":memory:") || url.contains("mode=memory") {
            return refuse(node, findings, "a database in memory would lose every event at the next stop: name a file");
        }
        let query = url.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
        let absolute =
            if file.starts_with('/') { file } else { format!("{}/{file}", escape(&dir.display().to_string())) };
        return Some(format!("sqlite://{absolute}{query}").into());
    }
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
    match rest {
        Some(rest) if !rest.is_empty() => Some(url.to_owned().into()),
        _ => refuse(node, findings, EXPECTED),
    }
}

/// The path in a SQLite URL, still escaped.
fn sqlite_path(url: &str) -> Option<String> {
    let rest = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    Some(rest.split('?').next().unwrap_or_default().to_owned())
}

/// `%` and `?` have a meaning in a SQLite URL.
fn escape(path: &str) -> String {
    path.replace('%', "%25").replace('?', "%3F")
}

fn unescape(path: &str) -> String {
    path.replace("%3F", "?").replace("%25", "%")
}

/// Whether a PostgreSQL URL holds a password, in either place it can stand.
fn holds_password(url: &str) -> bool {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
    // The last `@`: a password that was not escaped may hold others, and a path never needs one.
    let in_front = rest.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    let names = |pair: &str| pair.split('=').next().unwrap_or_default().to_ascii_lowercase().contains("pass");
    // A `?` inside an unescaped password would put its rest, and the `@` after it, into the query.
    in_front || query.contains('@') || query.split('&').any(names)
}

#[cfg(test)]
mod tests {
    use super::holds_password;

    #[test]
    fn a_password_is_found_wherever_it_stands() {
        let cases = [
            ("postgres://orchd@db/orchd", false),
            ("postgres://db:5432/orchd", false),
            ("postgres://[::1]:5432/orchd?sslmode=require", false),
            ("postgres:///orchd?host=/run/postgresql", false),
            ("postgres://orchd:hunter2@db:5432/orchd", true),
            ("postgres://orchd:hun@ter2@db/orchd", true),
            ("postgres://orchd:hun?ter2@db/orchd", true),
            ("postgresql://db/orchd?user=o&Password=hunter2", true),
        ];
        for (url, holds) in cases {
            assert_eq!(holds_password(url), holds, "{url}");
        }
    }
}
