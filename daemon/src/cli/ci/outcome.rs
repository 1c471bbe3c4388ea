//! What came of a job and of its steps.

use std::time::Duration;

use serde_json::{Map, Value};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Succeeded,
    Failed(String),
    /// It failed, and is allowed to.
    Tolerated(String),
    Skipped(String),
    /// It cannot be run here.
    NotRun(String),
    /// It is so already.
    Here,
}

impl Outcome {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
            Self::Tolerated(_) => "tolerated",
            Self::Skipped(_) => "skipped",
            Self::NotRun(_) => "not run",
            Self::Here => "here",
        }
    }

    pub(super) fn why(&self) -> &str {
        match self {
            Self::Failed(why) | Self::Tolerated(why) | Self::Skipped(why) | Self::NotRun(why) => why,
            Self::Succeeded => "",
            Self::Here => "the checkout is here already",
        }
    }
}

#[derive(Debug)]
pub(super) struct RanJob {
    pub(super) id: String,
    pub(super) outcome: Outcome,
    pub(super) outputs: Map<String, Value>,
    pub(super) steps: Vec<RanStep>,
}

#[derive(Debug)]
pub(super) struct RanStep {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
}
