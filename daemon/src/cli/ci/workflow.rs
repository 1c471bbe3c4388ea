//! A workflow file as it is written: jobs and steps, each with its line. Nothing is worked out yet.

use std::collections::BTreeSet;

use serde_json::Value;

use super::matrix::Matrix;
use crate::core::marked::{self, Node, Place, Tree};

/// Something that makes the file no workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

/// Names with the texts they stand for.
pub(super) type Pairs = Vec<(String, String)>;

#[derive(Clone, Debug, Default)]
pub(super) struct Workflow {
    pub(super) name: Option<String>,
    /// Names of events.
    pub(super) triggers: Vec<String>,
    pub(super) env: Pairs,
    pub(super) defaults: Defaults,
    pub(super) jobs: Vec<Job>,
}

/// `defaults.run`
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults {
    pub(super) shell: Option<String>,
    pub(super) directory: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) line: usize,
    pub(super) name: Option<String>,
    pub(super) needs: Vec<String>,
    pub(super) condition: Option<String>,
    pub(super) env: Pairs,
    pub(super) defaults: Defaults,
    pub(super) outputs: Pairs,
    /// Labels of the runner.
    pub(super) runs_on: Vec<String>,
    /// `strategy.matrix`
    pub(super) matrix: Option<Matrix>,
    /// A workflow that it calls.
    pub(super) uses: Option<String>,
    pub(super) services: Vec<String>,
    /// The image of `container`.
    pub(super) container: Option<String>,
    /// `environment`: it deploys.
    pub(super) deploys: bool,
    pub(super) timeout: Option<String>,
    pub(super) may_fail: Option<String>,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) line: usize,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) condition: Option<String>,
    pub(super) does: Does,
    pub(super) env: Pairs,
    pub(super) shell: Option<String>,
    pub(super) directory: Option<String>,
    pub(super) timeout: Option<String>,
    pub(super) may_fail: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Run(String),
    Use(String),
}

/// Reads a workflow.
///
/// # Errors
/// Everything that makes it none, in the order of its lines.
pub(super) fn read(text: &str) -> Result<Workflow, Vec<Problem>> {
    let (root, faults) = marked::parse(text, 0);
    let mut reader = Reader { problems: Vec::new() };
    for fault in faults {
        reader.report(fault.place, fault.message);
    }
    let workflow = root.map(|root| reader.workflow(&root)).unwrap_or_default();
    if reader.problems.is_empty() {
        return Ok(workflow);
    }
    reader.problems.sort_by_key(|problem| (problem.line, problem.column));
    Err(reader.problems)
}

struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn report(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(Problem { line: place.line, column: place.column, message: message.into() });
    }

    fn workflow(&mut self, root: &Node) -> Workflow {
        let Tree::Map(_) = &root.tree else {
            self.report(root.place, format!("a workflow is a map, not {}", root.kind()));
            return Workflow::default();
        };
        let mut jobs = Vec::new();
        match root.get("jobs").map(|jobs| (jobs, &jobs.tree)) {
            Some((_, Tree::Map(entries))) if !entries.is_empty() => {
                jobs.extend(entries.iter().map(|entry| self.job(&entry.key, entry.place, &entry.node)));
            }
            Some((node, _)) => self.report(node.place, "`jobs` is a map with one job at least"),
            None => self.report(root.place, "a workflow has `jobs`"),
        }
        self.needs(&jobs, root);
        Workflow {
            name: self.text(root, "name"),
            triggers: self.triggers(root),
            env: self.pairs(root, "env"),
            defaults: self.defaults(root),
            jobs,
        }
    }

    fn triggers(&mut self, root: &Node) -> Vec<String> {
        match root.get("on").map(|on| (on, &on.tree)) {
            Some((_, Tree::Map(entries))) => entries.iter().map(|entry| entry.key.clone()).collect(),
            Some((_, Tree::List(items))) => items.iter().filter_map(|item| item.as_text().map(str::to_owned)).collect(),
            Some((on, Tree::Scalar(_))) => on.as_text().map(str::to_owned).into_iter().collect(),
            None => {
                self.report(root.place, "a workflow has `on`: what starts it");
                Vec::new()
            }
        }
    }

    fn job(&mut self, id: &str, place: Place, node: &Node) -> Job {
        if !matches!(node.tree, Tree::Map(_)) {
            self.report(place, format!("the job `{id}` is a map, not {}", node.kind()));
        }
        let uses = self.text(node, "uses");
        let steps = match node.get("steps").map(|steps| (steps, &steps.tree)) {
            Some((_, Tree::List(items))) if !items.is_empty() => items.iter().map(|item| self.step(item)).collect(),
            Some((steps, _)) => {
                self.report(steps.place, "`steps` is a list with one step at least");
                Vec::new()
            }
            None if uses.is_none() && matches!(node.tree, Tree::Map(_)) => {
                self.report(place, format!("the job `{id}` has neither `steps` nor `uses`"));
                Vec::new()
            }
            None => Vec::new(),
        };
        let mut ids = BTreeSet::new();
        for step in steps.iter().flatten() {
            if let Some(id) = step.id.as_ref().filter(|id| !ids.insert((*id).clone())) {
                self.report(Place { file: 0, line: step.line, column: 1 }, format!("a second step has the id `{id}`"));
            }
        }
        let container = node.get("container").and_then(|container| match &container.tree {
            Tree::Map(_) => self.text(container, "image"),
            _ => container.as_text().map(str::to_owned),
        });
        let matrix = node.get("strategy").and_then(|strategy| strategy.get("matrix"));
        let matrix = matrix.map(|matrix| Matrix { names: keys(Some(matrix)), value: matrix.to_json() });
        Job {
            id: id.to_owned(),
            line: place.line,
            name: self.text(node, "name"),
            needs: self.texts(node, "needs"),
            condition: self.text(node, "if"),
            env: self.pairs(node, "env"),
            defaults: self.defaults(node),
            outputs: self.pairs(node, "outputs"),
            runs_on: self.texts(node, "runs-on"),
            matrix,
            uses,
            services: keys(node.get("services")),
            container,
            deploys: node.get("environment").is_some(),
            timeout: self.text(node, "timeout-minutes"),
            may_fail: self.text(node, "continue-on-error"),
            steps: steps.into_iter().flatten().collect(),
        }
    }

    fn step(&mut self, node: &Node) -> Option<Step> {
        let does = match (self.text(node, "run"), self.text(node, "uses")) {
            (Some(script), None) => Does::Run(script),
            (None, Some(action)) => Does::Use(action),
            (Some(_), Some(_)) => {
                self.report(node.place, "a step has one of `run` and `uses`, not both");
                return None;
            }
            (None, None) => {
                self.report(node.place, "a step has `run` or `uses`");
                return None;
            }
        };
        Some(Step {
            line: node.place.line,
            id: self.text(node, "id"),
            name: self.text(node, "name"),
            condition: self.text(node, "if"),
            does,
            env: self.pairs(node, "env"),
            shell: self.text(node, "shell"),
            directory: self.text(node, "working-directory"),
            timeout: self.text(node, "timeout-minutes"),
            may_fail: self.text(node, "continue-on-error"),
        })
    }

    fn defaults(&mut self, node: &Node) -> Defaults {
        let Some(run) = node.get("defaults").and_then(|defaults| defaults.get("run")) else {
            return Defaults::default();
        };
        Defaults { shell: self.text(run, "shell"), directory: self.text(run, "working-directory") }
    }

    /// Jobs that others wait for are there, and wait for nobody who waits for them.
    fn needs(&mut self, jobs: &[Job], root: &Node) {
        let mut done = BTreeSet::new();
        for job in jobs {
            for need in job.needs.iter().filter(|need| jobs.iter().all(|other| other.id != **need)) {
                let place = root.place_of(&["jobs".to_owned(), job.id.clone(), "needs".to_owned()]);
                self.report(place, format!("the job `{}` needs `{need}`, and there is no such job", job.id));
            }
        }
        // What can be done is done until nothing can: the rest waits in a circle.
        let known = |need: &String| jobs.iter().any(|job| job.id == *need);
        while let Some(job) = jobs.iter().find(|job| {
            !done.contains(&job.id) && job.needs.iter().filter(|need| known(need)).all(|need| done.contains(need))
        }) {
            done.insert(job.id.clone());
        }
        for job in jobs.iter().filter(|job| !done.contains(&job.id)) {
            let place = root.place_of(&["jobs".to_owned(), job.id.clone()]);
            self.report(
                place,
                format!("the job `{}` waits for itself: look at the `needs` of those it waits for", job.id),
            );
        }
    }

    /// A scalar, as the text that GitHub makes of it.
    fn text(&mut self, node: &Node, key: &str) -> Option<String> {
        let value = node.get(key)?;
        match &value.tree {
            Tree::Scalar(Value::Null) => None,
            Tree::Scalar(scalar) => Some(written(scalar)),
            _ => {
                self.report(value.place, format!("`{key}` expects text, not {}", value.kind()));
                None
            }
        }
    }

    /// One text or a list of them; `runs-on` may be a map, too.
    fn texts(&mut self, node: &Node, key: &str) -> Vec<String> {
        let Some(value) = node.get(key) else { return Vec::new() };
        match &value.tree {
            Tree::Scalar(Value::Null) => Vec::new(),
            Tree::Scalar(scalar) => vec![written(scalar)],
            Tree::List(items) => items.iter().filter_map(|item| item.as_text().map(str::to_owned)).collect(),
            Tree::Map(_) if key == "runs-on" => self.texts(value, "labels"),
            Tree::Map(_) => {
                self.report(value.place, format!("`{key}` expects text or a list, not a map"));
                Vec::new()
            }
        }
    }

    fn pairs(&mut self, node: &Node, key: &str) -> Pairs {
        let Some(value) = node.get(key) else { return Vec::new() };
        let entries = match &value.tree {
            Tree::Map(entries) => entries,
            Tree::Scalar(Value::Null) => return Vec::new(),
            _ => {
                self.report(value.place, format!("`{key}` expects a map, not {}", value.kind()));
                return Vec::new();
            }
        };
        let pair = |entry: &marked::Entry| match &entry.node.tree {
            Tree::Scalar(scalar) => Ok((entry.key.clone(), written(scalar))),
            _ => Err((entry.node.place, format!("`{}` expects text, not {}", entry.key, entry.node.kind()))),
        };
        let mut pairs = Vec::new();
        for entry in entries {
            match pair(entry) {
                Ok(pair) => pairs.push(pair),
                Err((place, message)) => self.report(place, message),
            }
        }
        pairs
    }
}

