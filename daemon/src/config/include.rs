//! `include`: patterns to files.

use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

/// Most files one pattern may bring in.
const MAX_FILES: usize = 1_000;

/// Whether a pattern is a glob: then it may match nothing.
pub(super) fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '{'])
}

/// The files a pattern names, sorted. `*` and `?` stay within one segment of the path. Hidden files are left out
/// unless the pattern's segment starts with a dot: editors keep their half-written copies there.
///
/// # Errors
/// When the pattern is no glob, or names too many files. The text says why.
pub(super) fn expand(dir: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let mut found = vec![dir.to_owned()];
    for segment in Path::new(pattern).components() {
        let text = segment.as_os_str().to_string_lossy();
        found = match segment {
            Component::Normal(_) if is_glob(&text) => {
                let matcher = matcher(&text)?;
                found.iter().flat_map(|dir| matching(dir, &matcher, text.starts_with('.'))).collect()
            }
            _ => found.into_iter().map(|path| path.join(segment)).collect(),
        };
        if found.len() > MAX_FILES {
            return Err(format!("`{pattern}` names more than {MAX_FILES} files"));
        }
    }
    if is_glob(pattern) {
        found.retain(|path| path.is_file());
    }
    found.sort();
    Ok(found)
}

/// Matches one segment of a path.
pub(super) fn matcher(segment: &str) -> Result<GlobMatcher, String> {
    if segment.contains("**") {
        return Err("`**` is not supported in `include`: name each level".to_owned());
    }
    let glob = GlobBuilder::new(segment).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| error.to_string())
}

fn matching(dir: &Path, matcher: &GlobMatcher, hidden: bool) -> Vec<PathBuf> {
    let Ok(entries) = dir.read_dir() else { return Vec::new() };
    let fits =
        |name: &Path| matcher.is_match(name) && (hidden || !name.as_os_str().as_encoded_bytes().starts_with(b"."));
    let names = entries.filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name())));
    names.filter(|name| fits(name)).map(|name| dir.join(name)).collect()
}
