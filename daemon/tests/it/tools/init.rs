//! `orchd init`: installed, changed by a person, brought up to date.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;

use super::{Checkout, Said, orchd};

/// Every file outside of `.git`, with its bytes and the time it was written.
fn files(folder: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            if metadata.is_dir() && !path.ends_with(".git") {
                folders.push(path);
            } else if metadata.is_file() {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, (fs::read(&path).unwrap(), metadata.modified().unwrap()));
            }
        }
    }
    found
}

#[test]
fn init_twice_changes_nothing_and_a_person_is_never_overwritten() {
    let web = Checkout::new();
    web.write("Makefile", "test:\n\ttrue\n");
    let first = web.orchd(&["init"]).ends(0);
    assert_eq!(first.row(&["contributing"])[2..], ["missing", "installed: how to contribute"]);
    assert!(first.err.contains("names no commit of the Action that exists: give --action COMMIT"), "{}", first.err);
    let installed = files(&web.path());
    assert_eq!(installed.len(), 1 + 14 + 1, "{:?}", installed.keys());
    assert!(web.read("CONTRIBUTING.md").contains("Test it: `make test`"));
    assert!(web.read(".github/CODEOWNERS").contains("\n* @acme\n"));
    let all: String = installed.values().map(|(bytes, _)| String::from_utf8_lossy(bytes)).collect();
    assert!(!all.contains("ghp_secret"), "nothing of the remote's URL but where it is");
    let mode = fs::metadata(web.path().join("SECURITY.md")).unwrap().permissions().mode();
    assert_eq!(mode & 0o700, 0o600);

    // Again: the same bytes, written at the same time.
    let again = web.orchd(&["init"]).ends(0);
    assert_eq!(again.row(&["ci"])[2..], ["current", ""]);
    assert_eq!(files(&web.path()), installed);
    web.orchd(&["init", "--check"]).ends(0);
    // The first rules do what their tests say, with nothing but the checkout.
    let tested = web.orchd(&["config", "test", ".github/orchd.tests.yml"]).ends(0);
    assert_eq!(tested.out, "6 tests in 1 file: 6 passed, 0 failed\n");

    // They are read as those of a repository: what only a server's config may hold is told here already.
    let rules = web.read(".github/orchd.yml");
    web.write(".github/orchd.yml", &format!("extends: [{{preset: docs}}]\n{rules}"));
    let refused = web.orchd(&["config", "test", ".github/orchd.tests.yml"]).ends(1);
    assert!(refused.out.contains(".github/orchd.yml:1:1: unknown key `extends`"), "{}", refused.out);
    web.write(".github/orchd.yml", &rules);

    // A person changes one file and takes another away.
    web.replace("CONTRIBUTING.md", "## Ground rules", "## Our ground rules");
    fs::remove_file(web.path().join("SECURITY.md")).unwrap();
    let edited = files(&web.path());
    let checked = web.orchd(&["init", "--check"]).ends(0);
    assert_eq!(checked.row(&["contributing"])[2], "edited");
    assert_eq!(checked.row(&["security"])[2..], ["removed", "taken away by you: `--only security` brings it back"]);

    // The templates become others: what does not touch the person's lines is merged.
    let newer = ["init", "--test", "make check"];
    let checked = web.orchd(&[&newer[..], &["--check"]].concat()).ends(1);
    assert_eq!(checked.err, "orchd: `orchd init` would update 2 files\n");
    assert_eq!(checked.row(&["ci"])[2..], ["outdated", "would be updated"]);
    web.orchd(&[&newer[..], &["--dry-run"]].concat()).ends(0);
    assert_eq!(files(&web.path()), edited, "looking changes nothing");
    let updated = web.orchd(&newer).ends(0);
    assert_eq!(updated.row(&["contributing"])[2..], ["mergeable", "updated, with your changes kept"]);
    let text = web.read("CONTRIBUTING.md");
    assert!(text.contains("## Our ground rules") && text.contains("Test it: `make check`"), "{text}");
    assert!(web.read(".github/workflows/ci.yml").contains("          make check\n"));
    assert!(!web.path().join("SECURITY.md").exists());
    assert_eq!(web.orchd(&["init"]).ends(0).row(&["contributing"])[2], "edited", "what was said once is remembered");
    web.orchd(&["init", "--only", "security"]).ends(0);
    assert!(web.path().join("SECURITY.md").exists());
}

