//! `orchd ci`: runs the `run:` steps of workflows on the contributor's own machine.
//!
//! `workflow` reads a file, `matrix`, `expression` and `plan` say what of it can be run here and why the rest cannot (all
//! pure); `run` does it, by `process`, `shell`, `files`, `spoken` and `container`. Refuses to know secrets: a step gets a clean
//! environment. Invariant: what is not run is said, with the reason.

mod container;
mod expression;
mod files;
mod matrix;
mod outcome;
mod plan;
mod process;
mod run;
mod shell;
mod spoken;
mod surroundings;
mod workflow;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use serde_json::{Value, json};

use self::outcome::{Outcome, RanJob, RanStep};
use self::plan::{Can, PlannedJob, Wanted};
use self::run::Setting;
use self::workflow::Workflow;
use super::failure::Failure;
use super::git::Checkout;
use super::output::{self, Rows};
use super::program;
use crate::core::text::harmless;

pub(super) const ABOUT: &str = "\
Steps run in this checkout, in the order of the workflow, with a clean environment: no variable of yours but the path, the
home directory and the language reaches them (--env NAME adds one). Actions, services, secrets and what only GitHub knows
cannot be run here; the table says so for each step. Jobs that a chosen job needs are run first.

Exit codes: 0 what could be run succeeded; 1 a job failed, nothing could be run, or a workflow cannot be read.";

/// Where workflows are.
const FOLDER: &str = ".github/workflows";
/// Larger files are no workflow: GitHub's own limit.
const MAX_FILE: u64 = 512 << 10;

