//! Samples of the events that are about no issue or pull request.

use serde_json::{Value, json};

use super::events::{self, Envelope};
use super::{objects, random};
use crate::model::Time;
use crate::seed::Seed;

pub(super) fn of_kind(name: &str, seed: &mut Seed, end: &Envelope<'_>, at: Time) -> Value {
    match name {
        "check_run" => end.check_run("completed", &random::check_run(seed, at)).1,
        "check_suite" => end.check_suite(&random::check_run(seed, at)).1,
        "workflow_run" => end.workflow_run(&random::check_run(seed, at)).1,
        "status" => end.status(&random::status(seed, at)).1,
        "star" => {
            let action = seed.pick(&["created", "deleted"]);
            end.star(action, at).1
        }
        "watch" => end.close(json!({"action": "started"})),
        "create" => end.reference("create", &random::branch(seed)).1,
        "delete" => end.reference("delete", &random::branch(seed)).1,
        "label" => {
            let names: Vec<&String> = end.repository.labels.keys().collect();
            let name = seed.pick(&names);
            end.repository_label("created", name).map_or(Value::Null, |(_, payload)| payload)
        }
        "release" => {
            let tag = format!("v{}.{}.0", seed.below(5), seed.below(30));
            end.release(seed.id(), &tag, &random::text(seed), at).1
        }
        "fork" => {
            let mut fork = end.repository.clone();
            fork.id = seed.id();
            fork.owner = random::person(seed);
            end.close(json!({"forkee": objects::repository(&fork)}))
        }
        _ => events::ping(seed.id(), seed.id() >> 20, "https://orchd.example.com/webhooks/github", at).1,
    }
}
