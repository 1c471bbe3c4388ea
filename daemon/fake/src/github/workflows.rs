//! GitHub Actions as a test sets it up and sees it, and what an App said of commits.

use chrono::Utc;
use serde_json::{Value, json};

use super::GitHub;
use super::setup::tell;
use super::world::World;
use crate::model::{CheckRun, Repository};

/// A commit status, as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetStatus {
    pub sha: String,
    pub context: String,
    pub state: String,
    pub description: String,
}

/// All functions that name a repository panic when there is none: a test that names one is wrong.
impl GitHub {
    /// A file in `.github/workflows` with an `on: workflow_dispatch`.
    pub fn add_workflow(&self, repository: &str, file: &str) {
        self.inner.update(|world| found(world, repository).actions.workflows.insert(file.to_owned()));
    }

    /// A run, in this attempt, as the API tells it, with its jobs.
    pub fn describe_run(&self, repository: &str, (id, attempt): (u64, u64), run: Value, jobs: Value) {
        self.inner.update(|world| found(world, repository).actions.described.insert((id, attempt), (run, jobs)));
    }

    /// Whether runs are listed only later.
    pub fn list_runs_late(&self, repository: &str, late: bool) {
        self.inner.update(|world| found(world, repository).actions.late = late);
    }

    /// What was dispatched so far: workflows with `ref` and `inputs`, events with their payload.
    pub fn dispatched(&self, repository: &str) -> Vec<Value> {
        found(&mut self.inner.world(), repository).actions.dispatched.clone()
    }

    /// Every status that was ever set, oldest first.
    pub fn statuses(&self, repository: &str) -> Vec<SetStatus> {
        let mut world = self.inner.world();
        let statuses = found(&mut world, repository).statuses.iter().map(|status| SetStatus {
            sha: status.sha.clone(),
            context: status.context.clone(),
            state: status.state.clone(),
            description: status.description.clone(),
        });
        statuses.collect()
    }

    /// Numbers of all issues and pull requests.
    pub fn numbers(&self, repository: &str) -> Vec<u64> {
        found(&mut self.inner.world(), repository).items.keys().copied().collect()
    }

    /// A scheduled workflow ends on the default branch, and that is delivered. Gives the commit it ran on.
    pub fn scheduled_run(&self, repository: &str, name: &str, conclusion: &str) -> String {
        self.inner.update(|world| {
            let (id, sha) = (world.seed.id(), world.seed.sha());
            let run = CheckRun {
                id,
                name: name.to_owned(),
                sha: sha.clone(),
                status: "completed".to_owned(),
                conclusion: Some(conclusion.to_owned()),
                external_id: None,
                started_at: Utc::now(),
                output: None,
            };
            tell(world, repository, |end| {
                let (event, mut payload) = end.workflow_run(&run);
                payload["workflow_run"]["event"] = json!("schedule");
                (event, payload)
            });
            sha
        })
    }
}

fn found<'a>(world: &'a mut World, name: &str) -> &'a mut Repository {
    let Some(repository) = world.repository_mut(name) else { panic!("the fake GitHub has no {name}") };
    repository
}
