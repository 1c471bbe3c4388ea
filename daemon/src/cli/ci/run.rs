//! Runs what the plan says can be run, job by job and step by step, as a runner would.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::container::Container;
use super::expression::{Scope, Status, Template, condition, is_true, text_of};
use super::outcome::{Outcome, RanJob, RanStep};
use super::plan::{Can, PlannedJob, PlannedStep, variables};
use super::process::{self, Ended, LeftBehind, Script};
use super::spoken::Spoken;
use super::workflow::{Does, Pairs, Workflow};
use super::{files, shell};

/// Of a job that says nothing; GitHub's own.
const USUAL_LIMIT: f64 = 360.0;

/// The files through which a step speaks, by the variables that name them.
const FILES: [(&str, &str); 5] = [
    ("GITHUB_ENV", "env"),
    ("GITHUB_OUTPUT", "output"),
    ("GITHUB_PATH", "path"),
    ("GITHUB_STATE", "state"),
    ("GITHUB_STEP_SUMMARY", "summary"),
];

/// What is the same for all jobs.
pub(super) struct Setting<'a> {
    pub(super) root: &'a Path,
    /// For scripts and the files of steps; outside of the checkout.
    pub(super) scratch: &'a Path,
    /// What each process gets.
    pub(super) env: BTreeMap<String, String>,
    /// The context `github`.
    pub(super) github: Value,
    /// The image to run in, when jobs run in a container; empty: the job's own.
    pub(super) image: Option<&'a str>,
    pub(super) stop: &'a AtomicBool,
    pub(super) is_there: &'a dyn Fn(&str) -> bool,
    pub(super) say: &'a dyn Fn(&str),
}

/// A job under way.
struct Running<'a, 'w> {
    setting: &'a Setting<'a>,
    planned: &'a PlannedJob<'w>,
    workflow: &'w Workflow,
    contexts: Map<String, Value>,
    /// What steps put in front of the path.
    path: Vec<String>,
    failed: Option<String>,
    until: Instant,
    left: LeftBehind,
    spoken: Spoken,
    container: Option<Container>,
    number: usize,
}

/// Runs one job; `done` are those before it.
pub(super) fn job(workflow: &Workflow, planned: &PlannedJob<'_>, setting: &Setting<'_>, done: &[RanJob]) -> RanJob {
    let job = planned.job;
    let ended = |outcome: Outcome| RanJob { id: job.id.clone(), outcome, outputs: Map::new(), steps: Vec::new() };
    if let Some(why) = &planned.obstacle {
        return ended(Outcome::NotRun(why.clone()));
    }
    let needed = || done.iter().filter(|other| job.needs.contains(&other.id));
    let mut contexts = contexts(planned, setting, needed());
    let failed = needed().find(|other| matches!(other.outcome, Outcome::Failed(_) | Outcome::Skipped(_)));
    let status = if failed.is_some() { Status::Failure } else { Status::Success };
    let scope = Scope { contexts: &contexts, status };
    let holds =
        job.condition.as_deref().map(condition).transpose().and_then(|condition| scope.holds(condition.as_ref()));
    match (holds, failed) {
        (Err(why), _) => return ended(Outcome::NotRun(why)),
        (Ok(false), Some(other)) => return ended(Outcome::Skipped(format!("`{}` {}", other.id, other.outcome.word()))),
        (Ok(false), None) => return ended(Outcome::Skipped("its `if` does not hold".to_owned())),
        (Ok(true), _) => {}
    }
    let env = environment(setting, &[&workflow.env, &job.env], &contexts);
    contexts.insert("env".to_owned(), Value::Object(env));
    let limit = minutes(job.timeout.as_deref(), &contexts).unwrap_or(USUAL_LIMIT);
    let container =
        match setting.image.map(|image| Container::start(image, job.container.as_deref(), setting)).transpose() {
            Ok(container) => container,
            Err(why) => return ended(Outcome::Failed(why)),
        };
    let until = Instant::now() + Duration::from_secs_f64(limit * 60.0);
    let (path, left, spoken) = (Vec::new(), LeftBehind::default(), Spoken::default());
    let mut running = Running {
        setting,
        planned,
        workflow,
        contexts,
        path,
        failed: None,
        until,
        left,
        spoken,
        container,
        number: done.len(),
    };
    let steps: Vec<RanStep> = planned.steps.iter().enumerate().map(|(at, step)| running.step(at, step)).collect();
    running.finish(steps)
}

