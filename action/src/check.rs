//! `mode: check`: the setup of the repository that the job checked out. Reads files, asks GitHub where it has a token, and
//! runs nothing of what it reads.

mod report;

use std::path::{Component, Path, PathBuf};

use orchd::actions;
use orchd::checkout;
use orchd::config::repository;
use orchd::config::suggest::did_you_mean;
use orchd::core::checkup::{self, CHECKS, Checkout, Report, Severity, Told};
use orchd::core::codeowners::PLACES;
use orchd::core::facts::Known;
use orchd::github::checkup::ask;

use crate::client::{self, GITHUB_ACTIONS};
use crate::context::Context;
use crate::failure::Failure;
use crate::inputs::{Input, TOKEN, Values, quoted};
use crate::mode::{Mode, Outcome, Output, Running};

const FAIL_ON: Input = Input {
    name: "fail_on",
    about: "The step fails when a finding is of this severity or a worse one",
    default: "error",
    values: Values::OneOf(&["error", "warning", "never"]),
};
const SKIP: Input = Input {
    name: "skip",
    about: "Checks to leave out, by id, one a line or with commas between: docs/checks.md has the table",
    default: "",
    values: Values::Text,
};
const DIRECTORY: Input = Input {
    name: "directory",
    about: "Where the job checked the repository out, below the workspace",
    default: ".",
    values: Values::Text,
};

const SCORE: Output = Output { name: "score", about: "0 to 100: the points of what was looked at that were not lost" };
const FAILED: Output = Output {
    name: "failed",
    about: "How many checks have a finding of the severity of `fail_on` or a worse one; 0 where that is `never`",
};
const REPORT: Output = Output {
    name: "report",
    about: "Everything that was found, as JSON: docs/checks.schema.json. Over 900 kB the mildest findings are left out, and `left_out` says how many",
};

/// GitHub takes 1 MB of outputs of a job; other steps of the job have some too.
const LONGEST_REPORT: usize = 900_000;

pub(crate) const MODE: Mode = Mode {
    name: "check",
    about: "Checks the repository's setup: what it lacks, what is wrong in it, and what to do",
    inputs: &[&TOKEN, &FAIL_ON, &SKIP, &DIRECTORY],
    outputs: &[&SCORE, &FAILED, &REPORT],
    run: |context| -> Running<'_> { Box::pin(run(context)) },
};

async fn run(context: &mut Context<'_>) -> Result<Outcome, Failure> {
    let fail_on = match context.inputs.choice(&FAIL_ON)? {
        "never" => None,
        "warning" => Some(Severity::Warning),
        _ => Some(Severity::Error),
    };
    let skip = skipped(context.inputs.text(&SKIP).unwrap_or_default())?;
    let dir = directory(context)?;
    let read = checkout::read(&dir).map_err(|error| Failure::setup(error.to_string()))?;
    if read.checkout.paths().is_empty() {
        return Err(Failure::setup(format!(
            "there is nothing in {}: check the repository out before this step (`uses: actions/checkout`)",
            dir.display()
        )));
    }
    let told = told(context, &read.checkout).await?;
    let read_rules = |path: &str, text: &str| repository::faults(path, text, actions::kinds());
    let report = checkup::examine(&read.checkout, &told, &read_rules, &skip);
    let failed = fail_on.map_or(0, |least| report.failed_at(least));

    context.output(&SCORE, &report.score.to_string())?;
    context.output(&FAILED, &failed.to_string())?;
    context.output(&REPORT, &fitting(&report)?)?;
    report::annotate(&mut context.log, &report);
    context.summarise(&report::summary(context.workflow.repository.as_str(), &report))?;
    Ok(if failed > 0 { Outcome::Found } else { Outcome::Fine })
}