#[test]
fn what_cannot_be_merged_is_told_until_it_is_settled() {
    let web = Checkout::new();
    web.orchd(&["init"]).ends(0);
    web.replace("CONTRIBUTING.md", "3. Test it: `make test`.", "3. Test it as you like.");
    web.replace(".github/workflows/ci.yml", "timeout-minutes: 30", "timeout-minutes: 5");
    let newer = ["init", "--test", "cargo test", "--branch", "trunk"];
    let told = web.orchd(&newer).ends(1);
    assert_eq!(told.row(&["contributing"])[2..], ["conflict", "1 kept as you have it, the rest updated"]);
    let text = web.read("CONTRIBUTING.md");
    assert!(text.contains("3. Test it as you like.") && text.contains("pull request against `trunk`"), "{text}");
    let line = text.lines().position(|line| line.contains("as you like")).unwrap() + 1;
    for part in [
        &format!("CONTRIBUTING.md:{line}: not merged, yours is kept"),
        "  was   3. Test it: `make test`.",
        "  yours 3. Test it as you like.",
        "  new   3. Test it: `cargo test`.",
        "The whole new text: orchd init --show contributing",
    ] {
        assert!(told.out.contains(part), "{part}\n{}", told.out);
    }
    assert!(told.err.contains("1 change could not be merged"), "{}", told.err);
    let ci = web.read(".github/workflows/ci.yml");
    assert!(ci.contains("timeout-minutes: 5\n") && ci.contains("cargo test") && ci.contains("[\"trunk\"]"), "{ci}");
    assert!(!text.contains("<<<<") && !text.contains(">>>>"), "no marks in a person's file");

    // It is told again, and nothing is written.
    let before = files(&web.path());
    let again = web.orchd(&["init", "--json"]).ends(1);
    let document: Value = serde_json::from_str(&again.out).unwrap();
    let conflict = &document["files"][0]["conflicts"][0];
    assert_eq!(
        (&conflict["line"], &conflict["new"]),
        (
            &line.into(),
            &"3. Test it: `cargo test`. A mended bug comes with the test that would have found it.\n".into()
        )
    );
    assert_eq!(files(&web.path()), before);
    assert!(web.orchd(&["init", "--show", "contributing"]).ends(0).out.contains("3. Test it: `cargo test`."));
    // Nothing is left that an update would do by itself.
    web.orchd(&["init", "--check"]).ends(0);

    // "Mine is right."
    web.orchd(&["init", "--resolved", "contributing"]).ends(0);
    assert_eq!(web.orchd(&["init"]).ends(0).row(&["contributing"])[2], "edited");
    assert!(web.read("CONTRIBUTING.md").contains("as you like"));
}

#[test]
fn files_that_were_there_before_are_left_alone() {
    let web = Checkout::new();
    web.write("CODE_OF_CONDUCT.md.orig", "What an editor left behind.\n");
    web.write("docs/contributing.rst", "Ours.\n");
    web.write(".github/ISSUE_TEMPLATE/bug.yaml", "name: ours\n");
    web.write("SECURITY.md", "Ours.\n");
    let said = web.orchd(&["init"]).ends(0);
    assert_eq!(said.row(&["contributing"])[2..], ["own", "you have docs/contributing.rst: left alone"]);
    assert_eq!(said.row(&["bug-form"])[2..], ["own", "you have .github/ISSUE_TEMPLATE/bug.yaml: left alone"]);
    assert_eq!(said.row(&["security"])[2..], ["own", "yours: left alone (`--show security` prints the template)"]);
    assert_eq!(web.read("SECURITY.md"), "Ours.\n");
    assert!(!web.path().join("CONTRIBUTING.md").exists());
    web.orchd(&["init", "--check"]).ends(0);

    // The lock is lost: what is as the templates have it is taken over again, what differs is the person's.
    web.replace(".github/labels.yml", "Something is missing", "We want it");
    fs::remove_file(web.path().join(".github/orchd.lock")).unwrap();
    let found = web.orchd(&["init", "--check"]).ends(1);
    assert_eq!(found.row(&["ci"])[2..], ["current", "would be remembered as installed"]);
    let said = web.orchd(&["init"]).ends(0);
    assert_eq!(said.row(&["labels"])[2], "own");
    web.orchd(&["init", "--check"]).ends(0);

    // Ends of lines stay what they are.
    let crlf = web.read("CODE_OF_CONDUCT.md").replace('\n', "\r\n");
    web.write("CODE_OF_CONDUCT.md", &crlf);
    let open = web.read(".github/CODEOWNERS").trim_end().to_owned();
    web.write(".github/CODEOWNERS", &open);
    web.orchd(&["init", "--check"]).ends(0);
    web.orchd(&["init", "--owner", "@acme/core", "--project", "Webster"]).ends(0);
    let conduct = web.read("CODE_OF_CONDUCT.md");
    assert!(conduct.contains("Webster is made by") && conduct.matches('\n').count() == conduct.matches("\r\n").count());
    let owners = web.read(".github/CODEOWNERS");
    assert!(owners.contains("\n* @acme/core\n") && !owners.ends_with('\n'), "{owners}");
}

