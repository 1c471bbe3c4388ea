//! `mode: check`: the setup of what the job checked out, with and without GitHub.

use orchd_fake::GitHub;
use orchd_fake::github::config::Config;
use serde_json::{Value, json};

use crate::runner::{Ended, Runner};

const WEB: &str = "acme/web";

const CI: &str = "\
on: {push: {branches: [master]}}
permissions: {}
jobs:
  build:
    runs-on: ubuntu-24.04
    steps:
      - uses: somebody/thing@main
      - run: echo ${{ github.event.head_commit.message }}
";
const FORM: &str = "\
name: Bug report
description: Something is wrong
labels: [bug, needs%, triage]
body:
  - {type: textarea, attributes: {label: What}}
";

/// A checkout with a few faults.
fn checkout() -> Runner {
    Runner::new()
        .input("mode", "check")
        .file("README.md", "# Web\n")
        .file("LICENSE", include_str!("../../../LICENSE-MIT"))
        .file(".github/SECURITY.md", "Write to security@example.com.\n")
        .file(".github/CODEOWNERS", "*  @acme/gone\nno-such-file @alice\n")
        .file(".github/ISSUE_TEMPLATE/bug.yml", FORM)
        .file(".github/workflows/ci, build.yml", CI)
        .file("src/main.rs", "fn main() {}\n")
}

async fn github() -> GitHub {
    let config = Config { slug: "github-actions".to_owned(), ..Config::default() };
    let github = GitHub::start_with(config).await.unwrap();
    github.install("acme", &[WEB]);
    github.add_label(WEB, "bug");
    github
}

fn asking(github: &GitHub, step: Runner) -> Runner {
    let permissions = json!({"contents": "read", "issues": "read"});
    step.set("GITHUB_API_URL", &github.url()).input("token", &github.run_token(WEB, &permissions))
}

async fn run(step: Runner) -> Ended {
    tokio::task::spawn_blocking(|| step.run()).await.unwrap()
}

