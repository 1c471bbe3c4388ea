//! What a mode is given.

use chrono::{DateTime, Utc};

use crate::failure::Failure;
use crate::files::Files;
use crate::inputs::Inputs;
use crate::log::Log;
use crate::mode::Output;
use crate::summary::Summary;
use crate::workflow::Workflow;

/// Where the time is read: the system's clock, or a test's.
pub type Clock = &'static (dyn Fn() -> DateTime<Utc> + Send + Sync);

/// The step at work. What a mode says goes through here: the log, the outputs, the summary.
pub struct Context<'a> {
    pub inputs: Inputs,
    pub workflow: Workflow,
    pub log: Log<'a>,
    pub now: Clock,
    files: Files,
}

impl<'a> Context<'a> {
    pub(crate) fn new(inputs: Inputs, workflow: Workflow, log: Log<'a>, files: Files, now: Clock) -> Self {
        Self { inputs, workflow, log, now, files }
    }

    /// Sets an output at once, so that a step that fails later has it too.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn output(&self, output: &Output, value: &str) -> Result<(), Failure> {
        self.files.output(output.name, &self.log.redacted(value))
    }

    /// Adds to the step's summary, cut where GitHub would not show it any more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn summarise(&self, summary: &Summary) -> Result<(), Failure> {
        self.files.summary(&self.log.redacted(summary.markdown()))
    }

    /// The event's payload.
    ///
    /// # Errors
    /// When the runner's file is not there or holds no JSON object.
    pub fn payload(&self) -> Result<serde_json::Value, Failure> {
        let path = &self.workflow.event_path;
        let bad = |what: String| Failure::failed(format!("`GITHUB_EVENT_PATH` names {}, which {what}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| bad(format!("cannot be read: {error}")))?;
        let payload: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| bad(format!("is not JSON: {error}")))?;
        if payload.is_object() { Ok(payload) } else { Err(bad("holds no JSON object".to_owned())) }
    }
}
