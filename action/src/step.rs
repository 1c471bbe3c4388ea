//! One run of the step, from the runner's variables to the exit code.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use orchd::config::suggest::did_you_mean;
use secrecy::SecretString;

use crate::annotation::Annotation;
use crate::context::{Clock, Context};
use crate::failure::Failure;
use crate::files::Files;
use crate::inputs::{Inputs, list, quoted};
use crate::log::Log;
use crate::mode::{Mode, Outcome};
use crate::workflow::{SECRETS, Workflow};
use crate::{MODES, manifest};

/// What a step is started with.
pub struct Step {
    pub variables: BTreeMap<String, String>,
    pub clock: Clock,
}

impl Step {
    /// Runs to the end; what it gives is the exit code: 0 fine, 1 failed or found something, 2 not set up rightly.
    pub fn run(self, out: &mut dyn Write) -> u8 {
        let mut log = Log::new(out);
        let inputs = Inputs::read(&self.variables);
        // Before the first word, so that no word can be one of them.
        for secret in inputs.secrets(manifest::inputs().into_iter()) {
            log.mask(&secret);
        }
        for secret in SECRETS.iter().filter_map(|name| self.variables.get(*name)) {
            log.mask(&SecretString::from(secret.as_str()));
        }
        log.say(concat!("orchd-action ", env!("CARGO_PKG_VERSION")));
        let (mode, mut context) = match self.prepare(inputs) {
            Ok((mode, inputs, workflow, files)) => (mode, Context::new(inputs, workflow, log, files, self.clock)),
            Err(failure) => return tell(&mut log, &failure),
        };
        match run(mode, &mut context) {
            Ok(Outcome::Fine) => 0,
            Ok(Outcome::Found) => 1,
            Err(failure) => tell(&mut context.log, &failure),
        }
    }

    fn prepare(&self, inputs: Inputs) -> Result<(&'static Mode, Inputs, Workflow, Files), Failure> {
        let workflow = Workflow::read(&self.variables)?;
        let mode = mode_of(&inputs)?;
        let path = |name: &str| self.variables.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        let files = Files::new(path("GITHUB_OUTPUT").unwrap_or_default(), path("GITHUB_STEP_SUMMARY"));
        Ok((mode, inputs, workflow, files))
    }
}

fn mode_of(inputs: &Inputs) -> Result<&'static Mode, Failure> {
    let names: Vec<&str> = MODES.iter().map(|mode| mode.name).collect();
    let Some(name) = inputs.text(&manifest::MODE) else {
        return Err(Failure::setup(format!("input `mode` is missing or empty: it is one of {}", list(&names))));
    };
    MODES.iter().copied().find(|mode| mode.name == name).ok_or_else(|| {
        let near = did_you_mean(name, names.iter().copied());
        Failure::setup(format!("input `mode` is {}, which is none of {}{near}", quoted(name), list(&names)))
    })
}

fn run(mode: &Mode, context: &mut Context<'_>) -> Result<Outcome, Failure> {
    let ignored = context.inputs.without_meaning(&manifest::inputs(), mode.inputs, mode.name)?;
    for told in ignored {
        context.log.annotate(&Annotation::warning(told));
    }
    let (repository, event) = (&context.workflow.repository, &context.workflow.event_name);
    let told = format!("mode `{}` in {repository}, for {}", mode.name, quoted(event));
    context.log.say(&told);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("the step cannot start: {error}")))?;
    runtime.block_on((mode.run)(context))
}

fn tell(log: &mut Log<'_>, failure: &Failure) -> u8 {
    for told in failure.annotations() {
        log.annotate(told);
    }
    failure.exit_code()
}