#[test]
fn what_is_in_the_way_is_told_and_nothing_is_written() {
    type Prepare = fn(&Checkout);
    let cases: [(Prepare, &[&str], &str); 14] = [
        (|web| web.write(".github", ""), &[], ".github is in the way: it has to be a directory"),
        (
            |web| fs::create_dir(web.path().join("SECURITY.md")).unwrap(),
            &[],
            "SECURITY.md is a directory: a file has to go there",
        ),
        (
            |web| std::os::unix::fs::symlink("/tmp", web.path().join(".github")).unwrap(),
            &[],
            ".github is a symbolic link, which is not followed",
        ),
        (
            |web| std::os::unix::fs::symlink("/nowhere", web.path().join("CONTRIBUTING.md")).unwrap(),
            &[],
            "CONTRIBUTING.md is a symbolic link",
        ),
        (
            |web| fs::write(web.path().join("SECURITY.md"), b"\xff\xfe").unwrap(),
            &[],
            "SECURITY.md is not text in UTF-8",
        ),
        (|web| web.write("SECURITY.md", &"x".repeat(2 << 20)), &[], "SECURITY.md is larger than 1 MiB"),
        (|web| web.write(".github/orchd.lock", "<<<<<<< ours\n"), &[], ".github/orchd.lock cannot be read"),
        (|web| web.write(".github/orchd.lock", "{\"format\": 9}"), &[], "written by a newer orchd"),
        (|web| drop(web.git(&["remote", "remove", "origin"])), &[], "give --repository OWNER/NAME"),
        (|_| (), &["--repository", "web"], "--repository: `web` is not OWNER/NAME"),
        (|_| (), &["--owner", "acme"], "--owner: `acme` is not @PERSON or @ORGANISATION/TEAM"),
        (|_| (), &["--test", "a\nb"], "--test: `a\\nb` is not a command on one line"),
        (|_| (), &["--action", "v1"], "is not a commit: 40 hexadecimal digits"),
        (|_| (), &["--dir", "nowhere"], "nowhere is no directory"),
    ];
    for (prepare, more, told) in cases {
        let web = Checkout::new();
        prepare(&web);
        let before = files(&web.path());
        let said = web.orchd(&[&["init"], more].concat()).ends(1);
        assert!(said.err.contains(told), "{told}: {}", said.err);
        assert_eq!(files(&web.path()), before, "{told}");
    }

    // A file that may only be read is not replaced behind its owner's back, and no other is written then.
    let web = Checkout::new();
    web.orchd(&["init"]).ends(0);
    fs::set_permissions(web.path().join("CONTRIBUTING.md"), fs::Permissions::from_mode(0o444)).unwrap();
    let before = files(&web.path());
    let said = web.orchd(&["init", "--test", "x"]).ends(1);
    assert!(said.err.contains("CONTRIBUTING.md may only be read: allow writing"), "{}", said.err);
    assert_eq!(files(&web.path()), before);

    let nowhere = tempfile::tempdir().unwrap();
    let said = Said::of(orchd(&["init"]).current_dir(nowhere.path())).ends(1);
    assert!(said.err.contains("is in no git checkout that can be read: `git init` makes one"), "{}", said.err);
    let bare = tempfile::tempdir().unwrap();
    Checkout::new().git(&["init", "--quiet", "--bare", bare.path().to_str().unwrap()]);
    let said = Said::of(orchd(&["init", "--dir"]).arg(bare.path())).ends(1);
    assert!(said.err.contains("is a repository without files"), "{}", said.err);
    let said = Checkout::new().orchd(&["init", "--only", "contributin"]).ends(2);
    assert!(said.err.contains("'contributing'"), "{}", said.err);
}
