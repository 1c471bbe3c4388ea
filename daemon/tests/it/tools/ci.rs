//! `orchd ci` on workflows whose outcome is known.

use std::fs;

use serde_json::Value;

use super::{Checkout, Said, orchd, path_with, program};

const WORKFLOW: &str = r#"name: CI
on: [pull_request]
env: {LEVEL: workflow, FROM_WORKFLOW: "yes", SECRET: "${{ secrets.TOKEN }}"}
defaults: {run: {working-directory: sub}}
jobs:
  report:
    needs: [build, broken]
    if: always()
    runs-on: ubuntu-24.04
    defaults: {run: {working-directory: .}}
    steps:
      - name: Results
        run: echo "results ${{ needs.build.result }} ${{ needs.broken.result }} ${{ needs.build.outputs.version }}" | tee results
  build:
    name: Build it
    runs-on: ${{ matrix.os }}
    strategy: {matrix: {os: [ubuntu-24.04, windows-2025], flavour: [plain, rich]}}
    env: {LEVEL: job}
    outputs: {version: "${{ steps.version.outputs.version }}"}
    steps:
      - uses: actions/checkout@v7
      - uses: acme/setup@v1
        id: setup
      - name: Speak
        id: version
        run: |
          test "$LEVEL/$FROM_WORKFLOW/$PWD" = "job/yes/$GITHUB_WORKSPACE/sub"
          test -z "${SECRET+set}" && test -z "${MY_SECRET+set}" && test -z "${GITHUB_TOKEN+set}"
          test "$CI/$ORCHD_CI/$GITHUB_REPOSITORY/$GITHUB_REF_NAME/$GITHUB_JOB" = "true/true/acme/web/main/build"
          echo "version=1.2" >>"$GITHUB_OUTPUT"
          printf 'NOTE<<END\ntwo\nlines\nEND\nLEVEL=said\n' >>"$GITHUB_ENV"
          mkdir -p "$RUNNER_TEMP/bin" && printf '#!/bin/sh\necho tool\n' >"$RUNNER_TEMP/bin/mytool" && chmod +x "$RUNNER_TEMP/bin/mytool"
          echo "$RUNNER_TEMP/bin" >>"$GITHUB_PATH"
          echo "::add-mask::hunter2"
          printf 'pass hunter2 \033[31mred\033[0m\n'
      - name: Hear ${{ matrix.flavour }}
        env: {LEVEL: step, OWN: "${{ env.LEVEL }}-${{ steps.version.outputs.version }}"}
        run: test "$LEVEL/$OWN/$NOTE/$(mytool)" = "$(printf 'step/said-1.2/two\nlines/tool')"
      - name: Needs an action
        run: echo ${{ steps.setup.outputs.path }}
      - name: Strict
        shell: bash
        run: 'false | true'
        continue-on-error: true
      - name: Lenient
        run: 'false | true'
      - name: Other shell
        shell: sh -eu {0}
        working-directory: ${{ github.event.repository.name }}
        run: test "$(basename "$PWD")" = web
      - name: Never
        if: matrix.flavour == 'rich'
        run: exit 9
      - name: Only after failure
        if: failure()
        run: exit 9
      - name: Missing shell
        shell: cmd
        run: exit 9
  broken:
    runs-on: ubuntu-24.04
    steps:
      - name: Break
        run: exit 3
      - name: Not reached
        run: touch reached
      - name: Tidy up
        if: always()
        run: touch tidied
  after:
    needs: broken
    runs-on: ubuntu-24.04
    steps: [{run: touch reached}]
  with-services: {runs-on: ubuntu-24.04, services: {db: {image: "postgres:17"}}, steps: [{run: exit 9}]}
"#;

fn checkout(workflow: &str) -> Checkout {
    let web = Checkout::new();
    web.write(".github/workflows/ci.yml", workflow);
    web.write(
        ".github/workflows/release.yml",
        "on: {push: {tags: [v*]}}\njobs: {ship: {runs-on: ubuntu-24.04, steps: [{run: touch shipped}]}}\n",
    );
    web.write("sub/a", "");
    web.write("sub/web/a", "");
    web.write("web/a", "");
    web.commit("Begin");
    web
}

