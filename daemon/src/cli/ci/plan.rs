//! What of a workflow can be run here, and of the rest why not. Pure: a workflow in, a plan out.

use std::collections::BTreeMap;

use serde_json::Value;

use super::expression::{Expression, Template, condition};
use super::matrix::{Combination, choose};
use super::workflow::{Does, Job, Pairs, Step, Workflow};

/// What every workflow's checkout is here without an action.
const CHECKOUT: &str = "actions/checkout";
/// What is known of `github`, and what variables `GITHUB_…` tell steps.
pub(super) const KNOWN: [&str; 18] = [
    "actor",
    "api_url",
    "base_ref",
    "event_name",
    "graphql_url",
    "head_ref",
    "ref",
    "ref_name",
    "ref_type",
    "repository",
    "repository_owner",
    "run_attempt",
    "run_id",
    "run_number",
    "server_url",
    "sha",
    "triggering_actor",
    "workflow",
];
/// What only expressions are told of it; of `github.event` no more than is below it here.
const KNOWN_BESIDES: [&str; 4] = ["action", "event", "job", "workspace"];
const KNOWN_OF_THE_EVENT: [&str; 1] = ["repository"];
/// Contexts that are known besides.
const CONTEXTS: [&str; 7] = ["env", "matrix", "steps", "needs", "job", "runner", "strategy"];

/// A job, and what stands in its way.
#[derive(Debug)]
pub(super) struct PlannedJob<'w> {
    pub(super) job: &'w Job,
    pub(super) combination: Combination,
    /// Why nothing of it can be run.
    pub(super) obstacle: Option<String>,
    pub(super) steps: Vec<PlannedStep<'w>>,
}

#[derive(Debug)]
pub(super) struct PlannedStep<'w> {
    pub(super) step: &'w Step,
    pub(super) can: Can,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Can {
    Run,
    /// It is so already: the checkout.
    Here,
    /// It cannot be run; the text says why.
    Not(String),
}

/// What a person wants.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Ids of jobs; none: all.
    pub(super) jobs: Vec<String>,
    pub(super) matrix: Vec<(String, String)>,
    /// Whether jobs run in a container.
    pub(super) contained: bool,
}

/// The wanted jobs and those they wait for, each behind those it waits for.
pub(super) fn plan<'w>(workflow: &'w Workflow, wanted: &Wanted) -> Vec<PlannedJob<'w>> {
    let mut chosen: Vec<&Job> = Vec::new();
    let mut waiting: Vec<&Job> =
        workflow.jobs.iter().filter(|job| wanted.jobs.is_empty() || wanted.jobs.contains(&job.id)).collect();
    while let Some(job) = waiting.pop() {
        if chosen.iter().all(|other| other.id != job.id) {
            chosen.push(job);
            waiting.extend(workflow.jobs.iter().filter(|other| job.needs.contains(&other.id)));
        }
    }
    let mut planned: Vec<PlannedJob<'_>> = Vec::new();
    let mut left: Vec<&Job> =
        workflow.jobs.iter().filter(|job| chosen.iter().any(|other| other.id == job.id)).collect();
    while let Some(at) =
        left.iter().position(|job| job.needs.iter().all(|need| left.iter().all(|other| other.id != *need)))
    {
        planned.push(job_plan(left.remove(at), wanted));
    }
    planned
}

fn job_plan<'w>(job: &'w Job, wanted: &Wanted) -> PlannedJob<'w> {
    let (combination, fault) = match choose(job.matrix.as_ref(), &wanted.matrix) {
        Ok(combination) => (combination, None),
        Err(why) => (Combination::new(), Some(why)),
    };
    let obstacle = fault.or_else(|| obstacle(job, &combination, wanted));
    let mut steps: Vec<PlannedStep<'_>> = Vec::with_capacity(job.steps.len());
    for step in &job.steps {
        let can = can(step, &steps);
        steps.push(PlannedStep { step, can });
    }
    PlannedJob { job, combination, obstacle, steps }
}

