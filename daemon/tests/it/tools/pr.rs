//! `orchd pr`, with a stand-in for `gh` that writes down what it is given.

use std::fs;

use serde_json::Value;

use super::{Checkout, Said, orchd, path_with, program};

const GH: &str = "#!/bin/sh\nprintf '%s\\0' \"$@\" >\"$GH_TOLD/arguments\"\ncat >\"$GH_TOLD/body\"\necho https://github.com/acme/web/pull/9\nexit \"${GH_EXIT:-0}\"\n";

/// A branch with two commits, beside a main branch that GitHub has.
fn branch() -> Checkout {
    let web = Checkout::new();
    web.orchd(&["init", "--only", "pull-request"]).ends(0);
    web.commit("Begin");
    web.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    web.git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"]);
    web.git(&["switch", "--quiet", "--create", "fix/12-login-loop"]);
    web.write("src/login.rs", "fn login() {}\n");
    web.commit("Mend \"$(touch pwned)\" `loops`\n\nFixes #3");
    web.write("tests/login.rs", "fn login() {}\n");
    web.write("CHANGELOG.md", "- A loop\n");
    web.commit("--draft\u{1b}[31m");
    web
}

#[test]
fn pr_opens_with_the_template_filled_in() {
    let web = branch();
    let (gh, told) = (program("gh", GH), tempfile::tempdir().unwrap());
    let pr = |more: &[&str], exit: &str| {
        let mut command = orchd(&[&["pr"], more].concat());
        command.current_dir(web.path()).env("PATH", path_with(gh.path())).env("GH_TOLD", told.path());
        Said::of(command.env("GH_EXIT", exit))
    };
    let refused = pr(&[], "0").ends(1);
    let pushed = "`fix/12-login-loop` is not pushed: `git push --set-upstream origin fix/12-login-loop`";
    assert!(refused.err.contains(pushed), "{}", refused.err);
    assert!(!told.path().join("arguments").exists());

    web.git(&["update-ref", "refs/remotes/origin/fix/12-login-loop", "HEAD~1"]);
    let opened = pr(&["--draft"], "0").ends(0);
    assert_eq!(opened.out, "https://github.com/acme/web/pull/9\n");
    assert!(
        opened.err.contains("are not pushed yet") && opened.err.contains("Left for you to tick: It does one thing"),
        "{}",
        opened.err
    );
    let arguments = fs::read_to_string(told.path().join("arguments")).unwrap();
    let arguments: Vec<_> = arguments.trim_end_matches('\0').split('\0').collect();
    assert_eq!(arguments, ["pr", "create", "--base", "main", "--title", "Login loop", "--body-file", "-", "--draft"]);
    let body = fs::read_to_string(told.path().join("body")).unwrap();
    for part in [
        "- Mend \"$(touch pwned)\" `loops`\n- --draft",
        "\nCloses #3\nRefs #12\n",
        "- `src/`: 1 file\n",
        "- [x] Tests show",
        "- [x] The changelog tells",
        "- [x] An issue says",
        "- [ ] What users will notice is documented\n",
        "- [ ] It does one thing",
    ] {
        assert!(body.contains(part), "{part}\n{body}");
    }
    assert!(!body.contains("orchd:"), "{body}");
    assert!(!web.path().join("pwned").exists());

    let failed = pr(&["--title", "-t"], "4").ends(1);
    assert!(failed.err.contains("gh opened nothing (exit status: 4). The text is not lost"), "{}", failed.err);
    let arguments = fs::read_to_string(told.path().join("arguments")).unwrap();
    assert!(arguments.contains("--title\0-t\0"), "{arguments:?}");
}

#[test]
fn pr_prints_where_it_cannot_open() {
    let web = branch();
    let git = program("git", "#!/bin/sh\nexec /usr/bin/env -i PATH=\"$REAL_PATH\" HOME=/ git \"$@\"\n");
    let mut command = orchd(&["pr"]);
    command.current_dir(web.path()).env("REAL_PATH", std::env::var("PATH").unwrap()).env("PATH", git.path());
    let printed = Said::of(&mut command).ends(0);
    assert!(printed.out.starts_with("Login loop\n\n"), "{}", printed.out);
    assert!(!printed.out.contains('\u{1b}'), "{:?}", printed.out);
    assert!(
        printed.err.contains("`gh` is not installed. `git push --set-upstream origin fix/12-login-loop`"),
        "{}",
        printed.err
    );
    let document: Value = serde_json::from_str(&web.orchd(&["pr", "--json", "--title", "T"]).ends(0).out).unwrap();
    assert_eq!((&document["title"], &document["base"]), (&"T".into(), &"main".into()));
    assert_eq!(document["ticked"].as_array().map(Vec::len), Some(3));

    // No template: what is known stands alone.
    fs::remove_file(web.path().join(".github/pull_request_template.md")).unwrap();
    let plain = web.orchd(&["pr", "--print"]).ends(0);
    assert!(plain.out.starts_with("Login loop\n\n## What and why\n- Mend"), "{}", plain.out);
    web.write("docs/PULL_REQUEST_TEMPLATE.md", "Please say more.\n");
    assert!(web.orchd(&["pr", "--print"]).ends(0).out.ends_with("\n\nPlease say more.\n"));
}

#[test]
fn pr_says_what_is_missing() {
    let web = branch();
    let told = |web: &Checkout, more: &[&str], told: &str| {
        let said = web.orchd(&[&["pr", "--print"], more].concat()).ends(1);
        assert!(said.err.contains(told), "{told}: {}", said.err);
    };
    told(&web, &["--base", "nowhere"], "there is no branch `nowhere` here: `git fetch`");
    told(&web, &["--title", " "], "--title is empty");
    web.git(&["switch", "--quiet", "--detach"]);
    told(&web, &[], "no branch is checked out (a detached HEAD): `git switch -c NAME`");
    web.git(&["switch", "--quiet", "main"]);
    told(&web, &[], "`main` is the branch that changes go to");
    web.git(&["switch", "--quiet", "--create", "same"]);
    told(&web, &[], "`same` has no commits that `main` lacks");
    web.git(&["switch", "--quiet", "--orphan", "other"]);
    told(&web, &[], "`other` has no commits yet");
    web.write("a", "");
    web.commit("Begin anew");
    told(&web, &[], "`other` and `main` have no commit in common");
    fs::write(web.path().join("pull_request_template.md"), b"\xff").unwrap();
    web.git(&["switch", "--quiet", "fix/12-login-loop"]);
    fs::remove_file(web.path().join(".github/pull_request_template.md")).unwrap();
    told(&web, &[], "is not text in UTF-8");
    let empty = Checkout::new();
    told(&empty, &[], "the default branch cannot be told: give it with --base");
}