/// What expressions of a job can look at, before it has run.
fn contexts<'a>(
    planned: &PlannedJob<'_>,
    setting: &Setting<'_>,
    needed: impl Iterator<Item = &'a RanJob>,
) -> Map<String, Value> {
    let result = |job: &RanJob| match job.outcome {
        Outcome::Failed(_) => "failure",
        Outcome::Skipped(_) => "skipped",
        _ => "success",
    };
    let needs: Map<String, Value> =
        needed.map(|job| (job.id.clone(), json!({"result": result(job), "outputs": job.outputs}))).collect();
    let mut github = setting.github.clone();
    github["job"] = json!(planned.job.id);
    let runner = json!({
        "os": "Linux", "arch": setting.env.get("RUNNER_ARCH"), "name": "local", "temp": setting.scratch, "tool_cache": setting.env.get("RUNNER_TOOL_CACHE"),
        "environment": "self-hosted", "debug": "",
    });
    let contexts = json!({
        "github": github, "runner": runner, "needs": needs, "matrix": planned.combination, "steps": {}, "env": {},
        "job": {"status": "success"}, "strategy": {"fail-fast": true, "job-index": 0, "job-total": 1, "max-parallel": 1},
    });
    match contexts {
        Value::Object(contexts) => contexts,
        _ => Map::new(),
    }
}

/// The variables of a workflow and a job. What cannot be worked out is left out, and that is told.
fn environment(setting: &Setting<'_>, levels: &[&Pairs], contexts: &Map<String, Value>) -> Map<String, Value> {
    let mut env = Map::new();
    for level in levels {
        let (known, left_out) = variables(level);
        for (name, why) in left_out {
            (setting.say)(&format!("  the variable {name} is left out: {why}"));
        }
        for (name, template) in known {
            match template.text(&Scope { contexts, status: Status::Success }) {
                Ok(value) => drop(env.insert(name.to_owned(), Value::String(value))),
                Err(why) => (setting.say)(&format!("  the variable {name} is left out: {why}")),
            }
        }
    }
    env
}

fn minutes(text: Option<&str>, contexts: &Map<String, Value>) -> Option<f64> {
    let value = Template::read(text?).ok()?.text(&Scope { contexts, status: Status::Success }).ok()?;
    value
        .trim()
        .parse()
        .ok()
        .filter(|minutes: &f64| minutes.is_finite() && *minutes > 0.0 && *minutes <= USUAL_LIMIT * 10.0)
}