#[derive(Debug, Args)]
pub(super) struct Ci {
    /// Ids of jobs [default: all].
    jobs: Vec<String>,
    /// A workflow: a file, or its name in .github/workflows [default: those that run on pull requests].
    #[arg(long, value_name = "FILE")]
    workflow: Vec<String>,
    /// List workflows, jobs and steps, and say what cannot be run here.
    #[arg(long)]
    list: bool,
    /// The combination of a matrix to run [default: the first].
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    matrix: Vec<(String, String)>,
    /// Run in a container, by podman [default image: the job's own, or ubuntu:24.04].
    #[arg(long, value_name = "IMAGE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    container: Option<String>,
    /// A variable for all steps; without a value it is yours.
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// A directory of the checkout.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A workflow, and the file it is in.
struct Source {
    /// Below the checkout's root, when it is in there.
    path: String,
    workflow: Workflow,
}

impl Ci {
    pub(super) fn run(&self, json: bool) -> Result<(), Failure> {
        let checkout = Checkout::find(&self.dir)?;
        let sources = self.sources(&checkout)?;
        let (jobs, matrix) = (self.jobs.clone(), self.matrix.clone());
        let wanted = Wanted { jobs, matrix, contained: self.container.is_some() };
        self.check_jobs(&sources)?;
        let has_wanted = |source: &&Source| {
            wanted.jobs.is_empty() || source.workflow.jobs.iter().any(|job| wanted.jobs.contains(&job.id))
        };
        let planned: Vec<(&Source, Vec<PlannedJob<'_>>)> =
            sources.iter().filter(has_wanted).map(|source| (source, plan::plan(&source.workflow, &wanted))).collect();
        if self.list { list(&planned, json) } else { self.carry_out(&checkout, &planned, json) }
    }

    fn check_jobs(&self, sources: &[Source]) -> Result<(), Failure> {
        let known: Vec<&str> =
            sources.iter().flat_map(|source| source.workflow.jobs.iter()).map(|job| job.id.as_str()).collect();
        match self.jobs.iter().find(|wanted| !known.contains(&wanted.as_str())) {
            None => Ok(()),
            Some(wanted) => {
                let files: Vec<&str> = sources.iter().map(|source| source.path.as_str()).collect();
                Err(Failure::failed(format!(
                    "there is no job `{}` in {}; there is {} (other workflows: --workflow FILE)",
                    harmless(wanted),
                    files.join(", "),
                    known.join(", ")
                )))
            }
        }
    }

    /// The workflows to look at.
    fn sources(&self, checkout: &Checkout) -> Result<Vec<Source>, Failure> {
        let folder = checkout.root.join(FOLDER);
        let mut paths: Vec<PathBuf> = Vec::new();
        if self.workflow.is_empty() {
            let entries = fs::read_dir(&folder)
                .map_err(|_| Failure::failed(format!("there are no workflows: {} is not there", folder.display())))?;
            let is_yaml = |path: &PathBuf| path.extension().is_some_and(|end| end == "yml" || end == "yaml");
            paths.extend(entries.flatten().map(|entry| entry.path()).filter(is_yaml));
            paths.sort();
        }
        for name in &self.workflow {
            let places = [
                PathBuf::from(name),
                folder.join(name),
                folder.join(format!("{name}.yml")),
                folder.join(format!("{name}.yaml")),
            ];
            let found = places.into_iter().find(|place| place.is_file());
            paths.push(found.ok_or_else(|| Failure::failed(format!("there is no workflow `{}`", harmless(name))))?);
        }
        let read = |path: &PathBuf| read(path, &checkout.root);
        let mut sources = paths.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if self.workflow.is_empty() && !self.list {
            sources.retain(|source| source.workflow.triggers.iter().any(|event| event == "pull_request"));
            if sources.is_empty() {
                return Err(Failure::failed(
                    "no workflow runs on pull requests: choose one with --workflow (`orchd ci --list`)",
                ));
            }
        }
        Ok(sources)
    }

    fn carry_out(
        &self,
        checkout: &Checkout,
        planned: &[(&Source, Vec<PlannedJob<'_>>)],
        json: bool,
    ) -> Result<(), Failure> {
        let scratch = tempfile::Builder::new().prefix("orchd-ci-").tempdir();
        let scratch = scratch.map_err(|error| Failure::failed(format!("no place for scripts: {error}")))?;
        let stop = interrupted();
        let say = |text: &str| {
            // Only the document goes to standard output when JSON is asked for.
            if json { output::note(text) } else { drop(output::print(&format!("{}\n", harmless(text)))) }
        };
        let mut ran: Vec<(&Source, Vec<RanJob>)> = Vec::new();
        for (source, jobs) in planned {
            let github = surroundings::github(checkout, &source.workflow, &source.path);
            let env = surroundings::environment(checkout, scratch.path(), &github, &self.env)?;
            let setting = Setting {
                root: &checkout.root,
                scratch: scratch.path(),
                env,
                github,
                image: self.container.as_deref(),
                stop: &stop,
                is_there: &program::is_there,
                say: &say,
            };
            let mut done: Vec<RanJob> = Vec::new();
            for job in jobs {
                let combination = matrix::shown(&job.combination);
                let combination = if combination.is_empty() { String::new() } else { format!(" ({combination})") };
                let title = job.job.name.as_deref().unwrap_or(&job.job.id);
                say(&format!("{}: {}{combination}", source.path, title));
                let job = run::job(&source.workflow, job, &setting, &done);
                if job.steps.is_empty() {
                    say(&format!("  - {}: {}", job.outcome.word(), job.outcome.why()));
                }
                done.push(job);
            }
            ran.push((source, done));
        }
        if json {
            output::print_json(&document(&ran))?
        } else {
            table(&ran)?
        };
        outcome(&ran, stop.load(Ordering::Relaxed))
    }
}

fn read(path: &Path, root: &Path) -> Result<Source, Failure> {
    let shown = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let failed = |why: String| Failure::failed(format!("{} {why}", harmless(&shown)));
    let metadata = path.metadata().map_err(|error| failed(format!("cannot be read: {error}")))?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err(failed("is no plain file of at most 512 KiB".to_owned()));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    let workflow = workflow::read(&text).map_err(|problems| {
        let lines =
            problems.iter().map(|problem| format!("{shown}:{}:{}: {}", problem.line, problem.column, problem.message));
        Failure::failed(format!("a workflow cannot be read:\n{}", lines.collect::<Vec<_>>().join("\n")))
    })?;
    Ok(Source { path: shown, workflow })
}

/// Set when somebody wants an end to it.
fn interrupted() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut terminate), Ok(mut hang_up)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
            else {
                return;
            };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
            told.store(true, Ordering::Relaxed);
        });
    });
    stop
}

