//! What a check of a repository came to, for people and, with stable names, for programs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::Check;
use super::scene::Seen;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It could be better.
    Notice,
    /// It is likely to do harm, or does not do what was meant.
    Warning,
    /// It is broken, or open to strangers.
    Error,
}

impl Severity {
    pub fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing to mend. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// The check that found it.
    pub check: &'static str,
    pub severity: Severity,
    /// Below the repository's root; `null` when the fault is in no file.
    pub path: Option<String>,
    pub line: Option<usize>,
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub advice: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was looked at, and nothing is wrong.
    Passed,
    /// There are findings.
    Failed,
    /// It could not be looked at, or not at all of it.
    NotDone,
    /// It was told to be left out.
    Skipped,
}

/// What one check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Outcome {
    pub check: &'static str,
    pub title: &'static str,
    pub state: State,
    /// What could not be looked at, and why.
    pub not_done: Vec<String>,
}

/// Counts of findings by severity, and of checks by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    pub errors: usize,
    pub warnings: usize,
    pub notices: usize,
    pub passed: usize,
    pub failed: usize,
    pub not_done: usize,
    pub skipped: usize,
}

/// Everything a check of a repository came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "CheckReport")]
pub struct Report {
    /// Of this form: 1. What is added later does not change it.
    pub version: u32,
    /// 0 to 100: the points of what was looked at that were not lost.
    pub score: u32,
    pub summary: Summary,
    /// In the order of the checks, then of files and lines.
    pub findings: Vec<Finding>,
    /// How many findings are left out here because there was no room for them. They count in all else.
    pub left_out: usize,
    pub checks: Vec<Outcome>,
}

impl Report {
    /// `None`: the check was skipped.
    pub(super) fn new(looked: impl Iterator<Item = (&'static Check, Option<Seen>)>) -> Self {
        let (mut findings, mut checks, mut score) = (Vec::new(), Vec::new(), Score::default());
        for (check, seen) in looked {
            let (state, not_done) = match seen {
                None => (State::Skipped, Vec::new()),
                Some(seen) => {
                    let state = seen.state();
                    if state != State::NotDone {
                        score.count(check.points, seen.worst());
                    }
                    findings.extend(seen.findings(check.id));
                    (state, seen.open)
                }
            };
            checks.push(Outcome { check: check.id, title: check.title, state, not_done });
        }
        let summary = summary(&findings, &checks);
        Self { version: 1, score: score.percent(), summary, findings, left_out: 0, checks }
    }

    /// How many checks have a finding at least as severe as this.
    pub fn failed_at(&self, least: Severity) -> usize {
        let mut worst: BTreeMap<&str, Severity> = BTreeMap::new();
        for finding in &self.findings {
            let so_far = worst.entry(finding.check).or_insert(finding.severity);
            *so_far = (*so_far).max(finding.severity);
        }
        worst.values().filter(|severity| **severity >= least).count()
    }

    /// The same with the worst `most` findings only, in their order.
    #[must_use]
    pub fn cut(&self, most: usize) -> Self {
        let mut kept: Vec<(usize, &Finding)> = self.findings.iter().enumerate().collect();
        kept.sort_by_key(|(at, finding)| (std::cmp::Reverse(finding.severity), *at));
        kept.truncate(most);
        kept.sort_by_key(|(at, _)| *at);
        let findings: Vec<Finding> = kept.into_iter().map(|(_, finding)| finding.clone()).collect();
        let left_out = self.left_out + self.findings.len() - findings.len();
        Self { findings, left_out, ..self.clone() }
    }

    /// The findings of a check.
    pub fn of<'a>(&'a self, check: &'a str) -> impl Iterator<Item = &'a Finding> {
        self.findings.iter().filter(move |finding| finding.check == check)
    }
}

/// Points in quarters: an error takes all of a check's, a warning half, a notice a quarter.
#[derive(Default)]
struct Score {
    quarters: u32,
    of: u32,
}

impl Score {
    fn count(&mut self, points: u32, worst: Option<Severity>) {
        let kept = match worst {
            None => 4,
            Some(Severity::Notice) => 3,
            Some(Severity::Warning) => 2,
            Some(Severity::Error) => 0,
        };
        self.quarters += points * kept;
        self.of += points * 4;
    }

    /// Rounded down, so that only what is without fault has 100.
    fn percent(&self) -> u32 {
        (self.quarters * 100).checked_div(self.of).unwrap_or(100)
    }
}

fn summary(findings: &[Finding], checks: &[Outcome]) -> Summary {
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let are = |state| checks.iter().filter(|outcome| outcome.state == state).count();
    Summary {
        errors: of(Severity::Error),
        warnings: of(Severity::Warning),
        notices: of(Severity::Notice),
        passed: are(State::Passed),
        failed: are(State::Failed),
        not_done: are(State::NotDone),
        skipped: are(State::Skipped),
    }
}
