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
            let (url, _) = located(around.dir, kept.expose_secret(), node, findings)?;
            Some((url, node.to_json()))
        }
        _ => written_url(around, node, key, findings),
    });
    let objects = fields.read("objects", findings, |node, key, findings| path(around.dir, node, key, findings));
    let (url, shown) = url?;
    Some(found(url, objects, shown))
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
    let (url, shown) = located(around.dir, &written, node, findings)?;
    Some((url, Value::String(shown)))
}

/// The URL with an absolute path, and the same for showing. Messages never repeat it: it may hold a password.
fn located(dir: &Path, url: &str, node: &Node, findings: &mut Findings) -> Option<(SecretString, String)> {
    if let Some(file) = sqlite_path(url) {
        if file.is_empty() || file.starts_with(":memory:") || url.contains("mode=memory") {
            return refuse(node, findings, "a database in memory would lose every event at the next stop: name a file");
        }
        let query = url.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
        let absolute =
            if file.starts_with('/') { file } else { format!("{}/{file}", escape(&dir.display().to_string())) };
        let url = format!("sqlite://{absolute}{query}");
        return Some((url.clone().into(), url));
    }
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
    match rest {
        Some(rest) if !rest.is_empty() => Some((url.to_owned().into(), masked(url))),
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

/// A PostgreSQL URL with its password, in either place it can stand, as `***`.
pub(super) fn masked(url: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let (scheme, rest) = base.split_once("://").unwrap_or(("postgres", base));
    // The last `@`: a password that was not escaped may hold others, and a path never needs one.
    let base = match rest.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{scheme}://{name}:***@{host}"),
            None => format!("{scheme}://{user}@{host}"),
        },
        None => format!("{scheme}://{rest}"),
    };
    let hide = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("pass") => format!("{name}=***"),
        _ => pair.to_owned(),
    };
    match query {
        // A `?` inside an unescaped password would put its rest here: with an `@` in it nothing is shown.
        Some(query) if query.contains('@') => format!("{scheme}://***"),
        Some(query) => format!("{base}?{}", query.split('&').map(hide).collect::<Vec<_>>().join("&")),
        None => base,
    }
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn a_password_is_masked_wherever_it_stands() {
        let cases = [
            ("postgres://orchd@db/orchd", "postgres://orchd@db/orchd"),
            ("postgres://orchd:hunter2@db:5432/orchd", "postgres://orchd:***@db:5432/orchd"),
            ("postgres://orchd:hun@ter2@db/orchd", "postgres://orchd:***@db/orchd"),
            ("postgres://orchd:hun?ter2@db/orchd", "postgres://***"),
            ("postgresql://db/orchd?user=o&password=hunter2", "postgresql://db/orchd?user=o&password=***"),
            ("postgres:///orchd?host=/run/postgresql", "postgres:///orchd?host=/run/postgresql"),
        ];
        for (url, shown) in cases {
            assert_eq!(masked(url), shown);
        }
    }
}