/// Why nothing of a job can be run here.
fn obstacle(job: &Job, combination: &Combination, wanted: &Wanted) -> Option<String> {
    if let Some(workflow) = &job.uses {
        return Some(format!("it calls the workflow `{workflow}`"));
    }
    if !job.services.is_empty() {
        return Some(format!("it needs services beside it: {}", job.services.join(", ")));
    }
    if job.deploys {
        return Some("it deploys (`environment`)".to_owned());
    }
    if job.container.is_some() && !wanted.contained {
        return Some("it runs in a container: add --container".to_owned());
    }
    let contexts = [("matrix".to_owned(), Value::Object(combination.clone()))].into_iter().collect();
    let scope = super::expression::Scope { contexts: &contexts, status: super::expression::Status::Success };
    for label in &job.runs_on {
        let label = Template::read(label).and_then(|label| label.text(&scope)).unwrap_or_default().to_lowercase();
        let elsewhere = ["windows", "macos"].into_iter().find(|system| label.contains(system));
        if let Some(system) = elsewhere.filter(|_| !wanted.contained) {
            let hint = if combination.is_empty() { "" } else { " (another combination: --matrix NAME=VALUE)" };
            return Some(format!("it is for {system}{hint}"));
        }
    }
    condition_obstacle(job.condition.as_deref(), &[])
}

