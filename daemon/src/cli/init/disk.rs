//! The files of a checkout, read without following a link and written beside and renamed.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::templates::{Places, Template};

/// Larger files are no text of ours.
const MAX_FILE: u64 = 1 << 20;
/// Where GitHub looks for a page of a community.
const FOLDERS: [&str; 3] = ["", ".github", "docs"];

/// What is at a template's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Text(String),
    /// Not there, and GitHub finds this.
    Elsewhere(String),
}

/// What stands there, or why it cannot be touched.
pub(super) fn look(root: &Path, template: &Template) -> Result<Found, String> {
    match read(root, template.path)? {
        Some(text) => Ok(Found::Text(text)),
        None => Ok(elsewhere(root, template).map_or(Found::Nothing, Found::Elsewhere)),
    }
}

/// The text of a file below the root.
///
/// # Errors
/// When it is not a plain file of text, or reached through a link, which may lead anywhere.
pub(super) fn read(root: &Path, path: &str) -> Result<Option<String>, String> {
    let mut at = root.to_owned();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        at.push(part);
        let shown = at.strip_prefix(root).unwrap_or(&at).display().to_string();
        let kind = match at.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{shown} cannot be looked at: {error}")),
        };
        if kind.is_symlink() {
            return Err(format!(
                "{shown} is a symbolic link, which is not followed: put a plain file or directory there, or leave this out with --only"
            ));
        }
        match (parts.peek(), kind.is_dir()) {
            (Some(_), false) => return Err(format!("{shown} is in the way: it has to be a directory")),
            (None, true) => return Err(format!("{shown} is a directory: a file has to go there")),
            (None, false) if !kind.is_file() => return Err(format!("{shown} is no plain file")),
            (None, false) if kind.len() > MAX_FILE => return Err(format!("{shown} is larger than 1 MiB")),
            _ => {}
        }
    }
    let mut bytes = Vec::new();
    let opened = fs::File::open(&at).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    opened.map_err(|error| format!("{path} cannot be read: {error}"))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| format!("{path} is not text in UTF-8: make it so, or leave it out with --only"))?;
    Ok(Some(text))
}

/// A file that does the same, in another place or with another ending.
fn elsewhere(root: &Path, template: &Template) -> Option<String> {
    let (folder, file) = template.path.rsplit_once('/').unwrap_or(("", template.path));
    let stem = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let folders: &[&str] = if template.places == Places::Community { &FOLDERS } else { &[folder] };
    for folder in folders {
        let Ok(entries) = fs::read_dir(root.join(folder)) else { continue };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        let alike = names.into_iter().find(|name| match template.places {
            // `CONTRIBUTING.md.orig` is what an editor left behind.
            Places::Community => stem(name) == stem(file) && name.matches('.').count() < 2,
            Places::Yaml => name.rsplit_once('.').is_some_and(|(stem, end)| {
                matches!(end, "yml" | "yaml") && Some(stem) == file.rsplit_once('.').map(|(stem, _)| stem)
            }),
        });
        if let Some(name) = alike {
            return Some(if folder.is_empty() { name } else { format!("{folder}/{name}") });
        }
    }
    None
}

/// Writes all or, as far as can be told before, none: every text lies beside its place before the first gets its name.
pub(super) fn write(root: &Path, texts: &[(&str, &str)]) -> Result<(), String> {
    let mut made = Vec::new();
    let staged: Result<Vec<_>, String> = texts.iter().map(|(path, text)| stage(root, path, text, &mut made)).collect();
    let staged = staged.inspect_err(|_| {
        // The innermost first. One that somebody has put something into meanwhile stays.
        made.iter().rev().for_each(|folder| drop(fs::remove_dir(folder)));
    })?;
    for (file, place) in staged {
        file.persist(&place).map_err(|error| format!("{} cannot be written: {}", place.display(), error.error))?;
    }
    Ok(())
}

fn stage(root: &Path, path: &str, text: &str, made: &mut Vec<PathBuf>) -> Result<(NamedTempFile, PathBuf), String> {
    let place = root.join(path);
    let folder = place.parent().unwrap_or(root);
    let failed = |error: std::io::Error| format!("{path} cannot be written: {error}");
    let missing: Vec<_> = folder.ancestors().take_while(|above| !above.exists()).map(Path::to_owned).collect();
    for above in missing.into_iter().rev() {
        fs::create_dir(&above).map_err(failed)?;
        made.push(above);
    }
    let before = place.metadata().ok().map(|metadata| metadata.permissions());
    if before.as_ref().is_some_and(Permissions::readonly) {
        return Err(format!("{path} may only be read: allow writing (`chmod u+w`), or leave it out with --only"));
    }
    let mut builder = tempfile::Builder::new();
    // Less what the person's umask takes away.
    builder.prefix(".orchd-").permissions(Permissions::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    if let Some(permissions) = before {
        file.as_file().set_permissions(permissions).map_err(failed)?;
    }
    Ok((file, place))
}