impl Running<'_, '_> {
    fn scope(&self) -> Scope<'_> {
        let status = if self.failed.is_some() { Status::Failure } else { Status::Success };
        Scope { contexts: &self.contexts, status }
    }

    fn step(&mut self, at: usize, planned: &PlannedStep<'_>) -> RanStep {
        let step = planned.step;
        let name = self.name(planned);
        let begun = Instant::now();
        let (outcome, outputs) = self.outcome(at, planned, &name);
        let ran = matches!(outcome, Outcome::Succeeded | Outcome::Failed(_) | Outcome::Tolerated(_));
        let mark = match outcome {
            Outcome::Succeeded | Outcome::Here => '✓',
            Outcome::Failed(_) => '✗',
            Outcome::Tolerated(_) => '!',
            Outcome::Skipped(_) | Outcome::NotRun(_) => '-',
        };
        let why = if outcome.why().is_empty() { String::new() } else { format!(": {}", outcome.why()) };
        let took = if ran { format!(" ({:.1} s)", begun.elapsed().as_secs_f64()) } else { String::new() };
        (self.setting.say)(&format!("  {mark} {name}{took}{why}"));
        if let Some(id) = &step.id {
            let (result, conclusion) = match outcome {
                Outcome::Succeeded | Outcome::Here => ("success", "success"),
                Outcome::Failed(_) => ("failure", "failure"),
                Outcome::Tolerated(_) => ("failure", "success"),
                Outcome::Skipped(_) | Outcome::NotRun(_) => ("skipped", "skipped"),
            };
            self.contexts["steps"][id.to_lowercase()] =
                json!({"outputs": outputs, "outcome": result, "conclusion": conclusion});
        }
        if let (Outcome::Failed(why), None) = (&outcome, &self.failed) {
            self.failed = Some(format!("{name}: {why}"));
            self.contexts["job"]["status"] = json!("failure");
        }
        RanStep { name, line: step.line, outcome, took: begun.elapsed() }
    }

    fn name(&self, planned: &PlannedStep<'_>) -> String {
        let step = planned.step;
        let given = step.name.as_deref().and_then(|name| Template::read(name).ok()?.text(&self.scope()).ok());
        given.unwrap_or_else(|| match &step.does {
            Does::Run(script) => crate::core::text::shortened(script.trim().lines().next().unwrap_or_default()),
            Does::Use(action) => action.clone(),
        })
    }

    fn outcome(&mut self, at: usize, planned: &PlannedStep<'_>, name: &str) -> (Outcome, Map<String, Value>) {
        let nothing = Map::new();
        let step = planned.step;
        let script = match (&planned.can, &step.does) {
            (Can::Not(why), _) => return (Outcome::NotRun(why.clone()), nothing),
            (Can::Here, _) | (_, Does::Use(_)) => return (Outcome::Here, nothing),
            (Can::Run, Does::Run(script)) => script,
        };
        if self.setting.stop.load(std::sync::atomic::Ordering::Relaxed) {
            return (Outcome::Skipped("interrupted".to_owned()), nothing);
        }
        let holds = step.condition.as_deref().map(condition).transpose();
        match holds.and_then(|condition| self.scope().holds(condition.as_ref())) {
            Err(why) => return (Outcome::NotRun(why), nothing),
            Ok(false) if self.failed.is_some() => {
                return (Outcome::Skipped("a step before it failed".to_owned()), nothing);
            }
            Ok(false) => return (Outcome::Skipped("its `if` does not hold".to_owned()), nothing),
            Ok(true) => {}
        }
        if let Err(why) = self.shell_command(planned, Path::new("script")) {
            return (Outcome::NotRun(why), nothing);
        }
        (self.setting.say)(&format!("  ▸ {name}"));
        let ran = self.script(at, planned, script);
        let tolerated = || {
            let may_fail = step.may_fail.as_deref().map(Template::read).transpose().ok().flatten();
            may_fail.and_then(|may| may.value(&self.scope()).ok()).is_some_and(|may| is_true(&may) && may != "false")
        };
        match ran {
            Ok(outputs) => (Outcome::Succeeded, outputs),
            Err((why, outputs)) if tolerated() => (Outcome::Tolerated(why), outputs),
            Err((why, outputs)) => (Outcome::Failed(why), outputs),
        }
    }

    /// Runs it; what it said through its files counts, whether it failed or not.
    fn script(
        &mut self,
        at: usize,
        planned: &PlannedStep<'_>,
        script: &str,
    ) -> Result<Map<String, Value>, (String, Map<String, Value>)> {
        let failed = |why: String| (why, Map::new());
        let prepared = self.prepare(at, planned, script).map_err(failed)?;
        let limit = minutes(planned.step.timeout.as_deref(), &self.contexts)
            .map(|minutes| Duration::from_secs_f64(minutes * 60.0));
        let whole = self.until.saturating_duration_since(Instant::now());
        let limit = limit.map_or(whole, |limit| limit.min(whole));
        let (say, spoken) = (self.setting.say, &mut self.spoken);
        let mut line = |text: &str| spoken.line(text).into_iter().for_each(|text| say(&format!("    {text}")));
        let script = Script { words: &prepared.words, env: &prepared.env, directory: &prepared.directory, limit };
        let ended = process::run(&script, self.setting.stop, &mut self.left, &mut line);
        let outputs = self.heard(&prepared).map_err(failed)?;
        match ended {
            Ended::Well => Ok(outputs),
            Ended::Badly(why) => Err((why, outputs)),
            Ended::TooLate => Err((format!("it took longer than {:.2} min", limit.as_secs_f64() / 60.0), outputs)),
            Ended::Interrupted => Err(("interrupted".to_owned(), outputs)),
        }
    }

    /// What a step's script is run with.
    fn shell(&self, planned: &PlannedStep<'_>) -> Result<Option<String>, String> {
        let own = planned.step.shell.as_ref();
        let shell = own.or(self.planned.job.defaults.shell.as_ref()).or(self.workflow.defaults.shell.as_ref());
        shell.map(|shell| Template::read(shell)?.text(&self.scope())).transpose()
    }

    fn shell_command(&self, planned: &PlannedStep<'_>, script: &Path) -> Result<Vec<String>, String> {
        let is_there = |program: &str| match &self.container {
            Some(container) => container.has(program, &self.path),
            None => (self.setting.is_there)(program),
        };
        // In a job's own container GitHub takes no bash where no shell is named:
        // https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idcontainer
        let usual = (self.container.is_some() && self.planned.job.container.is_some()).then(|| "sh".to_owned());
        shell::command(self.shell(planned)?.or(usual).as_deref(), script, &is_there)
    }

    fn prepare(&mut self, at: usize, planned: &PlannedStep<'_>, script: &str) -> Result<Prepared, String> {
        let (setting, step, job) = (self.setting, planned.step, self.planned.job);
        let mut own = self.contexts["env"].as_object().cloned().unwrap_or_default();
        for (name, value) in &step.env {
            let value = Template::read(value)?.text(&self.scope())?;
            own.insert(name.clone(), Value::String(value));
        }
        // A step sees its own variables in what it runs.
        let mut contexts = self.contexts.clone();
        contexts.insert("env".to_owned(), Value::Object(own.clone()));
        let scope = Scope { contexts: &contexts, status: self.scope().status };
        let text = |text: &Option<String>| text.as_deref().map(|text| Template::read(text)?.text(&scope)).transpose();
        let defaults = [&job.defaults, &self.workflow.defaults];
        let directory = match text(&step.directory)? {
            Some(directory) => Some(directory),
            None => text(&defaults.iter().find_map(|defaults| defaults.directory.clone()))?,
        };
        let directory = setting.root.join(directory.unwrap_or_default());
        if !directory.is_dir() {
            return Err(format!("there is no directory {}", directory.display()));
        }
        let beside = setting.scratch.join(format!("{}-{at}", self.number));
        let written = beside.join(format!("script.{}", shell::ending(self.shell(planned)?.as_deref())));
        let script = Template::read(script)?.text(&scope)?;
        let write = || {
            fs::create_dir_all(&beside)?;
            FILES.iter().try_for_each(|(_, name)| fs::write(beside.join(name), ""))?;
            fs::write(&written, script)
        };
        write().map_err(|error| format!("{} cannot be written: {error}", beside.display()))?;
        let mut env = self.process_environment(&own, &beside);
        let mut words = self.shell_command(planned, &written)?;
        if let Some(container) = &self.container {
            words = container.command(&words, &env, &self.path, &directory);
            env = container.env().clone();
        } else if !self.path.is_empty() {
            let before = env.get("PATH").cloned().unwrap_or_default();
            env.insert("PATH".to_owned(), format!("{}:{before}", self.path.join(":")));
        }
        Ok(Prepared { words, env, directory, files: beside })
    }

    /// What the process of a step gets: what is said in the workflow, and what only a runner says.
    fn process_environment(&self, own: &Map<String, Value>, beside: &Path) -> BTreeMap<String, String> {
        let mut env = self.setting.env.clone();
        env.extend(own.iter().map(|(name, value)| (name.clone(), text_of(value))));
        let of_runner = |name: &str| name.starts_with("GITHUB_") || name.starts_with("RUNNER_");
        let of_runner = self.setting.env.iter().filter(|(name, _)| of_runner(name));
        env.extend(of_runner.map(|(name, value)| (name.clone(), value.clone())));
        env.insert("GITHUB_JOB".to_owned(), self.planned.job.id.clone());
        env.extend(FILES.map(|(variable, name)| (variable.to_owned(), beside.join(name).display().to_string())));
        env
    }

    /// What the step said to those after it. Its outputs.
    fn heard(&mut self, prepared: &Prepared) -> Result<Map<String, Value>, String> {
        let read = |name: &str| {
            let path = prepared.files.join(name);
            fs::read_to_string(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
        };
        let pairs = |pairs: Vec<(String, String)>| pairs.into_iter().map(|(name, value)| (name, Value::String(value)));
        let outputs = files::pairs(&read("output")?).map_err(|why| format!("GITHUB_OUTPUT: {why}"))?;
        let variables = files::variables(&read("env")?).map_err(|why| format!("GITHUB_ENV: {why}"))?;
        for (name, value) in pairs(variables) {
            self.contexts["env"][name] = value;
        }
        for path in read("path")?.lines().filter(|path| !path.is_empty()) {
            self.path.insert(0, path.to_owned());
        }
        Ok(pairs(outputs).collect())
    }

    fn finish(self, steps: Vec<RanStep>) -> RanJob {
        let job = self.planned.job;
        let mut outputs = Map::new();
        for (name, value) in &job.outputs {
            // One that cannot be worked out is empty, as that of a step that was not run.
            let value = Template::read(value).and_then(|value| value.text(&self.scope())).unwrap_or_default();
            outputs.insert(name.clone(), Value::String(value));
        }
        let may_fail = job.may_fail.as_deref().and_then(|may| Template::read(may).ok()?.text(&self.scope()).ok());
        let ran =
            |step: &RanStep| matches!(step.outcome, Outcome::Succeeded | Outcome::Tolerated(_) | Outcome::Skipped(_));
        let outcome = match (self.failed, may_fail.as_deref()) {
            (Some(why), Some("true")) => Outcome::Tolerated(why),
            (Some(why), _) => Outcome::Failed(why),
            (None, _) if !steps.iter().any(ran) => Outcome::NotRun("none of its steps can be run here".to_owned()),
            (None, _) => Outcome::Succeeded,
        };
        RanJob { id: job.id.clone(), outcome, outputs, steps }
    }
}

/// A script that is ready to run.
struct Prepared {
    words: Vec<String>,
    env: BTreeMap<String, String>,
    directory: PathBuf,
    /// The directory of its files.
    files: PathBuf,
}
