//! How a report is told: annotations at their lines, and the summary of the step.

use orchd::core::checkup::{Finding, Report, Severity, State};

use crate::annotation::{Annotation, Level, Place};
use crate::log::Log;
use crate::summary::Summary;

/// So many annotations of a level GitHub shows of a step.
/// <https://docs.github.com/en/rest/checks/runs>
const MOST_SHOWN: usize = 10;

/// The first of each severity as annotations, the rest as lines of the log.
pub(super) fn annotate(log: &mut Log<'_>, report: &Report) {
    for severity in [Severity::Error, Severity::Warning, Severity::Notice] {
        let found: Vec<&Finding> = report.findings.iter().filter(|finding| finding.severity == severity).collect();
        for (at, finding) in found.iter().enumerate() {
            if at < MOST_SHOWN {
                log.annotate(&annotation(finding));
            } else {
                log.say(&line(finding));
            }
        }
        if found.len() > MOST_SHOWN {
            let (word, more) = (severity.word(), found.len() - MOST_SHOWN);
            log.say(&format!(
                "GitHub shows {MOST_SHOWN} annotations of a kind: {more} more ({word}) are above and in the summary"
            ));
        }
    }
    for outcome in report.checks.iter().filter(|outcome| !outcome.not_done.is_empty()) {
        log.say(&format!("not looked at: {}: {}", outcome.check, outcome.not_done.join("; ")));
    }
    log.say(&counts(report));
}

fn annotation(finding: &Finding) -> Annotation {
    let level = match finding.severity {
        Severity::Error => Level::Error,
        Severity::Warning => Level::Warning,
        Severity::Notice => Level::Notice,
    };
    let told = Annotation::new(level, format!("{}\n{}", finding.message, finding.advice)).titled(finding.check);
    match &finding.path {
        Some(path) => told.at(Place { file: path.clone(), line: finding.line, column: finding.column }),
        None => told,
    }
}

fn line(finding: &Finding) -> String {
    let (word, check, message) = (finding.severity.word(), finding.check, &finding.message);
    format!("{word}: {check}: {}: {message}; {}", place(finding), finding.advice)
}

fn place(finding: &Finding) -> String {
    let Some(path) = &finding.path else { return "the repository".to_owned() };
    let numbers = finding.line.map(|line| format!(":{line}:{}", finding.column.unwrap_or(1)));
    format!("{path}{}", numbers.unwrap_or_default())
}

fn counts(report: &Report) -> String {
    let summary = &report.summary;
    let counts = [(summary.errors, "error"), (summary.warnings, "warning"), (summary.notices, "notice")];
    let counts = counts.map(|(count, noun)| format!("{count} {noun}{}", if count == 1 { "" } else { "s" }));
    format!("Score {} of 100: {}", report.score, counts.join(", "))
}

/// Every finding with its place and what to do, each check with how it went.
pub(super) fn summary(repository: &str, report: &Report) -> Summary {
    let mut summary = Summary::default();
    summary.heading(&format!("Setup of {repository}"));
    summary.paragraph(&counts(report));
    if !report.findings.is_empty() {
        let row = |finding: &Finding| {
            let Finding { severity, check, message, advice, .. } = finding;
            let where_ = format!("`{}`", place(finding));
            [severity.word().to_owned(), format!("`{check}`"), where_, message.clone(), advice.clone()]
        };
        summary.table(["Severity", "Check", "Where", "What", "What to do"], report.findings.iter().map(row));
    }
    let row = |outcome: &orchd::core::checkup::Outcome| {
        let state = match outcome.state {
            State::Passed => "passed",
            State::Failed => "failed",
            State::NotDone => "not looked at",
            State::Skipped => "skipped",
        };
        [format!("`{}`", outcome.check), outcome.title.to_owned(), state.to_owned(), outcome.not_done.join("; ")]
    };
    summary.table(["Check", "What has to be so", "Result", "Not looked at"], report.checks.iter().map(row));
    summary
}
