//! Every file below a directory, where git cannot say which are the repository's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::CannotRead;

/// Most files of a repository.
const MOST: usize = 1_000_000;

/// Links are files: nothing behind one is looked at. Other repositories within are left out, as git does.
pub(super) fn files(root: &Path) -> Result<BTreeSet<String>, CannotRead> {
    let mut found = BTreeSet::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let above = root.join(&folder);
        let entries = match fs::read_dir(&above) {
            Ok(entries) => entries,
            Err(error) if folder.is_empty() => return Err(CannotRead::NoDirectory(above, error.to_string())),
            // What we may not see is not looked at.
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if name == ".git" {
                continue;
            }
            if !is_folder {
                found.insert(path);
            } else if !entry.path().join(".git").exists() {
                folders.push(path);
            }
        }
        if found.len() > MOST {
            return Err(CannotRead::TooMany(root.to_owned(), MOST));
        }
    }
    Ok(found)
}