fn keys(node: Option<&Node>) -> Vec<String> {
    match node.map(|node| &node.tree) {
        Some(Tree::Map(entries)) => entries.iter().map(|entry| entry.key.clone()).collect(),
        _ => Vec::new(),
    }
}

fn written(scalar: &Value) -> String {
    super::expression::text_of(scalar)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let told = |Problem { line, column, message }| format!("{line}:{column}: {message}");
        read(text).err().unwrap_or_default().into_iter().map(told).collect()
    }

    #[test]
    fn what_is_no_workflow_is_told_with_its_line() {
        for (text, told) in [
            ("", "1:1: a workflow is a map, not nothing"),
            ("on: push\n", "1:1: a workflow has `jobs`"),
            ("on: push\njobs: []\n", "2:7: `jobs` is a map with one job at least"),
            ("jobs:\n  a: {steps: [{run: x}]}\n", "1:1: a workflow has `on`: what starts it"),
            ("on: push\njobs:\n  a: {}\n", "3:3: the job `a` has neither `steps` nor `uses`"),
            ("on: push\njobs:\n  a: {steps: [{name: x}]}\n", "3:15: a step has `run` or `uses`"),
            (
                "on: push\njobs:\n  a: {steps: [{run: x, uses: y}]}\n",
                "3:15: a step has one of `run` and `uses`, not both",
            ),
            (
                "on: push\njobs:\n  a: {needs: b, steps: [{run: x}]}\n",
                "3:7: the job `a` needs `b`, and there is no such job",
            ),
            ("on: push\njobs:\n  a: {steps: [{run: x, env: [a]}]}\n", "3:29: `env` expects a map, not a list"),
            (
                "on: push\njobs:\n  a:\n    steps:\n    - {id: x, run: x}\n    - {id: x, run: x}\n",
                "6:1: a second step has the id `x`",
            ),
            ("on: push\njobs: {a: [\n", "not YAML"),
        ] {
            let found = problems(text);
            assert!(found.iter().any(|found| found.contains(told)), "{text}: {found:?}");
        }
        let circle =
            problems("on: push\njobs:\n  a: {needs: b, steps: [{run: x}]}\n  b: {needs: [a], steps: [{run: x}]}\n");
        assert_eq!(circle.len(), 2, "{circle:?}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-c:\\-\\[\\]{},&* \n'\"|>]{0,80}", keys in prop::collection::vec("(on|jobs|steps|run|uses|needs|env|a|-|  |:|\n| )", 0..40)) {
            let _ = read(&text);
            let _ = read(&keys.concat());
        }
    }
}
