use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;

fn write(root: &Path, path: &str, text: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn git(root: &Path, args: &[&str]) {
    let out = Command::new("git").arg("-C").arg(root).args(args).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

fn paths(read: &OnDisk) -> Vec<&str> {
    read.checkout.paths().iter().map(String::as_str).collect()
}

#[test]
fn git_says_which_files_are_the_repositorys() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    git(root, &["init", "--quiet"]);
    for path in ["README.md", "src/a.rs", "gone.rs", "target/big.o", "kept/forced.log", ".github/é.yml"] {
        write(root, path, "x");
    }
    write(root, ".gitignore", "target/\n*.log\n");
    git(root, &["add", "README.md", "gone.rs"]);
    git(root, &["add", "--force", "kept/forced.log"]);
    fs::remove_file(root.join("gone.rs")).unwrap();
    let head = root.join(".git/refs/remotes/origin/HEAD");
    fs::create_dir_all(head.parent().unwrap()).unwrap();
    fs::write(head, "ref: refs/remotes/origin/trunk\n").unwrap();

    let read = read(root).unwrap();
    let expected = [".github/é.yml", ".gitignore", "README.md", "kept/forced.log", "src/a.rs"];
    assert_eq!(paths(&read), expected, "what is new counts, what is ignored or deleted does not");
    assert_eq!((read.default_branch.as_deref(), read.without_git), (Some("trunk"), None));
    assert_eq!(root_of(&root.join("src")), fs::canonicalize(root).unwrap());
}

#[test]
fn without_git_every_file_counts_but_those_of_other_repositories() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for path in ["README.md", "a/b/c.rs", "vendored/.git/HEAD", "vendored/x.rs"] {
        write(root, path, "x");
    }
    symlink("a", root.join("link")).unwrap();
    symlink("/", root.join("everything")).unwrap();
    let read = read(root).unwrap();
    assert_eq!(paths(&read), ["README.md", "a/b/c.rs", "everything", "link"], "no link is followed");
    assert_eq!(read.without_git.as_deref(), Some("it is no git repository"));
}

#[test]
fn what_is_read_is_text_of_the_repository_and_not_too_long() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("repository");
    write(dir.path(), "secret", "hush");
    write(&root, ".git/config", "token");
    write(&root, "src/a.rs", "not looked into");
    write(&root, "docs/real.md", "hello");
    write(&root, "CONTRIBUTING.md", b"\xff\xfe");
    write(&root, ".github/CODEOWNERS", vec![b'#'; 3_000_000]);
    symlink("docs/real.md", root.join("README.md")).unwrap();
    symlink("../secret", root.join("SECURITY.md")).unwrap();
    symlink(".git/config", root.join("LICENSE")).unwrap();
    symlink("nowhere", root.join("CODE_OF_CONDUCT.md")).unwrap();
    symlink("docs", root.join("COPYING")).unwrap();
    let out = Command::new("mkfifo").arg(root.join("LICENSE-PIPE")).status().unwrap();
    assert!(out.success());
    // It is there, and git has nothing to say: it knows no such repository.
    let read = read(&root).unwrap();
    assert!(read.without_git.as_deref().unwrap().starts_with("git refuses: "), "{:?}", read.without_git);
    let unread = |why: &str| Text::Unread(why.to_owned());
    let out = "it is a link that leads out of the repository";
    let texts: Vec<(&str, Text)> = read.checkout.texts().map(|(path, text)| (path, text.clone())).collect();
    assert_eq!(
        texts,
        [
            (".github/CODEOWNERS", Text::TooLarge(3_000_000)),
            ("CODE_OF_CONDUCT.md", unread("it is not there, or a link to nothing")),
            ("CONTRIBUTING.md", unread("it is not UTF-8")),
            ("COPYING", unread("it is no file")),
            ("LICENSE", unread(out)),
            ("LICENSE-PIPE", unread("it is no file")),
            ("README.md", Text::Is("hello".to_owned())),
            ("SECURITY.md", unread(out)),
        ]
    );
}

#[test]
fn what_is_no_directory_is_told() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "file", "");
    let why = |path: &str| read(&dir.path().join(path)).unwrap_err().to_string();
    assert!(why("file").ends_with("file is no directory that can be read: it is a file"), "{}", why("file"));
    assert!(why("absent").contains("absent is no directory that can be read: No such file"), "{}", why("absent"));
}
