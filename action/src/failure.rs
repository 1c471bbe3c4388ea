//! How a step fails: what to mend, in sentences, and an exit code.

use crate::annotation::Annotation;

/// Why a mode did not do its work, by who can change that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The workflow, an input, a permission or the config is to be mended: run again as it is, it fails again. Exit code 2.
    Setup(Vec<Annotation>),
    /// It was asked for rightly and did not come about. Exit code 1.
    Failed(Vec<Annotation>),
}

impl Failure {
    pub fn setup(message: impl Into<String>) -> Self {
        Self::Setup(vec![Annotation::error(message)])
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(vec![Annotation::error(message)])
    }

    pub fn annotations(&self) -> &[Annotation] {
        match self {
            Self::Setup(told) | Self::Failed(told) => told,
        }
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Setup(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}