/// What GitHub tells; without a token it is not asked.
async fn told(context: &mut Context<'_>, checkout: &Checkout) -> Result<Told, Failure> {
    let Some(token) = context.inputs.secret(&TOKEN) else {
        context.log.say("no token: GitHub is not asked, and what only it knows is not looked at");
        let default_branch = default_branch(context).map_or(Known::NotYet, Known::Is);
        return Ok(Told { default_branch, ..Told::default() });
    };
    let github = client::github(&context.workflow, token, GITHUB_ACTIONS, context.now)?;
    let has_owners = PLACES.iter().any(|place| checkout.has(place));
    let reference = has_owners.then_some(context.workflow.sha.as_str());
    let told = ask(&github.reader(None), &context.workflow.repository, reference).await;
    told.map_err(|error| client::explained("the repository", &error))
}

/// As the event tells it.
fn default_branch(context: &Context<'_>) -> Option<String> {
    let payload = context.payload().ok()?;
    payload["repository"]["default_branch"].as_str().map(str::to_owned)
}

fn skipped(text: &str) -> Result<Vec<String>, Failure> {
    let ids = text.split([',', '\n']).map(str::trim).filter(|id| !id.is_empty());
    let known = |id: &str| {
        checkup::find(id).map(|check| check.id.to_owned()).ok_or_else(|| {
            let near = did_you_mean(id, CHECKS.iter().map(|check| check.id));
            Failure::setup(format!("input `skip` names {}, which is no check{near}", quoted(id)))
        })
    };
    ids.map(known).collect()
}

/// Never outside of the workspace, whatever the workflow says.
fn directory(context: &Context<'_>) -> Result<PathBuf, Failure> {
    let below = context.inputs.required(&DIRECTORY)?;
    let inside = Path::new(below).components().all(|part| matches!(part, Component::CurDir | Component::Normal(_)));
    if !inside {
        return Err(Failure::setup(format!(
            "input `directory` is {}: it is a path below the workspace, without `..`",
            quoted(below)
        )));
    }
    let Some(workspace) = &context.workflow.workspace else {
        return Err(Failure::setup("not set: `GITHUB_WORKSPACE`: this looks at what the job checked out there"));
    };
    Ok(workspace.join(below))
}

/// The report as JSON, with as many findings as there is room for.
fn fitting(report: &Report) -> Result<String, Failure> {
    let mut most = report.findings.len();
    loop {
        let text = serde_json::to_string(&report.cut(most)).map_err(|error| Failure::failed(error.to_string()))?;
        if text.len() <= LONGEST_REPORT || most == 0 {
            return Ok(text);
        }
        most = most * 3 / 4;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use orchd::core::checkup::Text;

    use super::*;

    #[test]
    fn a_report_that_is_too_long_says_what_it_leaves_out() {
        let form = |at: usize| {
            let key = format!("{at}{}", "k".repeat(480));
            (format!(".github/ISSUE_TEMPLATE/{at}.yml"), Text::Is(format!("{key}: 1\n")))
        };
        let texts: Vec<_> = (0..100).map(form).collect();
        let paths: Vec<String> = texts.iter().map(|(path, _)| path.clone()).collect();
        let report = checkup::examine(&Checkout::new(paths, texts), &Told::default(), &|_, _| Vec::new(), &[]);
        let mut long = report.clone();
        while long.findings.len() < 3_000 {
            long.findings.extend(report.findings.clone());
        }
        let read: serde_json::Value = serde_json::from_str(&fitting(&long).unwrap()).unwrap();
        let (kept, left_out) = (read["findings"].as_array().unwrap().len(), read["left_out"].as_u64().unwrap());
        assert!(kept > 1_000 && kept + usize::try_from(left_out).unwrap() == long.findings.len(), "{kept} {left_out}");
        assert!(read["findings"].as_array().unwrap().iter().all(|finding| finding["severity"] == "error"));
        assert!(fitting(&long).unwrap().len() <= LONGEST_REPORT);
        assert!(fitting(&report).unwrap().contains("\"left_out\":0"));
    }

    #[test]
    fn what_is_skipped_is_a_check() {
        assert_eq!(skipped(" readme, license\n\nlabels ").unwrap(), ["readme", "license", "labels"]);
        let told = skipped("readme,lisence").unwrap_err().annotations()[0].message.clone();
        assert_eq!(told, "input `skip` names `lisence`, which is no check: did you mean `license`?");
    }
}
