//! The files that rules stand in: the config itself, what it includes, and what these extend.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::extends::{extends, files_extended};
use super::fields::Fields;
use super::findings::{Findings, Place};
use super::include::expand;
use super::load::directory_of;
use super::marked::{self, Node};
use super::revision::Source;
use super::rules::Rulebook;
use super::secret::{Surroundings, files};
use super::table::{Key, ROOT, RULES_FILE};
use super::values;

/// Largest config file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// What a config is made of on disk, as far as it can be told even when it is wrong: what to watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The config file, what it includes, what these extend, and the files its secrets are in.
    pub files: Vec<PathBuf>,
    /// The patterns of `include`, joined to the config file's directory.
    pub patterns: Vec<PathBuf>,
}

/// What to watch for changes of the config at `path`. Patterns that cannot be read now are simply not in it.
pub fn sources(path: &Path) -> Sources {
    let mut findings = Findings::default();
    let mut read = Vec::new();
    let mut found = Sources { files: vec![path.to_owned()], patterns: Vec::new() };
    let Some(root) = read_root(path, None, &mut read, &mut findings) else { return found };
    let mut fields = Fields::open(&root, &ROOT, &mut findings);
    let here = directory(path);
    found.files.extend(files_extended(&root, here));
    let written = fields.read("include", &mut findings, patterns);
    for (_, pattern) in written.unwrap_or_default() {
        for file in expand(here, &pattern).unwrap_or_default() {
            if let Some(root) = read_text(&file).ok().and_then(|text| marked::parse(&text, 0, &mut findings)) {
                found.files.extend(files_extended(&root, directory(&file)));
            }
            found.files.push(file);
        }
        found.patterns.push(here.join(pattern));
    }
    let around = Surroundings { dir: &directory_of(path), env: &|name| std::env::var_os(name) };
    found.files.extend(
        ["github", "database", "login", "telemetry"]
            .iter()
            .filter_map(|key| root.get(key))
            .flat_map(|node| files(around, node)),
    );
    found
}

/// The rules of what the file extends, those of the file itself, then those of what it includes.
pub(super) fn read_all_rules(
    top: &mut Fields<'_>,
    path: &Path,
    sources: &mut Vec<Source>,
    rulebook: &mut Rulebook<'_>,
    findings: &mut Findings,
) {
    read_rules(top, path, sources, rulebook, findings);
    include(top, path, sources, rulebook, findings);
}

/// The rules of what one file extends, then its own.
fn read_rules(
    fields: &mut Fields<'_>,
    path: &Path,
    sources: &mut Vec<Source>,
    rulebook: &mut Rulebook<'_>,
    findings: &mut Findings,
) {
    fields.read("extends", findings, |node, key, findings| {
        extends(node, key, directory(path), sources, rulebook, findings)
    });
    fields.read("rules", findings, |node, key, findings| rulebook.read(node, key, findings));
}

/// Reads the files that `include` names, each once, and their rules.
fn include(
    top: &mut Fields<'_>,
    path: &Path,
    sources: &mut Vec<Source>,
    rulebook: &mut Rulebook<'_>,
    findings: &mut Findings,
) {
    let here = directory(path);
    let written = top.read("include", findings, patterns);
    let mut seen = vec![real(path)];
    for (place, pattern) in written.unwrap_or_default() {
        let files = match expand(here, &pattern) {
            Ok(files) => files,
            Err(reason) => {
                findings.report(place, reason);
                continue;
            }
        };
        for file in files {
            if seen.contains(&real(&file)) {
                continue;
            }
            seen.push(real(&file));
            let Some(text) = text_of(&file, place, "included", sources, findings) else { continue };
            let index = findings.add_file(&file);
            if let Some(root) = marked::parse(&text, index, findings) {
                let mut fields = Fields::open(&root, &RULES_FILE, findings);
                read_rules(&mut fields, &file, sources, rulebook, findings);
            }
        }
    }
}

/// The text of a file that is named at `place`, and counts from now on. One that was read before is not read again, so
/// that all see the same.
pub(super) fn text_of(
    file: &Path,
    place: Place,
    done: &str,
    sources: &mut Vec<Source>,
    findings: &mut Findings,
) -> Option<String> {
    if let Some(known) = sources.iter().find(|source| source.path == file) {
        return Some(known.text.clone());
    }
    match read_text(file) {
        Ok(text) => {
            sources.push(Source { path: file.to_owned(), text: text.clone() });
            Some(text)
        }
        Err(Unreadable::Content { line, column, message }) => {
            let file = findings.add_file(file);
            findings.report(Place { file, line, column }, message);
            None
        }
        Err(Unreadable::File(reason)) => {
            findings.report(place, format!("{} cannot be {done}: {reason}", file.display()));
            None
        }
    }
}

fn patterns(node: &Node, key: &Key, findings: &mut Findings) -> Option<Vec<(Place, String)>> {
    let items = values::one_or_more(node, key, findings)?;
    Some(items.iter().filter_map(|item| Some((item.place, values::text(item, key, findings)?))).collect())
}

/// The config itself; `given` stands in for what the file holds.
pub(super) fn read_root(
    path: &Path,
    given: Option<&str>,
    sources: &mut Vec<Source>,
    findings: &mut Findings,
) -> Option<Node> {
    let file = findings.add_file(path);
    let read = match given {
        Some(text) if text.len() as u64 > MAX_FILE => Err(too_large()),
        Some(text) => Ok(text.to_owned()),
        None => read_text(path),
    };
    match read {
        Ok(text) => {
            let root = marked::parse(&text, file, findings);
            sources.push(Source { path: path.to_owned(), text });
            root
        }
        Err(Unreadable::Content { line, column, message }) => {
            findings.report(Place { file, line, column }, message);
            None
        }
        Err(Unreadable::File(reason)) => {
            findings.report(Place::start_of(file), format!("the config cannot be read: {reason}"));
            None
        }
    }
}

enum Unreadable {
    File(String),
    Content { line: usize, column: usize, message: String },
}

fn too_large() -> Unreadable {
    Unreadable::File("it is larger than 1 MiB".to_owned())
}

fn read_text(path: &Path) -> Result<String, Unreadable> {
    let failed = |error: std::io::Error| Unreadable::File(error.to_string());
    // A FIFO would block for ever.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(Unreadable::File("it is not a file".to_owned()));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_large());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
        let last = valid.rsplit('\n').next().unwrap_or_default();
        Unreadable::Content {
            line: valid.matches('\n').count() + 1,
            column: last.chars().count() + 1,
            message: "not UTF-8".to_owned(),
        }
    })
}

/// Where the paths that a file names start.
pub(super) fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