fn checks(report: &Value, state: &str) -> Vec<String> {
    let all = report["checks"].as_array().unwrap().iter();
    all.filter(|check| check["state"] == state).map(|check| check["check"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn faults_are_told_at_their_lines_and_in_the_outputs() {
    let github = github().await;
    github.unknown_owner(WEB, 1, 4, "*  @acme/gone");
    github.guard_branches(WEB, &["deletion", "non_fast_forward"]);
    let ended = run(asking(&github, checkout())).await;
    assert_eq!(ended.code, 1, "{}", ended.log);

    let file = "file=.github/workflows/ci%2C build.yml";
    for expected in [
        format!("::error {file},line=8,col=19,title=script-injection::whoever writes `github.event.head_commit.message` can"),
        format!("::warning {file},line=7,col=15,title=pinned-actions::`somebody/thing` is used at `main`"),
        format!("::warning {file},line=1,col=24,title=default-branch::the workflow waits for `master`"),
        "::error file=.github/CODEOWNERS,line=1,col=4,title=codeowners-owners::GitHub asks `@acme/gone` for nothing: make sure".to_owned(),
        "::warning file=.github/CODEOWNERS,line=2,col=1,title=codeowners::the pattern fits no file%0A".to_owned(),
        "::warning file=.github/ISSUE_TEMPLATE/bug.yml,line=3,col=15,title=labels::there is no label `needs%25`: GitHub leaves it out".to_owned(),
        "::warning title=branch-rules::the rules of the default branch ask for no pull request".to_owned(),
        "::notice title=contributing::there are no guidelines for contributors".to_owned(),
    ] {
        assert!(ended.log.contains(&expected), "{expected}\n{}", ended.log);
    }
    let report = ended.json("report");
    assert_eq!(ended.outputs["failed"], "2");
    assert_eq!(ended.outputs["score"], report["score"].to_string());
    assert_eq!((&report["summary"]["errors"], &report["version"]), (&json!(2), &json!(1)));
    assert_eq!(checks(&report, "not_done"), ["token-defaults"], "no token of a run may see it");
    assert!(ended.log.contains("not looked at: token-defaults: ") && ended.log.contains("Resource not accessible"));
    for expected in [
        "### Setup of acme/web",
        "| error | <code>script-injection</code> | <code>.github/workflows/ci, build.yml&#58;8&#58;19</code>",
        "| <code>readme</code> | There is a README | passed |",
    ] {
        assert!(ended.summary.contains(expected), "{expected}\n{}", ended.summary);
    }
    assert!(github.writes().is_empty(), "a check changes nothing");
}

#[tokio::test]
async fn what_fails_a_step_is_what_fail_on_says() {
    let github = github().await;
    let skip = "script-injection,codeowners-owners\nlabels";
    let fine = run(asking(&github, checkout()).input("skip", skip)).await;
    assert_eq!((fine.code, fine.outputs["failed"].as_str()), (0, "0"), "{}", fine.log);
    assert_eq!(checks(&fine.json("report"), "skipped"), ["codeowners-owners", "labels", "script-injection"]);
    let warned = run(asking(&github, checkout()).input("skip", skip).input("fail_on", "warning")).await;
    assert_eq!((warned.code, warned.outputs["failed"].as_str()), (1, "4"), "{}", warned.log);
    let never = run(asking(&github, checkout()).input("fail_on", "never")).await;
    assert_eq!((never.code, never.outputs["failed"].as_str()), (0, "0"), "{}", never.log);
    assert!(never.log.contains("::error file="), "what is wrong is told all the same");
}

#[tokio::test]
async fn without_a_token_it_says_what_it_did_not_look_at() {
    let ended = run(checkout().unset("INPUT_TOKEN").input("fail_on", "never")).await;
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(
        checks(&ended.json("report"), "not_done"),
        ["codeowners-owners", "labels", "token-defaults", "branch-rules"]
    );
    assert!(ended.log.contains("not looked at: labels: which labels there are: GitHub was not asked"), "{}", ended.log);
    assert!(ended.log.contains("title=default-branch::"), "the event tells which branch that is");

    let github = github().await;
    let step = asking(&github, checkout()).input("fail_on", "never");
    github.go_down();
    let down = run(step).await;
    assert_eq!(down.code, 0, "GitHub that fails is no fault of the repository: {}", down.log);
    assert_eq!(checks(&down.json("report"), "not_done").len(), 5, "{}", down.log);
}

#[tokio::test]
async fn what_cannot_be_checked_is_told_with_what_to_do() {
    let refused = |step: Runner| async { run(step).await.refused() };
    let empty = refused(Runner::new().input("mode", "check").unset("INPUT_TOKEN")).await;
    assert!(empty.contains("check the repository out before this step (`uses: actions/checkout`)"), "{empty}");
    for outside in ["/etc", "../other", "a/../../b"] {
        let told = refused(checkout().input("directory", outside)).await;
        assert_eq!(told, format!("input `directory` is `{outside}`: it is a path below the workspace, without `..`"));
    }
    let absent = refused(checkout().input("directory", "web")).await;
    assert!(absent.contains("web is no directory that can be read"), "{absent}");
    let slip = refused(checkout().input("fail_on", "warnings")).await;
    assert!(slip.contains("none of `error`, `warning` or `never`: did you mean `warning`?"), "{slip}");
    let unknown = refused(checkout().input("skip", "lisence")).await;
    assert!(unknown.contains("input `skip` names `lisence`, which is no check: did you mean `license`?"), "{unknown}");

    let github = github().await;
    let token = "ghs_0123456789abcdefNobodyKnowsThisToken";
    let told = refused(checkout().set("GITHUB_API_URL", &github.url()).input("token", token)).await;
    assert!(told.contains("GitHub does not take the token") || told.contains("token"), "{told}");
}

#[tokio::test]
async fn more_than_github_shows_is_in_the_log_and_the_summary() {
    let lines: String = (0..25).map(|at| format!("/absent/{at} @alice\n")).collect();
    let step = checkout()
        .unset("INPUT_TOKEN")
        .file(".github/CODEOWNERS", &lines)
        .file(".github/workflows/ci, build.yml", "on: push\npermissions: {}\njobs: {a: {runs-on: x}}\n");
    let ended = run(step).await;
    assert_eq!(ended.told("warning").len(), 10, "{}", ended.log);
    assert!(
        ended.log.contains("GitHub shows 10 annotations of a kind: 15 more (warning) are above and in the summary"),
        "{}",
        ended.log
    );
    assert!(
        ended.log.contains("\nwarning: codeowners: .github/CODEOWNERS:25:1: the pattern fits no file; "),
        "{}",
        ended.log
    );
    assert_eq!(ended.summary.matches("the pattern fits no file").count(), 25);
}
