//! What the checks look at, and how they tell what they see.

use std::fmt::Display;

use super::document::{Document, texts};
use super::report::{Finding, Severity, State};
use super::{Checkout, ReadRules, Told};
use crate::core::marked::Place;
use crate::core::text::harmless;

/// Most findings of one check: a file of faults ends here.
const MOST_FOUND: usize = 100;
/// Longest message, in characters.
const LONGEST: usize = 500;

/// Something wrong in a file, as whoever read it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// A repository, with every YAML file that more than one check looks at read once.
pub(super) struct Scene<'a> {
    pub(super) checkout: &'a Checkout,
    pub(super) told: &'a Told,
    pub(super) read_rules: ReadRules<'a>,
    /// `.github/workflows/*.yml`
    pub(super) workflows: Vec<Document<'a>>,
    /// `action.yml` of the repository's own actions.
    pub(super) actions: Vec<Document<'a>>,
    /// Forms of `.github/ISSUE_TEMPLATE`.
    pub(super) forms: Vec<Document<'a>>,
    pub(super) rules: Option<Document<'a>>,
}

/// Where a repository keeps its own rules.
pub(super) const RULES: &str = ".github/orchd.yml";
pub(super) const FORMS: &str = ".github/ISSUE_TEMPLATE";

impl<'a> Scene<'a> {
    pub(super) fn new(checkout: &'a Checkout, told: &'a Told, read_rules: ReadRules<'a>) -> Self {
        let read = |wanted: &dyn Fn(&str) -> bool| {
            let texts = checkout.texts().filter(|(path, _)| is_yaml(path) && wanted(path));
            texts.filter_map(|(path, _)| Some(Document::read(path, checkout.text(path)?))).collect()
        };
        let in_folder = |path: &str, folder: &str| path.rsplit_once('/').is_some_and(|(above, _)| above == folder);
        let is_action = |path: &str| super::checkout::is_action(path.rsplit('/').next().unwrap_or(path));
        let is_chooser = |path: &str| path.ends_with("/config.yml") || path.ends_with("/config.yaml");
        Self {
            checkout,
            told,
            read_rules,
            workflows: read(&|path| in_folder(path, ".github/workflows")),
            actions: read(&|path| !in_folder(path, ".github/workflows") && is_action(path)),
            forms: read(&|path| in_folder(path, FORMS) && !is_chooser(path)),
            rules: checkout.text(RULES).map(|text| Document::read(RULES, text)),
        }
    }
}

impl Scene<'_> {
    /// What the repository itself says is to be left out: `check: {skip: […]}`.
    pub(super) fn skips(&self) -> Vec<String> {
        let root = self.rules.as_ref().and_then(|rules| rules.root.as_ref());
        let skip = root.and_then(|root| root.get("check")?.get("skip"));
        skip.map(texts).unwrap_or_default().into_iter().map(|(_, id)| id).collect()
    }
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yml") || path.ends_with(".yaml")
}

/// What a check saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    found: Vec<Found>,
    /// What could not be looked at, and why.
    pub(super) open: Vec<String>,
}

#[derive(Debug)]
struct Found {
    severity: Severity,
    at: At,
    message: String,
    advice: String,
}

/// Where a finding is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    path: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
}

impl At {
    /// In no file.
    pub(super) fn nowhere() -> Self {
        Self::default()
    }

    pub(super) fn file(path: &str) -> Self {
        Self { path: Some(path.to_owned()), line: None, column: None }
    }

    pub(super) fn line(path: &str, line: usize, column: usize) -> Self {
        Self { path: Some(path.to_owned()), line: Some(line), column: Some(column) }
    }

    pub(super) fn place(path: &str, place: Place) -> Self {
        Self::line(path, place.line, place.column)
    }
}

impl Seen {
    /// It could not be looked at.
    pub(super) fn not_done(why: impl Into<String>) -> Self {
        Self { found: Vec::new(), open: vec![why.into()] }
    }

    pub(super) fn error(&mut self, at: At, message: impl Display, advice: impl Display) {
        self.find(Severity::Error, at, message, advice);
    }

    pub(super) fn warning(&mut self, at: At, message: impl Display, advice: impl Display) {
        self.find(Severity::Warning, at, message, advice);
    }

    pub(super) fn notice(&mut self, at: At, message: impl Display, advice: impl Display) {
        self.find(Severity::Notice, at, message, advice);
    }

    pub(super) fn find(&mut self, severity: Severity, at: At, message: impl Display, advice: impl Display) {
        self.found.push(Found { severity, at, message: short(message), advice: short(advice) });
    }

    pub(super) fn worst(&self) -> Option<Severity> {
        self.found.iter().map(|found| found.severity).max()
    }

    pub(super) fn state(&self) -> State {
        match (self.found.is_empty(), self.open.is_empty()) {
            (false, _) => State::Failed,
            (true, false) => State::NotDone,
            (true, true) => State::Passed,
        }
    }

    /// In the order of files and lines, the worst of a place first.
    pub(super) fn findings(&self, check: &'static str) -> Vec<Finding> {
        let mut found: Vec<&Found> = self.found.iter().collect();
        found.sort_by(|a, b| a.at.cmp(&b.at).then(b.severity.cmp(&a.severity)));
        let finding = |found: &Found| Finding {
            check,
            severity: found.severity,
            path: found.at.path.clone(),
            line: found.at.line,
            column: found.at.column,
            message: found.message.clone(),
            advice: found.advice.clone(),
        };
        let mut findings: Vec<Finding> = found.iter().take(MOST_FOUND).map(|found| finding(found)).collect();
        if found.len() > MOST_FOUND {
            findings.push(Finding {
                check,
                severity: self.worst().unwrap_or(Severity::Notice),
                path: None,
                line: None,
                column: None,
                message: format!("{} findings more, which are not listed", found.len() - MOST_FOUND),
                advice: "mend those that are listed, and check again".to_owned(),
            });
        }
        findings
    }
}

/// One line without anything that a terminal would obey: messages quote what strangers wrote.
fn short(text: impl Display) -> String {
    let text = text.to_string();
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    harmless(&short)
}
