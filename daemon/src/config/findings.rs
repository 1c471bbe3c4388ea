//! What is wrong, gathered from every file before anyone is told.

use std::path::{Path, PathBuf};

use super::{Problem, Problems};
pub(super) use crate::core::marked::Place;

/// Problems and notes, and the files they are about, in the order in which these were read.
#[derive(Debug, Default)]
pub(super) struct Findings {
    files: Vec<PathBuf>,
    problems: Vec<(Place, String)>,
    notes: Vec<(Place, String)>,
}

impl Findings {
    /// Makes a file known; the answer goes into every [`Place`] of that file.
    pub(super) fn add_file(&mut self, path: &Path) -> usize {
        self.files.iter().position(|known| known == path).unwrap_or_else(|| {
            self.files.push(path.to_owned());
            self.files.len() - 1
        })
    }

    pub(super) fn report(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push((place, one_line(&message.into())));
    }

    /// Worth telling, but no reason to refuse the config.
    pub(super) fn note(&mut self, place: Place, message: impl Into<String>) {
        self.notes.push((place, one_line(&message.into())));
    }

    /// `file:line:column`, for a message that names another place.
    pub(super) fn name_of(&self, place: Place) -> String {
        format!("{}:{}:{}", self.file(place).display(), place.line, place.column)
    }

    /// The files so far, in the order of [`Place::file`].
    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// How many problems there are so far.
    pub(super) fn count(&self) -> usize {
        self.problems.len()
    }

    /// Adds to what was reported of one file since there were `count` problems: why the file was looked at.
    pub(super) fn explain(&mut self, count: usize, file: usize, why: &str) {
        let since = self.problems.iter_mut().skip(count);
        since.filter(|(place, _)| place.file == file).for_each(|(_, message)| message.push_str(why));
    }

    /// The notes when nothing is wrong, else every problem in the order of files, lines and columns.
    pub(super) fn finish(self) -> Result<Vec<Problem>, Problems> {
        if self.problems.is_empty() { Ok(self.sorted(&self.notes)) } else { Err(Problems(self.sorted(&self.problems))) }
    }

    fn sorted(&self, found: &[(Place, String)]) -> Vec<Problem> {
        let mut found: Vec<_> = found.iter().collect();
        found.sort_by_key(|(place, _)| *place);
        found.dedup();
        let problem = |(place, message): &(Place, String)| Problem {
            file: self.file(*place).to_owned(),
            line: place.line,
            column: place.column,
            message: message.clone(),
        };
        found.into_iter().map(problem).collect()
    }

    fn file(&self, place: Place) -> &Path {
        self.files.get(place.file).map_or(Path::new(""), PathBuf::as_path)
    }
}

/// Longest message, in characters: a key may be as long as a file.
const MAX_MESSAGE: usize = 1_000;

/// Messages quote what was written; a control character in that must not break a line of a log or a terminal.
fn one_line(message: &str) -> String {
    let mut line = String::with_capacity(message.len());
    for each in message.chars().take(MAX_MESSAGE) {
        if each.is_control() { line.extend(each.escape_default()) } else { line.push(each) }
    }
    line
}
