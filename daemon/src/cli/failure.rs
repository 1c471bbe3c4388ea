//! How a command fails: one sentence that says what to do, and an exit code.

use std::process::ExitCode;

use super::output;

/// The exit codes of `orchd --help`. 2 is clap's own for a wrong command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Failed = 1,
    Usage = 2,
    Unreachable = 3,
    NotFound = 4,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self { code: Code::Failed, message: message.into() }
    }

    pub(super) fn unreachable(message: impl Into<String>) -> Self {
        Self { code: Code::Unreachable, message: message.into() }
    }

    /// Tells the person, on standard error.
    pub(super) fn report(&self) {
        output::note(&format!("orchd: {}", self.message));
    }
}