fn list(planned: &[(&Source, Vec<PlannedJob<'_>>)], json: bool) -> Result<(), Failure> {
    let mut rows = Rows::new(["workflow", "job", "line", "step", "here"]);
    let mut documents = Vec::new();
    for (source, jobs) in planned {
        for job in jobs {
            let steps = job.steps.iter().map(|it| {
                let here = match (&job.obstacle, &it.can) {
                    (Some(why), _) => format!("no: {why}"),
                    (None, Can::Run) => "yes".to_owned(),
                    (None, Can::Here) => "the checkout is here already".to_owned(),
                    (None, Can::Not(why)) => format!("no: {why}"),
                };
                let name = it.step.name.clone().unwrap_or_else(|| match &it.step.does {
                    workflow::Does::Run(script) => {
                        crate::core::text::shortened(script.trim().lines().next().unwrap_or_default())
                    }
                    workflow::Does::Use(action) => action.clone(),
                });
                (it.step.line, name, here)
            });
            let whole = (job.job.line, "(the whole job)".to_owned(), job.obstacle.clone().unwrap_or_default());
            let steps: Vec<_> = if job.steps.is_empty() { vec![whole] } else { steps.collect() };
            for (line, name, here) in steps {
                documents.push(
                    json!({"workflow": source.path, "job": job.job.id, "line": line, "step": name, "here": here}),
                );
                rows.push([source.path.clone(), job.job.id.clone(), line.to_string(), name, here]);
            }
        }
    }
    if json { output::print_json_lines(&documents) } else { rows.print() }
}

fn table(ran: &[(&Source, Vec<RanJob>)]) -> Result<(), Failure> {
    let mut rows = Rows::new(["job", "step", "result", "seconds", "why"]);
    for job in ran.iter().flat_map(|(_, jobs)| jobs) {
        for step in &job.steps {
            let took = format!("{:.1}", step.took.as_secs_f64());
            rows.push([
                job.id.clone(),
                step.name.clone(),
                step.outcome.word().to_owned(),
                took,
                step.outcome.why().to_owned(),
            ]);
        }
        let why = job.outcome.why().to_owned();
        rows.push([job.id.clone(), "(the whole job)".to_owned(), job.outcome.word().to_owned(), String::new(), why]);
    }
    output::print("\n")?;
    rows.print()
}

fn document(ran: &[(&Source, Vec<RanJob>)]) -> Value {
    let step = |step: &RanStep| {
        json!({"name": step.name, "line": step.line, "result": step.outcome.word(), "why": step.outcome.why(),
            "seconds": step.took.as_secs_f64()})
    };
    let job = |source: &Source, job: &RanJob| {
        json!({"workflow": source.path, "job": job.id, "result": job.outcome.word(), "why": job.outcome.why(),
            "outputs": job.outputs, "steps": job.steps.iter().map(step).collect::<Value>()})
    };
    let jobs: Value = ran.iter().flat_map(|(source, jobs)| jobs.iter().map(move |each| job(source, each))).collect();
    json!({"jobs": jobs})
}

fn outcome(ran: &[(&Source, Vec<RanJob>)], interrupted: bool) -> Result<(), Failure> {
    let jobs = || ran.iter().flat_map(|(_, jobs)| jobs);
    let failed: Vec<&str> =
        jobs().filter(|job| matches!(job.outcome, Outcome::Failed(_))).map(|job| job.id.as_str()).collect();
    let steps = jobs().flat_map(|job| &job.steps);
    let not_run = steps.filter(|step| matches!(step.outcome, Outcome::NotRun(_))).count();
    if not_run > 0 {
        output::note(&format!("{not_run} of the steps cannot be run here: the table says why."));
    }
    if interrupted {
        return Err(Failure::failed("interrupted"));
    }
    if !failed.is_empty() {
        return Err(Failure::failed(format!("failed: {}", failed.join(", "))));
    }
    match jobs().any(|job| !matches!(job.outcome, Outcome::NotRun(_))) {
        true => Ok(()),
        false => Err(Failure::failed("nothing of it can be run here")),
    }
}