#[test]
fn ci_runs_what_it_can_and_says_of_the_rest_why_not() {
    let web = checkout(WORKFLOW);
    let mut command = orchd(&["ci"]);
    command.current_dir(web.path()).env("MY_SECRET", "s3cret").env("GITHUB_TOKEN", "ghp_x");
    let said = Said::of(&mut command).ends(1);
    assert!(said.err.contains("orchd: failed: broken"), "{}", said.err);
    for (row, rest) in [
        (["build", "actions/checkout@v7"], ["here", "the checkout is here already"]),
        (["build", "acme/setup@v1"], ["not run", "it uses the action `acme/setup@v1`"]),
        (["build", "Speak"], ["succeeded", ""]),
        (["build", "Hear plain"], ["succeeded", ""]),
        (["build", "Needs an action"], ["not run", "it needs `steps.setup.outputs.path` of a step that is not run"]),
        (["build", "Strict"], ["tolerated", "exit code 1"]),
        (["build", "Lenient"], ["succeeded", ""]),
        (["build", "Never"], ["skipped", "its `if` does not hold"]),
        (["build", "Only after failure"], ["skipped", "its `if` does not hold"]),
        (["build", "Missing shell"], ["not run", "its shell `cmd` is there on Windows only"]),
        (["broken", "Break"], ["failed", "exit code 3"]),
        (["broken", "Not reached"], ["skipped", "a step before it failed"]),
        (["broken", "Tidy up"], ["succeeded", ""]),
        (["after", "(the whole job)"], ["skipped", "`broken` failed"]),
        (["with-services", "(the whole job)"], ["not run", "it needs services beside it: db"]),
    ] {
        let found = said.row(&row);
        assert_eq!([found[2].as_str(), found[4].as_str()], rest, "{row:?}\n{}", said.out);
    }
    assert!(said.out.contains("the variable SECRET is left out: it needs the secret `secrets.token`"), "{}", said.out);
    assert!(said.out.contains("    pass *** red\n") && !said.out.contains("hunter2\n"), "{}", said.out);
    assert!(!web.path().join("shipped").exists() && !web.path().join("sub/reached").exists());
    assert!(web.path().join("sub/tidied").exists());
    assert_eq!(web.read("results"), "results success failure 1.2\n");
}

#[test]
fn ci_is_asked_for_jobs_combinations_and_lists() {
    let web = checkout(WORKFLOW);
    let list = web.orchd(&["ci", "--list"]).ends(0);
    let row = list.row(&[".github/workflows/ci.yml", "build", "22", "acme/setup@v1"]);
    assert_eq!(row[4], "no: it uses the action `acme/setup@v1`");
    assert_eq!(list.row(&[".github/workflows/release.yml", "ship"])[4], "yes");
    let windows = web.orchd(&["--json", "ci", "build", "--matrix", "os=windows-2025"]).ends(1);
    let document: Value = serde_json::from_str(&windows.out).unwrap();
    assert_eq!(document["jobs"][0]["why"], "it is for windows (another combination: --matrix NAME=VALUE)");
    assert!(windows.err.contains("nothing of it can be run here"), "{}", windows.err);
    let shipped = web.orchd(&["ci", "ship", "--workflow", "release"]).ends(0);
    assert_eq!(shipped.row(&["ship", "touch shipped"])[2], "succeeded");
    assert!(web.path().join("shipped").exists());

    for (arguments, told) in [
        (&["ci", "biuld"][..], "there is no job `biuld` in .github/workflows/ci.yml; there is report, build, broken"),
        (&["ci", "--workflow", "nope"], "there is no workflow `nope`"),
        (
            &["ci", "build", "--matrix", "os=plan9"],
            "its matrix has no such combination; there is flavour=plain os=ubuntu-24.04; flavour=rich os=ubuntu-24.04",
        ),
        (&["ci", "--env", "NO_SUCH_VARIABLE"], "you have no variable NO_SUCH_VARIABLE"),
    ] {
        let said = web.orchd(arguments).ends(1);
        assert!(said.err.contains(told) || said.out.contains(told), "{told}: {}{}", said.out, said.err);
    }
    web.write(".github/workflows/ci.yml", "on: pull_request\njobs:\n  a:\n    steps:\n      - nme: x\n");
    let wrong = web.orchd(&["ci"]).ends(1);
    assert!(wrong.err.contains(".github/workflows/ci.yml:5:9: a step has `run` or `uses`"), "{}", wrong.err);
    fs::remove_dir_all(web.path().join(".github")).unwrap();
    assert!(web.orchd(&["ci"]).ends(1).err.contains("there are no workflows"));
}

