//! The files in which the runner takes outputs and the summary.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::failure::Failure;

/// Most bytes of a step's summary: the runner drops a larger one whole.
const LONGEST_SUMMARY: usize = 1 << 20;
const CUT: &str = "\n\n*The summary was cut here: GitHub shows 1 MiB of it. The whole is in the step's outputs.*\n";

/// Where outputs and the summary go.
#[derive(Debug)]
pub struct Files {
    output: PathBuf,
    /// Absent on old servers.
    summary: Option<PathBuf>,
}

impl Files {
    pub fn new(output: impl Into<PathBuf>, summary: Option<PathBuf>) -> Self {
        Self { output: output.into(), summary }
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn output(&self, name: &str, value: &str) -> Result<(), Failure> {
        append(&self.output, &assignment(name, value)).map_err(|error| refused("GITHUB_OUTPUT", &self.output, &error))
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn summary(&self, markdown: &str) -> Result<(), Failure> {
        let Some(path) = &self.summary else { return Ok(()) };
        let refused = |error: io::Error| refused("GITHUB_STEP_SUMMARY", path, &error);
        let used = std::fs::metadata(path).map_or(0, |data| usize::try_from(data.len()).unwrap_or(usize::MAX));
        append(path, &fitting(markdown, LONGEST_SUMMARY.saturating_sub(used))).map_err(refused)
    }
}

fn refused(variable: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("`{variable}` names {}, which cannot be written: {error}", path.display()))
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

/// `name<<DELIMITER`, with one that nobody can have written into the value.
fn assignment(name: &str, value: &str) -> String {
    let delimiter = loop {
        let delimiter = format!("orchd_{}", Uuid::now_v7().simple());
        if !value.contains(&delimiter) {
            break delimiter;
        }
    };
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

/// As much of it as there is room for, whole lines, and a word where it ends.
fn fitting(markdown: &str, room: usize) -> String {
    if markdown.len() <= room {
        return markdown.to_owned();
    }
    let Some(mut end) = room.checked_sub(CUT.len()) else { return String::new() };
    while !markdown.is_char_boundary(end) {
        end -= 1;
    }
    let end = markdown[..end].rfind('\n').unwrap_or(0);
    format!("{}{CUT}", &markdown[..end])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_end_itself() {
        let text = assignment("report", "a\norchd_x\nevil=1");
        let (first, rest) = text.split_once('\n').unwrap();
        let delimiter = first.strip_prefix("report<<").unwrap();
        assert_eq!(rest, format!("a\norchd_x\nevil=1\n{delimiter}\n"));
        assert_ne!(assignment("a", "b"), assignment("a", "b"));
    }

    #[test]
    fn a_long_summary_is_cut_at_a_line_and_says_so() {
        let long = "| é |\n".repeat(LONGEST_SUMMARY / 6);
        let cut = fitting(&long, LONGEST_SUMMARY);
        assert!(cut.len() <= LONGEST_SUMMARY && cut.ends_with(CUT), "{}", cut.len());
        assert!(cut.strip_suffix(CUT).unwrap().ends_with("| é |"));
        assert_eq!(fitting("short", LONGEST_SUMMARY), "short");
        assert_eq!(fitting("none", 3), "");
    }

    #[test]
    fn what_other_steps_of_the_job_wrote_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (output, summary) = (dir.path().join("output"), dir.path().join("summary"));
        std::fs::write(&summary, "# Before\n").unwrap();
        let files = Files::new(&output, Some(summary.clone()));
        files.summary("after\n").unwrap();
        files.output("a", "1").unwrap();
        files.output("b", "2").unwrap();
        assert_eq!(std::fs::read_to_string(summary).unwrap(), "# Before\nafter\n");
        assert_eq!(std::fs::read_to_string(output).unwrap().lines().count(), 6);
        let nowhere = Files::new(dir.path().join("no/such/dir"), None);
        let why = nowhere.output("a", "1").unwrap_err().annotations()[0].message.clone();
        assert!(why.starts_with("`GITHUB_OUTPUT` names ") && why.contains("cannot be written"), "{why}");
        nowhere.summary("nowhere to show it, and no reason to fail").unwrap();
    }
}