/// Whether a step can be run, after those before it.
fn can(step: &Step, before: &[PlannedStep<'_>]) -> Can {
    let not = match &step.does {
        Does::Use(action) if action.split('@').next() == Some(CHECKOUT) => return Can::Here,
        Does::Use(action) => Some(format!("it uses the action `{action}`")),
        Does::Run(script) => {
            let texts = [Some(script), step.directory.as_ref(), step.shell.as_ref()].into_iter().flatten();
            let texts = texts.chain(step.env.iter().map(|(_, value)| value));
            let more = [step.timeout.as_ref(), step.may_fail.as_ref()].into_iter().flatten();
            texts.chain(more).find_map(|text| text_obstacle(text, before))
        }
    };
    not.or_else(|| condition_obstacle(step.condition.as_deref(), before)).map_or(Can::Run, Can::Not)
}

fn condition_obstacle(text: Option<&str>, before: &[PlannedStep<'_>]) -> Option<String> {
    match condition(text?) {
        Ok(condition) => expression_obstacle(&condition, before),
        Err(why) => Some(why),
    }
}

fn text_obstacle(text: &str, before: &[PlannedStep<'_>]) -> Option<String> {
    match Template::read(text) {
        Ok(template) => template.expressions().find_map(|expression| expression_obstacle(expression, before)),
        Err(why) => Some(why),
    }
}

/// Why an expression cannot be worked out here.
fn expression_obstacle(expression: &Expression, before: &[PlannedStep<'_>]) -> Option<String> {
    if let Some(function) = expression.unknown_functions().first() {
        return Some(format!("it calls `{function}()`, which only GitHub works out"));
    }
    expression.paths().into_iter().find_map(|path| {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let written = path.join(".");
        match names.as_slice() {
            ["secrets", ..] | ["github", "token"] => {
                Some(format!("it needs the secret `{written}`, and none is given here"))
            }
            ["vars" | "inputs", ..] => Some(format!("it needs `{written}`, which only GitHub knows")),
            ["github", "event", name, ..] if !KNOWN_OF_THE_EVENT.contains(name) => {
                Some(format!("it needs `{written}`, which only an event has"))
            }
            ["github", name, ..] if !KNOWN.contains(name) && !KNOWN_BESIDES.contains(name) => {
                Some(format!("it needs `{written}`, which is not known here"))
            }
            ["steps", id, "outputs", ..] => {
                let step =
                    before.iter().find(|it| it.step.id.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(id)));
                let not_run = step.is_some_and(|it| it.can != Can::Run);
                not_run.then(|| format!("it needs `{written}` of a step that is not run"))
            }
            ["github", ..] => None,
            [context, ..] if CONTEXTS.contains(context) => None,
            _ => Some(format!("it needs `{written}`, which is not known here")),
        }
    })
}

/// Variables that can be worked out, and of the others why not.
pub(super) fn variables(env: &Pairs) -> (Vec<(&str, Template)>, BTreeMap<&str, String>) {
    let (mut known, mut left_out) = (Vec::new(), BTreeMap::new());
    for (name, value) in env {
        match (Template::read(value), text_obstacle(value, &[])) {
            (Ok(template), None) => known.push((name.as_str(), template)),
            (Err(why), _) | (_, Some(why)) => drop(left_out.insert(name.as_str(), why)),
        }
    }
    (known, left_out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli::ci::workflow::read;

    const WORKFLOW: &str = "
on: pull_request
jobs:
  last: {needs: [build, lint], runs-on: ubuntu-24.04, steps: [{run: x}]}
  build:
    runs-on: '${{ matrix.os }}'
    strategy: {matrix: {os: [ubuntu-24.04, windows-2025]}}
    steps:
      - uses: actions/checkout@v7
      - uses: acme/setup@v1
        id: setup
      - run: echo '${{ steps.setup.outputs.path }}'
      - run: echo '${{ secrets.TOKEN }}'
      - run: 'true'
        env: {T: '${{ github.token }}'}
      - run: 'true'
        if: github.event.pull_request.draft == false
      - run: echo '${{ hashFiles('a') }}'
      - run: echo '${{ env.A }} ${{ github.sha }} ${{ github.event.repository.default_branch }}'
      - run: echo '${{ a b }}'
      - run: echo '${{ vars.A }}'
  lint: {runs-on: ubuntu-24.04, steps: [{run: x}]}
  other: {runs-on: ubuntu-24.04, services: {db: {image: postgres}}, steps: [{run: x}]}
  call: {uses: ./.github/workflows/x.yml}
  ship: {runs-on: ubuntu-24.04, environment: production, steps: [{run: x}]}
  boxed: {runs-on: ubuntu-24.04, container: {image: debian}, steps: [{run: x}]}
";

    #[test]
    fn each_step_says_why_it_cannot_be_run() {
        let workflow = read(WORKFLOW).unwrap();
        let planned = plan(&workflow, &Wanted { jobs: vec!["last".to_owned()], ..Wanted::default() });
        let order: Vec<_> = planned.iter().map(|it| it.job.id.as_str()).collect();
        assert_eq!(order, ["build", "lint", "last"], "what it waits for comes along, and first");
        let told = planned[0].steps.iter().map(|it| match &it.can {
            Can::Run => "run",
            Can::Here => "here",
            Can::Not(why) => why,
        });
        let expected = [
            "here",
            "it uses the action `acme/setup@v1`",
            "it needs `steps.setup.outputs.path` of a step that is not run",
            "it needs the secret `secrets.token`, and none is given here",
            "it needs the secret `github.token`, and none is given here",
            "it needs `github.event.pull_request.draft`, which only an event has",
            "it calls `hashfiles()`, which only GitHub works out",
            "run",
            "the expression `a b` cannot be read: `b` is not expected there",
            "it needs `vars.a`, which only GitHub knows",
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_job_says_why_it_cannot_be_run() {
        let workflow = read(WORKFLOW).unwrap();
        let obstacles = |wanted: &Wanted| {
            let obstacles =
                plan(&workflow, wanted).into_iter().filter_map(|it| Some((it.job.id.clone(), it.obstacle?)));
            obstacles.collect::<BTreeMap<_, _>>()
        };
        let told =
            obstacles(&Wanted { matrix: vec![("os".to_owned(), "windows-2025".to_owned())], ..Wanted::default() });
        for (job, why) in [
            ("build", "it is for windows (another combination: --matrix NAME=VALUE)"),
            ("other", "it needs services beside it: db"),
            ("call", "it calls the workflow `./.github/workflows/x.yml`"),
            ("ship", "it deploys (`environment`)"),
            ("boxed", "it runs in a container: add --container"),
        ] {
            assert_eq!(told.get(job).map(String::as_str), Some(why));
        }
        assert_eq!(told.len(), 5, "{told:?}");
        assert!(!obstacles(&Wanted { contained: true, ..Wanted::default() }).contains_key("boxed"));
    }
}