#[test]
fn what_takes_too_long_is_ended_with_all_it_started() {
    let web = checkout(
        "on: pull_request\njobs:\n  slow:\n    runs-on: x\n    steps:\n      - name: Hang\n        timeout-minutes: 0.01\n        run: sleep 1000 & echo $! >child; wait\n  \
         left:\n    runs-on: x\n    steps:\n      - run: sleep 1000 & echo $! >server\n      - run: kill -0 \"$(cat server)\"\n  \
         rude:\n    runs-on: x\n    steps: [{name: Rude, run: echo nonsense >>\"$GITHUB_OUTPUT\"}]\n",
    );
    let said = web.orchd(&["ci", "--env", "A=1"]).ends(1);
    assert_eq!(said.row(&["slow", "Hang"])[4], "it took longer than 0.01 min");
    assert_eq!(said.row(&["left", "(the whole job)"])[2], "succeeded", "a server lives as long as its job");
    assert!(said.row(&["rude", "Rude"])[4].contains("GITHUB_OUTPUT: `nonsense` is neither NAME=VALUE"), "{}", said.out);
    for file in ["child", "server"] {
        let process = format!("/proc/{}/cmdline", web.read(file).trim());
        let begun = std::time::Instant::now();
        while fs::read(&process).is_ok_and(|line| line.starts_with(b"sleep")) {
            assert!(begun.elapsed().as_secs() < 5, "{file} is still there");
            std::thread::yield_now();
        }
    }
}

/// A stand-in for podman: what it is asked to run it runs here, and writes down how it was asked.
#[test]
fn in_a_container_it_is_podman_that_runs_the_steps() {
    const PODMAN: &str = "#!/bin/sh\nprintf '%s\\n' \"$*\" >>\"$HOME/told\"\ncase $1 in\n\
        run) echo box1 ;;\n\
        exec) shift; cd \"$2\"; shift 2; while [ \"$1\" = --env ]; do export \"$2\"; shift 2; done; shift; exec \"$@\" ;;\nesac\n";
    let web = checkout(
        "on: pull_request\njobs:\n  a:\n    runs-on: windows-2025\n    container: debian:12\n    steps:\n      - run: echo \"$PWD $X\" >seen; echo /tools >>\"$GITHUB_PATH\"\n      - run: echo \"$PATH\" >path\n",
    );
    let (podman, home) = (program("podman", PODMAN), tempfile::tempdir().unwrap());
    let ci = |more: &[&str]| {
        let mut command = orchd(&[&["ci", "--env", "X=1"], more].concat());
        Said::of(command.current_dir(web.path()).env("PATH", path_with(podman.path())).env("HOME", home.path()))
    };
    assert!(ci(&[]).ends(1).out.contains("it runs in a container: add --container"));
    ci(&["--container"]).ends(0);
    assert_eq!(web.read("seen"), format!("{} 1\n", web.path().display()));
    assert!(web.read("path").starts_with("/tools:"));
    let told = fs::read_to_string(home.path().join("told")).unwrap();
    let lines: Vec<_> = told.lines().collect();
    assert!(
        lines[0].starts_with("run --detach --rm --security-opt") && lines[0].ends_with("-- debian:12 infinity"),
        "{told}"
    );
    assert!(lines[0].contains(&format!("--volume {0}:{0}", web.path().display())), "{told}");
    let steps: Vec<_> = lines.iter().filter(|line| line.contains("--env X=1")).collect();
    assert!(steps.len() == 2 && steps.iter().all(|step| step.contains(" box1 ") && step.contains("sh -e ")), "{told}");
    assert!(!told.contains("--env HOME=") && !told.contains("--env PATH=") && !told.contains("bash"), "{told}");
    assert_eq!(lines.last(), Some(&"rm --force --time 0 box1"));
    ci(&["--container=fedora:42"]).ends(0);
    assert!(fs::read_to_string(home.path().join("told")).unwrap().contains("-- fedora:42 infinity"));
    assert!(ci(&["--container=-v/:/x"]).ends(1).out.contains("is no name of an image"));
}
