//! Which config this is: a hash of its files, and the commit of the checkout they lie in.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// A file as it was read.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// First 16 hexadecimal digits of the SHA-256 over names and contents. Names are relative to the config's directory
/// where they can be, so that the same config has the same revision on every machine.
pub(super) fn hash(dir: &Path, sources: &[Source]) -> String {
    let mut hasher = Sha256::new();
    for source in sources {
        let name = source.path.strip_prefix(dir).unwrap_or(&source.path);
        for part in [name.as_os_str().as_encoded_bytes(), source.text.as_bytes()] {
            // With its length before it no part can pass for the beginning of the next.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The commit checked out where `dir` lies, read from git's own files (gitrepository-layout(5)).
/// `None`: no checkout, no commit yet, or a layout other than loose and packed refs.
pub fn git_commit(dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().ok()?;
    let git = dir.ancestors().map(|dir| dir.join(".git")).find(|git| git.exists())?;
    let git_dir = if git.is_file() { linked(&git)? } else { git };
    // A linked worktree has its own HEAD, and the refs of the repository it belongs to.
    let common = match fs::read_to_string(git_dir.join("commondir")) {
        Ok(relative) => git_dir.join(relative.trim()),
        Err(_) => git_dir.clone(),
    };
    let mut head = fs::read_to_string(git_dir.join("HEAD")).ok()?;
    // A symbolic ref may name another one; git itself follows five.
    for _ in 0..5 {
        let Some(name) = head.trim().strip_prefix("ref:").map(|name| name.trim().to_owned()) else { break };
        let loose = |base: &Path| fs::read_to_string(base.join(&name)).ok();
        head = loose(&git_dir).or_else(|| loose(&common)).or_else(|| packed(&common, &name))?;
    }
    let commit = head.trim();
    let is_id = matches!(commit.len(), 40 | 64) && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| commit.to_owned())
}

/// Where the `.git` file of a linked worktree or a submodule points.
fn linked(file: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(file).ok()?;
    Some(file.parent()?.join(text.strip_prefix("gitdir:")?.trim()))
}

fn packed(git_dir: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(git_dir.join("packed-refs")).ok()?;
    let line = text.lines().find(|line| line.split_once(' ').is_some_and(|(_, found)| found == name))?;
    line.split_once(' ').map(|(id, _)| id.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn the_commit_is_found_from_a_directory_inside_the_checkout() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("etc/orchd");
        fs::create_dir_all(&config).unwrap();
        fs::create_dir_all(dir.path().join(".git/refs/heads")).unwrap();
        fs::write(dir.path().join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        assert_eq!(git_commit(&config), None, "no commit yet");

        fs::write(dir.path().join(".git/packed-refs"), format!("# pack-refs\n{ID} refs/heads/main\n")).unwrap();
        assert_eq!(git_commit(&config).as_deref(), Some(ID), "packed");

        let newer = ID.replace('0', "f");
        fs::write(dir.path().join(".git/refs/heads/main"), format!("{newer}\n")).unwrap();
        assert_eq!(git_commit(&config), Some(newer), "a loose ref wins over a packed one");
    }

    #[test]
    fn the_commit_of_a_linked_worktree_is_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, own) = (dir.path().join("tree"), dir.path().join("main/.git/worktrees/tree"));
        fs::create_dir_all(&tree).unwrap();
        fs::create_dir_all(&own).unwrap();
        fs::write(tree.join(".git"), format!("gitdir: {}\n", own.display())).unwrap();
        fs::write(own.join("HEAD"), "ref: refs/heads/topic\n").unwrap();
        fs::write(own.join("commondir"), "../..\n").unwrap();
        fs::write(dir.path().join("main/.git/packed-refs"), format!("{ID} refs/heads/topic\n")).unwrap();
        assert_eq!(git_commit(&tree).as_deref(), Some(ID));
    }

    #[test]
    fn a_name_or_a_content_changes_the_hash_and_the_directory_does_not() {
        let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        let one = hash(Path::new("/etc/orchd"), &[source("/etc/orchd/orchd.yaml", "rules: []")]);
        assert_eq!(one.len(), 16);
        assert_eq!(one, hash(Path::new("/srv"), &[source("/srv/orchd.yaml", "rules: []")]));
        assert_ne!(one, hash(Path::new("/srv"), &[source("/srv/orchd.yaml", "rules: [ ]")]));
        assert_ne!(one, hash(Path::new("/srv"), &[source("/srv/other.yaml", "rules: []")]));
    }
}
